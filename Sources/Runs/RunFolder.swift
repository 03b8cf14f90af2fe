import Core
import Foundation

/// The places of a run's files. `run.json` is written once, `events.jsonl` and `commands.jsonl` grow, and `checkpoints`
/// holds the newest states and the best.
public struct RunFolder: Hashable, Sendable {
    public let path: String

    public init(_ path: String) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    /// The folder that runs lie in unless another is named.
    public static let standardRoot = "runs"

    /// Takes a run as people name it: the path of its folder, or its name in `runs`.
    ///
    /// - Throws: `UserError` if there is no run.
    public static func named(_ text: String) throws(UserError) -> RunFolder {
        let candidates = [RunFolder(text), RunFolder(standardRoot + "/" + text)]
        if let found = candidates.first(where: \.isRun) { return found }
        let isFolder = candidates.contains { FileManager.default.fileExists(atPath: $0.path) }
        throw UserError(
            isFolder
                ? "\(text) is no run: it has no run.json" : "there is no run \(text), here or in \(standardRoot)")
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

    /// - Throws: `UserError` naming the file.
    public static func read(_ folder: RunFolder) throws(UserError) -> RunManifest {
        let path = folder.manifestPath
        guard let data = FileManager.default.contents(atPath: path) else {
            throw UserError("\(path) cannot be read")
        }
        guard let manifest = try? JSONDecoder().decode(RunManifest.self, from: data), manifest.format == format else {
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
