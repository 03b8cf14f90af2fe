/// When precision changes by itself: phases at fixed points of the run, and triggers.
public struct PrecisionSchedule: Hashable, Codable, Sendable {
    /// Target-precision training (arXiv 2502.11458): the share of the run, at its end, in which modules run in
    /// `targetPrecision`; 0: never.
    public var targetFraction = 0.0
    public var targetPrecision = Precision.bf16
    public var targetScope = Scope.both
    /// In the order of the run.
    public var phases: [PrecisionPhase] = []
    public var triggers = PrecisionTriggers()

    /// The passes that a switch concerns.
    public enum Scope: String, Codable, Sendable, CaseIterable {
        case forward, backward, both
    }

    public init() {}
}

/// From some point of the run on, modules are set anew.
public struct PrecisionPhase: Hashable, Sendable {
    public enum Start: Hashable, Codable, Sendable {
        /// After so many optimizer steps.
        case step(Int)
        /// After so many tokens.
        case tokens(Int)
        /// After this share of the run's steps, from 0 to 1.
        case fraction(Double)
    }

    public var start: Start
    public var assignments: [PrecisionAssignment]

    public init(start: Start, assignments: [PrecisionAssignment]) {
        self.start = start
        self.assignments = assignments
    }
}

/// What raises precision without anybody asking.
public struct PrecisionTriggers: Hashable, Codable, Sendable {
    /// dgrad and wgrad of a module go to BF16 when its ρ = ‖∇L‖ / (σ_q·√d), gradient to quantization noise, falls below
    /// this in a probe that is due; √3 in arXiv 2505.19115. nil: never.
    public var rho: Double?
    /// Modules that misbehave are raised when a step's loss is this many standard deviations above the mean of the
    /// window. nil: never.
    public var spikeSigma: Double?
    /// Steps.
    public var spikeWindow = 100
    /// Modules in which a value that is not finite first appears are raised, and the step is done again.
    public var nonFinite = false

    public init() {}
}
