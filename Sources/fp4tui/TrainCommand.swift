import ArgumentParser
import Core
import Dashboard
import Foundation
import Terminal

/// `fp4tui`: trains, in the terminal or headless.
struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a Transformer while you watch.",
        usage: """
            fp4tui [options]
            fp4tui --batch [--json] [options]
            fp4tui <command> [options]
            """,
        discussion: """
            Without --batch the run is drawn in the terminal: ? shows the keys, q asks and quits.

            EXAMPLES:
              fp4tui                                  train on the built-in language
              fp4tui --data shakespeare.txt --preset nanogpt-cpu
              fp4tui --batch --json --data corpus/ --steps 2000 --save model.safetensors
              fp4tui sample model.safetensors --prompt 'ROMEO:'
              fp4tui --config run.toml --set model.layers=6 --set optimizer.clip=0.5
              fp4tui --recipe nvfp4 --set recipe.stochastic_rounding=false

            COMMANDS:
              sample                  Write text with a trained model.
              config                  Print the complete effective configuration as TOML.
              presets                 List the named configurations.
              recipes                 List the precision recipes; 'recipes show' shows one.
              export <run>            Write a recorded run as TensorBoard, CSV, Markdown.
              compare <run> <run>     Draw the losses of recorded runs, and a table.
              render <run>            Draw a recorded dashboard as text, SVG or PNG.
              cost                    Measure what a recipe's matrix products cost here.
              study                   Train recipes side by side and compare them.
              sensitivity [<model>]   Measure which linears bear low precision.
              bench                   Measure the kernels on this machine.
              quantize <file>         Measure what FP8 and FP4 formats do to data.
              help <command>          Show the help of a command.

            EXIT CODES:
              0    the run is complete, or was stopped on request
              1    the run diverged: loss or gradient norm is not finite
              2    a flag, a key, a file, the terminal or the data cannot be used
              130  interrupted by SIGINT;  143 by SIGTERM;  141 standard output was closed
              A signal ends the run between two steps, and the model is saved if
              --save is given; a second signal ends the program at once.
            """,
        shouldDisplay: false)

    @OptionGroup(title: "Configuration") var options: ConfigurationOptions

    @Flag(help: "Let --save replace a file that exists.")
    var overwrite = false

    @Option(
        help: ArgumentHelp(
            "Go on from a state that the command save-state wrote, in a run with the same settings.",
            valueName: "file"))
    var resume: String?

    @Flag(help: ArgumentHelp("Train without the screen: one line per interval on standard output."))
    var batch = false

    @Flag(help: ArgumentHelp("With --batch: one JSON event per line, and nothing else on standard output."))
    var json = false

    @Option(
        help: ArgumentHelp(
            "Colours: \(Theme.names.joined(separator: ", ")), one of your own in ~/.config/fp4tui/themes, or a base16 file.",
            valueName: "name|file"))
    var theme: String?

    @Option(
        help: ArgumentHelp(
            "Characters to draw with; without it, what the terminal can show.",
            valueName: "set"))
    var glyphs: GlyphSet?

    @Flag(help: "The same as --glyphs ascii.")
    var ascii = false

    @Flag(help: "Use the mouse: click, wheel; Shift-drag then selects text.")
    var mouse = false

    mutating func validate() throws {
        if json && !batch {
            throw ValidationError("--json needs --batch: the screen and JSON cannot share standard output")
        }
        let flags = [
            ("--ascii", ascii), ("--glyphs", glyphs != nil), ("--mouse", mouse), ("--theme", theme != nil),
        ]
        if batch, let flag = flags.first(where: \.1)?.0 {
            throw ValidationError("\(flag) has no meaning with --batch: there is no screen")
        }
        if ascii && glyphs == .braille {
            throw ValidationError("--ascii is --glyphs ascii: leave out one of --ascii and --glyphs braille")
        }
    }

    mutating func run() async throws {
        if !batch { try TerminalSession.requireTerminal() }
        let configuration = try options.resolve()
        try Self.checkSave(path: configuration.run.save, overwrite: overwrite, bytes: configuration.checkpointBytes)
        if batch { try Self.refusePauses(configuration) }
        let status =
            if batch {
                try await BatchRun(configuration: configuration, json: json, resuming: resume).run()
            } else {
                try await InteractiveRun(
                    configuration: configuration, resuming: resume, display: display(configuration)
                ).run()
            }
        if status != 0 { throw ExitCode(status) }
    }

    /// - Throws: `UserError` if a command would pause the run, since without a screen nobody could resume it.
    private static func refusePauses(_ configuration: RunConfiguration) throws {
        for (step, command) in try configuration.scheduledCommands() where command == .pause || command == .step {
            throw UserError(
                "--batch: a command would pause the run after step \(step), and without a screen nobody could resume it"
            )
        }
    }

    private func display(_ configuration: RunConfiguration) -> DisplayOptions {
        var display = DisplayOptions()
        if let theme { display.theme = theme }
        display.glyphs = ascii ? .ascii : glyphs
        display.isMouseOn = mouse
        display.savePath = configuration.run.save.isEmpty ? nil : configuration.run.save
        return display
    }

    /// Finds out before the training what would be a pity to find out after it.
    ///
    /// - Parameter bytes: what the model takes on disk, at least.
    /// - Throws: `UserError` if the model cannot be saved there.
    static func checkSave(path: String, overwrite: Bool, bytes: Int) throws {
        guard !path.isEmpty else { return }
        try OutputFile.check(
            path, flag: "--save", permission: "--overwrite", isGiven: overwrite, bytes: bytes, contents: "the model")
    }
}

extension RunConfiguration {
    /// What a saved model takes on disk, as far as the configuration alone tells.
    fileprivate var checkpointBytes: Int { 4 * model.parameterCount(vocabularySize: expectedVocabularySize) }
}

extension GlyphSet: ExpressibleByArgument {}
