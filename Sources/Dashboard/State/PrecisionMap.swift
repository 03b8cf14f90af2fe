import Core

/// Precision and health of every module, and what of it the user looks at and wants changed.
public struct PrecisionMap: Sendable {
    /// A place of the map: the rows are a layer's linears and then the head, which belongs to no layer.
    struct Position: Hashable, Sendable {
        var row = 0
        var layer = 0
    }

    public private(set) var model: ModelConfiguration?
    public private(set) var vocabularySize = 0
    /// What decides what a precision means.
    public private(set) var recipe: Recipe?
    /// What each linear runs in now.
    public private(set) var formats: [ModulePath: LinearFormats] = [:]
    /// Of the present formats.
    public private(set) var shares: PrecisionShares?
    /// Theoretical cost of the layers' products against BF16: `CostModel`.
    public private(set) var cost: Double?
    /// Time of the layers' linears against BF16's, measured by the newest probes; nil after a change.
    public private(set) var measuredCost: Double?
    /// What low precision does in each module alone, as it was measured last.
    public private(set) var sensitivity: SensitivityMap?
    /// Of the measurement under way; nil: there is none.
    public private(set) var measuring: SensitivityProgress?
    private var attentionCore = UnscaledFormat.bf16
    /// What is known of each linear.
    private(set) var records: [ModulePath: ModuleRecord] = [:]
    private(set) var places: [ModulePath: Position] = [:]
    private var paths: [ModulePath] = []
    /// The recipes before each change that can be undone, as the engine remembers them.
    private var earlierRecipes: [Recipe] = []
    private static let longestHistory = 256

    var view = MapView.precision
    var cursor = Position()
    /// One corner of the range being selected; the cursor is the other.
    var anchor: Position?
    /// The modules selected otherwise.
    var chosen: Set<ModulePath> = []
    /// The first ones in view, unless the cursor asks for others.
    var firstRow = 0
    var firstLayer = 0
    var pending = PendingChanges()
    /// The module whose codes the engine was asked to count last, while the inspector is looked at.
    var inspected: ModulePath?
    /// When the cursor moved last.
    var movedAt = 0.0

    /// The linears of a layer, and the head.
    var rowCount: Int { (model?.layerLinears.count ?? -1) + 1 }
    var layerCount: Int { model?.layers ?? 0 }
    /// All linears, in the model's order.
    var modules: [ModulePath] { paths }

    func path(at position: Position) -> ModulePath? {
        guard position.row >= 0, position.row < rowCount else { return nil }
        if position.row == rowCount - 1 { return .head }
        guard position.layer >= 0, position.layer < layerCount else { return nil }
        return paths[position.layer * (rowCount - 1) + position.row]
    }

    /// The module under the cursor.
    var current: ModulePath? { path(at: cursor) }

    /// The formats that a module gets once what is pending has taken effect; nil if that changes nothing.
    func pendingFormats(of path: ModulePath) -> LinearFormats? {
        guard let target = pending.target(of: path), let recipe, let now = formats[path] else { return nil }
        let then = target.formats(over: now, recipe)
        return then == now ? nil : then
    }

    /// Modules that wait for a change, and those whose change was sent but not answered yet.
    var pendingCounts: (waiting: Int, sent: Int) {
        let waiting = pending.waiting.keys.count { pendingFormats(of: $0) != nil }
        let sent = pending.sentModules.count { pending.waiting[$0] == nil && pendingFormats(of: $0) != nil }
        return (waiting, sent)
    }

    // MARK: Events

    /// Takes in what an event tells about modules; all other events are ignored.
    mutating func take(_ event: TrainingEvent) {
        switch event {
        case .started(let run): start(run)
        case .precisionChanged(let change): take(change)
        case .moduleClippingChanged:
            remember()
            restartTimes()
        case .quantized(let report): take(report)
        case .probed(let report):
            for module in report.modules { records[module.path]?.take(module, step: report.step) }
            measureCost()
        case .gradientsClipped(let step, let modules):
            for module in modules {
                records[module.module]?.lastClipping = (step, module)
                records[module.module]?.clippings += 1
            }
        case .inspected(let inspection): records[inspection.module]?.inspection = inspection
        case .sensitivityProgress(let progress): measuring = progress.kind == .cancelled ? nil : progress
        case .sensitivityMeasured(let map): take(map)
        case .scheduleChanged(_, let text, _): if text != nil { remember() }
        case .warning(_, let message): pending.takeWarning(message)
        case .finished:
            pending = PendingChanges()
            measuring = nil
        default: break
        }
    }

    private mutating func start(_ run: RunDescription) {
        if model != run.model {
            (cursor, anchor, chosen) = (Position(), nil, [])
            (firstRow, firstLayer) = (0, 0)
        }
        model = run.model
        vocabularySize = run.vocabularySize
        recipe = run.recipe
        earlierRecipes = []
        paths = run.model.linears
        pending = PendingChanges()
        inspected = nil
        let rows = run.model.layerLinears.count
        records = [:]
        places = [:]
        formats = [:]
        for (index, path) in paths.enumerated() {
            formats[path] = run.plan[path]
            records[path] = ModuleRecord()
            places[path] =
                path == .head ? Position(row: rows, layer: 0) : Position(row: index % rows, layer: index / rows)
        }
        attentionCore = run.plan.attentionCore
        measuredCost = nil
        (sensitivity, measuring) = (nil, nil)
        updateCost()
    }

    private mutating func take(_ map: SensitivityMap) {
        measuring = nil
        sensitivity = map
        for path in paths { records[path]?.sensitivities = [] }
        for module in map.modules {
            records[module.module]?.sensitivities.append((module, module.damage(loss: map.loss)))
            records[module.module]?.isSensitivityOld = false
        }
    }

    private mutating func take(_ change: PrecisionChange) {
        let before = recipe
        switch change.cause {
        case .undo: recipe = earlierRecipes.popLast() ?? recipe
        case .recipe:
            remember()
            if case .setRecipe(let next)? = try? EngineCommand(parsing: change.text) { recipe = next }
        case .command, .phase, .rule: remember()
        }
        for module in change.modules where formats[module.module] != nil {
            formats[module.module] = module.formats
            records[module.module]?.forget(module.gemms)
            // Its codes are to be counted again.
            if inspected == module.module { inspected = nil }
        }
        if before?.fp4 != recipe?.fp4 || before?.fp8 != recipe?.fp8 || before?.fp4Module != recipe?.fp4Module
            || before?.fp8Module != recipe?.fp8Module
        {
            for path in paths { records[path]?.isSensitivityOld = true }
        }
        pending.takeAnswer(change.text)
        restartTimes()
        updateCost()
    }

    /// Modules that run as one product share their times, and clipping takes time too: what was measured before a change
    /// of any kind counts no more.
    private mutating func restartTimes() {
        measuredCost = nil
        for path in paths { records[path]?.areTimesOver = true }
    }

    private mutating func updateCost() {
        guard let model else { return }
        let plan = PrecisionPlan(general: LinearFormats(.bf16), linears: formats, attentionCore: attentionCore)
        let costs = CostModel(model, vocabularySize: vocabularySize)
        shares = costs.shares(of: plan)
        cost = costs.cost(of: plan)
    }

    /// Of all layers' linears, by the newest probes.
    private mutating func measureCost() {
        let times = paths.filter { $0.layer != nil }.compactMap { records[$0]?.probeTime }
        let ratio = times.reduce(0) { $0 + $1.now } / times.reduce(0) { $0 + $1.reference }
        measuredCost = ratio.isFinite ? ratio : nil
    }

    private mutating func remember() {
        guard let recipe else { return }
        if earlierRecipes.count == Self.longestHistory { earlierRecipes.removeFirst() }
        earlierRecipes.append(recipe)
    }

    private mutating func take(_ report: HealthReport) {
        let gemms = Dictionary(grouping: report.gemms, by: \.module)
        for path in paths { records[path]?.take(gemms[path] ?? [], step: report.step) }
        for module in report.modules {
            records[module.path]?.figures = module
            records[module.path]?.areFiguresOld = false
        }
    }
}

/// What is known of one linear.
struct ModuleRecord: Sendable {
    /// Of the newest report, where the formats are still those that it was about.
    private(set) var gemms: [HealthReport.GEMM] = []
    private(set) var healthStep: Int?
    /// The worst of all operands.
    private(set) var worst = HealthFigures()
    /// The worst of the newest reports, the oldest first.
    private(set) var history: [HealthFigures] = []
    var figures: HealthReport.Module?
    private(set) var probe: (step: Int, module: ProbeReport.Module)?
    /// Milliseconds of the newest probes in the formats that the module has, and in BF16; the oldest first.
    private var probeTimes: [(now: Double, reference: Double)] = []
    /// Steps in which its gradient was clipped in front of the quantizer, as far as was heard.
    var clippings = 0
    var lastClipping: (step: Int, gradient: ClippedGradient)?
    var inspection: ModuleInspection?
    /// What each precision that was tried does here alone, and the predicted damage, nats per token.
    var sensitivities: [(figures: ModuleSensitivity, damage: Double)] = []
    // Measured in formats that the module, or for the sensitivity the recipe, has no more.
    var areFiguresOld = false
    private(set) var isProbeOld = false
    /// The next probe's times are the first of a new series.
    var areTimesOver = false
    var isSensitivityOld = false

    static let longestHistory = 64
    /// Enough that one probe beside other work on the machine does not decide, as that only makes times longer.
    static let mostProbeTimes = 5

    mutating func take(_ module: ProbeReport.Module, step: Int) {
        if areTimesOver { probeTimes = [] }
        areTimesOver = false
        var module = module
        if !isProbeOld, let before = probe?.module {
            // Only probes that are due have them.
            module.flipRate = module.flipRate ?? before.flipRate
            if module.oscillation == nil {
                (module.oscillation, module.oscillating) = (before.oscillation, before.oscillating)
                module.oscillationSteps = before.oscillationSteps
            }
        }
        probe = (step, module)
        isProbeOld = false
        guard let now = module.milliseconds, let reference = module.referenceMilliseconds else { return }
        if probeTimes.count == Self.mostProbeTimes { probeTimes.removeFirst() }
        probeTimes.append((now, reference))
    }

    /// Medians of the newest probes, milliseconds.
    var probeTime: (now: Double, reference: Double)? {
        guard !probeTimes.isEmpty else { return nil }
        func median(_ values: [Double]) -> Double { values.sorted()[(values.count - 1) / 2] }
        return (median(probeTimes.map(\.now)), median(probeTimes.map(\.reference)))
    }

    mutating func take(_ gemms: [HealthReport.GEMM], step: Int) {
        self.gemms = gemms
        healthStep = step
        worst = HealthFigures(gemms)
        guard !gemms.isEmpty else { return }
        if history.count == Self.longestHistory { history.removeFirst() }
        history.append(worst)
    }

    /// What was said of GEMMs is about formats that are gone.
    mutating func forget(_ changed: [GEMMKind]) {
        gemms.removeAll { changed.contains($0.gemm) }
        worst = HealthFigures(gemms)
        (areFiguresOld, isProbeOld) = (true, true)
        inspection = nil
    }

    /// Of the narrowest precision that was tried.
    var sensitivity: (figures: ModuleSensitivity, damage: Double)? {
        sensitivities.min { $0.figures.precision < $1.figures.precision }
    }

    func health(_ gemm: GEMMKind) -> HealthReport.GEMM? { gemms.first { $0.gemm == gemm } }
}

/// Key figures of quantization, over all operands of a linear.
struct HealthFigures: Hashable, Sendable {
    /// The largest shares, from 0 to 1.
    var saturation: Double?
    var underflow: Double?
    /// The lowest, dB.
    var sqnr: Double?
    var isFinite = true

    init() {}

    init(_ gemms: [HealthReport.GEMM]) {
        for health in gemms.flatMap({ [$0.a, $0.b] }) {
            guard let health else { continue }
            if let share = health.saturation { saturation = max(saturation ?? 0, share) }
            if let share = health.underflow { underflow = max(underflow ?? 0, share) }
            if let ratio = health.sqnr { sqnr = min(sqnr ?? ratio, ratio) }
            if health.nonFinite > 0 { isFinite = false }
        }
    }

    var mark: HealthMark? {
        if !isFinite { return .nonFinite }
        if saturation ?? 0 > HealthMark.heavySaturationShare { return .heavySaturation }
        if underflow ?? 0 > HealthMark.heavyUnderflowShare { return .heavyUnderflow }
        return saturation ?? 0 > HealthMark.saturationShare ? .saturation : nil
    }
}

/// What a cell of the map says about a module's health: the worst alone.
enum HealthMark: Sendable {
    case nonFinite, heavySaturation, heavyUnderflow, saturation

    /// Shares of an operand's values.
    static let saturationShare = 0.001
    static let heavySaturationShare = 0.01
    static let heavyUnderflowShare = 0.3

    var scalar: Unicode.Scalar {
        switch self {
        case .nonFinite: "N"
        case .heavySaturation: "!"
        case .heavyUnderflow: "_"
        case .saturation: "+"
        }
    }

    var role: Role {
        switch self {
        case .nonFinite, .heavySaturation: .error
        case .heavyUnderflow: .clip
        case .saturation: .warning
        }
    }
}
