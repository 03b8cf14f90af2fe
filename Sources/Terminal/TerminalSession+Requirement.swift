import Core

extension TerminalSession {
    /// Whether there is a terminal to draw on, before anything else is done.
    ///
    /// - Parameter alternative: what to do without one; nil: nothing.
    /// - Throws: `UserError` if standard input or output is no terminal, or TERM cannot draw.
    nonisolated public static func requireTerminal(alternative: String? = DisplayOptions.training) throws(UserError) {
        try Environment.requireTerminal(alternative: alternative)
    }
}
