import Foundation

extension RunConfiguration {
    /// The number of distinct tokens, as far as the configuration alone tells: 256 for text and the built-in language.
    public var expectedVocabularySize: Int {
        let isTokens =
            switch data.format {
            case .auto: data.paths.contains { $0.hasSuffix(".bin") }
            case .text: false
            case .tokens: !data.paths.isEmpty
            }
        return isTokens ? data.vocabularySize : 256
    }

    /// Roughly what training takes, bytes, as a floating-point number that no shape overflows: parameters and gradients in
    /// FP32, both moments, activations kept for the backward pass, logits.
    public var approximateMemory: Double {
        let tokens = Double(training.batch) * Double(model.context)
        let width = Double(model.width)
        let hidden = width * model.feedForwardMultiple
        let keysAndValues = 2 * width * Double(model.keyValueHeads) / Double(model.heads)
        let layer = 6 * width + keysAndValues + (model.activation == .swiglu ? 3 : 2) * hidden
        let layers = Double(model.layers)
        let kept = training.recompute ? (layers - 1) * width + layer : layers * layer
        let logits = min(tokens, max(64, 0x1p24 / Double(expectedVocabularySize))) * Double(expectedVocabularySize)
        let activations = tokens * (kept + 6 * width + keysAndValues + hidden) + logits
        let parameter: Double =
            switch optimizer.moments {
            case .fp32: 16
            case .bf16: 12
            }
        return parameter * model.approximateParameterCount(vocabularySize: expectedVocabularySize) + 4 * activations
    }

    /// Checks every key, and the keys against each other.
    ///
    /// - Parameter physicalMemory: of this machine, bytes. Twice as much is refused: it could only swap.
    /// - Throws: `UserError` naming the keys and their values.
    public func validate(physicalMemory: UInt64 = ProcessInfo.processInfo.physicalMemory) throws {
        try validateKeys()
        try recipe.validate(for: model)
        _ = try scheduledCommands()
        if optimizer.minimumLearningRate > optimizer.learningRate {
            throw UserError(
                "optimizer.minimum_learning_rate = \(optimizer.minimumLearningRate) is more than "
                    + "optimizer.learning_rate = \(optimizer.learningRate): it must be at most that")
        }
        // Half of the distance between two neighbours in BF16 is up to 1/256: a mean that moves less would never fall.
        for (key, beta) in [("beta1", optimizer.beta1), ("beta2", optimizer.beta2)]
        where optimizer.moments == .bf16 && beta > 1 - 1 / 256 {
            throw UserError(
                "optimizer.\(key) = \(beta) is too near to 1 for optimizer.moments = \"bf16\", which would lose what it "
                    + "adds to a mean: at most \(1 - 1.0 / 256) is possible")
        }
        let limit = 2 * Double(physicalMemory)
        if approximateMemory > limit {
            let shape =
                "model.layers = \(model.layers), model.width = \(model.width), model.context = \(model.context), "
                + "training.batch = \(training.batch)"
            throw UserError(
                "\(shape) need about \(Self.gigabytes(approximateMemory)) of memory, and this machine has "
                    + "\(Self.gigabytes(Double(physicalMemory))): " + remedy("a smaller model or batch"))
        }
    }

    /// Checks every key, and that the keys of the model go together.
    ///
    /// - Throws: `UserError` naming the keys and their values.
    public func validateKeys() throws {
        var copy = self
        for key in ConfigurationKey.all {
            if let value = key.value(in: self) { try key.set(value, in: &copy) }
        }
        if !model.width.isMultiple(of: model.heads) {
            throw UserError(
                "model.width = \(model.width) is not divisible by model.heads = \(model.heads): "
                    + "each head takes an equal share of the width")
        }
        if model.position == .rope, !model.headWidth.isMultiple(of: 2) {
            throw UserError(
                "model.width = \(model.width) with model.heads = \(model.heads) gives heads of width "
                    + "\(model.headWidth): model.position = \"rope\" turns pairs of channels and needs an even one")
        }
        if !model.heads.isMultiple(of: model.keyValueHeads) {
            throw UserError(
                "model.heads = \(model.heads) is not divisible by model.key_value_heads = \(model.keyValueHeads): "
                    + "each key and value head serves an equal number of heads")
        }
    }

    private func remedy(_ smaller: String) -> String {
        var choices = [smaller]
        if !training.recompute { choices.append("training.recompute = true") }
        if optimizer.moments == .fp32 { choices.append("optimizer.moments = \"bf16\"") }
        return choices.joined(separator: ", or ") + (choices.count > 1 ? ", is needed" : " is needed")
    }

    /// Checks a need of memory that is known to the byte.
    ///
    /// - Throws: `UserError` if the machine has less: it would not fail at once, but be killed once all of it is used.
    func requireMemory(_ bytes: Int, physicalMemory: UInt64 = ProcessInfo.processInfo.physicalMemory) throws {
        guard UInt64(max(0, bytes)) > physicalMemory else { return }
        throw UserError(
            "this run needs \(Self.gigabytes(Double(bytes))) of memory, and this machine has "
                + "\(Self.gigabytes(Double(physicalMemory))): "
                + remedy("a smaller model.width, model.layers, model.context or training.batch"))
    }

    private static func gigabytes(_ bytes: Double) -> String {
        let gigabytes = bytes / 1e9
        return gigabytes < 1e6 ? String(format: "%.1f GB", gigabytes) : String(format: "%.1e GB", gigabytes)
    }
}
