extension GradientClipping: CustomStringConvertible {
    /// `off`, or the scope and what differs from the defaults: `block limit=4 rescaling=sum`.
    public var description: String {
        guard let scope else { return "off" }
        let standard = GradientClipping()
        var words = [scope.rawValue]
        if threshold != standard.threshold { words.append("threshold=\(threshold.rawValue)") }
        if limit != standard.limit { words.append("limit=\(limit)") }
        if quantile != standard.quantile { words.append("quantile=\(quantile)") }
        if decay != standard.decay { words.append("decay=\(decay)") }
        if rescaling != standard.rescaling { words.append("rescaling=\(rescaling.rawValue)") }
        return words.joined(separator: " ")
    }

    /// Reads what `description` writes.
    ///
    /// - Throws: `UserError` that says what is wrong and what is expected.
    public init(parsing text: String) throws(UserError) {
        self.init()
        let words = text.split(separator: " ").map(String.init)
        if words == ["off"] { return }
        guard let first = words.first, let scope = Scope(rawValue: first) else {
            throw UserError("\"\(text)\" is no gradient clipping; expected off, module or block, as in block limit=4")
        }
        self.scope = scope
        for word in words.dropFirst() {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            let value = parts.count == 2 ? parts[1] : ""
            switch parts.first {
            case "threshold": threshold = try Self.choice(value, word)
            case "rescaling": rescaling = try Self.choice(value, word)
            case "limit": limit = try Self.number(value, word) { $0 > 0 }
            case "quantile": quantile = try Self.number(value, word) { $0 > 0 && $0 <= 1 }
            case "decay": decay = try Self.number(value, word) { $0 >= 0 && $0 < 1 }
            default:
                throw UserError(
                    "\"\(word)\" is no setting of gradient clipping; expected threshold=, limit=, quantile=, decay= or "
                        + "rescaling=")
            }
        }
    }

    private static func choice<Value: RawRepresentable & CaseIterable>(_ text: String, _ word: String)
        throws(UserError) -> Value where Value.RawValue == String
    {
        if let value = Value(rawValue: text) { return value }
        let names = Value.allCases.map(\.rawValue).joined(separator: ", ")
        throw UserError("\"\(word)\" is not possible: it must be one of \(names)")
    }

    private static func number(_ text: String, _ word: String, _ isPossible: (Double) -> Bool)
        throws(UserError) -> Double
    {
        if let value = Double(text), value.isFinite, isPossible(value) { return value }
        throw UserError(
            "\"\(word)\" is not possible: limit is above 0, quantile above 0 and at most 1, decay from 0 and below 1")
    }
}
