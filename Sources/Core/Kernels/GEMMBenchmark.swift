import KernelInterface

/// Measures the GEMM of a context against the multiply-add peak of the same threads in the same run.
///
/// Peak and products take turns, so that a change of the processor's clock meets both; every figure is the median of the
/// rounds, and so is every fraction of one round's products and peak.
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
        /// - Throws: `UserError` if it isn't three positive numbers of a reasonable product.
        public init(_ text: String) throws {
            let parts = text.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
            guard parts.count == 3, let m = parts[0], let n = parts[1], let k = parts[2],
                [m, n, k].allSatisfy({ (1...65536).contains($0) })
            else {
                throw UserError("--shape is \"\(text)\"; expected MxNxK with each from 1 to 65536, as in 1024x768x256.")
            }
            self.init(m: m, n: n, k: k)
        }

        public var description: String { "\(m)x\(n)x\(k)" }
        var operations: Double { 2 * Double(m) * Double(n) * Double(k) }
    }

    /// Which GEMM of a linear it is: this decides how the operands lie in memory.
    public enum Pass: String, Codable, Sendable, CaseIterable {
        /// X·Wᵀ: the reduction axis is contiguous in both operands.
        case fprop
        /// E·W: contiguous in the left operand only.
        case dgrad
        /// Eᵀ·X: contiguous in neither.
        case wgrad
    }

    public struct Result: Codable, Sendable {
        public var shape: String
        public var pass: Pass
        public var format: BlockFormat
        public var tier: String
        public var threads: Int
        /// GFLOP/s of independent multiply-adds on registers, on all threads.
        public var peak: Double
        /// GFLOP/s with both operands already packed.
        public var packed: Double
        /// GFLOP/s including packing and rounding of both operands.
        public var whole: Double
        public var packedFraction: Double
        public var wholeFraction: Double
    }

    public let context: ComputeContext

    public init(context: ComputeContext) {
        self.context = context
    }

    /// 1024³, and the linears of the default model (width 256) and of one of width 768, at 2048 tokens.
    public static let presetShapes: [Shape] = [
        Shape(m: 1024, n: 1024, k: 1024), Shape(m: 2048, n: 768, k: 256), Shape(m: 2048, n: 1024, k: 256),
        Shape(m: 2048, n: 256, k: 1024), Shape(m: 2048, n: 3072, k: 768),
    ]

    /// - Parameter seconds: about how long to measure.
    public func measure(_ shape: Shape, pass: Pass = .fprop, format: BlockFormat, seconds: Double = 1) -> Result {
        let a = filled(shape.m * shape.k)
        let b = filled(shape.k * shape.n)
        let c = filled(shape.m * shape.n)
        defer { [a, b, c].forEach { $0.deallocate() } }
        let viewA =
            pass == .wgrad
            ? MatrixView(a, rows: shape.k, columns: shape.m).transposed
            : MatrixView(a, rows: shape.m, columns: shape.k)
        let viewB =
            pass == .fprop
            ? MatrixView(b, rows: shape.n, columns: shape.k).transposed
            : MatrixView(b, rows: shape.k, columns: shape.n)
        let formats = GEMMFormats(format)
        let packedA = PackedMatrix(context.leftLayout(rows: shape.m, depth: shape.k, formats))
        let packedB = PackedMatrix(context.rightLayout(columns: shape.n, depth: shape.k, formats))
        defer {
            packedA.storage.deallocate()
            packedB.storage.deallocate()
        }
        context.packLeft(viewA, formats, into: packedA)
        context.packRight(viewB, formats, into: packedB)
        var peaks: [Double] = []
        var packed: [Double] = []
        var whole: [Double] = []
        let rounds = probeRounds()
        let start = monotonicNanoseconds()
        repeat {
            peaks.append(probe(rounds))
            packed.append(rate(shape) { context.multiply(packedA, packedB, into: c, rowStride: shape.n) })
            whole.append(rate(shape) { context.gemm(viewA, viewB, into: c, rowStride: shape.n, formats: formats) })
        } while Double(monotonicNanoseconds() - start) < seconds * 1e9 || peaks.count < 5
        return Result(
            shape: shape.description, pass: pass, format: format, tier: context.kernels.tier.rawValue,
            threads: context.pool.lanes, peak: median(peaks), packed: median(packed), whole: median(whole),
            packedFraction: median(zip(packed, peaks).map { $0 / $1 }),
            wholeFraction: median(zip(whole, peaks).map { $0 / $1 }))
    }

    /// GFLOP/s of enough calls to last about two milliseconds.
    private func rate(_ shape: Shape, _ body: () -> Void) -> Double {
        var calls = 0.0
        let start = monotonicNanoseconds()
        var now = start
        repeat {
            body()
            calls += 1
            now = monotonicNanoseconds()
        } while now - start < 2_000_000
        return calls * shape.operations / Double(now - start)
    }

    /// Rounds of the probe that last about a millisecond.
    private func probeRounds() -> Int {
        var rounds = 1000
        while rounds < 1 << 30 {
            let start = monotonicNanoseconds()
            _ = probe(rounds)
            if monotonicNanoseconds() - start > 1_000_000 { break }
            rounds *= 2
        }
        return rounds
    }

    /// GFLOP/s of the multiply-add probe on all lanes at once.
    private func probe(_ rounds: Int) -> Double {
        let lanes = context.pool.lanes
        let operations = filled(lanes)
        let seeds = filled(lanes * 64)
        defer {
            operations.deallocate()
            seeds.deallocate()
        }
        let start = monotonicNanoseconds()
        context.pool.run(lanes) { index, _ in
            operations[index] = Float(context.kernels.multiplyAddProbe(rounds: rounds, seeds: seeds + index * 64))
        }
        let nanoseconds = Double(monotonicNanoseconds() - start)
        return (0..<lanes).reduce(0) { $0 + Double(operations[$1]) } / nanoseconds
    }

    private func filled(_ count: Int) -> UnsafeMutablePointer<Float> {
        let memory = allocateForMatrices(byteCount: count * 4).assumingMemoryBound(to: Float.self)
        for i in 0..<count { memory[i] = Float(i % 251) / 251 - 0.5 }
        return memory
    }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}

extension PackedMatrix {
    /// With storage of its own, which the caller deallocates.
    fileprivate init(_ layout: PackedLayout) {
        self.init(layout, in: allocateForMatrices(byteCount: layout.byteCount))
    }
}
