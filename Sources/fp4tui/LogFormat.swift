import Foundation

/// How numbers are written for people.
enum LogFormat {
    /// With four decimals; what is not a number is a word.
    static func loss(_ value: Float?) -> String {
        guard let value else { return "-" }
        return fixed(Double(value), decimals: 4)
    }

    static func fixed(_ value: Double, decimals: Int) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "Inf" }
        return String(format: "%.\(decimals)f", value)
    }

    static func scientific(_ value: Double) -> String {
        value.isFinite ? String(format: "%.2e", value) : fixed(value, decimals: 0)
    }

    /// 1234567 as 1,234,567.
    static func grouped(_ number: Int) -> String {
        let digits = Array(String(number.magnitude))
        let groups = stride(from: digits.count, to: 0, by: -3).map { String(digits[max(0, $0 - 3)..<$0]) }
        return (number < 0 ? "-" : "") + groups.reversed().joined(separator: ",")
    }

    /// 124439808 as 124.4M.
    static func magnitude(_ number: Int) -> String {
        switch abs(Double(number)) {
        case ..<99_950: grouped(number)
        case ..<9_995_000: String(format: "%.2fM", Double(number) / 1e6)
        case ..<999_950_000: String(format: "%.1fM", Double(number) / 1e6)
        default: String(format: "%.2fB", Double(number) / 1e9)
        }
    }

    static func bytes(_ count: Int) -> String {
        switch count {
        case ..<1_000_000: String(format: "%.0f kB", Double(count) / 1e3)
        case ..<1_000_000_000: String(format: "%.0f MB", Double(count) / 1e6)
        default: String(format: "%.1f GB", Double(count) / 1e9)
        }
    }

    /// Seconds as 2:41:07 or 0:09; "-" for what is no time.
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return "-" }
        let total = Int(seconds.rounded())
        let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60)
        return hours > 0
            ? String(format: "%d:%02d:%02d", hours, minutes, rest) : String(format: "%d:%02d", minutes, rest)
    }

    static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// Text in lines of at most `columns`, beside a label that stands before the first line.
    static func wrapped(_ text: String, label: String, columns: Int) -> String {
        var lines = [label]
        let indentation = String(repeating: " ", count: label.count)
        for word in text.split(separator: " ") {
            let line = lines[lines.count - 1]
            if line.count > label.count, line.count + word.count >= columns {
                lines.append(indentation + word)
            } else {
                lines[lines.count - 1] += (line.count > label.count ? " " : "") + word
            }
        }
        return lines.joined(separator: "\n")
    }

    /// Rows as lines whose columns are aligned: the first ones to the left, the others to the right.
    static func columns(_ rows: [[String]], leftAligned: Int) -> [String] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { column, text in
                column < leftAligned ? left(text, widths[column]) : right(text, widths[column])
            }
            .joined(separator: "  ")
        }
    }
}
