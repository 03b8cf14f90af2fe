/// One pre-norm residual block: attention, then feed-forward.
struct TransformerLayer {
    var attentionNorm: NormLayer
    var qkv: LinearGroup
    var output: LinearGroup
    var feedForwardNorm: NormLayer
    var feedForward: FeedForward

    /// What backward needs of forward.
    struct Saved {
        /// The residual stream: on entry, and between attention and feed-forward, [tokens, width].
        let input: UnsafeMutablePointer<Float>
        let middle: UnsafeMutablePointer<Float>
        /// Outputs of the norms, [tokens, width].
        let attentionInput: UnsafeMutablePointer<Float>
        let feedForwardInput: UnsafeMutablePointer<Float>
        let attentionStatistics: NormLayer.Statistics
        let feedForwardStatistics: NormLayer.Statistics
        /// After biases and rotation, [tokens, attentionWidth].
        let qkv: UnsafeMutablePointer<Float>
        /// [sequences, heads, context].
        let logSums: UnsafeMutablePointer<Float>
        /// Heads side by side, [tokens, width].
        let attended: UnsafeMutablePointer<Float>
        let feedForward: FeedForward.Saved

        init(_ model: ModelConfiguration, tokens: Int, in arena: inout Arena.Layout) {
            input = arena.reserve(tokens * model.width)
            middle = arena.reserve(tokens * model.width)
            attentionInput = arena.reserve(tokens * model.width)
            feedForwardInput = arena.reserve(tokens * model.width)
            attentionStatistics = NormLayer.Statistics(rows: tokens, in: &arena)
            feedForwardStatistics = NormLayer.Statistics(rows: tokens, in: &arena)
            qkv = arena.reserve(tokens * model.attentionWidth)
            logSums = arena.reserve(tokens * model.heads)
            attended = arena.reserve(tokens * model.width)
            feedForward = FeedForward.Saved(model, tokens: tokens, in: &arena)
        }

        /// All but the input lies where another layer has it.
        init(sharing other: Saved, input: UnsafeMutablePointer<Float>) {
            self.input = input
            middle = other.middle
            attentionInput = other.attentionInput
            feedForwardInput = other.feedForwardInput
            attentionStatistics = other.attentionStatistics
            feedForwardStatistics = other.feedForwardStatistics
            qkv = other.qkv
            logSums = other.logSums
            attended = other.attended
            feedForward = other.feedForward
        }
    }

    /// - Parameter records: of the layer's linears, in their order.
    init(
        _ layer: Int, _ parameters: Parameters, _ model: ModelConfiguration, plan: PrecisionPlan,
        records: LinearRecords? = nil, keeping: LinearGroup.WeightKeeping = .none
    ) {
        attentionNorm = NormLayer(.layer(layer, "attn_norm"), parameters, model)
        qkv = LinearGroup(
            ["attn.q", "attn.k", "attn.v"].map { .layer(layer, $0) }, parameters, plan: plan, records: records,
            keeping: keeping)
        output = LinearGroup(
            [.layer(layer, "attn.o")], parameters, plan: plan, records: records?.from(3), keeping: keeping)
        feedForwardNorm = NormLayer(.layer(layer, "mlp_norm"), parameters, model)
        feedForward = FeedForward(
            layer: layer, parameters, model, plan: plan, records: records?.from(4), keeping: keeping)
    }

    /// The health of one linear's GEMM, by its index in the layer.
    func health(ofLinear linear: Int, _ gemm: GEMMKind) -> GEMMHealth {
        let (group, part) = place(ofLinear: linear)
        return group.health(ofPart: part, gemm)
    }

    /// Seconds of one linear's GEMMs, by its index in the layer.
    func seconds(ofLinear linear: Int) -> (forward: Double, backward: Double) {
        let (group, part) = place(ofLinear: linear)
        return group.seconds(ofPart: part)
    }

    private func place(ofLinear linear: Int) -> (group: LinearGroup, part: Int) {
        switch linear {
        case 0..<3: (qkv, linear)
        case 3: (output, 0)
        case 4..<4 + feedForward.up.parts.count: (feedForward.up, linear - 4)
        default: (feedForward.down, 0)
        }
    }

    mutating func apply(_ plan: PrecisionPlan) {
        qkv.apply(plan)
        output.apply(plan)
        feedForward.up.apply(plan)
        feedForward.down.apply(plan)
    }
}
