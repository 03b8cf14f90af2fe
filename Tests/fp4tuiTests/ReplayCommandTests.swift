import Core
import Foundation
import Runs
import Testing

@testable import fp4tui

/// What can be said of `fp4tui replay` and `--compare` without a terminal.
@Suite struct ReplayCommandTests {
    /// A folder with a run of so many steps.
    static func run(steps: Int) throws -> RunFolder {
        let folder = RunFolder(FileManager.default.temporaryDirectory.appending(path: "run-\(UUID().uuidString)").path)
        try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
        let manifest = RunManifest(program: "0", created: 1, configuration: RunConfiguration())
        try JSONEncoder().encode(manifest).write(to: URL(filePath: folder.manifestPath))
        let lines = try (1..<(steps + 1)).map { step in
            let metrics = StepMetrics(
                step: step, loss: 3, gradientNorm: 1, clippedNorm: 1, learningRate: 1e-3, tokens: step,
                stepMilliseconds: 10, elapsedSeconds: Double(step) / 100)
            return try EventLine(.stepped(metrics)).json() + "\n"
        }
        try lines.joined().write(toFile: folder.eventsPath, atomically: true, encoding: .utf8)
        return folder
    }

    @Test(arguments: [
        (["replay", "nowhere"], "standard input and output are not a terminal"),
        (
            ["replay", "x", "--speed", "0"],
            "--speed: expected a speed from 0.001, such as 8: 1 is as fast as it was trained; or max; found “0”"
        ),
        (["replay", "x", "--at", "-1%"], "--at: expected a step such as 1200, or a share such as 50%; found “-1%”"),
        (
            ["replay", "x", "--ascii", "--glyphs", "braille"],
            "--ascii is --glyphs ascii: leave out one of --ascii and --glyphs braille\nSee 'fp4tui --help'."
        ),
        (["replay"], "Missing expected argument '<run>'\nSee 'fp4tui --help'."),
        (
            ["--batch", "--compare", "x"],
            "--compare has no meaning with --batch: there is no screen\nSee 'fp4tui --help'."
        ),
    ])
    func whatCannotBeShownIsRefused(_ item: (arguments: [String], message: String)) throws {
        let result = try Binary.run(item.arguments)
        #expect(result.status == 2)
        #expect(result.errors == "fp4tui: \(item.message)\n")
        #expect(result.output == "")
    }

    @Test func runsAreReadForComparison() throws {
        let folder = try Self.run(steps: 20)
        defer { try? FileManager.default.removeItem(atPath: folder.path) }
        var shares: [Double] = []
        #expect(try ComparedRuns.read(folder.path) { shares.append($0) }.name == folder.name)
        #expect(shares == [1])
        #expect(try ComparedRuns.read([folder.path, folder.path]).count == 2)
        #expect(throws: UserError("--compare: at most 3 runs can be compared, and 4 are given")) {
            try ComparedRuns.read(["a", "b", "c", "d"])
        }
        #expect(throws: UserError("there is no run nowhere, here or in runs")) { try ComparedRuns.read("nowhere") }
        let empty = try Self.run(steps: 0)
        defer { try? FileManager.default.removeItem(atPath: empty.path) }
        #expect(throws: UserError("\(empty.path) has no steps yet: there is nothing to compare")) {
            try ComparedRuns.read(empty.path)
        }
    }
}
