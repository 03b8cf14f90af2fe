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

                COMMANDS:
                  sample                  Write text with a trained model.
                  config                  Print the complete effective configuration as TOML.
                  presets                 List the named configurations.
                  bench                   Measure the kernels on this machine.
                  help <command>          Show the help of a command.

                EXIT CODES:
                  0    the run is complete, or was stopped on request
                  1    the run diverged: loss or gradient norm is not finite
                  2    a flag, a key, a file, the terminal or the data cannot be used
                  130  interrupted by SIGINT;  143 by SIGTERM;  141 standard output was closed
                  A signal ends the run between two steps, and the model is saved if
                  --save is given; a second signal ends the program at once.

                USAGE: fp4tui [options]
                       fp4tui --batch [--json] [options]
                       fp4tui <command> [options]

                CONFIGURATION:
                  --config <file>         Read settings from a TOML file.
                  --set <key=value>       Set one key, as in --set model.layers=6; may be
                                          repeated. 'fp4tui config' prints all keys.
                  --preset <name>         Start from a named configuration; 'fp4tui presets'
                                          lists them.
                  --data <path ...>       Files or directories to train on: text, or uint16
                                          tokens in .bin files. Without it, a built-in
                                          synthetic language.
                  --vocab-size <n>        Distinct tokens in .bin files.
                  --steps <n>             Optimizer steps.
                  --seed <n>              Seed of weights, batches and samples.
                  --threads <n>           Threads that compute; 0: one per core.
                  --save <path>           Save the model here at the end (safetensors).
                  --name <name>           Name of the run.

                OPTIONS:
                  --overwrite             Let --save replace a file that exists.
                  --batch                 Train without the screen: one line per interval on
                                          standard output.
                  --json                  With --batch: one JSON event per line, and nothing
                                          else on standard output.
                  --theme <name|file>     Colours: dark, light, terminal, or a base16 file.
                  --ascii                 Draw with ASCII characters only.
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
                --config file, --set, the other flags.

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
                                                   change the result.
                  run.log_every                    Steps between two lines of the batch log.
                  run.save                         Where the model is saved at the end
                                                   (safetensors); empty: nowhere.
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
                  training.format                  Operands of all GEMMs; fp32 is for checking
                                                   numerics.
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
                  sampling.every                   Steps between samples of text; 0: never.
                  sampling.tokens                  Tokens in a sample.
                  sampling.temperature             Divides the logits; 0: always the most
                                                   likely token.
                  sampling.top_k                   Only the k most likely tokens are drawn; 0:
                                                   all.
                  sampling.prompt                  Text that the samples continue.

                USAGE: fp4tui config [options]

                CONFIGURATION:
                  --config <file>         Read settings from a TOML file.
                  --set <key=value>       Set one key, as in --set model.layers=6; may be
                                          repeated. 'fp4tui config' prints all keys.
                  --preset <name>         Start from a named configuration; 'fp4tui presets'
                                          lists them.
                  --data <path ...>       Files or directories to train on: text, or uint16
                                          tokens in .bin files. Without it, a built-in
                                          synthetic language.
                  --vocab-size <n>        Distinct tokens in .bin files.
                  --steps <n>             Optimizer steps.
                  --seed <n>              Seed of weights, batches and samples.
                  --threads <n>           Threads that compute; 0: one per core.
                  --save <path>           Save the model here at the end (safetensors).
                  --name <name>           Name of the run.

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
}
