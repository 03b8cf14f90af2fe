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

    /// - Parameter alternative: what to do without one; nil: nothing.
    /// - Throws: `UserError` if there is no terminal to draw on.
    static func requireTerminal(alternative: String?) throws(UserError) {
        let advice = alternative.map { ": \($0)" } ?? ""
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else {
            throw UserError("standard input and output are not a terminal" + advice)
        }
        guard let term = value("TERM"), term != "dumb" else {
            let found = value("TERM").map { "TERM=\($0) can't show a dashboard" } ?? "TERM is not set"
            throw UserError(found + advice)
        }
    }

    /// Sets the locale. Returns whether text is UTF-8.
    static func setLocale() -> Bool { cn_set_locale() }

    /// What to draw with. The Linux console's font has no braille.
    static func glyphs(_ wanted: GlyphSet?, isUTF8: Bool) -> GlyphSet {
        guard isUTF8 else { return .ascii }
        return wanted ?? (value("TERM") == "linux" ? .ascii : .braille)
    }

    // MARK: Themes

    /// A base16 scheme that was found, and not yet read.
    struct ThemeFile {
        /// nil: it is a theme in the program.
        var path: String?
        var name: String

        /// - Throws: `UserError` with file, line and key of what is wrong.
        func theme() throws(UserError) -> Theme {
            guard let path else { return try Theme.named(name) }
            guard let data = FileManager.default.contents(atPath: path) else {
                throw UserError("theme \(path): the file can't be read")
            }
            guard let text = String(data: data, encoding: .utf8) else {
                throw UserError("theme \(path): the file is not UTF-8 text")
            }
            return try Theme.parse(text, source: path)
        }
    }

    /// Where the user keeps themes of their own.
    static var themeFolder: String? {
        themeFolder(configuration: value("XDG_CONFIG_HOME"), home: value("HOME"))
    }

    /// By the XDG Base Directory Specification, for which a relative path does not count.
    static func themeFolder(configuration: String?, home: String?) -> String? {
        if let configuration, configuration.hasPrefix("/") { return "\(configuration)/fp4tui/themes" }
        return home.map { "\($0)/.config/fp4tui/themes" }
    }

    /// The themes in the program, then those in the user's folder whose names are still free.
    static func themeNames(in folder: String? = themeFolder) -> [String] {
        let files = folder.flatMap { try? FileManager.default.contentsOfDirectory(atPath: $0) } ?? []
        let own = files.filter { $0.hasSuffix(".yaml") && !$0.hasPrefix(".") }.map { String($0.dropLast(5)) }
        return Theme.names + own.filter { !Theme.names.contains($0) }.sorted()
    }

    /// - Parameter name: of a theme in the program or in the user's folder, or the path of a base16 file.
    /// - Throws: `UserError` if there is none.
    static func themeFile(_ name: String, in folder: String? = themeFolder) throws(UserError) -> ThemeFile {
        if name.contains("/") || name.hasSuffix(".yaml") || name.hasSuffix(".yml") {
            guard FileManager.default.isReadableFile(atPath: name) else {
                throw UserError("theme \(name): the file can't be read")
            }
            return ThemeFile(path: name, name: name)
        }
        if Theme.names.contains(name) { return ThemeFile(path: nil, name: name) }
        let names = themeNames(in: folder)
        guard let folder, names.contains(name) else {
            throw UserError("unknown theme \(name): use \(names.joined(separator: ", ")) or the path of a base16 file")
        }
        return ThemeFile(path: "\(folder)/\(name).yaml", name: name)
    }

    /// - Throws: `UserError` if there is no such theme, or it is broken.
    static func theme(_ name: String) throws(UserError) -> Theme { try themeFile(name).theme() }
}
