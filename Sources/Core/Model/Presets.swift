extension ModelConfiguration {
    /// Two known combinations of norm, position, activation, biases and feed-forward width.
    public enum Family: String, Codable, Sendable, CaseIterable {
        /// Learned positions, LayerNorm, GELU, biases, tied embeddings: Radford et al. 2019.
        case gpt2
        /// RoPE, RMSNorm, SwiGLU at 8/3 of the width, no biases: arXiv 2302.13971.
        case llama
    }

    /// Takes over what a family settles; layers, heads, width and context stay.
    public mutating func adopt(_ family: Family) {
        let isGPT2 = family == .gpt2
        norm = isGPT2 ? .layerNorm : .rmsNorm
        position = isGPT2 ? .learned : .rope
        activation = isGPT2 ? .gelu : .swiglu
        bias = isGPT2
        tiedEmbeddings = isGPT2
        feedForwardMultiple = isGPT2 ? 4 : 8.0 / 3
    }

    /// Number of trained parameters, for a configuration that `RunConfiguration.validate()` accepts.
    public func parameterCount(vocabularySize: Int) -> Int {
        Int(approximateParameterCount(vocabularySize: vocabularySize))
    }

    /// The number of parameters as a floating-point number, exact below 2⁵³, so that no shape overflows.
    func approximateParameterCount(vocabularySize: Int) -> Double {
        let d = Double(width)
        let keyValue = Double(keyValueHeads) * (d / Double(heads))
        let hidden = max(8, (d * feedForwardMultiple / 8).rounded() * 8)
        let inputs: Double = activation == .swiglu ? 2 : 1
        let attention = 2 * d * d + 2 * d * keyValue
        let feedForward = (inputs + 1) * d * hidden
        let biases = bias ? (2 * d + 2 * keyValue) + (inputs * hidden + d) : 0
        let oneNorm = norm == .layerNorm && bias ? 2 * d : d
        let embeddings = Double(vocabularySize) * d * (tiedEmbeddings ? 1 : 2)
        let positions = position == .learned ? Double(context) * d : 0
        return Double(layers) * (attention + feedForward + biases + 2 * oneNorm) + oneNorm + embeddings + positions
    }
}

/// A complete, named configuration.
public struct Preset: Sendable {
    public let name: String
    /// One line.
    public let summary: String
    public let configuration: RunConfiguration

    init(_ name: String, _ summary: String, _ adjust: (inout RunConfiguration) -> Void) {
        self.name = name
        self.summary = summary
        var configuration = RunConfiguration()
        configuration.run.name = name
        adjust(&configuration)
        self.configuration = configuration
    }

    /// What a run is without `--preset`.
    public static let standard = all[1]

    /// - Throws: `UserError` naming the nearest preset, if there is none of that name.
    public static func named(_ name: String) throws -> Preset {
        if let preset = all.first(where: { $0.name == name }) { return preset }
        let nearest = EditDistance.nearest(to: name, among: all.map(\.name)) ?? standard.name
        throw UserError("there is no preset \"\(name)\"; the nearest is \"\(nearest)\" (fp4tui presets lists them)")
    }

    /// From small to large.
    public static let all: [Preset] = [
        Preset("micro", "a quick look: seconds") {
            $0.model.shape(.gpt2, layers: 2, heads: 2, width: 64, context: 64, bias: false)
            $0.run.steps = 1000
            $0.training.batch = 16
            $0.optimizer.warmup = 50
            $0.evaluation.every = 100
            $0.sampling.every = 250
        },
        Preset("default", "what runs without --preset: LLaMA style, minutes to the first words") {
            $0.model.shape(.llama, layers: 4, heads: 4, width: 256, context: 128, bias: false)
            $0.run.steps = 10_000
            $0.training.batch = 16
            $0.optimizer.warmup = 200
        },
        Preset("nanogpt-cpu", "nanoGPT's recipe for Shakespeare's characters on a CPU") {
            $0.model.shape(.gpt2, layers: 4, heads: 4, width: 128, context: 64, bias: false)
            $0.run.steps = 2000
            $0.training.batch = 12
            $0.optimizer.warmup = 100
            $0.optimizer.beta2 = 0.99
            $0.evaluation.batches = 200
        },
        Preset("baby", "nanoGPT's baby GPT for Shakespeare's characters") {
            $0.model.shape(.gpt2, layers: 6, heads: 6, width: 384, context: 256, bias: false)
            $0.training.batch = 12
            $0.optimizer.beta2 = 0.99
        },
        Preset("llama-baby", "the same size as baby in LLaMA style, two key and value heads") {
            $0.model.shape(.llama, layers: 6, heads: 6, width: 384, context: 256, bias: false)
            $0.model.keyValueHeads = 2
            $0.training.batch = 12
            $0.optimizer.beta2 = 0.99
        },
        Preset("gpt2-51m", "GPT-2 style, half way to GPT-2") {
            $0.model.shape(.gpt2, layers: 8, heads: 8, width: 512, context: 512, bias: true)
            $0.run.steps = 20_000
            $0.run.logEvery = 10
            $0.training.batch = 8
            $0.training.accumulation = 8
            $0.optimizer.warmup = 500
            $0.optimizer.minimumLearningRate = 1e-4
        },
        Preset("gpt2-124m", "GPT-2 small with half a million tokens a step, ten billion in all") {
            $0.model.shape(.gpt2, layers: 12, heads: 12, width: 768, context: 1024, bias: true)
            $0.run.steps = 19_560
            $0.run.logEvery = 1
            $0.training.batch = 4
            $0.training.accumulation = 128
            $0.optimizer.learningRate = 6e-4
            $0.optimizer.minimumLearningRate = 0
            $0.optimizer.warmup = 700
        },
    ]
}

extension ModelConfiguration {
    fileprivate mutating func shape(
        _ family: Family, layers: Int, heads: Int, width: Int, context: Int, bias: Bool
    ) {
        adopt(family)
        self.layers = layers
        self.heads = heads
        keyValueHeads = heads
        self.width = width
        self.context = context
        self.bias = bias
    }
}
