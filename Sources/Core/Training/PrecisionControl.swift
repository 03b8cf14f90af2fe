/// What changes precision while a model trains: commands, phases and triggers. Everything here is part of a saved state,
/// since it decides the bits of the steps to come.
struct PrecisionControl: Codable {
    private struct PendingEffect: Codable {
        var id: Int
        var lossBefore: Double?
        var sum = 0.0
        var count = 0
    }

    private(set) var state: PrecisionState
    private let model: ModelConfiguration
    private let steps: Int
    private let tokensPerStep: Int
    private var changeCount = 0
    /// The newest ones.
    private var losses: [Float] = []
    /// The losses that a spike is measured against.
    private var window: [Float] = []
    private var pending: [PendingEffect] = []
    /// Running means of the relative errors of X and E of each linear; 0 before the first.
    private var meanErrors: [Double]
    /// How many of the run's scheduled commands were carried out.
    var commandsDone = 0

    /// Steps whose losses are compared before and after a change.
    static let effectSteps = 50
    private static let errorDecay = 0.95

    init(_ recipe: Recipe, _ model: ModelConfiguration, steps: Int, tokensPerStep: Int) {
        state = PrecisionState(recipe: recipe)
        self.model = model
        self.steps = steps
        self.tokensPerStep = tokensPerStep
        meanErrors = Array(repeating: 0, count: 2 * model.linears.count)
        losses.reserveCapacity(Self.effectSteps + 1)
        window.reserveCapacity(recipe.schedule.triggers.spikeWindow + 1)
    }

    /// Whether one that was read from a file is of such a run, and nothing in it is out of range.
    func isOf(_ model: ModelConfiguration, steps: Int, tokensPerStep: Int, commands: Int) -> Bool {
        self.model == model && self.steps == steps && self.tokensPerStep == tokensPerStep
            && meanErrors.count == 2 * model.linears.count && 0...commands ~= commandsDone
            && 0...state.recipe.schedule.phaseCount ~= state.phasesBegun && changeCount >= 0
            && pending.allSatisfy { $0.count >= 0 }
            && (try? state.recipe.validate(for: model)) != nil
    }

    // MARK: Commands

    /// - Throws: `UserError` if no module matches, or none would change.
    mutating func set(_ assignment: PrecisionAssignment, at step: Int) throws(UserError) -> PrecisionChange {
        let changed = try state.set([assignment], in: model)
        guard !changed.isEmpty else {
            throw UserError("prec \(assignment) changes nothing: the modules are in that precision already")
        }
        return record(.command, EngineCommand.setPrecision(assignment).text, changed, at: step)
    }

    /// - Throws: `UserError` if the recipe is in use already and nothing was changed over it.
    mutating func set(_ recipe: Recipe, at step: Int) throws(UserError) -> PrecisionChange {
        guard recipe != state.recipe || !state.changes.isEmpty else {
            throw UserError("recipe \(recipe.name) changes nothing: it is in use already")
        }
        let changed = state.set(recipe, in: model)
        window.removeAll(keepingCapacity: true)
        return record(.recipe, EngineCommand.setRecipe(recipe).text, changed, at: step)
    }

    /// - Throws: `UserError` if there is nothing to undo.
    mutating func undo(at step: Int) throws(UserError) -> PrecisionChange {
        let before = state.recipe
        guard let changed = state.undo(in: model) else {
            throw UserError("undo changes nothing: no change of precision is left to undo")
        }
        var sameButForPhases = before
        sameButForPhases.schedule = state.recipe.schedule
        // What has passed in the meantime does not begin any more.
        if before != state.recipe, sameButForPhases == state.recipe { state.phasesBegun = phasesDue(at: step) }
        return record(.undo, "undo", changed, at: step)
    }

    /// The run goes on in this precision, having been in another.
    mutating func recordSwap(from old: PrecisionState, at step: Int) -> PrecisionChange {
        record(.command, EngineCommand.swapFork.text, old.differences(to: state, in: model), at: step)
    }

    mutating func set(_ clipping: GradientClipping) {
        state.set(clipping)
    }

    // MARK: Phases

    /// - Throws: `UserError` if the change is not possible, or changes nothing.
    mutating func edit(_ edit: ScheduleEdit, at step: Int) throws(UserError) {
        try edit.validate(for: model)
        state.set(
            try state.recipe.schedule.applying(edit, at: step, steps: steps, tokensPerStep: tokensPerStep))
        state.phasesBegun = phasesDue(at: step)
    }

    private func phasesDue(at step: Int) -> Int {
        state.recipe.schedule.timeline(steps: steps, tokensPerStep: tokensPerStep).count { $0.step <= step }
    }

    /// Begins the phases that are due after so many steps.
    ///
    /// - Throws: `UserError` for a pattern that matches no module.
    mutating func beginPhases(at step: Int) throws(UserError) -> [PrecisionChange] {
        guard state.phasesBegun < state.recipe.schedule.phaseCount else { return [] }
        let phases = state.recipe.schedule.timeline(steps: steps, tokensPerStep: tokensPerStep)
        var changes: [PrecisionChange] = []
        while state.phasesBegun < phases.count, phases[state.phasesBegun].step <= step {
            let phase = phases[state.phasesBegun]
            state.phasesBegun += 1
            let assignments =
                phase.isTarget
                ? state.recipe.schedule.targetAssignments(over: state.plan(for: model), of: model) : phase.assignments
            let changed = try state.set(assignments, in: model)
            if !changed.isEmpty {
                let text = phase.isTarget ? phase.assignments : assignments
                changes.append(record(.phase(phase.name), Self.text(text), changed, at: step))
            }
        }
        return changes
    }

    // MARK: Triggers

    private var triggers: PrecisionTriggers { state.recipe.schedule.triggers }

    /// Whether the recipe has a limit for ρ.
    var asksForRho: Bool { triggers.rho != nil }

    /// Takes the loss of a step that was applied.
    ///
    /// - Returns: the effects that are complete with it.
    mutating func observe(_ loss: Float, at step: Int) -> [PrecisionEffect] {
        losses.append(loss)
        if losses.count > Self.effectSteps { losses.removeFirst() }
        guard !pending.isEmpty else { return [] }
        for index in pending.indices {
            pending[index].sum += Double(loss)
            pending[index].count += 1
        }
        return takeEffects(at: step) { $0 >= Self.effectSteps }
    }

    /// The effects that the end of the run cuts short.
    mutating func lastEffects(at step: Int) -> [PrecisionEffect] {
        defer { pending.removeAll() }
        return takeEffects(at: step) { $0 > 0 }
    }

    private mutating func takeEffects(at step: Int, where isDue: (Int) -> Bool) -> [PrecisionEffect] {
        let due = pending.filter { isDue($0.count) }
        pending.removeAll { isDue($0.count) }
        return due.map {
            PrecisionEffect(
                id: $0.id, step: step, steps: $0.count, lossBefore: $0.lossBefore, lossAfter: $0.sum / Double($0.count))
        }
    }

    /// Whether a loss is a spike; call with every loss, in order. The window must be full first, and begins anew after a
    /// spike.
    mutating func spike(_ loss: Float) -> String? {
        guard let sigma = triggers.spikeSigma else { return nil }
        let size = max(2, triggers.spikeWindow)
        if window.count >= size {
            var (sum, squares) = (0.0, 0.0)
            for value in window { sum += Double(value) }
            let mean = sum / Double(window.count)
            for value in window { squares += (Double(value) - mean) * (Double(value) - mean) }
            let deviation = (squares / Double(window.count)).squareRoot()
            if deviation > 0, Double(loss) > mean + sigma * deviation {
                let excess = (Double(loss) - mean) / deviation
                window.removeAll(keepingCapacity: true)
                return
                    "the loss \(Self.rounded(Double(loss))) is \(Self.rounded(excess)) standard deviations above the "
                    + "mean \(Self.rounded(mean)) of \(size) steps"
            }
            window.removeFirst()
        }
        window.append(loss)
        return nil
    }

    /// Raises the modules with the highest scores, a tenth of the linears at most, one at least.
    ///
    /// - Returns: nil if no module can be raised.
    mutating func rescue(afterSpike reason: String, _ health: [ModuleHealth], at step: Int) -> PrecisionChange? {
        let sorted = byScore(raisable(health))
        let misbehaving = sorted.filter { ($0.score ?? 0) > 1 }
        let chosen = misbehaving.isEmpty ? Array(sorted.prefix(1)) : Array(misbehaving.prefix(mostRaised))
        return raise(chosen.map(\.module), .rule("spike", reason: reason), at: step)
    }

    /// Raises the module in which a value that is not finite was first seen and the one before it, where it may come
    /// from; if neither can be raised, others.
    ///
    /// - Returns: nil if the recipe does not ask for it, or if no module can be raised.
    mutating func rescue(fromNonFinite what: String, _ health: [ModuleHealth], at step: Int) -> PrecisionChange? {
        guard triggers.nonFinite else { return nil }
        let raisable = raisable(health)
        var chosen: [ModuleHealth] = []
        var place = ""
        if let first = health.indices.filter({ health[$0].nonFiniteAt != nil })
            .min(by: { health[$0].nonFiniteAt! < health[$1].nonFiniteAt! })
        {
            let isForward = health[first].nonFiniteAt! < health.count
            let before = isForward ? first - 1 : first + 1
            let suspects = [first, before].filter(health.indices.contains).map { health[$0].module }
            chosen = raisable.filter { suspects.contains($0.module) }
            place = ", first seen in \(isForward ? "the forward" : "the backward") pass of \(health[first].module)"
        }
        if chosen.isEmpty { chosen = Array(byScore(raisable).prefix(mostRaised)) }
        return raise(chosen.map(\.module), .rule("non-finite", reason: "\(what) is not finite\(place)"), at: step)
    }

    /// Moves the backward GEMMs of modules to BF16 whose ρ, gradient to quantization noise, is below the recipe's limit.
    ///
    /// - Returns: nil if the recipe has no limit, or no module changes.
    mutating func apply(rho: [ModulePath: Double], at step: Int) -> PrecisionChange? {
        guard let limit = triggers.rho else { return nil }
        let low = state.precisions(of: model).filter { entry in
            (rho[entry.module] ?? .infinity) < limit && min(entry.precisions.dgrad, entry.precisions.wgrad) < .bf16
        }
        guard let worst = low.map({ (rho[$0.module]!, $0.module) }).min(by: { $0.0 < $1.0 }) else { return nil }
        let assignments = low.map {
            PrecisionAssignment(ModulePattern($0.module), gemms: [.dgrad, .wgrad], .precision(.bf16))
        }
        let reason = "ρ is below \(Self.rounded(limit)), at least \(Self.rounded(worst.0)) in \(worst.1)"
        return change(assignments, .rule("rho", reason: reason), at: step)
    }

    private var mostRaised: Int { max(1, model.linears.count / 10) }

    private func raisable(_ health: [ModuleHealth]) -> [ModuleHealth] {
        let plan = state.plan(for: model)
        return health.filter { item in
            GEMMKind.allCases.contains { plan[item.module].precisions[$0].raised != nil }
        }
    }

    /// Equal ones stay in order.
    private func byScore(_ health: [ModuleHealth]) -> [ModuleHealth] {
        health.enumerated().sorted {
            let (a, b) = ($0.element.score ?? 0, $1.element.score ?? 0)
            return a == b ? $0.offset < $1.offset : a > b
        }
        .map(\.element)
    }

    private mutating func raise(_ modules: [ModulePath], _ cause: PrecisionChange.Cause, at step: Int)
        -> PrecisionChange?
    {
        let plan = state.plan(for: model)
        let assignments = modules.flatMap { module in
            let precisions = plan[module].precisions
            return [Precision.fp8, .bf16].compactMap { wanted -> PrecisionAssignment? in
                let gemms = GEMMKind.allCases.filter { precisions[$0].raised == wanted }
                return gemms.isEmpty
                    ? nil : PrecisionAssignment(ModulePattern(module), gemms: gemms, .precision(wanted))
            }
        }
        return change(assignments, cause, at: step)
    }

    private mutating func change(
        _ assignments: [PrecisionAssignment], _ cause: PrecisionChange.Cause, at step: Int
    ) -> PrecisionChange? {
        guard !assignments.isEmpty, let changed = try? state.set(assignments, in: model), !changed.isEmpty
        else { return nil }
        return record(cause, Self.text(assignments), changed, at: step)
    }

    private mutating func record(
        _ cause: PrecisionChange.Cause, _ text: String, _ modules: [ModulePrecisionChange], at step: Int
    ) -> PrecisionChange {
        changeCount += 1
        let lossBefore =
            losses.isEmpty ? nil : losses.reduce(0.0) { $0 + Double($1) } / Double(losses.count)
        pending.append(PendingEffect(id: changeCount, lossBefore: lossBefore))
        return PrecisionChange(
            id: changeCount, step: step, cause: cause, text: text, modules: modules, lossBefore: lossBefore)
    }

    private static func text(_ assignments: [PrecisionAssignment]) -> String {
        assignments.map { "prec \($0)" }.joined(separator: "; ")
    }

    /// Four decimals at most.
    private static func rounded(_ x: Double) -> Double { (x * 1e4).rounded() / 1e4 }

    // MARK: Health

    /// The larger of the errors of X and E of a linear over their running means; nil if neither is quantized.
    ///
    /// - Parameter linear: index among the model's linears.
    func score(_ linear: Int, errors: (x: Double?, e: Double?)) -> Double? {
        func ratio(_ error: Double?, _ mean: Double) -> Double? { error.map { mean > 0 ? $0 / mean : 1 } }
        let ratios = (ratio(errors.x, meanErrors[2 * linear]), ratio(errors.e, meanErrors[2 * linear + 1]))
        switch ratios {
        case (let x?, let e?): return max(x, e)
        case (let x, let e): return x ?? e
        }
    }

    /// Moves the running means on.
    mutating func observe(_ linear: Int, errors: (x: Double?, e: Double?)) {
        func move(_ index: Int, _ error: Double?) {
            guard let error else { return }
            let mean = meanErrors[index]
            meanErrors[index] = mean > 0 ? mean + (1 - Self.errorDecay) * (error - mean) : error
        }
        move(2 * linear, errors.x)
        move(2 * linear + 1, errors.e)
    }
}

extension PrecisionSchedule {
    /// - Throws: `UserError` if a phase has a pattern that matches no module.
    func validate(for model: ModelConfiguration) throws(UserError) {
        for phase in phases {
            for assignment in phase.assignments { _ = try assignment.pattern.linears(of: model) }
        }
    }

    var phaseCount: Int { phases.count + (targetFraction > 0 ? 1 : 0) }

    /// All phases, in the order in which they begin, the target precision among them.
    func timeline(steps: Int, tokensPerStep: Int)
        -> [(step: Int, name: String, assignments: [PrecisionAssignment], isTarget: Bool)]
    {
        var result = phases.enumerated().map { index, phase in
            (
                step: phase.start.step(steps: steps, tokensPerStep: tokensPerStep), name: "phase \(index + 1)",
                assignments: phase.assignments, isTarget: false
            )
        }
        if targetFraction > 0 {
            result.append(
                (
                    step: targetStep(steps: steps), name: "target precision",
                    assignments: [targetAssignment], isTarget: true
                ))
        }
        // Of those that begin together, the order above stays.
        return result.enumerated().sorted { ($0.element.step, $0.offset) < ($1.element.step, $1.offset) }
            .map(\.element)
    }

    /// Raises what is narrower than the target precision, and leaves all else alone.
    ///
    /// - Parameter plan: what the linears run in until then.
    func targetAssignments(over plan: PrecisionPlan, of model: ModelConfiguration) -> [PrecisionAssignment] {
        model.linears.compactMap { path in
            let formats = plan[path]
            let gemms = GEMMKind.allCases.filter {
                targetScope.includes($0) && formats[$0].widest < targetPrecision
            }
            guard path.layer != nil, !gemms.isEmpty else { return nil }
            return PrecisionAssignment(ModulePattern(path), gemms: gemms, .precision(targetPrecision))
        }
    }

    private var targetAssignment: PrecisionAssignment {
        let gemms: [GEMMKind]? =
            switch targetScope {
            case .forward: [.fprop]
            case .backward: [.dgrad, .wgrad]
            case .both: nil
            }
        return PrecisionAssignment(.layers, gemms: gemms, .precision(targetPrecision))
    }
}

extension PrecisionPhase.Start {
    /// The optimizer steps after which it is.
    func step(steps: Int, tokensPerStep: Int) -> Int {
        switch self {
        case .step(let step): step
        case .tokens(let tokens): (tokens + tokensPerStep - 1) / tokensPerStep
        case .fraction(let fraction): Int((Double(steps) * fraction).rounded())
        }
    }
}
