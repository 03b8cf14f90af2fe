import ArgumentParser
import Testing

@testable import fp4tui

/// Study, sensitivity and quantize.
extension HelpTests {
    @Test func study() {
        #expect(
            Self.help(StudyCommand.self) == """
                OVERVIEW: Train several recipes with several seeds and compare them.

                Every recipe is trained with every seed on the same data, and the folder gets
                study.md and study.json: validation losses, gap to bf16 (to the first recipe if
                bf16 is not among them), theoretical cost and measured time. The recipes of one
                seed take turns of --slice steps, so that what disturbs the machine disturbs
                all of them, and times are compared within a turn.

                A recipe may be followed by keys of [recipe], separated by +, which makes
                ablations: zhou2025:target_fraction=0. The seeds are run.seed and those that
                follow; the built-in language is that of run.seed for all of them.

                State is saved in the folder every few minutes. SIGINT and SIGTERM end the
                study after the slice in progress (exit code 130 or 143), and the same command
                goes on where it ended, to the same losses bit by bit. With more recipes or
                more seeds it trains what is missing; a folder with another study is refused.
                Runs that diverge are reported; the others go on.

                EXAMPLES:
                  fp4tui study --recipes bf16,fp8-block,zhou2025,nvfp4 --seeds 3 --out study
                  fp4tui study --recipes bf16,zhou2025,zhou2025:target_fraction=0 --out ablation

                USAGE: fp4tui study --recipes <names> --out <folder> [--seeds <n>] [options]

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
                  --recipes <names>       Recipes, separated by commas, each with its changes.
                  --seeds <n>             Seeds for each recipe. (default: 3)
                  --out <folder>          Folder for results and state; made if it isn't there.
                  --slice <n>             Steps of one recipe before the next has its turn.
                                          (default: 25)
                  --json                  Print one JSON event per line instead of the table.
                  --version               Show the version.
                  -h, --help              Show help information.

                """)
    }

    @Test func sensitivity() {
        #expect(
            Self.help(SensitivityCommand.self) == """
                OVERVIEW: Measure which linears bear low precision, and fit a recipe to a
                budget.

                Each linear of the layers alone is run in each precision, in the formats of
                --recipe, everything else in BF16, on fixed validation batches: how much the
                loss changes, and how far the gradient is off, |dW_q - dW| / |dW|, of the
                module's own weight and of all parameters. The model is a saved one, or is
                trained in BF16 for some steps first.

                With --budget B every linear gets fp4, fp8 or bf16 so that the layers' matrix
                products cost at most B of BF16's (FP8 1/2, FP4 1/4, the attention core at 16
                bit, without the head) and the sum of the predicted damage is as small as
                possible, exactly. The damage of a module is the larger of its change of the
                loss and L e^2 / 2, with L the loss and e the error of the whole gradient: the
                share of a step's progress that is lost.

                EXAMPLES:
                  fp4tui sensitivity model.safetensors --recipe nvfp4
                  fp4tui sensitivity --warm-up-steps 500 --budget 0.6 --output fitted.toml
                  fp4tui --recipe fitted.toml

                USAGE: fp4tui sensitivity [<model> | --warm-up-steps <n>] [options]

                ARGUMENTS:
                  <model>                 A saved model; its configuration is the one to start
                                          from.

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
                  --warm-up-steps <n>     Without a model: steps to train in BF16 first (200 by
                                          default).
                  --precisions <names>    Precisions to try, separated by commas. (default:
                                          fp4,fp8)
                  --batches <n>           Validation batches to measure on. (default: 4)
                  --budget <share>        Cost that a recipe may have, of BF16's.
                  --output <file>         Write the recipe here (TOML); needs --budget.
                  --overwrite             Let --output replace a file that exists.
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
                              +std          e2m1 in 1xN: the scale follows from the standard
                                            deviation, and the largest values saturate
                              +eden         MS-EDEN, e2m1 in 1xN with e4m3 scales: rounds these
                                            stochastically; needs +hadamard=N:random
                              +prescale=P   map the largest value to P times the maximum, as
                                            with 0.75 or 16/17
                              +hadamard=N   Hadamard transform of N neighbours; N:fixed and
                                            N:random put signs in front
                  Examples: nvfp4-2d+4/6, e2m1:1x32:e8m0-nearest, mxfp4+sr+prescale=0.75,
                            nvfp4+eden+hadamard=128:random

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
