/// Tries the linears of the layers in low precision, one alone at a time and everything else in BF16. One pass over the
/// batches at a time, so that whoever asks for it can do something else between two.
final class SensitivityTrials {
    private let transformer: Transformer
    private let recipe: Recipe
    /// The recipe without any quantization, over which one linear is set.
    private let plain: Recipe
    private let seed: UInt64
    private let sequences: Int
    private let batches: Int
    private let step: Int
    private let trials: [(module: ModulePath, precision: Precision)]
    /// Statistics of clipping before the first trial, with which each begins.
    private let statistics: [[Float]]
    private var loss = 0.0
    /// The gradient of the whole model in BF16; empty before the first pass.
    private var reference: [Float] = []
    private var modules: [ModuleSensitivity] = []

    /// - Parameters:
    ///   - trials: of linears that have a weight, in the recipe's formats; `bf16` changes nothing.
    ///   - transformer: has the parameters; its plan and gradients are changed.
    ///   - sequences: of a batch, each of `model.context` tokens.
    ///   - step: optimizer steps behind the parameters.
    init(
        _ trials: [(module: ModulePath, precision: Precision)], _ recipe: Recipe, _ transformer: Transformer,
        seed: UInt64, sequences: Int,
        batches: Int, step: Int
    ) {
        self.transformer = transformer
        self.recipe = recipe
        plain = recipe.unquantized
        self.seed = seed
        self.sequences = sequences
        self.batches = batches
        self.step = step
        self.trials = trials.filter { transformer.parameters.layout[$0.module.parameter("weight")] != nil }
        statistics = transformer.clippingStatistics
    }

    /// Trials that are over, and of all.
    var done: Int { modules.count }
    var total: Int { trials.count }

    /// nil until all trials are over.
    var map: SensitivityMap? {
        guard !reference.isEmpty, done == total else { return nil }
        return SensitivityMap(
            recipe: recipe.name, loss: loss, step: step, tokens: batches * sequences * transformer.model.context,
            modules: modules)
    }

    /// The next pass: first that in BF16, then one for each trial.
    ///
    /// - Parameter tokens, targets: room for a batch.
    /// - Throws: `UserError` if the data turn out to be bad, or the model's loss is not finite.
    func advance(
        _ sampler: BatchSampler, tokens: UnsafeMutablePointer<Int32>, targets: UnsafeMutablePointer<Int32>
    ) throws {
        guard !reference.isEmpty else {
            set([])
            loss = try pass(sampler, tokens, targets)
            guard loss.isFinite else {
                throw UserError("the model's loss is not finite: nothing can be compared with it")
            }
            reference = Array(
                UnsafeBufferPointer(
                    start: transformer.parameters.gradients, count: transformer.parameters.layout.count))
            return
        }
        guard done < total else { return }
        let (path, precision) = trials[done]
        let change = PrecisionAssignment(ModulePattern(path), .precision(precision))
        // Without it, a module tried twice in a row would keep its average.
        set([])
        set([change])
        let changed = try pass(sampler, tokens, targets)
        let weight = transformer.parameters.layout[path.parameter("weight")]
        modules.append(
            ModuleSensitivity(
                module: path, precision: precision, lossChange: changed - loss,
                gradientError: error(weight.map { $0.offset..<$0.offset + $0.count } ?? 0..<0),
                wholeGradientError: error(0..<reference.count)))
    }

    /// Everything in BF16, as before the first trial.
    func restore() { set([]) }

    private func set(_ changes: [PrecisionAssignment]) {
        transformer.apply(plain.plan(for: transformer.model, changes: changes))
        // Averages of weights begin anew with a plan; statistics of clipping would go on from the trial before.
        transformer.restoreClippingStatistics(statistics)
    }

    /// Mean loss of the fixed validation batches, whose gradient is left in the gradients.
    private func pass(
        _ sampler: BatchSampler, _ tokens: UnsafeMutablePointer<Int32>, _ targets: UnsafeMutablePointer<Int32>
    ) throws -> Double {
        let length = transformer.model.context
        let count = batches * sequences * length
        transformer.clearGradients()
        var sum = 0.0
        for index in 0..<batches {
            try sampler.fillValidation(batch: index, tokens: tokens, targets: targets)
            // Beyond every training pass; the same for every trial.
            transformer.pass = QuantizationPassKey(seed: seed, pass: UInt64(index) | 1 << 63)
            sum += transformer.accumulateGradients(
                tokens, targets: targets, sequences: sequences, length: length, gradientScale: 1 / Float(count))
        }
        return sum / Double(count)
    }

    /// ‖g − r‖ / ‖r‖ over a range of the parameters; 0 where both are zero.
    private func error(_ range: Range<Int>) -> Double {
        let gradients = transformer.parameters.gradients
        return reference.withUnsafeBufferPointer { reference in
            var (difference, norm) = (0.0, 0.0)
            for index in range {
                let value = Double(reference[index])
                let distance = Double(gradients[index]) - value
                difference += distance * distance
                norm += value * value
            }
            return difference == 0 ? 0 : (difference / norm).squareRoot()
        }
    }
}

extension Recipe {
    /// The recipe with every linear in BF16, and its formats for those that are set to something else.
    var unquantized: Recipe {
        var recipe = self
        recipe.attention = .bf16
        recipe.feedForward = .bf16
        recipe.head = .bf16
        recipe.lastLayers = 0
        recipe.assignments = []
        recipe.schedule = PrecisionSchedule()
        return recipe
    }
}
