import CAllocationCounter
import Foundation
import Testing

@testable import Core

/// A steady-state step allocates nothing on the heap. In a process of its own, where nothing else allocates.
@Suite(.enabled(if: process_allocation_count() >= 0, "allocations can be counted"))
struct StepAllocationTests {
    @Test func aStepOfTheGPT2FamilyAllocatesNothing() async {
        await #expect(processExitsWith: .success) { exit(try allocationsOfFiveSteps(isLlama: false, recipe: .bf16)) }
    }

    @Test func aStepOfTheLlamaFamilyAllocatesNothing() async {
        await #expect(processExitsWith: .success) { exit(try allocationsOfFiveSteps(isLlama: true, recipe: .bf16)) }
    }

    @Test func aStepInFP4AllocatesNothing() async {
        await #expect(processExitsWith: .success) {
            exit(try allocationsOfFiveSteps(isLlama: true, recipe: .uniform(.nvfp4)))
        }
    }

    @Test func aStepWithEveryTechniqueAllocatesNothing() async {
        await #expect(processExitsWith: .success) {
            let forward = try BlockFormat(parsing: "e2m1:1x32:e8m0-nearest+std+hadamard=32")
            var formats = LinearFormats(try BlockFormat(parsing: "nvfp4+eden+hadamard=128:random"))
            formats.fprop = GEMMFormats(forward)
            formats.techniques.reusesForwardOperands = true
            formats.techniques.trustMask = true
            formats.techniques.gradientEstimator = .init()
            formats.techniques.outlierQuantile = 0.99
            formats.techniques.weightAverage = 0.99
            var plan = PrecisionPlan(uniform: .bf16)
            plan.general = formats
            exit(try allocationsOfFiveSteps(isLlama: true, recipe: .bf16, plan: plan))
        }
    }

    @Test func aStepWhoseWeightsAreFollowedAllocatesNothing() async {
        await #expect(processExitsWith: .success) {
            exit(try allocationsOfFiveSteps(isLlama: true, recipe: try Recipe.named("tetrajet"), watches: true))
        }
        await #expect(processExitsWith: .success) {
            exit(try allocationsOfFiveSteps(isLlama: false, recipe: try Recipe.named("quartet"), watches: true))
        }
    }

    @Test func aStepInFP8AllocatesNothing() async {
        await #expect(processExitsWith: .success) {
            exit(try allocationsOfFiveSteps(isLlama: false, recipe: .uniform(.fp8)))
        }
    }
}

/// Allocations in steps 4 to 8, with two threads and two micro-batches.
private func allocationsOfFiveSteps(
    isLlama: Bool, recipe: Recipe, plan: PrecisionPlan? = nil, watches: Bool = false
) throws -> Int32 {
    let configuration = TrainingEngineTests.configuration {
        $0.run.threads = 2
        $0.run.steps = 30
        $0.health.probeEvery = 30
        $0.training.accumulation = 2
        $0.recipe = recipe
        $0.model.adopt(isLlama ? .llama : .gpt2)
        // Large enough for every parallel region.
        $0.model.width = 128
        $0.model.context = 128
    }
    let trainer = try Trainer(
        configuration, corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed))
    trainer.initializeParameters()
    trainer.watchesOscillation = watches
    if let plan { trainer.transformer.apply(plan) }
    for _ in 0..<3 { _ = try trainer.trainStep() }
    let before = process_allocation_count()
    for _ in 0..<5 { _ = try trainer.trainStep() }
    let allocations = process_allocation_count() - before
    if allocations != 0 { print("\(allocations) allocations in five steps") }
    return Int32(min(allocations, 100))
}
