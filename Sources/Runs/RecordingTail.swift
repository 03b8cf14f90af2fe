import Core
import Foundation

/// Reads the events of a run as they are written down: first all that there were, then each as it comes.
public final class RecordingTail {
    private let path: String
    private var descriptor: Int32 = -1
    /// The beginning of a line whose end is not written yet.
    private var rest: [UInt8] = []
    private var lineCount = 0

    private enum Line {
        case event(EventLine)
        case resumed(ResumedLine)
    }

    public init(_ folder: RunFolder) {
        path = folder.eventsPath
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// What happened until now, without what an interruption undid. To be called first, and once.
    ///
    /// - Parameter progress: told the share of the file that is read.
    /// - Throws: `UserError` naming file and line.
    public func past(progress: (Double) -> Void = { _ in }) throws(UserError) -> [EventLine] {
        var history = History<EventLine>()
        while true {
            let before = lineCount
            var status = stat()
            if descriptor >= 0, fstat(descriptor, &status) == 0, status.st_size > 0 {
                progress(min(1, Double(lseek(descriptor, 0, SEEK_CUR)) / Double(status.st_size)))
            }
            for line in try read() {
                switch line {
                case .event(let event): history.add(event)
                case .resumed(let resumed): try history.resume(resumed, path: path)
                }
            }
            if lineCount == before, isAtEnd { return history.values }
        }
    }

    /// What was written since the last call; empty if nothing is new.
    ///
    /// - Throws: `UserError` naming file and line, or if another process went on with the run.
    public func next() throws(UserError) -> [EventLine] {
        var events: [EventLine] = []
        for line in try read() {
            guard case .event(let event) = line else {
                throw UserError("\(path):\(lineCount): another process went on with the run")
            }
            events.append(event)
        }
        return events
    }

    private var isAtEnd = false

    /// The next whole lines of at most a mebibyte.
    private func read() throws(UserError) -> [Line] {
        if descriptor < 0 {
            descriptor = open(path, O_RDONLY | O_CLOEXEC)
            if descriptor < 0 {
                isAtEnd = true
                return []
            }
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        let size = buffer.withUnsafeMutableBytes { Foundation.read(descriptor, $0.baseAddress, $0.count) }
        if size < 0, errno != EINTR { throw UserError("\(path): \(String(cString: strerror(errno)))") }
        isAtEnd = size == 0
        guard size > 0 else { return [] }
        rest += buffer[..<size]
        var lines: [Line] = []
        var start = rest.startIndex
        while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
            lineCount += 1
            let line = Data(rest[start..<end])
            if let resumed = JSONLines.resumedLine(line) {
                lines.append(.resumed(resumed))
            } else if let event = try? LineCoding.value(EventLine.self, from: line) {
                lines.append(.event(event))
            } else {
                throw UserError("\(path):\(lineCount): the line is damaged, or another version wrote it")
            }
            start = end + 1
        }
        rest.removeFirst(start)
        guard rest.count <= JSONLines.longestLine else {
            throw UserError("\(path):\(lineCount + 1): the line is too long to be of a recording")
        }
        return lines
    }
}
