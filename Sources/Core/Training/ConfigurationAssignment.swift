/// A key that somebody gave a value, and where.
public struct ConfigurationAssignment: Sendable, Hashable {
    public var path: String
    public var value: ConfigurationValue
    /// Where it was written, for messages: `run.toml:3:1`, `--seed`.
    public var origin: String

    public init(path: String, value: ConfigurationValue, origin: String) {
        self.path = path
        self.value = value
        self.origin = origin
    }
}

extension RunConfiguration {
    /// Sets keys, whatever the order in which they are given: shorthands first.
    ///
    /// - Throws: `UserError` for an unknown key, a key given twice, or a value outside the key's domain.
    public mutating func apply(_ assignments: [ConfigurationAssignment]) throws {
        var given: [String: ConfigurationAssignment] = [:]
        for assignment in assignments {
            guard ConfigurationKey.named(assignment.path) != nil else {
                if let key = ConfigurationKey.all.first(where: { $0.section == assignment.path }) {
                    throw UserError(
                        "\(assignment.origin): \(assignment.path) is a section and has no value; its keys are "
                            + "\(key.path) and so on")
                }
                let known = ConfigurationKey.all.map(\.path) + Set(ConfigurationKey.all.map(\.section)).sorted()
                let nearest = EditDistance.nearest(to: assignment.path, among: known) ?? "none"
                throw UserError("\(assignment.origin): there is no key \(assignment.path); the nearest is \(nearest)")
            }
            if let earlier = given[assignment.path] {
                throw UserError(
                    "\(assignment.origin): \(assignment.path) is given twice, as \(earlier.value) and as "
                        + "\(assignment.value)")
            }
            given[assignment.path] = assignment
        }
        try checkRecipeName(given)
        for key in ConfigurationKey.all {
            guard let assignment = given[key.path] else { continue }
            do {
                try key.set(assignment.value, in: &self)
            } catch let error as UserError {
                throw UserError("\(assignment.origin): \(error)")
            }
        }
    }

    /// A name that is not built in is for a recipe that inherits from one that is: else it is a slip of the pen.
    private func checkRecipeName(_ given: [String: ConfigurationAssignment]) throws(UserError) {
        guard let assignment = given["recipe.name"], case .string(let name) = assignment.value else { return }
        guard let base = given["recipe.inherits"], case .string(let inherited) = base.value else {
            do throws(UserError) {
                _ = try Recipe.named(name)
            } catch {
                throw UserError(
                    "\(assignment.origin): recipe.name: \(error); for a recipe of your own give recipe.inherits too")
            }
            return
        }
        if inherited != name, (try? Recipe.named(name)) != nil {
            throw UserError(
                "\(assignment.origin): recipe.name = \(assignment.value) is built in, and recipe.inherits is "
                    + "\(base.value): what inherits from that needs a name of its own")
        }
    }

    /// The complete configuration as commented TOML, which gives the same configuration when it is read.
    public var toml: String {
        var lines: [String] = []
        var section = ""
        for key in ConfigurationKey.all {
            guard let written = toml(of: key) else { continue }
            if key.section != section {
                section = key.section
                lines += lines.isEmpty ? ["[\(section)]"] : ["", "[\(section)]"]
            }
            lines += written
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The recipe alone, as a file that `--recipe` reads: the keys of its section without the section.
    public var recipeTOML: String {
        ConfigurationKey.all.filter { $0.section == "recipe" }.compactMap(toml(of:)).joined()
            .joined(separator: "\n") + "\n"
    }

    private func toml(of key: ConfigurationKey) -> [String]? {
        key.value(in: self).map { ["# \(key.summary) Takes \(key.domain).", "\(key.name) = \($0)"] }
    }
}

/// The Levenshtein distance: for suggesting what was meant.
public enum EditDistance {
    /// How many characters must be put in, taken out or replaced to make `a` of `b`.
    public static func between(_ a: String, _ b: String) -> Int {
        let target = Array(b)
        var row = Array(0...target.count)
        for (i, character) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, other) in target.enumerated() {
                let replaced = diagonal + (character == other ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
            }
        }
        return row[target.count]
    }

    /// The candidate nearest to a word. A candidate with dots is also compared by its last part alone, so that `layer`
    /// finds `model.layers`.
    public static func nearest(to word: String, among candidates: [String]) -> String? {
        func distance(_ candidate: String) -> Int {
            let last = candidate.split(separator: ".").last.map(String.init) ?? candidate
            return min(between(word, candidate), between(word, last) + 1)
        }
        return candidates.min { distance($0) < distance($1) }
    }
}
