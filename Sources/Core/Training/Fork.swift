/// A second run from the same state and on the same batches, with another precision, trained step by step beside the
/// first.
public struct ForkChange: Codable, Sendable, Hashable {
    public enum Kind: String, Codable, Sendable {
        /// The fork begins.
        case began
        /// The run was resumed, and its fork with it.
        case resumed
        /// The fork is dropped.
        case dropped
        /// The fork became non-finite and was dropped.
        case diverged
        /// The run goes on as the fork, and the fork is what the run was.
        case swapped
    }

    public var kind: Kind
    /// Steps completed.
    public var step: Int
    /// What the fork does otherwise, in the syntax of commands: `recipe nvfp4`.
    public var text: String

    public init(kind: Kind, step: Int, text: String) {
        self.kind = kind
        self.step = step
        self.text = text
    }
}
