import Foundation

/// What low precision in one linear alone does to a model.
public struct ModuleSensitivity: Codable, Hashable, Sendable {
    public var module: ModulePath
    public var precision: Precision
    /// Change of the mean loss, nats per token.
    public var lossChange: Double
    /// ‖dW_q − dW‖ / ‖dW‖ of the module's own weight.
    public var gradientError: Double
    /// The same over the gradient of all parameters.
    public var wholeGradientError: Double

    /// The predicted damage, nats per token: the larger of the change of the loss and L·ε²/2, where L is the model's loss and
    /// ε the error of the whole gradient. A gradient with the error ε points 1 − cos ≈ ε²/2 off, and that share of a step's
    /// progress is taken for lost. Never negative: a loss that happens to fall is no reason to quantize.
    /// Infinite if loss or gradient is not finite.
    public func damage(loss: Double) -> Double {
        guard lossChange.isFinite, wholeGradientError.isFinite else { return .infinity }
        return max(0, lossChange, loss * wholeGradientError * wholeGradientError / 2)
    }
}

/// How sensitive each linear of the layers is, on fixed validation batches.
public struct SensitivityMap: Codable, Hashable, Sendable {
    /// The recipe whose formats were tried.
    public var recipe: String
    /// Loss with all linears in BF16, nats per token.
    public var loss: Double
    /// Optimizer steps behind the parameters.
    public var step: Int
    public var tokens: Int
    public var modules: [ModuleSensitivity]
}

/// Measures a `SensitivityMap`: a trained model, and quantization of one linear at a time. Used by one thread.
public final class SensitivityProbe {
    let trainer: Trainer
    private let recipe: Recipe
    private var reference: [Float] = []

    /// - Throws: `UserError` if the configuration makes no sense for this corpus or this machine.
    public init(_ configuration: RunConfiguration, corpus: any Corpus) throws {
        var configuration = configuration
        recipe = configuration.recipe
        configuration.recipe = Self.unquantized(recipe)
        trainer = try Trainer(configuration, corpus: corpus)
        trainer.initializeParameters()
    }

    /// Takes the parameters of a saved model.
    ///
    /// - Throws: `UserError` if the model has another shape.
    public func load(_ checkpoint: Checkpoint) throws {
        try checkpoint.copyParameters(trainer.parameters.layout, to: trainer.parameters.values)
        trainer.step = checkpoint.step
    }

    /// Trains in BF16.
    ///
    /// - Parameter progress: called after each step; returns false to end.
    /// - Returns: false if it was ended.
    /// - Throws: `UserError` if the data turn out to be bad, or the loss is not finite.
    public func warmUp(steps: Int, progress: (Int) -> Bool = { _ in true }) throws -> Bool {
        while trainer.step < steps {
            guard let result = try trainer.trainStep() else { return false }
            guard result.isFinite else {
                throw UserError("the warm-up diverged: loss or gradient norm is not finite at step \(trainer.step + 1)")
            }
            guard progress(trainer.step) else { return false }
        }
        return true
    }

    /// Tries every linear of the layers in every precision, everything else in BF16.
    ///
    /// - Parameters:
    ///   - precisions: in the recipe's formats; `bf16` changes nothing.
    ///   - batches: of the fixed validation sample, `training.batch` sequences each.
    ///   - progress: called with the number of trials over and of all; returns false to end.
    /// - Returns: nil if it was ended.
    /// - Throws: `UserError` if the data turn out to be bad, or the model's loss is not finite.
    public func measure(
        _ precisions: [Precision], batches: Int, progress: (Int, Int) -> Bool = { _, _ in true }
    ) throws -> SensitivityMap? {
        let linears = trainer.configuration.model.linears.filter { $0.layer != nil }
        return try measure(
            precisions.flatMap { precision in linears.map { ($0, precision) } }, batches: batches, progress: progress)
    }

    /// - Parameter trials: in their order, of which nothing but the order of the result depends.
    func measure(
        _ trials: [(module: ModulePath, precision: Precision)], batches: Int,
        progress: (Int, Int) -> Bool = { _, _ in true }
    ) throws -> SensitivityMap? {
        let model = trainer.configuration.model
        let plain = Self.unquantized(recipe)
        let statistics = trainer.transformer.clippingStatistics
        func set(_ changes: [PrecisionAssignment]) {
            trainer.transformer.apply(plain.plan(for: model, changes: changes))
            // Averages of weights begin anew with a plan; statistics of clipping would go on from the trial before.
            trainer.transformer.restoreClippingStatistics(statistics)
        }
        defer { set([]) }
        set([])
        let loss = try probe(batches)
        guard loss.isFinite else { throw UserError("the model's loss is not finite: nothing can be compared with it") }
        let gradients = trainer.parameters.gradients
        reference = Array(UnsafeBufferPointer(start: gradients, count: trainer.parameters.layout.count))
        let whole = 0..<reference.count

        var modules: [ModuleSensitivity] = []
        for (path, precision) in trials {
            // Without it, a module tried twice in a row would keep its average.
            set([])
            set([PrecisionAssignment(ModulePattern(path), .precision(precision))])
            let changed = try probe(batches)
            guard let weight = trainer.parameters.layout[path.parameter("weight")] else { continue }
            modules.append(
                ModuleSensitivity(
                    module: path, precision: precision, lossChange: changed - loss,
                    gradientError: error(weight.offset..<weight.offset + weight.count),
                    wholeGradientError: error(whole)))
            guard progress(modules.count, trials.count) else { return nil }
        }
        let tokens = batches * trainer.configuration.training.batch * model.context
        return SensitivityMap(recipe: recipe.name, loss: loss, step: trainer.step, tokens: tokens, modules: modules)
    }

    /// Mean loss of the fixed validation batches, whose gradient is left in the gradients.
    private func probe(_ batches: Int) throws -> Double {
        let configuration = trainer.configuration
        let (sequences, length) = (configuration.training.batch, configuration.model.context)
        let tokens = batches * sequences * length
        let places = trainer.batch.places
        trainer.transformer.clearGradients()
        var sum = 0.0
        for index in 0..<batches {
            try trainer.sampler.fillValidation(batch: index, tokens: places.tokens, targets: places.targets)
            // Beyond every training pass; the same for every trial.
            trainer.transformer.pass = QuantizationPassKey(
                seed: configuration.run.seed, pass: UInt64(index) | 1 << 63)
            sum += trainer.transformer.accumulateGradients(
                places.tokens, targets: places.targets, sequences: sequences, length: length,
                gradientScale: 1 / Float(tokens))
        }
        return sum / Double(tokens)
    }

    /// ‖g − r‖ / ‖r‖ over a range of the parameters; 0 where both are zero.
    private func error(_ range: Range<Int>) -> Double {
        let gradients = trainer.parameters.gradients
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

    /// The recipe with every linear in BF16, and its formats for those that are set to something else.
    private static func unquantized(_ recipe: Recipe) -> Recipe {
        var recipe = recipe
        recipe.attention = .bf16
        recipe.feedForward = .bf16
        recipe.head = .bf16
        recipe.lastLayers = 0
        recipe.assignments = []
        recipe.schedule = PrecisionSchedule()
        return recipe
    }
}
