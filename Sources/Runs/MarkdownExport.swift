import Core
import Foundation

/// A run on one page of Markdown: what it was, how it ended, what was changed and what that did.
public enum MarkdownExport {
    public static func markdown(_ recording: RunRecording) -> String {
        var parts = ["# Run \(RunText.escaped(recording.folder.name))"]
        if let run = recording.description {
            let began = recording.events.first?.time ?? recording.manifest.created
            parts.append(
                RunText.table(
                    RunText.description(run) + [
                        ("began", RunText.date(began)), ("program", "fp4tui \(recording.manifest.program)"),
                    ]))
        }
        parts += ["## End", ending(recording)]
        parts += precision(recording)
        parts += changes(recording)
        parts += evaluations(recording)
        let warnings = recording.events.compactMap { line -> String? in
            switch line.event {
            case .warning(let step, let message), .diverged(let step, let message):
                "- step \(RunText.grouped(step)): \(RunText.escaped(message))"
            default: nil
            }
        }
        if !warnings.isEmpty { parts += ["## Warnings", warnings.joined(separator: "\n")] }
        return parts.joined(separator: "\n\n") + "\n"
    }

    private static func ending(_ recording: RunRecording) -> String {
        let last = recording.steps.last
        guard let summary = recording.summary else {
            guard let last else { return "No step is recorded." }
            let total = recording.description.map { " of \(RunText.grouped($0.totalSteps))" } ?? ""
            return "Not over: step \(RunText.grouped(last.step))\(total), loss \(RunText.loss(last.loss)), "
                + "\(RunText.duration(last.elapsedSeconds)) of training."
        }
        var rows = [
            ("outcome", summary.outcome.rawValue), ("steps", RunText.grouped(summary.steps)),
            ("tokens", RunText.grouped(summary.tokens)), ("loss of the last step", RunText.loss(summary.finalLoss)),
            ("validation loss", RunText.loss(summary.validationLoss)),
            ("best validation loss", RunText.loss(summary.bestValidationLoss)),
            ("time", RunText.duration(summary.elapsedSeconds)),
            ("tokens per second", RunText.rate(summary.tokensPerSecond)),
        ]
        if let path = summary.savedPath { rows.append(("saved", path)) }
        return RunText.table(rows)
    }

    private static func precision(_ recording: RunRecording) -> [String] {
        let history = PrecisionHistory(recording.events)
        guard let mean = history.mean else { return [] }
        func row(_ label: String, _ shares: PrecisionShares, _ cost: Double) -> [String] {
            [label] + [shares.fp4, shares.fp8, shares.bf16, cost].map { RunText.percent($0) }
        }
        let rows = history.segments.map {
            row("from step \(RunText.grouped($0.start.addingClamped(1)))", $0.shares, $0.cost)
        }
        return [
            "## Precision",
            """
            Shares of the FLOPs of the layers' linears, and the theoretical cost of all matrix products of the layers, BF16 \
            being 100 %.
            """,
            RunText.table(
                ["", "FP4", "FP8", "BF16", "cost"], rows + [row("whole run", mean.shares, mean.cost)], numbersFrom: 1),
        ]
    }

    private static func changes(_ recording: RunRecording) -> [String] {
        var effects: [Int: PrecisionEffect] = [:]
        var changes: [PrecisionChange] = []
        for line in recording.events {
            switch line.event {
            case .precisionChanged(let change): changes.append(change)
            case .precisionEffect(let effect): effects[effect.id] = effect
            default: break
            }
        }
        guard !changes.isEmpty else { return [] }
        let rows = changes.map { change -> [String] in
            let effect = effects[change.id]
            return [
                RunText.grouped(change.step), RunText.escaped(change.summary), RunText.loss(change.lossBefore),
                RunText.loss(effect?.lossAfter), effect.map { RunText.grouped($0.steps) } ?? "-",
            ]
        }
        return [
            "## Precision changes",
            "The losses are means: of up to 50 steps before a change, and of the steps after it that are given.",
            RunText.table(["after step", "change", "loss before", "loss after", "steps"], rows, numbersFrom: 2),
        ]
    }

    private static func evaluations(_ recording: RunRecording) -> [String] {
        let evaluations = recording.evaluations
        guard !evaluations.isEmpty else { return [] }
        let rows = evaluations.map { [RunText.grouped($0.step), RunText.loss($0.validationLoss)] }
        return ["## Evaluations", RunText.table(["step", "validation loss"], rows, numbersFrom: 0)]
    }
}

extension Int {
    /// The sum, or the largest number.
    func addingClamped(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other > 0 ? .max : .min) : sum
    }
}
