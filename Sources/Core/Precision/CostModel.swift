/// What the matrix products of a model cost in theory: FLOPs, and the time that low precision leaves of BF16's if FP8 is
/// twice as fast and FP4 four times (arXiv 2502.11458, §4). Nothing else of a step counts, and quantization is free:
/// `LinearCostBenchmark` measures what really comes of it.
public struct CostModel: Sendable {
    public let model: ModelConfiguration
    public let vocabularySize: Int

    public init(_ model: ModelConfiguration, vocabularySize: Int) {
        self.model = model
        self.vocabularySize = vocabularySize
    }

    /// Of one GEMM of a linear, per token; fprop, dgrad and wgrad have as many.
    public func flops(of linear: ModulePath) -> Double {
        let shape = model.shape(of: linear, vocabularySize: vocabularySize)
        return 2 * Double(shape.inputs) * Double(shape.outputs)
    }

    /// QKᵀ and PV of one layer, forward, per token of a sequence of `context` tokens, 4 · width · context: all scores count,
    /// those behind the causal mask too, as in the paper. Backward has twice as many.
    public var coreFLOPs: Double { 4 * Double(model.width) * Double(model.context) }

    /// Shares of the layers' forward FLOPs.
    public struct Split: Codable, Hashable, Sendable {
        public var feedForward: Double
        public var attentionLinears: Double
        public var attentionCore: Double
    }

    public var split: Split {
        var (attention, feedForward) = (0.0, 0.0)
        for name in model.layerLinears {
            let flops = flops(of: .layer(0, name))
            if name.hasPrefix("attn") { attention += flops } else { feedForward += flops }
        }
        let total = attention + feedForward + coreFLOPs
        return Split(
            feedForward: feedForward / total, attentionLinears: attention / total, attentionCore: coreFLOPs / total)
    }

    /// The share of the layers' linears' FLOPs, all three GEMMs, that runs in each precision.
    public func shares(of plan: PrecisionPlan) -> PrecisionShares {
        var sums = [Precision: Double]()
        for path in model.linears where path != .head {
            for gemm in GEMMKind.allCases { sums[plan[path][gemm].widest, default: 0] += flops(of: path) }
        }
        let total = sums.values.reduce(0, +)
        return PrecisionShares(
            fp4: sums[.fp4, default: 0] / total, fp8: sums[.fp8, default: 0] / total,
            bf16: sums[.bf16, default: 0] / total)
    }

    /// The share of one GEMM's FLOPs in the layers' linears that runs in FP4.
    public func fp4Share(of plan: PrecisionPlan, _ gemm: GEMMKind) -> Double {
        var (fp4, total) = (0.0, 0.0)
        for path in model.linears where path != .head {
            total += flops(of: path)
            if plan[path][gemm].widest == .fp4 { fp4 += flops(of: path) }
        }
        return fp4 / total
    }

    /// How a cost is counted.
    public struct Options: Hashable, Sendable {
        /// The head counts too; the paper leaves it out.
        public var includesHead = false
        /// The attention core counts, at its BF16, as in the paper.
        public var includesCore = true
        /// dgrad counts as BF16, whatever its formats: the paper's figures fit only so.
        public var dgradInBF16 = false

        public init(includesHead: Bool = false, includesCore: Bool = true, dgradInBF16: Bool = false) {
            self.includesHead = includesHead
            self.includesCore = includesCore
            self.dgradInBF16 = dgradInBF16
        }
    }

    /// The cost of a step's matrix products, BF16 being 1.
    public func cost(of plan: PrecisionPlan, _ options: Options = Options()) -> Double {
        var (cost, total) = (0.0, 0.0)
        for path in model.linears where path != .head || options.includesHead {
            let flops = flops(of: path)
            let formats = plan[path]
            for gemm in GEMMKind.allCases {
                let precision = options.dgradInBF16 && gemm == .dgrad ? .bf16 : formats[gemm].widest
                total += flops
                cost += flops * precision.relativeCost
            }
        }
        let core = options.includesCore ? 3 * coreFLOPs * Double(model.layers) : 0
        return (cost + core) / (total + core)
    }

    /// A stretch of a run with the same precision throughout.
    public struct Segment: Hashable, Sendable {
        /// Shares of the run's steps, from 0 to 1.
        public var start: Double
        public var end: Double
        public var plan: PrecisionPlan
        /// Of target-precision training.
        public var isTarget: Bool
        public var cost: Double
    }

    /// A run from phase to phase, as `PrecisionSchedule.timeline` has them. Triggers, which nobody can foresee, don't count.
    public func segments(
        of recipe: Recipe, steps: Int, tokensPerStep: Int, _ options: Options = Options()
    ) -> [Segment] {
        let phases = recipe.schedule.timeline(steps: steps, tokensPerStep: tokensPerStep)
        let bounds = [0] + Set(phases.map(\.step).filter { 0 < $0 && $0 < steps }).sorted() + [steps]
        var (changes, isTarget) = ([PrecisionAssignment](), false)
        var rest = phases[...]
        return zip(bounds, bounds.dropFirst()).map { start, end in
            while let phase = rest.first, phase.step <= start {
                rest.removeFirst()
                isTarget = isTarget || phase.isTarget
                changes +=
                    phase.isTarget
                    ? recipe.schedule.targetAssignments(over: recipe.plan(for: model, changes: changes), of: model)
                    : phase.assignments
            }
            let plan = recipe.plan(for: model, changes: changes)
            return Segment(
                start: Double(start) / Double(steps), end: Double(end) / Double(steps), plan: plan, isTarget: isTarget,
                cost: cost(of: plan, options))
        }
    }

    /// The cost of a whole run, BF16 being 1.
    public func cost(
        of recipe: Recipe, steps: Int, tokensPerStep: Int, _ options: Options = Options()
    ) -> Double {
        segments(of: recipe, steps: steps, tokensPerStep: tokensPerStep, options).reduce(0) {
            $0 + ($1.end - $1.start) * $1.cost
        }
    }
}

/// The share of FLOPs in each precision.
public struct PrecisionShares: Codable, Hashable, Sendable, CustomStringConvertible {
    public var fp4: Double
    public var fp8: Double
    public var bf16: Double

    public init(fp4: Double, fp8: Double, bf16: Double) {
        self.fp4 = fp4
        self.fp8 = fp8
        self.bf16 = bf16
    }

    /// Such as `fp4 22 % fp8 78 %`; precisions that are not used are left out.
    public var description: String {
        [("fp4", fp4), ("fp8", fp8), ("bf16", bf16)].filter { $0.1 > 0 }
            .map { "\($0.0) \(Self.percent($0.1)) %" }.joined(separator: " ")
    }

    /// A damaged recording may hold any number.
    private static func percent(_ share: Double) -> String {
        let percent = (share * 100).rounded()
        return abs(percent) < 1e15 ? "\(Int(percent))" : "\(percent)"
    }
}

extension Precision {
    /// The time of a product over that in BF16, in theory.
    public var relativeCost: Double { Double(bits) / 16 }
}

extension GEMMFormats {
    /// The precision of the wider operand, which decides how fast a product can be.
    public var widest: Precision { max(Precision(a), Precision(b)) }
}

extension PrecisionSchedule.Scope {
    /// Whether a switch of this scope concerns a GEMM.
    public func includes(_ gemm: GEMMKind) -> Bool {
        switch self {
        case .both: true
        case .forward: gemm == .fprop
        case .backward: gemm != .fprop
        }
    }
}
