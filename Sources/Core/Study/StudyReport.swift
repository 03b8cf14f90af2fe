/// What came out of a study: one row for each recipe.
public struct StudyReport: Codable, Hashable, Sendable {
    public struct Row: Codable, Hashable, Sendable {
        public var recipe: String
        /// Validation loss at the end, one for each seed, nats per token; nil where the run is not over or diverged.
        public var losses: [Double?]
        /// The lowest validation loss of each seed so far.
        public var best: [Double?]
        /// Mean and sample standard deviation of `losses`; of the seeds that have one.
        public var meanLoss: Double?
        public var deviation: Double?
        /// Mean of the gaps to the reference's loss with the same seed, in percent of that, and the mean's standard error.
        public var gap: Double?
        public var gapError: Double?
        /// Of all matrix products of the layers, BF16 being 1: `CostModel`.
        public var theoreticalCost: Double
        /// Median over the turns of a step's time over the reference's in the same turn.
        public var measuredCost: Double?
        public var tokensPerSecond: Double?
        /// Seeds whose run ended with a loss or gradient norm that is not finite.
        public var diverged: Int
    }

    /// The label of the recipe that the others are held against.
    public var reference: String
    /// Every run finished or diverged.
    public var isComplete: Bool
    public var rows: [Row]

    /// - Parameters:
    ///   - runs: of all recipes and seeds, in any order; those that are missing have not begun.
    ///   - costs: the theoretical cost of each recipe, by its label.
    public init(
        recipes: [String], reference: String, seeds: [UInt64], runs: [StudyRun], costs: [String: Double],
        tokensPerStep: Int
    ) {
        func run(_ recipe: String, _ seed: UInt64) -> StudyRun? {
            runs.first { $0.recipe == recipe && $0.seed == seed }
        }
        self.reference = reference
        rows = recipes.map { recipe in
            let own = seeds.map { run(recipe, $0) }
            let losses = own.map { $0?.finalLoss }
            let references = seeds.map { run(reference, $0) }
            let gaps = zip(losses, references).compactMap { loss, reference -> Double? in
                guard let loss, let base = reference?.finalLoss else { return nil }
                return 100 * (loss - base) / base
            }
            let turns = own.compactMap { $0 }.flatMap(\.turns)
            let seconds = turns.reduce(0) { $0 + $1.seconds }
            let ratios = zip(own, references).flatMap { Self.ratios($0?.turns ?? [], $1?.turns ?? []) }
            let finished = losses.compactMap { $0 }
            return Row(
                recipe: recipe, losses: losses, best: own.map { $0?.bestLoss }, meanLoss: Self.mean(finished),
                deviation: Self.deviation(finished), gap: Self.mean(gaps),
                gapError: Self.deviation(gaps).map { $0 / Double(gaps.count).squareRoot() },
                theoreticalCost: costs[recipe] ?? 1, measuredCost: Self.median(ratios),
                tokensPerSecond: seconds > 0
                    ? Double(turns.reduce(0) { $0 + $1.steps } * tokensPerStep) / seconds : nil,
                diverged: own.count { $0?.state == .diverged })
        }
        isComplete = recipes.allSatisfy { recipe in
            seeds.allSatisfy { run(recipe, $0).map { $0.state != .running } ?? false }
        }
    }

    /// Time of a step over that of the reference, turn by turn, where both trained.
    private static func ratios(_ turns: [StudyRun.Turn], _ reference: [StudyRun.Turn]) -> [Double] {
        zip(turns, reference).compactMap { turn, base in
            guard turn.steps > 0, base.steps > 0, base.seconds > 0 else { return nil }
            return turn.seconds / Double(turn.steps) / (base.seconds / Double(base.steps))
        }
    }

    static func mean(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }

    /// The sample standard deviation; nil for less than two values.
    static func deviation(_ values: [Double]) -> Double? {
        guard values.count > 1, let mean = mean(values) else { return nil }
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (squares / Double(values.count - 1)).squareRoot()
    }

    static func median(_ values: [Double]) -> Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }
}
