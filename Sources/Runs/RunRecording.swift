import Core
import Foundation

/// A line of `events.jsonl` and `commands.jsonl` that says: the run was resumed here, from a checkpoint before which the
/// file had `lines` lines; what stands between was done again.
struct ResumedLine: Codable, Hashable {
    var event = "resumed"
    var step: Int
    var lines: Int
    var time: Double
}

/// What is written down of a run: what happened, in order, without what an interruption undid.
public struct RunRecording: Sendable {
    public let folder: RunFolder
    public let manifest: RunManifest
    public let events: [EventLine]
    public let commands: [RecordedCommand]

    /// Reads a run that is over or under way. A last line that is still being written is left out.
    ///
    /// - Parameter progress: told the share that is read; may throw to leave it.
    /// - Throws: `UserError` naming file and line, or what `progress` throws.
    public init(reading folder: RunFolder, progress: (Double) throws -> Void = { _ in }) throws {
        self.folder = folder
        manifest = try RunManifest.read(folder)
        events = try JSONLines.read(folder.eventsPath, EventLine.self, progress: progress)
        commands = try JSONLines.read(folder.commandsPath, RecordedCommand.self)
    }

    public init(folder: RunFolder, manifest: RunManifest, events: [EventLine], commands: [RecordedCommand]) {
        self.folder = folder
        self.manifest = manifest
        self.events = events
        self.commands = commands
    }

    /// Of the run's newest start.
    public var description: RunDescription? {
        for line in events.reversed() { if case .started(let description) = line.event { return description } }
        return nil
    }

    /// nil if the run is not over.
    public var summary: RunSummary? {
        for line in events.reversed() {
            switch line.event {
            case .finished(let summary): return summary
            case .started: return nil
            default: continue
            }
        }
        return nil
    }

    /// Of every step, in order.
    public var steps: [StepMetrics] {
        events.compactMap { if case .stepped(let metrics) = $0.event { metrics } else { nil } }
    }

    public var evaluations: [Evaluation] {
        events.compactMap { if case .evaluated(let evaluation) = $0.event { evaluation } else { nil } }
    }
}

/// What the lines of a file come to: without what stands between a checkpoint and the line `resumed` that goes back to it.
struct History<Value> {
    private(set) var values: [Value] = []
    /// For every line, how many values stood before it.
    private var counts: [Int] = []

    var lineCount: Int { counts.count }

    mutating func add(_ value: Value) {
        counts.append(values.count)
        values.append(value)
    }

    /// - Throws: `UserError` naming the line if it goes back to one that is not there.
    mutating func resume(_ line: ResumedLine, path: String) throws(UserError) {
        guard 0...lineCount ~= line.lines else {
            throw UserError(
                "\(path):\(lineCount + 1): resumed after line \(line.lines), and there are only \(lineCount) before")
        }
        counts.append(values.count)
        values.removeSubrange(counts[line.lines]...)
    }
}

/// Files of one JSON value a line that only grow.
enum JSONLines {
    /// No line that this program writes is longer.
    static let longestLine = 64 << 20
    /// Lines that one thread reads at a time, and lines between two reports of progress.
    private static let chunk = 256
    private static let batch = 8192

    private enum Line<Value> {
        case value(Value)
        case resumed(ResumedLine)
        case damaged
    }

    /// Reads the lines on all cores; what comes out has their order.
    ///
    /// - Parameters:
    ///   - limit: how many of the file's lines are read at most.
    ///   - progress: told the share that is read; may throw to leave it.
    /// - Throws: `UserError` naming file and line, or what `progress` throws.
    static func read<Value: Decodable & Sendable>(
        _ path: String, _ type: Value.Type, lines limit: Int = .max, progress: (Double) throws -> Void = { _ in }
    ) throws -> [Value] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        guard let file = try? MappedFile(path: path) else {
            throw UserError("\(path) cannot be read: it is no file, or nobody may read it")
        }
        /// Another process may cut the file short meanwhile: what is lost reads as zeros.
        func requireRead() throws(UserError) {
            if file.isLost {
                throw UserError("\(path) can no longer be read whole: it was cut short, or its disk fails")
            }
        }
        var history = History<Value>()
        func damaged(_ what: String) -> UserError { UserError("\(path):\(history.lineCount + 1): \(what)") }
        let bytes = file.bytes
        var start = 0
        while start < bytes.count, history.lineCount < limit {
            let lines = lines(bytes, from: start, limit: min(batch, limit - history.lineCount))
            let parsed = parse(lines, of: bytes, type)
            try requireRead()
            for line in parsed.joined() {
                switch line {
                case .value(let value): history.add(value)
                case .resumed(let resumed): try history.resume(resumed, path: path)
                case .damaged: throw damaged("the line is damaged, or another version wrote it")
                }
            }
            if let long = lines.last, long.count > longestLine {
                throw damaged("the line is too long to be of a recording")
            }
            guard let last = lines.last else { break }
            start = last.upperBound + 1
            try progress(Double(start) / Double(bytes.count))
        }
        withExtendedLifetime(file) {}
        return history.values
    }

    /// The next lines that are complete, without their newlines. None comes after one that is too long.
    private static func lines(_ bytes: UnsafeRawBufferPointer, from start: Int, limit: Int) -> [Range<Int>] {
        guard let base = bytes.baseAddress else { return [] }
        var lines: [Range<Int>] = []
        var start = start
        while lines.count < limit, start < bytes.count,
            let found = memchr(base + start, Int32(UInt8(ascii: "\n")), bytes.count - start)
        {
            let end = UnsafeRawPointer(found) - base
            lines.append(start..<end)
            if end - start > longestLine { break }
            start = end + 1
        }
        return lines
    }

    private static func parse<Value: Decodable & Sendable>(
        _ lines: [Range<Int>], of bytes: UnsafeRawBufferPointer, _ type: Value.Type
    ) -> [[Line<Value>]] {
        let readable = lines.last.map { $0.count > longestLine } == true ? lines.dropLast() : lines[...]
        let chunks = (readable.count + chunk - 1) / chunk
        nonisolated(unsafe) let bytes = bytes
        return [[Line<Value>]](unsafeUninitializedCapacity: chunks) { results, count in
            nonisolated(unsafe) let base = results.baseAddress
            DispatchQueue.concurrentPerform(iterations: chunks) { index in
                let decoder = LineDecoder()
                let part = readable.dropFirst(index * chunk).prefix(chunk)
                base.map { $0 + index }?.initialize(
                    to: part.map { line in
                        // The file is mapped; a copy, so that nothing points into it for long.
                        let text = Data(bytes[line])
                        if let resumed = resumedLine(text) { return .resumed(resumed) }
                        return (try? decoder.value(type, from: text)).map(Line.value) ?? .damaged
                    })
            }
            count = chunks
        }
    }

    static func resumedLine(_ line: Data) -> ResumedLine? {
        guard line.holds("\"event\":\"resumed\"") else { return nil }
        return try? LineCoding.value(ResumedLine.self, from: line)
    }
}

extension Data {
    /// Whether a text that is not empty stands somewhere in the bytes.
    func holds(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        return withUnsafeBytes { bytes in
            guard var start = bytes.baseAddress else { return false }
            let end = start + bytes.count
            while end - start >= length,
                let found = memchr(start, Int32(text.utf8Start[0]), end - start - length + 1)
            {
                if memcmp(found, text.utf8Start, length) == 0 { return true }
                start = UnsafeRawPointer(found) + 1
            }
            return false
        }
    }
}
