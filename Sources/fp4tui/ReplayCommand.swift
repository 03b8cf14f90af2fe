import ArgumentParser
import Core
import Dashboard
import Foundation
import Runs
import Terminal

/// `fp4tui replay`: a recorded run on the screen.
struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Play a recorded run in the dashboard.",
        usage: "fp4tui replay <run> [--speed <x>] [--at <step>] [options]",
        discussion: """
            The run is drawn as it was while it trained: charts, events, precision map and inspector are those of the \
            position, which the title shows. Nothing is trained, and nothing can be steered; a run that is still going on \
            is played as far as it was when the recording was read.

            p or Space plays and pauses, n and N go one step on and back, , and . a hundredth, < and > a tenth, ^ and $ \
            to the ends, [ and ] change the speed, and q leaves. :seek 1200, :seek 50% and :speed 8 do the same by \
            number, and ? lists all keys.

            EXAMPLES:
              fp4tui replay baby
              fp4tui replay runs/baby --speed 1 --at 90%
              fp4tui replay nvfp4 --compare bf16
            """)

    @Argument(help: ArgumentHelp("The run: its folder, or its name in runs/.", valueName: "run"))
    var run: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How many times as fast as it was trained, or max. Without it, so fast that the whole takes a minute at most.",
            valueName: "x"))
    var speed: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Begin after this step, or at this share of all steps, as in 50%.", valueName: "step"))
    var at: String?

    @OptionGroup var screen: ScreenOptions

    func run() async throws {
        let speed = try Self.value("--speed", self.speed) { text throws(UserError) in try ReplaySpeed(parsing: text) }
        let start = try Self.value("--at", at) { text throws(UserError) in try ReplayPosition(parsing: text) }
        try TerminalSession.requireTerminal(alternative: nil)
        var display = try screen.display()
        display.alternative = nil
        let folder = try RunFolder.named(run)
        display.replay = ReplayPlayer(try Self.recording(folder), speed: speed, start: start)
        display.offerExport(of: folder)
        let end = try await TerminalSession.run(.none, options: display)
        if let signal = end.signal { throw ExitCode(ExitStatus.interrupted(by: signal)) }
    }

    /// - Throws: `UserError` naming the run, file or line.
    private static func recording(_ folder: RunFolder) throws -> ReplayRecording {
        let recording = try RecordingReader.read(folder)
        let replay = ReplayRecording(recording.events.map(\.event))
        guard !replay.isEmpty else {
            throw UserError("\(folder.eventsPath) has no steps yet: there is nothing to play")
        }
        return replay
    }

    private static func value<Value>(
        _ flag: String, _ text: String?, _ parse: (String) throws(UserError) -> Value
    ) throws(UserError) -> Value? {
        guard let text else { return nil }
        do {
            return try parse(text)
        } catch {
            throw UserError("\(flag): \(error)")
        }
    }
}
