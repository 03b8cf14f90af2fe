import Core

/// What a module is to be set to.
struct PrecisionTarget: Hashable, Sendable {
    /// The whole module, as the recipe understands it.
    var whole: Precision?
    /// Single GEMMs, over that.
    var gemms: [GEMMKind: Precision] = [:]

    var isEmpty: Bool { whole == nil && gemms.isEmpty }

    /// A later wish over an earlier one.
    mutating func add(_ later: PrecisionTarget) {
        if later.whole != nil {
            self = later
        } else {
            gemms.merge(later.gemms) { $1 }
        }
    }

    /// What a module in `formats` then runs in.
    func formats(over formats: LinearFormats, _ recipe: Recipe) -> LinearFormats {
        var result = formats
        for gemm in GEMMKind.allCases {
            if let precision = gemms[gemm] ?? whole.map({ recipe.gemms(of: $0)[gemm] }) {
                result[gemm] = recipe.formats(gemm, precision)
            }
        }
        result.techniques = result.fprop.precision == .fp4 ? recipe.techniques : LinearTechniques()
        return result
    }

    /// The assignments that set modules so, those of single GEMMs last.
    func assignments(_ pattern: ModulePattern) -> [PrecisionAssignment] {
        var result = whole.map { [PrecisionAssignment(pattern, .precision($0))] } ?? []
        for precision in Precision.allCases {
            let named = gemms.filter { $0.value == precision }.keys.sorted()
            if !named.isEmpty { result.append(PrecisionAssignment(pattern, gemms: named, .precision(precision))) }
        }
        return result
    }
}

/// Changes of precision that the user made and the engine has not answered yet.
struct PendingChanges: Sendable {
    /// What one gesture of the user changed.
    typealias Edit = [ModulePath: PrecisionTarget]

    private struct Sent: Sendable {
        var assignment: PrecisionAssignment
        var modules: Edit
    }

    /// Not sent yet, the oldest first.
    private(set) var edits: [Edit] = []
    /// All edits, one over the other.
    private(set) var waiting: Edit = [:]
    private var sent: [Sent] = []
    private var editedAt = 0.0

    private static let longest = 100
    /// Seconds without an edit after which a running engine is told.
    static let delay = 0.7

    var isEmpty: Bool { edits.isEmpty && sent.isEmpty }
    var sentModules: Set<ModulePath> { Set(sent.flatMap(\.modules.keys)) }

    func isDue(_ now: Double) -> Bool { !edits.isEmpty && now - editedAt >= Self.delay }

    func target(of path: ModulePath) -> PrecisionTarget? {
        var result: PrecisionTarget?
        for entry in sent {
            guard let target = entry.modules[path] else { continue }
            result = Self.joined(result, target)
        }
        return waiting[path].map { Self.joined(result, $0) } ?? result
    }

    func isWaiting(_ path: ModulePath) -> Bool { waiting[path] != nil }

    private static func joined(_ earlier: PrecisionTarget?, _ later: PrecisionTarget) -> PrecisionTarget {
        var result = earlier ?? PrecisionTarget()
        result.add(later)
        return result
    }

    // MARK: Edits

    /// An edit of the same modules as the newest one becomes part of it.
    mutating func add(_ edit: Edit, at now: Double) {
        editedAt = now
        if let last = edits.last, last.count == edit.count, last.keys.allSatisfy({ edit[$0] != nil }) {
            edits[edits.count - 1] = last.merging(edit, uniquingKeysWith: Self.joined)
        } else {
            if edits.count == Self.longest { edits[1].merge(edits.removeFirst()) { Self.joined($1, $0) } }
            edits.append(edit)
        }
        merge()
    }

    /// - Returns: the modules of the newest edit, which is forgotten; nil if there is none.
    mutating func dropNewest() -> Set<ModulePath>? {
        guard let edit = edits.popLast() else { return nil }
        merge()
        return Set(edit.keys)
    }

    mutating func dropAll() {
        edits = []
        waiting = [:]
    }

    private mutating func merge() {
        waiting = edits.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: Self.joined) }
    }

    // MARK: To the engine

    /// What the engine is to be told: modules that go to the same value share an assignment. It is then waited for an
    /// answer to each.
    ///
    /// - Parameter changes: whether a module's formats would change; what changes nothing is not sent.
    mutating func send(
        _ model: ModelConfiguration, where changes: (ModulePath) -> Bool
    ) throws(UserError) -> [PrecisionAssignment] {
        var groups: [(target: PrecisionTarget, modules: [ModulePath])] = []
        var places: [PrecisionTarget: Int] = [:]
        for path in model.linears {
            guard let target = waiting[path] else { continue }
            if let place = places[target] {
                groups[place].modules.append(path)
            } else {
                places[target] = groups.count
                groups.append((target, [path]))
            }
        }
        defer { dropAll() }
        var result: [PrecisionAssignment] = []
        for (target, modules) in groups where modules.contains(where: changes) {
            let assignments = target.assignments(try ModulePattern(matching: Set(modules), of: model))
            for assignment in assignments {
                var part = PrecisionTarget()
                if let gemms = assignment.gemms {
                    part.gemms = target.gemms.filter { gemms.contains($0.key) }
                } else {
                    part.whole = target.whole
                }
                let edit = Dictionary(uniqueKeysWithValues: modules.map { ($0, part) })
                sent.append(Sent(assignment: assignment, modules: edit))
            }
            result += assignments
        }
        return result
    }

    /// - Parameter text: of a change, in the syntax of commands.
    mutating func takeAnswer(_ text: String) {
        guard let index = sent.firstIndex(where: { EngineCommand.setPrecision($0.assignment).text == text }) else {
            return
        }
        sent.remove(at: index)
    }

    /// A warning that names the pattern of a change is its refusal.
    mutating func takeWarning(_ text: String) {
        guard let index = sent.firstIndex(where: { text.contains($0.assignment.pattern.description) }) else { return }
        sent.remove(at: index)
    }
}
