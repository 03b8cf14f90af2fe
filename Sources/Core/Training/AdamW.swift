import KernelInterface

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// AdamW (Loshchilov and Hutter, arXiv 1711.05101): decoupled weight decay, on matrices only. FP32 state.
final class AdamW {
    let parameters: Parameters
    private let compute: ComputeContext
    private let arena: Arena
    /// The moments, as long as the parameters, and scratch for the norm.
    let places:
        (
            first: UnsafeMutablePointer<Float>, second: UnsafeMutablePointer<Float>,
            squares: UnsafeMutablePointer<Float>
        )
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
            (arena.reserve(count), arena.reserve(count), arena.reserve(Self.blocks(count)))
        }
    }

    /// The running means of the gradients and of their squares, laid out like the parameters.
    var moments: (first: UnsafeMutablePointer<Float>, second: UnsafeMutablePointer<Float>) {
        (places.first, places.second)
    }

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
            compute.kernels.adamW(
                parameters.values + start, gradients: parameters.gradients + start, m: places.first + start,
                v: places.second + start, count: n, decays ? withDecay : withoutDecay)
        }
    }
}
