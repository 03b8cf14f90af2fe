import Core

extension DashboardState {
    // MARK: What is recorded

    /// Writes down what an event tells, for the events panel and as marks on the loss curve.
    mutating func record(_ event: TrainingEvent) {
        switch event {
        case .started(let run):
            note(.start, "\(run.data), \(NumberText.grouped(run.totalSteps)) steps", step: 0)
        case .stepped(let metrics): record(metrics)
        case .evaluated(let evaluation):
            let value = NumberText.significant(Double(evaluation.validationLoss))
            note(.evaluation, "val \(value)", step: evaluation.step)
        case .learningRateChanged(let step, let from, let to):
            note(.change, "peak lr \(NumberText.scientific(from)) to \(NumberText.scientific(to))", step: step)
        case .gradientClipChanged(let step, let from, let to):
            note(.change, "clip \(clipText(from)) to \(clipText(to))", step: step)
        case .moduleClippingChanged(let step, _, let to):
            note(.change, "gradient clipping of linears: \(to)", step: step)
        case .precisionChanged(let change): record(change)
        case .precisionEffect(let effect): record(effect)
        case .gradientsClipped(let step, let modules):
            guard let news = moduleClips.take(step: step, modules) else { break }
            moduleClips.isTold(as: tell(news, step: step))
        case .quantized(let report):
            for news in healthWatch.take(report) { note(news.kind, news.text, step: report.step, module: news.module) }
        case .sensitivityMeasured(let map):
            note(.sensitivity, map.worstText, step: map.step, module: map.worst?.module.module)
        case .scheduleChanged(let step, let text, let next):
            note(.change, "\(text ?? "schedule"): \(next)", step: step)
        case .forkChanged(let change):
            if change.kind == .began { marks.add(.fork, step: change.step) }
            note(.fork, "\(change.kind.rawValue): \(change.text)", step: change.step)
        case .probed(let report):
            note(.probe, report.text, step: report.step, module: report.worst?.module.path)
        case .saved(let step, let path), .checkpointed(let step, let path):
            marks.add(.saved, step: step)
            note(.saved, path, step: step)
        case .warning(let step, let text): note(.warning, text, step: step)
        case .diverged(let step, let text): note(.error, "diverged: \(text)", step: step)
        case .finished(let summary): note(.state, summary.outcome.rawValue, step: summary.steps)
        case .stateChanged, .sampled, .inspected, .sensitivityProgress, .forkStepped, .commanded, .working: break
        }
    }

    @discardableResult
    private mutating func note(
        _ kind: LogEntry.Kind, _ text: String, step: Int, module: ModulePath? = nil
    ) -> Int {
        let time = last?.elapsedSeconds ?? elapsed
        return events.append(
            LogEntry(step: step, kind: kind, text: text, module: module, elapsed: time.isFinite ? time : elapsed))
    }

    private mutating func record(_ metrics: StepMetrics) {
        // What the charts left out leaves no trace here either.
        guard last == metrics else { return }
        if let spike = spikes.add(metrics.loss) {
            marks.add(.spike, step: metrics.step)
            note(
                .spike,
                "loss \(NumberText.significant(spike.loss)), \(NumberText.fixed(spike.deviations, 1)) sigma above "
                    + "its average \(NumberText.significant(spike.average))", step: metrics.step)
        }
        if metrics.isClipped {
            let news = normClips.take(
                step: metrics.step, before: Double(metrics.gradientNorm), after: Double(metrics.clippedNorm))
            normClips.isTold(as: tell(news, step: metrics.step))
        }
    }

    private mutating func tell(_ news: ClipWatch.News, step: Int) -> Int {
        if let id = news.id {
            events.update(id, text: news.text, module: news.module)
            return id
        }
        return note(.clipping, news.text, step: step, module: news.module)
    }

    private mutating func record(_ change: PrecisionChange) {
        let (kind, mark): (LogEntry.Kind, ChartMarks.Kind) =
            switch change.cause {
            case .command, .recipe, .undo: (.precision, .precision)
            case .phase: (.phase, .phase)
            case .rule: (.rescue, .spike)
            }
        marks.add(mark, step: change.step)
        note(kind, change.summary, step: change.step, module: Self.onlyModule(of: change))
        pendingEffects[change.id] = change
        // Effects that never came, as in a recording that was cut.
        if pendingEffects.count > 100, let oldest = pendingEffects.keys.min() { pendingEffects[oldest] = nil }
    }

    private mutating func record(_ effect: PrecisionEffect) {
        let change = pendingEffects.removeValue(forKey: effect.id)
        let before = effect.lossBefore.map { NumberText.significant($0) } ?? "-"
        let difference = effect.lossBefore.map { "\(NumberText.signed(effect.lossAfter - $0)), " } ?? ""
        note(
            .effect,
            // The difference first: a narrow panel has no room for more.
            "\(difference)loss before \(before), after \(effect.steps) steps \(NumberText.significant(effect.lossAfter)): "
                + (change?.text ?? "change \(effect.id)"),
            step: effect.step, module: change.flatMap(Self.onlyModule))
    }

    private static func onlyModule(of change: PrecisionChange) -> ModulePath? {
        change.modules.count == 1 ? change.modules.first?.module : nil
    }

    // MARK: What the panel's keys do

    mutating func performOnEvents(_ action: Action) -> [DashboardEffect] {
        switch action {
        case .filter: open(.prompt(.filterEvents, CommandLine(text: events.filter.text)))
        case .clearFilter: events.setFilter("")
        case .copy:
            guard let entry = events.current else { break }
            say("copied: \(entry.line)")
            return [.copy(entry.line)]
        case .jump: jump()
        default: events.perform(action, page: eventsPage)
        }
        return []
    }

    private var eventsPage: Int {
        let area = Layout(size: size, focus: focus, isFullScreen: isFullScreen).rectangle(of: .events)
        return max(1, (area?.height ?? 3) - 2)
    }

    /// To the place on the curves and the module that an event is about.
    private mutating func jump() {
        guard let entry = events.current else { return }
        view.show(step: entry.step, in: recordedSteps)
        let place = "crosshair at step \(NumberText.grouped(entry.step))"
        if let module = entry.module {
            showModule(module)
            say("\(place), map at \(module)")
        } else {
            say(place)
        }
    }
}

extension SensitivityMap {
    /// The linear that low precision damages most.
    var worstText: String {
        guard let worst else { return "no module was tried" }
        let (module, precision) = (worst.module.module, worst.module.precision.rawValue)
        return "\(precision) does most in \(module): \(NumberText.brief(1000 * worst.damage, 4)) e-3 nats"
    }
}

extension ProbeReport {
    var text: String {
        guard let gradientError else { return "gradients cannot be held against BF16's: they are zero or not finite" }
        let worst = worst.map { "; most \($0.module.path), \(NumberText.percent($0.error))" } ?? ""
        return "gradients are \(NumberText.percent(gradientError)) off BF16's\(worst)"
    }
}
