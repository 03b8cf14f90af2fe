import Foundation

/// Phases as text, `START: MODULES [GEMMS] PRECISION`, the form in which files, flags and events have them.
extension PrecisionPhase: TextCodable {
    /// The syntax, for help.
    public static let syntax = """
        START: MODULES [GEMMS] PRECISION[; MODULES [GEMMS] PRECISION ...]
          START      step 2000, or 92.5% of the run, or 1.5M tokens (k, M and B are
                     thousand, million and billion)
        """

    /// Reads what `description` writes.
    ///
    /// - Throws: `UserError` that says what is wrong and what is expected.
    public init(parsing text: String) throws(UserError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else {
            throw UserError(
                "\"\(text)\" is no phase; expected START: MODULES [GEMMS] PRECISION, as in 92.5%: layers.* bf16")
        }
        var assignments: [PrecisionAssignment] = []
        for part in parts[1].split(separator: ";", omittingEmptySubsequences: false) {
            assignments.append(try PrecisionAssignment(parsing: String(part)))
        }
        self.init(start: try Start(parsing: parts[0]), assignments: assignments)
    }

    public var description: String {
        "\(start): " + assignments.map(\.description).joined(separator: "; ")
    }
}

extension PrecisionPhase.Start: CustomStringConvertible {
    private static let units: [(suffix: Character, factor: Decimal)] = [
        ("B", 1_000_000_000), ("M", 1_000_000), ("k", 1000),
    ]

    /// Reads `step 2000`, `92.5%` or `1.5M tokens`.
    ///
    /// - Throws: `UserError` that says what is wrong and what is expected.
    public init(parsing text: String) throws(UserError) {
        let words = text.split(separator: " ").map(String.init)
        let start: Self? =
            switch words.count {
            case 1 where words[0].hasSuffix("%"): Self.fraction(percent: words[0].dropLast())
            case 2 where words[0] == "step": Int(words[1]).flatMap { $0 >= 0 ? .step($0) : nil }
            case 2 where words[1] == "tokens": Self.count(words[0]).map(Self.tokens)
            default: nil
            }
        guard let start else {
            throw UserError("\"\(text)\" is no point of a run; expected step 2000, 92.5% or 1.5M tokens")
        }
        self = start
    }

    public var description: String {
        switch self {
        case .step(let step): return "step \(step)"
        case .fraction(let fraction):
            let exact = Decimal(string: "\(fraction)").map { $0 * 100 } ?? Decimal(fraction * 100)
            return "\(exact)%"
        case .tokens(let tokens):
            // As short as three decimals allow.
            for (suffix, factor) in Self.units where Decimal(tokens) >= factor {
                var (scaled, rounded) = (Decimal(tokens) / factor, Decimal())
                NSDecimalRound(&rounded, &scaled, 3, .plain)
                if rounded == scaled { return "\(scaled)\(suffix) tokens" }
            }
            return "\(tokens) tokens"
        }
    }

    /// The decimal point is moved in the text, so that what is written is what was read.
    private static func fraction(percent text: Substring) -> Self? {
        guard isDecimal(text), let fraction = Double(text + "e-2"), fraction <= 1 else { return nil }
        return .fraction(fraction)
    }

    private static func count(_ text: String) -> Int? {
        let unit = units.first { text.last == $0.suffix }
        let digits = unit == nil ? text[...] : text.dropLast()
        guard isDecimal(digits), let number = Decimal(string: String(digits)) else { return nil }
        let product = number * (unit?.factor ?? 1)
        let integer = NSDecimalNumber(decimal: product).int64Value
        return product < 1_000_000_000_000_000_000 && Decimal(integer) == product ? Int(integer) : nil
    }

    private static func isDecimal(_ text: Substring) -> Bool {
        text.first?.isNumber == true && text.count { $0 == "." } <= 1
            && text.allSatisfy { ("0"..."9").contains($0) || $0 == "." }
    }
}
