import Core
import Dashboard
import Foundation
import Testing

@testable import Runs
@testable import fp4tui

/// Every reader of files and sockets against damaged copies of real ones: it reads them, or says what is wrong; it never
/// traps or hangs. FP4TUI_FUZZ_CASES says how many.
@Suite struct FuzzTests {
    private static let cases = ProcessInfo.processInfo.environment["FP4TUI_FUZZ_CASES"].flatMap(Int.init) ?? 1000

    /// How many of the damaged copies were read all the same.
    @discardableResult
    private static func fuzz(
        _ seeds: [[UInt8]], count: Int = cases, read: ([UInt8]) throws -> Void
    ) -> Int {
        var mutator = Mutator(seed: 4)
        var readable = 0
        for index in 0..<count {
            let damaged = mutator.damage(seeds[index % seeds.count])
            do {
                try read(damaged)
                readable += 1
            } catch let error as UserError {
                // One line of text that a terminal can show.
                let isClean = !error.description.isEmpty
                if !isClean { Issue.record("case \(index): an error without a word") }
            } catch {
                Issue.record("case \(index): \(error) is no UserError")
            }
        }
        #expect(readable < count, "no copy was damaged enough: the reader refuses nothing")
        return readable
    }

    private static func text(_ bytes: [UInt8]) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw UserError("this is no text") }
        return text
    }

    private static func output(_ arguments: [String]) throws -> [UInt8] {
        let result = try Binary.run(arguments)
        try #require(result.status == 0)
        return Array(result.output.utf8)
    }

    @Test(.timeLimit(.minutes(60))) func configurations() throws {
        let seeds = try ["micro", "baby", "gpt2-124m"].map { try Self.output(["config", "--preset", $0]) }
        Self.fuzz(seeds) { bytes in
            var configuration = RunConfiguration()
            try configuration.apply(try ConfigurationFile.assignments(in: try Self.text(bytes), file: "f"))
            try configuration.validate()
        }
    }

    @Test(.timeLimit(.minutes(60))) func recipes() throws {
        let seeds = try ["zhou2025", "nvfp4", "tetrajet"].map { try Self.output(["recipes", "show", $0, "--toml"]) }
        Self.fuzz(seeds) { bytes in
            var configuration = RunConfiguration()
            try configuration.apply(
                try ConfigurationFile.assignments(in: try Self.text(bytes), file: "f", section: "recipe"))
            try configuration.validate()
        }
    }

    @Test(.timeLimit(.minutes(60))) func themes() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../themes")
        let seeds = try Theme.names.map {
            Array(try Data(contentsOf: folder.appendingPathComponent("\($0).yaml")))
        }
        Self.fuzz(seeds) { _ = try Theme.parse(try Self.text($0), source: "f") }
    }

    @Test(.timeLimit(.minutes(60))) func commandScripts() throws {
        let script =
            "10: prec layers.* backward fp8\n1.5M tokens: lr 2e-4 # slower\n92.5%: recipe nvfp4\n3: undo\n"
            + "7: module-clip block limit=4 rescaling=sum\n8: fork prec mlp.* fp4\n"
        Self.fuzz([Array(script.utf8)]) { bytes in
            let configuration = RunConfiguration()
            for command in CommandScript.commands(in: try Self.text(bytes), file: "f") {
                _ = try configuration.scheduledCommand(command.text)
            }
        }
    }

    @Test(.timeLimit(.minutes(60))) func linesOnTheSocket() throws {
        let seeds = [
            EngineCommand.setRecipe(.nvfp4), .setLearningRate(1e-3), .fork(.setRecipe(.zhou2025)), .stop(save: "a"),
        ]
        let lines = try seeds.map { Array(try LineCoding.text($0).utf8) } + seeds.map { Array($0.text.utf8) }
        let model = ModelConfiguration()
        Self.fuzz(lines) { _ = try CommandServer.command(try Self.text($0), for: model) }
    }

    @Test(.timeLimit(.minutes(60))) func tokens() throws {
        var header = [UInt8](repeating: 0, count: 1024)
        withUnsafeBytes(of: (Int32(20_240_520), Int32(1), Int32(400))) { header.replaceSubrange(0..<12, with: $0) }
        let body = (0..<400).flatMap { [UInt8($0 % 250), UInt8($0 / 250)] }
        let path = FileManager.default.temporaryDirectory.path + "/fp4tui-fuzz-\(getpid()).bin"
        defer { try? FileManager.default.removeItem(atPath: path) }
        var data = RunConfiguration().data
        data.paths = [path]
        data.vocabularySize = 520
        var window = [Int32](repeating: 0, count: 17)
        Self.fuzz([body, header + body]) { bytes in
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let corpus = try CorpusLoader.load(data, seed: 1)
            try corpus.validate(context: 16)
            for random in [0, UInt64.max / 2, .max] {
                for split in [Split.training, .validation] {
                    try window.withUnsafeMutableBufferPointer { try corpus.fill($0, from: split, random: random) }
                    let isInside = window.allSatisfy { (0..<520).contains($0) }
                    #expect(isInside)
                }
            }
        }
    }

    /// A short run's folder, with events of every kind that it tells.
    private static func recorded() throws -> RunFolder {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        let result = try Binary.run([
            "--batch", "--preset", "micro", "--steps", "6", "--run-dir", folder, "--set", "health.every=3",
            "--set", "health.probe_every=3", "--set", "evaluation.batches=1", "--at", "2:inspect layers.0.mlp.up",
            "--at", "3:prec mlp.* bf16", "--at", "4:lr 1e-4", "--set", "sampling.tokens=5",
        ])
        try #require(result.status == 0, "\(result.errors)")
        return RunFolder(folder)
    }

    @Test(.timeLimit(.minutes(120))) func recordings() throws {
        let run = try Self.recorded()
        let manifest = Array(try Data(contentsOf: URL(fileURLWithPath: run.manifestPath)))
        // Of the longest lines one of each kind is enough.
        var kinds: Set<String> = []
        let events = try Data(contentsOf: URL(fileURLWithPath: run.eventsPath)).split(separator: UInt8(ascii: "\n"))
            .filter { line in
                let text = String(decoding: line, as: UTF8.self)
                let kind = text.range(of: "\"event\":\"[a-z_]*\"", options: .regularExpression).map { String(text[$0]) }
                return kind == "\"event\":\"stepped\"" || kinds.insert(kind ?? "").inserted
            }
        #expect(kinds.count >= 9)
        let resumed = Data(try LineCoding.text(ResumedLine(step: 2, lines: 3, time: 1)).utf8)
        let all = Array((events + [resumed] + events.prefix(3)).joined(separator: [UInt8(ascii: "\n")])) + [10]
        let commands = try [EngineCommand.undo, .setRecipe(.nvfp4), .setPrecision(try .init(parsing: "mlp.* fp8"))]
            .map { try LineCoding.text(RecordedCommand(step: 3, command: $0, time: 1)) }
        let commandBytes = Array((commands.joined(separator: "\n") + "\n").utf8)
        for (path, seed) in [
            (run.manifestPath, manifest), (run.eventsPath, all), (run.commandsPath, commandBytes),
        ] {
            let original = try Data(contentsOf: URL(fileURLWithPath: path))
            // Each case reads many long lines.
            Self.fuzz([seed], count: max(100, Self.cases / 10)) { bytes in
                try Data(bytes).write(to: URL(fileURLWithPath: path))
                _ = RunOverview(run)
                let recording = try RunRecording(reading: run)
                _ = (recording.summary, recording.description, recording.steps)
                _ = try RecordingTail(run).past()
            }
            try original.write(to: URL(fileURLWithPath: path))
        }
        #expect(try RunRecording(reading: run).steps.count == 6)
        try FileManager.default.removeItem(atPath: run.path)
    }
}
