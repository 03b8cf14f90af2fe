import Foundation

/// A question to whoever sits at the terminal, before anything has begun.
enum Question {
    /// Whether somebody can answer: a process in the background that reads from its terminal would be stopped.
    static var hasAnswer: Bool {
        isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 && tcgetpgrp(STDIN_FILENO) == getpgrp()
    }

    /// - Returns: whether the answer is yes; no without one.
    static func ask(_ text: String) -> Bool {
        guard hasAnswer else { return false }
        FileHandle.standardError.write(Data("fp4tui: \(text) [y/N] ".utf8))
        guard let answer = readLine() else {
            FileHandle.standardError.write(Data("\n".utf8))
            return false
        }
        return ["y", "yes"].contains(answer.trimmingCharacters(in: .whitespaces).lowercased())
    }
}
