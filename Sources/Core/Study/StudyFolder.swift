import Foundation

/// The folder of a study: `study.json`, `study.md`, and under `state` what unfinished runs need to go on. Locked as long as
/// the object lives, so that two processes don't write the same study.
final class StudyFolder {
    let path: String
    private let lock: Int32

    var resultsPath: String { path + "/study.json" }
    private var markdownPath: String { path + "/study.md" }
    private var statePath: String { path + "/state" }

    /// Makes the folder if it isn't there.
    ///
    /// - Throws: `UserError` naming the folder if it cannot be used.
    init(_ path: String) throws {
        self.path = path
        do {
            try FileManager.default.createDirectory(atPath: path + "/state", withIntermediateDirectories: true)
        } catch {
            throw UserError("--out \(path): the folder cannot be made or written to")
        }
        lock = open(path + "/state/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard lock >= 0 else { throw UserError("--out \(path): \(String(cString: strerror(errno)))") }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            throw UserError("--out \(path): another study is running in this folder")
        }
        if !FileManager.default.fileExists(atPath: resultsPath), FileManager.default.fileExists(atPath: markdownPath) {
            close(lock)
            throw UserError("--out \(path): there is a study.md that no study wrote; use another folder")
        }
    }

    deinit { close(lock) }

    /// Where the state of a run lies while it is not finished.
    func state(entry: Int, seed: UInt64) -> String {
        "\(statePath)/recipe-\(entry)-seed-\(seed).safetensors"
    }

    func hasState(entry: Int, seed: UInt64) -> Bool {
        FileManager.default.fileExists(atPath: state(entry: entry, seed: seed))
    }

    func removeState(entry: Int, seed: UInt64) {
        try? FileManager.default.removeItem(atPath: state(entry: entry, seed: seed))
    }

    /// Each file whole or not at all.
    ///
    /// - Throws: `UserError` naming the file that cannot be written.
    func write(_ file: StudyFile) throws {
        for (path, data) in [(resultsPath, try file.json()), (markdownPath, Data(file.markdown.utf8))] {
            do {
                try data.write(to: URL(fileURLWithPath: path), options: .atomic)
            } catch {
                throw UserError("cannot write \(path): \(error.localizedDescription)")
            }
        }
    }
}
