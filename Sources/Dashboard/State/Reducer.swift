import Core

/// What can happen to the dashboard.
public enum DashboardInput: Sendable {
    case event(TrainingEvent)
    case key(Key)
    /// The time, in seconds of a monotonic clock.
    case tick(Double)
    case resize(Size)
    /// At a cell of the screen, counted from the upper left.
    case mouse(x: Int, y: Int, kind: MouseKind)
    /// A line that something wrote to stderr while the screen was in use.
    case standardError(String)
    /// The theme is in use from now on.
    case themeChanged(String)
    /// The outcome of an effect, or news from the terminal.
    case notice(String, isError: Bool)
    /// How far an effect is that takes long: what it is, the share that is done, and the seconds that the rest takes.
    case progress(String, share: Double, remaining: Double?)
    /// The answer to `DashboardEffect.loadComparison`.
    case comparison(ComparedRun)
    /// Someone outside asks the program to end.
    case terminate
}

/// What the dashboard wants done.
public enum DashboardEffect: Sendable, Hashable {
    case send(EngineCommand)
    /// A theme's name, or the path of a base16 file.
    case theme(String)
    /// Read a recorded run, to be compared.
    case loadComparison(String)
    /// Write what is recorded of the run, in one of `DashboardState.exportFormats`.
    case export(format: String, path: String)
    /// Leave the export that is under way.
    case stopExport
    /// Whether the terminal reports the mouse.
    case mouse(Bool)
    case redraw
    /// To the clipboard.
    case copy(String)
    case suspend
    /// Leave the dashboard now.
    case quit
}

/// Brings the state up to date with one input. The dashboard's only logic: no clock, no terminal, no engine.
public func reduce(_ state: inout DashboardState, _ input: DashboardInput) -> [DashboardEffect] {
    switch input {
    case .event(let event): return state.take(event)
    case .key(let key): return state.press(key)
    case .tick(let now):
        state.advance(to: now)
        state.advanceReplay()
        return state.advanceMap()
    case .resize(let size):
        state.size = size
        state.revision += 1
        guard state.isTooSmall, state.context != .quit else { return [.redraw] }
        return state.closeOverlay() + [.redraw]
    case .mouse(let x, let y, let kind):
        return state.point(x: x, y: y, kind)
    case .themeChanged(let name):
        state.takeTheme(name)
        return []
    case .standardError(let line):
        state.takeStandardError(line)
        return []
    case .comparison(let run):
        state.compare(with: run)
        return []
    case .progress(let work, let share, let remaining):
        state.sayProgress(work, share: share, remaining: remaining)
        return []
    case .notice(let text, let isError):
        state.say(text, isError: isError)
        return []
    case .terminate:
        if state.isFinished || state.replay != nil || state.isAttached { return [.quit] }
        return state.stop(saving: true)
    }
}

extension DashboardState {
    mutating func say(_ text: String, isError: Bool = false) {
        message = Message(text: text, isError: isError, since: now)
        revision += 1
    }

    mutating func takeStandardError(_ line: String) {
        if log.count >= DashboardState.longestLog { log.removeFirst(DashboardState.longestLog / 10) }
        log.append(line)
        // A reader who has scrolled keeps the lines in view.
        if let lines = scroll[.log], lines > 0 { scroll[.log] = lines + 1 }
        revision += 1
    }

    mutating func advance(to time: Double) {
        guard time.isFinite, time >= now else { return }
        if replay == nil {
            if phase == .running { elapsed += time - now }
            // The age of the newest checkpoint is shown while the run is paused too.
            let showsTime = phase == .running || phase == .paused && lastSave != nil
            if showsTime, time.rounded(.down) > now.rounded(.down) { revision += 1 }
        }
        now = time
        if let message, now - message.since > 8 {
            self.message = nil
            revision += 1
        }
    }

    // MARK: Events

    mutating func take(_ event: TrainingEvent) -> [DashboardEffect] {
        revision += 1
        map.take(event)
        defer { record(event) }
        switch event {
        case .started(let description):
            run = description
            learningRate = description.learningRate
            gradientClip = description.gradientClip
            schedule = description.recipe.schedule
            phase = .running
            lastStepAt = now
        case .stateChanged(let state, _):
            change(to: state)
        case .stepped(let metrics):
            add(metrics)
        case .evaluated(let evaluation):
            lastEvaluation = evaluation
            validation.append(step: evaluation.step, value: evaluation.validationLoss)
            if evaluation.validationLoss.isFinite,
                bestEvaluation.map({ evaluation.validationLoss < $0.validationLoss }) ?? true
            {
                bestEvaluation = evaluation
            }
            let text = "validation \(NumberText.significant(Double(evaluation.validationLoss)))"
            answer(DashboardState.evaluating, "\(text) at step \(NumberText.grouped(evaluation.step))")
            lastStepAt = now
        case .sampled(let text):
            sample = text
            scroll[.sample] = nil
            answer(DashboardState.sampling, "sampled at step \(NumberText.grouped(text.step))")
            lastStepAt = now
        case .gradientClipChanged(_, _, let to): gradientClip = to
        case .precisionChanged(let change): say(change.summary)
        case .gradientsClipped(let step, let modules): moduleGradients.take(modules, step: step)
        case .quantized(let report):
            memoryBytes = report.memoryBytes ?? memoryBytes
            let norm = gradientNorm.value(at: report.step).map { Double($0.bucket.mean) }
            moduleGradients.take(report, total: norm)
        case .sensitivityProgress(let progress):
            // From here on the progress itself stands there.
            if progress.kind == .began, message?.text == Self.measuring { message = nil }
            if progress.kind == .cancelled { say("the measurement of the sensitivity ended before its end") }
            if phase == .running, progress.kind == .tried { lastStepAt = now }
        case .sensitivityMeasured(let sensitivity):
            say("sensitivity of step \(NumberText.grouped(sensitivity.step)): \(sensitivity.worstText)")
        case .scheduleChanged(_, let text, let next):
            schedule = next
            if text != nil { say("schedule: \(next)") }
        case .forkChanged(let change): take(change)
        case .forkStepped(let step, let loss):
            fork.append(step: step, value: loss)
            forkAverage.append(step: step, value: loss)
        case .saved(let step, let path):
            lastSave = (step, runTime)
            say("saved \(path)")
        case .warning(_, let text): say(text, isError: true)
        case .diverged(_, let text): say("diverged: \(text)", isError: true)
        case .checkpointed(let step, _): lastSave = (step, runTime)
        case .commanded, .learningRateChanged, .moduleClippingChanged, .precisionEffect, .inspected: break
        case .probed(let report):
            answer(DashboardState.probing, "at step \(NumberText.grouped(report.step)) \(report.text)")
        case .working(let work): take(work)
        case .finished(let summary):
            return finish(summary)
        }
        return []
    }

    /// Shown until the answer comes.
    static let evaluating = "evaluating"
    static let sampling = "sampling"
    private static let probing = "probing"
    private static let measuring = "measuring the sensitivity of every module from the next step on"

    /// Replaces the message that a request is under way, if it still stands there.
    private mutating func answer(_ question: String, _ text: String) {
        if message?.text.hasPrefix(question) == true { say(text) }
    }

    func clipText(_ value: Double) -> String {
        value > 0 ? NumberText.trimmed(NumberText.significant(value)) : "off"
    }

    private mutating func change(to state: RunState) {
        switch state {
        case .running:
            guard !isFinished else { return }
            phase = .running
            if request == .resume { request = nil }
            lastStepAt = now
        case .paused:
            guard !isFinished else { return }
            phase = .paused
            if request != .stop { request = nil }
        case .finished:
            break
        }
    }

    private mutating func add(_ metrics: StepMetrics) {
        guard metrics.step > last?.step ?? 0, metrics.step <= Series.largestStep else { return }
        last = metrics
        lastStepAt = now
        // Who comes to a run that has been going on for a while did not see the time pass.
        if metrics.elapsedSeconds.isFinite { elapsed = max(elapsed, metrics.elapsedSeconds) }
        learningRate = metrics.learningRate
        loss.append(step: metrics.step, value: metrics.loss)
        gradientNorm.append(step: metrics.step, value: metrics.gradientNorm)
        clippedNorm.append(step: metrics.step, value: metrics.clippedNorm)
        learningRates.append(step: metrics.step, value: Float(metrics.learningRate))
        times.append(step: metrics.step, value: Float(metrics.elapsedSeconds))
        average.append(step: metrics.step, value: metrics.loss)
        recentClips.add(metrics.isClipped)
        throughput.add(metrics)
        if request == .step { request = nil }
    }

    private mutating func take(_ change: ForkChange) {
        forkState = change.kind
        switch change.kind {
        case .began:
            fork = Series()
            // The fork has the run's past.
            forkAverage = average.branch
        case .swapped: SmoothedSeries.exchangeAverages(&average, &forkAverage)
        case .resumed:
            // Its curve is known if the run's past was told.
            if fork.lastStep == nil { forkAverage = average.branch }
        case .dropped, .diverged: break
        }
    }

    private mutating func finish(_ summary: RunSummary) -> [DashboardEffect] {
        let wasAsked = request == .stop
        request = nil
        phase = .finished(summary)
        elapsed = summary.elapsedSeconds.isFinite ? summary.elapsedSeconds : elapsed
        message = nil
        if case .quit = overlay { overlay = .none }
        return wasAsked ? [.quit] : []
    }

    // MARK: Requests

    /// Asks the engine to end; when it has, the dashboard closes.
    mutating func stop(saving: Bool) -> [DashboardEffect] {
        let effects = closeOverlay()
        revision += 1
        if request == .stop { return [.quit] }
        request = .stop
        message = nil
        return effects + [.send(.stop(save: saving ? savePath : nil))]
    }

    /// Sends a command to the engine, or says why that makes no sense now.
    mutating func ask(_ command: EngineCommand) -> [DashboardEffect] {
        if replay != nil {
            answerForRecording(command)
            return []
        }
        if let refusal {
            say(refusal, isError: true)
            return []
        }
        if isFinished {
            say("the run is over: q quits", isError: true)
            return []
        }
        if isStopping {
            say("the run is stopping", isError: true)
            return []
        }
        message = nil
        switch command {
        case .pause:
            if phase == .paused {
                say("already paused: p resumes", isError: true)
                return []
            }
            request = .pause
        case .resume:
            if phase == .running, request != .pause {
                say("already running: p pauses", isError: true)
                return []
            }
            request = .resume
        case .step:
            // A key held down asks for no more steps than can be trained.
            if request == .step { return [] }
            guard phase == .paused, request == nil else {
                say("n steps while paused: p pauses first", isError: true)
                return []
            }
            request = .step
        case .evaluate: say(DashboardState.evaluating)
        case .probe: say(DashboardState.probing)
        case .sample: say(DashboardState.sampling)
        case .save(let path), .saveState(let path): say("saving \(path)")
        case .setLearningRate(let value): say("peak lr \(NumberText.scientific(value)) from the next step")
        case .setGradientClip(let value): say("clip \(clipText(value)) from the next step")
        case .setPrecision, .setRecipe, .undo, .setModuleClipping, .editSchedule, .fork, .dropFork, .swapFork:
            say("from the next step")
        case .measureSensitivity: say(DashboardState.measuring)
        case .cancelSensitivity, .inspect, .stop: break
        }
        revision += 1
        // The steps to come are those that the user wanted the changes for.
        let changes = command == .resume || command == .step ? sendPendingChanges() : []
        return changes + [.send(command)]
    }
}
