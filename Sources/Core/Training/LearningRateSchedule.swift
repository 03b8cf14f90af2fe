#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Linear warm-up to the peak, then cosine, WSD (warm-up, stable, linear decay; Hu et al., arXiv 2404.06395) or a
/// constant rate.
public struct LearningRateSchedule: Sendable, Hashable {
    /// The rate at the end of the warm-up. May be changed while training; the shape goes on.
    public var peak: Double
    private let minimumShare: Double
    private let configuration: RunConfiguration.Optimizer
    private let steps: Int

    public init(_ configuration: RunConfiguration.Optimizer, steps: Int) {
        peak = configuration.learningRate
        minimumShare =
            configuration.learningRate > 0 ? configuration.minimumLearningRate / configuration.learningRate : 0
        self.configuration = configuration
        self.steps = steps
    }

    /// The learning rate of the step after `step` completed ones.
    public func rate(after step: Int) -> Double {
        let warmup = configuration.warmup
        if step < warmup { return peak * Double(step + 1) / Double(warmup + 1) }
        switch configuration.decay {
        case .constant:
            return peak
        case .cosine:
            guard steps > warmup else { return peak }
            let progress = min(1, Double(step - warmup) / Double(steps - warmup))
            return peak * (minimumShare + (1 - minimumShare) * 0.5 * (1 + cos(.pi * progress)))
        case .wsd:
            let start = Double(steps) * (1 - configuration.decayFraction)
            guard Double(step) > start else { return peak }
            let progress = min(1, (Double(step) - start) / max(1, Double(steps) - start))
            return peak * (1 - (1 - minimumShare) * progress)
        }
    }
}
