extension Trainer {
    /// Sets modules from the next step on.
    ///
    /// - Throws: `UserError` if no module matches, or none would change.
    func set(_ assignment: PrecisionAssignment) throws(UserError) {
        tell(try control.set(assignment, at: step))
    }

    /// Takes another recipe from the next step on.
    ///
    /// - Throws: `UserError` if it changes nothing, or a phase names no module of this model.
    func set(_ recipe: Recipe) throws(UserError) {
        try recipe.schedule.validate(for: configuration.model)
        let (clipping, phases) = (control.state.clipping, control.state.recipe.schedule)
        tell(try control.set(recipe, at: step))
        tellClipping(from: clipping)
        tellSchedule(from: phases, nil)
        try beginPhases()
    }

    /// Takes the last change of precision back.
    ///
    /// - Throws: `UserError` if there is none.
    func undoPrecision() throws(UserError) {
        let (clipping, phases) = (control.state.clipping, control.state.recipe.schedule)
        tell(try control.undo(at: step))
        tellClipping(from: clipping)
        tellSchedule(from: phases, nil)
        try beginPhases()
    }

    func set(_ clipping: GradientClipping) {
        let old = control.state.clipping
        guard old != clipping else {
            news.append(.warning(step: step, message: "the clipping of the linears' gradients is already like that"))
            return
        }
        control.set(clipping)
        tellClipping(from: old)
    }

    /// Changes the phases that are to come.
    ///
    /// - Throws: `UserError` if the change is not possible, or changes nothing.
    func set(_ edit: ScheduleEdit) throws(UserError) {
        let phases = control.state.recipe.schedule
        try control.edit(edit, at: step)
        tellSchedule(from: phases, EngineCommand.editSchedule(edit).text)
    }

    /// Begins the phases of the recipe that are due.
    ///
    /// - Throws: `UserError` for a pattern that matches no module.
    func beginPhases() throws(UserError) {
        for change in try control.beginPhases(at: step) { tell(change) }
    }

    /// Moves the backward GEMMs of modules with too little gradient over quantization noise to BF16, if the recipe asks
    /// for it.
    ///
    /// - Parameter rho: ‖∇L‖ / (σ_q·√d) of modules, from a probe (arXiv 2505.19115).
    func applyRho(_ rho: [ModulePath: Double]) {
        if let change = control.apply(rho: rho, at: step) { tell(change) }
    }

    func applyRho(_ report: ProbeReport) {
        let known = report.modules.compactMap { module in module.rho.map { (module.path, $0) } }
        applyRho(Dictionary(known) { $1 })
    }

    /// How each linear fared since the gradients were cleared, in the order of the model's linears.
    func moduleHealth() -> [ModuleHealth] {
        let linears = configuration.model.linears
        return linears.enumerated().map { index, path in
            let forward = transformer.health(ofLinear: index, .fprop)
            let backward = [GEMMKind.dgrad, .wgrad].map { transformer.health(ofLinear: index, $0) }
            // The backward pass goes through the linears the other way round.
            let place =
                forward.isNonFinite
                ? index : backward.contains(where: \.isNonFinite) ? 2 * linears.count - 1 - index : nil
            return ModuleHealth(module: path, score: control.score(index, errors: errors(index)), nonFiniteAt: place)
        }
    }

    /// What a step that was applied means for triggers and effects.
    func observe(_ result: StepResult) {
        for effect in control.observe(result.loss, at: step) { news.append(.precisionEffect(effect)) }
        if let reason = control.spike(result.loss) {
            if let change = control.rescue(afterSpike: reason, moduleHealth(), at: step) {
                tell(change)
            } else {
                news.append(.warning(step: step, message: "\(reason), and no module is left to raise"))
            }
        }
        for index in 0..<transformer.linearCount { control.observe(index, errors: errors(index)) }
    }

    /// Returns whether modules were raised, so that the step is worth another try.
    func rescue(_ result: StepResult) -> Bool {
        let what = result.loss.isFinite ? "the gradient norm" : "the loss"
        guard let change = control.rescue(fromNonFinite: what, moduleHealth(), at: step) else { return false }
        tell(change)
        return true
    }

    /// The run is over: reports the effects of changes that it cut short.
    func finishEffects() {
        for effect in control.lastEffects(at: step) { news.append(.precisionEffect(effect)) }
    }

    /// Relative squared errors of X and of E, over the GEMMs in which they are quantized.
    private func errors(_ linear: Int) -> (x: Double?, e: Double?) {
        let fprop = transformer.health(ofLinear: linear, .fprop)
        let dgrad = transformer.health(ofLinear: linear, .dgrad)
        let wgrad = transformer.health(ofLinear: linear, .wgrad)
        func relMSE(_ a: QuantizationHealth, _ b: QuantizationHealth) -> Double? {
            var sum = a
            sum.add(b)
            return sum.relMSE
        }
        return (relMSE(fprop.a, wgrad.b), relMSE(dgrad.a, wgrad.a))
    }

    /// Gives the model the plan of the state of precision.
    func applyPlan() {
        transformer.apply(control.state.plan(for: configuration.model))
        if let oscillation, oscillation.end > step { oscillation.planChanged() }
    }

    private func tell(_ change: PrecisionChange) {
        applyPlan()
        news.append(.precisionChanged(change))
    }

    /// - Parameter text: the command that changed it; nil: another recipe, or an undo.
    func tellSchedule(from old: PrecisionSchedule, _ text: String?) {
        let new = control.state.recipe.schedule
        if new != old { news.append(.scheduleChanged(step: step, text: text, to: new)) }
    }

    private func tellClipping(from old: GradientClipping) {
        let new = control.state.clipping
        guard new != old else { return }
        applyPlan()
        news.append(.moduleClippingChanged(step: step, from: old, to: new))
    }
}

extension GEMMHealth {
    fileprivate var isNonFinite: Bool { a.nonFinite + b.nonFinite > 0 }
}
