import Core
import Foundation

/// Everything that is in a recipe, for one model.
struct RecipesReport: Codable, Hashable {
    /// Linears with the same precisions, in some layers.
    struct Modules: Codable, Hashable {
        /// As in `layers.0-3.attn.{q,k}`.
        var pattern: String
        var precisions: String
    }

    /// Theoretical, BF16 being 1.
    struct Costs: Codable, Hashable {
        /// Of a step at the start of the run.
        var step: Double
        /// The same if dgrad ran in BF16.
        var stepWithDgradInBF16: Double
        var stepWithHead: Double
        var run: Double
        var runWithHead: Double
    }

    var recipe: Recipe
    var modules: [Modules]
    var shares: PrecisionShares
    var costs: Costs

    init(_ configuration: RunConfiguration) {
        recipe = configuration.recipe
        let (model, cost) = (configuration.model, CostModel(configuration))
        let plan = recipe.plan(for: model)
        modules = Self.modules(plan, model)
        shares = cost.shares(of: plan)
        func run(_ options: CostModel.Options) -> Double {
            cost.cost(
                of: configuration.recipe, steps: configuration.run.steps,
                tokensPerStep: configuration.tokensPerStep, options)
        }
        costs = Costs(
            step: cost.cost(of: plan), stepWithDgradInBF16: cost.cost(of: plan, .init(dgradInBF16: true)),
            stepWithHead: cost.cost(of: plan, .init(includesHead: true)), run: run(.init()),
            runWithHead: run(.init(includesHead: true)))
    }

    /// Runs of layers in which linears have the same precisions, and those linears together that have them in the same runs.
    private static func modules(_ plan: PrecisionPlan, _ model: ModelConfiguration) -> [Modules] {
        var runs: [(layers: String, names: [String], precisions: GEMMPrecisions)] = []
        for name in model.layerLinears {
            var first = 0
            for layer in 0..<model.layers {
                let precisions = plan[.layer(layer, name)].precisions
                let isLast = layer + 1 == model.layers
                guard isLast || plan[.layer(layer + 1, name)].precisions != precisions else { continue }
                let layers = first == layer ? "\(layer)" : "\(first)-\(layer)"
                let block = name.prefix { $0 != "." }
                let same = runs.firstIndex {
                    $0.layers == layers && $0.precisions == precisions && $0.names[0].hasPrefix(block)
                }
                if let same { runs[same].names.append(name) } else { runs.append((layers, [name], precisions)) }
                first = layer + 1
            }
        }
        let layers = runs.map { run in
            Modules(
                pattern: "layers.\(run.layers).\(CostCommand.modules(run.names))",
                precisions: run.precisions.description)
        }
        return layers + [Modules(pattern: "lm_head", precisions: plan[.head].precisions.description)]
    }

    static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    }

    static func percent(_ share: Double, decimals: Int = 1) -> String {
        String(format: "%.\(decimals)f %%", share * 100)
    }

    // MARK: Text

    var text: String {
        var lines = ["\(recipe.label): \(recipe.summary)", "source  \(recipe.source)"]
        if recipe.base != recipe.name { lines.append("base    \(recipe.base)") }
        lines += section("FORMATS", formats) + section("MODULES, fprop/dgrad/wgrad", modulesTable)
        lines += section("TECHNIQUES", facts(techniques)) + section("GRADIENT CLIPPING", facts(clipping))
        lines += section("SCHEDULE", facts(schedule)) + section("THEORETICAL COST, BF16 is 100 %", facts(costLines))
        return lines.joined(separator: "\n") + "\n"
    }

    private func section(_ title: String, _ lines: [String]) -> [String] {
        ["", title] + lines.map { "  " + $0 }
    }

    private func facts(_ facts: [(String, String)]) -> [String] {
        facts.isEmpty ? ["none"] : LogFormat.columns(facts.map { [$0.0, $0.1] }, leftAligned: 2).map(trimmed)
    }

    private func trimmed(_ line: String) -> String {
        String(line.reversed().drop { $0 == " " }.reversed())
    }

    private var formats: [String] {
        var rows = [["", "GEMM", "left operand", "right operand"]]
        for precision in [Precision.fp4, .fp8] {
            for gemm in GEMMKind.allCases {
                let formats = recipe.formats(gemm, precision)
                let (a, b) = gemm.operands
                rows.append([
                    precision.rawValue, gemm.rawValue, "\(a.rawValue.uppercased()) \(formats.a)",
                    "\(b.rawValue.uppercased()) \(formats.b)",
                ])
            }
        }
        rows.append(["bf16", "all", "\(recipe.unscaled.rawValue)", "\(recipe.unscaled.rawValue)"])
        return LogFormat.columns(rows, leftAligned: 4).map(trimmed)
    }

    private var modulesTable: [String] {
        LogFormat.columns(modules.map { [$0.pattern, $0.precisions] }, leftAligned: 2).map(trimmed)
    }

    private var techniques: [(String, String)] {
        let techniques = recipe.techniques
        var facts: [(String, String)] = []
        for technique in Recipe.FormatSwitch.allCases where recipe.has(technique) {
            facts.append((technique.rawValue, "in the formats above"))
        }
        if techniques.reusesForwardOperands {
            facts.append(("reuse_forward_operands", "dgrad and wgrad quantize fprop's quantized W and X"))
        }
        if techniques.trustMask { facts.append(("trust_mask", "dX and dW are zero where X and W saturated")) }
        if let estimator = techniques.gradientEstimator {
            facts.append(("gradient_estimator", "k = \(estimator.k), at most \(estimator.limit)"))
        }
        if let quantile = techniques.outlierQuantile { facts.append(("outlier_quantile", "\(quantile)")) }
        if let decay = techniques.weightAverage { facts.append(("weight_average", "\(decay)")) }
        if recipe.lastLayers > 0 {
            facts.append(("last_layers", "\(Self.percent(recipe.lastLayers)) of the layers stay in BF16"))
        }
        return facts
    }

    private var clipping: [(String, String)] {
        let clipping = recipe.clipping
        guard let scope = clipping.scope else { return [] }
        let threshold =
            switch clipping.threshold {
            case .absolute: "\(clipping.limit)"
            case .rms: "\(clipping.limit) times the running RMS, decay \(clipping.decay)"
            case .quantile: "\(clipping.limit) times the running \(clipping.quantile) quantile, decay \(clipping.decay)"
            }
        return [
            ("scope", "E of each \(scope.rawValue)"), ("threshold", threshold),
            ("rescaling", clipping.rescaling == .off ? "off" : "the \(clipping.rescaling.rawValue) is kept"),
        ]
    }

    private var schedule: [(String, String)] {
        let schedule = recipe.schedule
        var facts: [(String, String)] = []
        if schedule.targetFraction > 0 {
            facts.append(
                (
                    "target precision",
                    "\(schedule.targetPrecision.rawValue) for the last \(Self.percent(schedule.targetFraction)), "
                        + "\(schedule.targetScope.rawValue)"
                ))
        }
        facts += schedule.phases.map { ("phase", $0.description) }
        if let rho = schedule.triggers.rho {
            facts.append(("rho trigger", "below \(LogFormat.fixed(rho, decimals: 3))"))
        }
        if let sigma = schedule.triggers.spikeSigma {
            facts.append(("spike trigger", "\(sigma) sigma over \(schedule.triggers.spikeWindow) steps"))
        }
        if schedule.triggers.nonFinite { facts.append(("non-finite trigger", "raises modules, repeats the step")) }
        return facts
    }

    private var costLines: [(String, String)] {
        [
            ("linears' FLOPs", shares.description), ("a step", Self.percent(costs.step)),
            ("  with dgrad in BF16", Self.percent(costs.stepWithDgradInBF16)),
            ("  with the head", Self.percent(costs.stepWithHead)), ("the run", Self.percent(costs.run)),
            ("  with the head", Self.percent(costs.runWithHead)),
        ]
    }
}
