import ArgumentParser
import Testing

@testable import fp4tui

/// Help as it is shown in a terminal of 80 columns, in full: a change must be seen to be wanted.
@Suite struct HelpTests {
    static func help(_ command: any ParsableCommand.Type) -> String {
        Program.helpMessage(for: command, columns: 80)
    }

    @Test func train() {
        #expect(
            Self.help(TrainCommand.self) == """
                OVERVIEW: Train a Transformer while you watch.

                Without --batch the run is drawn in the terminal: ? shows the keys, q asks and
                quits.

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

                USAGE: fp4tui [options]
                       fp4tui --batch [--json] [options]
                       fp4tui <command> [options]

                CONFIGURATION:
                  --config <file>         Read settings from a TOML file.
                  --set <key=value>       Set one key, as in --set model.layers=6; may be
                                          repeated. 'fp4tui config' prints all keys.
                  --preset <name>         Start from a named configuration; 'fp4tui presets'
                                          lists them.
                  --recipe <name|file>    Train as a precision recipe says, built in or from a
                                          TOML file; 'fp4tui recipes' lists them.
                  --data <path ...>       Files or directories to train on: text, or uint16
                                          tokens in .bin files. Without it, a built-in
                                          synthetic language.
                  --vocab-size <n>        Distinct tokens in .bin files.
                  --steps <n>             Optimizer steps.
                  --seed <n>              Seed of weights, batches and samples.
                  --threads <n>           Threads that compute; 0: one per core.
                  --save <path>           Save the model here at the end (safetensors).
                  --name <name>           Name of the run.
                  --at <step:command>     Give a command after so many steps, as in --at
                                          '500:prec layers.* fp8'; also '92.5%:' and '1.5M
                                          tokens:'. May be repeated.
                  --script <file>         Commands from a file, one 'STEP: COMMAND' a line; #
                                          is a comment.

                RECORDING:
                  --run-dir <path>        The run's folder. Without it: runs/NAME, with the
                                          name of the run or of the preset and a number.
                  --no-record             Leave no trace: no folder, no checkpoints.
                  --tensorboard           Write a TensorBoard event file into the run's folder
                                          while it trains.
                  --resume <run|file>     Go on with a recorded run, with its settings; or
                                          begin a run from a file that save-state wrote.
                  --checkpoint <step>     With --resume: go on from the checkpoint of this step
                                          instead of the newest.
                  --forget-commands       With --resume: do not repeat the commands that were
                                          given after the checkpoint.
                  --allow-saves           With --resume: let the run save to files outside its
                                          folder, as its run.json says.

                OPTIONS:
                  --overwrite             Let --save replace a file that exists.
                  --batch                 Train without the screen: one line per interval on
                                          standard output.
                  --json                  With --batch: one JSON event per line, and nothing
                                          else on standard output.
                  --theme <name|file>     Colours: dark, deuteranopia, light, mono, terminal,
                                          tritanopia, one of your own in
                                          ~/.config/fp4tui/themes, or a base16 file.
                  --glyphs <set>          Characters to draw with; without it, what the
                                          terminal can show. (values: braille, ascii)
                  --ascii                 The same as --glyphs ascii.
                  --colors <count>        Colours to draw with, even with NO_COLOR; without it,
                                          what FP4TUI_COLORS says, or what TERM has. (values:
                                          16, 256, truecolor)
                  --mouse                 Use the mouse: click, wheel; Shift-drag then selects
                                          text.
                  --compare <run>         Draw the loss of a recorded run beneath: its folder,
                                          or its name in runs/. May be repeated.
                  --version               Show the version.
                  -h, --help              Show help information.

                """)
    }

    @Test func presets() {
        #expect(
            Self.help(PresetsCommand.self) == """
                OVERVIEW: List the named configurations.

                The number of parameters depends on the vocabulary: 256 for text, 50,257 for
                GPT-2 tokens. 'fp4tui config --preset NAME' prints all settings of one.

                USAGE: fp4tui presets [--json]

                OPTIONS:
                  --json                  Print JSON.
                  --version               Show the version.
                  -h, --help              Show help information.

                """)
    }

    @Test func recipes() {
        #expect(
            Self.help(RecipesCommand.self) == """
                OVERVIEW: List the precision recipes, or show one.

                fprop, dgrad and wgrad are the shares of these products of the layers' linears
                that run in FP4. cost is the theoretical time of all matrix products of a run,
                BF16 being 100: FP8 is twice as fast and FP4 four times, quantization is free,
                the attention core counts, the head does not. All depend on the model; 'fp4tui
                cost' measures what is left of it on this machine.

                RECIPE FILES:
                  The keys of the section [recipe] ('fp4tui help config' lists them) without
                  'recipe.' in front, and the built-in recipe to start from:

                    inherits = "nvfp4"
                    name = "mine"
                    hadamard = false
                    assignments = ["layers.0.* bf16", "mlp.down backward =mxfp4+sr"]
                    phases = ["80%: layers.* forward bf16"]

                ASSIGNMENTS:
                  MODULES [GEMMS] PRECISION
                    MODULES    a path such as layers.3.mlp.up, or a pattern: mlp.*, attn.{q,k},
                               layers.{0,-1}.*, layers.2-5.attn.?, layers.* for all layers, *
                for
                               the head too
                    GEMMS      fprop, dgrad, wgrad, forward, backward, or several with commas;
                               without it the whole module, as the recipe understands it
                    PRECISION  fp4, fp8 or bf16, in the recipe's formats; or =FORMAT for
                exactly
                               that format

                PHASES:
                  START: MODULES [GEMMS] PRECISION[; MODULES [GEMMS] PRECISION ...]
                    START      step 2000, or 92.5% of the run, or 1.5M tokens (k, M and B are
                               thousand, million and billion)

                Formats are described by 'fp4tui help quantize'.

                EXAMPLES:
                  fp4tui recipes --preset gpt2-124m
                  fp4tui recipes show nvfp4 --toml > mine.toml
                  fp4tui --recipe mine.toml --set recipe.stochastic_rounding=false

                USAGE: fp4tui recipes [--json] [options]
                       fp4tui recipes show <name|file> [--toml] [--json] [options]

                OPTIONS:
                  --version               Show the version.
                  -h, --help              Show help information.

                SUBCOMMANDS:
                  show                    Show everything that is in a recipe.

                  See 'fp4tui help recipes <subcommand>' for detailed help.
                """)
    }

    @Test func cost() {
        #expect(
            Self.help(CostCommand.self) == """
                OVERVIEW: Measure what a recipe's matrix products cost on this machine.

                Times fprop, dgrad and wgrad of each linear of the model's layers at the tokens
                of a micro-batch, in the recipe's formats and in BF16 by turns, with the
                quantization of both operands inside. "theory" is 1/2 for FP8 and 1/4 for FP4;
                "ratio" is the median of the ratios of two turns that follow one another.
                Techniques beside the formats, the attention core and everything that is no
                matrix product are not in it.

                EXAMPLES:
                  fp4tui cost --preset baby
                  fp4tui cost --recipe nvfp4 --set recipe.hadamard=false --seconds 2

                USAGE: fp4tui cost [--seconds <s>] [--json] [options]

                CONFIGURATION:
                  --config <file>         Read settings from a TOML file.
                  --set <key=value>       Set one key, as in --set model.layers=6; may be
                                          repeated. 'fp4tui config' prints all keys.
                  --preset <name>         Start from a named configuration; 'fp4tui presets'
                                          lists them.
                  --recipe <name|file>    Train as a precision recipe says, built in or from a
                                          TOML file; 'fp4tui recipes' lists them.
                  --data <path ...>       Files or directories to train on: text, or uint16
                                          tokens in .bin files. Without it, a built-in
                                          synthetic language.
                  --vocab-size <n>        Distinct tokens in .bin files.
                  --steps <n>             Optimizer steps.
                  --seed <n>              Seed of weights, batches and samples.
                  --threads <n>           Threads that compute; 0: one per core.
                  --save <path>           Save the model here at the end (safetensors).
                  --name <name>           Name of the run.
                  --at <step:command>     Give a command after so many steps, as in --at
                                          '500:prec layers.* fp8'; also '92.5%:' and '1.5M
                                          tokens:'. May be repeated.
                  --script <file>         Commands from a file, one 'STEP: COMMAND' a line; #
                                          is a comment.

                OPTIONS:
                  --seconds <s>           Seconds for each line. (default: 0.5)
                  --json                  Print JSON.
                  --version               Show the version.
                  -h, --help              Show help information.

                """)
    }

    @Test func recipesShow() {
        #expect(
            Self.help(RecipesShowCommand.self) == """
                OVERVIEW: Show everything that is in a recipe.

                With --toml the recipe is printed as a file that --recipe reads: give it a name
                of your own, and change what you like. Switches can be tried here, as in

                  fp4tui recipes show nvfp4 --set recipe.hadamard=false --preset baby

                USAGE: fp4tui recipes show <name|file> [--toml] [--json] [options]

                ARGUMENTS:
                  <name|file>             The recipe's name, or a TOML file.

                CONFIGURATION:
                  --config <file>         Read settings from a TOML file.
                  --set <key=value>       Set one key, as in --set model.layers=6; may be
                                          repeated. 'fp4tui config' prints all keys.
                  --preset <name>         Start from a named configuration; 'fp4tui presets'
                                          lists them.
                  --recipe <name|file>    Train as a precision recipe says, built in or from a
                                          TOML file; 'fp4tui recipes' lists them.
                  --data <path ...>       Files or directories to train on: text, or uint16
                                          tokens in .bin files. Without it, a built-in
                                          synthetic language.
                  --vocab-size <n>        Distinct tokens in .bin files.
                  --steps <n>             Optimizer steps.
                  --seed <n>              Seed of weights, batches and samples.
                  --threads <n>           Threads that compute; 0: one per core.
                  --save <path>           Save the model here at the end (safetensors).
                  --name <name>           Name of the run.
                  --at <step:command>     Give a command after so many steps, as in --at
                                          '500:prec layers.* fp8'; also '92.5%:' and '1.5M
                                          tokens:'. May be repeated.
                  --script <file>         Commands from a file, one 'STEP: COMMAND' a line; #
                                          is a comment.

                OPTIONS:
                  --toml                  Print a recipe file.
                  --json                  Print JSON.
                  --version               Show the version.
                  -h, --help              Show help information.

                """)
    }
}
