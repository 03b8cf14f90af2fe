import Core
import Foundation
import Testing

@testable import Runs

/// Files that cannot grow, as on a full disk: a limit on their size stands for it.
@Suite struct FullDiskTests {
    @Test func trainingGoesOnAndNothingIsTorn() throws {
        let folder = RunFolder(
            FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path)
        defer { try? FileManager.default.removeItem(atPath: folder.path) }
        // Blocks of 512 or 1024 bytes, as the shell has it: less than the events of 40 steps, far less than a checkpoint.
        let result = try Binary.shell(
            "trap '' XFSZ; ulimit -f 24; exec '\(Binary.url.path)' --batch --preset micro --steps 40 --run-dir "
                + "'\(folder.path)' --set checkpoint.every=10 --set evaluation.batches=1 --set health.every=2")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("completed  40 steps"))
        let warnings = result.output.split(separator: "\n").filter { $0.hasPrefix("warning") }
        #expect(
            warnings.contains { $0.contains("step-00000010.safetensors") && $0.contains("there is no checkpoint yet") })
        #expect(warnings.filter { $0.contains("events.jsonl") && $0.hasSuffix("this is tried again") }.count == 1)
        // No part of a line, and no part of a checkpoint.
        let text = try String(contentsOfFile: folder.eventsPath, encoding: .utf8)
        #expect(text.hasSuffix("\n") && text.utf8.count < 25_000)
        let recording = try RunRecording(reading: folder)
        #expect(!recording.steps.isEmpty && recording.steps.count < 40)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.checkpointsPath) == [])

        // With room again the run begins anew, as there is no checkpoint, and is recorded whole.
        let resumed = try Binary.run(["--batch", "--resume", folder.path])
        #expect(resumed.status == 0, "\(resumed.errors)")
        #expect(try RunRecording(reading: folder).steps.map(\.step) == Array(1...40))
    }

    #if os(Linux)
    @Test func whatFoundNoRoomIsWrittenLater() throws {
        let folder = RunFolder("/tmp/fp4tui-\(UUID().uuidString.prefix(8))")
        defer { try? FileManager.default.removeItem(atPath: folder.path) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [
            "-c",
            "trap '' XFSZ; ulimit -S -f 24; exec '\(Binary.url.path)' --batch --preset micro --steps 40 --at 30:pause "
                + "--run-dir '\(folder.path)' --set checkpoint.every=0 --set checkpoint.keep_best=0 "
                + "--set evaluation.batches=1 --set health.every=2",
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        var text = ""
        while !text.contains("paused at step 30") {
            let data = output.fileHandleForReading.availableData
            if data.isEmpty { break }
            text += String(decoding: data, as: UTF8.self)
        }
        try #require(text.contains("paused at step 30"))
        #expect(try RunRecording(reading: folder).steps.count < 30)
        let lifted = try Binary.shell("prlimit --pid \(process.processIdentifier) --fsize=unlimited")
        try #require(lifted.status == 0, "\(lifted.errors)")
        try CommandClient(folder).send(.resume)
        text += String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(text.contains("the run is recorded again; nothing is missing"))
        #expect(try RunRecording(reading: folder).steps.map(\.step) == Array(1...40))
    }
    #endif
}
