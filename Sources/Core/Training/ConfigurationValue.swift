/// The value of a configuration key, whatever it was read from: a file, a flag, a preset.
public enum ConfigurationValue: Sendable, Hashable, CustomStringConvertible {
    case boolean(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case list([ConfigurationValue])
    /// Something that no key takes, such as a date or a table; for messages only.
    case other(String)

    /// The value in TOML syntax.
    public var description: String {
        switch self {
        case .boolean(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .number(let value): value.isNaN ? "nan" : String(value)
        case .string(let value): ConfigurationValue.quoted(value)
        case .list(let values): "[" + values.map(\.description).joined(separator: ", ") + "]"
        case .other(let text): text
        }
    }

    /// A TOML basic string: quotes, backslashes and control characters are escaped.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

/// The values that a key takes.
public enum ConfigurationDomain: Sendable, Hashable, CustomStringConvertible {
    /// The ends of a range of numbers. Infinity and NaN are never inside.
    public enum Bound: Sendable, Hashable {
        case including(Double)
        case excluding(Double)
    }

    case boolean
    case integer(ClosedRange<Int>)
    /// At least (or more than) `from`, at most (or less than) `to`; no `to`: no upper bound.
    case number(from: Bound, to: Bound?)
    case choice([String])
    /// The text of a `BlockFormat`.
    case format
    /// The text of `GEMMPrecisions`.
    case precisions
    case string
    case strings
    /// Texts of `PrecisionAssignment`.
    case assignments
    /// Texts of `PrecisionPhase`.
    case phases

    /// What is expected, as the end of a sentence: "an integer from 1 to 64".
    public var description: String {
        switch self {
        case .boolean: "true or false"
        case .integer(let range) where range.upperBound == Int.max: "an integer, at least \(range.lowerBound)"
        case .integer(let range): "an integer from \(range.lowerBound) to \(range.upperBound)"
        case .number(let from, let to):
            switch (from, to) {
            case (.including(let a), .including(let b)?): "a number from \(plain(a)) to \(plain(b))"
            case (.excluding(let a), nil): "a finite number greater than \(plain(a))"
            case (.including(let a), nil): "a finite number, at least \(plain(a))"
            case (.excluding(let a), .including(let b)?): "a number greater than \(plain(a)), at most \(plain(b))"
            case (.including(let a), .excluding(let b)?): "a number, at least \(plain(a)), less than \(plain(b))"
            case (.excluding(let a), .excluding(let b)?): "a number greater than \(plain(a)), less than \(plain(b))"
            }
        case .choice(let names): "one of " + names.map { "\"\($0)\"" }.joined(separator: ", ")
        case .format: "a format, such as \"bf16\", \"nvfp4\" or \"e2m1:1x128:fp32\""
        case .precisions: "fp4, fp8 or bf16, or three of them for fprop, dgrad and wgrad, as in \"fp4/fp8/fp8\""
        case .string: "a string"
        case .strings: "a list of strings"
        case .assignments: "a list of \"MODULES [GEMMS] PRECISION\", such as \"layers.0.* backward fp8\""
        case .phases: "a list of \"START: MODULES [GEMMS] PRECISION\", such as \"92.5%: mlp.* bf16\""
        }
    }

    /// The value in the form that the domain stores (an integer becomes a number where a number is wanted, one string a
    /// list where a list is), or nil if it is outside.
    public func accept(_ value: ConfigurationValue) -> ConfigurationValue? {
        switch (self, value) {
        case (.boolean, .boolean): return value
        case (.integer(let range), .integer(let integer)): return range.contains(integer) ? value : nil
        case (.number, .integer(let integer)): return accept(.number(Double(integer)))
        case (.number(let from, let to), .number(let number)):
            let isAbove =
                switch from {
                case .including(let bound): number >= bound
                case .excluding(let bound): number > bound
                }
            let isBelow =
                switch to {
                case nil: true
                case .including(let bound)?: number <= bound
                case .excluding(let bound)?: number < bound
                }
            return number.isFinite && isAbove && isBelow ? value : nil
        case (.choice(let names), .string(let name)): return names.contains(name) ? value : nil
        case (.string, .string(let text)): return text.utf8.contains(0) ? nil : value
        case (.strings, .string), (.assignments, .string), (.phases, .string): return accept(.list([value]))
        case (.strings, .list(let values)):
            let areStrings = values.allSatisfy { ConfigurationDomain.string.accept($0) != nil }
            return areStrings ? value : nil
        default: return try? canonical(value)
        }
    }

    /// A value that has a syntax of its own, in its shortest form; nil if that is not the kind of value expected.
    private func canonical(_ value: ConfigurationValue) throws(UserError) -> ConfigurationValue? {
        switch (self, value) {
        case (.format, .string(let text)): return .string(try BlockFormat(parsing: text).description)
        case (.precisions, .string(let text)): return .string(try GEMMPrecisions(parsing: text).description)
        case (.assignments, .list(let values)), (.phases, .list(let values)):
            var result: [ConfigurationValue] = []
            for value in values {
                guard case .string(let text) = value else { return nil }
                let description =
                    self == .phases
                    ? try PrecisionPhase(parsing: text).description : try PrecisionAssignment(parsing: text).description
                result.append(.string(description))
            }
            return .list(result)
        case (.assignments, .string), (.phases, .string): return try canonical(.list([value]))
        default: return nil
        }
    }

    /// Why a value is not accepted: the end of a sentence.
    func objection(to value: ConfigurationValue) -> String {
        do throws(UserError) {
            _ = try canonical(value)
        } catch {
            return error.description
        }
        return "it must be \(self)"
    }

    private func plain(_ number: Double) -> String {
        Int(exactly: number).map(String.init) ?? String(number)
    }
}
