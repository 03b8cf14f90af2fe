import Core
import Foundation
import Testing

extension EndToEndTests {
    /// A folder with the recording of a real run.
    private static func record(steps: Int) throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appending(path: "run-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let events = folder.appending(path: "events.jsonl")
        _ = FileManager.default.createFile(atPath: events.path, contents: nil)
        let process = Process()
        process.executableURL = PseudoTerminal.program
        process.arguments =
            ["--batch", "--json"] + small
            + ["--steps", "\(steps)", "--set", "evaluation.every=20"]
            + (steps > 30 ? ["--at", "30:prec layers.0.* bf16"] : [])
        process.standardOutput = try FileHandle(forWritingTo: events)
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        let configuration = try JSONEncoder().encode(RunConfiguration())
        let manifest =
            "{\"format\":\"fp4tui run 1\",\"program\":\"0\",\"created\":1,\"configuration\":"
            + String(decoding: configuration, as: UTF8.self) + "}"
        try manifest.write(to: folder.appending(path: "run.json"), atomically: true, encoding: .utf8)
        return folder
    }

    @Test func aRecordedRunIsPlayedAndLeft() throws {
        let folder = try Self.record(steps: 60)
        defer { try? FileManager.default.removeItem(at: folder) }
        let program = try PseudoTerminal(
            ["replay", folder.path, "--speed", "max", "--compare", folder.path], rows: 40, columns: 120)
        func shows(_ words: String...) -> Bool {
            program.waitForScreen { screen in words.allSatisfy { screen.text.contains($0) } }
        }
        #expect(shows("REPLAY END", "step 60/60", "100%", "\(folder.lastPathComponent.prefix(19))"))
        program.send(":seek 25\r")
        #expect(shows("REPLAY PAUSED", "step 25/60"))
        program.send("n")
        #expect(shows("step 26/60"))
        program.send("V")
        #expect(shows("a recording cannot be steered"))
        // Keys are answered while the run is read.
        program.send(":compare off\r:compare \(folder.path)\r")
        #expect(shows("compared with"))
        program.send(":compare nowhere\r")
        #expect(shows("there is no run nowhere"))
        program.send("$")
        #expect(shows("REPLAY END", "PREC"))
        program.send("q")
        #expect(program.waitForEnd() == 0)
        #expect(program.hasModesOfBefore)
    }

    @Test func aSignalEndsAReplay() throws {
        let folder = try Self.record(steps: 5)
        defer { try? FileManager.default.removeItem(at: folder) }
        let program = try PseudoTerminal(["replay", folder.path])
        #expect(program.waitForScreen { $0.text(row: 0).contains("REPLAY") })
        program.send(signal: SIGTERM)
        #expect(program.waitForEnd() == 128 + SIGTERM)
        #expect(program.hasModesOfBefore)
    }

    @Test func whatHasNoStepsIsNotPlayed() throws {
        let folder = try Self.record(steps: 1)
        defer { try? FileManager.default.removeItem(at: folder) }
        try "".write(to: folder.appending(path: "events.jsonl"), atomically: true, encoding: .utf8)
        let program = try PseudoTerminal(["replay", folder.path])
        #expect(program.waitForEnd() == 2)
        #expect(program.text.contains("events.jsonl has no steps yet: there is nothing to play"))
        let other = try PseudoTerminal(["replay", "nowhere"])
        #expect(other.waitForEnd() == 2)
        #expect(other.text.contains("there is no run nowhere, here or in "))
    }
}
