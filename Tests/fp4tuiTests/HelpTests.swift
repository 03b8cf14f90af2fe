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
                  quantize <file>         Measure what FP8 and FP4 formats do to data.
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
                  --at <step:command>     Give a command after so many steps, as in --at
                                          '500:prec layers.* fp8'; also '92.5%:' and '1.5M
                                          tokens:'. May be repeated.
                  --script <file>         Commands from a file, one 'STEP: COMMAND' a line; #
                                          is a comment.

                OPTIONS:
                  --overwrite             Let --save replace a file that exists.
                  --resume <file>         Go on from a state that the command save-state wrote,
                                          in a run with the same settings.
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
                  training.format                  Operands of the GEMMs of the layers'
                                                   linears; the rest stays BF16. fp32 is for
                                                   checking numerics.
                  training.strict_fp8              Sum FP8 in FP32 where the processor has FP16
                                                   too: slower, and the same on every machine.
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

    @Test func quantize() {
        #expect(
            Self.help(QuantizeCommand.self) == """
                OVERVIEW: Measure what FP8 and FP4 formats do to data.

                Quantizes every tensor to each format and back, and reports for each tensor and
                for all together:
                  relMSE       squared error over sum of squares
                  SQNR         the same in decibels
                  cosine       of the angle between a tensor and its quantized values
                  saturated    share of values beyond the format's largest number
                  underflow    share of values that became zero and were none
                  bits         per value, scales included

                Blocks run along the last axis, the reduction axis of y = x Wᵀ; all other axes
                are rows. Infinities and NaN make their block NaN (with e4m3 scales the whole
                tensor); they are counted, and what became NaN enters no figure.

                EXAMPLES:
                  fp4tui quantize model.safetensors --tensor '*.mlp.*'
                  fp4tui quantize --student 1000000 --format nvfp4 --format nvfp4+4/6
                  fp4tui quantize weights.f32 --columns 4096 --json
                  fp4tui quantize model.safetensors --format nvfp4 --output nvfp4.safetensors

                FORMATS:
                  A format is a name or ELEMENT:BLOCK:SCALE, and options behind it.
                    names     fp32 bf16 fp8 fp8-2d fp8-row fp8-tensor fp8-e5m2 mxfp8
                              fp4 fp4-2d fp4-row fp4-tensor mxfp4 mxfp4-ceil nvfp4 nvfp4-2d
                    ELEMENT   e2m1, e4m3, e5m2
                    BLOCK     tensor, row, 1xN, NxN with N = 16, 32, 64 or 128; 1xN runs along
                              the reduction axis
                    SCALE     fp32, e8m0-floor, e8m0-ceil, e8m0-nearest;
                              e4m3 for e2m1 in 1xN or NxN, with an fp32 scale for the tensor
                    options   +sr           stochastic rounding
                              +4/6          four over six: the better of two e4m3 scales
                              +prescale=P   map the largest value to P times the maximum, as
                                            with 0.75 or 16/17
                              +hadamard=N   Hadamard transform of N neighbours; N:fixed and
                                            N:random put signs in front
                  Examples: nvfp4-2d+4/6, e2m1:1x32:e8m0-nearest, mxfp4+sr+prescale=0.75

                OUTPUT FILE:
                  For each tensor T, with one --format and --output:
                    T.codes         U8: the bits of the elements; two of e2m1 in a byte, the
                                    first in the low half, rows filled up with a zero
                    T.scales        [blocks down, blocks across]: F32, or U8 codes of e8m0
                                    or e4m3
                    T.tensor_scale  F32 [1], with e4m3 scales
                    T.dequantized   F32: decode(code) times the block's scale, which is
                                    2^(code - 127) / prescale for e8m0, and
                                    decode(code) times tensor_scale for e4m3
                  With +hadamard these are the codes and values of the transformed tensor,
                  its rows filled up with zeros to whole groups. The metadata names the
                  format.

                USAGE: fp4tui quantize <file> [--tensor <glob>] [--format <format>] [--json]
                       fp4tui quantize --gaussian <n> [--format <format>] [--json]
                       fp4tui quantize <file> --format <format> --output <file>

                ARGUMENTS:
                  <file>                  A safetensors file with F32, F16 or BF16 tensors, or
                                          raw little-endian float32 (.f32, .bin or --raw).

                OPTIONS:
                  --raw                   The file is raw little-endian float32, whatever its
                                          name.
                  --gaussian <n>          Draw n values from the normal distribution.
                  --laplace <n>           Draw n values from the Laplace distribution.
                  --student <n>           Draw n values from Student's t, three degrees of
                                          freedom.
                  --seed <n>              Seed of drawn values, stochastic rounding and random
                                          signs. (default: 1)
                  --columns <n>           Values in a row of raw or drawn data. Default: 1024
                                          if that divides them all, else one row.
                  --tensor <glob>         Only tensors whose name matches, as in '*.mlp.*'; may
                                          be repeated.
                  --format <format>       A format; may be repeated. Default: all with a name.
                  --output <file>         Write codes, scales and dequantized values
                                          (safetensors).
                  --force, --overwrite    Let --output replace a file that exists.
                  --json                  Print JSON.
                  --threads <n>           Threads; 0: one per core. (default: 0)
                  --version               Show the version.
                  -h, --help              Show help information.

                """)
    }
}
