import Foundation

/// Recipes in one line, as commands have them: the name of a built-in one, and what is changed in it.
extension Recipe {
    /// `nvfp4`, or `nvfp4:hadamard=false+last_layers=0.3`: keys of `[recipe]` behind a colon, joined by +. Gives the same
    /// recipe when it is read.
    public var text: String {
        guard let base = try? Recipe.named((try? Recipe.named(base).name) ?? Recipe.zhou2025.name), self != base else {
            return name
        }
        var (own, other) = (RunConfiguration(), RunConfiguration())
        own.recipe = self
        other.recipe = base
        let changes = ConfigurationKey.all.filter { $0.section == "recipe" && $0.path != "recipe.inherits" }
            .compactMap { key -> String? in
                guard let value = key.value(in: own), value != key.value(in: other) else { return nil }
                return "\(key.name)=\(value)"
            }
        return changes.isEmpty ? base.name : "\(base.name):\(changes.joined(separator: "+"))"
    }

    /// Reads `NAME` or `NAME:key=value+key=value`, where values are in TOML's syntax, or bare words.
    ///
    /// - Throws: `UserError` for a name that is not built in, an unknown key, or a value that it does not take.
    public init(parsing text: String) throws(UserError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let base = try Recipe.named(parts[0])
        self = base
        guard parts.count > 1 else { return }
        var assignments = [
            ConfigurationAssignment(path: "recipe.inherits", value: .string(base.name), origin: "recipe \(parts[0])")
        ]
        for change in Recipe.changes(in: parts[1]) {
            let sides = change.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard sides.count == 2 else {
                throw UserError("recipe \(text): \"\(change)\" is no change; expected KEY=VALUE, as in hadamard=false")
            }
            assignments.append(
                ConfigurationAssignment(
                    path: "recipe.\(sides[0])", value: ConfigurationValue(written: sides[1]),
                    origin: "recipe \(parts[0])"))
        }
        var configuration = RunConfiguration()
        do {
            try configuration.apply(assignments)
        } catch {
            throw error as? UserError ?? UserError("\(error)")
        }
        self = configuration.recipe
    }

    /// Splits what stands behind the colon at +, but not at those that belong to a format such as `nvfp4+sr+prescale=16/17`.
    public static func changes(in text: String) -> [String] {
        split(text, at: "+").reduce(into: []) { result, part in
            let isOption = !part.contains("=") || part.hasPrefix("prescale=") || part.hasPrefix("hadamard=")
            if isOption, !isSwitch(part), let last = result.last {
                result[result.count - 1] = last + "+" + part
            } else {
                result.append(part)
            }
        }
    }

    /// `hadamard` is an option of a format, as in `+hadamard=16`, and a key, as in `hadamard=false`.
    private static func isSwitch(_ part: String) -> Bool { part == "hadamard=true" || part == "hadamard=false" }

    /// Splits outside of brackets and quotes.
    public static func split(_ text: String, at separator: Character) -> [String] {
        var parts = [""]
        var depth = 0
        var isQuoted = false
        for character in text {
            if character == "\"" { isQuoted.toggle() }
            if !isQuoted, "[{".contains(character) { depth += 1 }
            if !isQuoted, "]}".contains(character) { depth -= 1 }
            if character == separator, depth == 0, !isQuoted {
                parts.append("")
            } else {
                parts[parts.count - 1].append(character)
            }
        }
        return parts
    }
}

extension ConfigurationValue {
    /// Reads what `description` writes; anything else is a bare word.
    init(written text: String) {
        // TOML's booleans, numbers, basic strings and lists of these are written as in JSON.
        let (decoder, data) = (JSONDecoder(), Data(text.utf8))
        if let value = try? decoder.decode(Bool.self, from: data) {
            self = .boolean(value)
        } else if let value = Int(text) {
            self = .integer(value)
        } else if let value = Double(text), value.isFinite {
            self = .number(value)
        } else if let value = try? decoder.decode(String.self, from: data) {
            self = .string(value)
        } else if let values = try? decoder.decode([String].self, from: data) {
            self = .list(values.map(ConfigurationValue.string))
        } else {
            self = .string(text)
        }
    }
}
