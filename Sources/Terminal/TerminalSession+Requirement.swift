import Core

extension TerminalSession {
    /// Whether there is a terminal to draw on, before anything else is done.
    ///
    /// - Throws: `UserError` if standard input or output is no terminal, or TERM cannot draw.
    nonisolated public static func requireTerminal() throws(UserError) {
        try Environment.requireTerminal()
    }
}
