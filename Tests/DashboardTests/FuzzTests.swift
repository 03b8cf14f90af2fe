import Core
import Testing

@testable import Dashboard

@Suite struct FuzzTests {
    private static let keys: [Key] =
        KeyTable.bindings.flatMap(\.keys) + "lr clip theme save 2e-4 日é".unicodeScalars.map(Key.character)
        + [.function(12), .control("x"), .insertLike]
    private static let values: [Float] = [
        2.5, 1, 0, -3, 1e-30, 1e30, .greatestFiniteMagnitude, .nan, .infinity, -.infinity, .leastNonzeroMagnitude,
    ]

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func randomInputsDoNoHarm(_ seed: UInt64) {
        var random = Generator(state: seed)
        var state = DashboardState(
            size: Size(width: 80, height: 24), glyphs: seed % 2 == 0 ? .ascii : .braille,
            savePath: seed > 2 ? "model.safetensors" : nil, themes: Theme.names, isMouseOn: true)
        var step = 0
        for index in 0..<2500 {
            _ = reduce(&state, input(&random, &step))
            guard index % 4 == 0 else { continue }
            let frame = state.frame()
            #expect(frame.size == state.size)
            #expect(frame.cells.count == state.size.width * state.size.height)
            for y in 0..<frame.size.height { check(frame, row: y) }
            if let cursor = frame.cursor { #expect(cursor.x < frame.size.width && cursor.y < frame.size.height) }
        }
        #expect(step > 100)
    }

    /// A wide character has its right half, and a right half its character.
    private func check(_ frame: Frame, row: Int) {
        var isSound = true
        for x in 0..<frame.size.width {
            let isHalf = frame[x, row].scalar == Cell.continuation
            let followsWide = x > 0 && CharacterWidth.columns(frame[x - 1, row].scalar) == 2
            isSound = isSound && isHalf == followsWide
        }
        #expect(isSound, "row \(row): \(frame.text(row: row))")
    }

    private func input(_ random: inout Generator, _ step: inout Int) -> DashboardInput {
        func value() -> Float { FuzzTests.values.randomElement(using: &random) ?? 0 }
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<45: return .key(FuzzTests.keys.randomElement(using: &random) ?? .enter)
        case 45..<55:
            return .resize(
                Size(width: .random(in: 0...250, using: &random), height: .random(in: 0...80, using: &random)))
        case 55..<60: return .tick(Double.random(in: 0...1e5, using: &random))
        case 60..<85:
            step += Int.random(in: 1...(Bool.random(using: &random) ? 3 : 5000), using: &random)
            let norm = value()
            return .event(
                .stepped(
                    StepMetrics(
                        step: step, loss: value(), gradientNorm: norm, clippedNorm: min(norm, 1),
                        learningRate: Double(value()), tokens: step * 10, stepMilliseconds: Double(value()),
                        elapsedSeconds: Double(value()))))
        case 85: return .event(.started(Script.description(name: "名前 a long name of a run", steps: step)))
        case 86: return .event(.stateChanged(RunState.allCases.randomElement(using: &random) ?? .paused, step: step))
        case 88: return .event(news(&random, step))
        case 87: return .event(.evaluated(Evaluation(step: step, validationLoss: value())))
        case 89, 90:
            let text = (0..<200).map { _ in
                ["日", "a", " ", "\n", "\u{301}", "\t", "\u{1F600}"].randomElement(using: &random) ?? ""
            }
            return .event(.sampled(TextSample(step: step, prompt: "p", text: text.joined())))
        case 91: return .event(.gradientClipChanged(step: step, from: 1, to: Double(value())))
        case 92: return .event(.learningRateChanged(step: step, from: 1, to: Double(value())))
        case 93: return .event(.warning(step: step, message: "a warning that is rather long for a small screen"))
        case 94: return .standardError("stderr \u{1B}[31m日本\t")
        case 95: return .event(.saved(step: step, path: "/tmp/model"))
        case 96: return .notice("notice", isError: Bool.random(using: &random))
        case 97: return step > 50_000 ? .event(.finished(Script.summary)) : .event(.diverged(step: step, message: "x"))
        case 98:
            return .mouse(
                x: .random(in: -1...260, using: &random), y: .random(in: -1...90, using: &random),
                kind: MouseKind.allCases.randomElement(using: &random) ?? .press)
        default: return .key(.escape)
        }
    }

    /// What quantization, clipping, changes of precision and a fork tell.
    private func news(_ random: inout Generator, _ step: Int) -> TrainingEvent {
        let value = FuzzTests.values.randomElement(using: &random) ?? 0
        let module = ModulePath.layer(.random(in: 0...5, using: &random), "mlp.up")
        switch Int.random(in: 0..<9, using: &random) {
        case 0:
            var health = QuantizationHealth()
            health.count = 100
            health.saturated = .random(in: 0...100, using: &random)
            health.underflowed = 100 - health.saturated
            return .quantized(
                HealthReport(
                    step: step, gemms: [HealthReport.GEMM(module: module, gemm: .dgrad, a: health, b: nil)],
                    modules: [
                        HealthReport.Module(
                            path: module, gradientNorm: Double(value), forwardMilliseconds: 1, backwardMilliseconds: 1)
                    ]))
        case 1:
            let clipped = ClippedGradient(
                module: module, fraction: 0.1, normBefore: Double(value), normClipped: 1, normAfter: 1)
            return .gradientsClipped(step: step, modules: [clipped])
        case 2:
            let kind: [ForkChange.Kind] = [.began, .dropped, .diverged, .swapped]
            return .forkChanged(
                ForkChange(kind: kind.randomElement(using: &random) ?? .began, step: step, text: "recipe bf16"))
        case 3: return .forkStepped(step: step, loss: value)
        case 6:
            let kind: [SensitivityProgress.Kind] = [.began, .tried, .cancelled]
            return .sensitivityProgress(
                SensitivityProgress(
                    kind: kind.randomElement(using: &random) ?? .began, step: step,
                    done: .random(in: -1...9, using: &random),
                    total: .random(in: -1...9, using: &random), seconds: Double(value)))
        case 7:
            let figures = ModuleSensitivity(
                module: module, precision: .fp8, lossChange: Double(value), gradientError: Double(value),
                wholeGradientError: 0.1)
            return .sensitivityMeasured(
                SensitivityMap(recipe: "r", loss: Double(value), step: step, tokens: 1, modules: [figures]))
        case 8:
            var schedule = PrecisionSchedule()
            schedule.targetFraction = Double(value)
            return .scheduleChanged(step: step, text: nil, to: schedule)
        case 4:
            return .precisionChanged(
                PrecisionChange(id: step, step: step, cause: .phase("p"), text: "t", modules: [], lossBefore: nil))
        default:
            return .precisionEffect(
                PrecisionEffect(id: step, step: step, steps: 1, lossBefore: Double(value), lossAfter: Double(value)))
        }
    }

    /// 100,000 steps on the largest usual screen.
    @Test func longRunFitsTheScreen() {
        var state = DashboardState(size: Size(width: 200, height: 60))
        state.on(.event(.started(Script.description(steps: 100_000))))
        for step in 1...20_000 { state.on(.event(.stepped(Script.metrics(step * 5)))) }
        let frame = state.frame()
        #expect(frame.text(row: 0).contains("step 100,000/100,000"))
        #expect(state.loss.bucketCount < 4096 * 8)
    }
}

extension Key {
    /// A key that no table knows.
    fileprivate static var insertLike: Key { .character("\u{10FFFF}") }
}
