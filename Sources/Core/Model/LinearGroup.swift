/// Linears that share their input and lie side by side in the parameter buffer (q, k and v; up and gate), each
/// addressable for precision. `Y = X·Wᵀ + b`, X[tokens, inputs], Y[tokens, outputs].
///
/// Neighbours with the same formats run as one GEMM where that changes no bit.
struct LinearGroup {
    struct Part {
        let path: ModulePath
        let outputs: Int
        /// Where the part begins in a row of Y, and in the weight's rows.
        let start: Int
        /// Of the weight among the parameters: tells the linears' random numbers apart.
        let tensor: Int
    }

    /// Neighbouring parts with the same formats; a part with techniques is a run of its own.
    struct Run {
        var start: Int
        var outputs: Int
        var formats: LinearFormats
        var tensor: Int
        /// The first part.
        var part: Int
        /// Of the weight, for fprop.
        var average: WeightAverage?
    }

    let parts: [Part]
    let inputs: Int
    let outputs: Int
    let weight: UnsafeMutablePointer<Float>
    let weightGradient: UnsafeMutablePointer<Float>
    let bias: UnsafeMutablePointer<Float>?
    let biasGradient: UnsafeMutablePointer<Float>?
    private(set) var runs: [Run] = []
    /// Of the parts. Parts that run as one share the first's health.
    private let records: LinearRecords?
    /// nil: no gradient is clipped.
    private(set) var clipper: OutputGradientClipper?
    private let keeping: WeightKeeping
    /// For fprop and for dgrad of each part; used by the run that begins with it.
    private let kept: [(fprop: KeptOperand, dgrad: KeptOperand)]

    /// Which weights stay packed from one pass to the next.
    enum WeightKeeping {
        case none
        /// Those that become smaller.
        case compact
        case all
    }

    /// - Parameters:
    ///   - tiedTo: the tensor that serves as the weight, if it is not the module's own.
    ///   - records: of the parts.
    ///   - keeping: `forgetWeights` must then be called when the weights change.
    init(
        _ paths: [ModulePath], _ parameters: Parameters, plan: PrecisionPlan, tiedTo: String? = nil,
        records: LinearRecords? = nil, keeping: WeightKeeping = .none
    ) {
        self.records = records
        self.keeping = keeping
        if case .none = keeping {
            kept = []
        } else {
            kept = paths.map { _ in (KeptOperand(), KeptOperand()) }
        }
        let weights = paths.map { parameters.layout[tiedTo ?? $0.parameter("weight")]! }
        var start = 0
        parts = zip(paths, weights).map { path, tensor in
            defer { start += tensor.shape[0] }
            return Part(
                path: path, outputs: tensor.shape[0], start: start,
                tensor: parameters.layout.tensors.firstIndex(of: tensor) ?? 0)
        }
        outputs = start
        inputs = weights[0].shape[1]
        weight = parameters.values + weights[0].offset
        weightGradient = parameters.gradients + weights[0].offset
        if let first = parameters.layout[paths[0].parameter("bias")] {
            bias = parameters.values + first.offset
            biasGradient = parameters.gradients + first.offset
        } else {
            bias = nil
            biasGradient = nil
        }
        apply(plan)
    }

    mutating func apply(_ plan: PrecisionPlan) {
        let averages = runs.compactMap(\.average)
        runs.removeAll(keepingCapacity: true)
        for (index, part) in parts.enumerated() {
            let formats = plan[part.path]
            if let last = runs.last, last.formats == formats, formats.canJoin(last.outputs, part.outputs) {
                runs[runs.count - 1].outputs += part.outputs
            } else {
                runs.append(
                    Run(
                        start: part.start, outputs: part.outputs, formats: formats, tensor: part.tensor, part: index,
                        average: average(of: part, formats, among: averages)))
            }
        }
        applyClipping(plan)
    }

    /// Statistics go on as long as the clipping stays the same.
    private mutating func applyClipping(_ plan: PrecisionPlan) {
        let clipping = plan.clipping.scope == nil ? nil : plan.clipping
        if clipper?.clipping != clipping {
            clipper = clipping.map { OutputGradientClipper($0, parts: parts.map { $0.start..<$0.start + $0.outputs }) }
        }
        for (index, part) in parts.enumerated() {
            let formats = plan[part.path]
            clipper?.isActive[index] = formats.dgrad.a.unscaled == nil || formats.wgrad.a.unscaled == nil
        }
    }

    /// fprop without the bias: `y = x·Wᵀ`.
    func forward(
        _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, rows: Int, _ pass: QuantizationPassKey,
        _ compute: ComputeContext
    ) {
        var clock = PassClock()
        if let reference = pass.reference {
            let w = MatrixView(weight, rows: outputs, columns: inputs)
            compute.gemm(
                MatrixView(x, rows: rows, columns: inputs), w.transposed, into: y, rowStride: outputs,
                accumulate: false, formats: GEMMFormats(BlockFormat(reference)))
            return record(clock.lap(), start: 0, outputs: outputs, pass)
        }
        if !pass.isRepeated { capture(x, rows: rows, pass) }
        compute.sharedInput.forget()
        for index in runs.indices {
            let run = runs[index]
            defer { record(clock.lap(), start: run.start, outputs: run.outputs, pass) }
            let health = pass.isRepeated ? nil : health(run, .fprop)
            if run.usesTechniques {
                forward(run, x, into: y, rows: rows, pass, compute, health: health)
                continue
            }
            let w = MatrixView(weight + run.start * inputs, rows: run.outputs, columns: inputs)
            compute.gemm(
                MatrixView(x, rows: rows, columns: inputs), w.transposed, into: y + run.start, rowStride: outputs,
                accumulate: false, formats: run.formats.fprop, random: pass.random(run.tensor, 0),
                health: health,
                keptA: runs.count > 1 && run.formats.fprop.a.isDeterministic ? compute.sharedInput : nil,
                keptB: kept(run, .fprop, compute))
        }
    }

    /// dgrad `dx (+)= dy·W` and wgrad `dW += dyᵀ·x`; the bias' gradient is the caller's.
    func backward(
        _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, rows: Int,
        _ pass: QuantizationPassKey, _ compute: ComputeContext
    ) {
        var clock = PassClock()
        if let reference = pass.reference {
            let formats = GEMMFormats(BlockFormat(reference))
            let e = MatrixView(dy, rows: rows, columns: outputs)
            let w = MatrixView(weight, rows: outputs, columns: inputs)
            compute.gemm(e, w, into: dx, rowStride: inputs, accumulate: false, formats: formats, part: .dgrad)
            compute.gemm(
                e.transposed, MatrixView(x, rows: rows, columns: inputs), into: weightGradient, rowStride: inputs,
                accumulate: true, formats: formats, part: .wgrad)
            return record(clock.lap(), start: 0, outputs: outputs, pass, isBackward: true)
        }
        let dy = clipper?.clip(dy, rows: rows, records: !pass.isProbe, compute) ?? dy
        if clipper != nil { compute.clock.mark(.clip) }
        captureGradient(dy, rows: rows, pass)
        for index in runs.indices {
            let run = runs[index]
            defer { record(clock.lap(), start: run.start, outputs: run.outputs, pass, isBackward: true) }
            let e = MatrixView(
                dy + run.start, rows: rows, columns: run.outputs, rowStride: outputs)
            if run.usesTechniques {
                backward(
                    run, e, x: x, into: dx, accumulate: index > 0, pass, compute, dgradHealth: health(run, .dgrad),
                    wgradHealth: health(run, .wgrad))
                continue
            }
            let w = MatrixView(weight + run.start * inputs, rows: run.outputs, columns: inputs)
            compute.gemm(
                e, w, into: dx, rowStride: inputs, accumulate: index > 0, formats: run.formats.dgrad,
                random: pass.random(run.tensor, 1), health: health(run, .dgrad), keptB: kept(run, .dgrad, compute),
                part: .dgrad)
            compute.gemm(
                e.transposed, MatrixView(x, rows: rows, columns: inputs),
                into: weightGradient + run.start * inputs, rowStride: inputs, accumulate: true,
                formats: run.formats.wgrad, random: pass.random(run.tensor, 2), health: health(run, .wgrad),
                part: .wgrad)
        }
    }

    /// Where the weight of a run stays packed for a GEMM.
    private func kept(_ run: Run, _ gemm: GEMMKind, _ compute: ComputeContext) -> KeptOperand? {
        let formats = run.formats[gemm]
        switch keeping {
        case .none: return nil
        case .compact where !compute.packsCompactly(formats): return nil
        case .compact, .all: break
        }
        guard formats.b.isDeterministic else { return nil }
        if case .fprop = gemm { return kept[run.part].fprop }
        return kept[run.part].dgrad
    }

    /// So that no step has to.
    func reserveKeptMemory(_ compute: ComputeContext) {
        for run in runs where !run.usesTechniques {
            if let fprop = kept(run, .fprop, compute) {
                _ = fprop.place(compute.rightLayout(columns: run.outputs, depth: inputs, run.formats.fprop))
            }
            if let dgrad = kept(run, .dgrad, compute) {
                _ = dgrad.place(compute.rightLayout(columns: inputs, depth: run.outputs, run.formats.dgrad))
            }
        }
    }

    var keptBytes: Int { kept.reduce(0) { $0 + $1.fprop.memoryBytes + $1.dgrad.memoryBytes } }

    /// To be called when the weights have changed.
    func forgetWeights() {
        for index in kept.indices {
            kept[index].fprop.forget()
            kept[index].dgrad.forget()
        }
    }

    private func health(_ run: Run, _ gemm: GEMMKind) -> UnsafeMutablePointer<GEMMHealth>? {
        records.map { $0.health + 3 * run.part + gemm.index }
    }

    /// Shares time out to the parts that a GEMM computed, by their FLOPs. What is computed again is left out: a linear's time
    /// is that of three products.
    private func record(
        _ seconds: Double, start: Int, outputs: Int, _ pass: QuantizationPassKey, isBackward: Bool = false
    ) {
        guard let records, !pass.isRepeated else { return }
        for index in parts.indices where parts[index].start >= start && parts[index].start < start + outputs {
            records.seconds[2 * index + (isBackward ? 1 : 0)] +=
                seconds * Double(parts[index].outputs) / Double(outputs)
        }
    }

    /// Seconds that a part's GEMMs took since the gradients were cleared.
    func seconds(ofPart part: Int) -> (forward: Double, backward: Double) {
        records.map { ($0.seconds[2 * part], $0.seconds[2 * part + 1]) } ?? (0, 0)
    }

    // MARK: Inspection

    private func capture(_ x: UnsafePointer<Float>, rows: Int, _ pass: QuantizationPassKey) {
        guard let capture = pass.capture, let run = run(of: capture.module) else { return }
        let random = pass.random(run.tensor, 0)
        let part = run.captured
        capture.take(
            .weight, MatrixView(weight + part.start * inputs, rows: part.outputs, columns: inputs), run.formats.fprop.b,
            random.b)
        capture.take(.activation, MatrixView(x, rows: rows, columns: inputs), run.formats.fprop.a, random.a)
    }

    private func captureGradient(_ dy: UnsafePointer<Float>, rows: Int, _ pass: QuantizationPassKey) {
        guard let capture = pass.capture, let run = run(of: capture.module) else { return }
        let part = run.captured
        capture.take(
            .gradient, MatrixView(dy + part.start, rows: rows, columns: part.outputs, rowStride: outputs),
            run.formats.dgrad.a, pass.random(run.tensor, 1).a)
    }

    private func run(of module: ModulePath) -> (formats: LinearFormats, tensor: Int, captured: Part)? {
        guard let part = parts.first(where: { $0.path == module }),
            let run = runs.last(where: { $0.start <= part.start })
        else { return nil }
        return (run.formats, run.tensor, part)
    }

    /// The health of one part's GEMM, or of what it runs together with.
    func health(ofPart part: Int, _ gemm: GEMMKind) -> GEMMHealth {
        var found = 0
        for index in runs.indices where runs[index].part <= part { found = index }
        return health(runs[found], gemm)?.pointee ?? GEMMHealth()
    }
}

/// Keys what is random in the quantization of one pass over the model.
struct QuantizationPassKey {
    let seed: UInt64
    /// Counts the forward and backward passes of a run.
    let pass: UInt64
    /// A pass beside the run, which must leave no trace in running statistics.
    var isProbe = false
    /// Forward is computed again for backward: nothing of it is reported.
    var isRepeated = false
    /// The entropy of each layer's attention is computed on the way.
    var measuresEntropy = false
    /// All linears run in this format whatever the plan says: what quantization is held against.
    var reference: UnscaledFormat?
    /// Looks at the operands of one linear as they pass by.
    var capture: OperandCapture?

    /// - Parameters:
    ///   - tensor: the weight's index among the parameters.
    ///   - gemm: 0 fprop, 1 dgrad, 2 wgrad.
    func random(_ tensor: Int, _ gemm: Int) -> GEMMRandom {
        let operation = UInt32(tensor * 3 + gemm)
        return GEMMRandom(
            a: QuantizationRandom(seed: seed, step: pass, operandID: 2 * operation, operationID: operation),
            b: QuantizationRandom(seed: seed, step: pass, operandID: 2 * operation + 1, operationID: operation))
    }
}

extension LinearFormats {
    /// Two linears that share their input give the same bits as one: every scale belongs to a part of a single row or column
    /// of a weight, no block of dgrad reaches across the border, and no random number depends on the place.
    fileprivate func canJoin(_ first: Int, _ second: Int) -> Bool {
        guard techniques == LinearTechniques() else { return false }
        let formats = [fprop.a, fprop.b, dgrad.a, dgrad.b, wgrad.a, wgrad.b]
        return formats.allSatisfy { format in
            guard format.unscaled == nil else { return true }
            guard format.scale != .e4m3, format.rounding == .nearest, format.hadamard == nil else { return false }
            if case .vector = format.block { return first % 128 == 0 && second % 128 == 0 }
            return false
        }
    }
}
