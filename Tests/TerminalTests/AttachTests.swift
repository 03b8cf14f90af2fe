import Foundation
import Testing

extension EndToEndTests {
    /// A headless run without end, that has begun.
    private static func startHeadless() throws -> (process: Process, folder: String) {
        // A socket's path has at most 107 bytes.
        let folder = "/tmp/fp4tui-\(UUID().uuidString.prefix(8))"
        let process = Process()
        process.executableURL = PseudoTerminal.program
        process.arguments =
            ["--batch", "--run-dir", folder] + small + [
                "--steps", "1000000", "--set", "checkpoint.every=0", "--set", "evaluation.every=0",
            ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        let hasBegun = eventually {
            FileManager.default.fileExists(atPath: folder + "/socket") && text(folder, "events").contains("\"stepped\"")
        }
        try #require(hasBegun)
        return (process, folder)
    }

    private static func text(_ folder: String, _ name: String) -> String {
        String(decoding: FileManager.default.contents(atPath: "\(folder)/\(name).jsonl") ?? Data(), as: UTF8.self)
    }

    private static func eventually(_ condition: () -> Bool) -> Bool {
        let deadline = Date(timeIntervalSinceNow: 30)
        while Date() < deadline {
            if condition() { return true }
            usleep(20_000)
        }
        return false
    }

    private static func shows(_ program: PseudoTerminal, _ words: String...) -> Bool {
        program.waitForScreen { screen in words.allSatisfy { screen.text.contains($0) } }
    }

    @Test func aRunOfAnotherProcessIsSteeredAndLeftAndStopped() throws {
        let (process, folder) = try Self.startHeadless()
        defer {
            process.terminate()
            try? FileManager.default.removeItem(atPath: folder)
        }
        let program = try PseudoTerminal(["attach", folder], rows: 40, columns: 120)
        #expect(Self.shows(program, "RUNNING", "attached"))
        program.send("p")
        #expect(Self.shows(program, "PAUSED"))
        #expect(Self.eventually { Self.text(folder, "commands").contains("\"text\":\"pause\"") })
        program.send(":lr 1e-4\r")
        #expect(Self.eventually { Self.text(folder, "events").contains("learning_rate_changed") })
        #expect(Self.shows(program, "peak lr"))

        // Another watches, and can change nothing.
        let watcher = try PseudoTerminal(["attach", folder, "--read-only"])
        #expect(Self.shows(watcher, "PAUSED", "read-only"))
        let before = Self.text(folder, "commands")
        watcher.send("p")
        #expect(Self.shows(watcher, "cannot be steered from here"))
        watcher.send("q")
        #expect(watcher.waitForEnd() == 0)
        #expect(Self.text(folder, "commands") == before)

        program.send("q")
        #expect(Self.shows(program, "Leave the run?"))
        program.send("d")
        #expect(program.waitForEnd() == 0)
        #expect(program.text.contains("left \(folder), which goes on"))
        #expect(process.isRunning)

        let again = try PseudoTerminal(["attach", folder])
        #expect(Self.shows(again, "PAUSED", "attached"))
        again.send("qx")
        #expect(again.waitForEnd() == 0)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let checkpoints = try FileManager.default.contentsOfDirectory(atPath: folder + "/checkpoints")
        #expect(checkpoints.count == 1)

        let late = try PseudoTerminal(["attach", folder])
        #expect(late.waitForEnd() == 2)
        #expect(late.text.contains("is stopped: no process works on it"))
    }

    @Test func theEndOfTheOtherProcessIsNoticed() throws {
        let (process, folder) = try Self.startHeadless()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let program = try PseudoTerminal(["attach", folder], rows: 40, columns: 120)
        #expect(Self.shows(program, "RUNNING", "attached"))
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        #expect(Self.shows(program, "process has ended without a word"))
        program.send("qd")
        #expect(program.waitForEnd() == 0)
    }

    /// What was before an interruption is on the screen when the run goes on.
    @Test func aRunThatGoesOnShowsItsPast() throws {
        let folder = "/tmp/fp4tui-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let run =
            Self.small + [
                "--steps", "1000000", "--run-dir", folder, "--at", "40:prec layers.0.* bf16", "--at", "60:stop",
            ]
        let batch = Process()
        batch.executableURL = PseudoTerminal.program
        batch.arguments = ["--batch"] + run
        batch.standardOutput = FileHandle.nullDevice
        try batch.run()
        batch.waitUntilExit()
        try #require(batch.terminationStatus == 0)
        let program = try PseudoTerminal(["--resume", folder, "--at", "70:pause"], rows: 40, columns: 120)
        #expect(Self.shows(program, "PAUSED", "step 70/1,000,000", "PREC"))
        program.send("4G")
        #expect(Self.shows(program, "START"))
        program.send("qx")
        #expect(program.waitForEnd() == 0)
    }
}
