import Core
import Runs
import Testing

@testable import fp4tui

@Suite struct BatchLogTests {
    static func description(entropyFloor: Double? = 1.25) -> RunDescription {
        RunDescription(
            name: "test", model: ModelConfiguration(), parameterCount: 3_268_864, vocabularySize: 256,
            data: "built-in language", trainingTokens: Int.max, validationTokens: 100_000, entropyFloor: entropyFloor,
            totalSteps: 200, tokensPerStep: 2048, seed: 1, threads: 2, kernels: "avx512", recipe: .zhou2025,
            learningRate: 1e-3, gradientClip: 1, memoryBytes: 123_456_789)
    }

    static func step(
        _ step: Int, loss: Float, norm: Float = 0.5, clipped: Float = 0.5, seconds: Double
    ) -> TrainingEvent {
        .stepped(
            StepMetrics(
                step: step, loss: loss, gradientNorm: norm, clippedNorm: clipped, learningRate: 1e-3,
                tokens: step * 2048, stepMilliseconds: 100, elapsedSeconds: seconds))
    }

    static let precisionEvents: [TrainingEvent] = {
        var clipping = GradientClipping()
        clipping.scope = .block
        let module = ModulePrecisionChange(
            module: ModulePath("layers.0.mlp.up"), from: GEMMPrecisions(fprop: .fp4, dgrad: .fp8, wgrad: .fp8),
            to: GEMMPrecisions(.bf16), gemms: GEMMKind.allCases, formats: LinearFormats(.bf16))
        return [
            .precisionChanged(
                PrecisionChange(
                    id: 1, step: 100, cause: .command, text: "prec mlp.* bf16", modules: [module], lossBefore: 2.5)),
            .precisionChanged(
                PrecisionChange(
                    id: 2, step: 100, cause: .rule("spike", reason: "the loss is high"), text: "prec lm_head fp8",
                    modules: [], lossBefore: nil)),
            .precisionEffect(PrecisionEffect(id: 1, step: 150, steps: 50, lossBefore: 2.5, lossAfter: 2.25)),
            .precisionEffect(PrecisionEffect(id: 2, step: 151, steps: 1, lossBefore: nil, lossAfter: 2)),
            .moduleClippingChanged(step: 151, from: GradientClipping(), to: clipping),
        ]
    }()

    static let summary = RunSummary(
        outcome: .completed, steps: 200, tokens: 409_600, finalLoss: 2, validationLoss: 2.125, bestValidationLoss: 2,
        elapsedSeconds: 3723, tokensPerSecond: 12_345.6, savedPath: "model.safetensors")

    @Test func workBetweenStepsTakesThePlaceOfTheSteps() {
        var log = BatchLog(logEvery: 50)
        _ = log.lines(for: .started(Self.description()))
        _ = log.lines(for: Self.step(100, loss: 2, seconds: 10))
        let work = WorkProgress(kind: .evaluating, step: 100, done: 25, total: 100, seconds: 20)
        #expect(log.lines(for: .working(work)) == [])
        let line = log.progress(width: 100)
        #expect(line?.hasSuffix("]  evaluating 25/100 batches  eta 1:00") == true, "\(line ?? "-")")
        #expect(log.progress(width: 20)?.count ?? 0 < 20)
        _ = log.lines(for: .evaluated(Evaluation(step: 100, validationLoss: 2.5)))
        #expect(log.progress(width: 100)?.contains(" 50%  100/200  eta ") == true)
    }

    @Test func aRunReadsAsATable() {
        var log = BatchLog(logEvery: 50)
        var events: [TrainingEvent] = [.started(Self.description())]
        events.append(.stateChanged(.running, step: 0))
        for step in 1...100 {
            events.append(
                Self.step(
                    step, loss: step == 100 ? 2 : 4, norm: step == 50 ? 12.5 : 0.5,
                    clipped: step == 50 ? 1 : 0.5, seconds: Double(step) / 10))
        }
        events.append(.evaluated(Evaluation(step: 100, validationLoss: 2.5)))
        events.append(.evaluated(Evaluation(step: 101, validationLoss: 2.75)))
        events.append(.sampled(TextSample(step: 100, prompt: "To ", text: "be\nor\u{1B}[2J not")))
        events.append(.learningRateChanged(step: 100, from: 1e-3, to: 5e-4))
        events.append(.gradientClipChanged(step: 100, from: 1, to: 0.5))
        events += Self.precisionEvents
        events.append(.stateChanged(.paused, step: 100))
        events.append(.warning(step: 120, message: "disk full"))
        events.append(Self.step(200, loss: 2, seconds: 20))
        events.append(.saved(step: 200, path: "model.safetensors"))
        events.append(.finished(Self.summary))
        let lines = events.flatMap { log.lines(for: $0) }.map { $0.replacing(/\s+$/, with: "") }
        #expect(
            lines.joined(separator: "\n") == """
                run    test, seed 1
                model  3.27M parameters: 4 layers, 4 heads, width 256, context 128; layernorm, learned, gelu
                data   built-in language; vocabulary 256, endless; loss cannot fall below 1.2500
                steps  200 of 2,048 tokens, zhou2025: fp4 22 % fp8 78 %, 2 threads, avx512, 123 MB

                step   1/200  loss   4.0000  ema   4.0000  grad    0.500       lr 1.00e-03     20,480 tok/s  eta 0:20
                step  50/200  loss   4.0000  ema   4.0000  grad   12.500 clip  lr 1.00e-03     20,480 tok/s  eta 0:15
                step 100/200  loss   2.0000  ema   3.9539  grad    0.500       lr 1.00e-03     20,480 tok/s  eta 0:10
                eval 100/200  validation loss 2.5000  best 2.5000
                eval 101/200  validation loss 2.7500  best 2.5000
                sample at step 100:
                    To be
                    or\u{FFFD}[2J not
                step 100: learning rate 1.00e-03 -> 5.00e-04
                step 100: gradient clip 1.0 -> 0.5
                step 100: prec mlp.* bf16: layers.0.mlp.up fp4/fp8/fp8 to bf16
                step 100: spike, the loss is high: prec lm_head fp8
                step 150: loss 2.5000 before change 1, 2.2500 in the 50 steps after it
                step 151: loss - before change 2, 2.0000 in the 1 steps after it
                step 151: gradient clipping of linears off -> block
                paused at step 100
                warning at step 120: disk full
                step 200/200  loss   2.0000  ema   3.9090  grad    0.500       lr 1.00e-03     20,480 tok/s  eta 0:00
                saved model.safetensors at step 200

                completed  200 steps, 409,600 tokens in 1:02:03 (12,346 tok/s)
                loss  2.0000  validation 2.1250  best 2.0000  floor 1.2500
                saved  model.safetensors
                """)
    }

    @Test func whatIsNoNumberIsAWord() {
        var log = BatchLog(logEvery: 1)
        _ = log.lines(for: .started(Self.description(entropyFloor: nil)))
        let lines = log.lines(for: Self.step(1, loss: .nan, norm: .infinity, clipped: 1, seconds: 0))
        #expect(
            lines == [
                "step   1/200  loss      NaN  ema        -  grad      Inf clip  lr 1.00e-03          - tok/s  eta 0:20"
            ])
        #expect(
            log.lines(for: .diverged(step: 1, message: "the loss is NaN")) == ["diverged at step 1: the loss is NaN"])
        let stopped = RunSummary(
            outcome: .diverged, steps: 0, tokens: 0, finalLoss: nil, validationLoss: .nan, bestValidationLoss: nil,
            elapsedSeconds: 0, tokensPerSecond: .nan, savedPath: nil)
        #expect(
            log.lines(for: .finished(stopped)) == [
                "", "diverged  0 steps, 0 tokens in 0:00 (0 tok/s)", "loss  -  validation NaN  best -",
            ])
    }

    @Test func tokensThatEndAreCounted() {
        var log = BatchLog(logEvery: 1)
        var description = Self.description(entropyFloor: nil)
        (description.trainingTokens, description.validationTokens) = (900_000, 100_000)
        #expect(
            log.lines(for: .started(description))[2]
                == "data   built-in language; vocabulary 256, 900,000 tokens to train, 100,000 to validate")
    }

    @Test func theProgressBarFitsTheTerminal() {
        var log = BatchLog(logEvery: 1)
        #expect(log.progress(width: 80) == nil)
        _ = log.lines(for: .started(Self.description()))
        #expect(log.progress(width: 80) == nil)
        _ = log.lines(for: Self.step(50, loss: 2, seconds: 5))
        #expect(
            log.progress(width: 80) == "[" + String(repeating: "#", count: 10) + String(repeating: ".", count: 30)
                + "]  25%  50/200  eta 0:15")
        for width in 0...120 {
            let bar = log.progress(width: width) ?? ""
            #expect(bar.count < max(1, width), "at \(width) columns")
        }
    }

    @Test(arguments: [
        (0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567"), (Int.max, "9,223,372,036,854,775,807"),
    ])
    func grouped(number: Int, text: String) {
        #expect(LogFormat.grouped(number) == text)
    }

    @Test(arguments: [
        (0.4, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (-1, "-"), (.nan, "-"), (.infinity, "-"),
    ])
    func duration(seconds: Double, text: String) {
        #expect(LogFormat.duration(seconds) == text)
    }

    @Test(arguments: [
        (512, "512"), (118_000, "0.12M"), (9_994_999, "9.99M"), (124_439_808, "124.4M"), (6_738_415_616, "6.74B"),
    ])
    func magnitude(number: Int, text: String) {
        #expect(LogFormat.magnitude(number) == text)
    }
}

@Suite struct EventLineTests {
    static let events: [TrainingEvent] =
        [
            .started(BatchLogTests.description()), .started(BatchLogTests.description(entropyFloor: nil)),
            .stateChanged(.paused, step: 3), BatchLogTests.step(7, loss: 0.1, seconds: 0.1),
            BatchLogTests.step(7, loss: -.infinity, norm: .infinity, seconds: 1),
            .evaluated(Evaluation(step: 5, validationLoss: 1.0 / 3)),
            .sampled(TextSample(step: 5, prompt: "a\n", text: "\u{1}/\"é\u{2028}")),
            .learningRateChanged(step: 1, from: 1e-3, to: 2e-3), .gradientClipChanged(step: 1, from: 1, to: 0),
            .saved(step: 9, path: "/a b/c"), .checkpointed(step: 9, path: "c"),
            .commanded(step: 4, command: .setRecipe(.nvfp4)), .commanded(step: 4, command: .stop(save: nil)),
            .warning(step: 1, message: "w"), .diverged(step: 2, message: "d"),
            .finished(BatchLogTests.summary),
            .precisionChanged(
                PrecisionChange(id: 3, step: 1, cause: .phase("phase 1"), text: "", modules: [], lossBefore: 0.1)),
            .precisionChanged(PrecisionChange(id: 3, step: 1, cause: .undo, text: "", modules: [], lossBefore: nil)),
            .precisionChanged(PrecisionChange(id: 3, step: 1, cause: .recipe, text: "", modules: [], lossBefore: nil)),
        ] + BatchLogTests.precisionEvents

    @Test(arguments: events)
    func aLineGivesTheEventBack(event: TrainingEvent) throws {
        let json = try EventLine(event).json()
        #expect(!json.utf8.contains(UInt8(ascii: "\n")))
        #expect(try EventLine(json: json).event == event)
    }

    @Test func whatIsNoNumberIsAString() throws {
        let json = try EventLine(BatchLogTests.step(7, loss: .nan, norm: .infinity, clipped: 1, seconds: 1)).json()
        #expect(
            json == #"{"clipped_norm":1,"elapsed_seconds":1,"event":"stepped","gradient_norm":"Infinity","#
                + #""learning_rate":0.001,"loss":"NaN","step":7,"step_milliseconds":100,"tokens":14336}"#)
        guard case .stepped(let metrics) = try EventLine(json: json).event else {
            Issue.record("not a step")
            return
        }
        #expect(metrics.loss.isNaN)
    }
}
