extension Recipe {
    /// Every built-in recipe, the default first and those to compare with last.
    public static let builtIn: [Recipe] = [
        zhou2025, nvfp4, mxfp4Tseng, quartet, quartet2, fp4AllTheWay, wang2025, tetrajet, fp8Current, fp8Block, mxfp8,
        bf16, fp4Naive, fp32,
    ]

    /// - Throws: `UserError` naming the nearest recipe, if there is none of that name.
    public static func named(_ name: String) throws(UserError) -> Recipe {
        if let recipe = builtIn.first(where: { $0.name == name }) { return recipe }
        let nearest = EditDistance.nearest(to: name, among: builtIn.map(\.name)) ?? zhou2025.name
        throw UserError("there is no recipe \"\(name)\"; the nearest is \"\(nearest)\" (fp4tui recipes lists them)")
    }

    // MARK: Formats

    /// X and E in 1 × 128, W in 128 × 128, FP32 scales.
    private static let fineGrainedFP4 = LinearFormats(x: .fp4, w: BlockFormat(.e2m1, block: .square(128)), e: .fp4)
    /// The same in E4M3: DeepSeek-V3's (arXiv 2412.19437).
    private static let fineGrainedFP8 = LinearFormats(x: .fp8, w: BlockFormat(.e4m3, block: .square(128)), e: .fp8)

    /// Quartet's scale follows from the standard deviation of a block.
    private static let quartetForward = written("e2m1:1x32:e8m0-nearest+std+hadamard=32")
    private static let quartet2Backward = written("nvfp4+eden+hadamard=128:random")

    /// A format written in this file: a mistake in it is one of the program.
    private static func written(_ text: String) -> BlockFormat {
        do throws(UserError) {
            return try BlockFormat(parsing: text)
        } catch {
            preconditionFailure(error.description)
        }
    }

    // MARK: FP4

    /// FP4 where it does least harm. Sizes of blocks and the share of the target precision are not certain in the paper.
    public static let zhou2025: Recipe = {
        var recipe = Recipe(
            "zhou2025", "FP4 feed-forward, FP8 attention and backward, BF16 at the end", source: "arXiv 2502.11458",
            fp4: fineGrainedFP4, fp8: fineGrainedFP8, fp4Module: GEMMPrecisions(fprop: .fp4, dgrad: .fp8, wgrad: .fp8),
            attention: .fp8, feedForward: .fp4)
        recipe.clipping.scope = .module
        recipe.schedule.targetFraction = 0.075
        return recipe
    }()

    /// W in 16 × 16, so that fprop and dgrad multiply the same weights; the transform in wgrad alone.
    public static let nvfp4: Recipe = {
        let transform = BlockFormat.Hadamard(size: 16, signs: .fixed)
        var e = BlockFormat.nvfp4
        e.rounding = .stochastic
        var formats = LinearFormats(x: .nvfp4, w: BlockFormat(.e2m1, block: .square(16), scale: .e4m3), e: e)
        formats.wgrad.a.hadamard = transform
        formats.wgrad.b.hadamard = transform
        var recipe = Recipe(
            "nvfp4", "NVFP4 everywhere but in the last layers", source: "arXiv 2509.25149", fp4: formats,
            fp8: fineGrainedFP8, fp4Module: GEMMPrecisions(.fp4), attention: .fp4, feedForward: .fp4)
        recipe.lastLayers = 0.15
        return recipe
    }()

    /// Unbiased: with ¾ in front of the quantizer nothing saturates.
    public static let mxfp4Tseng: Recipe = {
        let backward = BlockFormat(
            .e2m1, block: .vector(32), scale: .e8m0Floor, rounding: .stochastic, prescale: 0.75,
            hadamard: .init(size: 64, signs: .random))
        var formats = LinearFormats(backward)
        formats.fprop = GEMMFormats(.mxfp4)
        return Recipe(
            "mxfp4-tseng", "MXFP4 backward with a random Hadamard transform, BF16 forward", source: "arXiv 2502.20586",
            fp4: formats, fp8: fineGrainedFP8, fp4Module: GEMMPrecisions(fprop: .bf16, dgrad: .fp4, wgrad: .fp4),
            attention: .fp4, feedForward: .fp4)
    }()

    public static let quartet: Recipe = {
        let backward = BlockFormat(
            .e2m1, block: .vector(32), scale: .e8m0Floor, prescale: 0.75, hadamard: .init(size: 32, signs: .random))
        var formats = LinearFormats(backward)
        formats.fprop = GEMMFormats(quartetForward)
        var recipe = Recipe(
            "quartet", "MXFP4 everywhere, Hadamard transforms, trust mask", source: "arXiv 2505.14669", fp4: formats,
            fp8: fineGrainedFP8, fp4Module: GEMMPrecisions(.fp4), attention: .fp4, feedForward: .fp4)
        recipe.techniques.reusesForwardOperands = true
        recipe.techniques.trustMask = true
        return recipe
    }()

    public static let quartet2: Recipe = {
        var formats = LinearFormats(quartet2Backward)
        formats.fprop = GEMMFormats(.nvfp4)
        var recipe = Recipe(
            "quartet2", "NVFP4 everywhere, backward without bias by MS-EDEN", source: "arXiv 2601.22813", fp4: formats,
            fp8: fineGrainedFP8, fp4Module: GEMMPrecisions(.fp4), attention: .fp4, feedForward: .fp4)
        recipe.techniques.reusesForwardOperands = true
        return recipe
    }()

    public static let fp4AllTheWay: Recipe = {
        var stochastic = BlockFormat.nvfp4
        stochastic.rounding = .stochastic
        var formats = LinearFormats(x: .nvfp4, w: .nvfp4, e: stochastic)
        formats.wgrad.b = stochastic
        var recipe = Recipe(
            "fp4-all-the-way", "NVFP4 everywhere, BF16 backward once noise drowns the gradient",
            source: "arXiv 2505.19115", fp4: formats, fp8: fineGrainedFP8, fp4Module: GEMMPrecisions(.fp4),
            attention: .fp4, feedForward: .fp4)
        recipe.schedule.triggers.rho = 3.0.squareRoot()
        return recipe
    }()

    /// A scale for each token and each output channel.
    public static let wang2025: Recipe = {
        var recipe = Recipe(
            "wang2025", "FP4 forward with a gradient estimator and compensated outliers", source: "arXiv 2501.17116",
            fp4: LinearFormats(BlockFormat(.e2m1, block: .row)), fp8: fineGrainedFP8,
            fp4Module: GEMMPrecisions(fprop: .fp4, dgrad: .bf16, wgrad: .bf16), attention: .fp4, feedForward: .fp4)
        recipe.techniques.gradientEstimator = .init()
        recipe.techniques.outlierQuantile = 0.99
        return recipe
    }()

    public static let tetrajet: Recipe = {
        let nearest = BlockFormat(.e2m1, block: .vector(32), scale: .e8m0Ceiling)
        var stochastic = nearest
        stochastic.rounding = .stochastic
        var formats = LinearFormats(stochastic)
        formats.fprop = GEMMFormats(nearest)
        var recipe = Recipe(
            "tetrajet", "MXFP4 everywhere, averaged weights against oscillation", source: "arXiv 2502.20853",
            fp4: formats, fp8: fineGrainedFP8, fp4Module: GEMMPrecisions(.fp4), attention: .fp4, feedForward: .fp4)
        recipe.techniques.reusesForwardOperands = true
        recipe.techniques.weightAverage = 0.9972
        return recipe
    }()

    // MARK: FP8

    private static func fp8(_ name: String, _ summary: String, source: String, _ formats: LinearFormats) -> Recipe {
        Recipe(
            name, summary, source: source, fp4: fineGrainedFP4, fp8: formats, fp4Module: zhou2025.fp4Module,
            attention: .fp8, feedForward: .fp8)
    }

    public static let fp8Current = fp8(
        "fp8-current", "one scale per tensor, E4M3 forward, E5M2 gradients", source: "Transformer Engine",
        LinearFormats(
            x: BlockFormat(.e4m3, block: .tensor), w: BlockFormat(.e4m3, block: .tensor),
            e: BlockFormat(.e5m2, block: .tensor)))

    public static let fp8Block = fp8(
        "fp8-block", "E4M3 with a scale per 128 or 128x128 values", source: "arXiv 2412.19437", fineGrainedFP8)

    public static let mxfp8 = fp8(
        "mxfp8", "E4M3 with a power of two per 32 values", source: "OCP MX v1.0", LinearFormats(.mxfp8))

    // MARK: For comparison

    private static func plain(_ name: String, _ summary: String, source: String, _ unscaled: UnscaledFormat) -> Recipe {
        var recipe = Recipe(
            name, summary, source: source, fp4: fineGrainedFP4, fp8: fineGrainedFP8, fp4Module: zhou2025.fp4Module,
            attention: .bf16, feedForward: .bf16)
        recipe.unscaled = unscaled
        return recipe
    }

    /// Operands rounded to BF16, sums in FP32.
    public static let bf16 = plain(
        "bf16", "what the others are held against", source: "arXiv 1905.12322", .bf16)

    /// Nothing is rounded.
    public static let fp32 = plain("fp32", "for checking numerics", source: "IEEE 754", .fp32)

    /// The head stays in BF16, as it does in all others, so that only the linears of the layers are compared.
    public static let fp4Naive = Recipe(
        "fp4-naive", "one scale per tensor in every GEMM of the layers: to look bad", source: "baseline",
        fp4: LinearFormats(BlockFormat(.e2m1, block: .tensor)), fp8: fineGrainedFP8, fp4Module: GEMMPrecisions(.fp4),
        attention: .fp4, feedForward: .fp4)
}

extension LinearFormats {
    /// The same format for an operand wherever it is multiplied.
    init(x: BlockFormat, w: BlockFormat, e: BlockFormat) {
        self.init(fprop: GEMMFormats(x, w), dgrad: GEMMFormats(e, w), wgrad: GEMMFormats(e, x))
    }
}
