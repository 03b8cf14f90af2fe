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

    @Test func aKeyThatAnOlderVersionDidNotKnowHasItsDefault() throws {
        let folder = try Self.folder([])
        let text = try String(contentsOfFile: folder.manifestPath, encoding: .utf8)
        let lines = text.split(separator: "\n")
        let older = lines.filter { !$0.contains("\"recompute\"") && !$0.contains("\"moments\"") }
            .joined(separator: "\n")
        #expect(older.split(separator: "\n").count == lines.count - 2)
        try older.write(toFile: folder.manifestPath, atomically: true, encoding: .utf8)
        let manifest = try RunManifest.read(folder)
        #expect(manifest.configuration == RunConfiguration() && manifest.created == 1)
        // What decides the bits is not made up.
        for (key, other) in [
            ("\"seed\"", "\"sead\""), ("\"batch\"", "\"bach\""), ("\"fp4tui run 1\"", "\"fp4tui run 2\""),
        ] {
            try older.replacing(key, with: other)
                .write(toFile: folder.manifestPath, atomically: true, encoding: .utf8)
            #expect(throws: UserError.self) { try RunManifest.read(folder) }
        }
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

    /// Many lines are read in parts, on all cores: in their order, each as it would be read alone, and the damage named.
    @Test func manyLinesKeepTheirOrder() throws {
        func stepped(_ step: Int) throws -> String {
            let metrics = StepMetrics(
                step: step, loss: step % 7 == 0 ? .nan : 1 / Float(step),
                gradientNorm: step % 11 == 0 ? .infinity : 0.1,
                clippedNorm: 0.1, learningRate: 1e-3 / Double(step), tokens: step * 32, stepMilliseconds: 1.0 / 3,
                elapsedSeconds: Double(step) / 7,
                timing: step % 2 == 0 ? nil : StepTiming(forward: 0.1, backward: 0.2, optimizer: 0.3, quantize: 1e-9))
            return try EventLine(.stepped(metrics), time: step % 3 == 0 ? nil : 0.1).json()
        }
        var lines: [String] = []
        for step in 1...10_000 {
            lines.append(try stepped(step))
            if step % 100 == 0 { lines.append(try Self.evaluated(step)) }
            if step == 9500 { lines.append(try Self.resumed(step: 9000, lines: 9090)) }
        }
        var shares: [Double] = []
        let recording = try RunRecording(reading: try Self.folder(lines + [""])) { shares.append($0) }
        let kept = lines[..<9090] + lines[9596...]
        let isSame = try recording.events.map { try $0.json() } == Array(kept)
        #expect(isSame)
        #expect(recording.steps.count == 9000 + 500)
        #expect(shares.count == 2 && shares == shares.sorted() && shares.last == 1)

        lines[9000] = lines[9000].replacingOccurrences(of: "\"loss\"", with: "\"lost\"")
        lines[9700] = "{"
        let folder = try Self.folder(lines + [""])
        #expect(throws: UserError("\(folder.eventsPath):9001: the line is damaged, or another version wrote it")) {
            try RunRecording(reading: folder)
        }
    }
}
