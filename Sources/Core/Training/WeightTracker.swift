/// How the quantized weights of each linear move in one optimizer step, as fprop sees them.
///
/// Rounding is to nearest and signs are fixed, so that only the weights' own change counts.
struct WeightTracker {
    private struct Linear {
        let path: ModulePath
        let view: MatrixView
        let quantizer: ReferenceQuantizer
        let before: QuantizedMatrix
        let values: [Float]
    }

    private let linears: [Linear]
    private let pool: WorkerPool

    /// Remembers the weights as they are, in front of a step.
    init(_ transformer: Transformer) {
        let pool = transformer.compute.pool
        self.pool = pool
        let parameters = transformer.parameters
        linears = transformer.model.linears.compactMap { path in
            guard let tensor = parameters.layout[path.parameter("weight")] else { return nil }
            var format = transformer.plan[path].fprop.b
            guard format.unscaled == nil else { return nil }
            format.rounding = .nearest
            let values = parameters.values + tensor.offset
            let view = MatrixView(values, rows: tensor.shape[0], columns: tensor.shape[1])
            let quantizer = ReferenceQuantizer(format)
            return Linear(
                path: path, view: view, quantizer: quantizer, before: quantizer.quantize(view, pool: pool),
                values: Array(UnsafeBufferPointer(start: values, count: tensor.count)))
        }
    }

    /// Compares with the weights as they are now, behind the step.
    func changes() -> [ModulePath: (flipRate: Double, oscillation: Double?)] {
        var changes: [ModulePath: (flipRate: Double, oscillation: Double?)] = [:]
        for linear in linears {
            let after = linear.quantizer.quantize(linear.view, pool: pool)
            var flips = 0
            var quantizedPath = 0.0
            var path = 0.0
            for index in after.codes.indices {
                if after.codes[index] != linear.before.codes[index] { flips += 1 }
                quantizedPath += Double((after.dequantized[index] - linear.before.dequantized[index]).magnitude)
            }
            for index in linear.values.indices {
                path += Double((linear.view.base[index] - linear.values[index]).magnitude)
            }
            let oscillation = quantizedPath / path
            changes[linear.path] = (
                Double(flips) / Double(max(1, after.codes.count)), oscillation.isFinite ? oscillation : nil
            )
        }
        return changes
    }
}
