import Core

/// Training on the screen.
struct InteractiveRun {
    var configuration: RunConfiguration
    var theme: String?
    var ascii: Bool

    /// - Returns: the exit code.
    /// - Throws: `UserError` if the run cannot begin or the screen cannot be opened.
    func run() async throws -> Int32 {
        throw UserError("the screen cannot be opened yet: use --batch")
    }
}
