import Core
import Foundation

/// A run as comma-separated values (RFC 4180): a row for every step, and for evaluations of steps that were not recorded.
public enum CSVExport {
    static let columns = [
        "step", "tokens", "time", "elapsed_s", "loss", "grad_norm", "clipped_norm", "learning_rate", "tokens_per_s",
        "step_ms", "val_loss", "forward_ms", "backward_ms", "optimizer_ms", "quantize_ms",
    ]

    public static func csv(_ recording: RunRecording) -> String { csv(recording) { _ in } }

    /// - Parameter progress: told the share that is done; may throw to leave it.
    /// - Throws: what `progress` throws.
    public static func csv<Stop: Error>(
        _ recording: RunRecording, progress: (Double) throws(Stop) -> Void
    ) throws(Stop) -> String {
        var text = line(columns)
        // Of the row that is being put together, since an evaluation comes after its step.
        var row: (step: Int, fields: [String])?
        var tokensPerStep: Int?
        func finishRow() {
            if let row { text += line(row.fields) }
            row = nil
        }
        for (index, entry) in recording.events.enumerated() {
            switch entry.event {
            case .started(let run): tokensPerStep = run.tokensPerStep
            case .stepped(let metrics):
                finishRow()
                row = (metrics.step, fields(metrics, entry.time, tokensPerStep))
            case .evaluated(let evaluation):
                if row?.step != evaluation.step {
                    finishRow()
                    var fields = Array(repeating: "", count: columns.count)
                    fields[0] = "\(evaluation.step)"
                    fields[2] = entry.time.map(number) ?? ""
                    row = (evaluation.step, fields)
                }
                row?.fields[10] = number(evaluation.validationLoss)
            default: break
            }
            if index % 1024 == 0 { try progress(Double(index) / Double(recording.events.count)) }
        }
        finishRow()
        return text
    }

    private static func fields(_ metrics: StepMetrics, _ time: Double?, _ tokensPerStep: Int?) -> [String] {
        let timing = metrics.timing
        return [
            "\(metrics.step)", "\(metrics.tokens)", time.map(number) ?? "", number(metrics.elapsedSeconds),
            number(metrics.loss), number(metrics.gradientNorm), number(metrics.clippedNorm),
            number(metrics.learningRate), metrics.tokensPerSecond(tokensPerStep).map(number) ?? "",
            number(metrics.stepMilliseconds), "",
        ]
            + [timing?.forward, timing?.backward, timing?.optimizer, timing?.quantize].map { $0.map(number) ?? "" }
    }

    /// The shortest text that reads back as the same number.
    private static func number(_ value: some BinaryFloatingPoint & LosslessStringConvertible) -> String {
        value.isFinite ? "\(value)" : RunText.word(Double(value))
    }

    static func line(_ fields: [String]) -> String { fields.map(quoted).joined(separator: ",") + "\r\n" }

    /// In quotes where the text needs them.
    static func quoted(_ field: String) -> String {
        let isPlain = !field.unicodeScalars.contains { ",\"\r\n".unicodeScalars.contains($0) }
        return isPlain ? field : "\"" + field.replacingOccurrences(of: "\"", with: "\"\"") + "\""
    }
}
