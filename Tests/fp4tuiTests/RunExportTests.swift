import Core
import Foundation
import Testing

@testable import Runs
@testable import fp4tui

/// What `:export` writes.
@Suite struct RunExportTests {
    private static func recorded(in path: String) throws -> RunFolder {
        let folder = RunFolder(path + "/run")
        let result = try Binary.run([
            "--batch", "--preset", "micro", "--steps", "3", "--set", "training.batch=1", "--set", "model.context=32",
            "--set", "evaluation.batches=1", "--run-dir", folder.path,
        ])
        try #require(result.status == 0, "\(result.errors)")
        return folder
    }

    @Test func itIsWhatTheCommandWrites() throws {
        try withTemporaryFolder { path in
            let folder = try Self.recorded(in: path)
            for format in ["csv", "markdown"] {
                var shares: [Double] = []
                try RunExport.write(
                    folder, as: try #require(ExportCommand.Format(rawValue: format)), to: "\(path)/a.\(format)"
                ) { shares.append($0) }
                #expect(shares == shares.sorted() && shares.last == 1, "\(shares)")
                let command = try Binary.run(["export", folder.path, "--format", format])
                #expect(try String(contentsOfFile: "\(path)/a.\(format)", encoding: .utf8) == command.output)
            }
            try RunExport.write(folder, as: .tensorboard, to: path + "/events") { _ in }
            let names = try FileManager.default.contentsOfDirectory(atPath: path + "/events")
            #expect(names.count == 1 && names[0].hasPrefix(TensorBoardWriter.filePrefix))
            let data = try Data(contentsOf: URL(fileURLWithPath: "\(path)/events/\(names[0])"))
            #expect(data == TensorBoardExport.data(try RunRecording(reading: folder)))
        }
    }

    /// Only what is written down can be read: here nothing is, until the run is asked for it.
    @Test func theRunIsWrittenDownFirst() throws {
        try withTemporaryFolder { path in
            let folder = try Self.recorded(in: path)
            let away = path + "/away.jsonl"
            try FileManager.default.moveItem(atPath: folder.eventsPath, toPath: away)
            let write = RunExport.writer(of: folder) {
                try? FileManager.default.moveItem(atPath: away, toPath: folder.eventsPath)
            }
            try write("csv", path + "/a.csv") { _ in }
            let command = try Binary.run(["export", folder.path, "--format", "csv"])
            #expect(try String(contentsOfFile: path + "/a.csv", encoding: .utf8) == command.output)
        }
    }

    @Test func nothingIsOverwritten() throws {
        try withTemporaryFolder { path in
            let folder = try Self.recorded(in: path)
            let file = path + "/a.csv"
            try Data("precious".utf8).write(to: URL(fileURLWithPath: file))
            #expect(throws: UserError("export: \(file) exists and is not overwritten; name another file")) {
                try RunExport.write(folder, as: .csv, to: file) { _ in }
            }
            #expect(throws: UserError("export: \(file) is a file, and a folder is needed")) {
                try RunExport.write(folder, as: .tensorboard, to: file) { _ in }
            }
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "precious")
            #expect(throws: UserError("export \(path)/no/a.csv: the folder \(path)/no does not exist")) {
                try RunExport.write(folder, as: .csv, to: path + "/no/a.csv") { _ in }
            }
            try RunExport.write(folder, as: .tensorboard, to: path + "/events") { _ in }
            let name = try FileManager.default.contentsOfDirectory(atPath: path + "/events")[0]
            #expect(throws: UserError("export: \(path)/events holds \(name) already; name another folder")) {
                try RunExport.write(folder, as: .tensorboard, to: path + "/events") { _ in }
            }
        }
    }

    @Test(arguments: ExportCommand.Format.allCases)
    func whatIsLeftIsNotWritten(_ format: ExportCommand.Format) throws {
        struct Stop: Error {}
        try withTemporaryFolder { path in
            let folder = try Self.recorded(in: path)
            #expect(throws: Stop.self) {
                try RunExport.write(folder, as: format, to: path + "/out") { if $0 >= 0.8 { throw Stop() } }
            }
            #expect(!FileManager.default.fileExists(atPath: path + "/out"))
        }
    }

    // MARK: Runs from elsewhere

    /// A run whose run.json has it save somewhere else does so only if its user says so.
    @Test func aRunFromElsewhereSavesOnlyInItsFolder() throws {
        try withTemporaryFolder { path in
            let folder = RunFolder(path + "/run")
            let (model, state) = (path + "/model.safetensors", path + "/state.safetensors")
            let begun = try Binary.run([
                "--batch", "--preset", "micro", "--steps", "6", "--set", "training.batch=1", "--set",
                "model.context=32", "--set", "evaluation.batches=1", "--set", "checkpoint.every=2", "--run-dir",
                folder.path, "--save", model, "--at", "3:stop", "--at", "4:save-state \(state)",
            ])
            try #require(begun.status == 0, "\(begun.errors)")
            let files = FileManager.default
            let resume = ["--batch", "--resume", folder.path]
            let refused = try Binary.run(resume)
            #expect(refused.status == 2)
            #expect(
                refused.errors == "fp4tui: --resume \(folder.path): its run.json has it save to \(model), \(state), "
                    + "outside its folder; --allow-saves allows that\n")
            let half = try Binary.run(resume + ["--save", model])
            #expect(half.status == 2)
            #expect(half.errors.contains("has it save to \(state), outside its folder; --allow-saves allows that"))
            #expect(!files.fileExists(atPath: model) && !files.fileExists(atPath: state))
            let allowed = try Binary.run(resume + ["--allow-saves"])
            #expect(allowed.status == 0, "\(allowed.errors)")
            #expect(files.fileExists(atPath: model) && files.fileExists(atPath: state))
        }
    }

    @Test func thePathSaidAgainIsEnough() throws {
        try withTemporaryFolder { path in
            let folder = RunFolder(path + "/run")
            let model = path + "/model.safetensors"
            let begun = try Binary.run([
                "--batch", "--preset", "micro", "--steps", "4", "--set", "training.batch=1", "--set",
                "model.context=32", "--set", "evaluation.batches=1", "--run-dir", folder.path, "--save", model, "--at",
                "2:stop",
            ])
            try #require(begun.status == 0, "\(begun.errors)")
            let resume = ["--batch", "--resume", folder.path]
            let refused = try Binary.run(resume)
            #expect(refused.status == 2)
            #expect(
                refused.errors.hasSuffix("has it save to \(model), outside its folder; --save says the path again\n"))
            // Inside the folder it may.
            let inside = try Binary.run(resume + ["--save", folder.path + "/model.safetensors", "--at", "3:stop"])
            #expect(inside.status == 0, "\(inside.errors)")
            let again = try Binary.run(resume)
            #expect(again.status == 0, "\(again.errors)")
            #expect(FileManager.default.fileExists(atPath: folder.path + "/model.safetensors"))
            #expect(!FileManager.default.fileExists(atPath: model))
        }
    }
}
