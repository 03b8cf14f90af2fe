import KernelInterface

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// AdamW (Loshchilov and Hutter, arXiv 1711.05101): decoupled weight decay, on matrices only.
///
/// The moments are in FP32, or in BF16 as for DeepSeek-V3 (arXiv 2412.19437, section 3.3.3), rounded to nearest once the
/// parameters have taken them.
final class AdamW {
    /// A running mean for every parameter, laid out like the parameters.
    enum Moment {
        case fp32(UnsafeMutablePointer<Float>)
        case bf16(UnsafeMutablePointer<UInt16>)

        fileprivate init(_ format: UnscaledFormat, count: Int, in arena: inout Arena.Layout) {
            switch format {
            case .fp32: self = .fp32(arena.reserve(count))
            case .bf16: self = .bf16(arena.reserve(count, of: UInt16.self))
            }
        }

        /// From the value at `offset` on.
        subscript(from offset: Int) -> Moment {
            switch self {
            case .fp32(let values): .fp32(values + offset)
            case .bf16(let values): .bf16(values + offset)
            }
        }

        /// The first `count` values as they lie in memory.
        func bytes(_ count: Int) -> UnsafeMutableRawBufferPointer {
            switch self {
            case .fp32(let values): UnsafeMutableRawBufferPointer(start: values, count: count * 4)
            case .bf16(let values): UnsafeMutableRawBufferPointer(start: values, count: count * 2)
            }
        }
    }

    let parameters: Parameters
    private let compute: ComputeContext
    private let arena: Arena
    /// The means of the gradients and of their squares, and scratch for the norm.
    private let places: (first: Moment, second: Moment, squares: UnsafeMutablePointer<Float>)
    private let beta1: Double
    private let beta2: Double
    private let epsilon: Double
    private let weightDecay: Double

    /// Values that one task works on. Part of a run's bits: the global norm is added block by block.
    private static let block = 1 << 15

    /// - Throws: `UserError` if memory is short.
    init(_ parameters: Parameters, _ configuration: RunConfiguration.Optimizer, compute: ComputeContext) throws {
        self.parameters = parameters
        self.compute = compute
        beta1 = configuration.beta1
        beta2 = configuration.beta2
        epsilon = configuration.epsilon
        weightDecay = configuration.weightDecay
        let count = parameters.layout.count
        (arena, places) = try Arena.make { arena in
            (
                Moment(configuration.moments, count: count, in: &arena),
                Moment(configuration.moments, count: count, in: &arena), arena.reserve(Self.blocks(count))
            )
        }
    }

    /// The running means of the gradients and of their squares.
    var moments: (first: Moment, second: Moment) { (places.first, places.second) }

    var memoryBytes: Int { arena.bytes }

    private static func blocks(_ count: Int) -> Int { (count + block - 1) / block }

    /// The Euclidean norm of all gradients.
    func gradientNorm() -> Float {
        let count = parameters.layout.count
        let blocks = Self.blocks(count)
        compute.pool.run(blocks) { block, _ in
            let start = block * Self.block
            places.squares[block] = compute.kernels.sumOfSquares(
                parameters.gradients + start, count: min(Self.block, count - start))
        }
        var sum = 0.0
        for block in 0..<blocks { sum += Double(places.squares[block]) }
        return Float(sum.squareRoot())
    }

    /// One update of all parameters.
    ///
    /// - Parameters:
    ///   - step: updates so far, this one included (from 1).
    ///   - gradientScale: multiplies the gradients, for clipping.
    func update(step: Int, learningRate: Double, gradientScale: Float) {
        let decayed = parameters.layout.decayedCount
        let count = parameters.layout.count
        func scalars(weightDecay: Double) -> AdamWStep {
            AdamWStep(
                learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay,
                biasCorrection1: 1 - pow(beta1, Double(step)), biasCorrection2: 1 - pow(beta2, Double(step)),
                gradientScale: gradientScale)
        }
        let withDecay = scalars(weightDecay: weightDecay)
        let withoutDecay = scalars(weightDecay: 0)
        let decayedBlocks = Self.blocks(decayed)
        compute.pool.run(decayedBlocks + Self.blocks(count - decayed)) { block, _ in
            let decays = block < decayedBlocks
            let start = decays ? block * Self.block : decayed + (block - decayedBlocks) * Self.block
            let n = min(Self.block, (decays ? decayed : count) - start)
            let (values, gradients) = (parameters.values + start, parameters.gradients + start)
            let step = decays ? withDecay : withoutDecay
            switch (places.first[from: start], places.second[from: start]) {
            case (.fp32(let m), .fp32(let v)):
                compute.kernels.adamW(values, gradients: gradients, m: m, v: v, count: n, step)
            case (.bf16(let m), .bf16(let v)):
                compute.kernels.adamW(values, gradients: gradients, m: m, v: v, count: n, step)
            case (.fp32, .bf16), (.bf16, .fp32): preconditionFailure("both moments have one format")
            }
        }
    }
}
