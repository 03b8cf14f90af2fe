/// How many quantized weights of each linear change in one optimizer step, as fprop sees them.
///
/// Rounding is to nearest and signs are fixed, so that only the weights' own change counts.
struct WeightTracker {
    private struct Linear {
        let path: ModulePath
        let view: MatrixView
        let quantizer: ReferenceQuantizer
        let before: [UInt8]
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
            let view = MatrixView(
                parameters.values + tensor.offset, rows: tensor.shape[0], columns: tensor.shape[1])
            let quantizer = ReferenceQuantizer(format)
            return Linear(
                path: path, view: view, quantizer: quantizer, before: quantizer.quantize(view, pool: pool).codes)
        }
    }

    /// Compares with the weights as they are now, behind the step: the share of the codes that changed, from 0 to 1.
    func flipRates() -> [ModulePath: Double] {
        var rates: [ModulePath: Double] = [:]
        for linear in linears {
            let after = linear.quantizer.quantize(linear.view, pool: pool).codes
            let flips = zip(after, linear.before).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
            rates[linear.path] = Double(flips) / Double(max(1, after.count))
        }
        return rates
    }
}
