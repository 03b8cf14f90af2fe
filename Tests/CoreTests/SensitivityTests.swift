import Testing

@testable import Core

@Suite struct SensitivityTests {
    private static func map(_ precisions: [Precision]) throws -> (SensitivityMap, RunConfiguration) {
        let configuration = TrainingEngineTests.configuration { $0.recipe = .fp4Naive }
        let probe = try SensitivityProbe(
            configuration, corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed))
        #expect(try probe.warmUp(steps: 10))
        return (try #require(try probe.measure(precisions, batches: 2)), configuration)
    }

    @Test func fewerBitsGiveMoreError() throws {
        let (map, configuration) = try Self.map([.bf16, .fp8, .fp4])
        let linears = configuration.model.linears.count - 1
        #expect(map.modules.count == 3 * linears)
        for module in map.modules where module.precision == .bf16 {
            #expect(module.lossChange == 0)
            #expect(module.gradientError == 0)
            #expect(module.wholeGradientError == 0)
        }
        for fp4 in map.modules where fp4.precision == .fp4 {
            let fp8 = try #require(map.modules.first { $0.precision == .fp8 && $0.module == fp4.module })
            #expect(fp8.gradientError > 0)
            #expect(fp4.gradientError > fp8.gradientError, "\(fp4.module)")
            #expect(fp4.damage(loss: map.loss) >= 0)
        }
    }

    /// All that trials could change.
    private static func state(_ trainer: Trainer) -> (parameters: [UInt32], statistics: [[Float]], averages: Int) {
        let values = trainer.parameters.values
        return (
            (0..<trainer.parameters.layout.count).map { values[$0].bitPattern },
            trainer.transformer.clippingStatistics, trainer.transformer.weightAverages.count
        )
    }

    /// Each recipe with something that passes are given from those before: statistics of clipping, averages of weights,
    /// random numbers.
    @Test(arguments: ["zhou2025", "tetrajet", "nvfp4", "quartet", "quartet2", "fp4-all-the-way", "wang2025"])
    func noTrialDependsOnAnother(recipe name: String) throws {
        let configuration = TrainingEngineTests.configuration {
            $0.recipe = Recipe.builtIn.first { $0.name == name } ?? .bf16
            // So that gradients are clipped indeed.
            $0.recipe.clipping.scope = .module
            $0.recipe.clipping.limit = 1
        }
        let probe = try SensitivityProbe(
            configuration, corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed))
        #expect(try probe.warmUp(steps: 4))
        let before = Self.state(probe.trainer)
        let linears = configuration.model.linears.filter { $0.layer != nil }
        let trials = [Precision.fp8, .fp4].flatMap { precision in linears.map { (module: $0, precision: precision) } }
        let expected = try #require(try probe.measure(trials, batches: 2))
        #expect(expected.modules.contains { $0.gradientError > 0 })
        // Backwards, and the same module twice in a row, the second time alone.
        let orders: [[(module: ModulePath, precision: Precision)]] = [
            Array(trials.reversed()), linears.flatMap { [($0, .fp8), ($0, .fp4)] }, [trials[trials.count - 1]],
        ]
        for order in orders {
            let map = try #require(try probe.measure(order, batches: 2))
            #expect(map.loss == expected.loss)
            for found in map.modules {
                let first = expected.modules.first { $0.module == found.module && $0.precision == found.precision }
                #expect(found == first)
            }
        }
        let after = Self.state(probe.trainer)
        let isSame = after.parameters == before.parameters
        #expect(isSame)
        #expect(after.statistics == before.statistics)
        #expect(after.averages == 0)
    }

    @Test func aBudgetIsKeptOrRefusedWithTheLowestPossible() throws {
        let (map, configuration) = try Self.map([.fp8, .fp4])
        let (recipe, model) = (configuration.recipe, configuration.model)
        func budget(_ limit: Double) throws -> PrecisionBudget {
            try PrecisionBudget(limit, map, recipe: recipe, model: model, vocabularySize: 256)
        }
        let whole = try budget(1)
        #expect(whole.damage == 0)
        #expect(whole.assignments == ["layers.* bf16"])
        let half = try budget(0.6)
        #expect(half.cost <= 0.6)
        #expect(half.damage > 0)
        // The recipe that comes of it costs what was predicted.
        let changes = try half.assignments.map { try PrecisionAssignment(parsing: $0) }
        let plan = recipe.plan(for: model, changes: changes)
        #expect(abs(CostModel(model, vocabularySize: 256).cost(of: plan) - half.cost) < 1e-9)
        for choice in half.choices {
            #expect(plan[choice.module].precisions == recipe.gemms(of: choice.precision), "\(choice.module)")
        }
        let lowest = CostModel(model, vocabularySize: 256)
            .cost(of: recipe.plan(for: model, changes: [try PrecisionAssignment(parsing: "layers.* fp4")]))
        #expect(abs(try budget(lowest).cost - lowest) < 1e-9)
        expectUserError(["--budget is 0.1", "lowest possible", "\((lowest * 1e4).rounded(.up) / 1e4)"]) {
            _ = try budget(0.1)
        }
    }

    @Test func theProgrammeFindsWhatTryingAllFinds() {
        let random = Philox(seed: 7, stream: .initialization)
        for instance in 0..<300 {
            var draws: UInt32 = 0
            func draw(_ bound: Int) -> Int {
                draws += 1
                return Int(random.bits(UInt64(instance), draws) % UInt64(bound))
            }
            let options = (0..<1 + draw(5)).map { _ in
                (0..<1 + draw(3)).map { _ in
                    PrecisionBudget.Option(cost: 2 * draw(12), damage: Double(draw(50)) / 8)
                }
            }
            let limit = draw(70)
            var best: Double?
            func search(_ module: Int, _ cost: Int, _ damage: Double) {
                guard module < options.count else {
                    if cost <= limit { best = min(best ?? damage, damage) }
                    return
                }
                for option in options[module] { search(module + 1, cost + option.cost, damage + option.damage) }
            }
            search(0, 0, 0)
            let found = PrecisionBudget.solve(options, limit: limit)
            #expect((found == nil) == (best == nil))
            guard let found else { continue }
            let chosen = zip(options, found).map { $0[$1] }
            #expect(chosen.reduce(0) { $0 + $1.cost } <= limit)
            #expect(chosen.reduce(0) { $0 + $1.damage } == best)
        }
    }

    @Test func patternsStandForLayersThatAgree() throws {
        var budget = try PrecisionBudget(
            1, SensitivityMap(recipe: "bf16", loss: 1, step: 0, tokens: 1, modules: []), recipe: .bf16,
            model: ModelConfiguration(), vocabularySize: 256)
        for index in budget.choices.indices {
            let path = budget.choices[index].module
            if path.name == "mlp.up" { budget.choices[index].precision = path.layer == 1 ? .fp8 : .fp4 }
        }
        #expect(
            budget.assignments == [
                "attn.* bf16", "layers.{0,2-3}.mlp.up fp4", "layers.1.mlp.up fp8", "mlp.down bf16",
            ])
    }
}
