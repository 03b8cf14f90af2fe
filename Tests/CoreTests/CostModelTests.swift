import Testing

@testable import Core

/// Against the figures of arXiv 2502.11458, §4.
@Suite struct CostModelTests {
    private func percent(_ value: Double) -> Double { (value * 1000).rounded() / 10 }

    @Test func llama7BSplits() {
        var model = ModelConfiguration()
        model.adopt(.llama)
        (model.layers, model.heads, model.keyValueHeads, model.width, model.context) = (32, 32, 32, 4096, 4096)
        model.feedForwardMultiple = 11_008.0 / 4096
        let split = CostModel(model, vocabularySize: 32_000).split
        #expect(percent(split.feedForward) == 57.3)
        #expect(percent(split.attentionLinears) == 28.4)
        #expect(percent(split.attentionCore) == 14.2)
    }

    /// Sequences as long as the model is wide, and a feed-forward network four times as wide.
    static var square: ModelConfiguration {
        var model = ModelConfiguration()
        (model.layers, model.heads, model.keyValueHeads, model.width, model.context) = (2, 4, 4, 256, 256)
        return model
    }

    /// Precision of attention, of the feed-forward network and of backward; cost with dgrad in 16 bits, and quantized.
    @Test(arguments: [
        (Precision.fp4, Precision.fp4, Precision.fp4, 57.1, 35.7), (.fp8, .fp4, .fp4, 59.5, 38.1),
        (.fp4, .fp8, .fp4, 61.9, 40.5), (.fp4, .fp4, .fp8, 64.3, 50.0), (.fp8, .fp4, .fp8, 66.7, 52.4),
        (.fp8, .fp8, .fp8, 71.4, 57.1), (.bf16, .bf16, .bf16, 100, 100),
    ])
    func theTableOfThePaper(
        attention: Precision, feedForward: Precision, backward: Precision, dgradIn16Bits: Double, quantized: Double
    ) throws {
        var recipe = Recipe.zhou2025
        func set(_ modules: String, _ gemms: [GEMMKind], _ precision: Precision) throws {
            recipe.assignments.append(.init(try .init(parsing: modules), gemms: gemms, .precision(precision)))
        }
        try set("attn.*", [.fprop], attention)
        try set("mlp.*", [.fprop], feedForward)
        try set("layers.*", [.dgrad, .wgrad], backward)
        let model = CostModel(Self.square, vocabularySize: 256)
        let plan = recipe.plan(for: Self.square)
        #expect(percent(model.cost(of: plan)) == quantized)
        #expect(percent(model.cost(of: plan, .init(dgradInBF16: true))) == dgradIn16Bits)
        // The same, by its formats.
        try set("layers.*", [.dgrad], .bf16)
        #expect(percent(model.cost(of: recipe.plan(for: Self.square))) == dgradIn16Bits)
    }

    @Test func theBuiltInRecipe() {
        let model = CostModel(Self.square, vocabularySize: 256)
        let plan = Recipe.zhou2025.plan(for: Self.square)
        #expect(percent(model.cost(of: plan)) == 52.4)
        #expect(model.shares(of: plan).description == "fp4 22 % fp8 78 %")
        #expect(model.shares(of: Recipe.bf16.plan(for: Self.square)).description == "bf16 100 %")
        #expect(model.fp4Share(of: plan, .fprop) == 2.0 / 3)
        #expect(model.fp4Share(of: plan, .dgrad) == 0)
        #expect(model.cost(of: Recipe.bf16.plan(for: Self.square), .init(includesHead: true)) == 1)
    }

    /// FLOPs per token: 2 · inputs · outputs; with few heads of keys and values they are smaller.
    @Test func flops() {
        var model = Self.square
        model.keyValueHeads = 1
        let cost = CostModel(model, vocabularySize: 1000)
        #expect(cost.flops(of: .layer(0, "attn.q")) == 2 * 256 * 256)
        #expect(cost.flops(of: .layer(0, "attn.k")) == 2 * 256 * 64)
        #expect(cost.flops(of: .layer(1, "mlp.down")) == 2 * 256 * 1024)
        #expect(cost.flops(of: .head) == 2 * 256 * 1000)
        #expect(cost.coreFLOPs == 4 * 256 * 256)
    }

    /// A product is as slow as its wider operand.
    @Test func theWiderOperandDecides() {
        #expect(GEMMFormats(.nvfp4, .bf16).widest == .bf16)
        #expect(GEMMFormats(.fp8, .nvfp4).widest == .fp8)
        #expect(Precision.allCases.map(\.relativeCost) == [0.25, 0.5, 1])
    }

    @Test func headAndCore() {
        let model = Self.square
        let cost = CostModel(model, vocabularySize: 256)
        let plan = Recipe.fp4Naive.plan(for: model)
        // Two layers of 24 d² and 4 d² of core, and a head of 2 d², in thirds of what the three GEMMs have.
        #expect(abs(cost.cost(of: plan) - (48 * 0.25 + 8) / 56) < 1e-12)
        #expect(abs(cost.cost(of: plan, .init(includesHead: true)) - (48 * 0.25 + 8 + 2) / 58) < 1e-12)
        #expect(abs(cost.cost(of: plan, .init(includesCore: false)) - 0.25) < 1e-12)
    }

    @Test func phasesAreWeighted() throws {
        let model = Self.square
        let cost = CostModel(model, vocabularySize: 256)
        var recipe = Recipe.fp4Naive
        let fp4 = cost.cost(of: recipe.plan(for: model))
        func run(_ steps: Int = 1000) -> Double { cost.cost(of: recipe, steps: steps, tokensPerStep: 100) }
        #expect(run() == fp4)
        recipe.schedule.targetFraction = 0.25
        #expect(abs(run() - (0.75 * fp4 + 0.25)) < 1e-12)
        // Only wider, never narrower.
        recipe.schedule.targetPrecision = .fp8
        recipe.assignments = [try .init(parsing: "layers.* bf16")]
        #expect(run() == 1)
        recipe.assignments = []
        recipe.schedule.targetPrecision = .bf16
        recipe.schedule.targetScope = .forward
        let forward = (16 + 32 * 0.25 + 8) / 56
        #expect(abs(run() - (0.75 * fp4 + 0.25 * forward)) < 1e-12)

        recipe.schedule.targetFraction = 0
        recipe.schedule.phases = [
            try .init(parsing: "step 500: layers.* bf16"), try .init(parsing: "75k tokens: layers.* fp4"),
            try .init(parsing: "90%: layers.* bf16"), try .init(parsing: "step 2000: layers.* fp4"),
        ]
        #expect(abs(run() - (0.65 * fp4 + 0.35)) < 1e-12)
        let segments = cost.segments(of: recipe, steps: 1000, tokensPerStep: 100)
        #expect(segments.map(\.start) == [0, 0.5, 0.75, 0.9])
        #expect(segments.map(\.end) == [0.5, 0.75, 0.9, 1])
        #expect(segments.allSatisfy { !$0.isTarget })
    }

    /// Starts that fall between two steps, together, out of order, before the first and after the last step.
    @Test(
        arguments: [
            (0.0, ["step 7: layers.* bf16"]), (0.075, []), (0.3, ["33%: mlp.* bf16", "34%: layers.* fp4"]),
            (0.5, ["50%: layers.* fp8", "step 18: mlp.* fp4", "0%: attn.* fp4"]),
            (0.3, ["1.01k tokens: mlp.* fp8", "1 tokens: attn.q bf16", "99k tokens: * fp4"]),
            (0.001, ["step 20: attn.* fp4", "step 5: layers.0.* fp4", "25%: layers.* bf16; mlp.up backward fp4"]),
            (1, ["step 3: layers.1.* fp4"]),
            (0.5, ["20%: attn.* bf16", "70%: layers.0.attn.* fp4"]),
        ] as [(Double, [String])])
    func segmentsAreThoseOfARun(targetFraction: Double, phases: [String]) throws {
        let (model, steps, tokensPerStep) = (RecipeTests.model(layers: 2), 23, 100)
        let cost = CostModel(model, vocabularySize: 256)
        let targets = PrecisionSchedule.Scope.allCases.flatMap { [($0, Precision.bf16), ($0, .fp8)] }
        for (scope, precision) in targets {
            var recipe = Recipe.zhou2025
            recipe.schedule.targetFraction = targetFraction
            recipe.schedule.targetScope = scope
            recipe.schedule.targetPrecision = precision
            recipe.schedule.phases = try phases.map { try PrecisionPhase(parsing: $0) }
            let segments = cost.segments(of: recipe, steps: steps, tokensPerStep: tokensPerStep)
            var control = PrecisionControl(recipe, model, steps: steps, tokensPerStep: tokensPerStep)
            var sum = 0.0
            for step in 0..<steps {
                _ = try control.beginPhases(at: step)
                let plan = control.state.plan(for: model)
                let share = (Double(step) + 0.5) / Double(steps)
                let segment = try #require(segments.first { $0.start <= share && share < $0.end })
                let isSame = segment.plan == plan
                #expect(isSame, "step \(step)")
                sum += cost.cost(of: plan)
            }
            let whole = cost.cost(of: recipe, steps: steps, tokensPerStep: tokensPerStep)
            #expect(abs(whole - sum / Double(steps)) < 1e-12)
        }
    }

    @Test func distinctProductsOfAModel() throws {
        let model = RecipeTests.model(layers: 4)
        let entries = LinearCostBenchmark.entries(model, Recipe.nvfp4.plan(for: model))
        #expect(entries.reduce(0) { $0 + $1.count } == 4 * 7 * 3)
        #expect(entries.filter { $0.precision == .bf16 }.reduce(0) { $0 + $1.count } == 7 * 3)
        let first = try #require(entries.first)
        #expect(first.modules == ["attn.q", "attn.k", "attn.v", "attn.o"])
        #expect((first.gemm, first.count, first.theoreticalCost) == (.fprop, 12, 0.25))
        #expect(entries.count == 2 * 3 * 3)
    }
}
