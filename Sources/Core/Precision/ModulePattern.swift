/// A glob that addresses modules: `layers.{0,11}.mlp.*`.
///
/// Parts between dots match one by one: `*` and `?` stand for any characters and one character, `{a,b}` for a choice, and
/// `2-5` for a range of layers. A `*` at the end also matches several parts, so `layers.*` is every linear of the layers
/// and `*` is every linear, the head included. Negative layers count from the last: `layers.-1.*`. A pattern that names a
/// module without its layers, such as `mlp.*` or `attn.q`, means all layers.
public struct ModulePattern: Hashable, Sendable, TextCodable {
    public let description: String
    private let alternatives: [[String]]

    /// - Throws: `UserError` for braces that do not match, or an empty part.
    public init(parsing text: String) throws(UserError) {
        description = text
        var expanded: [String] = []
        try Self.expand(text, into: &expanded)
        alternatives = expanded.map { pattern in
            let parts = pattern.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            return Self.isModule(parts[0]) ? ["layers", "*"] + parts : parts
        }
        for parts in alternatives where parts.contains(where: \.isEmpty) {
            throw UserError("\"\(text)\" is no pattern of modules: a part between dots is empty")
        }
    }

    /// All linears of all layers.
    static let layers = ModulePattern("layers.*", alternatives: [["layers", "*"]])

    private init(_ description: String, alternatives: [[String]]) {
        self.description = description
        self.alternatives = alternatives
    }

    /// The pattern of one module.
    public init(_ path: ModulePath) {
        description = path.description
        alternatives = [path.description.split(separator: ".").map(String.init)]
    }

    /// - Parameter layers: of the model, for layers counted from the end.
    public func matches(_ path: ModulePath, layers: Int) -> Bool {
        let parts = path.description.split(separator: ".").map(String.init)
        return alternatives.contains { Self.matches($0[...], parts[...], layers: layers) }
    }

    /// The linears of a model that match, in their order.
    ///
    /// - Throws: `UserError` if there are none.
    public func linears(of model: ModelConfiguration) throws(UserError) -> [ModulePath] {
        let found = model.linears.filter { matches($0, layers: model.layers) }
        guard found.isEmpty else { return found }
        let nearest = EditDistance.nearest(to: description, among: model.linears.map(\.description)) ?? "lm_head"
        throw UserError(
            "no module matches \"\(description)\"; this model has layers.0 to layers.\(model.layers - 1) with "
                + model.layerLinears.joined(separator: ", ") + ", and lm_head; the nearest is \(nearest)")
    }

    private static func isModule(_ part: String) -> Bool {
        part == "attn" || part == "mlp"
    }

    private static let longest = 4096

    /// Writes out the choices in braces, from the first on.
    private static func expand(_ text: String, into result: inout [String]) throws(UserError) {
        guard let open = text.firstIndex(of: "{") else {
            guard !text.contains("}") else {
                throw UserError("\"\(text)\" is no pattern of modules: a } has no {")
            }
            guard result.count < longest else {
                throw UserError("a pattern of modules has more than \(longest) choices")
            }
            result.append(text)
            return
        }
        guard let close = text[open...].firstIndex(of: "}") else {
            throw UserError("\"\(text)\" is no pattern of modules: a { has no }")
        }
        let choices = text[text.index(after: open)..<close]
        let (prefix, suffix) = (String(text[..<open]), String(text[text.index(after: close)...]))
        for choice in choices.split(separator: ",", omittingEmptySubsequences: false) {
            try expand(prefix + choice + suffix, into: &result)
        }
    }

    private static func matches(_ pattern: ArraySlice<String>, _ parts: ArraySlice<String>, layers: Int) -> Bool {
        guard let first = pattern.first else { return parts.isEmpty }
        guard let part = parts.first else { return false }
        if first == "*", pattern.count == 1 { return true }
        return matches(first, part, layers: layers) && matches(pattern.dropFirst(), parts.dropFirst(), layers: layers)
    }

    private static func matches(_ pattern: String, _ part: String, layers: Int) -> Bool {
        if let layer = Int(part) {
            if let wanted = Int(pattern) { return layer == (wanted < 0 ? layers + wanted : wanted) }
            let ends = pattern.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            if ends.count == 2, let first = ends[0], let last = ends[1] { return first <= layer && layer <= last }
        }
        return glob(Array(pattern)[...], Array(part)[...])
    }

    private static func glob(_ pattern: ArraySlice<Character>, _ text: ArraySlice<Character>) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        switch first {
        case "*":
            return (text.startIndex...text.endIndex).contains { glob(pattern.dropFirst(), text[$0...]) }
        case "?":
            return !text.isEmpty && glob(pattern.dropFirst(), text.dropFirst())
        default:
            return text.first == first && glob(pattern.dropFirst(), text.dropFirst())
        }
    }
}
