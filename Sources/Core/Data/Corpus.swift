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

    /// Fills `window` with consecutive tokens of a split.
    ///
    /// - Parameter random: a uniform 64-bit number that alone decides which tokens these are.
    func fill(_ window: UnsafeMutableBufferPointer<Int32>, from split: Split, random: UInt64)
}
