import Core
import Dashboard

extension TerminalSession {
    /// The theme of this name: one in the program, one in the user's folder, or a base16 file.
    ///
    /// - Throws: `UserError` if there is none, or it is broken.
    nonisolated public static func theme(_ name: String) throws(UserError) -> Theme { try Environment.theme(name) }
}
