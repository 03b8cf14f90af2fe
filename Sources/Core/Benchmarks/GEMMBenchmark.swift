import KernelInterface

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Measures the GEMMs of a linear, format by format, against the peak of the instruction that does the work, against
/// FP32 and against the sgemm of a BLAS library.
///
/// All of them take turns, so that a change of the processor's clock or a noisy neighbour meets all; every figure is the
/// median of the rounds, and so is every ratio of two figures of one round.
public struct GEMMBenchmark {
    /// C[m, n] = A[m, k] · B[k, n].
    public struct Shape: Hashable, Codable, Sendable, CustomStringConvertible {
        public var m: Int
        public var n: Int
        public var k: Int

        public init(m: Int, n: Int, k: Int) {
            self.m = m
            self.n = n
            self.k = k
        }

        /// - Parameter text: for example "1024x768x256".
        /// - Throws: `UserError` if it isn't three positive numbers, or the matrices would be too large.
        public init(_ text: String) throws {
            let parts = text.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
            guard parts.count == 3, let m = parts[0], let n = parts[1], let k = parts[2],
                [m, n, k].allSatisfy({ (1...65536).contains($0) })
            else {
                throw UserError("--shape is \"\(text)\"; expected MxNxK with each from 1 to 65536, as in 1024x768x256.")
            }
            let values = m * n + m * k + k * n
            guard values <= 512_000_000 else {
                throw UserError(
                    "--shape is \"\(text)\"; its matrices would have \(values / 1_000_000) million values; expected at "
                        + "most 512 million.")
            }
            self.init(m: m, n: n, k: k)
        }

        public var description: String { "\(m)x\(n)x\(k)" }
        var operations: Double { 2 * Double(m) * Double(n) * Double(k) }
    }

    /// Which GEMM of a linear it is: this decides how the operands lie in memory, and which of them are weights.
    public enum Pass: String, Codable, Sendable, CaseIterable {
        /// X·Wᵀ: the reduction axis is contiguous in both operands.
        case fprop
        /// E·W: contiguous in the left operand only.
        case dgrad
        /// Eᵀ·X: contiguous in neither. No operand is a weight.
        case wgrad
    }

    public struct Result: Codable, Sendable {
        public var shape: String
        public var pass: Pass
        public var format: BlockFormat
        public var tier: String
        public var threads: Int
        /// What multiplies: for E2M1 the tier's instruction on bytes, for FP8 the FP16 multiply-add where the tier has it, for
        /// all others the FP32 multiply-add.
        public var instruction: String
        /// GFLOP/s of that instruction on registers, on all threads.
        public var peak: Double
        /// GFLOP/s with both operands already packed.
        public var packed: Double
        public var packedOfPeak: Double
        /// GFLOP/s of the GEMM with activations and gradients quantized and packed inside, weights before: once a step is
        /// enough for them.
        public var linear: Double
        /// The share of that time in which operands are quantized and packed.
        public var quantizeShare: Double
        /// GFLOP/s with both operands quantized and packed inside.
        public var whole: Double
        /// How many times as fast `linear` is as the same in FP32.
        public var speedupOverFP32: Double
        /// How many times as fast `whole` is as the fastest BLAS library's sgemm, which packs both operands too; nil without
        /// one.
        public var speedupOverSgemm: Double?
    }

    public let context: ComputeContext
    public let blas: [SystemBLAS]

    /// - Parameter blas: libraries to compare with.
    public init(context: ComputeContext, blas: [SystemBLAS]) {
        self.context = context
        self.blas = blas
    }

    /// The up projection of GPT-2 at 2048 tokens.
    public static let standardShape = Shape(m: 2048, n: 3072, k: 768)

    /// The linears of a model's layers, tokens × outputs × inputs, each once.
    public static func shapes(of configuration: RunConfiguration) -> [Shape] {
        let model = configuration.model
        let tokens = configuration.training.batch * model.context
        var shapes: [Shape] = []
        for (outputs, inputs) in [
            (model.attentionWidth, model.width), (model.width, model.width), (model.projectedWidth, model.width),
            (model.width, model.feedForwardWidth),
        ] {
            let shape = Shape(m: tokens, n: outputs, k: inputs)
            if !shapes.contains(shape) { shapes.append(shape) }
        }
        return shapes
    }

    // MARK: Measuring

    /// The operands of a shape, in some format.
    private final class Operands {
        let a: MatrixView
        let b: MatrixView
        let formats: GEMMFormats
        let packedA: PackedMatrix
        let packedB: PackedMatrix

        init(_ a: MatrixView, _ b: MatrixView, _ format: BlockFormat, _ context: ComputeContext) {
            self.a = a
            self.b = b
            formats = GEMMFormats(format)
            let left = context.leftLayout(rows: a.rows, depth: a.columns, formats)
            let right = context.rightLayout(columns: b.columns, depth: b.rows, formats)
            packedA = PackedMatrix(left, in: allocateForMatrices(byteCount: left.byteCount))
            packedB = PackedMatrix(right, in: allocateForMatrices(byteCount: right.byteCount))
            context.packLeft(a, formats, into: packedA)
            context.packRight(b, formats, into: packedB)
        }

        deinit {
            packedA.storage.deallocate()
            packedB.storage.deallocate()
        }
    }

    private struct Round {
        var peak: Double
        var packed: Double
        var linear: Double
        var quantizing: Double
        var whole: Double
        var fp32: Double
        var sgemm: Double?
    }

    /// - Parameter seconds: about how long to measure.
    public func measure(_ shape: Shape, pass: Pass = .fprop, format: BlockFormat, seconds: Double = 1) -> Result {
        let a = uniformNumbers(shape.m * shape.k, seed: 1)
        let b = uniformNumbers(shape.k * shape.n, seed: 2)
        let c = uniformNumbers(shape.m * shape.n, seed: 3)
        defer { [a, b, c].forEach { $0.deallocate() } }
        let viewA =
            pass == .wgrad
            ? MatrixView(a, rows: shape.k, columns: shape.m).transposed
            : MatrixView(a, rows: shape.m, columns: shape.k)
        let viewB =
            pass == .fprop
            ? MatrixView(b, rows: shape.n, columns: shape.k).transposed
            : MatrixView(b, rows: shape.k, columns: shape.n)
        let operands = Operands(viewA, viewB, format, context)
        let fp32 = Operands(viewA, viewB, .fp32, context)
        let instruction = instruction(operands.packedA.layout)
        let rounds = probeRounds(instruction)
        var results: [Round] = []
        let start = monotonicNanoseconds()
        repeat {
            // Wakes the threads.
            _ = probe(rounds, instruction)
            results.append(
                Round(
                    peak: probe(rounds, instruction),
                    packed: nanoseconds { multiply(operands, into: c, shape) },
                    linear: nanoseconds { linear(operands, pass, into: c, shape) },
                    quantizing: nanoseconds { quantize(operands, pass) },
                    whole: nanoseconds { whole(operands, into: c, shape) },
                    fp32: nanoseconds { linear(fp32, pass, into: c, shape) },
                    sgemm: blas.map { library in
                        // Wakes its threads.
                        library.sgemm(viewA, viewB, into: c, rowStride: shape.n)
                        let time = nanoseconds { library.sgemm(viewA, viewB, into: c, rowStride: shape.n) }
                        // Its threads spin for a while before they sleep, on cores that the next turn needs.
                        if context.pool.lanes > 1 { usleep(40_000) }
                        return time
                    }.min()))
        } while Double(monotonicNanoseconds() - start) < seconds * 1e9 || results.count < 5
        return Result(
            shape: shape.description, pass: pass, format: format, tier: context.tier.rawValue,
            threads: context.pool.lanes,
            instruction: instruction.name,
            peak: median(results.map(\.peak)), packed: median(results.map { shape.operations / $0.packed }),
            packedOfPeak: median(results.map { shape.operations / $0.packed / $0.peak }),
            linear: median(results.map { shape.operations / $0.linear }),
            quantizeShare: median(results.map { $0.quantizing / $0.linear }),
            whole: median(results.map { shape.operations / $0.whole }),
            speedupOverFP32: median(results.map { $0.fp32 / $0.linear }),
            speedupOverSgemm: blas.isEmpty ? nil : median(results.map { ($0.sgemm ?? .nan) / $0.whole }))
    }

    private func multiply(_ operands: Operands, into c: WriteRow, _ shape: Shape) {
        context.multiply(operands.packedA, operands.packedB, into: c, rowStride: shape.n)
    }

    private func quantize(_ operands: Operands, _ pass: Pass) {
        if pass == .wgrad {
            context.packBoth(
                operands.a, operands.b, operands.formats, into: (operands.packedA, operands.packedB))
        } else {
            context.packLeft(operands.a, operands.formats, into: operands.packedA)
        }
    }

    private func linear(_ operands: Operands, _ pass: Pass, into c: WriteRow, _ shape: Shape) {
        quantize(operands, pass)
        multiply(operands, into: c, shape)
    }

    private func whole(_ operands: Operands, into c: WriteRow, _ shape: Shape) {
        context.packBoth(operands.a, operands.b, operands.formats, into: (operands.packedA, operands.packedB))
        multiply(operands, into: c, shape)
    }

    /// Nanoseconds of one call, from as many as last two milliseconds.
    private func nanoseconds(_ body: () -> Void) -> Double {
        var calls = 0.0
        let start = monotonicNanoseconds()
        var now = start
        repeat {
            body()
            calls += 1
            now = monotonicNanoseconds()
        } while now - start < 2_000_000
        return Double(now - start) / calls
    }

    // MARK: Peaks

    private struct Instruction {
        var name: String
        /// Runs so many rounds on registers and returns the operations done.
        var probe: (_ rounds: Int, _ seeds: WriteRow) -> Int
    }

    private func instruction(_ layout: PackedLayout) -> Instruction {
        let kernels = context.kernels
        if layout.isInteger {
            return Instruction(name: context.tier.integerInstruction) { kernels.integerProbe(rounds: $0, seeds: $1) }
        }
        if layout.isHalf, let half = context.half {
            return Instruction(name: "FMA FP16") { half.halfProbe(rounds: $0, seeds: $1) }
        }
        if layout.isPairs, let pairs = context.pairs {
            return Instruction(name: "VDPBF16PS") { pairs.pairProbe(rounds: $0, seeds: $1) }
        }
        return Instruction(name: "FMA FP32") { kernels.multiplyAddProbe(rounds: $0, seeds: $1) }
    }

    /// Rounds of the probe that last about a millisecond.
    private func probeRounds(_ instruction: Instruction) -> Int {
        var rounds = 1000
        while rounds < 1 << 30 {
            let start = monotonicNanoseconds()
            _ = probe(rounds, instruction)
            if monotonicNanoseconds() - start > 1_000_000 { break }
            rounds *= 2
        }
        return rounds
    }

    /// GFLOP/s of independent products and sums on registers, on all lanes at once.
    private func probe(_ rounds: Int, _ instruction: Instruction) -> Double {
        let lanes = context.pool.lanes
        let operations = uniformNumbers(lanes, seed: 4)
        let seeds = uniformNumbers(lanes * 64, seed: 5)
        defer {
            operations.deallocate()
            seeds.deallocate()
        }
        let start = monotonicNanoseconds()
        context.pool.run(lanes) { index, _ in
            operations[index] = Float(instruction.probe(rounds, seeds + index * 64))
        }
        let nanoseconds = Double(monotonicNanoseconds() - start)
        return (0..<lanes).reduce(0) { $0 + Double(operations[$1]) } / nanoseconds
    }
}

extension KernelTier {
    /// The instruction that multiplies bytes, or what stands for it.
    public var integerInstruction: String {
        switch self {
        case .portable: "16-bit multiply"
        case .avx2: "VPMADDUBSW"
        case .avx512, .avx512bf16, .avx512fp16: "VPDPBUSD"
        }
    }
}
