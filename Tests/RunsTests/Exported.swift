import Core

@testable import Runs

/// A small run whose figures are known.
enum Exported {
    static func description(
        name: String = "example", seed: UInt64 = 1, recipe: Recipe = .bf16, steps: Int = 4, data: String = "a | b"
    ) -> RunDescription {
        var model = ModelConfiguration()
        model.layers = 1
        return RunDescription(
            name: name, model: model, parameterCount: 1_234_567, vocabularySize: 256, data: data,
            trainingTokens: 10_000, validationTokens: 1000, entropyFloor: nil, totalSteps: steps, tokensPerStep: 100,
            seed: seed, threads: 2, kernels: "portable", recipe: recipe, learningRate: 1e-3, gradientClip: 1,
            memoryBytes: 2_000_000)
    }

    static func metrics(_ step: Int, loss: Float) -> EventLine {
        EventLine(
            .stepped(
                StepMetrics(
                    step: step, loss: loss, gradientNorm: 1.5, clippedNorm: 1, learningRate: 0.001, tokens: step * 100,
                    stepMilliseconds: 250, elapsedSeconds: Double(step) / 4,
                    timing: StepTiming(forward: 80, backward: 140, optimizer: 25, quantize: 20.5))),
            time: 1000 + Double(step))
    }

    /// FP4 in all modules of the layer.
    static func change(after step: Int) -> EventLine {
        let modules = description().model.linears.filter { $0 != .head }.map { path in
            ModulePrecisionChange(
                module: path, from: GEMMPrecisions(.bf16), to: GEMMPrecisions(.fp4), gemms: GEMMKind.allCases,
                formats: LinearFormats(.nvfp4))
        }
        return EventLine(
            .precisionChanged(
                PrecisionChange(
                    id: 1, step: step, cause: .command, text: "prec layers.* fp4", modules: modules, lossBefore: 3.5)),
            time: 1002)
    }

    static var recording: RunRecording {
        let events: [EventLine] = [
            EventLine(.started(description()), time: 1000), metrics(1, loss: 4), metrics(2, loss: 3),
            EventLine(.evaluated(Evaluation(step: 2, validationLoss: 3.25)), time: 1002), change(after: 2),
            metrics(3, loss: .nan), metrics(4, loss: .infinity),
            EventLine(.precisionEffect(PrecisionEffect(id: 1, step: 4, steps: 2, lossBefore: 3.5, lossAfter: .nan))),
            EventLine(.warning(step: 4, message: "loss is *gone*"), time: 1004),
            EventLine(.evaluated(Evaluation(step: 5, validationLoss: -.infinity)), time: 1005.5),
            EventLine(
                .finished(
                    RunSummary(
                        outcome: .diverged, steps: 4, tokens: 400, finalLoss: .nan, validationLoss: nil,
                        bestValidationLoss: 3.25, elapsedSeconds: 61, tokensPerSecond: 400, savedPath: nil))),
        ]
        return recording("example", events)
    }

    static func recording(_ name: String, _ events: [EventLine]) -> RunRecording {
        RunRecording(
            folder: RunFolder("runs/" + name),
            manifest: RunManifest(program: "0.1.0", created: 1000, configuration: RunConfiguration()), events: events,
            commands: [])
    }
}
