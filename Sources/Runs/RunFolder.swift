import Core
import Foundation

/// The places of a run's files. `run.json` is written once, `events.jsonl` and `commands.jsonl` grow, and `checkpoints`
/// holds the newest states and the best.
public struct RunFolder: Hashable, Sendable {
    public let path: String

    public init(_ path: String) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    /// The folder that runs lie in unless another is named: what the environment variable FP4TUI_RUNS says, or `runs`.
    public static let root: String = {
        let value = ProcessInfo.processInfo.environment["FP4TUI_RUNS"] ?? ""
        return value.isEmpty ? "runs" : value
    }()

    /// Takes a run as people name it: the path of its folder, or its name in `runs`.
    ///
    /// - Throws: `UserError` if there is no run.
    public static func named(_ text: String) throws(UserError) -> RunFolder {
        let candidates = [RunFolder(text), RunFolder(root + "/" + text)]
        if let found = candidates.first(where: \.isRun) { return found }
        let isFolder = candidates.contains { FileManager.default.fileExists(atPath: $0.path) }
        throw UserError(
            isFolder
                ? "\(text) is no run: it has no run.json" : "there is no run \(text), here or in \(root)")
    }

    /// Why a name cannot be that of a run; nil if it can.
    public static func problem(ofName name: String) -> String? {
        if name.isEmpty || name.utf8.count > 100 { return "a run's name has 1 to 100 bytes" }
        if name.contains("/") || name.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }) {
            return "a run's name is the name of its folder in \(root), without / and control characters; "
                + "--run-dir takes a path"
        }
        if name.hasPrefix(".") || name.hasPrefix("-") { return "a run's name begins with neither . nor -" }
        return nil
    }

    public var manifestPath: String { path + "/run.json" }
    public var eventsPath: String { path + "/events.jsonl" }
    public var commandsPath: String { path + "/commands.jsonl" }
    public var summaryPath: String { path + "/summary.json" }
    public var checkpointsPath: String { path + "/checkpoints" }
    public var socketPath: String { path + "/socket" }
    var lockPath: String { path + "/lock" }

    /// The last part of the path.
    public var name: String { URL(fileURLWithPath: path).lastPathComponent }

    public var isRun: Bool { FileManager.default.fileExists(atPath: manifestPath) }
}

/// What a run is: `run.json`.
public struct RunManifest: Codable, Hashable, Sendable {
    static let format = "fp4tui run 1"

    public var format = RunManifest.format
    /// Version of the program that began it.
    public var program: String
    /// When it began, seconds since 1970.
    public var created: Double
    public var configuration: RunConfiguration

    public init(program: String, created: Double, configuration: RunConfiguration) {
        self.program = program
        self.created = created
        self.configuration = configuration
    }

    /// Whole or not at all.
    ///
    /// - Throws: `UserError` naming the file.
    func write(_ folder: RunFolder) throws(UserError) {
        do {
            try Data((try LineCoding.text(self, isPretty: true) + "\n").utf8).write(
                to: URL(fileURLWithPath: folder.manifestPath), options: .atomic)
        } catch {
            throw UserError("cannot write \(folder.manifestPath): \(error.localizedDescription)")
        }
    }

    /// - Throws: `UserError` naming the file.
    public static func read(_ folder: RunFolder) throws(UserError) -> RunManifest {
        let path = folder.manifestPath
        guard let data = FileManager.default.contents(atPath: path) else {
            throw UserError("\(path) cannot be read")
        }
        guard let manifest = try? LineCoding.value(RunManifest.self, from: data), manifest.format == format else {
            throw UserError("\(path) is damaged, or another version wrote it: expected \"format\": \"\(format)\"")
        }
        do {
            try manifest.configuration.validateKeys()
        } catch {
            throw UserError("\(path): its configuration is damaged: \(error)")
        }
        return manifest
    }
}
