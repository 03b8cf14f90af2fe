import Foundation
import KernelInterface

@testable import Core

/// A fixture of `Reference/make_reference.py`: parameters, logits, loss, gradients and ten steps of training, computed by
/// PyTorch in float64.
struct ReferenceModel {
    let file: SafeTensors.File
    let configuration: RunConfiguration
    let vocabularySize: Int
    let batch: Int
    var model: ModelConfiguration { configuration.model }

    static let names = ["gpt2", "llama"]

    init(_ name: String) throws {
        let url = Bundle.module.url(forResource: name, withExtension: "safetensors", subdirectory: "Fixtures")!
        let file = try SafeTensors.File(url.path)
        self.file = file
        func number(_ key: String) -> Double { Double(file.metadata[key]!)! }
        func integer(_ key: String) -> Int { Int(file.metadata[key]!)! }
        var configuration = RunConfiguration()
        var model = ModelConfiguration()
        model.layers = integer("layers")
        model.heads = integer("heads")
        model.keyValueHeads = integer("kv_heads")
        model.width = integer("width")
        model.context = integer("context")
        model.feedForwardMultiple = number("hidden") / number("width")
        model.normEpsilon = number("norm_epsilon")
        model.ropeTheta = number("rope_theta")
        let isLlama = name == "llama"
        model.norm = isLlama ? .rmsNorm : .layerNorm
        model.position = isLlama ? .rope : .learned
        model.activation = isLlama ? .swiglu : .gelu
        model.bias = !isLlama
        model.tiedEmbeddings = !isLlama
        configuration.model = model
        configuration.optimizer.learningRate = number("learning_rate")
        configuration.optimizer.minimumLearningRate = number("learning_rate")
        configuration.optimizer.decay = .constant
        configuration.optimizer.warmup = 0
        configuration.optimizer.beta1 = number("beta1")
        configuration.optimizer.beta2 = number("beta2")
        configuration.optimizer.epsilon = number("epsilon")
        configuration.optimizer.weightDecay = number("weight_decay")
        configuration.optimizer.clip = number("clip")
        self.configuration = configuration
        vocabularySize = integer("vocabulary")
        batch = integer("batch")
    }

    func floats(_ name: String) throws -> [Float] {
        let shape = file.shape(name)!
        var values = [Float](repeating: 0, count: shape.reduce(1, *))
        try values.withUnsafeMutableBufferPointer {
            try file.copy(name, shape: shape, to: $0.baseAddress!)
        }
        return values
    }

    func integers(_ name: String) throws -> [Int32] {
        let shape = file.shape(name)!
        var values = [Int32](repeating: 0, count: shape.reduce(1, *))
        try values.withUnsafeMutableBytes {
            try file.copy(name, type: .i32, shape: shape, to: $0.baseAddress!)
        }
        return values
    }

    /// The model with the fixture's parameters.
    func transformer(_ format: BlockFormat = .fp32, tier: KernelTier? = nil, threads: Int = 1) throws -> Transformer {
        let transformer = try Transformer(
            model, vocabularySize: vocabularySize, capacity: batch, plan: PrecisionPlan(uniform: format),
            compute: ComputeContext(tier: tier, threads: threads))
        for tensor in transformer.parameters.layout.tensors {
            try file.copy(
                "param." + tensor.name, shape: tensor.shape, to: transformer.parameters.values + tensor.offset)
        }
        return transformer
    }
}

extension Transformer {
    /// Mean loss and gradients of the mean loss over whole sequences of the context's length.
    func meanLossAndGradients(_ tokens: [Int32], _ targets: [Int32]) -> Double {
        clearGradients()
        let sum = accumulateGradients(
            tokens, targets: targets, sequences: tokens.count / model.context, length: model.context,
            gradientScale: 1 / Float(tokens.count))
        return sum / Double(tokens.count)
    }

    func meanLoss(_ tokens: [Int32], _ targets: [Int32]) -> Double {
        loss(tokens, targets: targets, sequences: tokens.count / model.context, length: model.context)
            / Double(tokens.count)
    }

    func gradient(_ name: String) -> [Float] {
        let tensor = parameters.layout[name]!
        return Array(UnsafeBufferPointer(start: parameters.gradients + tensor.offset, count: tensor.count))
    }
}
