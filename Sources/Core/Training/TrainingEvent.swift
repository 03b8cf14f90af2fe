/// What the engine tells its readers: screen, batch log, tests.
public enum TrainingEvent: Codable, Sendable, Hashable {
    case started(RunDescription)
    case stateChanged(RunState, step: Int)
    /// One optimizer step. The only event that a slow reader may miss.
    case stepped(StepMetrics)
    case evaluated(Evaluation)
    case sampled(TextSample)
    case learningRateChanged(step: Int, from: Double, to: Double)
    case gradientClipChanged(step: Int, from: Double, to: Double)
    case moduleClippingChanged(step: Int, from: GradientClipping, to: GradientClipping)
    /// From the next step on.
    case precisionChanged(PrecisionChange)
    /// What a change of precision did to the loss, 50 steps later or at the end of the run.
    case precisionEffect(PrecisionEffect)
    /// Gradients were clipped in front of the quantizer in this step. A slow reader may miss it.
    case gradientsClipped(step: Int, modules: [ClippedGradient])
    /// What quantization did in the last step.
    case quantized(HealthReport)
    case probed(ProbeReport)
    /// The answer to `EngineCommand.inspect`.
    case inspected(ModuleInspection)
    /// How a measurement of sensitivity goes. A slow reader may miss the trials.
    case sensitivityProgress(SensitivityProgress)
    /// The answer to `EngineCommand.measureSensitivity`.
    case sensitivityMeasured(SensitivityMap)
    /// The phases of precision that are to come are others now. `text` is the command, or nil if another recipe or an undo
    /// brought them.
    case scheduleChanged(step: Int, text: String?, to: PrecisionSchedule)
    /// A second run left this one's path, or was dropped.
    case forkChanged(ForkChange)
    /// One optimizer step of the fork. A slow reader may miss it.
    case forkStepped(step: Int, loss: Float)
    case saved(step: Int, path: String)
    /// The run saved its state by itself.
    case checkpointed(step: Int, path: String)
    /// A command that was sent took effect; scheduled ones are not told. `rescues`: how often the step to come had been
    /// tried by then and modules been raised instead.
    case commanded(step: Int, command: EngineCommand, rescues: Int = 0)
    /// A command or a file operation failed; the run goes on.
    case warning(step: Int, message: String)
    /// Loss or gradient norm became non-finite: the run ends with `.finished` next.
    case diverged(step: Int, message: String)
    case finished(RunSummary)
    /// How far work between two steps is that takes long. Not recorded, and a slow reader may miss it.
    case working(WorkProgress)
}

/// What a run is: known before its first step.
public struct RunDescription: Codable, Sendable, Hashable {
    public var name: String
    public var model: ModelConfiguration
    public var parameterCount: Int
    public var vocabularySize: Int
    /// One line: where the tokens come from.
    public var data: String
    public var trainingTokens: Int
    public var validationTokens: Int
    /// Lower bound of the expected loss, nats per token; known for the built-in language only.
    public var entropyFloor: Double?
    public var totalSteps: Int
    public var tokensPerStep: Int
    public var seed: UInt64
    public var threads: Int
    /// The instruction set in use: a `KernelTier`.
    public var kernels: String
    public var recipe: Recipe
    /// What the recipe makes of the layers' linears at the start of the run: shares of their FLOPs.
    public var shares: PrecisionShares
    /// The formats at the start, or where a resumed run goes on.
    public var plan: PrecisionPlan
    public var learningRate: Double
    public var gradientClip: Double
    /// Memory for parameters, gradients, optimizer state and activations, bytes.
    public var memoryBytes: Int

    public init(
        name: String, model: ModelConfiguration, parameterCount: Int, vocabularySize: Int, data: String,
        trainingTokens: Int, validationTokens: Int, entropyFloor: Double?, totalSteps: Int, tokensPerStep: Int,
        seed: UInt64, threads: Int, kernels: String, recipe: Recipe, plan: PrecisionPlan? = nil, learningRate: Double,
        gradientClip: Double,
        memoryBytes: Int
    ) {
        self.name = name
        self.model = model
        self.parameterCount = parameterCount
        self.vocabularySize = vocabularySize
        self.data = data
        self.trainingTokens = trainingTokens
        self.validationTokens = validationTokens
        self.entropyFloor = entropyFloor
        self.totalSteps = totalSteps
        self.tokensPerStep = tokensPerStep
        self.seed = seed
        self.threads = threads
        self.kernels = kernels
        self.recipe = recipe
        self.plan = plan ?? recipe.plan(for: model)
        shares = CostModel(model, vocabularySize: vocabularySize).shares(of: self.plan)
        self.learningRate = learningRate
        self.gradientClip = gradientClip
        self.memoryBytes = memoryBytes
    }
}

public enum RunState: String, Codable, Sendable, CaseIterable {
    case running, paused, finished
}

public struct StepMetrics: Codable, Sendable, Hashable {
    /// Steps completed, from 1.
    public var step: Int
    /// Mean cross-entropy of the step's tokens, nats per token.
    public var loss: Float
    /// Global gradient norm before clipping.
    public var gradientNorm: Float
    /// Global gradient norm after clipping.
    public var clippedNorm: Float
    public var learningRate: Double
    /// Tokens trained on since the start.
    public var tokens: Int
    public var stepMilliseconds: Double
    /// Time spent training since the start (not paused), seconds.
    public var elapsedSeconds: Double
    /// Where the step's time went; nil in recordings of older versions.
    public var timing: StepTiming?

    public init(
        step: Int, loss: Float, gradientNorm: Float, clippedNorm: Float, learningRate: Double, tokens: Int,
        stepMilliseconds: Double, elapsedSeconds: Double, timing: StepTiming? = nil
    ) {
        self.step = step
        self.loss = loss
        self.gradientNorm = gradientNorm
        self.clippedNorm = clippedNorm
        self.learningRate = learningRate
        self.tokens = tokens
        self.stepMilliseconds = stepMilliseconds
        self.elapsedSeconds = elapsedSeconds
        self.timing = timing
    }

    public var isClipped: Bool { clippedNorm < gradientNorm }
}

public struct Evaluation: Codable, Sendable, Hashable {
    public var step: Int
    /// Mean cross-entropy over the fixed validation sample, nats per token.
    public var validationLoss: Float

    public init(step: Int, validationLoss: Float) {
        self.step = step
        self.validationLoss = validationLoss
    }
}

public struct TextSample: Codable, Sendable, Hashable {
    public var step: Int
    public var prompt: String
    /// Text after the prompt: bytes as UTF-8 with U+FFFD for what is not; token numbers if tokens are not bytes.
    public var text: String

    public init(step: Int, prompt: String, text: String) {
        self.step = step
        self.prompt = prompt
        self.text = text
    }
}

public struct RunSummary: Codable, Sendable, Hashable {
    public enum Outcome: String, Codable, Sendable, CaseIterable {
        case completed, stopped, diverged
        /// Bad data or a model that could not be saved: the last `.warning` says why.
        case failed
    }

    public var outcome: Outcome
    public var steps: Int
    public var tokens: Int
    /// Loss of the last step, nats per token.
    public var finalLoss: Float?
    public var validationLoss: Float?
    public var bestValidationLoss: Float?
    /// Time spent training, seconds.
    public var elapsedSeconds: Double
    /// Mean over the run, evaluation and sampling not counted.
    public var tokensPerSecond: Double
    public var savedPath: String?

    public init(
        outcome: Outcome, steps: Int, tokens: Int, finalLoss: Float?, validationLoss: Float?,
        bestValidationLoss: Float?, elapsedSeconds: Double, tokensPerSecond: Double, savedPath: String?
    ) {
        self.outcome = outcome
        self.steps = steps
        self.tokens = tokens
        self.finalLoss = finalLoss
        self.validationLoss = validationLoss
        self.bestValidationLoss = bestValidationLoss
        self.elapsedSeconds = elapsedSeconds
        self.tokensPerSecond = tokensPerSecond
        self.savedPath = savedPath
    }
}
