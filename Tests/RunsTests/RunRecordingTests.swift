import Core
import Foundation
import Testing

@testable import Runs

@Suite struct RunRecordingTests {
    /// A folder of a run with these lines of events.
    static func folder(_ lines: [String], commands: [String] = []) throws -> RunFolder {
        let folder = RunFolder(
            FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path)
        try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
        let manifest = RunManifest(program: "0", created: 1, configuration: RunConfiguration())
        try manifest.write(folder)
        try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: folder.eventsPath))
        try Data(commands.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: folder.commandsPath))
        return folder
    }

    static func evaluated(_ step: Int) throws -> String {
        try EventLine(.evaluated(Evaluation(step: step, validationLoss: 1.5)), time: 12.5).json()
    }

    static func resumed(step: Int, lines: Int) throws -> String {
        try LineCoding.text(ResumedLine(step: step, lines: lines, time: 3))
    }

    @Test func aTornLastLineIsLeftOut() throws {
        let folder = try Self.folder([try Self.evaluated(1), try Self.evaluated(2), #"{"event":"eval"#])
        let recording = try RunRecording(reading: folder)
        #expect(recording.evaluations.map(\.step) == [1, 2])
        #expect(recording.events.map(\.time) == [12.5, 12.5])
    }

    @Test func whatAnInterruptionUndidIsLeftOut() throws {
        let folder = try Self.folder([
            try Self.evaluated(1), try Self.evaluated(2), try Self.evaluated(3), try Self.resumed(step: 1, lines: 1),
            try Self.evaluated(4), try Self.resumed(step: 4, lines: 5), try Self.evaluated(5), "",
        ])
        #expect(try RunRecording(reading: folder).evaluations.map(\.step) == [1, 4, 5])
    }

    @Test func aDamagedLineIsNamed() throws {
        let folder = try Self.folder([try Self.evaluated(1), "{}", try Self.evaluated(3), ""])
        #expect(throws: UserError("\(folder.eventsPath):2: the line is damaged, or another version wrote it")) {
            try RunRecording(reading: folder)
        }
    }

    @Test func resumingAfterALineThatIsNotThereIsDamage() throws {
        let folder = try Self.folder([try Self.evaluated(1), try Self.resumed(step: 1, lines: 7), ""])
        #expect(
            throws: UserError("\(folder.eventsPath):2: resumed after line 7, and there are only 1 before")
        ) { try RunRecording(reading: folder) }
    }

    @Test func commandsComeBackWhole() throws {
        var recipe = Recipe.nvfp4
        recipe.name = "mine"
        let commands: [EngineCommand] = [
            .setPrecision(try PrecisionAssignment(parsing: "layers.* backward fp8")), .setRecipe(recipe), .undo,
            .setLearningRate(1e-3), .fork(.setRecipe(recipe)), .stop(save: nil),
        ]
        let recorded = commands.enumerated().map { RecordedCommand(step: $0.offset, command: $0.element, time: 2) }
        let folder = try Self.folder([], commands: try recorded.map { try LineCoding.text($0) } + [""])
        #expect(try RunRecording(reading: folder).commands == recorded)
    }
}
