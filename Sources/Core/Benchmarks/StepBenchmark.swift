import KernelInterface

/// Measures whole training steps of one model by several recipes, on random tokens, and where their time goes.
///
/// The recipes take turns of one step, so that a change of the processor's clock or a noisy neighbour meets all of them;
/// ratios are medians of the ratios of steps that follow one another.
public struct StepBenchmark {
    public struct Result: Codable, Hashable, Sendable {
        public var recipe: String
        public var tokensPerStep: Int
        public var parameters: Int
        /// Steps that were timed.
        public var steps: Int
        /// Of a step: median, and the fastest and the slowest.
        public var milliseconds: Double
        public var fastestMilliseconds: Double
        public var slowestMilliseconds: Double
        /// Of the median step.
        public var tokensPerSecond: Double
        /// The time of a step over that of the first recipe.
        public var ratio: Double
        /// Milliseconds of each part of the step, by its key: means, scaled to add up to the median step.
        public var parts: [String: Double]
        /// The share of the threads' time in which they had nothing to do.
        public var idle: Double
        /// Of the model, by the convention of PaLM (arXiv 2204.02311, appendix B): 6 for each weight of the linears and each
        /// token, and 12 · layers · width · context for the attention core of each token, of which the causal mask lets half
        /// be skipped.
        public var flopsPerStep: Double
        public var gigaflopsPerSecond: Double
        /// Bytes of parameters, gradients, optimizer state, activations and packed operands.
        public var memoryBytes: Int

        /// Share of the step in products of linears, with and without quantizing and packing for them.
        public var gemmShare: Double { share([.fprop, .dgrad, .wgrad]) }
        public var packShare: Double { share([.pack]) }

        private func share(_ wanted: [StepPart]) -> Double {
            wanted.reduce(0) { $0 + (parts[$1.key] ?? 0) } / milliseconds
        }
    }

    public let configuration: RunConfiguration
    private let corpus: UniformCorpus
    private let compute: ComputeContext
    private let entries: [Study.Entry]

    /// - Parameters:
    ///   - configuration: of everything but recipe and data.
    ///   - entries: the recipes.
    /// - Throws: `UserError` if the configuration is impossible or the kernels asked for are not there.
    public init(_ configuration: RunConfiguration, vocabularySize: Int, entries: [Study.Entry]) throws {
        guard (2...1 << 20).contains(vocabularySize) else {
            throw UserError("--vocabulary is \(vocabularySize); expected a number from 2 to 1048576")
        }
        self.configuration = configuration
        self.entries = entries
        corpus = UniformCorpus(vocabularySize: vocabularySize)
        compute = try ComputeContext(
            tier: KernelTier.named(configuration.run.kernels), threads: configuration.run.threads,
            strictFP8: configuration.training.strictFP8)
    }

    public var threads: Int { compute.pool.lanes }
    public var kernels: String { compute.tier.rawValue }

    /// One recipe's run, and what its steps took.
    private struct Lane {
        let trainer: Trainer
        var seconds: [Double] = []
        var parts = SIMD16<Double>()
        var idle = 0.0
    }

    /// - Parameters:
    ///   - seconds: about how long to measure in all, beside one step of each recipe that is not counted; three steps of each
    ///     at least.
    ///   - isCancelled: asked between two steps.
    /// - Returns: the entries' results; nil if cancelled.
    /// - Throws: `UserError` if memory is short, or a recipe does not fit the model.
    public func measure(seconds: Double, isCancelled: () -> Bool = { false }) throws -> [Result]? {
        var lanes = try entries.map { entry in
            var configuration = configuration
            configuration.recipe = entry.recipe
            let trainer = try Trainer(configuration, corpus: corpus, compute: compute)
            trainer.initializeParameters()
            return Lane(trainer: trainer)
        }
        // Memory for packing is granted in the first step, and pages are touched for the first time.
        for index in lanes.indices {
            if isCancelled() { return nil }
            try step(&lanes[index])
            lanes[index].seconds = []
            lanes[index].parts = .zero
            lanes[index].idle = 0
        }
        let start = monotonicNanoseconds()
        var turn = 0
        repeat {
            // Each is first, second and so on equally often.
            for place in lanes.indices {
                if isCancelled() { return nil }
                try step(&lanes[(place + turn) % lanes.count])
            }
            turn += 1
        } while turn < 3 || Double(monotonicNanoseconds() - start) < seconds * 1e9
        return lanes.indices.map { result(lanes[$0], over: lanes[0], label: entries[$0].label) }
    }

    private func step(_ lane: inout Lane) throws {
        let before = compute.clock.seconds
        let start = monotonicNanoseconds()
        let idle = try compute.pool.idleShare { () throws in
            guard let result = try lane.trainer.trainStep(), result.isFinite else {
                throw UserError("the loss is not finite after \(lane.trainer.step) steps")
            }
        }
        let taken = Double(monotonicNanoseconds() - start) * 1e-9
        lane.seconds.append(taken)
        lane.parts += compute.clock.seconds - before
        lane.idle += idle * taken
    }

    private func result(_ lane: Lane, over first: Lane, label: String) -> Result {
        let trainer = lane.trainer
        let model = configuration.model
        let typical = median(lane.seconds)
        let total = lane.seconds.reduce(0, +)
        let cost = CostModel(model, vocabularySize: corpus.vocabularySize)
        let forward = model.linears.reduce(0) { $0 + cost.flops(of: $1) } + Double(model.layers) * cost.coreFLOPs
        let flops = 3 * forward * Double(trainer.tokensPerStep)
        var parts: [String: Double] = [:]
        for part in StepPart.allCases where lane.parts[part.rawValue] > 0 {
            parts[part.key] = 1e3 * lane.parts[part.rawValue] / total * typical
        }
        return Result(
            recipe: label, tokensPerStep: trainer.tokensPerStep, parameters: trainer.parameters.layout.count,
            steps: lane.seconds.count, milliseconds: 1e3 * typical, fastestMilliseconds: 1e3 * lane.seconds.min()!,
            slowestMilliseconds: 1e3 * lane.seconds.max()!, tokensPerSecond: Double(trainer.tokensPerStep) / typical,
            ratio: median(zip(lane.seconds, first.seconds).map { $0 / $1 }), parts: parts, idle: lane.idle / total,
            flopsPerStep: flops, gigaflopsPerSecond: flops / typical * 1e-9,
            memoryBytes: trainer.memoryBytes + compute.memoryBytes)
    }
}

/// Independent uniform tokens: as much work as any others.
private struct UniformCorpus: Corpus {
    let vocabularySize: Int
    var summary: String { "random tokens" }
    var isText: Bool { false }
    var entropyRate: Double? { nil }

    func tokenCount(_ split: Split) -> Int { .max }

    func fill(_ window: UnsafeMutableBufferPointer<Int32>, from split: Split, random: UInt64) {
        var state = random
        for index in window.indices {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            window[index] = Int32(truncatingIfNeeded: (state >> 33) % UInt64(vocabularySize))
        }
    }
}
