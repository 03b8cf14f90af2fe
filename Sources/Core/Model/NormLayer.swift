import KernelInterface

/// LayerNorm or RMSNorm over the channels of each token, with a gain and, for LayerNorm, an optional bias.
struct NormLayer {
    private let kind: ModelConfiguration.Norm
    private let width: Int
    private let epsilon: Float
    private let gain: UnsafeMutablePointer<Float>
    private let gainGradient: UnsafeMutablePointer<Float>
    private let bias: UnsafeMutablePointer<Float>?
    private let biasGradient: UnsafeMutablePointer<Float>?

    /// Mean and reciprocal standard deviation of each row, kept for backward.
    struct Statistics {
        fileprivate let mean: UnsafeMutablePointer<Float>
        fileprivate let reciprocal: UnsafeMutablePointer<Float>

        init(rows: Int, in arena: inout Arena.Layout) {
            mean = arena.reserve(rows)
            reciprocal = arena.reserve(rows)
        }
    }

    init(_ path: ModulePath, _ parameters: Parameters, _ model: ModelConfiguration) {
        kind = model.norm
        width = model.width
        epsilon = Float(model.normEpsilon)
        let weight = parameters.layout[path.parameter("weight")]!
        gain = parameters.values + weight.offset
        gainGradient = parameters.gradients + weight.offset
        let biasTensor = parameters.layout[path.parameter("bias")]
        bias = biasTensor.map { parameters.values + $0.offset }
        biasGradient = biasTensor.map { parameters.gradients + $0.offset }
    }

    /// Normalizes rows x[rows, width] into y; serial.
    @inline(__always)
    func forward(
        _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, rows: Range<Int>, _ statistics: Statistics,
        _ kernels: any KernelTable
    ) {
        for row in rows {
            switch kind {
            case .layerNorm:
                (statistics.mean[row], statistics.reciprocal[row]) = kernels.layerNorm(
                    x + row * width, gain: gain, bias: bias.map { UnsafePointer($0) }, into: y + row * width,
                    count: width,
                    epsilon: epsilon)
            case .rmsNorm:
                statistics.reciprocal[row] = kernels.rmsNorm(
                    x + row * width, gain: gain, into: y + row * width, count: width, epsilon: epsilon)
            }
        }
    }

    /// Adds the gradient with respect to x to `dx`, and those of gain and bias to theirs.
    ///
    /// - Parameters:
    ///   - dy: gradient of the output, [rows, width].
    ///   - sums: at least 2·width columns.
    func backward(
        _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, addingTo dx: UnsafeMutablePointer<Float>, rows: Int,
        _ statistics: Statistics, sums: ColumnSums, _ compute: ComputeContext
    ) {
        let kernels = compute.kernels
        let blocks = RowBlocks.count(rows)
        compute.pool.run(blocks) { block, _ in
            let gainSums = sums.clear(block)
            let biasSums = bias == nil ? nil : gainSums + width
            for row in RowBlocks.rows(of: block, in: rows) {
                let at = row * width
                switch kind {
                case .layerNorm:
                    kernels.layerNormBackward(
                        x + at, gain: gain, dy: dy + at, mean: statistics.mean[row], rstd: statistics.reciprocal[row],
                        dx: dx + at, dGain: gainSums, dBias: biasSums, count: width)
                case .rmsNorm:
                    kernels.rmsNormBackward(
                        x + at, gain: gain, dy: dy + at, rstd: statistics.reciprocal[row], dx: dx + at, dGain: gainSums,
                        count: width)
                }
            }
        }
        sums.add(blocks: blocks, count: width, to: gainGradient, compute)
        if let biasGradient { sums.add(blocks: blocks, from: width, count: width, to: biasGradient, compute) }
        compute.clock.mark(.norm)
    }
}
