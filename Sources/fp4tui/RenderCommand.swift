import ArgumentParser
import Core
import Dashboard
import Foundation
import Runs
import Terminal

/// `fp4tui render`: the dashboard of a recorded run as a picture.
struct RenderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "render",
        abstract: "Draw the dashboard of a recorded run as text or a picture.",
        usage: "fp4tui render <run> [--size 120x40] [--step <n>] [--format <format>] [options]",
        discussion: """
            FORMATS:
              text  the characters
              ansi  the characters with the colours of a terminal, 24 bits
              svg   a picture as it looks in a terminal
              png   the same in pixels; needs the library cairo (libcairo2)

            Without --out the picture goes to standard output.

            EXAMPLES:
              fp4tui render baby --format ansi
              fp4tui render baby --size 120x40 --step 500 --format svg --out baby.svg
              fp4tui render baby --focus events --full
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument {
        case text, ansi, svg, png
    }

    @Argument(help: ArgumentHelp("Folder of the run, or its name in runs.", valueName: "run"))
    var name: String

    @Option(help: ArgumentHelp("Columns and rows, from 1x1 to 1000x1000.", valueName: "columns>x<rows"))
    var size = PictureSize(Size(width: 120, height: 40))

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("As it was after this step; without it, as it was last.", valueName: "n"))
    var step: Int?

    @Option(help: "What to write.")
    var format = Format.text

    @Option(
        help: ArgumentHelp(
            "Colours: \(Theme.names.joined(separator: ", ")), one of your own, or a base16 file.",
            valueName: "name|file"))
    var theme = Theme.standardName

    @Option(help: ArgumentHelp("Characters to draw with.", valueName: "set"))
    var glyphs = GlyphSet.braille

    @Option(help: ArgumentHelp("Panel in focus.", valueName: "panel"))
    var focus = PanelName.loss

    @Flag(help: "The panel in focus alone.")
    var full = false

    @Option(parsing: .unconditional, help: ArgumentHelp("PNG: pixels for one of the SVG, from 1 to 8.", valueName: "n"))
    var scale = 2

    @Option(help: ArgumentHelp("File to write to.", valueName: "file"))
    var out: String?

    @Flag(help: "Let --out replace a file that exists.")
    var overwrite = false

    enum PanelName: String, CaseIterable, ExpressibleByArgument {
        case loss, gradient, precision, events, inspector, sample, log, run

        var panel: Panel {
            switch self {
            case .loss: .loss
            case .gradient: .gradientNorm
            case .precision: .precision
            case .events: .events
            case .inspector: .inspector
            case .sample: .sample
            case .log: .log
            case .run: .run
            }
        }
    }

    func validate() throws {
        if scale < 1 || scale > 8 { throw ValidationError("--scale is \(scale); expected 1 to 8") }
        if format == .png, out == nil, isatty(STDOUT_FILENO) == 1 {
            throw ValidationError("--format png writes bytes that are not for a terminal: --out names a file")
        }
    }

    func run() throws {
        let folder = try RunFolder.named(name)
        if let out { try OutputFile.checkOut(out, overwrite: overwrite) }
        let theme = try TerminalSession.theme(theme)
        let recording = try RecordingReader.read(folder)
        var status = StatusLine()
        let remaining = RemainingTime()
        let frame = try frame(of: recording) { done, total in
            let share = 100 * done / max(1, total)
            status.show("\(share)%  playing \(folder.path)  eta \(remaining.text(done: done, of: total))")
        }
        status.hide()
        let title = "fp4tui: run \(folder.name)"
        let data =
            switch format {
            case .text: Data(frame.text.utf8)
            case .ansi: Data(frame.ansi(theme: theme).utf8)
            case .svg: Data(frame.svg(theme: theme, title: title).utf8)
            case .png: try PNGPicture.png(frame, theme: theme, scale: Double(scale))
            }
        try OutputFile.write(data, to: out)
    }

    /// - Parameter progress: told how many events are played, and how many there are.
    /// - Throws: `UserError` if the run has no such step.
    func frame(of recording: RunRecording, progress: (_ done: Int, _ of: Int) -> Void = { _, _ in }) throws -> Frame {
        if let step {
            let last = recording.steps.last?.step ?? 0
            guard step >= 0, step <= last else {
                throw UserError("--step \(step): \(recording.folder.path) has steps from 0 to \(last)")
            }
        }
        let blank = DashboardState(size: size.size, glyphs: glyphs, theme: theme)
        let count = recording.events.count
        let events = recording.events.lazy.enumerated().map { index, line in
            if index % 4096 == 0 { progress(index, count) }
            return line.event
        }
        var state = DashboardState.recorded(events, upTo: step, in: blank)
        _ = reduce(&state, .key(.character(Unicode.Scalar(UInt8(ascii: "0") + UInt8(focus.panel.rawValue)))))
        if full { _ = reduce(&state, .key("z")) }
        return state.frame()
    }
}

/// As in `120x40`.
struct PictureSize: ExpressibleByArgument, Equatable {
    var size: Size

    init(_ size: Size) {
        self.size = size
    }

    init?(argument: String) {
        let parts = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let width = parts[0], let height = parts[1], 1...1000 ~= width, 1...1000 ~= height
        else { return nil }
        size = Size(width: width, height: height)
    }

    var defaultValueDescription: String { size.description }
}
