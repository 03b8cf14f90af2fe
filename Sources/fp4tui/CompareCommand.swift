import ArgumentParser
import Core
import Dashboard
import Foundation
import Runs
import Terminal

/// `fp4tui compare`: recorded runs side by side.
struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare recorded runs: loss curves and a table.",
        usage: "fp4tui compare <run> <run> ... [--format <format>] [--out <file>]",
        discussion: """
            Draws the loss curves of up to \(ComparisonChart.mostCurves) runs over each other, as a moving average \
            (\(ComparisonChart.smoothing)), and prints a table; gaps are to the first run. Runs that are not over are \
            taken as far as they are. What makes runs hard to compare, such as other data, is noted below the table.

            FORMATS:
              text      chart and table; in colour on a terminal
              markdown  the table
              json      the table
              svg       the chart

            EXAMPLES:
              fp4tui compare bf16 zhou2025 nvfp4
              fp4tui compare runs/a runs/b --from 1000 --format svg --out losses.svg
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument {
        case text, markdown, svg, json
    }

    @Argument(
        help: ArgumentHelp("Folders of runs, or their names in runs; the first is the reference.", valueName: "run"))
    var runs: [String]

    @Option(help: "What to write.")
    var format = Format.text

    @Flag(help: "Logarithmic y axis.")
    var log = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("First step of the chart: later ones are easier to tell apart.", valueName: "step"))
    var from = 0

    @Flag(help: "Draw the chart with ASCII alone.")
    var ascii = false

    @Option(
        help: ArgumentHelp(
            "Columns and rows of the chart; by default as wide as the terminal.", valueName: "columns>x<rows"))
    var size: PictureSize?

    @Option(
        help: ArgumentHelp(
            "Colours: \(Theme.names.joined(separator: ", ")), one of your own, or a base16 file.",
            valueName: "name|file"))
    var theme = Theme.standardName

    @Option(help: ArgumentHelp("File to write to.", valueName: "file"))
    var out: String?

    @Flag(help: "Let --out replace a file that exists.")
    var overwrite = false

    func validate() throws {
        guard runs.count >= 2 else {
            throw ValidationError("compare takes two runs or more, and \(runs.count) is given")
        }
        guard runs.count <= ComparisonChart.mostCurves else {
            throw ValidationError(
                "compare takes at most \(ComparisonChart.mostCurves) runs, and \(runs.count) are given")
        }
    }

    func run() throws {
        let folders = try runs.map { try RunFolder.named($0) }
        if let out { try OutputFile.checkOut(out, overwrite: overwrite) }
        let theme = try TerminalSession.theme(theme)
        let comparison = RunComparison(try folders.map { try RecordingReader.read($0) })
        let text =
            switch format {
            case .text: text(comparison, theme)
            case .markdown: comparison.markdown
            case .json: try LineCoding.text(comparison, isPretty: true) + "\n"
            case .svg: chart(comparison).svg(theme: theme, title: "Loss")
            }
        try OutputFile.write(Data(text.utf8), to: out)
    }

    private func chart(_ comparison: RunComparison) -> ComparisonChart {
        let curves = comparison.curves.map { run in
            var curve = ComparisonChart.Curve(run.run)
            for metrics in run.steps where metrics.step >= from { curve.append(step: metrics.step, loss: metrics.loss) }
            return curve
        }
        return ComparisonChart(curves, isLogarithmic: log)
    }

    private func text(_ comparison: RunComparison, _ theme: Theme) -> String {
        var terminal = winsize()
        let isTerminal = out == nil && isatty(STDOUT_FILENO) == 1
        let isKnown = isTerminal && ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &terminal) == 0 && terminal.ws_col > 0
        let columns = isKnown ? Int(terminal.ws_col) : 100
        let size = size?.size ?? Size(width: min(columns, 160), height: 20)
        let frame = chart(comparison).frame(size: size, glyphs: ascii ? .ascii : .braille)
        let environment = ProcessInfo.processInfo.environment
        let isColoured = isTerminal && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
        let picture = isColoured ? frame.ansi(theme: theme) : frame.text
        let rows = comparison.cells.enumerated().map { index, cells in
            [String(Character(ComparisonChart.letter(index)))] + cells
        }
        var lines = LogFormat.columns([[""] + comparison.columnNames] + rows, leftAligned: 3)
        lines += ["", RunComparison.legend].map { LogFormat.wrapped($0, label: "", columns: 100) }
        lines += comparison.notes.map { LogFormat.wrapped($0, label: "note: ", columns: 100) }
        return picture + "\n" + lines.map { $0 + "\n" }.joined()
    }
}
