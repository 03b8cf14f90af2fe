import Foundation
import Testing

@testable import Core

@Suite struct RecipeTests {
    static func model(layers: Int = 4) -> ModelConfiguration {
        var model = ModelConfiguration()
        model.adopt(.llama)
        model.layers = layers
        return model
    }

    @Test func namesDiffer() {
        #expect(Set(Recipe.builtIn.map(\.name)).count == Recipe.builtIn.count)
        #expect(RunConfiguration().recipe == .zhou2025)
        #expect(
            throws: UserError("there is no recipe \"quartett\"; the nearest is \"quartet\" (fp4tui recipes lists them)")
        ) { try Recipe.named("quartett") }
    }

    @Test(arguments: Recipe.builtIn)
    func aBuiltInRecipeIsValid(recipe: Recipe) throws {
        #expect(recipe.base == recipe.name && recipe.label == recipe.name)
        #expect(recipe.head == .bf16)
        try recipe.validate(for: Self.model())
        for place in FormatPlace.all {
            let format = recipe[place]
            try format.validate()
            // Toggled to a precision, a module runs in it.
            #expect(Precision(format) == place.precision)
            #expect(try BlockFormat(parsing: format.description) == format)
        }
        #expect(try JSONDecoder().decode(Recipe.self, from: JSONEncoder().encode(recipe)) == recipe)
    }

    /// fprop/dgrad/wgrad of a linear of attention and of the feed-forward network in the first layer.
    @Test(arguments: [
        ("zhou2025", "fp8", "fp4/fp8/fp8"), ("nvfp4", "fp4", "fp4"), ("mxfp4-tseng", "bf16/fp4/fp4", "bf16/fp4/fp4"),
        ("quartet", "fp4", "fp4"), ("quartet2", "fp4", "fp4"), ("fp4-all-the-way", "fp4", "fp4"),
        ("wang2025", "fp4/bf16/bf16", "fp4/bf16/bf16"), ("tetrajet", "fp4", "fp4"), ("fp8-current", "fp8", "fp8"),
        ("fp8-block", "fp8", "fp8"), ("mxfp8", "fp8", "fp8"), ("bf16", "bf16", "bf16"), ("fp4-naive", "fp4", "fp4"),
        ("fp32", "bf16", "bf16"),
    ])
    func whatRunsInWhat(name: String, attention: String, feedForward: String) throws {
        let plan = try Recipe.named(name).plan(for: Self.model())
        for module in ["q", "k", "v", "o"] {
            #expect(plan[.layer(0, "attn.\(module)")].precisions.description == attention)
        }
        for module in ["up", "gate", "down"] {
            #expect(plan[.layer(0, "mlp.\(module)")].precisions.description == feedForward)
        }
        #expect(plan[.head].precisions.description == "bf16")
        #expect(plan.attentionCore == (name == "fp32" ? .fp32 : .bf16))
    }

    /// Operands as the papers have them: X and W of fprop, E and W of dgrad, E and X of wgrad.
    @Test(arguments: [
        (
            "zhou2025", ["fp4", "fp4-2d"], ["fp4", "fp4-2d"], ["fp4", "fp4"]
        ),
        (
            "nvfp4", ["nvfp4", "nvfp4-2d"], ["nvfp4+sr", "nvfp4-2d"],
            ["nvfp4+sr+hadamard=16:fixed", "nvfp4+hadamard=16:fixed"]
        ),
        ("fp4-all-the-way", ["nvfp4", "nvfp4"], ["nvfp4+sr", "nvfp4"], ["nvfp4+sr", "nvfp4+sr"]),
        ("wang2025", ["fp4-row", "fp4-row"], ["fp4-row", "fp4-row"], ["fp4-row", "fp4-row"]),
        (
            "tetrajet", ["mxfp4-ceil", "mxfp4-ceil"], ["mxfp4-ceil+sr", "mxfp4-ceil+sr"],
            ["mxfp4-ceil+sr", "mxfp4-ceil+sr"]
        ),
        ("fp4-naive", ["fp4-tensor", "fp4-tensor"], ["fp4-tensor", "fp4-tensor"], ["fp4-tensor", "fp4-tensor"]),
    ])
    func operandsInFP4(name: String, fprop: [String], dgrad: [String], wgrad: [String]) throws {
        let recipe = try Recipe.named(name)
        for (gemm, expected) in zip(GEMMKind.allCases, [fprop, dgrad, wgrad]) {
            #expect([recipe.fp4[gemm].a.description, recipe.fp4[gemm].b.description] == expected, "\(gemm)")
        }
    }

    @Test func operandsInFP8() {
        let current = Recipe.fp8Current.fp8
        #expect(current.fprop == GEMMFormats(BlockFormat(.e4m3, block: .tensor)))
        #expect(current.dgrad.a == BlockFormat(.e5m2, block: .tensor) && current.wgrad.a == current.dgrad.a)
        #expect(current.dgrad.b == current.fprop.b && current.wgrad.b == current.fprop.a)
        #expect(Recipe.mxfp8.fp8 == LinearFormats(.mxfp8))
        #expect(Recipe.fp8Block.fp8 == Recipe.zhou2025.fp8)
        #expect(Recipe.zhou2025.fp8.dgrad == GEMMFormats(.fp8, BlockFormat(.e4m3, block: .square(128))))
    }

    @Test func techniques() {
        #expect(Recipe.quartet.techniques.trustMask && Recipe.quartet.techniques.reusesForwardOperands)
        #expect(Recipe.quartet2.techniques.reusesForwardOperands && !Recipe.quartet2.techniques.trustMask)
        #expect(Recipe.wang2025.techniques.gradientEstimator == .init(k: 5, limit: 3))
        #expect(Recipe.wang2025.techniques.outlierQuantile == 0.99)
        #expect(Recipe.tetrajet.techniques.weightAverage == 0.9972)
        #expect(Recipe.fp4AllTheWay.schedule.triggers.rho == 3.0.squareRoot())
        #expect(Recipe.zhou2025.clipping.scope == .module && Recipe.zhou2025.schedule.targetFraction == 0.075)
        let plan = Recipe.nvfp4.plan(for: Self.model(layers: 20))
        #expect(plan[.layer(16, "mlp.up")].precisions == GEMMPrecisions(.fp4))
        #expect(plan[.layer(17, "mlp.up")].precisions == GEMMPrecisions(.bf16))
    }

    @Test func aChangedRecipeSaysSo() throws {
        var recipe = Recipe.nvfp4
        try recipe.set(.hadamard, false)
        #expect(recipe.label == "nvfp4, changed")
        recipe.name = "mine"
        #expect(recipe.label == "mine")
    }

    @Test func modulesThatAreNotThereAreRefused() throws {
        var recipe = Recipe.bf16
        recipe.assignments = [try .init(parsing: "layers.4.* fp4")]
        #expect(throws: UserError.self) { try recipe.validate(for: Self.model()) }
        try recipe.validate(for: Self.model(layers: 5))
        recipe.assignments = []
        recipe.schedule.phases = [try .init(parsing: "50%: mlp.gate fp4")]
        try recipe.validate(for: Self.model())
        var gelu = Self.model()
        gelu.activation = .gelu
        let error = try #require(throws: UserError.self) { try recipe.validate(for: gelu) }
        #expect(error.description.hasPrefix("recipe.phases has \"mlp.gate fp4\": no module matches"))
    }

    @Test func aHadamardTransformIsOnBothOperands() throws {
        var recipe = Recipe.nvfp4
        recipe.fp4.wgrad.b.hadamard = nil
        #expect(
            throws: UserError(
                "recipe.fp4_wgrad_e = \"nvfp4+sr+hadamard=16:fixed\" and recipe.fp4_wgrad_x = \"nvfp4\" do not go together: "
                    + "both operands of a GEMM have the same Hadamard transform, or none")
        ) { try recipe.validate(for: Self.model()) }
    }
}

@Suite struct RecipeSwitchTests {
    static func formats(_ recipe: Recipe, where isIncluded: (BlockFormat) -> Bool) -> Set<FormatPlace> {
        Set(FormatPlace.all.filter { isIncluded(recipe[$0]) })
    }

    @Test(arguments: Recipe.builtIn, Recipe.FormatSwitch.allCases)
    func offLeavesNothingAndOnBringsItBack(recipe: Recipe, technique: Recipe.FormatSwitch) throws {
        var changed = recipe
        try changed.set(technique, false)
        #expect(!changed.has(technique))
        #expect(recipe.has(technique) || changed == recipe)
        try changed.validate(for: RecipeTests.model())
        guard recipe.has(technique) else { return }
        #expect(changed != recipe)
        try changed.set(technique, true)
        #expect(changed == recipe)
        try changed.set(technique, true)
        #expect(changed == recipe)
    }

    @Test func defaultsOfRecipesWithoutTheTechnique() throws {
        var recipe = Recipe.zhou2025
        try recipe.set(.stochasticRounding, true)
        #expect(Self.formats(recipe) { $0.rounding == .stochastic } == Set(FormatPlace.all.filter { $0.operand == .e }))

        recipe = .zhou2025
        try recipe.set(.hadamard, true)
        let transform = BlockFormat.Hadamard(size: 16, signs: .random)
        #expect(
            Self.formats(recipe) { $0.hadamard == transform }
                == Set(FormatPlace.all.filter { $0.gemm == .wgrad }))
        try recipe.validate(for: RecipeTests.model())

        recipe = .quartet2
        try recipe.set(.fourOverSix, true)
        // MS-EDEN chooses its scales itself.
        #expect(
            Self.formats(recipe) { $0.fourOverSix }
                == Set(FormatPlace.all.filter { $0.precision == .fp4 && $0.gemm == .fprop }))
        for place in FormatPlace.all { try recipe[place].validate() }

        recipe = .fp4AllTheWay
        try recipe.set(.squareScales, false)
        try recipe.set(.squareScales, true)
        // As fp4-all-the-way has it: in its FP8 formats alone.
        #expect(recipe == .fp4AllTheWay)
        recipe = .mxfp8
        recipe.base = "mine"
        try recipe.set(.squareScales, false)
        try recipe.set(.squareScales, true)
        #expect(
            Self.formats(recipe) { if case .square = $0.block { true } else { false } }
                == Set(FormatPlace.all.filter { $0.operand == .w }))
    }

    @Test func squareScalesBecomeVectors() throws {
        var recipe = Recipe.nvfp4
        try recipe.set(.squareScales, false)
        #expect(recipe.fp4.fprop == GEMMFormats(.nvfp4))
        #expect(recipe.fp8.dgrad == GEMMFormats(.fp8))
    }

    @Test func aTechniqueThatNoFormatCanHaveIsRefused() {
        var recipe = Recipe.zhou2025
        #expect(
            throws: UserError(
                "recipe.four_over_six = true is not possible: no format of the recipe zhou2025 can have it")
        ) { try recipe.set(.fourOverSix, true) }
        #expect(recipe == .zhou2025)
    }
}

@Suite struct RecipeKeyTests {
    static let keys = ConfigurationKey.all.filter { $0.section == "recipe" }

    static func values(_ configuration: RunConfiguration) -> [String: ConfigurationValue] {
        Dictionary(uniqueKeysWithValues: keys.compactMap { key in key.value(in: configuration).map { (key.path, $0) } })
    }

    /// Names apart, which set everything.
    static let single = keys.filter { !$0.isShorthand && !["recipe.inherits", "recipe.name"].contains($0.path) }

    @Test func aKeySetsItsOwnAndAllKeysSetEverything() throws {
        var start = RunConfiguration()
        // A limit needs an estimator.
        start.recipe.techniques.gradientEstimator = .init()
        var changedLeaves: Set<String> = []
        for key in Self.single {
            var configuration = start
            let before = Self.values(configuration)
            let value = try #require(
                ConfigurationKeyTests.value(of: key.domain, otherThan: key.value(in: configuration)), "\(key.path)")
            try key.set(value, in: &configuration)
            let after = Self.values(configuration)
            #expect(after.keys.filter { before[$0] != after[$0] } == [key.path])
            #expect(after[key.path] == value)
            let leaves = (
                try ConfigurationKeyTests.leaves(of: start.recipe),
                try ConfigurationKeyTests.leaves(of: configuration.recipe)
            )
            let all = Set(leaves.0.keys).union(leaves.1.keys)
            changedLeaves.formUnion(all.filter { leaves.0[$0] != leaves.1[$0] })
        }
        // Nothing that a recipe stores is out of reach; techniques of formats are inside the formats' text.
        let stored = Set(try ConfigurationKeyTests.leaves(of: start.recipe).keys).subtracting(["name", "base"])
        let missing = stored.subtracting(changedLeaves).filter {
            !$0.hasPrefix("fp4.techniques") && !$0.hasPrefix("fp8.techniques")
        }
        #expect(missing.isEmpty)
        #expect(changedLeaves.isSuperset(of: ["schedule.triggers.rho", "schedule.triggers.spike_sigma"]))
    }

    @Test(arguments: Recipe.builtIn.map(\.name))
    func aNameSetsEverything(name: String) throws {
        for key in ["recipe.name", "recipe.inherits"] {
            var configuration = RunConfiguration()
            for other in Self.single {
                let value = ConfigurationKeyTests.value(of: other.domain, otherThan: other.value(in: configuration))
                try? other.set(try #require(value), in: &configuration)
            }
            // Whatever the order.
            try configuration.apply([.init(path: key, value: .string(name), origin: "")])
            #expect(configuration.recipe == (try Recipe.named(name)))
        }
    }

    @Test func theNameIsAppliedBeforeTheSwitches() throws {
        var configuration = RunConfiguration()
        try configuration.apply([
            .init(path: "recipe.hadamard", value: .boolean(false), origin: ""),
            .init(path: "recipe.last_layers", value: .integer(0), origin: ""),
            .init(path: "recipe.name", value: .string("nvfp4"), origin: ""),
        ])
        #expect(configuration.recipe.name == "nvfp4" && configuration.recipe.lastLayers == 0)
        #expect(!configuration.recipe.has(.hadamard) && configuration.recipe.has(.stochasticRounding))
    }

    /// One flag switches one technique.
    @Test func numbersOfZeroAreOff() throws {
        var configuration = RunConfiguration()
        func set(_ path: String, _ value: ConfigurationValue) throws {
            try configuration.apply([.init(path: path, value: value, origin: "")])
        }
        try set("recipe.name", .string("wang2025"))
        try set("recipe.gradient_estimator", .integer(0))
        #expect(configuration.recipe.techniques.gradientEstimator == nil)
        #expect(throws: UserError.self) { try set("recipe.gradient_estimator_limit", .integer(2)) }
        try set("recipe.gradient_estimator", .integer(4))
        try set("recipe.gradient_estimator_limit", .integer(2))
        #expect(configuration.recipe.techniques.gradientEstimator == .init(k: 4, limit: 2))
        try set("recipe.outlier_quantile", .integer(0))
        #expect(configuration.recipe.techniques.outlierQuantile == nil)
        try set("recipe.weight_average", .number(0.5))
        #expect(configuration.recipe.techniques.weightAverage == 0.5)
        try set("recipe.rho_trigger", .integer(2))
        try set("recipe.spike_sigma", .integer(6))
        #expect(configuration.recipe.schedule.triggers.rho == 2)
        #expect(configuration.recipe.schedule.triggers.spikeSigma == 6)
        try set("recipe.clipping_scope", .string("block"))
        #expect(configuration.recipe.clipping.scope == .block)
        try set("recipe.clipping_scope", .string("off"))
        #expect(configuration.recipe.clipping.scope == nil)
    }
}
