import Foundation
import Testing

@testable import Core
@testable import Runs

/// What a run that came from somewhere else, or that is changed while it is read, cannot do.
@Suite struct SafetyTests {
    private static func folder() throws -> RunFolder {
        let folder = RunFolder(RecordedRunTests.temporaryPath())
        try FileManager.default.createDirectory(atPath: folder.checkpointsPath, withIntermediateDirectories: true)
        return folder
    }

    private static func stopped() async throws -> RunFolder {
        let run = try RecordedRunTests.create(
            RecordedRunTests.configuration {
                $0.run.steps = 12
                $0.run.commands = []
            })
        try await RecordedRunTests.train(run)
        return try RecordedRunTests.interrupted(run.folder, after: 8)
    }

    // MARK: Saves

    @Test func savesOutsideTheFolderAreFound() throws {
        let folder = try Self.folder()
        let elsewhere = RecordedRunTests.temporaryPath()
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/link", withDestinationPath: FileManager.default.temporaryDirectory.path)
        let inside = ["\(folder.path)/model.safetensors", "\(folder.path)/checkpoints/../a"]
        let outside = [
            elsewhere, "model.safetensors", "\(folder.path)/../a", "\(folder.path)/link/a",
            "\(folder.path)/nowhere/../../a",
            "\(folder.path)-2/a", "/etc/a",
        ]
        for path in inside { #expect(folder.holds(path), "\(path)") }
        for path in outside { #expect(!folder.holds(path), "\(path)") }

        let configuration = RecordedRunTests.configuration {
            $0.run.save = outside[0]
            $0.run.commands = [
                "3: save \(outside[2])", "12: save-state \(outside[1])", "20: stop \(outside[0])",
                "20: save \(inside[0])",
                "9: prec mlp.* fp8",
            ]
        }
        #expect(try folder.savesOutside(configuration, after: 12) == [outside[0], outside[1]])
        #expect(try folder.savesOutside(configuration, after: 3) == [outside[0], outside[2], outside[1]])
    }

    /// What only writes is not repeated when a run is trained again.
    @Test func aRerunWritesNothing() async throws {
        let elsewhere = try Self.folder().path
        let configuration = RecordedRunTests.configuration {
            $0.run.steps = 9
            $0.run.commands = ["4: prec mlp.* fp8", "6: pause"]
        }
        let run = try RecordedRunTests.create(configuration)
        try await RecordedRunTests.train(run, react: RecordedRunTests.commanding(6, [.setLearningRate(4e-4)]))
        let recording = try RunRecording(reading: run.folder)
        var manifest = recording.manifest
        manifest.configuration.run.save = elsewhere + "/model"
        manifest.configuration.run.commands += ["3: save \(elsewhere)/a", "5: save-state \(elsewhere)/b"]
        let commands = [
            RecordedCommand(step: 2, command: .save(elsewhere + "/c")),
            RecordedCommand(step: 2, command: .saveState(elsewhere + "/d")),
        ]
        let foreign = RunRecording(
            folder: run.folder, manifest: manifest, events: recording.events,
            commands: commands + recording.commands + [RecordedCommand(step: 7, command: .stop(save: elsewhere + "/e"))]
        )
        let result = try await Rerun(foreign, configuration: manifest.configuration).train()
        #expect(result.isSame, "\(result)")
        #expect(result.steps == 9)
        #expect(try FileManager.default.contentsOfDirectory(atPath: elsewhere) == ["checkpoints"])
    }

    // MARK: Links

    @Test(arguments: ["run.json", "events.jsonl", "commands.jsonl", "checkpoints", "lock"])
    func aRunWhoseFilesLeadElsewhereDoesNotGoOn(_ name: String) async throws {
        let folder = try await Self.stopped()
        let path = folder.path + "/" + name
        let elsewhere = RecordedRunTests.temporaryPath()
        if FileManager.default.fileExists(atPath: path) {
            try FileManager.default.moveItem(atPath: path, toPath: elsewhere)
        } else {
            try Data("precious".utf8).write(to: URL(fileURLWithPath: elsewhere))
        }
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: elsewhere)
        let before = try? Data(contentsOf: URL(fileURLWithPath: elsewhere))
        let error = try #require(throws: UserError.self) { try RecordedRun.resume(folder) }
        #expect(error.description.hasPrefix("\(path) is a symbolic link"))
        let after = try? Data(contentsOf: URL(fileURLWithPath: elsewhere))
        #expect(after == before)
    }

    // MARK: Damaged checkpoints

    @Test func theNewestGoodCheckpointIsTakenIfThatIsAgreedTo() async throws {
        let whole = try RecordedRunTests.create(RecordedRunTests.configuration())
        try await RecordedRunTests.train(whole)
        let copy = try RecordedRunTests.interrupted(whole.folder, after: 24)
        for step in [20, 24] {
            let path = copy.checkpointsPath + "/" + CheckpointFile.name(step: step)
            try #require(truncate(path, 1000) == 0)
        }
        var asked: [String] = []
        #expect(throws: UserError.self) {
            try RecordedRun.resume(
                copy,
                goesBack: { problem, good in
                    asked.append("\(problem): \(good.step)")
                    return false
                })
        }
        #expect(asked.count == 1)
        #expect(asked.first?.hasSuffix(": 16") == true, "\(asked)")
        #expect(asked.first?.contains(CheckpointFile.name(step: 24)) == true)
        let resumed = try RecordedRun.resume(copy, goesBack: { _, _ in true })
        #expect(resumed.checkpoint?.step == 16)
        try await RecordedRunTests.train(resumed)
        let isSame = try RecordedRunTests.Bits(copy) == RecordedRunTests.Bits(whole.folder)
        #expect(isSame)
    }

    // MARK: Files that get shorter

    /// The bytes behind the end are not in memory any more: reading them must not end the process.
    @Test func aRecordingThatIsCutShortWhileItIsReadIsAnError() throws {
        let folder = try Self.folder()
        let event = EventLine(
            .stepped(
                StepMetrics(
                    step: 1, loss: 1, gradientNorm: 1, clippedNorm: 1, learningRate: 1, tokens: 1, stepMilliseconds: 1,
                    elapsedSeconds: 1)))
        let text = String(repeating: try event.json() + "\n", count: 40_000)
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.eventsPath))
        var calls = 0
        let error = #expect(throws: UserError.self) {
            try JSONLines.read(folder.eventsPath, EventLine.self) { _ in
                calls += 1
                #expect(truncate(folder.eventsPath, 100) == 0)
            }
        }
        #expect(calls == 1)
        #expect(
            error?.description
                == "\(folder.eventsPath) can no longer be read whole: it was cut short, or its disk fails")
    }

    @Test func aCheckpointThatIsCutShortWhileItIsReadIsAnError() throws {
        let folder = try Self.folder()
        let path = folder.checkpointsPath + "/" + CheckpointFile.name(step: 1)
        let values = [Float](repeating: 1, count: 1 << 20)
        try SafeTensors.write(
            [.init(name: "a", shape: [1 << 20], floats: values)], metadata: [:], to: path)
        let file = try SafeTensors.File(path)
        try file.verifyChecksum()
        try #require(truncate(path, 1000) == 0)
        for read in [{ try file.verifyChecksum() }, { _ = try file.floats("a") }] {
            let error = #expect(throws: UserError.self) { try read() }
            #expect(error?.description.contains("can no longer be read whole: it was cut short") == true)
        }
    }

    /// Reading can be left, for an export that is stopped.
    @Test func readingAndExportingCanBeLeft() async throws {
        struct Stop: Error {}
        let folder = try await Self.stopped()
        #expect(throws: Stop.self) { _ = try RunRecording(reading: folder) { _ in throw Stop() } }
        let recording = try RunRecording(reading: folder)
        #expect(throws: Stop.self) { _ = try CSVExport.csv(recording) { _ in throw Stop() } }
        let out = RecordedRunTests.temporaryPath()
        #expect(throws: Stop.self) {
            _ = try TensorBoardExport.write(recording, to: out, overwrite: false) { _ in throw Stop() }
        }
        #expect(!FileManager.default.fileExists(atPath: out))
    }
}
