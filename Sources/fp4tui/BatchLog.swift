import Core
import Dashboard

/// Turns the events of a run into lines for people, and into a progress bar.
struct BatchLog {
    private let logEvery: Int
    private var description: RunDescription?
    private var average = DebiasedAverage(smoothing: 0.98)
    private var last: StepMetrics?
    /// The step of the line before, from which speed is measured.
    private var reported: StepMetrics?
    /// Steps done before the run was resumed.
    private var firstStep = 0
    private var secondsPerStep: Double?
    private var best: Float?
    /// Between two steps.
    private var work: WorkProgress?
    /// Since the line before: where gradients were clipped, and the largest share of one's values.
    private var clipped: Set<ModulePath> = []
    private var largestClip = 0.0

    /// Where the run is recorded; nil: nowhere.
    private let folder: String?

    init(logEvery: Int, folder: String? = nil) {
        self.logEvery = logEvery
        self.folder = folder
    }

    mutating func lines(for event: TrainingEvent) -> [String] {
        work = nil
        switch event {
        case .started(let description):
            self.description = description
            return Self.header(description)
        case .stateChanged(let state, let step):
            if last == nil { firstStep = step }
            guard state == .paused else { return [] }
            return ["paused at step \(step)" + (folder.map { ": fp4tui attach \($0) can go on" } ?? "")]
        case .stepped(let metrics):
            return stepped(metrics)
        case .evaluated(let evaluation):
            if evaluation.validationLoss.isFinite {
                best = min(best ?? evaluation.validationLoss, evaluation.validationLoss)
            }
            let loss = LogFormat.loss(evaluation.validationLoss)
            return ["eval \(position(evaluation.step))  validation loss \(loss)  best \(LogFormat.loss(best))"]
        case .sampled(let sample):
            return ["sample at step \(sample.step):"] + Self.indented(sample.prompt + sample.text)
        case .learningRateChanged(let step, let from, let to):
            return [
                "step \(step): learning rate \(LogFormat.scientific(from)) -> \(LogFormat.scientific(to))"
            ]
        case .gradientClipChanged(let step, let from, let to):
            return ["step \(step): gradient clip \(from) -> \(to)"]
        case .moduleClippingChanged(let step, let from, let to):
            return ["step \(step): gradient clipping of linears \(from) -> \(to)"]
        case .precisionChanged(let change):
            return ["step \(change.step): \(change.summary)"]
        case .precisionEffect(let effect):
            let before = effect.lossBefore.map { LogFormat.fixed($0, decimals: 4) } ?? "-"
            return [
                "step \(effect.step): loss \(before) before change \(effect.id), "
                    + "\(LogFormat.fixed(effect.lossAfter, decimals: 4)) in the \(effect.steps) steps after it"
            ]
        case .gradientsClipped(_, let modules):
            for module in modules { clipped.insert(module.module) }
            largestClip = max(largestClip, modules.map(\.fraction).max() ?? 0)
            return []
        case .quantized:
            return []
        case .probed(let report):
            return [probeLine(report)]
        case .checkpointed(let step, let path):
            return ["checkpoint \(path) at step \(step)"]
        case .sensitivityMeasured(let map):
            let worst = map.worst.map {
                "; worst in \($0.module.precision.rawValue): \($0.module.module), "
                    + "\(LogFormat.scientific($0.damage)) nats per token"
            }
            return ["step \(map.step): sensitivity of \(map.modules.count) trials measured" + (worst ?? "")]
        case .sensitivityProgress(let progress):
            guard progress.kind != .tried else { return [] }
            return [
                "step \(progress.step): sensitivity \(progress.kind.rawValue), "
                    + "\(progress.done) of \(progress.total) trials"
            ]
        case .scheduleChanged(let step, let text, let schedule):
            return ["step \(step): \(text ?? "schedule") -> \(schedule)"]
        case .inspected, .forkStepped, .commanded:
            return []
        case .working(let work):
            self.work = work
            return []
        case .forkChanged(let change):
            return ["step \(change.step): fork \(change.kind.rawValue): \(change.text)"]
        case .saved(let step, let path):
            return ["saved \(path) at step \(step)"]
        case .warning(let step, let message):
            return ["warning at step \(step): \(message)"]
        case .diverged(let step, let message):
            return ["diverged at step \(step): \(message)"]
        case .finished(let summary):
            return [""] + Self.summary(summary, entropyFloor: description?.entropyFloor, folder: folder)
        }
    }

    private mutating func stepped(_ metrics: StepMetrics) -> [String] {
        average.add(Double(metrics.loss))
        last = metrics
        let isLast = metrics.step == description?.totalSteps
        guard metrics.step == 1 || metrics.step.isMultiple(of: logEvery) || isLast else { return [] }
        let steps = metrics.step - (reported?.step ?? firstStep)
        let tokens = metrics.tokens - (reported?.tokens ?? firstStep * (description?.tokensPerStep ?? 0))
        let seconds = metrics.elapsedSeconds - (reported?.elapsedSeconds ?? 0)
        reported = metrics
        let isTimed = steps > 0 && seconds > 0
        secondsPerStep = isTimed ? seconds / Double(steps) : metrics.stepMilliseconds / 1000
        let rate = isTimed ? LogFormat.grouped(Int((Double(tokens) / seconds).rounded())) : "-"
        let ema = average.value.map { LogFormat.fixed($0, decimals: 4) } ?? "-"
        let fields = [
            "step \(position(metrics.step))",
            "loss \(LogFormat.right(LogFormat.loss(metrics.loss), 8))",
            "ema \(LogFormat.right(ema, 8))",
            "grad \(LogFormat.right(LogFormat.fixed(Double(metrics.gradientNorm), decimals: 3), 8))"
                + (metrics.isClipped ? " clip" : "     "),
            "lr \(LogFormat.scientific(metrics.learningRate))",
            "\(LogFormat.right(rate, 9)) tok/s",
            "eta \(eta ?? "-")",
        ]
        defer {
            clipped = []
            largestClip = 0
        }
        let clips =
            clipped.isEmpty
            ? []
            : ["E clipped in \(clipped.count) modules, at most \(LogFormat.fixed(100 * largestClip, decimals: 3)) %"]
        return [(fields + clips).joined(separator: "  ")]
    }

    /// How far gradients are from those of BF16, and where farthest; whether attention is flatter.
    private func probeLine(_ report: ProbeReport) -> String {
        func percent(_ x: Double?) -> String { x.map { LogFormat.fixed(100 * $0, decimals: 2) + " %" } ?? "-" }
        var fields = ["probe \(position(report.step))  gradient error \(percent(report.gradientError))"]
        if let (worst, error) = report.worst {
            let rho = worst.rho.map { " (rho \(LogFormat.fixed($0, decimals: 1)))" } ?? ""
            fields.append("worst \(worst.path) \(percent(error))\(rho)")
        }
        let flatter = report.attention.max { $0.entropy - $0.referenceEntropy < $1.entropy - $1.referenceEntropy }
        if let flatter {
            fields.append(
                "attention entropy of layer \(flatter.layer) \(LogFormat.fixed(flatter.entropy, decimals: 3)), in bf16 "
                    + LogFormat.fixed(flatter.referenceEntropy, decimals: 3))
        }
        return fields.joined(separator: "  ")
    }

    /// One line as wide as the terminal, or nil before the first step.
    func progress(width: Int) -> String? {
        guard let last, let total = description?.totalSteps, total > 0 else { return nil }
        let share = min(1, Double(last.step) / Double(total))
        let text =
            work.map { "  " + Self.text($0) }
            ?? " \(LogFormat.right("\(Int(share * 100))", 3))%  \(last.step)/\(total)  eta \(eta ?? "-")"
        let cells = min(40, width - text.count - 3)
        guard cells >= 4 else { return String(text.dropFirst().prefix(max(0, width - 1))) }
        let filled = Int(share * Double(cells))
        return "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: cells - filled) + "]" + text
    }

    /// How far work between two steps is.
    static func text(_ work: WorkProgress) -> String {
        let eta = work.remainingSeconds.map(LogFormat.duration) ?? "-"
        return "\(work.kind.rawValue) \(work.done)/\(work.total) \(work.kind.unit)  eta \(eta)"
    }

    private var eta: String? {
        guard let last, let total = description?.totalSteps, let secondsPerStep else { return nil }
        return LogFormat.duration(Double(total - last.step) * secondsPerStep)
    }

    /// `step/total`, as wide for every step.
    private func position(_ step: Int) -> String {
        guard let total = description?.totalSteps else { return "\(step)" }
        return "\(LogFormat.right("\(step)", "\(total)".count))/\(total)"
    }

    private static func header(_ run: RunDescription) -> [String] {
        let model = run.model
        let heads = model.heads == model.keyValueHeads ? "\(model.heads)" : "\(model.heads)/\(model.keyValueHeads)"
        let isEndless = run.trainingTokens == Int.max
        let tokens =
            isEndless
            ? "endless"
            : "\(LogFormat.grouped(run.trainingTokens)) tokens to train, "
                + "\(LogFormat.grouped(run.validationTokens)) to validate"
        let floor = run.entropyFloor.map { "; loss cannot fall below \(LogFormat.fixed($0, decimals: 4))" } ?? ""
        return [
            "run    \(run.name.isEmpty ? "-" : run.name), seed \(run.seed)",
            "model  \(LogFormat.magnitude(run.parameterCount)) parameters: \(model.layers) layers, \(heads) heads, "
                + "width \(model.width), context \(model.context); \(model.norm.rawValue), \(model.position.rawValue), "
                + "\(model.activation.rawValue)",
            "data   \(run.data); vocabulary \(LogFormat.grouped(run.vocabularySize)), \(tokens)\(floor)",
            "steps  \(LogFormat.grouped(run.totalSteps)) of \(LogFormat.grouped(run.tokensPerStep)) tokens, "
                + "\(run.recipe.label): \(run.shares), \(run.threads) threads, \(run.kernels), \(LogFormat.bytes(run.memoryBytes))",
            "",
        ]
    }

    /// What is left of a run when it is over.
    static func summary(_ summary: RunSummary, entropyFloor: Double?, folder: String?) -> [String] {
        let speed = LogFormat.grouped(Int(summary.tokensPerSecond.isFinite ? summary.tokensPerSecond.rounded() : 0))
        let floor = entropyFloor.map { "  floor \(LogFormat.fixed($0, decimals: 4))" } ?? ""
        var lines = [
            "\(summary.outcome.rawValue)  \(LogFormat.grouped(summary.steps)) steps, "
                + "\(LogFormat.grouped(summary.tokens)) tokens in \(LogFormat.duration(summary.elapsedSeconds)) "
                + "(\(speed) tok/s)",
            "loss  \(LogFormat.loss(summary.finalLoss))  validation \(LogFormat.loss(summary.validationLoss))  "
                + "best \(LogFormat.loss(summary.bestValidationLoss))\(floor)",
        ]
        if let path = summary.savedPath { lines.append("saved  \(path)") }
        if let folder { lines.append("run    \(folder)") }
        return lines
    }

    /// The lines of a text, set off from the log; control characters, which a terminal would obey, are replaced.
    private static func indented(_ text: String) -> [String] {
        let safe = String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    let isControl = scalar.properties.generalCategory == .control
                    return isControl && scalar != "\n" && scalar != "\t" ? "\u{FFFD}" : scalar
                }))
        return safe.split(separator: "\n", omittingEmptySubsequences: false).map { "    " + $0 }
    }
}
