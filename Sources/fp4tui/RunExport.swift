import Core
import Foundation
import Runs
import Terminal

/// What `:export` on the dashboard's command line does, which knows nothing of recordings.
enum RunExport {
    /// The share of the time that reading takes.
    private static let reading = 0.8

    /// Writes a recording whole or not at all.
    ///
    /// - Parameters:
    ///   - path: a file that does not exist, or for TensorBoard a folder without an event file.
    ///   - progress: told the share that is done; may throw to leave it.
    /// - Throws: `UserError` if the run cannot be read or the path not be written, or what `progress` throws.
    static func write(
        _ folder: RunFolder, as format: ExportCommand.Format, to path: String, progress: (Double) throws -> Void
    ) throws {
        try check(path, format)
        let recording = try RunRecording(reading: folder) { try progress(reading * $0) }
        func writing(_ share: Double) throws { try progress(reading + (1 - reading) * share) }
        let text: String
        switch format {
        case .tensorboard:
            _ = try TensorBoardExport.write(recording, to: path, overwrite: false, progress: writing)
            return
        case .csv: text = try CSVExport.csv(recording, progress: writing)
        case .markdown: text = MarkdownExport.markdown(recording)
        }
        try progress(1)
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw UserError("export: \(path) cannot be written: \(error.localizedDescription)")
        }
    }

    private static func check(_ path: String, _ format: ExportCommand.Format) throws {
        let files = FileManager.default
        var isFolder: ObjCBool = false
        let exists = files.fileExists(atPath: path, isDirectory: &isFolder)
        guard format == .tensorboard else {
            if exists { throw UserError("export: \(path) exists and is not overwritten; name another file") }
            return try OutputFile.check(path, flag: "export", permission: "", isGiven: true)
        }
        guard exists else { return }
        guard isFolder.boolValue else { throw UserError("export: \(path) is a file, and a folder is needed") }
        let names = (try? files.contentsOfDirectory(atPath: path)) ?? []
        if let name = names.sorted().first(where: { $0.hasPrefix(TensorBoardWriter.filePrefix) }) {
            throw UserError("export: \(path) holds \(name) already; name another folder")
        }
    }

    /// What writes a run in a format to a path, and tells the share that is done.
    ///
    /// - Parameter flush: writes down what happened until now.
    static func writer(
        of folder: RunFolder, flush: @escaping @Sendable () -> Void
    ) -> @Sendable (_ format: String, _ path: String, _ progress: (Double) throws -> Void) throws -> Void {
        { format, path, progress in
            guard let format = ExportCommand.Format(rawValue: format) else { return }
            flush()
            try write(folder, as: format, to: path, progress: progress)
        }
    }
}

extension DisplayOptions {
    /// Lets the dashboard write what is recorded of a run.
    ///
    /// - Parameter flush: writes down what happened until now, if the run is one of this process.
    mutating func offerExport(of folder: RunFolder, flush: @escaping @Sendable () -> Void = {}) {
        exportFormats = ExportCommand.Format.allCases.map(\.rawValue)
        export = RunExport.writer(of: folder, flush: flush)
    }
}
