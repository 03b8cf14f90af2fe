import Core
import Foundation
import Testing

@testable import Runs
@testable import fp4tui

/// Processes that are killed at random moments. FP4TUI_KILLS says how often.
@Suite(.serialized) struct KillTests {
    private static let kills = ProcessInfo.processInfo.environment["FP4TUI_KILLS"].flatMap(Int.init) ?? 5
    private static let every = 7
    private static let steps = 120

    private static let settings = basis + ["--set", "checkpoint.every=\(every)"]

    private static let basis = [
        "--batch", "--json", "--preset", "micro", "--steps", "\(steps)", "--threads", "1",
        "--set", "model.width=32", "--set", "model.heads=2", "--set", "model.context=32", "--set", "training.batch=2",
        "--set", "data.language_words=200", "--set", "sampling.every=0", "--set", "evaluation.every=30",
        "--set", "evaluation.batches=1", "--set", "health.probe_every=40",
        "--recipe", "tetrajet", "--at", "31:prec layers.0.* fp8", "--at", "64:lr 5e-4", "--at", "90:undo",
    ]

    private static func folder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    private static func start(_ arguments: [String], in folder: URL) throws -> Process {
        let process = Process()
        process.executableURL = Binary.url
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.environment = ProcessInfo.processInfo.environment.merging(["FP4TUI_RUNS": "runs"]) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }

    /// What decides: every loss, every evaluation, and the trained weights.
    private struct Result: Hashable {
        var losses: [UInt32]
        var validation: [UInt32]
        var weights: Data

        init(_ folder: URL) throws {
            let recording = try RunRecording(reading: RunFolder(folder.path + "/runs/killed"))
            losses = recording.steps.map(\.loss.bitPattern)
            validation = recording.evaluations.map(\.validationLoss.bitPattern)
            weights = try Data(contentsOf: folder.appendingPathComponent("model.safetensors"))
        }
    }

    @Test func aRunThatIsKilledAgainAndAgainEndsWithTheSameBits() throws {
        let begin = Self.settings + ["--name", "killed", "--save", "model.safetensors"]
        let undisturbed = try Self.folder()
        let clock = ContinuousClock()
        let duration = try clock.measure {
            let process = try Self.start(begin, in: undisturbed)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }
        let expected = try Result(undisturbed)
        #expect(expected.losses.count == Self.steps)

        var generator = SystemRandomNumberGenerator()
        var left = Self.kills
        while left > 0 {
            let folder = try Self.folder()
            let run = RunFolder(folder.path + "/runs/killed")
            var process = try Self.start(begin, in: folder)
            while true {
                if left > 0 {
                    // Starting up takes a share of the time too, so that some are killed before they have begun.
                    usleep(UInt32(Double.random(in: 0...0.6, using: &generator) * (duration / .microseconds(1))))
                    kill(process.processIdentifier, SIGKILL)
                }
                process.waitUntilExit()
                if process.terminationReason == .exit {
                    #expect(process.terminationStatus == 0)
                    break
                }
                left -= 1
                let isBegun = run.isRun
                if isBegun {
                    let overview = RunOverview(run)
                    // Killed after its last word.
                    if overview.state == .completed { break }
                    #expect(overview.state == .interrupted, "\(overview)")
                    #expect(overview.step - (overview.checkpoint ?? 0) <= Self.every, "\(overview)")
                } else {
                    try? FileManager.default.removeItem(atPath: run.path)
                }
                process = try Self.start(
                    isBegun ? ["--batch", "--json", "--resume", "killed", "--overwrite", "--allow-saves"] : begin,
                    in: folder)
            }
            let isSame = try Result(folder) == expected
            #expect(isSame, "\(folder.path) differs from \(undisturbed.path)")
            try FileManager.default.removeItem(at: folder)
        }
        try FileManager.default.removeItem(at: undisturbed)
    }

    @Test(arguments: [(SIGTERM, 143 as Int32), (SIGINT, 130)] as [(Int32, Int32)])
    func aSignalEndsTheRunWithACheckpoint(_ signal: Int32, _ status: Int32) throws {
        let folder = try Self.folder()
        let run = RunFolder(folder.path + "/runs/killed")
        let process = try Self.start(
            Self.basis + ["--name", "killed", "--set", "checkpoint.every=0", "--set", "checkpoint.keep_best=0"],
            in: folder)
        while process.isRunning, RunOverview(run).step < 3 { usleep(5000) }
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        let overview = RunOverview(run)
        // A run that was faster than the signal is complete.
        if overview.state == .completed { return }
        #expect(process.terminationStatus == status)
        #expect(overview.state == .stopped)
        #expect(overview.checkpoint == overview.step)
        try FileManager.default.removeItem(at: folder)
    }
}
