import Core

extension DashboardState {
    mutating func performOnMap(_ action: Action) -> [DashboardEffect] {
        guard map.current != nil else {
            say("the run is starting: its modules are not known yet", isError: true)
            return []
        }
        switch action {
        case .moveUp: move(rows: -1)
        case .moveDown: move(rows: 1)
        case .moveLeft: move(layers: -1)
        case .moveRight: move(layers: 1)
        case .moveToFirstLayer: move(layers: -map.layerCount)
        case .moveToLastLayer: move(layers: map.layerCount)
        case .moveToTop: move(rows: -map.rowCount)
        case .moveToBottom: move(rows: map.rowCount)
        case .pageUp, .pageDown:
            if focus == .inspector {
                scrollInspector(pages: action == .pageUp ? -1 : 1)
            } else {
                move(layers: action == .pageUp ? -8 : 8)
            }
        case .selectRange: map.toggleRange()
        case .selectRow: map.selectRow()
        case .selectColumn: map.selectColumn()
        case .selectAll: map.select(map.modules)
        case .selectPattern: open(.prompt(.selectModules, CommandLine(historyCount: 0)))
        case .clearSelection:
            if map.anchor == nil, map.chosen.isEmpty {
                if focus == .inspector { focus = .precision }
            } else {
                map.clearSelection()
            }
        case .nextMapView: show(map.view.next(1))
        case .previousMapView: show(map.view.next(-1))
        case .inspect: return inspect()
        case .measureSensitivity: return measureSensitivity()
        case .cyclePrecision: cyclePrecision()
        case .openPicker: openPicker()
        case .applyPending:
            if map.pending.edits.isEmpty { say("no change of precision is pending", isError: true) }
            return sendPendingChanges()
        default: break
        }
        return []
    }

    // MARK: Cursor and selection

    private mutating func move(rows: Int = 0, layers: Int = 0) {
        map.move(rows: rows, layers: layers, at: now)
        scroll[.inspector] = nil
        keepCursorInView()
    }

    /// Keeps the part of the map in view as it is, unless the cursor leaves it.
    private mutating func keepCursorInView() {
        let layout = Layout(size: size, focus: focus, isFullScreen: isFullScreen)
        guard let area = layout.rectangle(of: .precision) else { return }
        let grid = MapGrid(map, area: area)
        map.firstRow = grid.rows.lowerBound
        map.firstLayer = grid.layers.lowerBound
    }

    /// Puts the map's cursor on a module.
    mutating func showModule(_ path: ModulePath) {
        map.move(to: path, at: now)
        scroll[.inspector] = nil
        keepCursorInView()
    }

    /// Selects the modules that a pattern matches, or says why it matches none; nothing clears the selection.
    mutating func selectModules(matching text: String) {
        guard let model = map.model else { return }
        guard !text.isEmpty else { return map.clearSelection() }
        do {
            let found = try ModulePattern(parsing: text).linears(of: model)
            map.select(found)
            if let current = map.current, !map.chosen.contains(current) { showModule(found[0]) }
            say(
                "\(found.count) \(found.count == 1 ? "module" : "modules") selected: Space or Enter sets them, Esc clears"
            )
        } catch {
            say(error.description, isError: true)
        }
        revision += 1
    }

    private mutating func scrollInspector(pages: Int) {
        let layout = Layout(size: size, focus: focus, isFullScreen: isFullScreen)
        guard let area = layout.rectangle(of: .inspector) else { return }
        let inside = area.inset(x: 2, y: 1)
        let last = max(0, InspectorPanel.lines(self, width: inside.width, height: inside.height).count - inside.height)
        scroll[.inspector] = min(last, max(0, min(last, scroll[.inspector] ?? 0) + pages * max(1, inside.height - 1)))
    }

    // MARK: Changes

    /// Whether the engine still takes changes; says so if not.
    private mutating func canChange() -> Bool {
        if let refusal {
            say(refusal, isError: true)
            return false
        }
        if isFinished { say("the run is over: q quits", isError: true) }
        if isStopping { say("the run is stopping", isError: true) }
        return !isFinished && !isStopping
    }

    private mutating func queue(_ target: PrecisionTarget, _ modules: [ModulePath]) {
        guard canChange(), !target.isEmpty else { return }
        map.pending.add(Dictionary(uniqueKeysWithValues: modules.map { ($0, target) }), at: now)
        if map.pendingCounts.waiting == 0 {
            // Back to what the modules run in.
            map.pending.dropAll()
        } else if phase == .paused {
            say("pending until the run goes on: a applies now, u drops")
        }
    }

    /// All that is selected goes to the precision after that of the module under the cursor.
    private mutating func cyclePrecision() {
        let modules = map.selection
        guard let lead = map.current.flatMap({ modules.contains($0) ? $0 : nil }) ?? modules.first,
            let precision = map.precision(of: lead)
        else { return }
        queue(PrecisionTarget(whole: map.next(precision, for: lead)), modules)
    }

    /// Sends what is pending to the engine.
    mutating func sendPendingChanges() -> [DashboardEffect] {
        guard let model = map.model, !map.pending.edits.isEmpty else { return [] }
        let changed = map.modules.filter { map.pendingFormats(of: $0) != nil }
        do {
            let assignments = try map.pending.send(model, where: Set(changed).contains)
            if !assignments.isEmpty {
                let text = assignments.map { EngineCommand.setPrecision($0).text }.joined(separator: ", ")
                say("\(text) from the next step")
            }
            return assignments.map { .send(.setPrecision($0)) }
        } catch {
            say(error.description, isError: true)
            return []
        }
    }

    /// Drops the newest change that is pending, or asks the engine to take its last one back.
    mutating func undo() -> [DashboardEffect] {
        guard let dropped = map.pending.dropNewest() else { return ask(.undo) }
        let first = map.modules.first(where: dropped.contains)?.description ?? ""
        say("dropped the pending change of \(dropped.count == 1 ? first : "\(dropped.count) modules")")
        return []
    }

    // MARK: Inspection

    private mutating func inspect() -> [DashboardEffect] {
        let layout = Layout(size: size, focus: focus, isFullScreen: isFullScreen)
        if layout.rectangle(of: .inspector) == nil { focus = .inspector }
        guard let path = map.current, canChange() else { return [] }
        map.inspected = path
        return [.send(.inspect(path))]
    }

    private mutating func show(_ view: MapView) {
        map.view = view
        let isKnown = map.sensitivity != nil || map.measuring != nil
        if view == .sensitivity, !isKnown, refusal == nil, !isFinished { say("S measures the sensitivity") }
    }

    /// Begins, or cancels what is under way.
    private mutating func measureSensitivity() -> [DashboardEffect] {
        map.view = .sensitivity
        return ask(map.measuring == nil ? .measureSensitivity([.fp4, .fp8]) : .cancelSensitivity)
    }

    /// What time brings about: sends changes after the last edit, and asks for the codes of the module that the
    /// inspector shows once the cursor rests.
    mutating func advanceMap() -> [DashboardEffect] {
        guard !isFinished, !isStopping, refusal == nil, let path = map.current else { return [] }
        var effects: [DashboardEffect] = []
        if phase == .running, map.pending.isDue(now) { effects += sendPendingChanges() }
        if focus != .inspector {
            map.inspected = nil
        } else if map.inspected != path, now - map.movedAt >= PrecisionMap.inspectionDelay {
            map.inspected = path
            effects.append(.send(.inspect(path)))
        }
        return effects
    }
}

// MARK: - Picker

extension DashboardState {
    private mutating func openPicker() {
        let modules = map.selection
        guard canChange(), let lead = map.current.flatMap({ modules.contains($0) ? $0 : nil }) ?? modules.first,
            let precision = map.precision(of: lead)
        else { return }
        open(.picker(PrecisionPicker(modules: modules, column: Precision.allCases.firstIndex(of: precision) ?? 0)))
    }

    mutating func perform(_ action: Action, on current: PrecisionPicker) -> [DashboardEffect] {
        var picker = current
        switch action {
        case .moveUp: picker.row = max(0, picker.row - 1)
        case .moveDown: picker.row = min(GEMMKind.allCases.count, picker.row + 1)
        case .moveLeft: picker.column = max(0, picker.column - 1)
        case .moveRight: picker.column = min(Precision.allCases.count - 1, picker.column + 1)
        case .choose: picker.toggle()
        case .chooseOrApply:
            if picker.isChosen { return apply(picker) }
            picker.toggle()
        case .applyPending: return apply(picker)
        default: break
        }
        overlay = .picker(picker)
        return []
    }

    private mutating func apply(_ picker: PrecisionPicker) -> [DashboardEffect] {
        overlay = .none
        queue(picker.target, picker.modules.filter { map.formats[$0] != nil })
        return []
    }
}

/// The three GEMMs of the selected modules, to be set one by one.
struct PrecisionPicker: Hashable, Sendable {
    let modules: [ModulePath]
    /// 0: the whole module; then fprop, dgrad and wgrad.
    var row = 0
    /// FP4, FP8, BF16.
    var column: Int
    private(set) var target = PrecisionTarget()

    init(modules: [ModulePath], column: Int) {
        self.modules = modules
        self.column = column
    }

    /// Of the row under the cursor; nil: all.
    var gemm: GEMMKind? { row == 0 ? nil : GEMMKind.allCases[row - 1] }
    /// Under the cursor.
    var precision: Precision { Precision.allCases[column] }
    /// Whether what is under the cursor is chosen.
    var isChosen: Bool { chosen(gemm) == precision }

    func chosen(_ gemm: GEMMKind?) -> Precision? {
        guard let gemm else { return target.whole }
        return target.gemms[gemm]
    }

    /// A choice for the whole module takes the place of those for its GEMMs.
    mutating func toggle() {
        if let gemm {
            target.gemms[gemm] = isChosen ? nil : precision
        } else if isChosen {
            target.whole = nil
        } else {
            target = PrecisionTarget(whole: precision)
        }
    }
}

extension PrecisionMap {
    /// Seconds for which the cursor rests before the inspector asks for more.
    static let inspectionDelay = 0.3

    /// The next precision that changes what a module runs in; recipes may make the same of two of them.
    func next(_ precision: Precision, for path: ModulePath) -> Precision {
        let all = Precision.allCases
        let index = all.firstIndex(of: precision) ?? 0
        let others = (1..<all.count).map { all[(index + $0) % all.count] }
        guard let recipe, let shown = pendingFormats(of: path) ?? formats[path] else { return others[0] }
        return others.first { PrecisionTarget(whole: $0).formats(over: shown, recipe) != shown } ?? others[0]
    }

    /// What a person would call a module, pending changes included: what the recipe makes of that precision, or else
    /// its fprop's.
    func precision(of path: ModulePath) -> Precision? {
        guard let formats = pendingFormats(of: path) ?? formats[path] else { return nil }
        let gemms = formats.precisions
        return recipe.flatMap { recipe in Precision.allCases.first { recipe.gemms(of: $0) == gemms } } ?? gemms.fprop
    }
}
