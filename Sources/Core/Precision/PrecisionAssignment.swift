/// What some modules, or some of their GEMMs, are set to: one line of a recipe, a phase, a script or a person.
public struct PrecisionAssignment: Hashable, Sendable, TextCodable {
    public enum Value: Hashable, Sendable {
        /// For a whole module: what the recipe means by it. For single GEMMs: the recipe's formats of that precision.
        case precision(Precision)
        /// Exactly this format, for both operands.
        case format(BlockFormat)
    }

    public var pattern: ModulePattern
    /// nil: the whole module.
    public var gemms: [GEMMKind]?
    public var value: Value

    public init(_ pattern: ModulePattern, gemms: [GEMMKind]? = nil, _ value: Value) {
        self.pattern = pattern
        self.gemms = gemms
        self.value = value
    }

    /// The syntax, for help.
    public static let syntax = """
        MODULES [GEMMS] PRECISION
          MODULES    a path such as layers.3.mlp.up, or a pattern: mlp.*, attn.{q,k},
                     layers.{0,-1}.*, layers.2-5.attn.?, layers.* for all layers, * for
                     the head too
          GEMMS      fprop, dgrad, wgrad, forward, backward, or several with commas;
                     without it the whole module, as the recipe understands it
          PRECISION  fp4, fp8 or bf16, in the recipe's formats; or =FORMAT for exactly
                     that format
        """

    /// Reads `MODULES [GEMMS] PRECISION`.
    ///
    /// - Throws: `UserError` that says what is wrong and what is expected.
    public init(parsing text: String) throws(UserError) {
        let words = text.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
        guard (2...3).contains(words.count) else {
            throw UserError(
                "\"\(text)\" sets no precision; expected MODULES [GEMMS] PRECISION, as in layers.*.mlp.* backward fp8")
        }
        pattern = try ModulePattern(parsing: words[0])
        gemms = words.count == 3 ? try Self.gemms(words[1]) : nil
        let last = words[words.count - 1]
        if last.hasPrefix("=") {
            value = .format(try BlockFormat(parsing: String(last.dropFirst())))
        } else if let precision = Precision(rawValue: last) {
            value = .precision(precision)
        } else {
            throw UserError(
                "\"\(last)\" is no precision; expected fp4, fp8 or bf16, or a format with = in front, as in =nvfp4+sr")
        }
    }

    private static func gemms(_ text: String) throws(UserError) -> [GEMMKind] {
        var found: Set<GEMMKind> = []
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            switch word {
            case "forward": found.insert(.fprop)
            case "backward": found.formUnion([.dgrad, .wgrad])
            default:
                guard let gemm = GEMMKind(rawValue: String(word)) else {
                    throw UserError(
                        "\"\(word)\" is no GEMM; expected fprop, dgrad, wgrad, forward or backward, or several with commas"
                    )
                }
                found.insert(gemm)
            }
        }
        return found.sorted()
    }

    public var description: String {
        let value =
            switch value {
            case .precision(let precision): precision.rawValue
            case .format(let format): "=\(format)"
            }
        let gemms = gemms.map { " " + Self.text($0) } ?? ""
        return "\(pattern)\(gemms) \(value)"
    }

    private static func text(_ gemms: [GEMMKind]) -> String {
        switch gemms {
        case [.fprop]: "forward"
        case [.dgrad, .wgrad]: "backward"
        default: gemms.map(\.rawValue).joined(separator: ",")
        }
    }
}
