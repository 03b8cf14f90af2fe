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
                  bench                   Measure the kernels on this machine.
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
                  --mouse                 Use the mouse: click, wheel; Shift-drag then selects
                                          text.
                  --compare <run>         Draw the loss of a recorded run beneath: its folder,
                                          or its name in runs/. May be repeated.
                  --version               Show the version.
                  -h, --help              Show help information.

                """)
    }

    @Test func config() {
        #expect(
            Self.help(ConfigCommand.self) == """
                OVERVIEW: Print the complete effective configuration as TOML.

                The output names every key with its meaning, and gives the same run when it is
                fed back with --config. Each of these overrides the one before: the preset, the
                --config file, --recipe, --set, the other flags.

                EXAMPLES:
                  fp4tui config --preset baby > run.toml
                  fp4tui config --config run.toml --set optimizer.decay=wsd

                KEYS:
                  run.name                         Name of the run, for people.
                  run.seed                         Decides the initial weights, the batches and
                                                   the samples of text.
                  run.steps                        Optimizer steps.
                  run.threads                      Threads that compute; 0: one per online
                                                   core. Does not change the result.
                  run.kernels                      Instruction set of the kernels. Does not
                                                   change the result, but for FP8 with
                                                   avx512fp16: see training.strict_fp8.
                  run.log_every                    Steps between two lines of the batch log.
                  run.save                         Where the model is saved at the end
                                                   (safetensors); empty: nowhere.
                  run.commands                     Commands that take effect while it runs, as
                                                   in "1000: prec layers.* fp8".
                  data.paths                       Files or directories; empty: the built-in
                                                   synthetic language.
                  data.format                      auto: .bin files are uint16 tokens, all
                                                   others are bytes of text.
                  data.vocabulary_size             Distinct tokens in .bin files; text always
                                                   has 256.
                  data.validation_fraction         The share at the end of the data that is
                                                   kept for validation.
                  data.language_words              Words of the built-in synthetic language.
                  model.family                     Sets norm, position, activation, bias,
                                                   tied_embeddings and feed_forward_multiple.
                  model.layers                     Transformer blocks.
                  model.heads                      Attention heads; key_value_heads follows if
                                                   it was equal.
                  model.key_value_heads            Heads of keys and values: a divisor of
                                                   heads; fewer is grouped-query attention.
                  model.width                      Channels of the residual stream: a multiple
                                                   of heads.
                  model.context                    The longest sequence, in tokens.
                  model.feed_forward_multiple      Hidden width of the feed-forward network
                                                   over width; rounded to a multiple of 8.
                  model.norm                       Normalisation before attention, feed-forward
                                                   and head.
                  model.position                   Learned position embeddings, or rotary ones
                                                   (RoPE).
                  model.activation                 Activation of the feed-forward network.
                  model.bias                       Biases in the linears and in LayerNorm.
                  model.tied_embeddings            The head shares the token embedding's
                                                   matrix.
                  model.rope_theta                 Base of the rotary frequencies.
                  model.norm_epsilon               Added to the variance (LayerNorm) or the
                                                   mean square (RMSNorm).
                  training.batch                   Sequences in a micro-batch.
                  training.accumulation            Micro-batches in an optimizer step.
                  training.strict_fp8              Sum FP8 in FP32 where the processor has FP16
                                                   too: slower, and the same on every machine.
                  recipe.inherits                  The built-in recipe to start from: sets all
                                                   other keys of the recipe.
                  recipe.name                      A built-in recipe, which sets all other
                                                   keys; or with inherits a name of your own.
                  recipe.summary                   One line about the recipe, for people.
                  recipe.source                    Where the recipe comes from, for people.
                  recipe.stochastic_rounding       Stochastic rounding; true: where the recipe
                                                   has it, else of E, the gradients.
                  recipe.hadamard                  Hadamard transforms; true: where the recipe
                                                   has them, else 16:random in wgrad.
                  recipe.square_scales             Scales for NxN; false: for 1xN instead;
                                                   true: where the recipe has them, else of W.
                  recipe.four_over_six             Four over six; true: where the recipe has
                                                   it, else in all FP4 with e4m3 scales.
                  recipe.trust_mask                dX and dW are zero where fprop's X and W
                                                   saturated.
                  recipe.reuse_forward_operands    dgrad and wgrad quantize fprop's quantized W
                                                   and X, not the master values.
                  recipe.gradient_estimator        Differentiable gradient estimator for FP4
                                                   weights: its k, such as 5; 0:
                                                   straight-through.
                  recipe.gradient_estimator_limit  The largest factor of the gradient
                                                   estimator.
                  recipe.outlier_quantile          FP4 activations beyond their quantiles q and
                                                   1 - q go through a sparse product, such as
                                                   0.99; 0: never.
                  recipe.weight_average            FP4 weights are rounded towards their moving
                                                   average with this decay, such as 0.9972; 0:
                                                   to nearest.
                  recipe.last_layers               The share of the layers, at the end, that
                                                   stays in BF16; at least one layer unless 0.
                  recipe.attention                 q, k, v and o of every layer.
                  recipe.feed_forward              up, gate and down of every layer.
                  recipe.head                      The LM head.
                  recipe.fp4_module                The GEMMs of a module that is set to FP4.
                  recipe.fp8_module                The GEMMs of a module that is set to FP8.
                  recipe.unscaled                  What BF16 means, and the attention core:
                                                   fp32 is for checking numerics.
                  recipe.fp4_fprop_x               FP4 format of X in fprop.
                  recipe.fp4_fprop_w               FP4 format of W in fprop.
                  recipe.fp4_dgrad_e               FP4 format of E in dgrad.
                  recipe.fp4_dgrad_w               FP4 format of W in dgrad.
                  recipe.fp4_wgrad_e               FP4 format of E in wgrad.
                  recipe.fp4_wgrad_x               FP4 format of X in wgrad.
                  recipe.fp8_fprop_x               FP8 format of X in fprop.
                  recipe.fp8_fprop_w               FP8 format of W in fprop.
                  recipe.fp8_dgrad_e               FP8 format of E in dgrad.
                  recipe.fp8_dgrad_w               FP8 format of W in dgrad.
                  recipe.fp8_wgrad_e               FP8 format of E in wgrad.
                  recipe.fp8_wgrad_x               FP8 format of X in wgrad.
                  recipe.assignments               Further settings of modules, in order, over
                                                   all of the above.
                  recipe.target_fraction           The share of the run, at its end, in the
                                                   target precision; 0: never.
                  recipe.target_precision          The target precision.
                  recipe.target_scope              The passes that take the target precision.
                  recipe.phases                    Settings of modules from a step, a share of
                                                   the run or a number of tokens on.
                  recipe.rho_trigger               A module's backward goes to BF16 once
                                                   gradient over quantization noise is below
                                                   this; 0: never.
                  recipe.spike_sigma               A loss so many standard deviations above the
                                                   mean raises modules that misbehave; 0:
                                                   never.
                  recipe.spike_window              Steps of which spike_sigma takes mean and
                                                   deviation.
                  recipe.rescue_non_finite         Modules in which a value is not finite are
                                                   raised, and the step is done again.
                  recipe.clipping_scope            What shares a threshold when gradients E are
                                                   clipped in front of the quantizer.
                  recipe.clipping_threshold        What clipping_limit multiplies: nothing, the
                                                   running RMS, or a running quantile.
                  recipe.clipping_limit            Elements of E beyond the threshold times
                                                   this are clipped.
                  recipe.clipping_quantile         The quantile of magnitudes, if that is the
                                                   threshold.
                  recipe.clipping_decay            Decay per pass of the running RMS or
                                                   quantile.
                  recipe.clipping_rescaling        What clipping took is given back to:
                                                   nothing, the norm or the sum.
                  optimizer.learning_rate          Peak learning rate of AdamW.
                  optimizer.minimum_learning_rate  Learning rate at the last step.
                  optimizer.warmup                 Steps in which the learning rate rises
                                                   linearly.
                  optimizer.decay                  How the learning rate falls after the
                                                   warm-up.
                  optimizer.decay_fraction         wsd: the share of the steps, at the end, in
                                                   which the learning rate falls.
                  optimizer.beta1                  Decay rate of AdamW's mean of the gradient.
                  optimizer.beta2                  Decay rate of AdamW's mean of the squared
                                                   gradient.
                  optimizer.epsilon                Added to the root of AdamW's mean of the
                                                   squared gradient.
                  optimizer.weight_decay           Decoupled weight decay of matrices; norms
                                                   and biases have none.
                  optimizer.clip                   Largest global gradient norm; 0: no limit.
                  evaluation.every                 Steps between evaluations; 0: only at the
                                                   end.
                  evaluation.batches               Batches of the fixed validation sample.
                  health.every                     Steps between reports on the quantization of
                                                   every linear (with --json); 0: never.
                  health.probe_every               Steps between probes, which hold gradients
                                                   and attention against BF16 on a fixed batch;
                                                   0: never.
                  sampling.every                   Steps between samples of text; 0: never.
                  sampling.tokens                  Tokens in a sample.
                  sampling.temperature             Divides the logits; 0: always the most
                                                   likely token.
                  sampling.top_k                   Only the k most likely tokens are drawn; 0:
                                                   all.
                  sampling.prompt                  Text that the samples continue.
                  checkpoint.every                 Steps between checkpoints of a recorded run;
                                                   0: only at its end.
                  checkpoint.minutes               Minutes after which there is a checkpoint in
                                                   any case; 0: never.
                  checkpoint.keep_last             How many of the newest are kept.
                  checkpoint.keep_best             How many of those with the least validation
                                                   loss are kept beside them.

                USAGE: fp4tui config [options]

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
