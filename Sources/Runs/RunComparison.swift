import Core
import Foundation

/// Recorded runs side by side; gaps are to the first.
public struct RunComparison: Codable, Sendable {
    public struct Row: Codable, Sendable, Hashable {
        public var run: String
        /// Steps done, and those that the run was to have.
        public var steps: Int
        public var totalSteps: Int?
        /// How it ended; nil if it didn't.
        public var outcome: RunSummary.Outcome?
        public var recipe: String?
        public var seed: UInt64?
        /// Mean of the last losses, at most 50, nats per token.
        public var loss: Double?
        /// The lowest mean of 50 losses that follow one another, or of all if there are fewer.
        public var bestLoss: Double?
        public var validationLoss: Float?
        public var bestValidationLoss: Float?
        /// How much higher the validation loss is than the first run's at `gapStep`, or else the loss, as a share of it.
        public var gap: Double?
        /// The last step at which both were evaluated, or up to which both have steps.
        public var gapStep: Int?
        /// Whether the gap is one of validation losses.
        public var gapIsOfValidation: Bool?
        /// Theoretical cost of the steps that were done, BF16 being 1: `CostModel`.
        public var cost: Double?
        /// Mean shares of the layers' linears' FLOPs over the steps that were done.
        public var shares: PrecisionShares?
        /// Time spent training, seconds.
        public var seconds: Double?
        public var tokensPerSecond: Double?
    }

    /// The losses of a run.
    public struct Curve: Sendable {
        public var run: String
        public var steps: [StepMetrics]
        public var evaluations: [Evaluation]
    }

    public var rows: [Row]
    /// In what the runs differ, besides what they are compared for.
    public var notes: [String]
    public var curves: [Curve] = []

    private enum CodingKeys: String, CodingKey { case rows, notes }

    /// Losses that a mean takes.
    static let window = 50

    /// - Parameter recordings: at least one.
    public init(_ recordings: [RunRecording]) {
        let names = Self.names(recordings)
        curves = zip(names, recordings).map { name, recording in
            Curve(run: name, steps: recording.steps, evaluations: recording.evaluations)
        }
        rows = []
        for (recording, curve) in zip(recordings, curves) {
            var row = Self.row(recording, curve)
            if let first = curves.first, !rows.isEmpty { Self.addGap(&row, of: curve, to: first) }
            rows.append(row)
        }
        notes = Self.notes(recordings, names)
    }

    /// The names of the folders; their paths where names occur twice.
    private static func names(_ recordings: [RunRecording]) -> [String] {
        let names = recordings.map(\.folder.name)
        return zip(names, recordings).map { name, recording in
            names.count { $0 == name } > 1 ? recording.folder.path : name
        }
    }

    private static func row(_ recording: RunRecording, _ curve: Curve) -> Row {
        let run = recording.description
        let last = curve.steps.last
        let mean = PrecisionHistory(recording.events).mean
        let losses = curve.steps.map { Double($0.loss) }
        let summary = recording.summary
        let milliseconds = curve.steps.map(\.stepMilliseconds).filter { $0 > 0 && $0.isFinite }
        let rate = run.map { Double($0.tokensPerStep) * 1000 * Double(milliseconds.count) / milliseconds.reduce(0, +) }
        let validation = curve.evaluations.map(\.validationLoss)
        return Row(
            run: curve.run, steps: last?.step ?? 0, totalSteps: run?.totalSteps, outcome: summary?.outcome,
            recipe: run?.recipe.label, seed: run?.seed, loss: means(losses).last,
            bestLoss: means(losses).filter(\.isFinite).min(),
            validationLoss: validation.last, bestValidationLoss: validation.filter(\.isFinite).min(), cost: mean?.cost,
            shares: mean?.shares, seconds: summary?.elapsedSeconds ?? last?.elapsedSeconds,
            tokensPerSecond: rate.flatMap { $0.isFinite ? $0 : nil })
    }

    /// Of every `window` losses that follow one another; of all if there are fewer.
    static func means(_ losses: [Double]) -> [Double] {
        guard !losses.isEmpty else { return [] }
        let size = min(window, losses.count)
        return (0...losses.count - size).map { losses[$0..<$0 + size].reduce(0, +) / Double(size) }
    }

    private static func addGap(_ row: inout Row, of curve: Curve, to first: Curve) {
        let known = Dictionary(first.evaluations.map { ($0.step, $0.validationLoss) }) { $1 }
        if let evaluation = curve.evaluations.last(where: { known[$0.step] != nil }),
            let reference = known[evaluation.step]
        {
            row.gap = gap(Double(evaluation.validationLoss), Double(reference))
            row.gapStep = evaluation.step
            row.gapIsOfValidation = true
            return
        }
        let step = min(curve.steps.last?.step ?? 0, first.steps.last?.step ?? 0)
        func mean(_ curve: Curve) -> Double? {
            means(curve.steps.filter { $0.step <= step }.map { Double($0.loss) }).last
        }
        guard let found = mean(curve), let reference = mean(first) else { return }
        row.gap = gap(found, reference)
        row.gapStep = step
        row.gapIsOfValidation = false
    }

    private static func gap(_ loss: Double, _ reference: Double) -> Double? {
        let gap = loss / reference - 1
        return gap.isFinite ? gap : nil
    }

    private static func notes(_ recordings: [RunRecording], _ names: [String]) -> [String] {
        guard let first = recordings.first?.description else { return [] }
        var notes: [String] = []
        for (name, recording) in zip(names, recordings).dropFirst() {
            guard let run = recording.description else {
                notes.append("\(name) has not begun: nothing of it is recorded")
                continue
            }
            var different: [String] = []
            if run.model != first.model { different.append("model") }
            if run.data != first.data { different.append("data (\(run.data))") }
            if run.vocabularySize != first.vocabularySize { different.append("vocabulary") }
            if run.tokensPerStep != first.tokensPerStep { different.append("tokens per step") }
            if !different.isEmpty {
                notes.append(
                    "\(name) has not the \(different.joined(separator: ", nor the ")) of \(names[0]): "
                        + "their losses say little about each other")
            }
            if run.seed != first.seed {
                notes.append("\(name) has another seed than \(names[0]): part of the gap is chance")
            }
            if run.totalSteps != first.totalSteps {
                notes.append(
                    "\(name) is a run of \(RunText.grouped(run.totalSteps)) steps, \(names[0]) of "
                        + "\(RunText.grouped(first.totalSteps)): their learning rates differ at the same step")
            }
            if run.threads != first.threads || run.kernels != first.kernels {
                notes.append(
                    "\(name) ran on \(run.threads) threads with \(run.kernels), \(names[0]) on \(first.threads) "
                        + "with \(first.kernels): their times cannot be compared")
            }
        }
        return notes
    }

    // MARK: Text

    static let head = [
        "run", "recipe", "steps", "loss", "best", "val", "best val", "gap", "cost", "time", "tok/s", "precision",
    ]

    /// The table's cells, row by row, as plain text.
    public var cells: [[String]] {
        rows.map { row in
            let steps = row.outcome == nil || row.outcome == .completed ? "" : " \(row.outcome?.rawValue ?? "")"
            let total = row.totalSteps == row.steps ? "" : row.totalSteps.map { "/\($0)" } ?? ""
            // Where both runs ended needs no saying.
            let isAtEnd = row.gapStep == row.steps && row.gapStep == rows[0].steps
            let gap = isAtEnd ? "" : row.gapStep.map { " at \($0)" } ?? ""
            let mark = row.gapIsOfValidation == false ? " (loss)" : ""
            return [
                row.run, row.recipe ?? "-", "\(row.steps)\(total)\(steps)", RunText.loss(row.loss),
                RunText.loss(row.bestLoss), RunText.loss(row.validationLoss), RunText.loss(row.bestValidationLoss),
                RunText.difference(row.gap) + (row.gap == nil ? "" : gap + mark), RunText.percent(row.cost),
                RunText.duration(row.seconds), RunText.rate(row.tokensPerSecond), row.shares?.description ?? "-",
            ]
        }
    }

    public var columnNames: [String] { Self.head }

    /// What the columns mean.
    public static let legend = """
        loss and best are means of \(window) steps; gap is the validation loss against the first run's at the last step where \
        both were evaluated, or that of loss where there is none such; cost is the theoretical time of the matrix products, BF16 being 100 %; precision is the mean \
        share of the layers' FLOPs.
        """

    public var markdown: String {
        var parts = [
            RunText.table(Self.head, cells.map { $0.map(RunText.escaped) }, numbersFrom: 2), Self.legend,
        ]
        if !notes.isEmpty { parts.append(notes.map { "- " + RunText.escaped($0) }.joined(separator: "\n")) }
        return parts.joined(separator: "\n\n") + "\n"
    }
}
