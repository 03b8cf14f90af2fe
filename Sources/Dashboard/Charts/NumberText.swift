import Foundation

/// Numbers as people read them. What isn't finite is a word.
enum NumberText {
    /// "NaN", "+Inf" or "-Inf"; nil for a finite number.
    static func word(_ value: Double) -> String? {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return nil
    }

    /// A fixed number of decimals; scientific where that would be absurdly long.
    static func fixed(_ value: Double, _ decimals: Int) -> String {
        if let word = word(value) { return word }
        let scale = pow(10, Double(decimals))
        let scaled = (abs(value) * scale).rounded()
        guard scaled < 1e15 else { return scientific(value) }
        var digits = String(Int(scaled))
        if decimals > 0 {
            if digits.count <= decimals { digits = String(repeating: "0", count: decimals + 1 - digits.count) + digits }
            digits.insert(".", at: digits.index(digits.endIndex, offsetBy: -decimals))
        }
        return value < 0 && scaled > 0 ? "-" + digits : digits
    }

    /// Four or five characters: 2.1438, 12.34, 123.4, 0.0031, 2.1e-05.
    static func significant(_ value: Double) -> String {
        if let word = word(value) { return word }
        switch abs(value) {
        case 0: return "0"
        case ..<0.001: return scientific(value)
        case ..<10: return fixed(value, 4)
        case ..<100: return fixed(value, 2)
        case ..<100_000: return fixed(value, 1)
        default: return scientific(value)
        }
    }

    /// A difference: +0.0123, -0.0123.
    static func signed(_ value: Double) -> String {
        word(value) ?? (value < 0 ? "" : "+") + significant(value)
    }

    /// A share from 0 to 1 as 12 %, 1.8 %, 0.04 %.
    static func percent(_ share: Double) -> String {
        let value = 100 * share
        if value != 0, abs(value) < 0.01 { return scientific(value) + " %" }
        return fixed(value, abs(value) >= 9.95 ? 0 : abs(value) >= 0.095 ? 1 : 2) + " %"
    }

    /// 2.9e-04, as training logs write learning rates.
    static func scientific(_ value: Double) -> String {
        if let word = word(value) { return word }
        guard value != 0 else { return "0" }
        var exponent = Int(log10(abs(value)).rounded(.down))
        var mantissa = abs(value) / pow(10, Double(exponent))
        if (mantissa * 10).rounded() >= 100 {
            mantissa /= 10
            exponent += 1
        }
        let digits = String(abs(exponent))
        return (value < 0 ? "-" : "") + fixed(mantissa, 1) + (exponent < 0 ? "e-" : "e+")
            + (digits.count < 2 ? "0" + digits : digits)
    }

    /// A count with thousands separators: 12,480.
    static func grouped(_ count: Int) -> String {
        var result = ""
        let digits = String(count.magnitude)
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { result.append(",") }
            result.append(digit)
        }
        return count < 0 ? "-" + result : result
    }

    /// Three digits and a unit: 51.2k, 12.3M.
    static func short(_ value: Double) -> String {
        if let word = word(value) { return word }
        for (unit, factor) in [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)] where abs(value) >= factor * 0.9995 {
            let scaled = value / factor
            return fixed(scaled, abs(scaled) >= 99.95 ? 0 : abs(scaled) >= 9.995 ? 1 : 2) + unit
        }
        return fixed(value, abs(value) >= 99.95 || value == value.rounded() ? 0 : 1)
    }

    /// Memory: 62 MiB, 1.4 GiB.
    static func bytes(_ count: Int) -> String {
        var value = Double(count)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if value < 1023.5 { return fixed(value, unit == "B" || value >= 99.95 ? 0 : 1) + " " + unit }
            value /= 1024
        }
        return fixed(value, 1) + " TiB"
    }

    /// A step count on an axis, exact: 500, 4k, 12.5k, 1.25M.
    static func axisCount(_ count: Int) -> String {
        if count >= 1_000_000_000, count % 1_000_000 == 0 { return trimmed(fixed(Double(count) / 1e9, 3)) + "G" }
        if count >= 1_000_000, count % 1000 == 0 { return trimmed(fixed(Double(count) / 1e6, 3)) + "M" }
        if count >= 1000, count < 1_000_000, count % 10 == 0 { return trimmed(fixed(Double(count) / 1e3, 3)) + "k" }
        return String(count)
    }

    /// Without zeros at the end of the decimals.
    static func trimmed(_ text: String) -> String {
        guard text.contains(".") else { return text }
        var text = text
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return text
    }

    /// A time on an axis, in whole seconds: 0s, 90s as 1m30s, 2h, 1d6h.
    static func shortDuration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 1, seconds < 1e12 else { return "0s" }
        let total = Int(seconds)
        let parts = [(total / 86400, "d"), (total / 3600 % 24, "h"), (total / 60 % 60, "m"), (total % 60, "s")]
        return parts.filter { $0.0 > 0 }.map { "\($0.0)\($0.1)" }.joined()
    }

    /// 0:00:07, 2:41:07, 3d 04:12:00.
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "-:--:--" }
        let total = Int(seconds)
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : String(value) }
        let clock = "\(two(total / 60 % 60)):\(two(total % 60))"
        let hours = total / 3600
        return hours < 24 ? "\(hours):\(clock)" : "\(hours / 24)d \(two(hours % 24)):\(clock)"
    }
}
