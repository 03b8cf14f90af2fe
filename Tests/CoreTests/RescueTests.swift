import Foundation
import Testing

@testable import Core

/// Runs in which modules misbehave in FP4: each once with a trigger, and once without.
@Suite struct RescueTests {
    typealias Record = TrainingEngineTests.Record

    /// 25 linears, two of which a spike may raise at once; all of them in FP8 at first.
    static func configuration(_ change: (inout RunConfiguration) -> Void = { _ in }) -> RunConfiguration {
        var recipe = Recipe.zhou2025
        recipe.name = "misbehaving"
        (recipe.attention, recipe.feedForward, recipe.head) = (.fp8, .fp8, .fp8)
        recipe.clipping.scope = nil
        recipe.schedule.targetFraction = 0
        return TrainingEngineTests.configuration {
            $0.recipe = recipe
            $0.model.layers = 4
            $0.model.tiedEmbeddings = false
            $0.training.batch = 8
            $0.run.steps = 70
            $0.evaluation.every = 0
            $0.sampling.every = 0
            $0.health.probeEvery = 0
            change(&$0)
        }
    }

    private static func end(_ record: Record) -> Float {
        record.steps.suffix(10).reduce(0) { $0 + $1.loss } / 10
    }

    @Test func aSpikeRaisesExactlyTheModulesBehindIt() async throws {
        // With so small a prescale everything becomes zero.
        let bad = "prec {lm_head,layers.2.mlp.down} forward =e2m1:row:fp32+prescale=0.01"
        func record(_ sigma: Double?) async throws -> Record {
            try await TrainingEngineTests.record(
                Self.configuration {
                    $0.recipe.schedule.triggers.spikeSigma = sigma
                    $0.recipe.schedule.triggers.spikeWindow = 10
                    $0.run.commands = ["40: \(bad)"]
                })
        }
        let (rescued, left) = (try await record(6), try await record(nil))
        #expect(rescued.losses.prefix(41) == left.losses.prefix(41))
        let changes = PrecisionChangeTests.changes(rescued)
        #expect(changes.map(\.step) == [40, 41])
        let rescue = try #require(changes.last)
        guard case .rule("spike", let reason) = rescue.cause else {
            Issue.record("\(rescue.cause)")
            return
        }
        #expect(reason.contains("standard deviations above the mean"))
        #expect(rescue.modules.map(\.module) == [.layer(2, "mlp.down"), .head])
        #expect(rescue.modules.allSatisfy { $0.from.fprop == .fp4 && $0.to.fprop == .fp8 })
        #expect(PrecisionChangeTests.changes(left).map(\.step) == [40])

        #expect(rescued.summary.outcome == .completed)
        #expect(rescued.steps.allSatisfy { $0.loss.isFinite })
        #expect(Self.end(rescued) < Self.end(left) - 0.5, "\(Self.end(rescued)) \(Self.end(left))")
        #expect(Self.end(rescued) < rescued.steps[39].loss)
        // What it did to the loss is told.
        #expect(PrecisionChangeTests.effects(rescued).contains { $0.id == rescue.id && $0.lossAfter < 5 })
    }

    @Test func aLowRhoRaisesExactlyTheModulesThatHaveIt() async throws {
        let names: [ModulePath] = [
            .layer(1, "mlp.up"), .layer(1, "mlp.down"), .layer(2, "mlp.up"), .layer(2, "mlp.down"), .head,
        ]
        func record(_ limit: Double?) async throws -> Record {
            let recipe = try Recipe(
                parsing: "zhou2025:fp4_wgrad_e=\"fp4-tensor+prescale=0.01\""
                    + "+assignments=[\"layers.{1,2}.mlp.* wgrad fp4\",\"lm_head wgrad fp4\"]")
            return try await TrainingEngineTests.record(
                Self.configuration {
                    $0.recipe.fp4 = recipe.fp4
                    $0.recipe.assignments = recipe.assignments
                    $0.recipe.schedule.triggers.rho = limit
                    $0.health.probeEvery = 10
                })
        }
        let (rescued, left) = (try await record(3.0.squareRoot()), try await record(nil))
        #expect(rescued.losses.prefix(10) == left.losses.prefix(10))
        let changes = PrecisionChangeTests.changes(rescued)
        #expect(changes.map(\.step) == [10])
        let rescue = try #require(changes.first)
        guard case .rule("rho", let reason) = rescue.cause else {
            Issue.record("\(rescue.cause)")
            return
        }
        #expect(reason.hasPrefix("ρ is below 1.7321, at least "))
        #expect(rescue.modules.map(\.module) == names)
        #expect(rescue.modules.allSatisfy { $0.to == GEMMPrecisions(fprop: .fp8, dgrad: .bf16, wgrad: .bf16) })
        #expect(PrecisionChangeTests.changes(left).isEmpty)
        #expect(rescued.summary.outcome == .completed)
        #expect(Self.end(rescued) < Self.end(left) - 0.5, "\(Self.end(rescued)) \(Self.end(left))")
    }

    /// A prescale so small that the scale is infinite: zeros times infinity.
    private static let notFinite = "layers.2.mlp.down forward =e2m1:row:fp32+prescale=1e-42"

    @Test func aNaNRaisesTheModulesWhereItBeganAndTheStepIsDoneAgain() async throws {
        func record(_ isRescued: Bool, _ commands: [String] = []) async throws -> Record {
            try await TrainingEngineTests.record(
                Self.configuration {
                    $0.run.steps = 40
                    $0.recipe.schedule.triggers.nonFinite = isRescued
                    $0.run.commands = ["20: prec \(Self.notFinite)"] + commands
                })
        }
        let (rescued, left) = (try await record(true), try await record(false))
        #expect(left.summary.outcome == .diverged)
        #expect(left.steps.last.map { $0.step == 21 && !$0.loss.isFinite } == true)

        #expect(rescued.summary.outcome == .completed)
        #expect(rescued.steps.map(\.step) == Array(1...40))
        #expect(rescued.steps.allSatisfy { $0.loss.isFinite })
        #expect(rescued.losses.prefix(20) == left.losses.prefix(20))
        let changes = PrecisionChangeTests.changes(rescued)
        #expect(changes.map(\.step) == [20, 20])
        let rescue = try #require(changes.last)
        // The linear that was fed with it, and the one before, which it came from.
        #expect(rescue.modules.map(\.module) == [.layer(2, "mlp.down"), .layer(3, "attn.q")])
        #expect(
            rescue.cause
                == .rule(
                    "non-finite",
                    reason: "the loss is not finite, first seen in the forward pass of layers.3.attn.q"))
        #expect(Self.end(rescued) < rescued.steps[19].loss)

        // What it did is what a person would have done by hand, to the bit.
        let byHand = try await record(false, rescue.text.components(separatedBy: "; ").map { "20: \($0)" })
        #expect(byHand.losses == rescued.losses)
    }

    @Test func aStudyRescuesTooAndLooksAtRho() async throws {
        let folder = try TemporaryDirectory()
        var configuration = Self.configuration {
            $0.run.steps = 20
            $0.health.probeEvery = 5
        }
        configuration.recipe.schedule.phases = [try PrecisionPhase(parsing: "step 8: \(Self.notFinite)")]
        var rescued = configuration.recipe
        rescued.schedule.triggers.nonFinite = true
        var rho = Recipe.fp4AllTheWay
        rho.schedule.triggers.rho = 50
        let study = Study(
            configuration: configuration,
            entries: [
                .init(label: "left", recipe: configuration.recipe), .init(label: "rescued", recipe: rescued),
                .init(label: "rho", recipe: rho),
            ], seeds: 1)
        let runner = try StudyTests.runner(study, folder.path)
        #expect(try runner.run())
        let runs = runner.results.runs
        #expect(runs.map(\.state) == [.diverged, .finished, .finished])
        for (run, recipe) in zip(runs.dropFirst(), [rescued, rho]) {
            var own = configuration
            own.recipe = recipe
            let record = try await TrainingEngineTests.record(own)
            #expect(!PrecisionChangeTests.changes(record).isEmpty)
            #expect(run.finalLoss == record.summary.validationLoss.map(Double.init))
        }
    }
}
