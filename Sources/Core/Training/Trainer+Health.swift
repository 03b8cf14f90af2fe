extension Trainer {
    /// What quantization did in the step that is just over.
    func healthReport() -> HealthReport {
        let gemms = configuration.model.linears.enumerated().flatMap { index, path in
            GEMMKind.allCases.compactMap { gemm -> HealthReport.GEMM? in
                let health = transformer.health(ofLinear: index, gemm)
                guard health.a.count + health.b.count > 0 else { return nil }
                return HealthReport.GEMM(
                    module: path, gemm: gemm, a: health.a.count > 0 ? health.a : nil,
                    b: health.b.count > 0 ? health.b : nil)
            }
        }
        let modules = configuration.model.linears.enumerated().map { index, path in
            let seconds = transformer.seconds(ofLinear: index)
            return HealthReport.Module(
                path: path, gradientNorm: gradientNorm(of: path), forwardMilliseconds: 1e3 * seconds.forward,
                backwardMilliseconds: 1e3 * seconds.backward)
        }
        return HealthReport(step: step, gemms: gemms, modules: modules)
    }

    private func gradientNorm(of linear: ModulePath) -> Double? {
        guard let tensor = parameters.layout[linear.parameter("weight")] else { return nil }
        // Sums of FP32 squares are kept short.
        let block = 1 << 12
        var sum = 0.0
        for start in stride(from: 0, to: tensor.count, by: block) {
            sum += Double(
                compute.kernels.sumOfSquares(
                    parameters.gradients + tensor.offset + start, count: min(block, tensor.count - start)))
        }
        return sum.squareRoot()
    }

    /// Counts the codes of a linear's operands in a pass over the probe batch, which changes nothing that the run depends
    /// on.
    ///
    /// - Throws: `UserError` if the data turn out to be bad.
    func inspect(_ module: ModulePath) throws {
        try sampler.fillValidation(batch: 0, tokens: batch.places.tokens, targets: batch.places.targets)
        let before = transformer.pass
        defer { transformer.pass = before }
        transformer.pass = QuantizationPassKey(seed: configuration.run.seed, pass: UInt64(step) | 1 << 62)
        transformer.pass.isProbe = true
        transformer.pass.capture = OperandCapture(module)
        transformer.clearGradients()
        _ = transformer.accumulateGradients(
            batch.places.tokens, targets: batch.places.targets, sequences: configuration.training.batch,
            length: configuration.model.context, gradientScale: 1 / Float(tokensPerStep))
        finishInspection()
    }

    /// Tells what the pass that is just over has captured.
    func finishInspection() {
        guard let capture = transformer.pass.capture else { return }
        transformer.pass.capture = nil
        inspected = nil
        news.append(
            .inspected(ModuleInspection(step: step, module: capture.module, histograms: capture.histograms)))
    }

    /// The linears whose gradient was clipped in the step that is just over.
    func clippedGradients() -> [ClippedGradient] {
        transformer.clippingTotals.compactMap { path, totals in
            guard totals.clipped > 0 else { return nil }
            return ClippedGradient(
                module: path, fraction: Double(totals.clipped) / Double(totals.values),
                normBefore: totals.squares.squareRoot(), normClipped: totals.clippedSquares.squareRoot(),
                normAfter: totals.rescaledSquares.squareRoot())
        }
    }

    /// The linear in which a quantized operand first had a value that is not finite in the step that is just over.
    var firstNonFinite: ModulePath? {
        moduleHealth().compactMap { health in health.nonFiniteAt.map { (health.module, $0) } }
            .min { $0.1 < $1.1 }?.0
    }

    /// Holds gradients and attention against BF16 on the first batch of the validation sample. Changes nothing that the
    /// run depends on.
    ///
    /// - Throws: `UserError` if memory is short, or the data turn out to be bad.
    func probe() throws -> ProbeReport {
        let probe = try gradientProbe ?? GradientProbe(transformer)
        gradientProbe = probe
        try sampler.fillValidation(batch: 0, tokens: batch.places.tokens, targets: batch.places.targets)
        var report = probe.run(
            batch.places.tokens, targets: batch.places.targets, sequences: configuration.training.batch,
            length: configuration.model.context, gradientScale: 1 / Float(tokensPerStep), seed: configuration.run.seed,
            step: step)
        for index in report.modules.indices {
            report.modules[index].flipRate = flipRates[report.modules[index].path]
        }
        flipRates = [:]
        guard let oscillation, oscillation.end == step else { return report }
        let results = oscillation.results
        for index in report.modules.indices {
            guard let result = results[report.modules[index].path] else { continue }
            report.modules[index].oscillation = result.ratio
            report.modules[index].oscillating = result.oscillating
            report.modules[index].oscillationSteps = result.steps
        }
        return report
    }

    /// - Throws: `UserError` if the first probe would need more memory than the machine has.
    func requireMemoryForProbe() throws {
        if gradientProbe == nil { try configuration.requireMemory(memoryBytes + 4 * parameters.layout.count) }
    }

    /// Begins the window of the next probe, if it is time and it has not begun.
    ///
    /// - Throws: `UserError` if memory is short.
    func beginOscillationWindow() throws {
        let every = configuration.health.probeEvery
        guard every > 0 else { return }
        let end = (step / every + 1) * every
        guard end - step <= OscillationWindow.length, end <= configuration.run.steps, oscillation?.end != end else {
            return
        }
        let window = try oscillation ?? OscillationWindow(transformer)
        oscillation = window
        window.begin(until: end)
    }
}
