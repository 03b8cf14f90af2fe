import Core
import Foundation

/// One line on standard error about work that takes long: always there on a terminal, else once a minute.
struct StatusLine {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var line = ProgressLine()
    private var written = ContinuousClock.now

    mutating func show(_ text: String) {
        if isTerminal { return line.show { String(text.prefix(max(0, $0 - 1))) } }
        guard ContinuousClock.now - written >= .seconds(60) else { return }
        written = ContinuousClock.now
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }

    mutating func hide() { line.hide() }
}

/// The time that the rest of some work takes if it goes on as fast as so far.
struct RemainingTime {
    private let begin = ContinuousClock.now

    func text(done: Int, of total: Int) -> String {
        guard done > 0 else { return "-" }
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        return LogFormat.duration(seconds / Double(done) * Double(total - done))
    }
}
