/// The techniques of `LinearTechniques`, for one linear.
///
/// Backward needs fprop's quantized operands, their scales or their averages. All of it is computed anew from X and W, which
/// are still there, with fprop's random numbers: nothing is kept from pass to pass.
extension LinearGroup {
    /// fprop without the bias.
    func forward(
        _ run: Run, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, rows: Int,
        _ pass: QuantizationPassKey, _ compute: ComputeContext, health: UnsafeMutablePointer<GEMMHealth>? = nil
    ) {
        let weight = UnsafePointer(weight + run.start * inputs)
        let count = rows * inputs
        var operand = x
        let memory = Memory(run, inputs: inputs, rows: rows, compute)
        let range = run.formats.techniques.outlierQuantile.flatMap { compute.quantiles(x, count: count, $0) }
        if let range {
            compute.clamp(x, count: count, to: range, into: memory.x)
            operand = UnsafePointer(memory.x)
        }
        compute.gemm(
            MatrixView(operand, rows: rows, columns: inputs),
            MatrixView(weight, rows: run.outputs, columns: inputs).transposed, into: y + run.start, rowStride: outputs,
            formats: run.formats.fprop, random: pass.random(run.tensor, 0),
            averageB: run.averageView(weight, inputs: inputs)?.transposed, health: health)
        if let range {
            compute.addOutliers(
                x, rows: rows, depth: inputs, beyond: range, weight: weight, outputs: run.outputs,
                transposed: memory.w, into: y + run.start, rowStride: outputs)
            compute.clock.mark(.pack)
        }
    }

    /// dgrad and wgrad.
    ///
    /// - Parameters:
    ///   - e: dY, [rows, outputs of the run].
    ///   - accumulate: dX is added to what is in `dx`.
    func backward(
        _ run: Run, _ e: MatrixView, x: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, accumulate: Bool,
        _ pass: QuantizationPassKey, _ compute: ComputeContext,
        dgradHealth: UnsafeMutablePointer<GEMMHealth>? = nil, wgradHealth: UnsafeMutablePointer<GEMMHealth>? = nil
    ) {
        let formats = run.formats
        let weight = UnsafePointer(weight + run.start * inputs)
        let gradient = weightGradient + run.start * inputs
        let memory = Memory(run, inputs: inputs, rows: e.rows, compute)
        let reuses = formats.techniques.reusesForwardOperands
        let random = pass.random(run.tensor, 0)
        var xView = MatrixView(x, rows: e.rows, columns: inputs)
        var wView = MatrixView(weight, rows: run.outputs, columns: inputs)
        let xRule = formats.techniques.inputFactors
        let wRule = formats.techniques.weightFactors
        if reuses || xRule != nil {
            compute.quantize(
                xView, formats.fprop.a, random: random.a, into: reuses ? memory.x : nil,
                factors: xRule.map { (memory.xFactors, $0) })
        }
        if reuses || wRule != nil {
            compute.quantize(
                wView, formats.fprop.b, random: random.b, average: run.averageView(weight, inputs: inputs),
                into: reuses ? memory.w : nil, factors: wRule.map { (memory.wFactors, $0) })
        }
        if reuses {
            xView = MatrixView(memory.x, rows: e.rows, columns: memory.depth)
            wView = MatrixView(memory.w, rows: run.outputs, columns: memory.depth)
        }

        let dgrad = pass.random(run.tensor, 1)
        if reuses || xRule != nil {
            compute.gemm(
                e, wView, into: memory.product, rowStride: memory.depth, formats: formats.dgrad, random: dgrad,
                health: dgradHealth, part: .dgrad)
            compute.finishGradient(
                memory.product, rows: e.rows, depth: memory.depth, isTransformed: reuses,
                factors: xRule.map { _ in UnsafePointer(memory.xFactors) }, hadamard: run.forwardTransform,
                random: random.a, into: dx, columns: inputs, rowStride: inputs, accumulate: accumulate)
            compute.clock.mark(.pack)
        } else {
            compute.gemm(
                e, wView, into: dx, rowStride: inputs, accumulate: accumulate, formats: formats.dgrad, random: dgrad,
                health: dgradHealth, part: .dgrad)
        }

        let wgrad = pass.random(run.tensor, 2)
        if reuses || wRule != nil {
            compute.gemm(
                e.transposed, xView, into: memory.product, rowStride: memory.depth, formats: formats.wgrad,
                random: wgrad, health: wgradHealth, part: .wgrad)
            compute.finishGradient(
                memory.product, rows: run.outputs, depth: memory.depth, isTransformed: reuses,
                factors: wRule.map { _ in UnsafePointer(memory.wFactors) }, hadamard: run.forwardTransform,
                random: random.b, into: gradient, columns: inputs, rowStride: inputs, accumulate: true)
            compute.clock.mark(.pack)
        } else {
            compute.gemm(
                e.transposed, xView, into: gradient, rowStride: inputs, accumulate: true, formats: formats.wgrad,
                random: wgrad, health: wgradHealth, part: .wgrad)
        }
    }

    // MARK: Memory

    /// Floats that the techniques need for so many rows; 0 if there are none.
    func techniqueFloats(rows: Int) -> Int {
        runs.filter(\.usesTechniques).map { Memory.floats($0, inputs: inputs, rows: rows) }.max() ?? 0
    }

    /// What a linear with techniques computes besides its products; in the memory that all linears share.
    private struct Memory {
        /// Of X̂, Ŵ and their gradients: `inputs`, filled up for fprop's Hadamard transform.
        let depth: Int
        /// [rows, depth]
        let x: UnsafeMutablePointer<Float>
        let xFactors: UnsafeMutablePointer<Float>
        /// [outputs, depth]
        let w: UnsafeMutablePointer<Float>
        let wFactors: UnsafeMutablePointer<Float>
        /// dX or dW, [rows or outputs, depth].
        let product: UnsafeMutablePointer<Float>

        init(_ run: Run, inputs: Int, rows: Int, _ compute: ComputeContext) {
            depth = Self.depth(run, inputs: inputs)
            x = compute.techniqueMemory(floats: Self.floats(run, inputs: inputs, rows: rows))
            xFactors = x + rows * depth
            w = xFactors + rows * depth
            wFactors = w + run.outputs * depth
            product = wFactors + run.outputs * depth
        }

        static func floats(_ run: Run, inputs: Int, rows: Int) -> Int {
            (2 * rows + 2 * run.outputs + max(rows, run.outputs)) * depth(run, inputs: inputs)
        }

        private static func depth(_ run: Run, inputs: Int) -> Int {
            let fprop = run.formats.fprop
            return max(fprop.a.paddedDepth(inputs), fprop.b.paddedDepth(inputs))
        }
    }

    // MARK: Averages of weights

    /// The averages that the plan asks for.
    var weightAverages: [WeightAverage] { runs.compactMap(\.average) }

    /// To be called once after each step of the optimizer.
    func updateWeightAverages(_ compute: ComputeContext) {
        for index in runs.indices {
            guard let average = runs[index].average, let decay = runs[index].formats.techniques.weightAverage else {
                continue
            }
            average.update(weight + runs[index].start * inputs, decay: Float(decay), compute)
        }
    }

    /// The average of a part, one of those that are there if it has one.
    func average(of part: Part, _ formats: LinearFormats, among averages: [WeightAverage]) -> WeightAverage? {
        guard formats.techniques.weightAverage != nil, formats.fprop.b.unscaled == nil else { return nil }
        return averages.first { $0.path == part.path } ?? WeightAverage(part.path, count: part.outputs * inputs)
    }
}

extension LinearGroup.Run {
    var usesTechniques: Bool { formats.techniques != LinearTechniques() }

    /// The transform that X̂ and Ŵ of fprop are in; nil: none.
    fileprivate var forwardTransform: BlockFormat.Hadamard? {
        formats.fprop.a.unscaled == nil ? formats.fprop.a.hadamard : nil
    }

    /// - Parameter weight: the run's, from which an average that is new begins.
    fileprivate func averageView(_ weight: UnsafePointer<Float>, inputs: Int) -> MatrixView? {
        guard let average else { return nil }
        average.begin(with: weight)
        return MatrixView(average.values, rows: outputs, columns: inputs)
    }
}

extension LinearTechniques {
    /// What dX is multiplied by; nil: nothing.
    fileprivate var inputFactors: GradientFactors? {
        trustMask ? GradientFactors(masksSaturated: true, estimator: nil) : nil
    }

    /// What dW is multiplied by; nil: nothing.
    fileprivate var weightFactors: GradientFactors? {
        trustMask || gradientEstimator != nil
            ? GradientFactors(masksSaturated: trustMask, estimator: gradientEstimator) : nil
    }
}

/// The exponential moving average of a linear's master weight (`LinearTechniques.weightAverage`), in FP32. It begins with the
/// weight at its first use.
final class WeightAverage {
    let path: ModulePath
    let count: Int
    /// [outputs, inputs]; means nothing before `hasBegun`.
    let values: UnsafeMutablePointer<Float>
    private(set) var hasBegun = false

    init(_ path: ModulePath, count: Int) {
        self.path = path
        self.count = count
        values = .allocate(capacity: count)
        values.initialize(repeating: 0, count: count)
    }

    deinit { values.deallocate() }

    /// Begins with these values, as with those of a checkpoint, unless it has begun.
    func begin(with weight: UnsafePointer<Float>) {
        if hasBegun { return }
        values.update(from: weight, count: count)
        hasBegun = true
    }

    /// a = decay · a + (1 − decay) · w
    func update(_ weight: UnsafePointer<Float>, decay: Float, _ compute: ComputeContext) {
        begin(with: weight)
        let block = 1 << 15
        compute.pool.run((count + block - 1) / block) { part, _ in
            let start = part * block
            let length = min(block, count - start)
            compute.kernels.scale(values + start, by: decay, count: length)
            compute.kernels.axpy(1 - decay, weight + start, into: values + start, count: length)
        }
    }
}
