/// A decoder-only Transformer with hand-written forward and backward; all memory is in one arena.
///
/// Sequences may be shorter than the context and batches smaller than the capacity. Used by one thread at a time.
final class Transformer {
    let model: ModelConfiguration
    let vocabularySize: Int
    /// The most sequences a call may have.
    let capacity: Int
    let parameters: Parameters
    let compute: ComputeContext
    private let recomputesLayers: Bool
    private(set) var plan: PrecisionPlan
    /// Keys what is random in the quantization of the next pass; to be set before each.
    var pass = QuantizationPassKey(seed: 0, pass: 0)

    let arena: Arena
    private let places: Places
    private(set) var layers: [TransformerLayer]
    private let finalNorm: NormLayer
    private(set) var head: LinearGroup
    /// What quantization did in the last step: three GEMMs for each of the model's linears, in their order.
    private let records: LinearRecords
    let linearCount: Int
    let linearsPerLayer: Int
    /// Offsets in the parameter buffer.
    private let embedding: Int
    private let positions: Int?

    /// Everything that lives in the arena.
    private struct Places {
        let parameters: Parameters
        let saved: [TransformerLayer.Saved]
        let attention: AttentionCore
        let rotary: RotaryEmbedding?
        /// The residual stream behind the last layer, and its normalized form, [tokens, width].
        let last: UnsafeMutablePointer<Float>
        let normalized: UnsafeMutablePointer<Float>
        let finalStatistics: NormLayer.Statistics
        /// Output of a projection into the residual stream, [tokens, width].
        let branch: UnsafeMutablePointer<Float>
        /// [logitRows, vocabularySize]
        let logits: UnsafeMutablePointer<Float>
        let logitRows: Int
        let losses: UnsafeMutablePointer<Float>
        /// Gradients of the residual stream, a branch, the input of down and q|k|v.
        let residualGradient: UnsafeMutablePointer<Float>
        let branchGradient: UnsafeMutablePointer<Float>
        let activatedGradient: UnsafeMutablePointer<Float>
        let qkvGradient: UnsafeMutablePointer<Float>
        let sums: ColumnSums
        /// A partial sum of the attention's entropy for each sequence and key-value head.
        let entropies: UnsafeMutablePointer<Double>

        init(
            _ model: ModelConfiguration, _ layout: ParameterLayout, vocabularySize: Int, tokens: Int,
            recomputesLayers: Bool, _ compute: ComputeContext, in arena: inout Arena.Layout
        ) {
            parameters = Parameters(layout, in: &arena)
            let first = TransformerLayer.Saved(model, tokens: tokens, in: &arena)
            saved =
                [first]
                + (1..<model.layers).map { _ in
                    recomputesLayers
                        ? TransformerLayer.Saved(sharing: first, input: arena.reserve(tokens * model.width))
                        : TransformerLayer.Saved(model, tokens: tokens, in: &arena)
                }
            attention = AttentionCore(model, compute, in: &arena)
            rotary = model.position == .rope ? RotaryEmbedding(model, in: &arena) : nil
            last = arena.reserve(tokens * model.width)
            normalized = arena.reserve(tokens * model.width)
            finalStatistics = NormLayer.Statistics(rows: tokens, in: &arena)
            branch = arena.reserve(tokens * model.width)
            // The logits of all tokens would be the largest tensor by far: 64 MiB of them at a time.
            logitRows = min(tokens, max(RowBlocks.size, (1 << 24) / vocabularySize / RowBlocks.size * RowBlocks.size))
            logits = arena.reserve(logitRows * vocabularySize)
            losses = arena.reserve(tokens)
            residualGradient = arena.reserve(tokens * model.width)
            branchGradient = arena.reserve(tokens * model.width)
            activatedGradient = arena.reserve(tokens * model.feedForwardWidth)
            qkvGradient = arena.reserve(tokens * model.attentionWidth)
            sums = ColumnSums(
                rows: tokens, width: max(2 * model.width, model.projectedWidth, model.attentionWidth), in: &arena)
            entropies = arena.reserve(tokens / model.context * model.keyValueHeads, of: Double.self)
        }
    }

    /// - Parameters:
    ///   - capacity: the most sequences of `model.context` tokens that a call may have.
    ///   - keepsWeights: quantized weights stay packed for calls that say that the parameters are the same as in the last one.
    ///   - recomputesLayers: only the inputs of the layers are kept, and backward computes the rest again (Chen et al.,
    ///     arXiv 1604.06174): less memory, more time, the same bits.
    /// - Throws: `UserError` if memory is short.
    init(
        _ model: ModelConfiguration, vocabularySize: Int, capacity: Int, plan: PrecisionPlan, compute: ComputeContext,
        keepsWeights: Bool = false, recomputesLayers: Bool = false
    ) throws {
        self.model = model
        self.vocabularySize = vocabularySize
        self.capacity = capacity
        self.plan = plan
        self.compute = compute
        self.recomputesLayers = recomputesLayers
        let layout = ParameterLayout(model, vocabularySize: vocabularySize)
        (arena, places) = try Arena.make { arena in
            Places(
                model, layout, vocabularySize: vocabularySize, tokens: capacity * model.context,
                recomputesLayers: recomputesLayers, compute, in: &arena)
        }
        let parameters = places.parameters
        self.parameters = parameters
        linearsPerLayer = model.layerLinears.count
        linearCount = model.layers * linearsPerLayer + 1
        entropies = Array(repeating: 0, count: model.layers)
        records = .allocate(linears: linearCount)
        let (records, stride) = (records, linearsPerLayer)
        layers = (0..<model.layers).map {
            TransformerLayer(
                $0, parameters, model, plan: plan, records: records.from($0 * stride),
                keeping: keepsWeights ? .compact : .none)
        }
        finalNorm = NormLayer(ModulePath("final_norm"), parameters, model)
        head = LinearGroup(
            [ModulePath("lm_head")], parameters, plan: plan, tiedTo: model.tiedEmbeddings ? "embed.weight" : nil,
            records: records.from(model.layers * stride),
            // Its passes are several where the logits have no room at once.
            keeping: places.logitRows < capacity * model.context ? .all : keepsWeights ? .compact : .none)
        embedding = layout["embed.weight"]!.offset
        positions = layout["position.weight"]?.offset
        places.rotary?.prepare(theta: model.ropeTheta)
        reserveMemory()
    }

    /// Rows of logits that have room at once.
    var logitRows: Int { places.logitRows }

    deinit { records.deallocate() }

    /// The mean entropy of each layer's attention in the last pass that measured it, nats.
    private(set) var entropies: [Double]
    /// Time since the gradients were cleared: forward with the loss, and backward, seconds.
    private(set) var forwardSeconds = 0.0
    private(set) var backwardSeconds = 0.0

    /// Changes formats from the next call on.
    func apply(_ plan: PrecisionPlan) {
        self.plan = plan
        for index in layers.indices { layers[index].apply(plan) }
        head.apply(plan)
        reserveMemory()
    }

    // MARK: Forward

    /// Runs all layers on tokens[sequences, length]; the result stays in `places.normalized`.
    private func forward(_ tokens: UnsafePointer<Int32>, sequences: Int, length: Int) {
        precondition(sequences <= capacity && length <= model.context)
        embed(tokens, count: sequences * length, length: length)
        for index in layers.indices { forward(layer: index, sequences: sequences, length: length) }
    }

    /// Token and position embeddings, and the first layer's norm.
    private func embed(_ tokens: UnsafePointer<Int32>, count: Int, length: Int) {
        let width = model.width
        let kernels = compute.kernels
        let table = parameters.values + embedding
        let positions = positions.map { parameters.values + $0 }
        let saved = places.saved[0]
        let norm = layers[0].attentionNorm
        compute.pool.run(RowBlocks.count(count)) { block, _ in
            let rows = RowBlocks.rows(of: block, in: count)
            for row in rows {
                let destination = saved.input + row * width
                destination.update(from: table + Int(tokens[row]) * width, count: width)
                if let positions {
                    kernels.accumulate(positions + row % length * width, into: destination, count: width)
                }
            }
            norm.forward(saved.input, into: saved.attentionInput, rows: rows, saved.attentionStatistics, kernels)
        }
        compute.clock.mark(.embedding)
    }

    /// One layer, and the norm in front of the next one.
    private func forward(layer index: Int, sequences: Int, length: Int) {
        let count = sequences * length
        let layer = layers[index]
        let saved = places.saved[index]
        attend(layer, saved, sequences: sequences, length: length, pass)
        if pass.measuresEntropy {
            entropies[index] = places.attention.entropy(
                saved.qkv, logSums: saved.logSums, partials: places.entropies, sequences: sequences, length: length,
                format: plan.attentionCore, compute)
        }
        layer.feedForward.forward(
            saved.feedForwardInput, into: places.branch, saved.feedForward, tokens: count, pass, compute)
        let bias = layer.feedForward.down.bias
        if index + 1 < layers.count {
            let next = places.saved[index + 1]
            addBranch(
                to: saved.middle, bias: bias, into: next.input, norm: layers[index + 1].attentionNorm,
                next.attentionInput, next.attentionStatistics, count: count)
        } else {
            addBranch(
                to: saved.middle, bias: bias, into: places.last, norm: finalNorm, places.normalized,
                places.finalStatistics, count: count)
        }
    }

    /// Attention of one layer, and the norm in front of its feed-forward network.
    private func attend(
        _ layer: TransformerLayer, _ saved: TransformerLayer.Saved, sequences: Int, length: Int,
        _ pass: QuantizationPassKey
    ) {
        let count = sequences * length
        layer.qkv.forward(saved.attentionInput, into: saved.qkv, rows: count, pass, compute)
        finishQKV(layer.qkv, saved.qkv, count: count, length: length)
        compute.clock.mark(.norm)
        places.attention.forward(
            saved.qkv, into: saved.attended, logSums: saved.logSums, sequences: sequences, length: length,
            format: plan.attentionCore, compute)
        compute.clock.mark(.attention)
        layer.output.forward(saved.attended, into: places.branch, rows: count, pass, compute)
        addBranch(
            to: saved.input, bias: layer.output.bias, into: saved.middle, norm: layer.feedForwardNorm,
            saved.feedForwardInput, saved.feedForwardStatistics, count: count)
    }

    /// Computes again, from a layer's input, what backward needs of it.
    private func recompute(
        _ layer: TransformerLayer, _ saved: TransformerLayer.Saved, sequences: Int, length: Int
    ) {
        var pass = pass
        pass.isRepeated = true
        let count = sequences * length
        compute.pool.run(RowBlocks.count(count)) { block, _ in
            layer.attentionNorm.forward(
                saved.input, into: saved.attentionInput, rows: RowBlocks.rows(of: block, in: count),
                saved.attentionStatistics, compute.kernels)
        }
        compute.clock.mark(.norm)
        attend(layer, saved, sequences: sequences, length: length, pass)
        layer.feedForward.project(saved.feedForwardInput, saved.feedForward, tokens: count, pass, compute)
    }

    /// Adds the biases and turns queries and keys.
    private func finishQKV(_ qkv: LinearGroup, _ values: UnsafeMutablePointer<Float>, count: Int, length: Int) {
        guard qkv.bias != nil || places.rotary != nil else { return }
        let width = model.attentionWidth
        let kernels = compute.kernels
        compute.pool.run(RowBlocks.count(count)) { block, _ in
            for row in RowBlocks.rows(of: block, in: count) {
                let line = values + row * width
                if let bias = qkv.bias { kernels.accumulate(bias, into: line, count: width) }
                places.rotary?.rotate(line, position: row % length, kernels)
            }
        }
    }

    /// `sum = x + branch + bias`, and its norm, in one pass.
    private func addBranch(
        to x: UnsafePointer<Float>, bias: UnsafeMutablePointer<Float>?, into sum: UnsafeMutablePointer<Float>,
        norm: NormLayer, _ normalized: UnsafeMutablePointer<Float>, _ statistics: NormLayer.Statistics, count: Int
    ) {
        let width = model.width
        let kernels = compute.kernels
        compute.pool.run(RowBlocks.count(count)) { block, _ in
            let rows = RowBlocks.rows(of: block, in: count)
            for row in rows {
                let line = sum + row * width
                kernels.add(x + row * width, places.branch + row * width, into: line, count: width)
                if let bias { kernels.accumulate(bias, into: line, count: width) }
            }
            norm.forward(sum, into: normalized, rows: rows, statistics, kernels)
        }
        compute.clock.mark(.norm)
    }

    /// Sum of the cross-entropy of all tokens, nats; parameters and gradients stay as they are.
    ///
    /// - Parameters:
    ///   - tokens, targets: [sequences, length], each below `vocabularySize`.
    ///   - hasSameParameters: nothing has changed them since the last call.
    func loss(
        _ tokens: UnsafePointer<Int32>, targets: UnsafePointer<Int32>, sequences: Int, length: Int,
        hasSameParameters: Bool = false
    ) -> Double {
        if !hasSameParameters { forgetWeights() }
        forward(tokens, sequences: sequences, length: length)
        return headPass(targets, count: sequences * length, gradientScale: nil)
    }

    /// Logits of the tokens[sequences, length], copied to `logits` [sequences·length, vocabularySize].
    func logits(
        _ tokens: UnsafePointer<Int32>, sequences: Int, length: Int, into logits: UnsafeMutablePointer<Float>
    ) {
        forgetWeights()
        forward(tokens, sequences: sequences, length: length)
        head.forward(places.normalized, into: logits, rows: sequences * length, pass, compute)
    }

    /// Head, loss and, with a scale, their backward, some rows at a time: the gradient of the normalized stream is left
    /// in `branchGradient`.
    private func headPass(_ targets: UnsafePointer<Int32>, count: Int, gradientScale: Float?) -> Double {
        for start in stride(from: 0, to: count, by: places.logitRows) {
            headPass(
                targets, start: start, rows: min(places.logitRows, count - start), gradientScale: gradientScale)
        }
        var sum = 0.0
        for index in 0..<count { sum += Double(places.losses[index]) }
        return sum
    }

    private func headPass(_ targets: UnsafePointer<Int32>, start: Int, rows: Int, gradientScale: Float?) {
        let kernels = compute.kernels
        let x = places.normalized + start * model.width
        head.forward(x, into: places.logits, rows: rows, pass, compute)
        compute.pool.run(RowBlocks.count(rows)) { block, _ in
            for row in RowBlocks.rows(of: block, in: rows) {
                let line = places.logits + row * vocabularySize
                let target = Int(targets[start + row])
                places.losses[start + row] =
                    if let gradientScale {
                        kernels.crossEntropy(
                            line, target: target, gradientScale: gradientScale, count: vocabularySize)
                    } else {
                        kernels.crossEntropyLoss(line, target: target, count: vocabularySize)
                    }
            }
        }
        compute.clock.mark(.loss)
        if gradientScale != nil {
            head.backward(
                places.logits, x: x, into: places.branchGradient + start * model.width, rows: rows, pass, compute)
        }
    }

    // MARK: Backward

    func clearGradients() {
        records.clear(linears: linearCount)
        forwardSeconds = 0
        backwardSeconds = 0
        forEachGroup { $0.clipper?.clearTotals() }
        let block = 1 << 16
        let count = parameters.layout.count
        compute.pool.run((count + block - 1) / block) { part, _ in
            let start = part * block
            (parameters.gradients + start).update(repeating: 0, count: min(block, count - start))
        }
        compute.clock.mark(.optimizer)
    }

    /// Adds the gradient of `gradientScale` · Σ cross-entropy to the gradients.
    ///
    /// - Parameters:
    ///   - tokens, targets: [sequences, length], each below `vocabularySize`.
    ///   - hasSameParameters: nothing has changed them since the last call.
    /// - Returns: the sum of the cross-entropy of all tokens, nats.
    func accumulateGradients(
        _ tokens: UnsafePointer<Int32>, targets: UnsafePointer<Int32>, sequences: Int, length: Int,
        gradientScale: Float, hasSameParameters: Bool = false
    ) -> Double {
        if !hasSameParameters { forgetWeights() }
        var clock = PassClock()
        forward(tokens, sequences: sequences, length: length)
        let count = sequences * length
        let headBefore = head.seconds(ofPart: 0).backward
        let loss = headPass(targets, count: count, gradientScale: gradientScale)
        // The head's passes alternate, some rows at a time.
        let headBackward = head.seconds(ofPart: 0).backward - headBefore
        forwardSeconds += clock.lap() - headBackward
        defer { backwardSeconds += clock.lap() + headBackward }
        let residual = places.residualGradient
        residual.update(repeating: 0, count: count * model.width)
        finalNorm.backward(
            places.branchGradient, x: places.last, addingTo: residual, rows: count, places.finalStatistics,
            sums: places.sums, compute)
        for index in stride(from: layers.count - 1, through: 0, by: -1) {
            // What the last layer computed is still there.
            if recomputesLayers, index < layers.count - 1 {
                recompute(layers[index], places.saved[index], sequences: sequences, length: length)
            }
            backward(layers[index], places.saved[index], sequences: sequences, length: length)
        }
        embeddingBackward(tokens, count: count, length: length)
        return loss
    }

    private func backward(_ layer: TransformerLayer, _ saved: TransformerLayer.Saved, sequences: Int, length: Int) {
        let count = sequences * length
        let residual = places.residualGradient
        if let gradient = layer.feedForward.down.biasGradient { addColumns(of: residual, to: gradient, rows: count) }
        compute.clock.mark(.norm)
        layer.feedForward.backward(
            residual, x: saved.feedForwardInput, into: places.branchGradient, saved.feedForward,
            activatedGradient: places.activatedGradient, tokens: count, sums: places.sums, pass, compute)
        layer.feedForwardNorm.backward(
            places.branchGradient, x: saved.middle, addingTo: residual, rows: count, saved.feedForwardStatistics,
            sums: places.sums, compute)

        if let gradient = layer.output.biasGradient { addColumns(of: residual, to: gradient, rows: count) }
        compute.clock.mark(.norm)
        layer.output.backward(residual, x: saved.attended, into: places.branchGradient, rows: count, pass, compute)
        places.attention.backward(
            saved.qkv, output: saved.attended, logSums: saved.logSums, outputGradient: places.branchGradient,
            into: places.qkvGradient, sequences: sequences, length: length, format: plan.attentionCore, compute)
        compute.clock.mark(.attention)
        finishQKVGradient(layer.qkv, count: count, length: length)
        compute.clock.mark(.norm)
        layer.qkv.backward(
            places.qkvGradient, x: saved.attentionInput, into: places.branchGradient, rows: count, pass, compute)
        layer.attentionNorm.backward(
            places.branchGradient, x: saved.input, addingTo: residual, rows: count, saved.attentionStatistics,
            sums: places.sums, compute)
    }

    /// Undoes the rotation and sums the bias' gradient.
    private func finishQKVGradient(_ qkv: LinearGroup, count: Int, length: Int) {
        guard qkv.biasGradient != nil || places.rotary != nil else { return }
        let kernels = compute.kernels
        let width = model.attentionWidth
        let blocks = RowBlocks.count(count)
        compute.pool.run(blocks) { block, _ in
            let sums = qkv.biasGradient == nil ? nil : places.sums.clear(block)
            for row in RowBlocks.rows(of: block, in: count) {
                let line = places.qkvGradient + row * width
                places.rotary?.rotateBack(line, position: row % length, kernels)
                if let sums { kernels.accumulate(line, into: sums, count: width) }
            }
        }
        if let gradient = qkv.biasGradient {
            places.sums.add(blocks: blocks, count: width, to: gradient, compute)
        }
    }

    /// The gradient of a bias of the residual stream.
    private func addColumns(
        of x: UnsafePointer<Float>, to gradient: UnsafeMutablePointer<Float>, rows count: Int
    ) {
        let width = model.width
        let blocks = RowBlocks.count(count)
        compute.pool.run(blocks) { block, _ in
            let sums = places.sums.clear(block)
            for row in RowBlocks.rows(of: block, in: count) {
                compute.kernels.accumulate(x + row * width, into: sums, count: width)
            }
        }
        places.sums.add(blocks: blocks, count: width, to: gradient, compute)
    }

    /// Threads share the channels, not the tokens: rows of one token are added in order.
    private func embeddingBackward(_ tokens: UnsafePointer<Int32>, count: Int, length: Int) {
        let width = model.width
        let kernels = compute.kernels
        let table = parameters.gradients + embedding
        let positions = positions.map { parameters.gradients + $0 }
        let columns = 64
        compute.pool.run((width + columns - 1) / columns) { part, _ in
            let start = part * columns
            let n = min(columns, width - start)
            for row in 0..<count {
                let line = places.residualGradient + row * width + start
                kernels.accumulate(line, into: table + Int(tokens[row]) * width + start, count: n)
                if let positions { kernels.accumulate(line, into: positions + row % length * width + start, count: n) }
            }
        }
        compute.clock.mark(.embedding)
    }
}
