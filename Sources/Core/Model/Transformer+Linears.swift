/// What concerns all linears of a model together: their records, statistics and memory.
extension Transformer {
    /// What quantization did to the operands of a linear's GEMM since the gradients were cleared. Linears that run as one
    /// GEMM (q, k, v, or up and gate) share it.
    ///
    /// - Parameter linear: index among the model's linears.
    func health(ofLinear linear: Int, _ gemm: GEMMKind) -> GEMMHealth {
        linear < linearCount - 1
            ? layers[linear / linearsPerLayer].health(ofLinear: linear % linearsPerLayer, gemm)
            : head.health(ofPart: 0, gemm)
    }

    /// Seconds that a linear's GEMMs took since the gradients were cleared, quantization included.
    func seconds(ofLinear linear: Int) -> (forward: Double, backward: Double) {
        linear < linearCount - 1
            ? layers[linear / linearsPerLayer].seconds(ofLinear: linear % linearsPerLayer) : head.seconds(ofPart: 0)
    }

    /// Running statistics of gradient clipping, for each group of linears; empty where there is none.
    var clippingStatistics: [[Float]] { linearGroups.map { $0.clipper?.statistics ?? [] } }

    /// Takes over the statistics of a state saved under the same plan.
    func restoreClippingStatistics(_ statistics: [[Float]]) {
        for (group, values) in zip(linearGroups, statistics) { group.clipper?.restore(values) }
    }

    /// What clipping did to the linears' gradients since they were cleared.
    var clippingTotals: [(path: ModulePath, totals: OutputGradientClipper.Totals)] {
        linearGroups.flatMap { group in
            zip(group.parts, group.clipper?.totals ?? []).map { (path: $0.path, totals: $1) }
        }
    }

    // MARK: Memory

    /// Bytes for parameters, gradients, activations, weights that stay packed, and what clipping and the plan's techniques
    /// need.
    var memoryBytes: Int {
        let floats = techniqueFloats + clippedFloats + weightAverages.reduce(0) { $0 + $1.count }
        return arena.bytes + linearGroups.reduce(0) { $0 + $1.keptBytes } + 4 * floats
    }

    private var linearGroups: [LinearGroup] {
        var groups: [LinearGroup] = []
        forEachGroup { groups.append($0) }
        return groups
    }

    /// Allocates nothing.
    func forEachGroup(_ body: (LinearGroup) -> Void) {
        for index in layers.indices {
            body(layers[index].qkv)
            body(layers[index].output)
            body(layers[index].feedForward.up)
            body(layers[index].feedForward.down)
        }
        body(head)
    }

    func forgetWeights() { forEachGroup { $0.forgetWeights() } }

    /// So that no step has to.
    func reserveMemory() {
        _ = compute.techniqueMemory(floats: techniqueFloats)
        _ = compute.clippedMemory(floats: clippedFloats)
        forEachGroup { $0.reserveKeptMemory(compute) }
    }

    private var techniqueFloats: Int {
        let tokens = capacity * model.context
        let layers = linearGroups.dropLast().map { $0.techniqueFloats(rows: tokens) }.max() ?? 0
        return max(layers, head.techniqueFloats(rows: logitRows))
    }

    /// Of the largest gradient that may be clipped.
    private var clippedFloats: Int {
        let tokens = capacity * model.context
        func floats(_ group: LinearGroup, rows: Int) -> Int {
            group.clipper?.isActive.contains(true) == true ? rows * group.outputs : 0
        }
        let layers = linearGroups.dropLast().map { floats($0, rows: tokens) }.max() ?? 0
        return max(layers, floats(head, rows: logitRows))
    }

    /// The moving averages of weights that the plan asks for, part of a run's state.
    var weightAverages: [WeightAverage] { linearGroups.flatMap(\.weightAverages) }

    /// To be called once after each step of the optimizer.
    func updateWeightAverages() {
        forEachGroup { $0.updateWeightAverages(compute) }
    }
}
