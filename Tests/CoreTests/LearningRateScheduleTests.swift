import Foundation
import Testing

@testable import Core

@Suite struct LearningRateScheduleTests {
    private func schedule(_ decay: RunConfiguration.Optimizer.Decay, warmup: Int = 100) -> LearningRateSchedule {
        var optimizer = RunConfiguration.Optimizer()
        optimizer.learningRate = 1e-3
        optimizer.minimumLearningRate = 1e-4
        optimizer.warmup = warmup
        optimizer.decay = decay
        optimizer.decayFraction = 0.2
        return LearningRateSchedule(optimizer, steps: 2000)
    }

    /// nanoGPT's `get_lr`, of which the recipes are.
    @Test func cosineAsNanoGPT() {
        let schedule = schedule(.cosine)
        for step in [0, 1, 50, 99, 100, 101, 575, 1050, 1525, 1999, 2000, 3000] {
            let expected: Double
            if step < 100 {
                expected = 1e-3 * Double(step + 1) / 101
            } else {
                let ratio = min(1, Double(step - 100) / 1900)
                expected = 1e-4 + 0.5 * (1 + cos(Double.pi * ratio)) * 9e-4
            }
            #expect(abs(schedule.rate(after: step) - expected) < 1e-15, "step \(step)")
        }
        #expect(schedule.rate(after: 2000) == 1e-4)
    }

    @Test func wsdIsFlatAndThenFallsInALine() {
        let schedule = schedule(.wsd)
        for (step, expected) in [(49, 1e-3 * 50 / 101), (100, 1e-3), (1600, 1e-3), (1800, 5.5e-4), (2000, 1e-4)] {
            #expect(abs(schedule.rate(after: step) - expected) < 1e-15, "step \(step)")
        }
    }

    @Test func constantStaysAtThePeak() {
        for step in [0, 1000, 1999] { #expect(schedule(.constant, warmup: 0).rate(after: step) == 1e-3) }
    }

    @Test func anotherPeakKeepsTheShape() {
        var changed = schedule(.cosine)
        changed.peak = 4e-3
        for step in [10, 700, 2000] {
            #expect(abs(changed.rate(after: step) - 4 * schedule(.cosine).rate(after: step)) < 1e-15)
        }
    }
}
