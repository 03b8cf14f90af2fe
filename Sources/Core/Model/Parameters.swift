/// One parameter tensor: its name, shape, and place in the flat parameter buffer.
struct ParameterInfo: Sendable, Hashable {
    enum Initialization: Sendable, Hashable {
        case normal(standardDeviation: Double)
        case constant(Float)
    }

    let name: String
    let shape: [Int]
    let initialization: Initialization
    let offset: Int

    var count: Int { shape.reduce(1, *) }
    /// Weight decay applies to matrices only, not to norms and biases.
    var decays: Bool { shape.count > 1 }
}

/// The names, shapes and order of a model's parameters.
///
/// Tensors of two dimensions come first, so that the optimizer sees two ranges: with weight decay and without. Weights
/// that share an input lie side by side, so that one GEMM can serve q, k and v.
struct ParameterLayout: Sendable {
    let tensors: [ParameterInfo]
    let count: Int
    /// Values in tensors of two dimensions: `0..<decayedCount`.
    let decayedCount: Int

    init(_ model: ModelConfiguration, vocabularySize: Int) {
        typealias Entry = (name: String, shape: [Int], initialization: ParameterInfo.Initialization)
        var matrices: [Entry] = []
        var vectors: [Entry] = []
        let width = model.width
        // GPT-2's initialization: N(0, 0.02), and the projections into the residual stream scaled by 1/√(2·layers).
        let deviation = 0.02
        let residualDeviation = deviation / Double(2 * model.layers).squareRoot()

        func linear(_ path: ModulePath, _ outputs: Int, _ inputs: Int, deviation: Double = deviation) {
            matrices.append((path.parameter("weight"), [outputs, inputs], .normal(standardDeviation: deviation)))
            if model.bias { vectors.append((path.parameter("bias"), [outputs], .constant(0))) }
        }
        func norm(_ path: ModulePath) {
            vectors.append((path.parameter("weight"), [width], .constant(1)))
            if model.bias, model.norm == .layerNorm { vectors.append((path.parameter("bias"), [width], .constant(0))) }
        }

        matrices.append(("embed.weight", [vocabularySize, width], .normal(standardDeviation: deviation)))
        if model.position == .learned {
            matrices.append(("position.weight", [model.context, width], .normal(standardDeviation: deviation)))
        }
        for layer in 0..<model.layers {
            norm(.layer(layer, "attn_norm"))
            linear(.layer(layer, "attn.q"), width, width)
            linear(.layer(layer, "attn.k"), model.keyValueWidth, width)
            linear(.layer(layer, "attn.v"), model.keyValueWidth, width)
            linear(.layer(layer, "attn.o"), width, width, deviation: residualDeviation)
            norm(.layer(layer, "mlp_norm"))
            linear(.layer(layer, "mlp.up"), model.feedForwardWidth, width)
            if model.activation == .swiglu { linear(.layer(layer, "mlp.gate"), model.feedForwardWidth, width) }
            linear(.layer(layer, "mlp.down"), width, model.feedForwardWidth, deviation: residualDeviation)
        }
        norm(ModulePath("final_norm"))
        if !model.tiedEmbeddings {
            matrices.append(("lm_head.weight", [vocabularySize, width], .normal(standardDeviation: deviation)))
        }

        var tensors: [ParameterInfo] = []
        var count = 0
        for entry in matrices + vectors {
            let info = ParameterInfo(
                name: entry.name, shape: entry.shape, initialization: entry.initialization, offset: count)
            tensors.append(info)
            count += info.count
        }
        self.tensors = tensors
        self.count = count
        decayedCount = tensors.filter(\.decays).reduce(0) { $0 + $1.count }
    }

    /// The tensor with this name; nil if the model has none.
    subscript(_ name: String) -> ParameterInfo? {
        tensors.first { $0.name == name }
    }
}

/// The parameters of one model with their gradients: two flat buffers in the arena.
struct Parameters {
    let layout: ParameterLayout
    let values: UnsafeMutablePointer<Float>
    let gradients: UnsafeMutablePointer<Float>

    init(_ layout: ParameterLayout, in arena: inout Arena.Layout) {
        self.layout = layout
        values = arena.reserve(layout.count)
        gradients = arena.reserve(layout.count)
    }

    /// Seeded initialization: tensor `i` uses its own counters, so its values depend on nothing but seed and index.
    func initialize(seed: UInt64, compute: ComputeContext) {
        let random = Philox(seed: seed, stream: .initialization)
        let block = 1 << 15
        for (index, tensor) in layout.tensors.enumerated() {
            let destination = values + tensor.offset
            let count = tensor.count
            switch tensor.initialization {
            case .constant(let value):
                destination.update(repeating: value, count: count)
            case .normal(let deviation):
                compute.pool.run((count + block - 1) / block) { part, _ in
                    random.fillNormal(
                        destination, count, part * block..<min(count, (part + 1) * block), deviation: deviation,
                        tensor: UInt32(index))
                }
            }
        }
    }
}
