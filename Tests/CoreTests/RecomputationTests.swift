import Foundation
import Testing

@testable import Core

/// `training.recompute` costs time and saves memory, and that is all.
@Suite struct RecomputationTests {
    private static func configuration(
        _ recipe: String, _ family: ModelConfiguration.Family, recompute: Bool
    ) throws -> RunConfiguration {
        let recipe = try Recipe(parsing: recipe)
        return PrecisionChangeTests.configuration {
            $0.recipe = recipe
            $0.recipe.schedule = PrecisionSchedule()
            $0.model.adopt(family)
            $0.model.layers = 3
            $0.training.recompute = recompute
            $0.training.accumulation = 2
            $0.health.every = 4
            $0.health.probeEvery = 5
            $0.run.steps = 10
            $0.run.commands = ["2: inspect layers.0.mlp.up", "6: prec layers.1.* bf16"]
        }
    }

    /// What happened, without times.
    private static func events(_ record: TrainingEngineTests.Record) -> [TrainingEvent] {
        record.events.compactMap { event in
            switch event {
            case .quantized(var report):
                report.memoryBytes = nil
                for index in report.modules.indices {
                    report.modules[index].forwardMilliseconds = 0
                    report.modules[index].backwardMilliseconds = 0
                }
                return .quantized(report)
            case .probed(var report):
                for index in report.modules.indices {
                    report.modules[index].milliseconds = nil
                    report.modules[index].referenceMilliseconds = nil
                }
                return .probed(report)
            case .inspected, .precisionChanged, .evaluated, .gradientsClipped: return event
            default: return nil
            }
        }
    }

    @Test(
        arguments: ["bf16", "zhou2025", "nvfp4", "tetrajet", "quartet", "wang2025", "fp4-all-the-way"],
        [ModelConfiguration.Family.gpt2, .llama])
    func theRunIsTheSame(recipe: String, family: ModelConfiguration.Family) async throws {
        let kept = try await TrainingEngineTests.record(Self.configuration(recipe, family, recompute: false))
        let computed = try await TrainingEngineTests.record(Self.configuration(recipe, family, recompute: true))
        #expect(kept.losses.count == 10 && kept.losses == computed.losses && kept.norms == computed.norms)
        let (before, after) = (Self.events(kept), Self.events(computed))
        #expect(before.count >= 7)
        let isSame = before == after
        #expect(isSame)
    }

    /// A second run beside it, a measurement of the sensitivity, an inspection while paused.
    @Test func whatRunsBesideIsTheSame() async throws {
        func record(recompute: Bool) async throws -> TrainingEngineTests.Record {
            try await TrainingEngineTests.record(
                Self.configuration("nvfp4", .llama, recompute: recompute).with(layers: 3, accumulation: 1) {
                    $0.run.commands = [
                        "2: fork prec mlp.* bf16", "3: sensitivity fp4", "5: pause", "6: fork swap",
                    ]
                }
            ) { event, engine in
                if case .stateChanged(.paused, _) = event {
                    engine.send(.inspect(.layer(1, "attn.k")))
                    engine.send(.probe)
                    engine.send(.resume)
                }
            }
        }
        let (kept, computed) = (try await record(recompute: false), try await record(recompute: true))
        #expect(kept.losses == computed.losses && kept.losses.count == 10 && kept.norms == computed.norms)
        func rest(_ record: TrainingEngineTests.Record) -> [TrainingEvent] {
            record.events.filter {
                switch $0 {
                case .forkStepped, .sensitivityMeasured, .inspected: true
                default: false
                }
            }
        }
        let (before, after) = (rest(kept), rest(computed))
        #expect(before.contains { if case .sensitivityMeasured = $0 { true } else { false } })
        #expect(before.contains { if case .inspected = $0 { true } else { false } })
        #expect(before.count { if case .forkStepped = $0 { true } else { false } } >= 7)
        #expect(before.count == after.count && Set(before) == Set(after))
    }

    /// A run may go on either way from what the other saved.
    @Test(arguments: [false, true]) func aSavedStateGoesOnEitherWay(recompute: Bool) throws {
        let folder = try TemporaryDirectory()
        func trainer(_ recompute: Bool) throws -> Trainer {
            try PrecisionChangeTests.trainer(
                Self.configuration("tetrajet", .gpt2, recompute: recompute).with(layers: 3) { _ in })
        }
        let first = try trainer(recompute)
        first.initializeParameters()
        for _ in 0..<3 { _ = try first.trainStep() }
        let path = folder.path + "/state.safetensors"
        try first.saveState(to: path)
        let second = try trainer(!recompute)
        try second.restoreState(from: path)
        for _ in 0..<3 {
            _ = try first.trainStep()
            _ = try second.trainStep()
        }
        let count = first.parameters.layout.count
        #expect(first.step == 6 && second.step == 6)
        #expect(memcmp(first.parameters.values, second.parameters.values, 4 * count) == 0)
    }

    /// Of what a layer puts out, its input alone is kept for each.
    @Test func memoryIsThatOfOneLayer() throws {
        func bytes(layers: Int, recompute: Bool) throws -> Int {
            try PrecisionChangeTests.trainer(
                Self.configuration("bf16", .gpt2, recompute: recompute).with(layers: layers) { _ in }
            ).transformer.arena.bytes
        }
        let model = try Self.configuration("bf16", .gpt2, recompute: true)
        let tokens = model.training.batch * model.model.context
        let (kept, computed) = (
            try bytes(layers: 6, recompute: false) - bytes(layers: 5, recompute: false),
            try bytes(layers: 6, recompute: true) - bytes(layers: 5, recompute: true)
        )
        // Parameters and gradients of a layer are in both.
        let saved = 4 * tokens * (4 * model.model.width + model.model.attentionWidth + 2 * 4 * model.model.width)
        #expect(abs(kept - computed - saved) < saved / 8)
        #expect(try bytes(layers: 1, recompute: false) == bytes(layers: 1, recompute: true))
    }
}

extension RunConfiguration {
    fileprivate func with(
        layers: Int, accumulation: Int = 2, _ change: (inout RunConfiguration) -> Void
    ) -> RunConfiguration {
        var configuration = self
        configuration.model.layers = layers
        configuration.training.accumulation = accumulation
        configuration.run.commands = []
        change(&configuration)
        return configuration
    }
}
