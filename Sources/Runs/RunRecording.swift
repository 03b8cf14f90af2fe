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
    /// - Parameter progress: told the share that is read.
    /// - Throws: `UserError` naming file and line.
    public init(reading folder: RunFolder, progress: (Double) -> Void = { _ in }) throws {
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

/// Files of one JSON value a line that only grow.
enum JSONLines {
    /// No line that this program writes is longer.
    static let longestLine = 64 << 20

    /// - Parameter lines: how many of the file's lines are read at most.
    /// - Throws: `UserError` naming file and line.
    static func read<Value: Decodable>(
        _ path: String, _ type: Value.Type, lines: Int = .max, progress: (Double) -> Void = { _ in }
    ) throws -> [Value] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
        } catch {
            throw UserError("\(path) cannot be read: \(error.localizedDescription)")
        }
        var values: [Value] = []
        // For every line of the file, how many values stood before it.
        var counts: [Int] = []
        var start = data.startIndex
        while counts.count < lines, let end = data[start...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = data[start..<end]
            let number = counts.count + 1
            func damaged(_ what: String) -> UserError { UserError("\(path):\(number): \(what)") }
            guard line.count <= longestLine else { throw damaged("the line is too long to be of a recording") }
            counts.append(values.count)
            if let resumed = resumedLine(line) {
                guard counts.indices.contains(resumed.lines) else {
                    throw damaged("resumed after line \(resumed.lines), and there are only \(number - 1) before")
                }
                values.removeSubrange(counts[resumed.lines]...)
            } else if let value = try? LineCoding.value(type, from: Data(line)) {
                values.append(value)
            } else {
                throw damaged("the line is damaged, or another version wrote it")
            }
            if counts.count % 1024 == 0 { progress(Double(end - data.startIndex) / Double(data.count)) }
            start = data.index(after: end)
        }
        return values
    }

    static func resumedLine(_ line: Data) -> ResumedLine? {
        guard line.range(of: Data("\"event\":\"resumed\"".utf8)) != nil else { return nil }
        return try? LineCoding.value(ResumedLine.self, from: Data(line))
    }
}
