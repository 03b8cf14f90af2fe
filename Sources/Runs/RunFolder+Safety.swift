import Core
import Foundation

/// What a run that came from somewhere else may not do: write outside its folder.
extension RunFolder {
    /// The files outside the folder that a run would save to when it goes on: the model at its end, and what commands
    /// save.
    ///
    /// - Parameters:
    ///   - configuration: as it was recorded.
    ///   - step: after which it goes on; earlier commands are over.
    /// - Throws: `UserError` for a command that cannot be understood.
    public func savesOutside(_ configuration: RunConfiguration, after step: Int) throws -> [String] {
        var paths = configuration.run.save.isEmpty ? [] : [configuration.run.save]
        for (at, command) in try configuration.scheduledCommands() where at >= step {
            switch command {
            case .save(let path), .saveState(let path), .stop(let path?): paths.append(path)
            default: break
            }
        }
        var outside: [String] = []
        for path in paths where !holds(path) && !outside.contains(path) { outside.append(path) }
        return outside
    }

    /// Whether a file would lie in the folder, wherever links on the way lead. Its own name may be that of a link: a file
    /// that is saved takes the link's place.
    func holds(_ file: String) -> Bool {
        guard let folder = Self.resolved(path),
            let parent = Self.resolved(URL(fileURLWithPath: file).deletingLastPathComponent().path)
        else { return false }
        return parent == folder || parent.hasPrefix(folder == "/" ? folder : folder + "/")
    }

    private static func resolved(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// - Throws: `UserError` if a file that a run writes to is a link: what it leads to may be anybody's.
    func requireNoLinks() throws(UserError) {
        for path in [manifestPath, eventsPath, commandsPath, summaryPath, checkpointsPath, lockPath] {
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { continue }
            throw UserError(
                "\(path) is a symbolic link, and a run that goes on writes there: put what it leads to in its place")
        }
    }
}
