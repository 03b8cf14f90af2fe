/// Which part of the data.
public enum Split: String, Codable, Sendable, CaseIterable {
    case training, validation
}

/// Where tokens come from: files, or the built-in language.
public protocol Corpus: Sendable {
    /// One line for people: where the tokens come from.
    var summary: String { get }
    /// Tokens are 0..<vocabularySize.
    var vocabularySize: Int { get }
    /// Tokens are bytes of text.
    var isText: Bool { get }
    /// Lower bound of the expected loss, nats per token, if it is known exactly.
    var entropyRate: Double? { get }
    /// Tokens of a split; `Int.max` where there is no end.
    func tokenCount(_ split: Split) -> Int

    /// Fills `window` with consecutive tokens of a split, all of them below `vocabularySize`.
    ///
    /// - Parameter random: a uniform 64-bit number that alone decides which tokens these are.
    /// - Throws: `UserError` if the split is shorter than the window, or if the data turns out to hold a token outside
    ///   the vocabulary: that is found out here because a large file is not read through at the start. The window's
    ///   content is then undefined.
    func fill(_ window: UnsafeMutableBufferPointer<Int32>, from split: Split, random: UInt64) throws(UserError)
}

extension Corpus {
    /// Checks that both splits hold at least one window for training with this context length, in tokens.
    ///
    /// - Throws: `UserError` naming the split that is too short, its tokens and the tokens needed.
    public func validate(context: Int) throws(UserError) {
        for split in Split.allCases where tokenCount(split) < context + 1 {
            throw UserError(
                """
                \(summary): the \(split.rawValue) split has \(tokenCount(split)) tokens; model.context = \(context) \
                needs at least \(context + 1)
                """)
        }
    }
}
