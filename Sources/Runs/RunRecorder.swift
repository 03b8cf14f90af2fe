import Core
import Foundation
import Synchronization

/// Writes down what happens in a run: `events.jsonl`, `commands.jsonl` and `summary.json` in its folder.
public final class RunRecorder: Sendable {
    private struct Files {
        let events: JSONLinesWriter
        let commands: JSONLinesWriter
        /// What could not be written yet, and how many lines did not even find room there.
        var waiting = Waiting()
        /// nil if it is not wanted, or cannot be written any more.
        var tensorBoard: TensorBoardWriter?
        var step = 0
    }

    private struct Waiting {
        var events: [String] = []
        var commands: [String] = []
        var lost = 0
        static let mostBytes = 64 << 20

        var isEmpty: Bool { events.isEmpty && commands.isEmpty && lost == 0 }

        mutating func add(_ newEvents: [String], _ newCommands: [String]) {
            commands += newCommands
            let bytes = (events + newEvents).reduce(0) { $0 + $1.utf8.count }
            if bytes > Self.mostBytes {
                lost += newEvents.count
            } else {
                events += newEvents
            }
        }
    }

    public let folder: RunFolder
    private let lock: RunLock
    private let channel: EventChannel
    private let files: Mutex<Files>
    private let publish: @Sendable (TrainingEvent) -> Void
    private let now: @Sendable () -> Double

    /// Goes on with the files in a folder, or begins them.
    ///
    /// - Parameters:
    ///   - lock: on the folder.
    ///   - resuming: the checkpoint that the run goes on from, and how many lines the files had before it.
    ///   - channel: of whose events this is the only reader.
    ///   - writesTensorBoard: whether a TensorBoard event file is written into the folder too.
    ///   - publish: takes warnings to all readers of the run.
    /// - Throws: `UserError` naming the file that cannot be written.
    public init(
        _ folder: RunFolder, lock: RunLock, resuming: RecordedPlace? = nil, channel: EventChannel,
        writesTensorBoard: Bool = false, publish: @escaping @Sendable (TrainingEvent) -> Void,
        now: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 }
    ) throws {
        self.folder = folder
        self.lock = lock
        self.channel = channel
        self.publish = publish
        self.now = now
        let events = try JSONLinesWriter(folder.eventsPath)
        let commands = try JSONLinesWriter(folder.commandsPath)
        if let resuming {
            for (file, lines) in [(events, resuming.events), (commands, resuming.commands)] {
                let line = ResumedLine(step: resuming.step, lines: min(lines, file.count), time: now())
                var lines = [try LineCoding.text(line)]
                try file.append(&lines)
            }
            try? FileManager.default.removeItem(atPath: folder.summaryPath)
        }
        let tensorBoard =
            writesTensorBoard
            ? try TensorBoardWriter(
                folder: folder.path, run: folder.name, time: now(), resumedAfter: resuming?.step) : nil
        files = Mutex(Files(events: events, commands: commands, tensorBoard: tensorBoard))
    }

    /// Records until the run is over.
    public func run() async {
        for await _ in channel.wakeups { flush() }
        flush()
        files.withLock { files in
            try? files.events.synchronize()
            try? files.commands.synchronize()
        }
    }

    /// Writes down what was told until now. May be called from any thread.
    public func flush() {
        files.withLock { files in write(channel.drain(), to: &files) }
    }

    /// Writes down what was told until now, to the disk itself.
    ///
    /// - Returns: what a checkpoint written now keeps, so that a run that goes on from it knows its place in the files.
    public func place() -> [String: String] {
        files.withLock { files in
            write(channel.drain(), to: &files)
            do {
                try files.events.synchronize()
                try files.commands.synchronize()
            } catch {
                publish(.warning(step: files.step, message: "\(error)"))
            }
            return RecordedPlace(
                step: files.step, events: files.events.count + files.waiting.events.count,
                commands: files.commands.count + files.waiting.commands.count
            ).metadata
        }
    }

    private func write(_ events: [TrainingEvent], to files: inout Files) {
        guard !events.isEmpty else { return }
        let time = (now() * 1000).rounded() / 1000
        writeTensorBoard(events, time, &files)
        var lines: [String] = []
        var commands: [String] = []
        var summary: RunSummary?
        for event in events {
            switch event {
            case .stepped(let metrics): files.step = metrics.step
            case .finished(let end): summary = end
            case .commanded(let step, let command, let rescues):
                let recorded = RecordedCommand(step: step, command: command, rescues: rescues, time: time)
                if let line = try? LineCoding.text(recorded) { commands.append(line) }
            // How long something took is not what happened in a run.
            case .working: continue
            default: break
            }
            if let line = try? EventLine(event, time: time).json() { lines.append(line) }
        }
        let wasWaiting = !files.waiting.isEmpty
        files.waiting.add(lines, commands)
        do {
            // A command whose line is missing would make another run of this one: so commands first.
            try files.commands.append(&files.waiting.commands)
            try files.events.append(&files.waiting.events)
            let lost = files.waiting.lost
            files.waiting = Waiting()
            if wasWaiting {
                let missing = lost == 0 ? "nothing is missing" : "\(lost) events are missing"
                publish(.warning(step: files.step, message: "the run is recorded again; \(missing)"))
            }
            if let summary { try write(summary) }
        } catch {
            if !wasWaiting {
                publish(.warning(step: files.step, message: "\(error); the run goes on, and this is tried again"))
            }
        }
    }

    private func writeTensorBoard(_ events: [TrainingEvent], _ time: Double, _ files: inout Files) {
        do {
            for event in events { try files.tensorBoard?.append(EventLine(event, time: time)) }
        } catch {
            files.tensorBoard = nil
            publish(.warning(step: files.step, message: "\(error); the run goes on without it"))
        }
    }

    /// - Throws: `UserError` naming the file.
    private func write(_ summary: RunSummary) throws {
        do {
            try Data((try LineCoding.text(summary) + "\n").utf8).write(
                to: URL(fileURLWithPath: folder.summaryPath), options: .atomic)
        } catch {
            throw UserError("cannot write \(folder.summaryPath): \(error.localizedDescription)")
        }
    }
}

/// How many lines the files of a run had when a checkpoint was written.
public struct RecordedPlace: Codable, Hashable, Sendable {
    public var step: Int
    public var events: Int
    public var commands: Int

    private static let key = "recorded"

    var metadata: [String: String] {
        guard let text = try? LineCoding.text(self) else { return [:] }
        return [Self.key: text]
    }

    /// nil if a checkpoint's metadata tell of none.
    public init?(metadata: [String: String]) {
        guard let text = metadata[Self.key],
            let place = try? LineCoding.value(RecordedPlace.self, from: Data(text.utf8)),
            place.events >= 0, place.commands >= 0
        else { return nil }
        self = place
    }

    init(step: Int, events: Int, commands: Int) {
        self.step = step
        self.events = events
        self.commands = commands
    }
}
