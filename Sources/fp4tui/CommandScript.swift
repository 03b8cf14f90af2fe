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

    /// The lines that are neither empty nor comments. A # begins one at the start of a line or after white space; within a
    /// word, as in a file's name, it belongs to the command.
    ///
    /// - Parameter file: its name, for messages.
    static func commands(in text: String, file: String) -> [(text: String, origin: String)] {
        text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated()
            .compactMap { index, line in
                let comment = line.indices.first { place in
                    line[place] == "#" && (place == line.startIndex || line[line.index(before: place)].isWhitespace)
                }
                let content = line[..<(comment ?? line.endIndex)].trimmingCharacters(in: .whitespaces)
                return content.isEmpty ? nil : (content, "\(file):\(index + 1)")
            }
    }
}
