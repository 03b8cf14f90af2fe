/// Runs a trained model one token at a time, with the keys and values of earlier tokens kept.
///
/// Matrices are rounded to the training format once, so that the operands are those of a training step; sums come in
/// another order.
final class IncrementalDecoder {
    private let model: ModelConfiguration
    private let vocabularySize: Int
    private let compute: ComputeContext
    private let format: UnscaledFormat
    private let layout: ParameterLayout
    private let embedding: Linear
    private let positions: Int?
    private let layers: [Layer]
    private let finalNorm: Norm
    private let head: Linear
    private let arena: Arena
    private let places: Places
    /// The tokens behind the next one, at most `context`.
    private var window: [Int32] = []

    private var source: UnsafePointer<Float>?

    /// Places in the parameter buffer.
    private struct Linear {
        let weight: Int
        let outputs: Int
        let inputs: Int
        let bias: Int?
    }

    private struct Norm {
        let gain: Int
        let bias: Int?
    }

    private struct Layer {
        let attentionNorm: Norm
        let queries: Linear
        let keys: Linear
        let values: Linear
        let output: Linear
        let feedForwardNorm: Norm
        let up: Linear
        let gate: Linear?
        let down: Linear
    }

    private struct Places {
        let weights: UnsafeMutablePointer<Float>
        let keys: UnsafeMutablePointer<Float>
        let values: UnsafeMutablePointer<Float>
        let residual: UnsafeMutablePointer<Float>
        let normalized: UnsafeMutablePointer<Float>
        let qkv: UnsafeMutablePointer<Float>
        let attended: UnsafeMutablePointer<Float>
        let branch: UnsafeMutablePointer<Float>
        let projected: UnsafeMutablePointer<Float>
        let hidden: UnsafeMutablePointer<Float>
        let scores: UnsafeMutablePointer<Float>
        let logits: UnsafeMutablePointer<Float>
        let rotary: RotaryEmbedding?
    }

    /// - Throws: `UserError` if memory is short.
    init(
        _ model: ModelConfiguration, vocabularySize: Int, format: UnscaledFormat, compute: ComputeContext
    ) throws {
        self.model = model
        self.vocabularySize = vocabularySize
        self.compute = compute
        self.format = format
        let layout = ParameterLayout(model, vocabularySize: vocabularySize)
        self.layout = layout
        func linear(_ path: ModulePath) -> Linear? {
            layout[path.parameter("weight")].map {
                Linear(
                    weight: $0.offset, outputs: $0.shape[0], inputs: $0.shape[1],
                    bias: layout[path.parameter("bias")]?.offset)
            }
        }
        func norm(_ path: ModulePath) -> Norm {
            Norm(gain: layout[path.parameter("weight")]!.offset, bias: layout[path.parameter("bias")]?.offset)
        }
        embedding = linear(ModulePath("embed"))!
        positions = layout["position.weight"]?.offset
        layers = (0..<model.layers).map { layer in
            Layer(
                attentionNorm: norm(.layer(layer, "attn_norm")), queries: linear(.layer(layer, "attn.q"))!,
                keys: linear(.layer(layer, "attn.k"))!, values: linear(.layer(layer, "attn.v"))!,
                output: linear(.layer(layer, "attn.o"))!, feedForwardNorm: norm(.layer(layer, "mlp_norm")),
                up: linear(.layer(layer, "mlp.up"))!, gate: linear(.layer(layer, "mlp.gate")),
                down: linear(.layer(layer, "mlp.down"))!)
        }
        finalNorm = norm(ModulePath("final_norm"))
        head = linear(ModulePath("lm_head")) ?? embedding
        let count = layout.count
        (arena, places) = try Arena.make { arena in
            let cache = model.layers * model.context * model.keyValueWidth
            return Places(
                weights: arena.reserve(count), keys: arena.reserve(cache), values: arena.reserve(cache),
                residual: arena.reserve(model.width), normalized: arena.reserve(model.width),
                qkv: arena.reserve(model.attentionWidth), attended: arena.reserve(model.width),
                branch: arena.reserve(model.width), projected: arena.reserve(model.projectedWidth),
                hidden: arena.reserve(model.feedForwardWidth), scores: arena.reserve(model.context),
                logits: arena.reserve(vocabularySize),
                rotary: model.position == .rope ? RotaryEmbedding(model, in: &arena) : nil)
        }
        places.rotary?.prepare(theta: model.ropeTheta)
    }

    /// Takes over parameters[layout.count], which must stay where they are, and forgets all tokens.
    func load(_ values: UnsafePointer<Float>) {
        reset()
        let block = 1 << 15
        let decayed = layout.decayedCount
        compute.pool.run((decayed + block - 1) / block) { part, _ in
            let start = part * block
            round(values + start, into: places.weights + start, min(block, decayed - start))
        }
        (places.weights + decayed).update(from: values + decayed, count: layout.count - decayed)
        source = values
    }

    /// Forgets all tokens.
    func reset() {
        window.removeAll(keepingCapacity: true)
    }

    private func round(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, _ count: Int) {
        switch format {
        case .fp32: if x != UnsafePointer(y) { y.update(from: x, count: count) }
        case .bf16: compute.kernels.roundToBF16(x, into: y, count: count)
        }
    }

    /// Reads a token and returns the logits[vocabularySize] of the next one.
    ///
    /// When the context is full, the younger half of the tokens is read again as a new beginning.
    func read(_ token: Int32) -> UnsafeMutablePointer<Float> {
        if window.count == model.context {
            let kept = Array(window.suffix(model.context / 2))
            window.removeAll(keepingCapacity: true)
            for token in kept { advance(token) }
        }
        advance(token)
        normalize(finalNorm)
        multiply(head, places.normalized, into: places.logits)
        return places.logits
    }

    private func advance(_ token: Int32) {
        let position = window.count
        window.append(token)
        let kernels = compute.kernels
        let width = model.width
        let hidden = model.feedForwardWidth
        let keyValueWidth = model.keyValueWidth
        // Embeddings are looked up in FP32, as in training.
        places.residual.update(from: source! + embedding.weight + Int(token) * width, count: width)
        if let positions {
            kernels.accumulate(source! + positions + position * width, into: places.residual, count: width)
        }
        for (index, layer) in layers.enumerated() {
            normalize(layer.attentionNorm)
            multiply(layer.queries, places.normalized, into: places.qkv)
            multiply(layer.keys, places.normalized, into: places.qkv + width)
            multiply(layer.values, places.normalized, into: places.qkv + width + keyValueWidth)
            places.rotary?.rotate(places.qkv, position: position, kernels)
            round(places.qkv, into: places.qkv, model.attentionWidth)
            let keys = places.keys + index * model.context * keyValueWidth
            let values = places.values + index * model.context * keyValueWidth
            (keys + position * keyValueWidth).update(from: places.qkv + width, count: keyValueWidth)
            (values + position * keyValueWidth).update(
                from: places.qkv + width + keyValueWidth, count: keyValueWidth)
            attend(keys: keys, values: values, count: position + 1)
            round(places.attended, into: places.attended, width)
            multiply(layer.output, places.attended, into: places.branch)
            kernels.accumulate(places.branch, into: places.residual, count: width)

            normalize(layer.feedForwardNorm)
            multiply(layer.up, places.normalized, into: places.projected)
            if let gate = layer.gate {
                multiply(gate, places.normalized, into: places.projected + hidden)
                kernels.swiglu(
                    gate: places.projected + hidden, up: places.projected, into: places.hidden, count: hidden)
            } else {
                kernels.gelu(places.projected, into: places.hidden, count: hidden)
            }
            round(places.hidden, into: places.hidden, hidden)
            multiply(layer.down, places.hidden, into: places.branch)
            kernels.accumulate(places.branch, into: places.residual, count: width)
        }
    }

    private func attend(keys: UnsafePointer<Float>, values: UnsafePointer<Float>, count: Int) {
        let kernels = compute.kernels
        let headWidth = model.headWidth
        let group = model.heads / model.keyValueHeads
        for head in 0..<model.heads {
            let query = places.qkv + head * headWidth
            let offset = head / group * headWidth
            for position in 0..<count {
                places.scores[position] = kernels.dot(
                    query, keys + position * model.keyValueWidth + offset, count: headWidth)
            }
            _ = kernels.softmax(
                places.scores, scale: 1 / Float(headWidth).squareRoot(), count: count)
            round(places.scores, into: places.scores, count)
            let output = places.attended + head * headWidth
            output.update(repeating: 0, count: headWidth)
            for position in 0..<count {
                kernels.axpy(
                    places.scores[position], values + position * model.keyValueWidth + offset, into: output,
                    count: headWidth)
            }
        }
    }

    /// The residual stream's norm, rounded to the training format.
    private func normalize(_ norm: Norm) {
        let gain = places.weights + norm.gain
        let bias = norm.bias.map { UnsafePointer(places.weights + $0) }
        let epsilon = Float(model.normEpsilon)
        switch model.norm {
        case .layerNorm:
            _ = compute.kernels.layerNorm(
                places.residual, gain: gain, bias: bias, into: places.normalized, count: model.width, epsilon: epsilon)
        case .rmsNorm:
            _ = compute.kernels.rmsNorm(
                places.residual, gain: gain, into: places.normalized, count: model.width, epsilon: epsilon)
        }
        round(places.normalized, into: places.normalized, model.width)
    }

    /// `y = W·x + b`, rows shared among the lanes.
    private func multiply(_ linear: Linear, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>) {
        let w = places.weights + linear.weight
        let bias = linear.bias.map { places.weights + $0 }
        let (outputs, inputs) = (linear.outputs, linear.inputs)
        let block = max(16, (1 << 15) / inputs)
        compute.pool.run((outputs + block - 1) / block) { part, _ in
            for output in part * block..<min(outputs, (part + 1) * block) {
                y[output] = compute.kernels.dot(x, w + output * inputs, count: inputs) + (bias?[output] ?? 0)
            }
        }
    }
}
