import Core
import Foundation
import Testing

/// Exports, questions and long work, at a terminal.
extension EndToEndTests {
    private static func temporary() throws -> String {
        let path = "/tmp/fp4tui-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    private static func batch(_ arguments: [String]) throws -> Int32 {
        let process = Process()
        process.executableURL = PseudoTerminal.program
        process.arguments = ["--batch"] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }

    private static func shows(_ program: PseudoTerminal, _ words: String...) -> Bool {
        program.waitForScreen { screen in words.allSatisfy { screen.text.contains($0) } }
    }

    private static func lines(_ path: String) -> Int {
        let text = try? String(contentsOfFile: path, encoding: .utf8)
        return text?.split(separator: "\r\n").count ?? 0
    }

    @Test func aRunIsExportedWhileItTrainsAndWhenItIsPlayed() throws {
        let path = try Self.temporary()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let run = path + "/run"
        let program = try PseudoTerminal(
            EndToEndTests.small + ["--steps", "1000000", "--run-dir", run, "--at", "5:pause"], rows: 40, columns: 120)
        #expect(Self.shows(program, "PAUSED"))
        program.send(":exp\tc\t\(path)/a.csv\r")
        #expect(Self.shows(program, "exported \(path)/a.csv"))
        #expect(Self.lines(path + "/a.csv") == 6)
        program.send(":export csv \(path)/a.csv\r")
        #expect(Self.shows(program, "a.csv exists and is not overwritten"))
        program.send(":export stop\r")
        #expect(Self.shows(program, "no export is under way"))
        let attached = try PseudoTerminal(["attach", run], rows: 40, columns: 120)
        #expect(Self.shows(attached, "PAUSED", "attached"))
        attached.send(":export markdown \(path)/b.md\r")
        #expect(Self.shows(attached, "exported \(path)/b.md"))
        attached.send("qd")
        #expect(attached.waitForEnd() == 0)
        program.send("qx")
        #expect(program.waitForEnd() == 0)

        let replay = try PseudoTerminal(["replay", run], rows: 40, columns: 120)
        #expect(Self.shows(replay, "REPLAY", "plays it again"))
        replay.send(":export tensorboard \(path)/events\r")
        #expect(Self.shows(replay, "exported \(path)/events"))
        replay.send("q")
        #expect(replay.waitForEnd() == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: path + "/events").count == 1)
    }

    @Test func aRunWithoutARecordingIsNotExported() throws {
        let program = try PseudoTerminal(
            EndToEndTests.small + ["--steps", "1000000", "--no-record"], rows: 40, columns: 120)
        #expect(Self.shows(program, "RUNNING"))
        program.send(":export csv /tmp/never.csv\r")
        #expect(Self.shows(program, "nothing is recorded of this run"))
        program.send("qx")
        #expect(program.waitForEnd() == 0)
        #expect(!FileManager.default.fileExists(atPath: "/tmp/never.csv"))
    }

    // MARK: Questions

    private static let settings =
        small + [
            "--steps", "8", "--set", "checkpoint.every=2", "--set", "evaluation.every=0", "--set",
            "evaluation.batches=1",
        ]

    @Test(arguments: [true, false])
    func itIsAskedBeforeAnOlderCheckpointIsTaken(_ isBatch: Bool) throws {
        let path = try Self.temporary()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let run = path + "/run"
        #expect(try Self.batch(Self.settings + ["--run-dir", run, "--at", "6:stop"]) == 0)
        let newest = run + "/checkpoints/step-00000006.safetensors"
        try #require(truncate(newest, 1000) == 0)
        let resume = (isBatch ? ["--batch"] : []) + ["--resume", run]
        // Without a terminal nobody can be asked.
        if isBatch { #expect(try Self.batch(["--resume", run]) == 2) }
        for answer in ["n\r", "\r", "\u{4}"] {
            let program = try PseudoTerminal(resume, rows: 40, columns: 120)
            #expect(program.waitFor("Go on from the newest good checkpoint, of step 4? [y/N] "))
            program.send(answer)
            #expect(program.waitForEnd() == 2)
            #expect(program.text.contains("--checkpoint 4 goes on from it"))
        }
        #expect(FileManager.default.fileExists(atPath: newest))
        let program = try PseudoTerminal(resume, rows: 40, columns: 120)
        #expect(program.waitFor("of step 4? [y/N] "))
        program.send("y\r")
        if isBatch {
            #expect(program.waitFor("stopped  6 steps"))
        } else {
            #expect(Self.shows(program, "STOPPED", "step 6/8"))
            program.send("q")
        }
        #expect(program.waitForEnd() == 0)
    }

    @Test func itIsAskedBeforeAModelIsSavedWhereRunJSONSays() throws {
        let path = try Self.temporary()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (run, model) = (path + "/run", path + "/model.safetensors")
        #expect(try Self.batch(Self.settings + ["--run-dir", run, "--save", model, "--at", "3:stop"]) == 0)
        let refused = try PseudoTerminal(["--batch", "--resume", run], rows: 40, columns: 120)
        #expect(refused.waitFor("Allow that? [y/N] "))
        refused.send("n\r")
        #expect(refused.waitForEnd() == 2)
        #expect(!FileManager.default.fileExists(atPath: model))
        let allowed = try PseudoTerminal(["--batch", "--resume", run], rows: 40, columns: 120)
        #expect(allowed.waitFor("Allow that? [y/N] "))
        allowed.send("yes\r")
        #expect(allowed.waitForEnd() == 0)
        #expect(FileManager.default.fileExists(atPath: model))
    }

    // MARK: Long work

    private static let endless =
        small + [
            "--steps", "10", "--set", "evaluation.every=1", "--set",
            "evaluation.batches=1000000",
        ]

    @Test func anEvaluationShowsHowFarItIsAndIsLeft() throws {
        let program = try PseudoTerminal(Self.endless + ["--no-record"], rows: 40, columns: 120)
        #expect(Self.shows(program, "evaluating 0 %, ", " left"))
        program.send("q")
        #expect(Self.shows(program, "Stop the run?"))
        program.send("x")
        #expect(program.waitForEnd() == 0)
        #expect(program.hasModesOfBefore)
    }

    @Test func anEvaluationWithoutAScreenShowsHowFarItIsAndIsLeft() throws {
        let program = try PseudoTerminal(["--batch", "--no-record"] + Self.endless, rows: 40, columns: 120)
        #expect(program.waitFor("/1000000 batches  eta "))
        program.send(signal: SIGINT)
        #expect(program.waitForEnd() == 130)
    }
}
