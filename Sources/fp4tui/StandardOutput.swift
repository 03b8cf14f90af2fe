import Core
import Foundation

/// Standard output, unbuffered, so that a reader sees each line at once.
struct StandardOutput {
    /// Whoever read the output is gone: nothing more is written. Seen only where SIGPIPE is ignored.
    private(set) var isClosed = false

    /// - Throws: `UserError` if the output cannot be written, a full disk for instance.
    mutating func write(_ text: String) throws { try write(Data(text.utf8)) }

    /// - Throws: `UserError` if the output cannot be written, a full disk for instance.
    mutating func write(_ data: Data) throws {
        guard !isClosed else { return }
        var rest = data[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if written >= 0 {
                rest = rest.dropFirst(written)
            } else if errno == EPIPE {
                isClosed = true
                return
            } else if errno != EINTR && errno != EAGAIN {
                throw UserError("standard output cannot be written: \(String(cString: strerror(errno)))")
            }
        }
    }
}

/// A line at the bottom of the terminal that standard error is; nothing if it is none.
struct ProgressLine {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var shown = ""
    private var drawnAt: ContinuousClock.Instant?

    private var width: Int {
        var size = winsize()
        let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return isKnown ? Int(size.ws_col) : 80
    }

    /// Redraws at most ten times a second.
    ///
    /// - Parameter line: makes the line from the number of columns.
    mutating func show(_ line: (Int) -> String?) {
        guard isTerminal else { return }
        let now = ContinuousClock.now
        if let drawnAt, now - drawnAt < .milliseconds(100) { return }
        guard let line = line(width), line != shown else { return }
        put("\r\u{1B}[K" + line)
        shown = line
        drawnAt = now
    }

    /// Makes room for a line of output.
    mutating func hide() {
        guard !shown.isEmpty else { return }
        put("\r\u{1B}[K")
        shown = ""
        drawnAt = nil
    }

    private func put(_ text: String) {
        FileHandle.standardError.write(Data(text.utf8))
    }
}
