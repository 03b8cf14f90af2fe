import Foundation

/// Something that happened in a study.
public struct StudyEvent: Codable, Hashable, Sendable {
    public enum Kind: String, Codable, Sendable {
        case started, advanced, evaluated, diverged, finished, saved, interrupted, completed
    }

    public var event: Kind
    /// Of the run that it concerns.
    public var recipe: String?
    public var seed: UInt64?
    public var step: Int?
    /// Nats per token: validation loss of `evaluated` and `finished`, training loss of `advanced`.
    public var loss: Double?
    /// Optimizer steps of the whole study that are over, and of all; a run that diverged needs no more.
    public var doneSteps: Int
    public var totalSteps: Int
    /// Estimate for the rest; nil as long as nothing is known.
    public var secondsLeft: Double?
}

/// Trains all recipes of a study with all seeds, one seed after the other and the recipes of a seed in turns, so that what
/// disturbs the machine disturbs all of them. Used by one thread.
public final class StudyRunner {
    /// A run in memory.
    private struct Lane {
        let entry: Int
        let trainer: Trainer
    }

    public let study: Study
    private let corpus: any Corpus
    private let folder: StudyFolder
    private let identity: [String: String]
    private let machine: StudyMachine
    private let command: String
    /// By entry, then by seed.
    private var runs: [[StudyRun]]
    private let costs: [String: Double]
    private let parameterCount: Int
    private let tokensPerStep: Int
    private var lastSave = ContinuousClock.now
    private var begin = ContinuousClock.now
    private var doneAtBegin = 0

    /// Opens the folder, and goes on with the study in it if there is one, which may have fewer recipes and seeds.
    ///
    /// - Parameters:
    ///   - command: as it was typed, for the report.
    /// - Throws: `UserError` if the study makes no sense, the folder cannot be used, or holds a study of something else: then
    ///   nothing has been changed in it.
    public init(_ study: Study, corpus: any Corpus, directory: String, command: String) throws {
        try study.validate()
        self.corpus = corpus
        self.command = command
        let configuration = study.configuration
        machine = try StudyMachine.current(configuration.run)
        folder = try StudyFolder(directory)
        let file = try StudyFile.read(folder.resultsPath)
        let (path, machine) = (folder.path, machine)
        let study = try file.map { try study.extending($0, in: path, corpus: corpus, machine: machine) } ?? study
        self.study = study
        identity = study.identity(corpus: corpus, machine: machine)
        let model = configuration.model
        tokensPerStep =
            configuration.training.batch * configuration.training.accumulation * configuration.model.context
        parameterCount = model.parameterCount(vocabularySize: corpus.vocabularySize)
        let costModel = CostModel(model, vocabularySize: corpus.vocabularySize)
        var costs: [String: Double] = [:]
        for entry in study.entries {
            costs[entry.label] = costModel.cost(
                of: entry.recipe, steps: configuration.run.steps, tokensPerStep: tokensPerStep)
        }
        self.costs = costs
        runs = study.entries.map { entry in study.seedValues.map { StudyRun(recipe: entry.label, seed: $0) } }
        if let file { adopt(file) }
    }

    private func adopt(_ file: StudyFile) {
        for entry in runs.indices {
            for seed in runs[entry].indices {
                let own = runs[entry][seed]
                if let found = file.runs.first(where: { $0.recipe == own.recipe && $0.seed == own.seed }) {
                    // What an unfinished run did lies in its state, if it was saved.
                    if found.state != .running { runs[entry][seed] = found }
                }
            }
        }
    }

    /// The results so far.
    public var results: StudyFile {
        let report = StudyReport(
            recipes: study.entries.map(\.label), reference: study.entries[study.reference].label,
            seeds: study.seedValues, runs: runs.flatMap { $0 }, costs: costs, tokensPerStep: tokensPerStep)
        return StudyFile(
            command: command, model: study.configuration.model, parameters: parameterCount, data: corpus.summary,
            seeds: study.seedValues, steps: study.configuration.run.steps,
            tokens: study.configuration.run.steps * tokensPerStep, machine: machine, report: report,
            runs: runs.flatMap { $0 }, identity: identity)
    }

    /// Trains what is not trained yet, and writes results and state every `saveInterval` seconds, when a run is over, and
    /// at the end.
    ///
    /// - Parameter shouldStop: asked between two slices; if it says so, all is saved and the study ends.
    /// - Returns: whether the study is complete.
    /// - Throws: `UserError` if the data turn out to be bad, memory is short, or a file cannot be written.
    public func run(
        saveInterval: Double = 180, shouldStop: () -> Bool = { false }, report: (StudyEvent) -> Void = { _ in }
    ) throws -> Bool {
        begin = ContinuousClock.now
        lastSave = begin
        var isFirst = true
        for seed in study.seedValues.indices {
            var lanes = try lanes(seed: seed)
            if isFirst {
                doneAtBegin = doneSteps
                report(event(.started))
                isFirst = false
            }
            for turn in 0..<study.turns {
                for entry in study.order(turn: turn) {
                    // After an interruption some are ahead.
                    let end = min(study.configuration.run.steps, (turn + 1) * study.slice)
                    guard let lane = lanes.first(where: { $0.entry == entry }), lane.trainer.step < end else {
                        continue
                    }
                    if shouldStop() {
                        try save(lanes, seed: seed)
                        report(event(.interrupted))
                        return false
                    }
                    try advance(lane, seed: seed, turn: turn, report)
                    if runs[entry][seed].state != .running {
                        lanes.removeAll { $0.entry == entry }
                        try folder.write(results)
                        folder.removeState(entry: entry, seed: study.seedValues[seed])
                    } else if ContinuousClock.now - lastSave >= .seconds(saveInterval) {
                        try save(lanes, seed: seed)
                        report(event(.saved))
                    }
                }
            }
        }
        try folder.write(results)
        report(event(.completed))
        return true
    }

    /// The runs of a seed that are not over, as far as they came.
    private func lanes(seed: Int) throws -> [Lane] {
        var lanes: [Lane] = []
        var memory = 0
        for (index, entry) in study.entries.enumerated() where runs[index][seed].state == .running {
            let value = study.seedValues[seed]
            let configuration = study.runConfiguration(entry, seed: value)
            let trainer = try Trainer(configuration, corpus: corpus)
            memory += trainer.memoryBytes
            try configuration.requireMemory(memory)
            if folder.hasState(entry: index, seed: value) {
                let path = folder.state(entry: index, seed: value)
                let metadata = try trainer.restoreState(from: path).metadata
                guard let text = metadata["run"],
                    let run = try? JSONDecoder().decode(StudyRun.self, from: Data(text.utf8)),
                    run.recipe == entry.label, run.seed == value, run.step == trainer.step
                else { throw UserError("\(path) is no state of this study, or a damaged one") }
                runs[index][seed] = run
            } else {
                trainer.initializeParameters()
            }
            lanes.append(Lane(entry: index, trainer: trainer))
        }
        return lanes
    }

    /// Trains one slice, or what an interruption left of it.
    private func advance(_ lane: Lane, seed: Int, turn: Int, _ report: (StudyEvent) -> Void) throws {
        let trainer = lane.trainer
        let configuration = trainer.configuration
        let end = min(configuration.run.steps, (turn + 1) * study.slice)
        var run = runs[lane.entry][seed]
        while run.turns.count <= turn { run.turns.append(StudyRun.Turn()) }
        while run.state == .running, trainer.step < end {
            try trainer.beginPhases()
            trainer.news.removeAll()
            let start = ContinuousClock.now
            guard let result = try trainer.trainStep() else { break }
            run.turns[turn].seconds += (ContinuousClock.now - start) / .seconds(1)
            if result.isRescued { continue }
            guard result.isFinite else {
                run.state = .diverged
                break
            }
            run.turns[turn].steps += 1
            run.step = trainer.step
            run.trainingLoss = Double(result.loss)
            let probeEvery = configuration.health.probeEvery
            if trainer.control.asksForRho, probeEvery > 0, trainer.step.isMultiple(of: probeEvery) {
                trainer.applyRho(try trainer.probe())
            }
            let isLast = trainer.step == configuration.run.steps
            let every = configuration.evaluation.every
            if isLast || every > 0 && trainer.step.isMultiple(of: every) {
                try evaluate(lane, &run, isLast: isLast)
                runs[lane.entry][seed] = run
                let kind: StudyEvent.Kind = run.state == .finished ? .finished : .evaluated
                if run.state != .diverged { report(event(kind, run, loss: run.curve.last?.validationLoss)) }
            }
        }
        runs[lane.entry][seed] = run
        report(event(run.state == .diverged ? .diverged : .advanced, run, loss: run.trainingLoss))
    }

    private func evaluate(_ lane: Lane, _ run: inout StudyRun, isLast: Bool) throws {
        guard let loss = try lane.trainer.evaluate() else { return }
        run.curve.append(.init(step: run.step, validationLoss: loss.isFinite ? Double(loss) : nil))
        if !loss.isFinite {
            run.state = .diverged
        } else if isLast {
            run.state = .finished
        }
    }

    private func save(_ lanes: [Lane], seed: Int) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        // Before the states: without it nothing says what they belong to.
        try folder.write(results)
        for lane in lanes {
            let run = String(decoding: try encoder.encode(runs[lane.entry][seed]), as: UTF8.self)
            try lane.trainer.saveState(
                metadata: ["run": run], to: folder.state(entry: lane.entry, seed: study.seedValues[seed]))
        }
        lastSave = ContinuousClock.now
    }

    private var doneSteps: Int {
        runs.flatMap { $0 }.reduce(0) { $0 + ($1.state == .running ? $1.step : study.configuration.run.steps) }
    }

    private func event(_ kind: StudyEvent.Kind, _ run: StudyRun? = nil, loss: Double? = nil) -> StudyEvent {
        let total = study.configuration.run.steps * study.seeds * study.entries.count
        let done = doneSteps
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        let progress = done - doneAtBegin
        return StudyEvent(
            event: kind, recipe: run?.recipe, seed: run?.seed, step: run?.step, loss: loss, doneSteps: done,
            totalSteps: total, secondsLeft: progress > 0 ? seconds / Double(progress) * Double(total - done) : nil)
    }
}
