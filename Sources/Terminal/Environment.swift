import CNcurses
import Core
import Dashboard
import Foundation

/// What the surroundings allow.
enum Environment {
    /// A variable of the environment; nil if it is empty.
    static func value(_ name: String) -> String? {
        guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { return nil }
        return value
    }

    /// - Throws: `UserError` if there is no terminal to draw on.
    static func requireTerminal() throws(UserError) {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else {
            throw UserError(
                "standard input and output are not a terminal: use --batch to train without a dashboard")
        }
        guard let term = value("TERM"), term != "dumb" else {
            let found = value("TERM").map { "TERM=\($0) can't show a dashboard" } ?? "TERM is not set"
            throw UserError("\(found): use --batch to train without the dashboard")
        }
    }

    /// Sets the locale and says what may be drawn with. The Linux console's font has no braille.
    static func glyphs(wantsASCII: Bool) -> GlyphSet {
        let isUTF8 = cn_set_locale()
        return wantsASCII || !isUTF8 || value("TERM") == "linux" ? .ascii : .braille
    }

    /// - Parameter name: of a theme in the program, or the path of a base16 file.
    static func theme(_ name: String) throws(UserError) -> Theme {
        guard name.contains("/") || name.hasSuffix(".yaml") || name.hasSuffix(".yml") else {
            return try Theme.named(name)
        }
        guard let data = FileManager.default.contents(atPath: name) else {
            throw UserError("theme \(name): the file can't be read")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw UserError("theme \(name): the file is not UTF-8 text")
        }
        return try Theme.parse(text, source: name)
    }
}
