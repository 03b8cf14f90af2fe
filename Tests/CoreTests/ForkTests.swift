import Foundation
import Testing

@testable import Core

@Suite struct ForkTests {
    typealias Record = TrainingEngineTests.Record

    /// Stochastic rounding, a clipper with running statistics and averaged weights, so that all kinds of state matter.
    static func configuration(_ commands: [String]) throws -> RunConfiguration {
        var recipe = try Recipe.named("tetrajet")
        recipe.clipping.scope = .module
        recipe.clipping.limit = 2
        return PrecisionChangeTests.configuration {
            $0.recipe = recipe
            $0.run.commands = commands
            $0.health.probeEvery = 4
        }
    }

    private static func losses(ofFork record: Record) -> [Int: UInt32] {
        var losses: [Int: UInt32] = [:]
        for case .forkStepped(let step, let loss) in record.events { losses[step] = loss.bitPattern }
        return losses
    }

    private static func changes(_ record: Record) -> [ForkChange] {
        record.events.compactMap { if case .forkChanged(let change) = $0 { change } else { nil } }
    }

    @Test func aForkIsTheRunWithTheChangeAndLeavesTheRunAlone() async throws {
        let plain = try await TrainingEngineTests.record(Self.configuration([]))
        for change in ["prec layers.1.* bf16", "recipe nvfp4"] {
            let changed = try await TrainingEngineTests.record(Self.configuration(["5: \(change)"]))
            let forked = try await TrainingEngineTests.record(Self.configuration(["5: fork \(change)"]))
            #expect(forked.losses == plain.losses)
            #expect(forked.norms == plain.norms)
            #expect(forked.evaluations == plain.evaluations)
            let losses = Self.losses(ofFork: forked)
            #expect(losses.keys.sorted() == Array(6...12))
            #expect(changed.steps.dropFirst(5).allSatisfy { losses[$0.step] == $0.loss.bitPattern })
            #expect(losses[12] != plain.losses[11])
            #expect(Self.changes(forked) == [ForkChange(kind: .began, step: 5, text: change)])
        }
    }

    @Test func theRunGoesOnAsItsFork() async throws {
        let change = "prec mlp.* fp8"
        let plain = try await TrainingEngineTests.record(Self.configuration([]))
        let changed = try await TrainingEngineTests.record(Self.configuration(["3: \(change)"]))
        let swapped = try await TrainingEngineTests.record(
            Self.configuration(["3: fork \(change)", "7: fork swap", "10: fork drop"]))
        #expect(swapped.losses == Array(plain.losses[..<7]) + Array(changed.losses[7...]))
        let losses = Self.losses(ofFork: swapped)
        // After the swap the fork is what the run was.
        #expect((8...10).allSatisfy { losses[$0] == plain.losses[$0 - 1] })
        #expect(losses.keys.max() == 10)
        #expect(Self.changes(swapped).map(\.kind) == [.began, .swapped, .dropped])
        let told = PrecisionChangeTests.changes(swapped)
        #expect(told.map(\.text) == ["fork swap"])
        #expect(told.first?.modules.map(\.module.name).allSatisfy { $0.hasPrefix("mlp.") } == true)
        #expect(told.first?.modules.allSatisfy { $0.to == GEMMPrecisions(.fp8) } == true)
    }

    @Test func learningRateAndClipConcernBoth() async throws {
        let shared = ["6: lr 0.01", "6: clip 0.1"]
        let changed = try await TrainingEngineTests.record(Self.configuration(["3: recipe bf16"] + shared))
        let forked = try await TrainingEngineTests.record(Self.configuration(["3: fork recipe bf16"] + shared))
        let losses = Self.losses(ofFork: forked)
        #expect(changed.steps.dropFirst(3).allSatisfy { losses[$0.step] == $0.loss.bitPattern })
    }

    @Test func whatCannotBeForkedIsAWarning() async throws {
        let record = try await TrainingEngineTests.record(
            Self.configuration(["2: fork drop", "2: fork swap", "3: fork recipe tetrajet"]))
        #expect(record.warnings.count == 3)
        #expect(record.warnings.first?.contains("there is no fork") == true)
        #expect(Self.changes(record).isEmpty)
        #expect(throws: UserError.self) { try EngineCommand(parsing: "fork lr 1e-3") }
        #expect(throws: UserError.self) { try EngineCommand(parsing: "fork") }
        for text in ["fork recipe nvfp4", "fork prec mlp.* fp4", "fork drop", "fork swap", "inspect lm_head"] {
            #expect(try EngineCommand(parsing: text).text == text)
        }
    }

    @Test func aForkThatDivergesIsDropped() async throws {
        // Zhou2025's linears overflow nothing; a poisoned parameter of the fork alone does.
        let engine = try TrainingEngineTests.engine(Self.configuration([]))
        let (losses, kinds) = try await engine.trainPoisonedFork()
        #expect(losses.count == 1 && losses.first?.isFinite == false)
        #expect(kinds == [.began, .diverged])
    }
}

extension TrainingEngine {
    fileprivate func trainPoisonedFork() throws -> (losses: [Float], kinds: [ForkChange.Kind]) {
        let channel = subscribe()
        trainer.initializeParameters()
        fork(try EngineCommand(parsing: "recipe bf16"))
        forked?.trainer.parameters.values[0] = .nan
        forked?.trainer.parameters.values.update(
            repeating: .nan, count: trainer.parameters.layout.count)
        _ = try trainer.trainStep()
        try trainFork()
        _ = try trainer.trainStep()
        try trainFork()
        var losses: [Float] = []
        var kinds: [ForkChange.Kind] = []
        for event in channel.drain() {
            if case .forkStepped(_, let loss) = event { losses.append(loss) }
            if case .forkChanged(let change) = event { kinds.append(change.kind) }
        }
        return (losses, kinds)
    }
}
