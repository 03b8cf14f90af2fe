extension ConfigurationKey {
    /// The keys of `[recipe]`. A built-in recipe by name comes first, then switches that change several of its formats, then
    /// everything that a recipe has.
    static let recipe: [ConfigurationKey] = recipeNames + recipeTechniques + recipePrecisions + recipeChanges

    private static let recipeNames: [ConfigurationKey] = [
        ConfigurationKey(
            path: "recipe.inherits", summary: "The built-in recipe to start from: sets all other keys of the recipe.",
            domain: .choice(Recipe.builtIn.map(\.name))
        ) {
            .string($0.recipe.base)
        } write: { configuration, value throws(UserError) in
            if case .string(let name) = value { configuration.recipe = try Recipe.named(name) }
        },
        ConfigurationKey(
            path: "recipe.name",
            summary: "A built-in recipe, which sets all other keys; or with inherits a name of your own.",
            domain: .string
        ) {
            .string($0.recipe.name)
        } write: { configuration, value in
            guard case .string(let name) = value else { return }
            if let recipe = try? Recipe.named(name) {
                configuration.recipe = recipe
            } else {
                configuration.recipe.name = name
            }
        },
        .string("recipe.summary", \.recipe.summary, "One line about the recipe, for people."),
        .string("recipe.source", \.recipe.source, "Where the recipe comes from, for people."),
    ]

    private static let recipeTechniques: [ConfigurationKey] = [
        .formatSwitch(
            .stochasticRounding, "Stochastic rounding; true: where the recipe has it, else of E, the gradients."),
        .formatSwitch(
            .hadamard, "Hadamard transforms; true: where the recipe has them, else 16:random in wgrad."),
        .formatSwitch(
            .squareScales, "Scales for NxN; false: for 1xN instead; true: where the recipe has them, else of W."),
        .formatSwitch(.fourOverSix, "Four over six; true: where the recipe has it, else in all FP4 with e4m3 scales."),
        .boolean(
            "recipe.trust_mask", \.recipe.techniques.trustMask, "dX and dW are zero where fprop's X and W saturated."),
        .boolean(
            "recipe.reuse_forward_operands", \.recipe.techniques.reusesForwardOperands,
            "dgrad and wgrad quantize fprop's quantized W and X, not the master values."),
        ConfigurationKey(
            path: "recipe.gradient_estimator",
            summary: "Differentiable gradient estimator for FP4 weights: its k, such as 5; 0: straight-through.",
            domain: .number(from: .including(0), to: .including(100))
        ) {
            .number($0.recipe.techniques.gradientEstimator?.k ?? 0)
        } write: { configuration, value in
            guard case .number(let k) = value else { return }
            let limit = configuration.recipe.techniques.gradientEstimator?.limit
            configuration.recipe.techniques.gradientEstimator =
                k == 0 ? nil : limit.map { .init(k: k, limit: $0) } ?? .init(k: k)
        },
        ConfigurationKey(
            path: "recipe.gradient_estimator_limit", summary: "The largest factor of the gradient estimator.",
            domain: .number(from: .excluding(0), to: nil)
        ) {
            .number(($0.recipe.techniques.gradientEstimator ?? .init()).limit)
        } write: { configuration, value throws(UserError) in
            guard case .number(let limit) = value else { return }
            guard configuration.recipe.techniques.gradientEstimator != nil || limit == 3 else {
                throw UserError(
                    "recipe.gradient_estimator_limit = \(limit) changes nothing: recipe.gradient_estimator is 0")
            }
            configuration.recipe.techniques.gradientEstimator?.limit = limit
        },
        .optionalNumber(
            "recipe.outlier_quantile", \.recipe.techniques.outlierQuantile, to: .excluding(1),
            "FP4 activations beyond their quantiles q and 1 - q go through a sparse product, such as 0.99; 0: never."),
        .optionalNumber(
            "recipe.weight_average", \.recipe.techniques.weightAverage, to: .excluding(1),
            "FP4 weights are rounded towards their moving average with this decay, such as 0.9972; 0: to nearest."),
    ]

    private static let recipePrecisions: [ConfigurationKey] =
        [
            .number(
                "recipe.last_layers", \.recipe.lastLayers, from: .including(0), to: .including(1),
                "The share of the layers, at the end, that stays in BF16; at least one layer unless 0."),
            .choice("recipe.attention", \.recipe.attention, "q, k, v and o of every layer."),
            .choice("recipe.feed_forward", \.recipe.feedForward, "up, gate and down of every layer."),
            .choice("recipe.head", \.recipe.head, "The LM head."),
            .precisions("recipe.fp4_module", \.recipe.fp4Module, "The GEMMs of a module that is set to FP4."),
            .precisions("recipe.fp8_module", \.recipe.fp8Module, "The GEMMs of a module that is set to FP8."),
            .choice(
                "recipe.unscaled", \.recipe.unscaled,
                "What BF16 means, and the attention core: fp32 is for checking numerics."),
        ] + FormatPlace.all.map(format)

    private static let recipeChanges: [ConfigurationKey] = [
        .texts(
            "recipe.assignments", \.recipe.assignments, domain: .assignments, PrecisionAssignment.init(parsing:),
            "Further settings of modules, in order, over all of the above."),
        .number(
            "recipe.target_fraction", \.recipe.schedule.targetFraction, from: .including(0), to: .including(1),
            "The share of the run, at its end, in the target precision; 0: never."),
        .choice("recipe.target_precision", \.recipe.schedule.targetPrecision, "The target precision."),
        .choice("recipe.target_scope", \.recipe.schedule.targetScope, "The passes that take the target precision."),
        .texts(
            "recipe.phases", \.recipe.schedule.phases, domain: .phases, PrecisionPhase.init(parsing:),
            "Settings of modules from a step, a share of the run or a number of tokens on."),
        .optionalNumber(
            "recipe.rho_trigger", \.recipe.schedule.triggers.rho, to: nil,
            "A module's backward goes to BF16 once gradient over quantization noise is below this; 0: never."),
        .optionalNumber(
            "recipe.spike_sigma", \.recipe.schedule.triggers.spikeSigma, to: nil,
            "A loss so many standard deviations above the mean raises modules that misbehave; 0: never."),
        .integer(
            "recipe.spike_window", \.recipe.schedule.triggers.spikeWindow, 2...1_000_000,
            "Steps of which spike_sigma takes mean and deviation."),
        .boolean(
            "recipe.rescue_non_finite", \.recipe.schedule.triggers.nonFinite,
            "Modules in which a value is not finite are raised, and the step is done again."),
        ConfigurationKey(
            path: "recipe.clipping_scope",
            summary: "What shares a threshold when gradients E are clipped in front of the quantizer.",
            domain: .choice(["off"] + GradientClipping.Scope.allCases.map(\.rawValue))
        ) {
            .string($0.recipe.clipping.scope?.rawValue ?? "off")
        } write: { configuration, value in
            if case .string(let name) = value { configuration.recipe.clipping.scope = .init(rawValue: name) }
        },
        .choice(
            "recipe.clipping_threshold", \.recipe.clipping.threshold,
            "What clipping_limit multiplies: nothing, the running RMS, or a running quantile."),
        .number(
            "recipe.clipping_limit", \.recipe.clipping.limit, from: .excluding(0),
            "Elements of E beyond the threshold times this are clipped."),
        .number(
            "recipe.clipping_quantile", \.recipe.clipping.quantile, from: .excluding(0), to: .excluding(1),
            "The quantile of magnitudes, if that is the threshold."),
        .number(
            "recipe.clipping_decay", \.recipe.clipping.decay, from: .including(0), to: .excluding(1),
            "Decay per pass of the running RMS or quantile."),
        .choice(
            "recipe.clipping_rescaling", \.recipe.clipping.rescaling,
            "What clipping took is given back to: nothing, the norm or the sum."),
    ]

    // MARK: Kinds of keys

    private static func formatSwitch(_ technique: Recipe.FormatSwitch, _ summary: String) -> ConfigurationKey {
        ConfigurationKey(path: "recipe.\(technique.rawValue)", summary: summary, domain: .boolean, read: nil) {
            configuration, value throws(UserError) in
            if case .boolean(let isOn) = value { try configuration.recipe.set(technique, isOn) }
        }
    }

    /// 0 stands for nil.
    private static func optionalNumber(
        _ path: String, _ target: Target<Double?>, to: ConfigurationDomain.Bound?, _ summary: String
    ) -> ConfigurationKey {
        ConfigurationKey(path: path, summary: summary, domain: .number(from: .including(0), to: to)) {
            .number($0[keyPath: target] ?? 0)
        } write: { configuration, value in
            if case .number(let number) = value { configuration[keyPath: target] = number == 0 ? nil : number }
        }
    }

    private static func precisions(_ path: String, _ target: Target<GEMMPrecisions>, _ summary: String)
        -> ConfigurationKey
    {
        ConfigurationKey(path: path, summary: summary, domain: .precisions) {
            .string($0[keyPath: target].description)
        } write: { configuration, value throws(UserError) in
            if case .string(let text) = value { configuration[keyPath: target] = try GEMMPrecisions(parsing: text) }
        }
    }

    private static func format(_ place: FormatPlace) -> ConfigurationKey {
        let names = (place.precision.rawValue, place.gemm.rawValue, place.operand.rawValue)
        return ConfigurationKey(
            path: "recipe.\(names.0)_\(names.1)_\(names.2)",
            summary: "\(names.0.uppercased()) format of \(names.2.uppercased()) in \(names.1).", domain: .format
        ) {
            .string($0.recipe[place].description)
        } write: { configuration, value throws(UserError) in
            if case .string(let text) = value { configuration.recipe[place] = try BlockFormat(parsing: text) }
        }
    }

    /// A list of things that are written as text.
    private static func texts<Value: CustomStringConvertible & Sendable>(
        _ path: String, _ target: Target<[Value]>, domain: ConfigurationDomain,
        _ parse: @escaping @Sendable (String) throws(UserError) -> Value, _ summary: String
    ) -> ConfigurationKey {
        ConfigurationKey(path: path, summary: summary, domain: domain) {
            .list($0[keyPath: target].map { .string($0.description) })
        } write: { configuration, value throws(UserError) in
            guard case .list(let values) = value else { return }
            var parsed: [Value] = []
            for case .string(let text) in values { parsed.append(try parse(text)) }
            configuration[keyPath: target] = parsed
        }
    }
}
