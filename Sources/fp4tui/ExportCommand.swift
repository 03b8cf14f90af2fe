import ArgumentParser
import Core
import Foundation
import Runs

/// `fp4tui export`: a recorded run in the formats of other programs.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a recorded run as TensorBoard events, CSV or Markdown.",
        usage: "fp4tui export <run> --format <format> [--out <path>] [--overwrite]",
        discussion: """
            FORMATS:
              tensorboard  an event file in the folder --out, by default the run's own:
                           tensorboard --logdir runs shows all runs
              csv          a row for each step (RFC 4180); NaN and Infinity are words
              markdown     a page: what the run was, how it ended, its precision changes
                           and what they did, its evaluations

            CSV and Markdown go to standard output unless --out names a file.

            TENSORBOARD'S NAMES:
              train/       loss grad_norm clipped_norm learning_rate grad_error
              val/         loss
              perf/        tokens_per_s step_ms forward_ms backward_ms optimizer_ms
                           quantize_ms
              prec/        share_fp4 share_fp8 share_bf16 cost
              prec/MODULE/ format (bits, the mean of its three GEMMs) grad_norm, and the
                           largest of its operands' amax saturated underflow error
              fork/        loss
              texts        run sample prec/changes

            EXAMPLES:
              fp4tui export baby --format tensorboard
              fp4tui export runs/baby --format csv --out baby.csv
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument {
        case tensorboard, csv, markdown
    }

    @Argument(help: ArgumentHelp("Folder of the run, or its name in runs.", valueName: "run"))
    var name: String

    @Option(help: ArgumentHelp("What to write.", valueName: "format"))
    var format: Format

    @Option(help: ArgumentHelp("File, or folder for TensorBoard, to write to.", valueName: "path"))
    var out: String?

    @Flag(help: "Replace a file that exists.")
    var overwrite = false

    func run() throws {
        let folder = try RunFolder.named(name)
        if let out, format != .tensorboard { try OutputFile.checkOut(out, overwrite: overwrite) }
        let recording = try RecordingReader.read(folder)
        var status = StatusLine()
        let remaining = RemainingTime()
        let progress: (Double) -> Void = { share in
            let text = remaining.text(done: Int(share * 1000), of: 1000)
            status.show("\(Int(share * 100))%  exporting \(folder.path)  eta \(text)")
        }
        switch format {
        case .tensorboard:
            let path = try TensorBoardExport.write(
                recording, to: out ?? folder.path, overwrite: overwrite, progress: progress)
            status.hide()
            var output = StandardOutput()
            try output.write("\(path)\n")
        case .csv:
            let text = CSVExport.csv(recording, progress: progress)
            status.hide()
            try OutputFile.write(Data(text.utf8), to: out)
        case .markdown: try OutputFile.write(Data(MarkdownExport.markdown(recording).utf8), to: out)
        }
    }
}

/// Reading what is recorded of a run, with a line about it while it takes long.
enum RecordingReader {
    /// - Throws: `UserError` naming file and line.
    static func read(_ folder: RunFolder) throws -> RunRecording {
        try follow(folder) { progress in try RunRecording(reading: folder, progress: progress) }
    }

    /// What was recorded of a run that goes on.
    ///
    /// - Throws: `UserError` naming file and line.
    static func past(_ run: RecordedRun) throws -> [EventLine] {
        try follow(run.folder) { progress in try run.pastEvents(progress: progress) }
    }

    /// Does work that is told how to report the share that is done.
    static func follow<T>(_ folder: RunFolder, _ work: ((Double) -> Void) throws -> T) rethrows -> T {
        var status = StatusLine()
        let remaining = RemainingTime()
        defer { status.hide() }
        return try work { share in
            let text = remaining.text(done: Int(share * 1000), of: 1000)
            status.show("\(Int(share * 100))%  reading \(folder.path)  eta \(text)")
        }
    }
}

extension OutputFile {
    /// - Throws: `UserError` if --out cannot be written.
    static func checkOut(_ path: String, overwrite: Bool) throws {
        try check(path, flag: "--out", permission: "--overwrite", isGiven: overwrite)
    }

    /// Writes a file as a whole or not at all; standard output if there is no path.
    ///
    /// - Throws: `UserError` if it cannot be written.
    static func write(_ data: Data, to path: String?) throws {
        guard let path else {
            var output = StandardOutput()
            try output.write(data)
            if output.isClosed { throw ExitCode(ExitStatus.outputClosed) }
            return
        }
        do {
            try data.write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw UserError("--out \(path) cannot be written: \(error.localizedDescription)")
        }
    }
}
