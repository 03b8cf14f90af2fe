import Core
import Foundation

/// A whole run as one event file.
public enum TensorBoardExport {
    public static func data(_ recording: RunRecording) -> Data { data(recording) { _ in } }

    /// - Parameter progress: told the share that is done; may throw to leave it.
    /// - Throws: what `progress` throws.
    public static func data<Stop: Error>(
        _ recording: RunRecording, progress: (Double) throws(Stop) -> Void
    ) throws(Stop) -> Data {
        let began = recording.manifest.created
        var events = TensorBoardEvents(began: began)
        var data = TensorBoardEvents.header(time: began)
        for (index, line) in recording.events.enumerated() {
            data += events.records(for: line)
            if index % 1024 == 0 { try progress(Double(index) / Double(recording.events.count)) }
        }
        return data
    }

    /// Writes the file into a folder, which is made if it isn't there. TensorBoard would take several event files of a
    /// folder for one run, so it must hold no other.
    ///
    /// - Parameter progress: told the share that is done; may throw to leave it, and then nothing is written.
    /// - Returns: the file's path.
    /// - Throws: `UserError` if there is an event file already, or the file cannot be written, or what `progress` throws.
    public static func write(
        _ recording: RunRecording, to folder: String, overwrite: Bool,
        progress: (Double) throws -> Void = { _ in }
    ) throws -> String {
        let name = TensorBoardWriter.fileName(time: recording.manifest.created, run: recording.folder.name)
        let path = folder + "/" + name
        let found = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let files = found.filter { $0.hasPrefix(TensorBoardWriter.filePrefix) }.sorted()
        if let other = files.first(where: { $0 != name }) {
            throw UserError(
                "\(folder) holds \(other), and TensorBoard would take both for one run: --out names another folder")
        }
        if files.contains(name), !overwrite {
            throw UserError("\(path) exists; --overwrite replaces it")
        }
        let data = try data(recording, progress: progress)
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try data.write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw UserError("\(path) cannot be written: \(error.localizedDescription)")
        }
        return path
    }
}
