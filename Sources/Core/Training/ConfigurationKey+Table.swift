import KernelInterface

extension ConfigurationKey {
    private static let many = 1_000_000_000

    /// Every key, in the order in which they are printed and applied: shorthands come before the keys they set.
    public static let all: [ConfigurationKey] =
        run + data + model + training + recipe + optimizer + evaluation + health + sampling + checkpoint

    private static let run: [ConfigurationKey] = [
        .string("run.name", \.run.name, "Name of the run, for people."),
        .seed("run.seed", \.run.seed, "Decides the initial weights, the batches and the samples of text."),
        .integer("run.steps", \.run.steps, 1...many, "Optimizer steps."),
        .integer(
            "run.threads", \.run.threads, 0...1024,
            "Threads that compute; 0: one per online core. Does not change the result."),
        .string(
            "run.kernels", \.run.kernels, choices: ["auto"] + KernelTier.allCases.map(\.rawValue),
            "Instruction set of the kernels. Does not change the result, but for FP8: see training.strict_fp8."
        ),
        .integer("run.log_every", \.run.logEvery, 1...many, "Steps between two lines of the batch log."),
        .string("run.save", \.run.save, "Where the model is saved at the end (safetensors); empty: nowhere."),
        .strings(
            "run.commands", \.run.commands,
            "Commands that take effect while it runs, as in \"1000: prec layers.* fp8\"."),
    ]

    private static let data: [ConfigurationKey] = [
        .strings("data.paths", \.data.paths, "Files or directories; empty: the built-in synthetic language."),
        .choice("data.format", \.data.format, "auto: .bin files are uint16 tokens, all others are bytes of text."),
        .integer(
            "data.vocabulary_size", \.data.vocabularySize, 2...65_536,
            "Distinct tokens in .bin files; text always has 256."),
        .number(
            "data.validation_fraction", \.data.validationFraction, from: .excluding(0), to: .excluding(1),
            "The share at the end of the data that is kept for validation."),
        .integer(
            "data.language_words", \.data.languageWords, SyntheticLexicon.sizes,
            "Words of the built-in synthetic language."),
    ]

    private static let model: [ConfigurationKey] = [
        .family("model.family", "Sets norm, position, activation, bias, tied_embeddings and feed_forward_multiple."),
        .integer("model.layers", \.model.layers, 1...1024, "Transformer blocks."),
        .heads("model.heads", 1...1024, "Attention heads; key_value_heads follows if it was equal."),
        .integer(
            "model.key_value_heads", \.model.keyValueHeads, 1...1024,
            "Heads of keys and values: a divisor of heads; fewer is grouped-query attention."),
        .integer("model.width", \.model.width, 1...65_536, "Channels of the residual stream: a multiple of heads."),
        .integer("model.context", \.model.context, 1...1_048_576, "The longest sequence, in tokens."),
        .number(
            "model.feed_forward_multiple", \.model.feedForwardMultiple, from: .excluding(0), to: .including(64),
            "Hidden width of the feed-forward network over width; rounded to a multiple of 8."),
        .choice("model.norm", \.model.norm, "Normalisation before attention, feed-forward and head."),
        .choice("model.position", \.model.position, "Learned position embeddings, or rotary ones (RoPE)."),
        .choice("model.activation", \.model.activation, "Activation of the feed-forward network."),
        .boolean("model.bias", \.model.bias, "Biases in the linears and in LayerNorm."),
        .boolean("model.tied_embeddings", \.model.tiedEmbeddings, "The head shares the token embedding's matrix."),
        .number("model.rope_theta", \.model.ropeTheta, from: .excluding(0), "Base of the rotary frequencies."),
        .number(
            "model.norm_epsilon", \.model.normEpsilon, from: .excluding(0), to: .including(1),
            "Added to the variance (LayerNorm) or the mean square (RMSNorm)."),
    ]

    private static let training: [ConfigurationKey] = [
        .integer("training.batch", \.training.batch, 1...1_000_000, "Sequences in a micro-batch."),
        .integer(
            "training.accumulation", \.training.accumulation, 1...1_000_000, "Micro-batches in an optimizer step."),
        .boolean(
            "training.recompute", \.training.recompute,
            "Keep only the inputs of the layers for the backward pass, which then computes the rest again: less memory, slower, the same result."
        ),
        .boolean(
            "training.strict_fp8", \.training.strictFP8,
            "Sum FP8 as a processor without FP16 and BF16 does: slower, and the same on every machine."),
    ]

    private static let optimizer: [ConfigurationKey] = [
        .number(
            "optimizer.learning_rate", \.optimizer.learningRate, from: .excluding(0), to: .including(1000),
            "Peak learning rate of AdamW."),
        .number(
            "optimizer.minimum_learning_rate", \.optimizer.minimumLearningRate, from: .including(0),
            to: .including(1000), "Learning rate at the last step."),
        .integer("optimizer.warmup", \.optimizer.warmup, 0...many, "Steps in which the learning rate rises linearly."),
        .choice("optimizer.decay", \.optimizer.decay, "How the learning rate falls after the warm-up."),
        .number(
            "optimizer.decay_fraction", \.optimizer.decayFraction, from: .including(0), to: .including(1),
            "wsd: the share of the steps, at the end, in which the learning rate falls."),
        .number(
            "optimizer.beta1", \.optimizer.beta1, from: .including(0), to: .excluding(1),
            "Decay rate of AdamW's mean of the gradient."),
        .number(
            "optimizer.beta2", \.optimizer.beta2, from: .including(0), to: .excluding(1),
            "Decay rate of AdamW's mean of the squared gradient."),
        .number(
            "optimizer.epsilon", \.optimizer.epsilon, from: .excluding(0), to: .including(1),
            "Added to the root of AdamW's mean of the squared gradient."),
        .number(
            "optimizer.weight_decay", \.optimizer.weightDecay, from: .including(0), to: .including(1000),
            "Decoupled weight decay of matrices; norms and biases have none."),
        .number("optimizer.clip", \.optimizer.clip, from: .including(0), "Largest global gradient norm; 0: no limit."),
        .choice(
            "optimizer.moments", \.optimizer.moments,
            "What AdamW's means are kept in; bf16 saves 4 bytes a parameter, and may lose changes below 1/256 of a mean."
        ),
    ]

    private static let evaluation: [ConfigurationKey] = [
        .integer("evaluation.every", \.evaluation.every, 0...many, "Steps between evaluations; 0: only at the end."),
        .integer("evaluation.batches", \.evaluation.batches, 1...1_000_000, "Batches of the fixed validation sample."),
    ]

    private static let health: [ConfigurationKey] = [
        .integer(
            "health.every", \.health.every, 0...many,
            "Steps between reports on the quantization of every linear (with --json); 0: never."),
        .integer(
            "health.probe_every", \.health.probeEvery, 0...many,
            "Steps between probes, which hold gradients and attention against BF16 on a fixed batch; 0: never."),
    ]

    private static let sampling: [ConfigurationKey] = [
        .integer("sampling.every", \.sampling.every, 0...many, "Steps between samples of text; 0: never."),
        .integer("sampling.tokens", \.sampling.tokens, 1...1_000_000, "Tokens in a sample."),
        .number(
            "sampling.temperature", \.sampling.temperature, from: .including(0), to: .including(1000),
            "Divides the logits; 0: always the most likely token."),
        .integer("sampling.top_k", \.sampling.topK, 0...65_536, "Only the k most likely tokens are drawn; 0: all."),
        .string("sampling.prompt", \.sampling.prompt, "Text that the samples continue."),
    ]

    private static let checkpoint: [ConfigurationKey] = [
        .integer(
            "checkpoint.every", \.checkpoint.every, 0...many,
            "Steps between checkpoints of a recorded run; 0: only at its end."),
        .number(
            "checkpoint.minutes", \.checkpoint.minutes, from: .including(0), to: .including(1e6),
            "Minutes after which there is a checkpoint in any case; 0: never."),
        .integer("checkpoint.keep_last", \.checkpoint.keepLast, 1...1000, "How many of the newest are kept."),
        .integer(
            "checkpoint.keep_best", \.checkpoint.keepBest, 0...1000,
            "How many of those with the least validation loss are kept beside them."),
    ]
}
