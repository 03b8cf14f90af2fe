import Core

/// Which formats a run's linears had when, from what its events told.
public struct PrecisionHistory: Sendable {
    /// A stretch of the run with the same formats throughout.
    public struct Segment: Hashable, Sendable {
        /// Steps completed before it.
        public var start: Int
        public var plan: PrecisionPlan
        /// Shares of the layers' linears' FLOPs.
        public var shares: PrecisionShares
        /// Theoretical cost of a step's products, BF16 being 1: `CostModel`.
        public var cost: Double
    }

    /// The oldest first; empty before the run has begun.
    public private(set) var segments: [Segment] = []
    private var model: CostModel?
    /// All linears, in the model's order.
    public var modules: [ModulePath] { model?.model.linears ?? [] }
    /// Steps completed.
    private var steps = 0

    public init() {}

    public init(_ events: [EventLine]) {
        for line in events { _ = take(line.event) }
    }

    /// - Returns: the new stretch, if one begins.
    public mutating func take(_ event: TrainingEvent) -> Segment? {
        switch event {
        case .started(let run):
            guard run.hasPossibleModel else { return nil }
            let model = CostModel(run.model, vocabularySize: run.vocabularySize)
            self.model = model
            return begin(run.plan, at: steps, model)
        case .precisionChanged(let change):
            guard let model, var plan = segments.last?.plan, !change.modules.isEmpty else { return nil }
            for module in change.modules { plan.linears[module.module] = module.formats }
            return begin(plan, at: change.step, model)
        case .stepped(let metrics):
            steps = max(steps, metrics.step)
            return nil
        default:
            return nil
        }
    }

    private mutating func begin(_ plan: PrecisionPlan, at step: Int, _ model: CostModel) -> Segment {
        let segment = Segment(start: step, plan: plan, shares: model.shares(of: plan), cost: model.cost(of: plan))
        // What stood in for no step at all.
        if let last = segments.last, last.start >= step { segments.removeLast() }
        segments.append(segment)
        return segment
    }

    /// Means over the steps that are done; of the formats at the start before the first step.
    public var mean: (shares: PrecisionShares, cost: Double)? {
        guard let first = segments.first else { return nil }
        var (sum, total) = (PrecisionShares(fp4: 0, fp8: 0, bf16: 0), 0.0)
        var cost = 0.0
        for (index, segment) in segments.enumerated() {
            let end = index + 1 < segments.count ? segments[index + 1].start : steps
            let weight = max(0, Double(end) - Double(segment.start))
            total += weight
            cost += weight * segment.cost
            sum.fp4 += weight * segment.shares.fp4
            sum.fp8 += weight * segment.shares.fp8
            sum.bf16 += weight * segment.shares.bf16
        }
        guard total > 0 else { return (first.shares, first.cost) }
        return (
            PrecisionShares(fp4: sum.fp4 / total, fp8: sum.fp8 / total, bf16: sum.bf16 / total), cost / total
        )
    }
}

extension RunDescription {
    /// Whether the model is one that a configuration allows: a damaged recording may tell of any.
    var hasPossibleModel: Bool {
        var configuration = RunConfiguration()
        configuration.model = model
        return vocabularySize > 0 && (try? configuration.validateKeys()) != nil
    }
}
