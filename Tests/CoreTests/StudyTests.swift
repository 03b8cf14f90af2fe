import Foundation
import Testing

@testable import Core

@Suite struct StudyTests {
    /// Two recipes, two seeds, 20 steps; the second changes to BF16 for the last quarter.
    static func study(_ change: (inout RunConfiguration) -> Void = { _ in }) -> Study {
        var fp4 = Recipe.bf16
        fp4.name = "tiny-fp4"
        fp4.feedForward = .fp4
        fp4.attention = .fp8
        fp4.schedule.targetFraction = 0.25
        let configuration = TrainingEngineTests.configuration {
            $0.run.steps = 20
            $0.evaluation.every = 8
            change(&$0)
        }
        return Study(
            configuration: configuration,
            entries: [.init(label: "bf16", recipe: .bf16), .init(label: "tiny-fp4", recipe: fp4)], seeds: 2, slice: 6)
    }

    static func runner(_ study: Study, _ folder: String) throws -> StudyRunner {
        try StudyRunner(
            study, corpus: CorpusLoader.load(study.configuration.data, seed: study.configuration.run.seed),
            directory: folder, command: "fp4tui study")
    }

    private func losses(_ folder: String) throws -> [String] {
        let file = try #require(try StudyFile.read(folder + "/study.json"))
        return file.runs.map { run in
            "\(run.recipe) \(run.seed) \(run.state) \(run.step) \(run.trainingLoss?.bitPattern ?? 0) "
                + run.curve.map { "\($0.step):\($0.validationLoss?.bitPattern ?? 0)" }.joined(separator: " ")
        }
    }

    @Test func aStudyResumedAfterEverySliceHasTheBitsOfAStraightOne() throws {
        let folder = try TemporaryDirectory()
        let straight = folder.path + "/straight"
        #expect(try Self.runner(Self.study(), straight).run())
        let expected = try losses(straight)
        #expect(expected.count == 4)
        #expect(expected.allSatisfy { $0.contains(" finished 20 ") })
        #expect(Set(expected.map { $0.split(separator: " ").dropFirst(4).joined() }).count == 4)

        let broken = folder.path + "/broken"
        var sessions = 0
        while true {
            sessions += 1
            var questions = 0
            let isComplete = try Self.runner(Self.study(), broken).run(shouldStop: {
                questions += 1
                return questions > 1
            })
            if isComplete { break }
            try #require(sessions < 40)
        }
        #expect(sessions > 10)
        #expect(try losses(broken) == expected)
        // Nothing but the lock is left of the state.
        #expect(try FileManager.default.contentsOfDirectory(atPath: broken + "/state") == ["lock"])

        // A third start trains nothing.
        var events: [StudyEvent] = []
        #expect(
            try Self.runner(Self.study(), broken).run {
                false
            } report: {
                events.append($0)
            })
        #expect(events.map(\.event) == [.started, .completed])
    }

    @Test func anotherStudyInTheFolderIsRefusedAndKept() throws {
        let folder = try TemporaryDirectory()
        var questions = 0
        _ = try Self.runner(Self.study(), folder.path).run(shouldStop: {
            questions += 1
            return questions > 1
        })
        let before = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/study.json"))
        expectUserError([folder.path, "optimizer.learning_rate is 0.01 and was 0.001"]) {
            _ = try Self.runner(Self.study { $0.optimizer.learningRate = 0.01 }, folder.path)
        }
        var other = Self.study()
        other.entries[1].recipe.schedule.targetFraction = 0
        expectUserError(["tiny-fp4: recipe.target_fraction is 0.0 and was 0.25"]) {
            _ = try Self.runner(other, folder.path)
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path + "/study.json")) == before)
        let markdown = try String(contentsOfFile: folder.path + "/study.md", encoding: .utf8)
        #expect(markdown.contains("Not complete: 0 of 4 runs are over."))
    }

    /// The study with a third recipe between its two, and one seed more.
    private static func larger() -> Study {
        var study = Self.study()
        var fp8 = Recipe.bf16
        fp8.name = "tiny-fp8"
        fp8.attention = .fp8
        study.entries.insert(.init(label: "tiny-fp8", recipe: fp8), at: 1)
        study.seeds = 3
        return study
    }

    /// A study that was broken off after so many slices gets another recipe and another seed.
    @Test(arguments: [1, 12, 1000])
    func aStudyMayGetMoreRecipesAndSeeds(slices: Int) throws {
        let folder = try TemporaryDirectory()
        let straight = folder.path + "/straight"
        #expect(try Self.runner(Self.larger(), straight).run())
        let extended = folder.path + "/extended"
        var questions = 0
        _ = try Self.runner(Self.study(), extended).run(shouldStop: {
            questions += 1
            return questions > slices
        })
        let before = try #require(try StudyFile.read(extended + "/study.json"))
        let done = before.runs.filter { $0.state == .finished }
        #expect((slices == 1000) == (done.count == 4))

        var events: [StudyEvent] = []
        // With breaks, so that states are found again.
        while true {
            var questions = 0
            let isComplete = try Self.runner(Self.larger(), extended).run {
                questions += 1
                return questions > 3
            } report: {
                events.append($0)
            }
            if isComplete { break }
            try #require(events.count < 1000)
        }
        #expect(Set(try losses(extended)) == Set(try losses(straight)))
        #expect(try losses(extended).count == 9)
        let finished = events.filter { $0.event == .finished }.map { "\($0.recipe ?? "") \($0.seed ?? 0)" }
        #expect(finished.count == 9 - done.count)
        #expect(Set(finished).isDisjoint(with: done.map { "\($0.recipe) \($0.seed)" }))
        // What was there is first, whatever order was asked for.
        let after = try #require(try StudyFile.read(extended + "/study.json"))
        #expect(after.report.rows.map(\.recipe) == ["bf16", "tiny-fp4", "tiny-fp8"])
        #expect(after.seeds == [1, 2, 3])
        #expect(after.report.isComplete)
        // The smaller one would throw results away.
        expectUserError(["holds a larger study", "--recipes leaves out tiny-fp8"]) {
            _ = try Self.runner(Self.study(), extended)
        }
        var fewer = Self.larger()
        fewer.seeds = 2
        expectUserError(["--seeds is 2, and it has 3", "not fewer"]) { _ = try Self.runner(fewer, extended) }
    }

    @Test func aFolderOfAVersionWithFewerKeysIsRead() throws {
        let folder = try TemporaryDirectory()
        var study = Self.study()
        #expect(try Self.runner(study, folder.path).run())
        let path = folder.path + "/study.json"
        var file = try #require(try StudyFile.read(path))
        for key in ["health.every", "bf16: recipe.spike_sigma"] {
            #expect(file.identity.removeValue(forKey: key) != nil)
        }
        try file.json().write(to: URL(fileURLWithPath: path))
        study.seeds = 3
        _ = try Self.runner(study, folder.path)
        study.configuration.health.every = 7
        expectUserError(["health.every is 7 and was 50"]) { _ = try Self.runner(study, folder.path) }
    }

    /// What README says of seeds.
    @Test func aSeedVariesWeightsAndBatchesAndNotTheLanguageOfAStudy() throws {
        let study = Self.study()
        let corpus = try CorpusLoader.load(study.configuration.data, seed: study.configuration.run.seed)
        struct Start: Equatable {
            var weights: [UInt32]
            var batch: [Int32]
            var validation: [Int32]
        }
        func start(_ seed: UInt64, _ corpus: any Corpus) throws -> Start {
            let trainer = try Trainer(study.runConfiguration(study.entries[0], seed: seed), corpus: corpus)
            trainer.initializeParameters()
            func tokens(_ fill: () throws -> Void) rethrows -> [Int32] {
                try fill()
                return Array(UnsafeBufferPointer(start: trainer.batch.places.tokens, count: trainer.tokensPerStep))
            }
            let places = trainer.batch.places
            return Start(
                weights: (0..<trainer.parameters.layout.count).map { trainer.parameters.values[$0].bitPattern },
                batch: try tokens {
                    try trainer.sampler.fill(step: 0, microBatch: 0, tokens: places.tokens, targets: places.targets)
                },
                validation: try tokens {
                    try trainer.sampler.fillValidation(batch: 0, tokens: places.tokens, targets: places.targets)
                })
        }
        let (first, second) = (try start(1, corpus), try start(2, corpus))
        let areDifferent = first.weights != second.weights && first.batch != second.batch
        #expect(areDifferent)
        #expect(first.validation == second.validation)
        let isAgain = try start(1, corpus) == first
        #expect(isAgain)
        // A run that is no part of a study has a language of its own seed.
        let other = try CorpusLoader.load(study.configuration.data, seed: 2)
        #expect(other.entropyRate != corpus.entropyRate)
        #expect(try start(1, other).validation != first.validation)
    }

    @Test func twoProcessesDoNotShareAFolder() throws {
        let folder = try TemporaryDirectory()
        let first = try Self.runner(Self.study(), folder.path)
        expectUserError(["another study is running"]) { _ = try Self.runner(Self.study(), folder.path) }
        withExtendedLifetime(first) {}
    }

    @Test func aRunThatDivergesEndsAloneAndIsCounted() throws {
        let folder = try TemporaryDirectory()
        var study = Self.study {
            $0.optimizer.learningRate = 1000
            $0.optimizer.minimumLearningRate = 1000
            $0.optimizer.warmup = 0
            $0.optimizer.clip = 0
            $0.run.steps = 100
            $0.evaluation.every = 0
        }
        study.seeds = 1
        let runner = try Self.runner(study, folder.path)
        #expect(try runner.run())
        #expect(runner.results.report.rows.map(\.diverged) == [1, 1])
        #expect(runner.results.report.rows.allSatisfy { $0.meanLoss == nil })
        #expect(runner.results.markdown.contains("| diverged |"))
    }

    @Test func theTableIsRight() throws {
        func run(_ recipe: String, _ seed: UInt64, _ loss: Double?, _ seconds: [Double]) -> StudyRun {
            var run = StudyRun(recipe: recipe, seed: seed)
            run.state = loss == nil ? .diverged : .finished
            run.curve = [.init(step: 5, validationLoss: 1.5), .init(step: 10, validationLoss: loss)]
            run.turns = seconds.map { .init(steps: 10, seconds: $0) }
            return run
        }
        let runs = [
            run("bf16", 1, 2, [1, 1, 4]), run("bf16", 2, 4, [1, 2, 1]),
            run("low", 1, 2.02, [0.5, 0.6, 2]), run("low", 2, 4.12, [0.5, 1, 9]),
            run("bad", 1, nil, [1]), run("bad", 2, 5, [1, 2, 1]),
        ]
        let report = StudyReport(
            recipes: ["bf16", "low", "bad", "late"], reference: "bf16", seeds: [1, 2], runs: runs,
            costs: ["bf16": 1, "low": 0.5, "bad": 0.25, "late": 1], tokensPerStep: 100)
        #expect(!report.isComplete)
        #expect(report.rows[0].meanLoss == 3)
        #expect(abs(report.rows[0].deviation! - 2.0.squareRoot()) < 1e-12)
        #expect(report.rows[0].gap == 0)
        #expect(report.rows[0].measuredCost == 1)
        // Gaps of 1 % and 3 %: mean 2, sample deviation √2, standard error 1.
        #expect(abs(report.rows[1].gap! - 2) < 1e-9)
        #expect(abs(report.rows[1].gapError! - 1) < 1e-9)
        // Ratios 0.5 0.6 0.5 0.5 0.5 9.
        #expect(report.rows[1].measuredCost == 0.5)
        #expect(abs(report.rows[1].tokensPerSecond! - 6000 / 13.6) < 1e-9)
        #expect(report.rows[1].best == [1.5, 1.5])
        #expect(report.rows[2].losses == [nil, 5])
        #expect(report.rows[2].diverged == 1)
        #expect(report.rows[2].gap == 25)
        #expect(report.rows[2].gapError == nil)
        #expect(report.rows[3].losses == [nil, nil])
        #expect(report.rows[3].measuredCost == nil)
    }

    @Test func everyRecipeIsInEveryPlaceOfATurn() {
        var study = Self.study()
        study.entries.append(.init(label: "third", recipe: .bf16))
        for place in 0..<3 { #expect(Set((0..<3).map { study.order(turn: $0)[place] }) == [0, 1, 2]) }
    }

    @Test func theTargetPrecisionTakesEffectAtItsStep() throws {
        let model = TrainingEngineTests.configuration().model
        var recipe = Recipe.zhou2025
        recipe.schedule.targetFraction = 0.25
        func precisions(_ step: Int, _ module: String) throws -> GEMMPrecisions {
            var control = PrecisionControl(recipe, model, steps: 20, tokensPerStep: 80)
            _ = try control.beginPhases(at: step)
            return control.state.plan(for: model)[.layer(0, module)].precisions
        }
        #expect(try precisions(14, "mlp.up") == recipe.fp4Module)
        #expect(try precisions(15, "mlp.up") == GEMMPrecisions(.bf16))
        recipe.schedule.targetScope = .forward
        #expect(try precisions(15, "mlp.up").fprop == .bf16)
        #expect(try precisions(15, "mlp.up").wgrad == recipe.fp4Module.wgrad)
        // Nothing is lowered to the target.
        recipe.schedule.targetScope = .both
        recipe.schedule.targetPrecision = .fp8
        recipe.attention = .bf16
        #expect(try precisions(15, "attn.q") == GEMMPrecisions(.bf16))
        #expect(try precisions(15, "mlp.up") == GEMMPrecisions(.fp8))
        recipe.schedule.targetFraction = 0
        #expect(try precisions(20, "mlp.up") == recipe.fp4Module)
    }
}
