import Core
import Foundation

/// Commands for given points of a run, from flags and from a file.
enum CommandScript {
    /// - Returns: the commands with where they were written, for messages; those of the file first.
    /// - Throws: `UserError` if the file cannot be read.
    static func commands(at flags: [String], script path: String?) throws -> [(text: String, origin: String)] {
        let file = try path.map(read) ?? []
        return file + flags.map { ($0, "--at \($0)") }
    }

    private static func read(_ path: String) throws -> [(text: String, origin: String)] {
        guard let file = FileHandle(forReadingAtPath: path), let data = try? file.readToEnd() ?? Data() else {
            let reason = FileManager.default.fileExists(atPath: path) ? "cannot be read" : "does not exist"
            throw UserError("--script \(path): the file \(reason)")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw UserError("--script \(path): this is not UTF-8 text")
        }
        return commands(in: text, file: path)
    }

    /// The lines that are neither empty nor comments.
    ///
    /// - Parameter file: its name, for messages.
    static func commands(in text: String, file: String) -> [(text: String, origin: String)] {
        text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated()
            .compactMap { index, line in
                let content = line.prefix { $0 != "#" }.trimmingCharacters(in: .whitespaces)
                return content.isEmpty ? nil : (content, "\(file):\(index + 1)")
            }
    }
}
