import Core

@testable import Dashboard

/// SplitMix64: the same sequence every time.
struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        return bits ^ (bits >> 31)
    }
}

/// A run whose figures are the same every time.
enum Script {
    static func description(name: String = "baby", steps: Int = 5000, floor: Double? = 1.31) -> RunDescription {
        var model = ModelConfiguration()
        model.layers = 6
        model.heads = 6
        model.keyValueHeads = 6
        model.width = 384
        model.context = 256
        return RunDescription(
            name: name, model: model, parameterCount: 10_700_000, vocabularySize: 256,
            data: "built-in language, 2000 words", trainingTokens: 90_000_000, validationTokens: 10_000_000,
            entropyFloor: floor, totalSteps: steps, tokensPerStep: 3072, seed: 1, threads: 2, kernels: "avx512",
            recipe: .bf16, learningRate: 1e-3, gradientClip: 1, memoryBytes: 312_000_000)
    }

    /// Between -1 and 1, by a fixed rule.
    private static func noise(_ index: Int) -> Float {
        var bits = UInt64(truncatingIfNeeded: index) &* 0x9E37_79B9_7F4A_7C15
        bits ^= bits >> 29
        bits &*= 0xBF58_476D_1CE4_E5B9
        return Float(bits >> 40) / Float(1 << 23) - 1
    }

    static func metrics(_ step: Int) -> StepMetrics {
        let time = Float(step)
        // Rational curves: the same on every machine, unlike exp.
        let loss = 1.45 + 4.5 * 150 / (150 + time) + 0.06 * noise(step) + (step == 700 ? 1.5 : 0)
        let norm = 0.5 + 1.5 * 60 / (60 + time) + 0.15 * noise(step + 77) + (step % 97 == 0 ? 0.9 : 0)
        return StepMetrics(
            step: step, loss: loss, gradientNorm: norm, clippedNorm: min(1, norm), learningRate: 1e-3,
            tokens: step * 3072, stepMilliseconds: 250, elapsedSeconds: Double(step) * 0.25,
            timing: StepTiming(forward: 80, backward: 140, optimizer: 25, quantize: 20))
    }

    static let sample = TextSample(
        step: 1000, prompt: "ROMEO:",
        text: "\nWhat light is that which shines from yonder window, and who is she that stands there?\n"
            + "日本語 and a\u{301} control \u{7} character")

    /// A change of precision with its effect, and a fork that does a little better.
    static func fork(_ state: inout DashboardState) {
        let module = ModulePrecisionChange(
            module: .layer(3, "mlp.up"), from: GEMMPrecisions(.fp4), to: GEMMPrecisions(.bf16),
            gemms: GEMMKind.allCases, formats: LinearFormats(.bf16))
        let change = PrecisionChange(
            id: 1, step: 1040, cause: .command, text: "prec layers.3.mlp.up bf16", modules: [module], lossBefore: 2.1402
        )
        state.on(
            .event(.precisionChanged(change)),
            .event(.forkChanged(ForkChange(kind: .began, step: 1040, text: "recipe nvfp4"))))
        for step in 1041...1300 {
            state.on(
                .event(.stepped(metrics(step))), .event(.forkStepped(step: step, loss: metrics(step + 7).loss - 0.1)))
        }
        let effect = PrecisionEffect(id: 1, step: 1090, steps: 50, lossBefore: 2.1402, lossAfter: 2.1391)
        state.on(.event(.precisionEffect(effect)), .event(.saved(step: 1200, path: "model.safetensors")))
        state.message = nil
    }

    /// A report with two modules that saturate, and a clipped gradient.
    static func health(_ state: inout DashboardState) {
        let linears = description().model.linears
        let step = state.last?.step ?? 0
        let gemms = linears.prefix(8).enumerated().map { index, path in
            var health = QuantizationHealth()
            health.count = 1000
            health.saturated = index % 6 == 5 ? 18 + index : 1
            return HealthReport.GEMM(module: path, gemm: .wgrad, a: health, b: nil)
        }
        let modules = linears.enumerated().map { index, path in
            HealthReport.Module(
                path: path, gradientNorm: 0.02 + 0.005 * Double(index * 7 % 11), forwardMilliseconds: 1,
                backwardMilliseconds: 2)
        }
        let clipped = ClippedGradient(
            module: .layer(3, "mlp.up"), fraction: 0.004, normBefore: 3.2, normClipped: 1.1, normAfter: 1.3)
        state.on(
            .event(.quantized(HealthReport(step: step, gemms: gemms, modules: modules, memoryBytes: 371 << 20))),
            .event(.gradientsClipped(step: step, modules: [clipped])))
    }

    static let summary = RunSummary(
        outcome: .completed, steps: 5000, tokens: 15_360_000, finalLoss: 1.5021, validationLoss: 1.6104,
        bestValidationLoss: 1.6001, elapsedSeconds: 1250, tokensPerSecond: 12288, savedPath: "model.safetensors")
}

extension DashboardState {
    @discardableResult
    mutating func on(_ inputs: DashboardInput...) -> [DashboardEffect] {
        inputs.flatMap { reduce(&self, $0) }
    }

    @discardableResult
    mutating func keys(_ keys: Key...) -> [DashboardEffect] {
        keys.flatMap { reduce(&self, .key($0)) }
    }

    @discardableResult
    mutating func type(_ text: String) -> [DashboardEffect] {
        text.unicodeScalars.flatMap { reduce(&self, .key(.character($0))) }
    }

    /// A dashboard after so many steps of the scripted run.
    static func running(
        _ size: Size = Size(width: 80, height: 24), glyphs: GlyphSet = .braille, steps: Int = 1040,
        savePath: String? = "model.safetensors", run: RunDescription = Script.description()
    ) -> DashboardState {
        var state = DashboardState(size: size, glyphs: glyphs, savePath: savePath, themes: Theme.names)
        state.on(.tick(100), .event(.started(run)))
        for step in 1..<(steps + 1) {
            state.on(.tick(100 + Double(step) * 0.25), .event(.stepped(Script.metrics(step))))
            if step % 250 == 0 {
                let loss = 1.55 + 4.5 * 120 / (120 + Float(step))
                state.on(.event(.evaluated(Evaluation(step: step, validationLoss: loss))))
            }
            if step == 1000 { state.on(.event(.sampled(Script.sample))) }
        }
        return state
    }
}
