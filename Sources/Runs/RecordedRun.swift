import Core
import Foundation
import Synchronization

/// A run that is written down while it trains: its folder, the lock on it, and the recorder.
public final class RecordedRun: Sendable {
    public let folder: RunFolder
    public let manifest: RunManifest
    /// What it goes on from; nil: from the start.
    public let checkpoint: CheckpointFile?
    /// Commands given before an interruption that the checkpoint does not have, and that decide bits.
    public let commands: [RecordedCommand]
    private let place: RecordedPlace?
    private let lock: RunLock
    private let recorder = Mutex<RunRecorder?>(nil)

    private init(
        _ folder: RunFolder, _ manifest: RunManifest, lock: RunLock, checkpoint: CheckpointFile? = nil,
        commands: [RecordedCommand] = [], place: RecordedPlace? = nil
    ) {
        self.folder = folder
        self.manifest = manifest
        self.lock = lock
        self.checkpoint = checkpoint
        self.commands = commands
        self.place = place
    }

    // MARK: A new run

    /// Makes the folder of a new run.
    ///
    /// - Throws: `UserError` if there is something of that name, or it cannot be written.
    public static func create(
        _ folder: RunFolder, configuration: RunConfiguration, program: String,
        created: Double = Date().timeIntervalSince1970
    ) throws(UserError) -> RecordedRun {
        try makeFolder(URL(fileURLWithPath: folder.path).deletingLastPathComponent().path)
        if mkdir(folder.path, 0o755) != 0 {
            guard errno == EEXIST else { throw failure(folder.path) }
            guard !folder.isRun else {
                throw UserError(
                    "\(folder.path) holds a run already: --resume \(folder.path) goes on with it, another --name or "
                        + "--run-dir begins another")
            }
            let contents = try? FileManager.default.contentsOfDirectory(atPath: folder.path)
            guard contents?.isEmpty ?? false else {
                throw UserError("\(folder.path) exists and is not an empty folder: name another --name or --run-dir")
            }
        }
        return try fill(folder, configuration: configuration, program: program, created: created)
    }

    /// Makes the folder of a new run in `root`, named `name` with the first number that is free.
    ///
    /// - Throws: `UserError` if it cannot be written.
    public static func create(
        in root: String, numbering name: String, configuration: RunConfiguration, program: String,
        created: Double = Date().timeIntervalSince1970
    ) throws(UserError) -> RecordedRun {
        try makeFolder(root)
        for number in 1... {
            let folder = RunFolder("\(root)/\(name)-\(number)")
            if mkdir(folder.path, 0o755) == 0 {
                var configuration = configuration
                configuration.run.name = folder.name
                return try fill(folder, configuration: configuration, program: program, created: created)
            }
            guard errno == EEXIST else { throw failure(folder.path) }
        }
        throw UserError("\(root): no number is free")
    }

    private static func fill(
        _ folder: RunFolder, configuration: RunConfiguration, program: String, created: Double
    ) throws(UserError) -> RecordedRun {
        let lock = try RunLock(folder)
        try makeFolder(folder.checkpointsPath)
        var configuration = configuration
        if configuration.run.name.isEmpty { configuration.run.name = folder.name }
        let manifest = RunManifest(program: program, created: created, configuration: configuration)
        try manifest.write(folder)
        return RecordedRun(folder, manifest, lock: lock)
    }

    private static func makeFolder(_ path: String) throws(UserError) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw UserError("\(path): the folder cannot be made: \(error.localizedDescription)")
        }
    }

    private static func failure(_ path: String) -> UserError {
        UserError("\(path): the folder cannot be made: \(String(cString: strerror(errno)))")
    }

    /// Removes the folder of a new run that could not begin.
    public func discard() {
        guard place == nil, !FileManager.default.fileExists(atPath: folder.eventsPath) else { return }
        try? FileManager.default.removeItem(atPath: folder.path)
    }

    // MARK: A run that goes on

    /// Opens a run to go on with it.
    ///
    /// - Parameters:
    ///   - step: of the checkpoint to go on from; nil: the newest.
    ///   - forgets: whether commands given after the checkpoint are not given again.
    ///   - configure: may change what decides no bits, and add commands; told the steps that are done.
    ///   - goesBack: asked if the newest checkpoint is damaged, with what is wrong with it, whether to go on from the
    ///     newest good one.
    /// - Throws: `UserError` if there is no run, another process works on it, one of its files is a link to elsewhere, or
    ///   its newest checkpoint is damaged and is not to be gone back from; the message names the newest good one.
    public static func resume(
        _ folder: RunFolder, step: Int? = nil, forgets: Bool = false,
        configure: (RunConfiguration, _ step: Int) throws -> RunConfiguration = { old, _ in old },
        goesBack: (_ problem: String, _ good: CheckpointFile) -> Bool = { _, _ in false }
    ) throws -> RecordedRun {
        var manifest = try RunManifest.read(folder)
        try folder.requireNoLinks()
        let lock = try RunLock(folder)
        let files = try CheckpointFile.list(folder.checkpointsPath)
        let checkpoint = try choose(step, files, folder, goesBack)
        let place = try checkpoint.map { try recordedPlace($0, of: manifest) } ?? .start
        let old = manifest.configuration
        manifest.configuration = try configure(old, place.step)
        try checkNewCommands(manifest.configuration, since: old, step: place.step)
        for file in files where file.step > place.step { try setAside(file) }
        let all = try JSONLines.read(folder.commandsPath, RecordedCommand.self)
        let known = try JSONLines.read(folder.commandsPath, RecordedCommand.self, lines: place.commands).count
        if manifest.configuration != old { try manifest.write(folder) }
        return RecordedRun(
            folder, manifest, lock: lock, checkpoint: checkpoint,
            commands: forgets ? [] : all.dropFirst(known).filter(\.command.decidesBits), place: place)
    }

    /// - Throws: `UserError` for a command for a step that is over.
    private static func checkNewCommands(
        _ new: RunConfiguration, since old: RunConfiguration, step: Int
    ) throws(UserError) {
        guard new.run.commands.starts(with: old.run.commands) else {
            throw UserError("run.commands: a run that goes on keeps its commands; more may be added with --at")
        }
        for text in new.run.commands.dropFirst(old.run.commands.count) {
            let command = try new.scheduledCommand(text)
            guard command.step >= step else {
                throw UserError("\"\(text)\" is for after step \(command.step), and the run goes on after step \(step)")
            }
        }
    }

    /// - Returns: nil if there is no checkpoint: the run was interrupted before its first.
    private static func choose(
        _ step: Int?, _ files: [CheckpointFile], _ folder: RunFolder, _ goesBack: (String, CheckpointFile) -> Bool
    ) throws -> CheckpointFile? {
        if let step {
            guard let file = files.first(where: { $0.step == step }) else {
                let there = files.map { String($0.step) }.joined(separator: ", ")
                throw UserError(
                    "--checkpoint \(step): \(folder.path) has no checkpoint of that step"
                        + (files.isEmpty ? "" : "; there are those of \(there)"))
            }
            try verify(file)
            return file
        }
        guard let newest = files.last else { return nil }
        do {
            try verify(newest)
            return newest
        } catch {
            let good = files.dropLast().last { (try? verify($0)) != nil }
            if let good, goesBack("\(error)", good) { return good }
            let advice =
                good.map { "the newest good one is of step \($0.step): --checkpoint \($0.step) goes on from it" }
                ?? "there is no good one"
            throw UserError("\(error); \(advice)")
        }
    }

    private static func verify(_ file: CheckpointFile) throws {
        let checkpoint = try Checkpoint.verify(file.path)
        guard checkpoint.isState, checkpoint.step == file.step else {
            throw UserError("\(file.path) is no state after step \(file.step)")
        }
    }

    private static func recordedPlace(_ file: CheckpointFile, of manifest: RunManifest) throws -> RecordedPlace {
        guard let place = RecordedPlace(metadata: try SafeTensors.metadata(of: file.path)) else {
            throw UserError("\(file.path) is no checkpoint of a recorded run")
        }
        return RecordedPlace(step: file.step, events: place.events, commands: place.commands)
    }

    /// Checkpoints that were passed over stay, under a name that is no checkpoint's.
    private static func setAside(_ file: CheckpointFile) throws {
        let url = URL(fileURLWithPath: file.path)
        let folder = url.deletingLastPathComponent().path
        for number in 1... {
            let path = "\(folder)/set-aside-\(number)-\(url.lastPathComponent)"
            if FileManager.default.fileExists(atPath: path) { continue }
            guard rename(file.path, path) == 0 else {
                throw UserError("cannot rename \(file.path): \(String(cString: strerror(errno)))")
            }
            return
        }
    }

    /// What was recorded before the checkpoint.
    ///
    /// - Parameter progress: told the share of the recording that is read.
    /// - Throws: `UserError` naming file and line.
    public func pastEvents(progress: (Double) -> Void = { _ in }) throws -> [EventLine] {
        guard let place else { return [] }
        return try JSONLines.read(folder.eventsPath, EventLine.self, lines: place.events, progress: progress)
    }

    // MARK: Training

    /// The engine that trains it, with a recorder among its readers.
    ///
    /// - Parameters:
    ///   - state: a file to begin from, of a run that is not this one.
    ///   - writesTensorBoard: whether a TensorBoard event file is written into the folder too.
    /// - Throws: `UserError` if the run cannot begin or not be recorded.
    public func engine(
        corpus: any Corpus, resuming state: String? = nil, writesTensorBoard: Bool = false
    ) throws -> TrainingEngine {
        let keeping = CheckpointKeeping(folder: folder.checkpointsPath) { [weak self] in
            self?.recorder.withLock { $0 }?.place() ?? [:]
        }
        let engine = try TrainingEngine(
            configuration: manifest.configuration, corpus: corpus, resuming: checkpoint?.path ?? state,
            recorded: commands,
            keeping: keeping)
        let new = try RunRecorder(
            folder, lock: lock, resuming: place, channel: engine.subscribe(),
            writesTensorBoard: writesTensorBoard, publish: { engine.publish($0) })
        recorder.withLock { $0 = new }
        return engine
    }

    /// Writes down what was told until now.
    public func flush() { recorder.withLock { $0 }?.flush() }

    /// Records until the run is over, and takes commands from other processes. To be awaited after the engine's `run`.
    public func record(_ engine: TrainingEngine) async {
        var server: CommandServer?
        do {
            server = try CommandServer(folder, model: manifest.configuration.model) { engine.send($0) }
        } catch {
            engine.publish(.warning(step: checkpoint?.step ?? 0, message: "nobody can attach to the run: \(error)"))
        }
        await recorder.withLock { $0 }?.run()
        server?.close()
    }
}

extension RecordedPlace {
    /// Before the first line.
    static let start = RecordedPlace(step: 0, events: 0, commands: 0)
}
