import Foundation
import Synchronization

/// Trains one model on a thread of its own: commands in, events out.
///
/// Commands take effect between two steps, in the order sent. The bits of a run depend on configuration, data and
/// commands alone, not on who reads the events.
public actor TrainingEngine {
    var trainer: Trainer
    /// A second run that takes turns with this one, and what it does otherwise.
    var forked: Trainer.ForkedRun?
    /// The sensitivity that is being measured, and since when.
    var measurement: (trials: SensitivityTrials, start: ContinuousClock.Instant)?
    private let executor: ThreadExecutor
    nonisolated let mailbox = CommandMailbox()
    private nonisolated let channels = Mutex<[EventChannel]>([])

    private var state = RunState.running
    private var stepsUntilPause: Int?
    private var stopRequest: EngineCommand?
    /// What the run has come to, apart from the model.
    var progress = RunProgress()
    private var savedPath: String?
    private var statePath: String?
    private var failure: UserError?
    private let isResumed: Bool
    /// Steps done before a resumed run was saved.
    private let firstStep: Int
    private let commands: [(step: Int, command: EngineCommand)]
    /// Commands that were given to the run before it was interrupted, and whose effect the saved state does not have.
    private var recorded: ArraySlice<RecordedCommand>
    let keeping: CheckpointKeeping?
    /// Step and time of the newest checkpoint.
    var lastCheckpoint: (step: Int, time: ContinuousClock.Instant)

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - resuming: a file that `EngineCommand.saveState` wrote, or a checkpoint, to go on from; nil: from the start.
    ///   - recorded: commands that are given again, each at its step.
    ///   - keeping: where the run saves its state by itself; nil: nowhere.
    /// - Throws: `UserError` if the configuration makes no sense for this corpus or this machine.
    public init(
        configuration: RunConfiguration, corpus: any Corpus, resuming: String? = nil, recorded: [RecordedCommand] = [],
        keeping: CheckpointKeeping? = nil
    ) throws {
        trainer = try Trainer(configuration, corpus: corpus)
        isResumed = resuming != nil
        if let resuming {
            let restored = try trainer.restoreState(from: resuming)
            progress = RunProgress(metadata: restored.metadata)
            forked = restored.fork
        }
        firstStep = trainer.step
        self.recorded = recorded[...]
        self.keeping = keeping
        lastCheckpoint = (isResumed ? trainer.step : -1, ContinuousClock.now)
        commands = try configuration.scheduledCommands()
        executor = ThreadExecutor(name: "fp4tui engine")
    }

    /// Queues a command for the next step boundary.
    public nonisolated func send(_ command: EngineCommand) {
        mailbox.send(command)
    }

    /// A new reader of the events from now on. Subscribe before `run()` to miss nothing.
    ///
    /// - Parameter past: what the reader is told first: how a run that goes on came to where it is.
    public nonisolated func subscribe(after past: [TrainingEvent] = []) -> EventChannel {
        let channel = EventChannel(past: past)
        channels.withLock { $0.append(channel) }
        return channel
    }

    /// Trains until the last step, `.stop` or divergence. To be called once; the channels end with it.
    public func run() async -> RunSummary {
        emit(.started(describe()))
        if isResumed {
            // What a command made of the recipe's phases.
            trainer.tellSchedule(from: trainer.configuration.recipe.schedule, nil)
            emitNews()
        } else {
            trainer.initializeParameters()
        }
        emit(.stateChanged(.running, step: trainer.step))
        if let forked { emit(.forkChanged(ForkChange(kind: .resumed, step: trainer.step, text: forked.text))) }
        let outcome = await train()
        cancelMeasurement()
        trainer.finishEffects()
        emitNews()
        let summary = RunSummary(
            outcome: failure == nil ? outcome : .failed, steps: trainer.step,
            tokens: trainer.step * trainer.tokensPerStep, finalLoss: progress.lastLoss,
            validationLoss: progress.evaluation?.validationLoss,
            bestValidationLoss: progress.best?.validationLoss, elapsedSeconds: progress.activeSeconds,
            tokensPerSecond: progress.trainingSeconds > 0
                ? Double(progress.timedSteps * trainer.tokensPerStep) / progress.trainingSeconds : 0,
            savedPath: savedPath)
        state = .finished
        emit(.stateChanged(.finished, step: trainer.step))
        emit(.finished(summary))
        channels.withLock { channels in
            for channel in channels { channel.finish() }
        }
        return summary
    }

    private func train() async -> RunSummary.Outcome {
        let configuration = trainer.configuration
        do {
            while true {
                try trainer.beginPhases()
                emitNews()
                while trainer.control.commandsDone < commands.count,
                    commands[trainer.control.commandsDone].step <= trainer.step
                {
                    trainer.control.commandsDone += 1
                    try apply(commands[trainer.control.commandsDone - 1].command)
                }
                while let next = recorded.first, next.isDue(after: trainer.step, rescues: trainer.rescues) {
                    recorded.removeFirst()
                    emit(.commanded(step: trainer.step, command: next.command, rescues: trainer.rescues))
                    try apply(next.command)
                }
                for command in mailbox.drain() {
                    emit(.commanded(step: trainer.step, command: command, rescues: trainer.rescues))
                    try apply(command)
                }
                if case .stop(let path)? = stopRequest {
                    if let path { save(to: path, isFinal: true) }
                    lastCheckpointOfRun()
                    return .stopped
                }
                let isOver = trainer.step >= configuration.run.steps
                if measurement != nil {
                    continueMeasurement()
                    // Nothing but this is left to do.
                    if isOver || state == .paused {
                        await Task.yield()
                        continue
                    }
                }
                if isOver { break }
                if state == .paused {
                    await mailbox.wait()
                    continue
                }
                await Task.yield()
                let before = trainer.step
                guard try trainStep() else { return .diverged }
                if trainer.step == before { continue }
                if isDue(configuration.health.every) || isFirstReport {
                    var report = trainer.healthReport()
                    report.memoryBytes = ProcessMemory.bytes
                    emit(.quantized(report))
                }
                if isDue(configuration.health.probeEvery) {
                    trainer.applyRho(try probe())
                    emitNews()
                }
                if isDue(configuration.evaluation.every) { try evaluate() }
                if isDue(configuration.sampling.every) { sample() }
                if isCheckpointDue { checkpoint() }
            }
            if progress.evaluation?.step != trainer.step { try evaluate() }
            lastCheckpointOfRun()
        } catch {
            // The data are bad, not the model: what it has learned is kept.
            lastCheckpointOfRun()
            if trainer.step > 0, !configuration.run.save.isEmpty { save(to: configuration.run.save, isFinal: false) }
            fail(error)
            return .failed
        }
        if !configuration.run.save.isEmpty { save(to: configuration.run.save, isFinal: true) }
        return .completed
    }

    private func isDue(_ every: Int) -> Bool {
        every > 0 && trainer.step % every == 0
    }

    /// So that there is something to see before `health.every` steps, which may take long.
    private var isFirstReport: Bool { trainer.configuration.health.every > 0 && trainer.step == firstStep + 1 }

    /// Returns false if the run diverged.
    private func trainStep() throws -> Bool {
        let probeEvery = trainer.configuration.health.probeEvery
        trainer.tracksWeights = probeEvery > 0 && (trainer.step + 1) % probeEvery == 0
        trainer.watchesOscillation = true
        let (result, seconds) = try timed { try trainer.trainStep(isCancelled: { mailbox.hasStop }) }
        guard let result else { return true }
        progress.trainingSeconds += seconds
        progress.timedSteps += 1
        if result.isRescued {
            emitNews()
            return true
        }
        // Before the step is told: who goes on from here trains it again.
        if !result.isFinite { lastCheckpointOfRun() }
        progress.lastLoss = result.loss
        // A step that diverged was not applied, so the trainer has not counted it.
        let step = result.isFinite ? trainer.step : trainer.step + 1
        emit(
            .stepped(
                StepMetrics(
                    step: step, loss: result.loss, gradientNorm: result.gradientNorm, clippedNorm: result.clippedNorm,
                    learningRate: result.learningRate, tokens: step * trainer.tokensPerStep,
                    stepMilliseconds: seconds * 1e3, elapsedSeconds: progress.activeSeconds, timing: result.timing)))
        emitNews()
        let clipped = trainer.clippedGradients()
        if !clipped.isEmpty { emit(.gradientsClipped(step: step, modules: clipped)) }
        guard result.isFinite else {
            let what = result.loss.isFinite ? "the gradient norm" : "the loss"
            let place = trainer.firstNonFinite.map { ", first seen in the operands of \($0)" } ?? ""
            emit(
                .diverged(
                    step: step,
                    message:
                        "\(what) is not finite at step \(step)\(place); the model is as it was after step \(trainer.step)"
                ))
            return false
        }
        try trainFork()
        if let left = stepsUntilPause {
            stepsUntilPause = left > 1 ? left - 1 : nil
            if left <= 1 { change(to: .paused) }
        }
        return true
    }

    private func evaluate() throws {
        let isCancelled = follow(.evaluating, of: trainer.configuration.evaluation.batches)
        let (loss, _) = try timed { try trainer.evaluate(isCancelled: isCancelled) }
        guard let loss else { return }
        let evaluation = Evaluation(step: trainer.step, validationLoss: loss)
        progress.take(evaluation)
        emit(.evaluated(evaluation))
    }

    @discardableResult
    private func probe() throws -> ProbeReport {
        let (report, _) = try timed { try trainer.probe() }
        emit(.probed(report))
        return report
    }

    private func sample() {
        let isCancelled = follow(.sampling, of: trainer.configuration.sampling.tokens)
        let (sample, _) = timed { trainer.sample(isCancelled: isCancelled) }
        if let sample { emit(.sampled(sample)) }
    }

    /// Runs some work and adds its time to the active time.
    func timed<T>(_ work: () throws -> T) rethrows -> (T, seconds: Double) {
        let clock = ContinuousClock()
        let start = clock.now
        let result = try work()
        let seconds = (clock.now - start) / .seconds(1)
        progress.activeSeconds += seconds
        return (result, seconds)
    }

    private func apply(_ command: EngineCommand) throws {
        switch command {
        case .pause:
            stepsUntilPause = nil
            change(to: .paused)
        case .resume:
            // Single steps are trained without a word: who watches still takes the run to be paused.
            if stepsUntilPause != nil { state = .paused }
            stepsUntilPause = nil
            change(to: .running)
        case .step:
            // Several steps may be asked for while one is under way.
            stepsUntilPause = (stepsUntilPause ?? 0) + 1
            state = .running
        case .stop:
            stopRequest = stopRequest ?? command
        case .setLearningRate(let rate):
            guard rate.isFinite, rate >= 0 else {
                return warn("the learning rate is still \(trainer.schedule.peak): \(rate) is not a number from 0 up")
            }
            emit(.learningRateChanged(step: trainer.step, from: trainer.schedule.peak, to: rate))
            trainer.schedule.peak = rate
            forked?.trainer.schedule.peak = rate
        case .setGradientClip(let norm):
            guard norm.isFinite, norm >= 0 else {
                return warn("the clip threshold is still \(trainer.gradientClip): \(norm) is not a number from 0 up")
            }
            emit(.gradientClipChanged(step: trainer.step, from: trainer.gradientClip, to: norm))
            trainer.gradientClip = norm
            forked?.trainer.gradientClip = norm
        case .setPrecision(let assignment): change { () throws(UserError) in try trainer.set(assignment) }
        case .setRecipe(let recipe): change { () throws(UserError) in try trainer.set(recipe) }
        case .undo: change { () throws(UserError) in try trainer.undoPrecision() }
        case .setModuleClipping(let clipping): change { trainer.set(clipping) }
        case .inspect(let module):
            guard trainer.configuration.model.linears.contains(module) else {
                return warn("inspect: this model has no module \(module)")
            }
            if state == .paused {
                _ = try timed { try trainer.inspect(module) }
                emitNews()
            } else {
                trainer.inspected = module
            }
        case .measureSensitivity(let precisions): beginMeasurement(precisions)
        case .cancelSensitivity:
            if measurement == nil { return warn("sensitivity off: nothing is being measured") }
            cancelMeasurement()
        case .editSchedule(let edit): change { () throws(UserError) in try trainer.set(edit) }
        case .fork(let command): fork(command)
        case .dropFork: dropFork()
        case .swapFork: swapFork()
        case .evaluate:
            try evaluate()
        // Whoever looks changes nothing: a recipe that goes by rho does so at its own probes alone.
        case .probe:
            do {
                try trainer.requireMemoryForProbe()
                try probe()
            } catch {
                warn("probe: \(error)")
            }
        case .sample:
            if trainer.canSample { sample() } else { warn("sampling is off: sampling.tokens is 0") }
        case .save(let path):
            save(to: path, isFinal: false)
        case .saveState(let path):
            saveState(to: path)
        }
    }

    /// Makes a change of precision; one that is not possible is a warning.
    private func change(_ body: () throws(UserError) -> Void) {
        do throws(UserError) {
            try body()
        } catch {
            warn(error.description)
        }
        emitNews()
    }

    func emitNews() {
        guard !trainer.news.isEmpty else { return }
        for event in trainer.news { emit(event) }
        trainer.news.removeAll(keepingCapacity: true)
    }

    /// A file that this run did not write is left alone.
    private func saveState(to path: String) {
        do {
            if path != statePath, FileManager.default.fileExists(atPath: path) {
                throw UserError("\(path) exists already and is not overwritten; name another file")
            }
            try trainer.saveState(validationLoss: validationLossNow, fork: forked, to: path)
            statePath = path
            emit(.saved(step: trainer.step, path: path))
        } catch {
            warn("\(error)")
        }
    }

    private func change(to new: RunState) {
        guard state != new || new == .paused else { return }
        state = new
        emit(.stateChanged(new, step: trainer.step))
    }

    /// Saves the model. A file that this run did not write, and was not told to write at the start, is left alone.
    private func save(to path: String, isFinal: Bool) {
        do {
            if path != savedPath, path != trainer.configuration.run.save, FileManager.default.fileExists(atPath: path) {
                throw UserError("\(path) exists already and is not overwritten; name another file")
            }
            try trainer.save(to: path)
            savedPath = path
            emit(.saved(step: trainer.step, path: path))
        } catch {
            if isFinal { fail(error) } else { warn("\(error)") }
        }
    }

    private func fail(_ error: any Error) {
        failure = error as? UserError ?? UserError("\(error)")
        warn("\(error)")
    }

    func warn(_ message: String) {
        emit(.warning(step: trainer.step, message: message))
    }

    /// Tells all readers of something that happened around the run, such as a file that cannot be written.
    public nonisolated func publish(_ event: TrainingEvent) { emit(event) }

    nonisolated func emit(_ event: TrainingEvent) {
        channels.withLock { channels in
            for channel in channels { channel.send(event) }
        }
    }

    private func describe() -> RunDescription {
        let configuration = trainer.configuration
        let corpus = trainer.corpus
        return RunDescription(
            name: configuration.run.name, model: configuration.model,
            parameterCount: trainer.parameters.layout.count, vocabularySize: corpus.vocabularySize,
            data: corpus.summary, trainingTokens: corpus.tokenCount(.training),
            validationTokens: corpus.tokenCount(.validation), entropyFloor: corpus.entropyRate,
            totalSteps: configuration.run.steps, tokensPerStep: trainer.tokensPerStep, seed: configuration.run.seed,
            threads: trainer.compute.pool.lanes, kernels: trainer.compute.tier.rawValue,
            recipe: configuration.recipe, plan: trainer.control.state.plan(for: configuration.model),
            learningRate: trainer.schedule.peak,
            gradientClip: trainer.gradientClip, memoryBytes: trainer.memoryBytes)
    }
}
