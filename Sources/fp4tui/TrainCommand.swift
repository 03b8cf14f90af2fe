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
              runs                    List the recorded runs.
              attach <run>            Open the dashboard on a run of another process.
              replay <run>            Play a recorded run in the dashboard.
              rerun <run>             Train a run again and compare the bits.
              export <run>            Write a recorded run as TensorBoard, CSV, Markdown.
              compare <run> <run>     Draw the losses of recorded runs, and a table.
              render <run>            Draw a recorded dashboard as text, SVG or PNG.
              cost                    Measure what a recipe's matrix products cost here.
              study                   Train recipes side by side and compare them.
              sensitivity [<model>]   Measure which linears bear low precision.
              bench                   Measure kernels and training steps on this machine.
              quantize <file>         Measure what FP8 and FP4 formats do to data.
              help <command>          Show the help of a command.

            EXIT CODES:
              0    the run is complete, or was stopped on request
              1    the run diverged: loss or gradient norm is not finite
              2    a flag, a key, a file, the terminal or the data cannot be used
              130  interrupted by SIGINT;  143 by SIGTERM;  141 standard output was closed
              A signal ends the run between two steps: a last checkpoint is written, and
              the model if --save is given; a second signal ends the program at once.
            """,
        shouldDisplay: false)

    @OptionGroup(title: "Configuration") var options: ConfigurationOptions

    @Flag(help: "Let --save replace a file that exists.")
    var overwrite = false

    @OptionGroup(title: "Recording") var recording: RecordingOptions

    @Flag(help: ArgumentHelp("Train without the screen: one line per interval on standard output."))
    var batch = false

    @Flag(help: ArgumentHelp("With --batch: one JSON event per line, and nothing else on standard output."))
    var json = false

    @OptionGroup var screen: ScreenOptions

    mutating func validate() throws {
        if json && !batch {
            throw ValidationError("--json needs --batch: the screen and JSON cannot share standard output")
        }
        if batch, let flag = screen.given {
            throw ValidationError("\(flag) has no meaning with --batch: there is no screen")
        }
    }

    mutating func run() async throws {
        if !batch { try TerminalSession.requireTerminal() }
        let start = try recording.start(options, check: check)
        do {
            let status =
                if batch {
                    try await BatchRun(start: start, json: json).run()
                } else {
                    try await InteractiveRun(start: start, display: try display(start)).run()
                }
            if status != 0 { throw ExitCode(status) }
        } catch {
            start.recorded?.discard()
            throw error
        }
    }

    /// - Throws: `UserError` if the run makes no sense as it is asked for.
    private func check(_ configuration: RunConfiguration) throws {
        try Self.checkSave(path: configuration.run.save, overwrite: overwrite, bytes: configuration.checkpointBytes)
        if batch, recording.noRecord { try Self.refusePauses(configuration) }
    }

    /// - Throws: `UserError` if a command would pause the run, since nobody could resume it: neither at a screen nor by
    ///   attaching to it.
    private static func refusePauses(_ configuration: RunConfiguration) throws {
        for (step, command) in try configuration.scheduledCommands() where command == .pause || command == .step {
            throw UserError(
                "--batch --no-record: a command would pause the run after step \(step), and nobody could resume it"
            )
        }
    }

    private func display(_ start: RunStart) throws -> DisplayOptions {
        var display = try screen.display()
        display.savePath = start.configuration.run.save.isEmpty ? nil : start.configuration.run.save
        display.runFolder = start.recorded?.folder.path
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
