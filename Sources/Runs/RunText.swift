import Core
import Foundation

/// Pieces of text about runs that several exports share: Markdown, and numbers as people write them.
enum RunText {
    /// Text that Markdown shows as it is, on one line, also in a cell of a table.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if "\\`*_{}[]<>#|~".unicodeScalars.contains(scalar) { result.append("\\") }
            let isControl = scalar.properties.generalCategory == .control
            result.unicodeScalars.append(isControl ? " " : scalar)
        }
        return result
    }

    /// Text in a block of its own, whatever it holds: the fence is longer than any run of backticks within.
    static func codeBlock(_ text: String) -> String {
        var (longest, current) = (2, 0)
        for character in text {
            current = character == "`" ? current + 1 : 0
            longest = max(longest, current)
        }
        let safe = String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    let isControl = scalar.properties.generalCategory == .control
                    return isControl && scalar != "\n" && scalar != "\t" ? "\u{FFFD}" : scalar
                }))
        let fence = String(repeating: "`", count: longest + 1)
        return "\(fence)\n\(safe)\n\(fence)"
    }

    /// A table; cells are Markdown already. Columns beside the first are set to the right where `numbers` begins.
    static func table(_ head: [String], _ rows: [[String]], numbersFrom: Int) -> String {
        let line = head.indices.map { $0 < numbersFrom ? "---" : "---:" }
        return ([head, line] + rows).map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n")
    }

    /// A table of names and values without a head.
    static func table(_ rows: [(String, String)]) -> String {
        table(["", ""], rows.map { [$0.0, escaped($0.1)] }, numbersFrom: 2)
    }

    /// What a run is, line by line.
    static func description(_ run: RunDescription) -> [(String, String)] {
        let model = run.model
        let tokens = run.trainingTokens == Int.max ? "endless" : "\(grouped(run.trainingTokens)) tokens to train"
        var rows = [
            ("name", run.name),
            (
                "model",
                "\(grouped(run.parameterCount)) parameters: \(model.layers) layers, \(model.heads) heads, width "
                    + "\(model.width), context \(model.context); \(model.norm.rawValue), \(model.position.rawValue), "
                    + "\(model.activation.rawValue)"
            ),
            ("data", "\(run.data); vocabulary \(grouped(run.vocabularySize)), \(tokens)"),
            ("recipe", "\(run.recipe.label): \(run.shares)"),
            ("steps", "\(grouped(run.totalSteps)) of \(grouped(run.tokensPerStep)) tokens"),
            ("learning rate", "\(run.learningRate)"),
            ("gradient clip", run.gradientClip > 0 ? "\(run.gradientClip)" : "off"),
            ("seed", "\(run.seed)"),
            ("machine", "\(run.threads) threads, \(run.kernels), \(bytes(run.memoryBytes))"),
        ]
        if run.name.isEmpty { rows.removeFirst() }
        if let floor = run.entropyFloor { rows.append(("entropy floor", fixed(floor, 4))) }
        return rows
    }

    // MARK: Numbers

    static func fixed(_ value: Double, _ decimals: Int) -> String {
        value.isFinite ? String(format: "%.\(decimals)f", value) : word(value)
    }

    /// What is no number, as JSON of this program has it.
    static func word(_ value: Double) -> String {
        value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
    }

    static func loss(_ value: Double?) -> String { value.map { fixed($0, 4) } ?? "-" }

    static func loss(_ value: Float?) -> String { loss(value.map(Double.init)) }

    static func percent(_ share: Double?, _ decimals: Int = 1) -> String {
        share.map { fixed(100 * $0, decimals) + ($0.isFinite ? " %" : "") } ?? "-"
    }

    /// With its sign.
    static func difference(_ share: Double?) -> String {
        guard let share else { return "-" }
        return (share >= 0 ? "+" : "") + percent(share, 2)
    }

    /// 1234567 as 1,234,567.
    static func grouped(_ number: Int) -> String {
        let digits = Array(String(number.magnitude))
        let groups = stride(from: digits.count, to: 0, by: -3).map { String(digits[max(0, $0 - 3)..<$0]) }
        return (number < 0 ? "-" : "") + groups.reversed().joined(separator: ",")
    }

    static func rate(_ value: Double?) -> String {
        guard let value else { return "-" }
        guard value.isFinite, abs(value) < 1e15 else { return fixed(value, 0) }
        return grouped(Int(value.rounded()))
    }

    /// Seconds as 2:41:07 or 0:09.
    static func duration(_ seconds: Double?) -> String {
        guard let seconds, seconds.isFinite, seconds >= 0, seconds < 1e12 else { return "-" }
        let total = Int(seconds.rounded())
        let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60)
        return hours > 0
            ? String(format: "%d:%02d:%02d", hours, minutes, rest) : String(format: "%d:%02d", minutes, rest)
    }

    private static func bytes(_ count: Int) -> String { fixed(Double(count) / 1e6, 0) + " MB" }

    /// A time of day in UTC, as ISO 8601 writes it.
    static func date(_ seconds: Double) -> String {
        guard seconds.isFinite, abs(seconds) < 1e11 else { return "-" }
        return Date(timeIntervalSince1970: seconds.rounded(.down)).formatted(.iso8601)
    }
}
