import ArgumentParser
import Testing

@testable import fp4tui

extension HelpTests {
    @Test func export() {
        #expect(
            Self.help(ExportCommand.self) == """
                OVERVIEW: Write a recorded run as TensorBoard events, CSV or Markdown.

                FORMATS:
                  tensorboard  an event file in the folder --out, by default the run's own:
                               tensorboard --logdir runs shows all runs
                  csv          a row for each step (RFC 4180); NaN and Infinity are words
                  markdown     a page: what the run was, how it ended, its precision changes
                               and what they did, its evaluations

                CSV and Markdown go to standard output unless --out names a file.

                TENSORBOARD'S NAMES:
                  train/       loss grad_norm clipped_norm learning_rate grad_error
                  val/         loss
                  perf/        tokens_per_s step_ms forward_ms backward_ms optimizer_ms
                               quantize_ms
                  prec/        share_fp4 share_fp8 share_bf16 cost
                  prec/MODULE/ format (bits, the mean of its three GEMMs) grad_norm, and the
                               largest of its operands' amax saturated underflow error
                  fork/        loss
                  texts        run sample prec/changes

                EXAMPLES:
                  fp4tui export baby --format tensorboard
                  fp4tui export runs/baby --format csv --out baby.csv

                USAGE: fp4tui export <run> --format <format> [--out <path>] [--overwrite]

                ARGUMENTS:
                  <run>                   Folder of the run, or its name in runs.

                OPTIONS:
                  --format <format>       What to write. (values: tensorboard, csv, markdown)
                  --out <path>            File, or folder for TensorBoard, to write to.
                  --overwrite             Replace a file that exists.
                  --version               Show the version.
                  -h, --help              Show help information.

                """)
    }

    @Test func compare() {
        #expect(
            Self.help(CompareCommand.self) == """
                OVERVIEW: Compare recorded runs: loss curves and a table.

                Draws the loss curves of up to 8 runs over each other, as a moving average
                (0.9), and prints a table; gaps are to the first run. Runs that are not over
                are taken as far as they are. What makes runs hard to compare, such as other
                data, is noted below the table.

                FORMATS:
                  text      chart and table; in colour on a terminal
                  markdown  the table
                  json      the table
                  svg       the chart

                EXAMPLES:
                  fp4tui compare bf16 zhou2025 nvfp4
                  fp4tui compare runs/a runs/b --from 1000 --format svg --out losses.svg

                USAGE: fp4tui compare <run> <run> ... [--format <format>] [--out <file>]

                ARGUMENTS:
                  <run>                   Folders of runs, or their names in runs; the first is
                                          the reference.

                OPTIONS:
                  --format <format>       What to write. (values: text, markdown, svg, json;
                                          default: text)
                  --log                   Logarithmic y axis.
                  --from <step>           First step of the chart: later ones are easier to
                                          tell apart. (default: 0)
                  --ascii                 Draw the chart with ASCII alone.
                  --size <columns>x<rows> Columns and rows of the chart; by default as wide as
                                          the terminal.
                  --theme <name|file>     Colours: dark, deuteranopia, light, mono, terminal,
                                          tritanopia, one of your own, or a base16 file.
                                          (default: dark)
                  --out <file>            File to write to.
                  --overwrite             Let --out replace a file that exists.
                  --version               Show the version.
                  -h, --help              Show help information.

                """)
    }

    @Test func render() {
        #expect(
            Self.help(RenderCommand.self) == """
                OVERVIEW: Draw the dashboard of a recorded run as text or a picture.

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

                USAGE: fp4tui render <run> [--size 120x40] [--step <n>] [--format <format>] [options]

                ARGUMENTS:
                  <run>                   Folder of the run, or its name in runs.

                OPTIONS:
                  --size <columns>x<rows> Columns and rows, from 1x1 to 1000x1000. (default:
                                          120x40)
                  --step <n>              As it was after this step; without it, as it was last.
                  --format <format>       What to write. (values: text, ansi, svg, png;
                                          default: text)
                  --theme <name|file>     Colours: dark, deuteranopia, light, mono, terminal,
                                          tritanopia, one of your own, or a base16 file.
                                          (default: dark)
                  --glyphs <set>          Characters to draw with. (values: braille, ascii;
                                          default: braille)
                  --focus <panel>         Panel in focus. (values: loss, gradient, precision,
                                          events, inspector, sample, log, run; default: loss)
                  --full                  The panel in focus alone.
                  --scale <n>             PNG: pixels for one of the SVG, from 1 to 8.
                                          (default: 2)
                  --out <file>            File to write to.
                  --overwrite             Let --out replace a file that exists.
                  --version               Show the version.
                  -h, --help              Show help information.

                """)
    }
}
