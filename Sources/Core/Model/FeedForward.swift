/// The feed-forward network of one layer: `down(gelu(up(x)))`, or `down(silu(gate(x))·up(x))` for SwiGLU.
struct FeedForward {
    var up: LinearGroup
    var down: LinearGroup
    private let activation: ModelConfiguration.Activation
    private let hidden: Int

    /// What backward needs of forward, for one layer.
    struct Saved {
        /// Output of up (and gate), with biases, [tokens, hidden] or [tokens, 2·hidden]. Backward leaves its gradient there.
        let projected: UnsafeMutablePointer<Float>
        /// Input of down, [tokens, hidden].
        let activated: UnsafeMutablePointer<Float>

        init(_ model: ModelConfiguration, tokens: Int, in arena: inout Arena.Layout) {
            projected = arena.reserve(tokens * model.projectedWidth)
            activated = arena.reserve(tokens * model.feedForwardWidth)
        }
    }

    /// - Parameter records: of up, gate and down.
    init(
        layer: Int, _ parameters: Parameters, _ model: ModelConfiguration, plan: PrecisionPlan,
        records: LinearRecords? = nil, keeping: LinearGroup.WeightKeeping = .none
    ) {
        let paths = model.activation == .swiglu ? ["mlp.up", "mlp.gate"] : ["mlp.up"]
        up = LinearGroup(paths.map { .layer(layer, $0) }, parameters, plan: plan, records: records, keeping: keeping)
        down = LinearGroup(
            [.layer(layer, "mlp.down")], parameters, plan: plan,
            records: records?.from(paths.count), keeping: keeping)
        activation = model.activation
        hidden = model.feedForwardWidth
    }

    /// The output of down without its bias, [tokens, width].
    func forward(
        _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, _ saved: Saved, tokens: Int,
        _ pass: QuantizationPassKey, _ compute: ComputeContext
    ) {
        project(x, saved, tokens: tokens, pass, compute)
        down.forward(saved.activated, into: y, rows: tokens, pass, compute)
    }

    /// Forward up to the input of down.
    func project(
        _ x: UnsafePointer<Float>, _ saved: Saved, tokens: Int, _ pass: QuantizationPassKey, _ compute: ComputeContext
    ) {
        up.forward(x, into: saved.projected, rows: tokens, pass, compute)
        let kernels = compute.kernels
        compute.pool.run(RowBlocks.count(tokens)) { block, _ in
            for row in RowBlocks.rows(of: block, in: tokens) {
                let projected = saved.projected + row * up.outputs
                let activated = saved.activated + row * hidden
                if let bias = up.bias { kernels.accumulate(bias, into: projected, count: up.outputs) }
                switch activation {
                case .gelu: kernels.gelu(projected, into: activated, count: hidden)
                case .swiglu: kernels.swiglu(gate: projected + hidden, up: projected, into: activated, count: hidden)
                }
            }
        }
        compute.clock.mark(.activation)
    }

    /// The gradient of the input in `dx`; those of the parameters are added to theirs, except down's bias.
    func backward(
        _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, _ saved: Saved,
        activatedGradient: UnsafeMutablePointer<Float>, tokens: Int, sums: ColumnSums, _ pass: QuantizationPassKey,
        _ compute: ComputeContext
    ) {
        down.backward(dy, x: saved.activated, into: activatedGradient, rows: tokens, pass, compute)
        let kernels = compute.kernels
        let blocks = RowBlocks.count(tokens)
        compute.pool.run(blocks) { block, _ in
            let biasSums = up.bias == nil ? nil : sums.clear(block)
            for row in RowBlocks.rows(of: block, in: tokens) {
                let projected = saved.projected + row * up.outputs
                let dActivated = activatedGradient + row * hidden
                switch activation {
                case .gelu:
                    kernels.geluBackward(projected, dActivated, into: projected, count: hidden)
                case .swiglu:
                    kernels.swigluBackward(
                        gate: projected + hidden, up: projected, dy: dActivated, dGate: projected + hidden,
                        dUp: projected, count: hidden)
                }
                if let biasSums { kernels.accumulate(projected, into: biasSums, count: up.outputs) }
            }
        }
        if let gradient = up.biasGradient { sums.add(blocks: blocks, count: up.outputs, to: gradient, compute) }
        compute.clock.mark(.activation)
        up.backward(saved.projected, x: x, into: dx, rows: tokens, pass, compute)
    }
}

extension ModelConfiguration {
    /// Outputs of up, and gate if there is one.
    var projectedWidth: Int { activation == .swiglu ? 2 * feedForwardWidth : feedForwardWidth }
    /// Queries, keys and values side by side.
    var attentionWidth: Int { width + 2 * keyValueWidth }
}
