/// What a study compares: recipes, each trained from several seeds on the same data, everything else equal.
public struct Study: Sendable {
    /// A recipe as the study calls it: its name, with whatever was changed in it.
    public struct Entry: Codable, Hashable, Sendable {
        public var label: String
        public var recipe: Recipe

        public init(label: String, recipe: Recipe) {
            self.label = label
            self.recipe = recipe
        }
    }

    /// Of all runs but for recipe and seed. `run.seed` is the first seed, and that of the built-in language for all seeds.
    public var configuration: RunConfiguration
    public var entries: [Entry]
    /// `seeds` of them, from `run.seed` on.
    public var seeds: Int
    /// Optimizer steps that a recipe trains before the next one has its turn.
    public var slice: Int

    public init(configuration: RunConfiguration, entries: [Entry], seeds: Int, slice: Int = 25) {
        self.configuration = configuration
        self.entries = entries
        self.seeds = seeds
        self.slice = slice
    }

    /// - Throws: `UserError` naming the flag, the value found and the value expected.
    public func validate() throws {
        guard !entries.isEmpty else { throw UserError("--recipes is empty; expected names such as bf16,zhou2025") }
        for (index, entry) in entries.enumerated() where entries[..<index].contains(where: { $0.label == entry.label })
        {
            throw UserError("--recipes names \(entry.label) twice; expected each recipe once")
        }
        guard (1...1000).contains(seeds) else {
            throw UserError("--seeds is \(seeds); expected a number from 1 to 1000")
        }
        guard (1...1_000_000).contains(slice) else {
            throw UserError("--slice is \(slice); expected a number from 1 to 1000000")
        }
        try configuration.validate()
        for entry in entries { try runConfiguration(entry, seed: configuration.run.seed).validate() }
    }

    /// The recipe that the others are held against: `bf16`, or the first.
    public var reference: Int { entries.firstIndex { $0.label == "bf16" } ?? 0 }

    public var seedValues: [UInt64] { (0..<UInt64(seeds)).map { configuration.run.seed &+ $0 } }

    /// The configuration of one run.
    func runConfiguration(_ entry: Entry, seed: UInt64) -> RunConfiguration {
        var configuration = configuration
        configuration.recipe = entry.recipe
        configuration.run.seed = seed
        return configuration
    }

    var turns: Int { (configuration.run.steps + slice - 1) / slice }

    /// Which recipe trains in which place of a turn: each is first, second and so on equally often, so that none always
    /// follows the same one.
    func order(turn: Int) -> [Int] {
        entries.indices.map { ($0 + turn) % entries.count }
    }

    /// What must be equal for a study to go on where another one ended: keys and their values, as they are written.
    func identity(corpus: any Corpus, machine: StudyMachine) -> [String: String] {
        var identity: [String: String] = [:]
        // What a study doesn't use, and what changes neither losses nor times.
        let irrelevant: Set<String> = ["run.name", "run.log_every", "run.save"]
        for key in ConfigurationKey.all where !["recipe", "sampling", "checkpoint"].contains(key.section) {
            guard !irrelevant.contains(key.path), let value = key.value(in: configuration) else { continue }
            identity[key.path] = value.description
        }
        for entry in entries {
            var configuration = configuration
            configuration.recipe = entry.recipe
            for key in ConfigurationKey.all where key.section == "recipe" {
                identity["\(entry.label): \(key.path)"] = key.value(in: configuration)?.description
            }
        }
        identity["--recipes"] = entries.map(\.label).joined(separator: ",")
        identity["--seeds"] = String(seeds)
        identity["--slice"] = String(slice)
        identity["data"] =
            "\(corpus.summary), \(corpus.tokenCount(.training)) and \(corpus.tokenCount(.validation)) tokens"
        identity["kernels"] = machine.kernels
        identity["threads"] = String(machine.threads)
        return identity
    }
}

/// What a study ran on.
public struct StudyMachine: Codable, Hashable, Sendable {
    /// The processor's name for itself.
    public var processor: String
    public var threads: Int
    /// Instruction set of the kernels.
    public var kernels: String

    public init(processor: String, threads: Int, kernels: String) {
        self.processor = processor
        self.threads = threads
        self.kernels = kernels
    }
}

/// How far one recipe is with one seed.
public struct StudyRun: Codable, Hashable, Sendable {
    public enum State: String, Codable, Sendable { case running, finished, diverged }

    public struct Point: Codable, Hashable, Sendable {
        public var step: Int
        /// Nats per token; nil if it is not finite.
        public var validationLoss: Double?
    }

    /// What a turn took.
    public struct Turn: Codable, Hashable, Sendable {
        public var steps = 0
        /// Of training alone, without evaluation.
        public var seconds = 0.0
    }

    /// The entry's label.
    public var recipe: String
    public var seed: UInt64
    public var state = State.running
    /// Optimizer steps done.
    public var step = 0
    public var curve: [Point] = []
    public var turns: [Turn] = []
    /// Training loss of the last step, nats per token.
    public var trainingLoss: Double?

    /// At the end of the run; nil if it did not come there.
    public var finalLoss: Double? { state == .finished ? curve.last?.validationLoss : nil }
    public var bestLoss: Double? { curve.compactMap(\.validationLoss).min() }

    public init(recipe: String, seed: UInt64) {
        self.recipe = recipe
        self.seed = seed
    }
}
