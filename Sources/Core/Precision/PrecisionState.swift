/// A module whose formats a change of precision really changed.
public struct ModulePrecisionChange: Hashable, Codable, Sendable {
    public var module: ModulePath
    public var from: GEMMPrecisions
    public var to: GEMMPrecisions
    /// The GEMMs whose formats differ, also where their precision is the same; empty if the techniques alone differ.
    public var gemms: [GEMMKind]
    /// What the module runs in now.
    public var formats: LinearFormats

    public init(
        module: ModulePath, from: GEMMPrecisions, to: GEMMPrecisions, gemms: [GEMMKind], formats: LinearFormats
    ) {
        self.module = module
        self.from = from
        self.to = to
        self.gemms = gemms
        self.formats = formats
    }
}

/// The precision of a run as it stands: a recipe, what was changed over it since, and what undoing needs.
public struct PrecisionState: Hashable, Codable, Sendable {
    /// What an undo goes back to.
    private struct Earlier: Hashable, Codable {
        var recipe: Recipe
        var changes: [PrecisionAssignment]
        var clipping: GradientClipping
        var phasesBegun: Int
    }

    public private(set) var recipe: Recipe
    /// Over the recipe; the last one that names a GEMM decides.
    public private(set) var changes: [PrecisionAssignment] = []
    /// Of the linears' gradients: the recipe's, until it is set.
    public private(set) var clipping: GradientClipping
    /// How many phases of the recipe's schedule have begun.
    public internal(set) var phasesBegun = 0
    private var history: [Earlier] = []

    /// Changes that can be undone.
    static let longestHistory = 256

    public init(recipe: Recipe) {
        self.recipe = recipe
        clipping = recipe.clipping
    }

    public func plan(for model: ModelConfiguration) -> PrecisionPlan {
        var plan = recipe.plan(for: model, changes: changes)
        plan.clipping = clipping
        return plan
    }

    /// What each linear of a model runs in, in their order.
    public func precisions(of model: ModelConfiguration) -> [(module: ModulePath, precisions: GEMMPrecisions)] {
        let plan = plan(for: model)
        return model.linears.map { ($0, plan[$0].precisions) }
    }

    /// Sets modules, all assignments as one change.
    ///
    /// - Returns: the modules whose formats changed; if there are none, the state is as it was.
    /// - Throws: `UserError` for a pattern that matches no module.
    public mutating func set(_ assignments: [PrecisionAssignment], in model: ModelConfiguration) throws(UserError)
        -> [ModulePrecisionChange]
    {
        for assignment in assignments { _ = try assignment.pattern.linears(of: model) }
        var next = self
        next.remember()
        for assignment in assignments { next.append(assignment) }
        let changed = differences(to: next, in: model)
        if !changed.isEmpty { self = next }
        return changed
    }

    /// Takes another recipe; what was changed over the old one is dropped, and its phases begin anew.
    ///
    /// - Returns: the modules whose formats changed.
    public mutating func set(_ recipe: Recipe, in model: ModelConfiguration) -> [ModulePrecisionChange] {
        var next = self
        next.remember()
        next.recipe = recipe
        next.changes = []
        next.clipping = recipe.clipping
        next.phasesBegun = 0
        defer { self = next }
        return differences(to: next, in: model)
    }

    public mutating func set(_ clipping: GradientClipping) {
        remember()
        self.clipping = clipping
    }

    /// Takes other phases for those of the recipe.
    mutating func set(_ schedule: PrecisionSchedule) {
        remember()
        recipe.schedule = schedule
    }

    /// Takes the last change back, whatever its cause.
    ///
    /// - Returns: the modules whose formats changed; nil if there is nothing to undo.
    public mutating func undo(in model: ModelConfiguration) -> [ModulePrecisionChange]? {
        var next = self
        guard let earlier = next.history.popLast() else { return nil }
        // A phase that is undone does not begin again.
        if earlier.recipe != recipe { next.phasesBegun = earlier.phasesBegun }
        next.recipe = earlier.recipe
        next.changes = earlier.changes
        next.clipping = earlier.clipping
        defer { self = next }
        return differences(to: next, in: model)
    }

    private mutating func remember() {
        if history.count == Self.longestHistory { history.removeFirst() }
        history.append(
            Earlier(recipe: recipe, changes: changes, clipping: clipping, phasesBegun: phasesBegun))
    }

    /// Adds a change, and drops those that it hides.
    private mutating func append(_ new: PrecisionAssignment) {
        let named = Set(new.gemms ?? GEMMKind.allCases)
        changes.removeAll { $0.pattern == new.pattern && named.isSuperset(of: $0.gemms ?? GEMMKind.allCases) }
        changes.append(new)
    }

    /// The modules that run in other formats in the other state.
    func differences(to other: PrecisionState, in model: ModelConfiguration) -> [ModulePrecisionChange] {
        let (old, new) = (plan(for: model), other.plan(for: model))
        return model.linears.compactMap { path in
            let (from, to) = (old[path], new[path])
            guard from != to else { return nil }
            return ModulePrecisionChange(
                module: path, from: from.precisions, to: to.precisions,
                gemms: GEMMKind.allCases.filter { from[$0] != to[$0] }, formats: to)
        }
    }
}
