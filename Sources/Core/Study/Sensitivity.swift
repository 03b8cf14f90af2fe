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

    public init(
        module: ModulePath, precision: Precision, lossChange: Double, gradientError: Double, wholeGradientError: Double
    ) {
        self.module = module
        self.precision = precision
        self.lossChange = lossChange
        self.gradientError = gradientError
        self.wholeGradientError = wholeGradientError
    }

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

    public init(recipe: String, loss: Double, step: Int, tokens: Int, modules: [ModuleSensitivity]) {
        self.recipe = recipe
        self.loss = loss
        self.step = step
        self.tokens = tokens
        self.modules = modules
    }

    /// The linear that low precision damages most, in the narrowest precision that was tried; nil if none was.
    public var worst: (module: ModuleSensitivity, damage: Double)? {
        guard let narrowest = modules.map(\.precision).min() else { return nil }
        return modules.filter { $0.precision == narrowest }.map { ($0, $0.damage(loss: loss)) }
            .max { $0.1 < $1.1 }
    }
}

/// How a measurement that was asked of a running engine goes.
public struct SensitivityProgress: Codable, Hashable, Sendable {
    public enum Kind: String, Codable, Sendable {
        /// It begins, on a copy of the model as it is.
        case began
        /// Another linear was tried.
        case tried
        /// It was cancelled, or the run ended before it.
        case cancelled
    }

    public var kind: Kind
    /// Optimizer steps of the run that are completed.
    public var step: Int
    /// Trials that are over, and of all: each linear of the layers in each precision.
    public var done: Int
    public var total: Int
    /// Since it began, seconds.
    public var seconds: Double

    public init(kind: Kind, step: Int, done: Int, total: Int, seconds: Double) {
        self.kind = kind
        self.step = step
        self.done = done
        self.total = total
        self.seconds = seconds
    }
}

/// Measures a `SensitivityMap`: a trained model, and quantization of one linear at a time. Used by one thread.
public final class SensitivityProbe {
    let trainer: Trainer
    private let recipe: Recipe

    /// - Throws: `UserError` if the configuration makes no sense for this corpus or this machine.
    public init(_ configuration: RunConfiguration, corpus: any Corpus) throws {
        var configuration = configuration
        recipe = configuration.recipe
        configuration.recipe = recipe.unquantized
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
        let configuration = trainer.configuration
        let trials = SensitivityTrials(
            trials, recipe, trainer.transformer, seed: configuration.run.seed,
            sequences: configuration.training.batch, batches: batches, step: trainer.step)
        defer { trials.restore() }
        while trials.map == nil {
            try trials.advance(
                trainer.sampler, tokens: trainer.batch.places.tokens, targets: trainer.batch.places.targets)
            if trials.done > 0, !progress(trials.done, trials.total) { return nil }
        }
        return trials.map
    }
}
