import Foundation
import Testing

@testable import Core

@Suite struct PrecisionChangeTests {
    /// FP4 forward and FP8 backward in the feed-forward network, FP8 in attention.
    static let recipe = {
        var recipe = Recipe(
            "mixed", "for tests", source: "none", fp4: LinearFormats(.nvfp4), fp8: LinearFormats(.fp8),
            fp4Module: GEMMPrecisions(fprop: .fp4, dgrad: .fp8, wgrad: .fp8), attention: .fp8, feedForward: .fp4)
        recipe.base = "zhou2025"
        return recipe
    }()

    static func configuration(_ change: (inout RunConfiguration) -> Void = { _ in }) -> RunConfiguration {
        TrainingEngineTests.configuration {
            $0.recipe = recipe
            $0.evaluation.every = 0
            $0.sampling.every = 0
            change(&$0)
        }
    }

    static func command(_ text: String) throws -> EngineCommand { try EngineCommand(parsing: text) }

    static func changes(_ record: TrainingEngineTests.Record) -> [PrecisionChange] {
        record.events.compactMap { if case .precisionChanged(let change) = $0 { change } else { nil } }
    }

    static func effects(_ record: TrainingEngineTests.Record) -> [PrecisionEffect] {
        record.events.compactMap { if case .precisionEffect(let effect) = $0 { effect } else { nil } }
    }

    static func trainer(_ configuration: RunConfiguration) throws -> Trainer {
        try Trainer(configuration, corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed))
    }

    // MARK: State

    @Test func aChangeConcernsExactlyTheGEMMsItNames() throws {
        let model = Self.configuration().model
        var state = PrecisionState(recipe: Self.recipe)
        let before = state.plan(for: model)
        let changed = try state.set([PrecisionAssignment(parsing: "layers.1.mlp.up forward fp8")], in: model)
        #expect(
            changed == [
                ModulePrecisionChange(
                    module: .layer(1, "mlp.up"), from: GEMMPrecisions(fprop: .fp4, dgrad: .fp8, wgrad: .fp8),
                    to: GEMMPrecisions(.fp8), gemms: [.fprop],
                    formats: state.plan(for: model)[.layer(1, "mlp.up")])
            ])
        let after = state.plan(for: model)
        for path in model.linears {
            for gemm in GEMMKind.allCases where path != .layer(1, "mlp.up") || gemm != .fprop {
                #expect(after[path][gemm] == before[path][gemm])
            }
        }
        #expect(after[.layer(1, "mlp.up")].fprop == Self.recipe.fp8.fprop)
        // Again it changes nothing, and leaves nothing to undo.
        let again = try state.set([PrecisionAssignment(parsing: "layers.1.mlp.up forward fp8")], in: model)
        #expect(again.isEmpty)
        let undone = state.undo(in: model)
        #expect(undone?.count == 1)
        #expect(state.plan(for: model) == before)
        let nothing = state.undo(in: model)
        #expect(nothing == nil)
    }

    @Test func aRecipeDropsChangesAndUndoBringsThemBack() throws {
        let model = Self.configuration().model
        var state = PrecisionState(recipe: Self.recipe)
        _ = try state.set([PrecisionAssignment(parsing: "mlp.* bf16")], in: model)
        let manual = state.plan(for: model)
        let changed = state.set(.bf16, in: model)
        #expect(!changed.isEmpty)
        #expect(state.changes.isEmpty)
        #expect(state.plan(for: model) == Recipe.bf16.plan(for: model))
        _ = state.undo(in: model)
        #expect(state.plan(for: model) == manual)
        #expect(state.recipe == Self.recipe)
    }

    @Test func changesThatAreHiddenAreDropped() throws {
        let model = Self.configuration().model
        var state = PrecisionState(recipe: Self.recipe)
        for _ in 0..<5 {
            _ = try state.set([PrecisionAssignment(parsing: "mlp.* bf16")], in: model)
            _ = try state.set([PrecisionAssignment(parsing: "mlp.* backward fp4")], in: model)
        }
        #expect(state.changes.map(\.description) == ["mlp.* bf16", "mlp.* backward fp4"])
        let copy = try JSONDecoder().decode(PrecisionState.self, from: JSONEncoder().encode(state))
        #expect(copy == state)
    }

    // MARK: Text

    @Test func commandsAreRead() throws {
        #expect(
            try Self.command("prec layers.0.* backward bf16")
                == .setPrecision(PrecisionAssignment(parsing: "layers.0.* backward bf16")))
        #expect(try Self.command("recipe bf16") == .setRecipe(.bf16))
        #expect(try Self.command("undo") == .undo)
        #expect(try Self.command(" stop ") == .stop(save: nil))
        #expect(try Self.command("stop a b") == .stop(save: "a b"))
        #expect(try Self.command("save-state s") == .saveState("s"))
        for (text, words) in [
            ("prec mlp.*", ["mlp.*"]), ("prec mlp.* fp5", ["fp5", "fp4"]), ("recipe", ["recipe", "bf16"]),
            ("recipe bf17", ["bf17", "bf16"]), ("undo 2", ["undo"]), ("bogus", ["bogus", "prec"]), ("", ["command"]),
        ] {
            expectUserError(words) { _ = try Self.command(text) }
        }
    }

    @Test(arguments: [
        "prec layers.0.* backward bf16", "prec * =nvfp4+sr", "recipe bf16", "undo", "lr 0.0005", "clip 0.5",
        "module-clip off", "module-clip block threshold=quantile limit=1.5 quantile=0.99 decay=0.95 rescaling=sum",
        "module-clip module", "sample", "eval", "probe", "save a b", "save-state s", "pause", "resume", "step", "stop",
        "stop x",
    ])
    func aCommandIsWrittenAsItIsRead(text: String) throws {
        #expect(try Self.command(text).text == text)
    }

    @Test func clippingThatMakesNoSenseIsRefused() {
        for (text, words) in [
            ("module-clip", ["off, module or block"]), ("module-clip all", ["all"]),
            ("module-clip block limit=0", ["limit=0"]), ("module-clip block limit", ["limit"]),
            ("module-clip block rescaling=x", ["rescaling=x", "norm"]), ("module-clip block x=1", ["x=1"]),
            ("module-clip block decay=1", ["decay=1"]),
        ] {
            expectUserError(words) { _ = try Self.command(text) }
        }
    }

    @Test func clippingOfModulesIsSetAndUndone() async throws {
        let record = try await TrainingEngineTests.record(
            Self.configuration { $0.run.commands = ["2: module-clip block", "3: module-clip block", "5: undo"] })
        let changes = record.events.compactMap { event -> [GradientClipping.Scope?]? in
            if case .moduleClippingChanged(_, let from, let to) = event { [from.scope, to.scope] } else { nil }
        }
        #expect(changes == [[nil, .block], [.block, nil]])
        #expect(record.warnings.count == 1)
    }

    @Test func completionKnowsTheModel() {
        let model = Self.configuration().model
        #expect(EngineCommand.completions(of: "rec", model: model) == ["recipe "])
        #expect(EngineCommand.completions(of: "recipe b", model: model).contains("recipe bf16"))
        #expect(
            EngineCommand.completions(of: "prec layers.1.attn.q", model: model) == ["prec layers.1.attn.q"])
        #expect(EngineCommand.completions(of: "prec mlp.* ba", model: model) == ["prec mlp.* backward"])
        #expect(EngineCommand.completions(of: "prec mlp.* backward fp8", model: model) == ["prec mlp.* backward fp8"])
        #expect(EngineCommand.completions(of: "prec lm", model: nil).isEmpty)
    }

    @Test func pointsOfARunAreRead() throws {
        let configuration = Self.configuration { $0.run.steps = 200 }
        for (text, step) in [("7: undo", 7), ("92.5%:undo", 185), ("400 tokens:undo", 5), ("0.8k tokens: undo", 10)] {
            #expect(try configuration.scheduledCommand(text).step == step)
            #expect(try configuration.scheduledCommand(text).command == .undo)
        }
        for (text, words) in [
            ("undo", ["STEP:COMMAND"]), ("-1:undo", ["-1"]), ("101%:undo", ["101%"]), ("x tokens:undo", ["x tokens"]),
            ("201:undo", ["201", "200"]), ("5:bogus", ["bogus"]), ("5:prec layers.7.* fp8", ["layers.7.*"]),
        ] {
            expectUserError(words) { _ = try configuration.scheduledCommand(text) }
        }
        var bad = configuration
        bad.run.commands = ["201:undo"]
        expectUserError(["run.commands", "201"]) { try bad.validate() }
    }

    // MARK: Runs

    @Test func commandsTakeEffectAtTheirStepAndReplay() async throws {
        let configuration = Self.configuration()
        let plain = try await TrainingEngineTests.record(configuration)
        let live = try await TrainingEngineTests.record(configuration, first: [.pause]) { event, engine in
            guard case .stateChanged(.paused, let step) = event else { return }
            if step == 4 { engine.send(try! Self.command("prec mlp.* bf16")) }
            if step == 6 { engine.send(.setRecipe(.bf16)) }
            if step == 8 { engine.send(.undo) }
            engine.send(.step)
        }
        #expect(live.losses[..<4] == plain.losses[..<4])
        #expect(live.losses[4...] != plain.losses[4...])
        let changes = Self.changes(live)
        #expect(changes.map(\.step) == [4, 6, 8])
        #expect(changes.map(\.id) == [1, 2, 3])
        #expect(changes.map(\.cause) == [.command, .recipe, .undo])
        #expect(changes[0].text == "prec mlp.* bf16")
        let mean = plain.steps[..<4].reduce(0.0) { $0 + Double($1.loss) } / 4
        #expect(changes[0].lossBefore == mean)
        // The commands, written down with their steps, give the same bits.
        let replayed = try await TrainingEngineTests.record(
            Self.configuration { $0.run.commands = changes.map { "\($0.step): \($0.text)" } })
        #expect(replayed.losses == live.losses)
        #expect(replayed.norms == live.norms)
        #expect(Self.changes(replayed) == changes)
        // The end of the run cuts the effects short.
        let effects = Self.effects(live)
        #expect(effects.map(\.id) == [1, 2, 3])
        #expect(effects.map(\.steps) == [8, 6, 4])
        #expect(effects[2].lossAfter == live.steps[8...].reduce(0.0) { $0 + Double($1.loss) } / 4)
    }

    @Test func anEffectIsReportedAfterFiftySteps() async throws {
        let record = try await TrainingEngineTests.record(
            Self.configuration {
                $0.run.steps = 60
                $0.run.commands = ["3: prec lm_head fp8"]
            })
        let effect = try #require(Self.effects(record).first)
        #expect(effect.step == 53)
        #expect(effect.steps == 50)
        #expect(effect.lossAfter == record.steps[3..<53].reduce(0.0) { $0 + Double($1.loss) } / 50)
    }

    @Test func whatChangesNothingIsAWarning() async throws {
        let record = try await TrainingEngineTests.record(
            Self.configuration { $0.run.steps = 3 },
            first: [
                try Self.command("prec layers.9.* bf16"), try Self.command("prec attn.* fp8"), .undo,
                .setRecipe(Self.recipe),
            ])
        #expect(record.warnings.count == 4)
        #expect(record.warnings[0].contains("layers.9.*"))
        for warning in record.warnings[1...] { #expect(warning.contains("changes nothing")) }
        #expect(Self.changes(record).isEmpty)
    }

    @Test func phasesBeginOnTime() async throws {
        var recipe = Self.recipe
        recipe.schedule.targetFraction = 0.25
        recipe.schedule.phases = [
            PrecisionPhase(start: .step(3), assignments: [try PrecisionAssignment(parsing: "mlp.down fp8")]),
            PrecisionPhase(start: .tokens(401), assignments: [try PrecisionAssignment(parsing: "lm_head fp8")]),
            PrecisionPhase(start: .fraction(0.5), assignments: [try PrecisionAssignment(parsing: "lm_head fp8")]),
        ]
        let record = try await TrainingEngineTests.record(Self.configuration { $0.recipe = recipe })
        let changes = Self.changes(record)
        // The phase at half of the run finds the head in FP8 already.
        #expect(changes.map(\.step) == [3, 6, 9])
        #expect(changes.map(\.cause) == [.phase("phase 1"), .phase("phase 2"), .phase("target precision")])
        #expect(changes[2].modules.count == 12)
        #expect(changes[2].modules.allSatisfy { $0.to == GEMMPrecisions(.bf16) && $0.module != .head })
    }

    @Test func theSwitchToTheTargetPrecisionCanConcernOnePass() throws {
        var schedule = PrecisionSchedule()
        schedule.targetFraction = 0.075
        schedule.targetScope = .forward
        let timeline = schedule.timeline(steps: 1000, tokensPerStep: 1)
        #expect(timeline.map(\.step) == [925])
        #expect(timeline[0].assignments.map(\.description) == ["layers.* forward bf16"])
        schedule.targetScope = .backward
        #expect(
            schedule.timeline(steps: 10, tokensPerStep: 1)[0].assignments.map(\.description)
                == ["layers.* backward bf16"])
    }

    // MARK: Triggers

    static func control(_ change: (inout PrecisionTriggers) -> Void) -> PrecisionControl {
        var recipe = Self.recipe
        change(&recipe.schedule.triggers)
        return PrecisionControl(recipe, configuration().model, steps: 100, tokensPerStep: 1)
    }

    static func health(_ scores: [Int: Double] = [:], nonFinite: [Int: Int] = [:]) -> [ModuleHealth] {
        configuration().model.linears.enumerated().map {
            ModuleHealth(module: $1, score: scores[$0] ?? 1, nonFiniteAt: nonFinite[$0])
        }
    }

    @Test func aSpikeRaisesTheModuleThatMisbehavesMost() throws {
        var control = Self.control {
            $0.spikeSigma = 4
            $0.spikeWindow = 10
        }
        var spikes = (0..<30).compactMap { control.spike($0.isMultiple(of: 2) ? 2 : 2.1) }
        spikes += [control.spike(2.2)].compactMap { $0 }
        #expect(spikes.isEmpty)
        let spike = control.spike(3)
        let reason = try #require(spike)
        // The window begins anew.
        let afterwards = control.spike(9)
        #expect(afterwards == nil)
        let linears = Self.configuration().model.linears
        // 13 linears: one at most.
        let changeFound = control.rescue(afterSpike: reason, Self.health([4: 3, 6: 2]), at: 7)
        let change = try #require(changeFound)
        #expect(change.cause == .rule("spike", reason: reason))
        #expect(change.modules.map(\.module) == [linears[4]])
        #expect(change.modules[0].from == GEMMPrecisions(fprop: .fp4, dgrad: .fp8, wgrad: .fp8))
        #expect(change.modules[0].to == GEMMPrecisions(fprop: .fp8, dgrad: .bf16, wgrad: .bf16))
        #expect(change.text == "prec \(linears[4]) forward fp8; prec \(linears[4]) backward bf16")
        // The head is in BF16 and cannot be raised.
        let nextFound = control.rescue(afterSpike: reason, Self.health([12: 9]), at: 8)
        let next = try #require(nextFound)
        #expect(next.modules[0].module != .head)
        var none = Self.control { _ in }
        let found = ([Float](repeating: 1, count: 500) + [1e9]).compactMap { none.spike($0) }
        #expect(found.isEmpty)
    }

    @Test func aValueThatIsNotFiniteRaisesModulesUntilNoneIsLeft() throws {
        var control = Self.control { $0.nonFinite = true }
        let linears = Self.configuration().model.linears
        let health = Self.health(nonFinite: [5: 5, 6: 6, 7: 7])
        let changeFound = control.rescue(fromNonFinite: "the loss", health, at: 3)
        let change = try #require(changeFound)
        #expect(change.modules.map(\.module) == [linears[4], linears[5]])
        // In the backward pass the one before it is the next in order.
        let backwardFound = control.rescue(fromNonFinite: "the loss", Self.health(nonFinite: [2: 23]), at: 3)
        let backward = try #require(backwardFound)
        #expect(backward.modules.map(\.module) == [linears[2], linears[3]])
        var count = 0
        while control.rescue(fromNonFinite: "the loss", Self.health(), at: 3) != nil { count += 1 }
        #expect((1...26).contains(count))
        #expect(
            control.state.precisions(of: Self.configuration().model).allSatisfy {
                $0.precisions == GEMMPrecisions(.bf16)
            })
        var off = Self.control { _ in }
        let unasked = off.rescue(fromNonFinite: "the loss", health, at: 3)
        #expect(unasked == nil)
    }

    @Test func aLowRatioOfGradientToNoiseMovesTheBackwardPassToBF16() throws {
        let configuration = Self.configuration { $0.recipe.schedule.triggers.rho = 3.0.squareRoot() }
        let trainer = try Self.trainer(configuration)
        let (low, high) = (ModulePath.layer(0, "attn.o"), ModulePath.layer(1, "mlp.up"))
        trainer.applyRho([low: 1.2, high: 1.8, .head: 0.1])
        guard case .precisionChanged(let change)? = trainer.news.first else {
            Issue.record("no change")
            return
        }
        #expect(change.modules.map(\.module) == [low])
        #expect(change.modules[0].to == GEMMPrecisions(fprop: .fp8, dgrad: .bf16, wgrad: .bf16))
        #expect(trainer.transformer.plan[low].dgrad == GEMMFormats(.bf16))
        trainer.applyRho([low: 1.2])
        #expect(trainer.news.count == 1)
    }

    @Test func healthIsThatOfTheLastStep() throws {
        let trainer = try Self.trainer(Self.configuration { $0.model.adopt(.llama) })
        trainer.initializeParameters()
        _ = try trainer.trainStep()
        let model = trainer.configuration.model
        let tokens = trainer.tokensPerStep
        for (index, path) in model.linears.enumerated() {
            let health = trainer.transformer.health(ofLinear: index, .fprop)
            let isAlone = !["attn.q", "attn.k", "attn.v", "mlp.up", "mlp.gate"].contains(path.name)
            if path == .head {
                #expect(health.a.count == 0)
            } else if isAlone {
                #expect(health.a.count == tokens * model.shape(of: path, vocabularySize: 256).inputs)
            }
            #expect(health.a.relMSE.map { $0 > 0 && $0 < 0.05 } ?? (path == .head), "\(path)")
        }
        for health in trainer.moduleHealth() {
            #expect(health.nonFiniteAt == nil)
            #expect(health.module == .head ? health.score == nil : abs(health.score! - 1) < 1e-9)
        }
    }

    @Test func aRunThatCannotBeRescuedDiverges() async throws {
        let record = try await TrainingEngineTests.record(
            Self.configuration {
                $0.recipe.schedule.triggers.nonFinite = true
                $0.evaluation.every = 1
                $0.optimizer.learningRate = 1000
                $0.optimizer.minimumLearningRate = 1000
                $0.optimizer.clip = 0
                $0.run.steps = 200
            })
        #expect(record.summary.outcome == .diverged)
        let changes = Self.changes(record)
        #expect(!changes.isEmpty)
        let last = try #require(record.steps.last)
        // A step that is done again is evaluated once.
        #expect(record.evaluations.map(\.step) == Array(1..<last.step))
        #expect(changes.contains { $0.step == last.step - 1 })
        #expect(record.steps.map(\.step) == Array(1...last.step))
        #expect(
            changes.allSatisfy { if case .rule("non-finite", let reason) = $0.cause { !reason.isEmpty } else { false } }
        )
    }

    @Test func aPhaseForNoModuleIsRefusedBeforeTheRun() throws {
        let phase = PrecisionPhase(start: .step(3), assignments: [try PrecisionAssignment(parsing: "layers.9.* fp8")])
        expectUserError(["layers.9.*"]) {
            _ = try Self.trainer(Self.configuration { $0.recipe.schedule.phases = [phase] })
        }
    }

    // MARK: Saved states

    @Test func aResumedRunHasTheBitsOfOneThatWasNotInterrupted() async throws {
        let folder = try TemporaryDirectory()
        var recipe = Self.recipe
        recipe.schedule.targetFraction = 0.25
        recipe.schedule.triggers.spikeSigma = 3
        recipe.schedule.triggers.spikeWindow = 4
        for step in [3, 5, 9, 10] {
            let path = folder.path + "/\(step).safetensors"
            let configuration = Self.configuration {
                $0.recipe = recipe
                $0.run.commands = [
                    "2: lr 5e-4", "4: prec layers.1.mlp.* bf16", "5: clip 0.3", "\(step): save-state \(path)",
                    "7: undo", "10: prec lm_head fp8",
                ]
            }
            let whole = try await TrainingEngineTests.record(configuration)
            #expect(whole.steps.count == 12)
            let engine = try TrainingEngine(
                configuration: configuration,
                corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed), resuming: path)
            let channel = engine.subscribe()
            let summary = await engine.run()
            let resumed = TrainingEngineTests.Record(events: channel.drain(), summary: summary)
            #expect(resumed.steps.map(\.step) == Array(step + 1...12))
            #expect(resumed.losses == Array(whole.losses[step...]))
            #expect(resumed.norms == Array(whole.norms[step...]))
            #expect(resumed.steps.map(\.learningRate) == whole.steps[step...].map(\.learningRate))
            #expect(Self.changes(resumed) == Self.changes(whole).suffix(Self.changes(resumed).count))
            #expect(Self.changes(resumed).isEmpty == false)
            #expect(Self.effects(resumed) == Self.effects(whole))
            #expect(resumed.summary.validationLoss == whole.summary.validationLoss)
        }
    }

    @Test func aResumedRunMayHaveOtherCommands() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/state.safetensors"
        var configuration = Self.configuration { $0.run.commands = ["1: prec mlp.* bf16", "6: save-state \(path)"] }
        _ = try await TrainingEngineTests.record(configuration)
        configuration.run.commands = ["2: undo", "6: prec lm_head fp8", "8: undo"]
        let engine = try TrainingEngine(
            configuration: configuration, corpus: CorpusLoader.load(configuration.data, seed: 1), resuming: path)
        let channel = engine.subscribe()
        let summary = await engine.run()
        let resumed = TrainingEngineTests.Record(events: channel.drain(), summary: summary)
        #expect(Self.changes(resumed).map(\.step) == [6, 8])
        #expect(Self.changes(resumed).map(\.id) == [2, 3])
    }

    @Test func aStateOfAnotherRunIsRefused() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/state.safetensors"
        let trainer = try Self.trainer(Self.configuration())
        trainer.initializeParameters()
        try trainer.saveState(to: path)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["state.safetensors"])
        for (change, words) in [
            ({ $0.run.seed = 9 }, ["run.seed", "9"]), ({ $0.model.layers = 3 }, ["model.layers", "3"]),
            ({ $0.training.batch = 4 }, ["training.batch"]), ({ $0.data.languageWords = 300 }, ["data.language_words"]),
        ] as [((inout RunConfiguration) -> Void, [String])] {
            expectUserError(words) { try Self.trainer(Self.configuration(change)).restoreState(from: path) }
        }
        try Self.trainer(Self.configuration { $0.run.threads = 2 }).restoreState(from: path)
        try trainer.save(to: folder.path + "/model.safetensors")
        expectUserError(["no saved state"]) { try trainer.restoreState(from: folder.path + "/model.safetensors") }
    }
}
