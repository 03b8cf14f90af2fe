import Testing

@testable import fp4tui

extension HelpTests {
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
                                                   change the result, but for FP8: see
                                                   training.strict_fp8.
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
                  training.recompute               Keep only the inputs of the layers for the
                                                   backward pass, which then computes the rest
                                                   again: less memory, slower, the same result.
                  training.strict_fp8              Sum FP8 as a processor without FP16 and BF16
                                                   does: slower, and the same on every machine.
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
                  optimizer.moments                What AdamW's means are kept in; bf16 saves 4
                                                   bytes a parameter, and may lose changes
                                                   below 1/256 of a mean.
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
}
