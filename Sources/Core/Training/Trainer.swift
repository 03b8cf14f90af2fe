import KernelInterface

/// Model, optimizer and data of one run: everything that a step needs, without concurrency.
final class Trainer {
    struct StepResult {
        var loss: Float
        var gradientNorm: Float
        var clippedNorm: Float
        var learningRate: Double

        var timing: StepTiming

        /// Was not finite; modules were raised, and the next step is the same one again.
        var isRescued = false

        var isFinite: Bool { loss.isFinite && gradientNorm.isFinite }
    }

    let configuration: RunConfiguration
    let corpus: any Corpus
    let compute: ComputeContext
    let transformer: Transformer
    let parameters: Parameters
    /// Optimizer steps behind the parameters.
    var step = 0
    /// How often the step to come was tried and modules were raised instead.
    var rescues = 0
    var control: PrecisionControl
    /// What happened to precision since it was last taken.
    var news: [TrainingEvent] = []
    var schedule: LearningRateSchedule
    var gradientClip: Double
    /// Follows the quantized weights through the next step, for a probe after it.
    var tracksWeights = false
    var flipRates: [ModulePath: Double] = [:]
    /// Follows the weights through the last steps before each probe.
    var watchesOscillation = false
    var oscillation: OscillationWindow?
    var gradientProbe: GradientProbe?
    /// The linear whose operands are to be looked at in the next step.
    var inspected: ModulePath?

    let optimizer: AdamW
    let sampler: BatchSampler
    private let generator: TextGenerator?
    private let prompt: [Int32]
    let batch: (arena: Arena, places: (tokens: UnsafeMutablePointer<Int32>, targets: UnsafeMutablePointer<Int32>))

    /// - Throws: `UserError` if the data are too short, memory is short, or the kernels asked for are not there.
    /// - Parameter compute: of another run that takes turns with this one; nil: its own.
    init(_ configuration: RunConfiguration, corpus: any Corpus, compute: ComputeContext? = nil) throws {
        try configuration.validate()
        try configuration.recipe.schedule.validate(for: configuration.model)
        self.configuration = configuration
        self.corpus = corpus
        let model = configuration.model
        let vocabularySize = corpus.vocabularySize
        prompt = try TextGenerator.tokens(
            of: configuration.sampling.prompt, isText: corpus.isText, vocabularySize: vocabularySize)
        try corpus.validate(context: model.context)
        sampler = BatchSampler(
            corpus: corpus, seed: configuration.run.seed, batch: configuration.training.batch, context: model.context)
        let compute =
            try compute
            ?? ComputeContext(
                tier: KernelTier.named(configuration.run.kernels), threads: configuration.run.threads,
                strictFP8: configuration.training.strictFP8)
        self.compute = compute
        transformer = try Transformer(
            model, vocabularySize: vocabularySize, capacity: configuration.training.batch,
            plan: configuration.recipe.plan(for: model), compute: compute,
            keepsWeights: configuration.training.accumulation > 1,
            recomputesLayers: configuration.training.recompute)
        parameters = transformer.parameters
        optimizer = try AdamW(parameters, configuration.optimizer, compute: compute)
        generator =
            configuration.sampling.tokens > 0
            ? try TextGenerator(
                model, vocabularySize: vocabularySize, isText: corpus.isText,
                format: configuration.recipe.unscaled, compute: compute) : nil
        let tokens = configuration.training.batch * model.context
        batch = try Arena.make { arena in
            (arena.reserve(tokens, of: Int32.self), arena.reserve(tokens, of: Int32.self))
        }
        schedule = LearningRateSchedule(configuration.optimizer, steps: configuration.run.steps)
        gradientClip = configuration.optimizer.clip
        control = PrecisionControl(
            configuration.recipe, model, steps: configuration.run.steps,
            tokensPerStep: configuration.training.batch * configuration.training.accumulation * model.context)
        try configuration.requireMemory(memoryBytes)
    }

    /// Tokens of one optimizer step.
    var tokensPerStep: Int {
        configuration.training.batch * configuration.training.accumulation * configuration.model.context
    }

    var memoryBytes: Int { transformer.memoryBytes + optimizer.memoryBytes + batch.arena.bytes }

    /// Draws the initial parameters; before the first step. Not part of the initializer, because it takes a second for a
    /// hundred million parameters, and by then something should be on the screen.
    func initializeParameters() {
        parameters.initialize(seed: configuration.run.seed, compute: compute)
    }

    /// One optimizer step. If loss or gradient norm is not finite, the parameters stay as they were.
    ///
    /// - Parameter isCancelled: asked between two micro-batches, of which a step may have so many that it takes minutes.
    /// - Returns: nil if the step was cancelled: nothing has changed then.
    /// - Throws: `UserError` if the data turn out to be bad.
    func trainStep(isCancelled: () -> Bool = { false }) throws -> StepResult? {
        let accumulation = configuration.training.accumulation
        let sequences = configuration.training.batch
        let length = configuration.model.context
        let scale = 1 / Float(tokensPerStep)
        if watchesOscillation { try beginOscillationWindow() }
        compute.clock.restart()
        transformer.clearGradients()
        let packingBefore = compute.clock[.pack]
        var loss = 0.0
        for microBatch in 0..<accumulation {
            if microBatch > 0, isCancelled() { return nil }
            try sampler.fill(
                step: step, microBatch: microBatch, tokens: batch.places.tokens, targets: batch.places.targets)
            compute.clock.mark(.data)
            transformer.pass = QuantizationPassKey(
                seed: configuration.run.seed, pass: UInt64(step * accumulation + microBatch))
            if microBatch == accumulation - 1, let inspected {
                transformer.pass.capture = OperandCapture(inspected)
            }
            loss += transformer.accumulateGradients(
                batch.places.tokens, targets: batch.places.targets, sequences: sequences, length: length,
                gradientScale: scale, hasSameParameters: microBatch > 0)
        }
        finishInspection()
        var clock = PassClock()
        let norm = optimizer.gradientNorm()
        let clipFactor = gradientClip > 0 && Double(norm) > gradientClip ? Float(gradientClip) / norm : 1
        var result = StepResult(
            loss: Float(loss / Double(tokensPerStep)), gradientNorm: norm, clippedNorm: norm * clipFactor,
            learningRate: schedule.rate(after: step),
            timing: StepTiming(
                forward: 1e3 * transformer.forwardSeconds, backward: 1e3 * transformer.backwardSeconds, optimizer: 0,
                quantize: 1e3 * (compute.clock[.pack] - packingBefore)))
        guard result.isFinite else {
            result.isRescued = rescue(result)
            if result.isRescued { rescues += 1 }
            return result
        }
        step += 1
        rescues = 0
        let tracker = tracksWeights ? WeightTracker(transformer) : nil
        optimizer.update(step: step, learningRate: result.learningRate, gradientScale: clipFactor)
        if let tracker { flipRates = tracker.flipRates() }
        tracksWeights = false
        transformer.updateWeightAverages()
        if let oscillation, oscillation.end >= step { oscillation.advance() }
        compute.clock.mark(.optimizer)
        result.timing.optimizer = 1e3 * clock.lap()
        observe(result)
        return result
    }

    /// Mean cross-entropy over the fixed validation sample, nats per token; nil if cancelled.
    ///
    /// - Parameter isCancelled: asked before each batch, with the number of those that are done.
    /// - Throws: `UserError` if the data turn out to be bad.
    func evaluate(isCancelled: (_ done: Int) -> Bool = { _ in false }) throws -> Float? {
        let batches = configuration.evaluation.batches
        var loss = 0.0
        for index in 0..<batches {
            if isCancelled(index) { return nil }
            try sampler.fillValidation(
                batch: index, tokens: batch.places.tokens, targets: batch.places.targets)
            // Beyond every training pass.
            transformer.pass = QuantizationPassKey(seed: configuration.run.seed, pass: UInt64(index) | 1 << 63)
            loss += transformer.loss(
                batch.places.tokens, targets: batch.places.targets, sequences: configuration.training.batch,
                length: configuration.model.context, hasSameParameters: index > 0)
        }
        let tokens = batches * configuration.training.batch * configuration.model.context
        return Float(loss / Double(tokens))
    }

    var canSample: Bool { generator != nil }

    /// Text from the model as it is now; nil if sampling is off or was cancelled.
    ///
    /// - Parameter isCancelled: asked after each token, with the number of those that are written.
    func sample(isCancelled: (_ done: Int) -> Bool = { _ in false }) -> TextSample? {
        guard let generator else { return nil }
        generator.load(parameters)
        let sampling = configuration.sampling
        let options = SamplingOptions(
            tokens: sampling.tokens, temperature: sampling.temperature, topK: sampling.topK,
            seed: configuration.run.seed)
        var tokens: [Int32] = []
        var wasCancelled = isCancelled(0)
        if wasCancelled { return nil }
        generator.generate(prompt, options, key: UInt64(step)) { token in
            tokens.append(token)
            wasCancelled = isCancelled(tokens.count)
            return !wasCancelled
        }
        if wasCancelled { return nil }
        return TextSample(step: step, prompt: configuration.sampling.prompt, text: generator.text(tokens))
    }

    /// Writes the model to a file, whole or not at all.
    ///
    /// - Throws: `UserError` naming the file.
    func save(to path: String) throws {
        try Checkpoint.write(
            parameters, configuration, vocabularySize: corpus.vocabularySize, isText: corpus.isText, step: step,
            to: path)
    }
}
