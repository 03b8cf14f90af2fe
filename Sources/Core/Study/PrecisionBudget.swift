/// Which precision each linear of the layers gets, so that the matrix products cost at most so much and the predicted damage
/// is as small as it can be.
public struct PrecisionBudget: Sendable {
    public struct Choice: Codable, Hashable, Sendable {
        public var module: ModulePath
        public var precision: Precision
    }

    /// One precision of one module, its cost in units that all modules share, and its predicted damage.
    struct Option: Hashable {
        var cost: Int
        var damage: Double
    }

    /// In the model's order.
    public var choices: [Choice]
    /// Of the layers' matrix products, attention core at 16 bit included and head left out; all in BF16 is 1.
    public var cost: Double
    /// The sum of the modules' damage, nats per token.
    public var damage: Double

    /// - Parameters:
    ///   - limit: of `cost`.
    ///   - map: of this model in this recipe's formats.
    /// - Throws: `UserError` that says the lowest cost possible, if that is above the limit.
    public init(
        _ limit: Double, _ map: SensitivityMap, recipe: Recipe, model: ModelConfiguration, vocabularySize: Int
    ) throws {
        let costs = CostModel(model, vocabularySize: vocabularySize)
        let linears = model.linears.filter { $0.layer != nil }
        let precisions = Precision.allCases.filter { precision in
            precision == .bf16 || map.modules.contains { $0.precision == precision }
        }
        // FP4 is a quarter of BF16, FP8 a half: in quarters of two FLOPs everything is an integer.
        func quarters(_ path: ModulePath, _ precision: Precision) -> Int {
            let shape = model.shape(of: path, vocabularySize: vocabularySize)
            let gemms = recipe.gemms(of: precision)
            return GEMMKind.allCases.reduce(0) { sum, gemm in
                sum + recipe.formats(gemm, gemms[gemm]).widest.bits / 4 * shape.inputs * shape.outputs
            }
        }
        let options = linears.map { path in
            precisions.map { precision in
                let found = map.modules.first { $0.module == path && $0.precision == precision }
                return Option(cost: quarters(path, precision), damage: found?.damage(loss: map.loss) ?? 0)
            }
        }
        // Two FLOPs in BF16 are four quarters.
        let core = 3 * costs.coreFLOPs * Double(model.layers) * 2
        let total = core + Double(linears.reduce(0) { $0 + quarters($1, .bf16) })
        let lowest = core + Double(options.reduce(0) { $0 + ($1.map(\.cost).min() ?? 0) })
        // A limit that was computed as a quotient is not missed by its rounding.
        let available = limit * total * (1 + 1e-12) - core
        guard available >= 0, let found = Self.solve(options, limit: Int(min(available, Double(Int.max / 2)))) else {
            throw UserError(
                "--budget is \(limit), and the lowest possible with recipe \(recipe.name) is "
                    + "\((lowest / total * 1e4).rounded(.up) / 1e4)")
        }
        choices = zip(linears, found).map { Choice(module: $0, precision: precisions[$1]) }
        let used = zip(options, found).reduce(0) { $0 + $1.0[$1.1].cost }
        cost = (core + Double(used)) / total
        damage = zip(options, found).reduce(0) { $0 + $1.0[$1.1].damage }
    }

    /// The choice of one option for each module with the least damage whose cost is within the limit; of several the
    /// cheapest. Exact: a dynamic programme over all sums of costs that no other sum beats in both cost and damage.
    ///
    /// - Returns: an index into each module's options; nil if the limit is too low.
    static func solve(_ options: [[Option]], limit: Int) -> [Int]? {
        struct State {
            var cost: Int
            var damage: Double
            var option: Int
            /// In the states of the module before.
            var previous: Int
        }
        let divisor = options.joined().reduce(0) { gcd($0, $1.cost) }
        let unit = max(1, divisor)
        // What the modules behind must cost at least.
        var rest = options.reduce(0) { $0 + ($1.map { $0.cost / unit }.min() ?? 0) }
        var stages: [[State]] = [[State(cost: 0, damage: 0, option: 0, previous: 0)]]
        for module in options {
            rest -= module.map { $0.cost / unit }.min() ?? 0
            var next: [State] = []
            for (index, option) in module.enumerated() {
                for (previous, state) in stages[stages.count - 1].enumerated() {
                    let cost = state.cost + option.cost / unit
                    guard cost + rest <= limit / unit else { break }
                    next.append(
                        State(cost: cost, damage: state.damage + option.damage, option: index, previous: previous))
                }
            }
            next.sort { ($0.cost, $0.damage, $0.option, $0.previous) < ($1.cost, $1.damage, $1.option, $1.previous) }
            var front: [State] = []
            for state in next where front.last.map({ state.damage < $0.damage }) ?? true { front.append(state) }
            if front.isEmpty { return nil }
            stages.append(front)
        }
        // The last state costs most and damages least.
        var index = stages[stages.count - 1].count - 1
        var choice: [Int] = []
        for stage in stages.dropFirst().reversed() {
            choice.append(stage[index].option)
            index = stage[index].previous
        }
        return choice.reversed()
    }

    private static func gcd(_ a: Int, _ b: Int) -> Int { b == 0 ? a : gcd(b, a % b) }

    /// The choices as a recipe's assignments, with patterns where layers or modules agree.
    public var assignments: [String] {
        var names: [String] = []
        var byName: [String: [Precision]] = [:]
        for choice in choices {
            if byName[choice.module.name] == nil { names.append(choice.module.name) }
            byName[choice.module.name, default: []].append(choice.precision)
        }
        if let first = choices.first?.precision, choices.allSatisfy({ $0.precision == first }) {
            return ["layers.* \(first.rawValue)"]
        }
        var lines: [String] = []
        for group in ["attn", "mlp"] {
            let members = names.filter { $0.hasPrefix(group + ".") }
            let agree = Set(members.compactMap { byName[$0] }).count == 1
            for name in agree ? [group + ".*"] : members {
                lines += Self.lines(name, byName[agree ? members[0] : name] ?? [])
            }
        }
        return lines
    }

    /// `mlp.up fp4` if all layers agree, else `layers.{0,2-5}.mlp.up fp4` for each precision.
    private static func lines(_ name: String, _ precisions: [Precision]) -> [String] {
        if Set(precisions).count == 1 { return ["\(name) \(precisions[0].rawValue)"] }
        return Precision.allCases.compactMap { precision in
            var ranges: [ClosedRange<Int>] = []
            for (layer, found) in precisions.enumerated() where found == precision {
                if let last = ranges.last, last.upperBound == layer - 1 {
                    ranges[ranges.count - 1] = last.lowerBound...layer
                } else {
                    ranges.append(layer...layer)
                }
            }
            guard !ranges.isEmpty else { return nil }
            let texts = ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            let layers = texts.count == 1 ? texts[0] : "{\(texts.joined(separator: ","))}"
            return "layers.\(layers).\(name) \(precision.rawValue)"
        }
    }
}
