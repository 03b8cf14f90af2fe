extension Recipe {
    /// The steps after which the plan changes by itself, ascending, within a run of `steps` steps; 0 is always the first.
    public func planChanges(steps: Int, tokensPerStep: Int) -> [Int] {
        let phases = schedule.phases.map { $0.start.step(of: steps, tokensPerStep: tokensPerStep) }
        let starts = phases + (schedule.targetFraction > 0 ? [targetStart(steps: steps)] : [])
        return [0] + Set(starts.filter { 0 < $0 && $0 < steps }).sorted()
    }

    /// The plan for the step that follows `step` steps of a run of `steps`: the phases begun so far, in their order, and at
    /// the end of the run target-precision training (arXiv 2502.11458), which raises the GEMMs of the layers' linears in its
    /// scope that are narrower than the target and leaves the others alone.
    ///
    /// - Parameter tokensPerStep: of an optimizer step, for phases that begin after so many tokens.
    public func plan(
        for model: ModelConfiguration, at step: Int, of steps: Int, tokensPerStep: Int
    ) -> PrecisionPlan {
        let changes = schedule.phases.filter { $0.start.step(of: steps, tokensPerStep: tokensPerStep) <= step }
            .flatMap(\.assignments)
        var plan = plan(for: model, changes: changes)
        guard schedule.targetFraction > 0, step >= targetStart(steps: steps) else { return plan }
        for path in model.linears where path.layer != nil {
            var formats = plan[path]
            for gemm in GEMMKind.allCases where schedule.targetScope.includes(gemm) {
                guard formats[gemm].widest < schedule.targetPrecision else { continue }
                formats[gemm] = self.formats(gemm, schedule.targetPrecision)
            }
            if formats.fprop.precision != .fp4 { formats.techniques = LinearTechniques() }
            plan.linears[path] = formats
        }
        return plan
    }

    /// The step after which target-precision training begins.
    private func targetStart(steps: Int) -> Int {
        Int((Double(steps) * (1 - schedule.targetFraction)).rounded())
    }
}

extension PrecisionPhase.Start {
    /// The number of steps of a run of `steps` after which the phase begins.
    func step(of steps: Int, tokensPerStep: Int) -> Int {
        switch self {
        case .step(let step): step
        case .tokens(let tokens): (tokens + tokensPerStep - 1) / tokensPerStep
        case .fraction(let fraction): Int((Double(steps) * fraction).rounded())
        }
    }
}
