import Core
import Testing

@testable import Dashboard

@Suite struct ReplayTests {
    /// A recording of the scripted run with all that a dashboard can show of it.
    static func events(steps: Int = 1300, run: RunDescription = Script.description()) -> [TrainingEvent] {
        let change = PrecisionChange(
            id: 1, step: 1040, cause: .command, text: "prec layers.3.mlp.up bf16",
            modules: [
                ModulePrecisionChange(
                    module: .layer(3, "mlp.up"), from: GEMMPrecisions(.fp4), to: GEMMPrecisions(.bf16),
                    gemms: GEMMKind.allCases, formats: LinearFormats(.bf16))
            ], lossBefore: 2.1402)
        var events: [TrainingEvent] = [.started(run), .stateChanged(.running, step: 0)]
        for step in 1..<(steps + 1) {
            events.append(.stepped(Script.metrics(step)))
            if step % 250 == 0 {
                events.append(
                    .evaluated(Evaluation(step: step, validationLoss: 1.55 + 4.5 * 120 / (120 + Float(step)))))
            }
            if step == 1000 { events.append(.sampled(Script.sample)) }
            if step == 1040 { events.append(.precisionChanged(change)) }
            if step == 1200 { events.append(.saved(step: step, path: "model.safetensors")) }
        }
        let summary = RunSummary(
            outcome: .stopped, steps: steps, tokens: steps * 3072, finalLoss: 1.9, validationLoss: 2,
            bestValidationLoss: 2, elapsedSeconds: Double(steps) / 4, tokensPerSecond: 12288, savedPath: nil)
        return events + [.stateChanged(.finished, step: steps), .finished(summary)]
    }

    static func state(
        _ size: Size = Size(width: 80, height: 24), glyphs: GlyphSet = .braille, steps: Int = 1300,
        speed: String? = nil, start: ReplayPosition? = nil
    ) throws -> DashboardState {
        var state = DashboardState(size: size, glyphs: glyphs, themes: Theme.names, isMouseOn: true)
        let speed = try speed.map { try ReplaySpeed(parsing: $0) }
        state.replay(ReplayPlayer(ReplayRecording(events(steps: steps)), speed: speed, start: start))
        state.on(.tick(100))
        return state
    }

    static func text(_ state: DashboardState) -> String {
        let frame = state.frame()
        return (0..<frame.size.height).map { frame.text(row: $0) }.joined(separator: "\n")
    }

    // MARK: Time

    @Test func itPlaysAsFastAsItWasTrained() throws {
        var state = try Self.state(speed: "1")
        #expect(state.last == nil)
        #expect(state.run?.name == "baby")
        // Four steps a second.
        for tick in 1...40 { state.on(.tick(100 + Double(tick) * 0.05)) }
        #expect(state.last?.step == 8)
        #expect(Self.text(state).contains("REPLAY 1x"))
        state.type("]]")
        for tick in 41...60 { state.on(.tick(100 + Double(tick) * 0.05)) }
        #expect(state.last?.step == 24)
        #expect(state.elapsed == 6)
        state.type("[[[")
        #expect(Self.text(state).contains("REPLAY 0.5x"))
    }

    /// A program that was suspended does not skip what it could not show.
    @Test func timeThatNobodyWatchedIsNoTime() throws {
        var state = try Self.state(speed: "1")
        state.on(.tick(100.05), .tick(5000))
        #expect(state.last?.step == 2)
        state.on(.tick(4000))
        #expect(state.last?.step == 2)
    }

    @Test func pauseAndSingleSteps() throws {
        var state = try Self.state(speed: "1", start: .step(700))
        #expect(state.last?.step == 700)
        state.keys("p")
        state.on(.tick(101), .tick(102))
        #expect(state.last?.step == 700)
        #expect(Self.text(state).contains("REPLAY PAUSED"))
        #expect(!state.isMoving)
        state.keys("n", "n")
        #expect(state.last?.step == 702)
        state.keys("N")
        #expect(state.last?.step == 701)
        state.keys(" ")
        for tick in 0...20 { state.on(.tick(102 + Double(tick) * 0.05)) }
        #expect(state.last?.step == 705)
        state.keys("n")
        #expect(state.last?.step == 706)
        #expect(Self.text(state).contains("REPLAY PAUSED"))
    }

    @Test func theEndPausesAndPlaysAgain() throws {
        var state = try Self.state(speed: "max")
        for tick in 1...10 { state.on(.tick(100 + Double(tick) * 0.05)) }
        #expect(state.last?.step == 1300)
        #expect(state.isFinished)
        #expect(!state.isMoving)
        #expect(Self.text(state).contains("REPLAY END"))
        #expect(Self.text(state).contains("p plays it again"))
        state.keys("p")
        #expect(state.last == nil)
        #expect(state.isMoving)
        #expect(!state.isFinished)
    }

    /// What is due is played in turns, so that keys are answered, and nothing is left out.
    @Test func aLotAtOnceComesInTurns() throws {
        var player = ReplayPlayer(ReplayRecording(Self.events(steps: 9000)), speed: .unlimited)
        var places = [player.advance(to: 1)]
        while player.isPlaying { places.append(player.advance(to: Double(places.count) + 1)) }
        #expect(places.allSatisfy { $0.count <= ReplayPlayer.longestTurn })
        #expect(places.last?.upperBound == player.recording.events.count)
        #expect(zip(places, places.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
    }

    @Test func theClockGoesOnWhereAResumedRunBeganAnew() {
        func step(_ step: Int, _ seconds: Double) -> TrainingEvent {
            var metrics = Script.metrics(step)
            metrics.elapsedSeconds = seconds
            return .stepped(metrics)
        }
        let evaluated = TrainingEvent.evaluated(Evaluation(step: 2, validationLoss: 1))
        let recording = ReplayRecording([
            .started(Script.description()), step(1, 1), step(2, 2.5), evaluated, .started(Script.description()),
            step(3, 0.5), step(4, .nan), step(5, 1), step(6, 1e300), step(7, 3),
        ])
        #expect(recording.seconds == [0, 1, 2.5, 2.5, 2.5, 2.75, 3, 3.5, 3.5, 3.75])
        #expect(recording.steps == [1, 2, 3, 4, 5, 6, 7])
        #expect(recording.end(ofSteps: 0) == 1)
        #expect(recording.end(ofSteps: 2) == 5)
        #expect(recording.stepCount(after: 4) == 1)
        #expect(recording.stepCount(at: .step(2)) == 2)
        #expect(recording.stepCount(at: .share(0.5)) == 4)
    }

    @Test func defaultSpeedsShowTheWholeInAMinute() {
        // 325 s.
        #expect(ReplayPlayer(ReplayRecording(Self.events())).speed.text == "8x")
        #expect(ReplayPlayer(ReplayRecording(Self.events(steps: 40))).speed.text == "1x")
        #expect(ReplayRecording([.started(Script.description())]).isEmpty)
        #expect(!ReplayPlayer(ReplayRecording([])).isPlaying)
    }

    @Test func speedsGoByPowersOfTwoUpToNoLimit() throws {
        let recording = ReplayRecording(Self.events(steps: 40))
        var speed = try ReplaySpeed(parsing: "3")
        var seen = [speed.text]
        for _ in 0..<5 {
            speed = speed.faster(recording)
            seen.append(speed.text)
        }
        for _ in 0..<9 {
            speed = speed.slower(recording)
            seen.append(speed.text)
        }
        #expect(
            seen == [
                "3x", "4x", "8x", "16x", "max", "max", "16x", "8x", "4x", "2x", "1x", "0.5x", "0.25x", "0.125x",
                "0.0625x",
            ])
        #expect(speed.slower(recording) == speed)
    }

    // MARK: Seeking

    /// Played to a step, or gone to it from a later or an earlier one: the same picture, with what the user chose.
    @Test(arguments: [GlyphSet.braille, .ascii])
    func seekingGivesThePictureOfPlaying(_ glyphs: GlyphSet) throws {
        var played = try Self.state(Size(width: 120, height: 40), glyphs: glyphs, speed: "max")
        played.keys("2", "e", "+", "+", "i", .left, "3", .right, .down, "m", "4", "/")
        played.type("eval")
        played.keys(.enter, "p")
        var sought = played
        for step in 1...1100 {
            played.keys("n")
            if step == 500 {
                // Acknowledged while it is played.
                played.keys("a")
            }
        }
        sought.keys("$")
        #expect(sought.isFinished)
        sought.keys(":")
        sought.type("seek 500")
        sought.keys(.enter, "a", "<")
        sought.on(.mouse(x: 60, y: 0, kind: .press))
        for target in ["0", "1300", "1,100"] {
            sought.keys(":")
            sought.type("seek \(target)")
            sought.keys(.enter)
        }
        sought.history = []
        #expect(sought.last?.step == 1100)
        #expect(Self.text(sought) == Self.text(played))
        let isSame = sought.frame() == played.frame()
        #expect(isSame)
        #expect(sought.view.smoothing == 5)
        #expect(sought.events.filter.text == "eval")
    }

    /// Keyframes lie farther apart than the recording of other tests is long.
    @Test func keyframesChangeNothing() throws {
        var state = try Self.state(steps: 20_000, start: .step(15_000))
        state.keys("p")
        let before = state.frame()
        let count = state.replay?.keyframes.count ?? 0
        #expect(count >= 3)
        state.keys("$", "^", "<")
        for target in [14_999, 3000, 4100, 15_000] { state.seek(to: target) }
        #expect((state.replay?.keyframes.count ?? 0) > count)
        let isSame = state.frame() == before
        #expect(isSame)
        let places = state.replay?.keyframes.map(\.place) ?? []
        #expect(places == places.sorted())
    }

    /// A new part of the state is either the run's or the user's choice: seeking back takes the run's back. Whoever adds
    /// one says which, here and in `takeRun`.
    @Test func everyPartOfTheStateIsSortedOut() {
        let chosen: Set = [
            "size", "glyphs", "focus", "isFullScreen", "view", "scroll", "overlay", "history", "message", "theme",
            "isMouseOn", "comparisons", "log", "refusal", "replay", "now", "revision", "savePath", "themes", "runs",
            "canShowBraille", "runFolder", "isAttached", "exportFormats",
        ]
        let run: Set = [
            "run", "phase", "last", "loss", "gradientNorm", "validation", "clippedNorm", "learningRates", "times",
            "average", "fork", "forkAverage", "forkState", "marks", "spikes", "moduleGradients", "lastEvaluation",
            "bestEvaluation", "sample", "learningRate", "gradientClip", "recentClips", "throughput", "lastSave",
            "events", "healthWatch", "normClips", "moduleClips", "pendingEffects", "map", "request", "lastStepAt",
            "elapsed", "schedule", "memoryBytes",
        ]
        let parts = Mirror(reflecting: DashboardState(size: Size(width: 80, height: 24))).children.compactMap(\.label)
        #expect(Set(parts) == chosen.union(run))
        #expect(chosen.isDisjoint(with: run))
    }

    @Test func seekingByKeys() throws {
        var state = try Self.state(start: .share(0.5))
        #expect(state.last?.step == 650)
        state.keys("p", ".")
        #expect(state.last?.step == 663)
        state.keys(",", ",")
        #expect(state.last?.step == 637)
        state.keys(">")
        #expect(state.last?.step == 767)
        state.keys("<", "^")
        #expect(state.last == nil)
        state.keys(",", "N")
        #expect(state.last == nil)
        state.keys("$", ">")
        #expect(state.last?.step == 1300)
        state.keys("@")
        #expect(state.message?.isError == true)
        state.keys("i", "H", "@")
        #expect(state.last?.step == 1170)
        #expect(state.view.crosshair == 1170)
    }

    /// A click on the bar goes there.
    @Test func theMouseSeeks() throws {
        var state = try Self.state(Size(width: 120, height: 40), start: .step(650))
        state.keys("p")
        let row = state.frame().text(row: 0)
        let columns = Array(row.unicodeScalars).indices.filter {
            "█░".unicodeScalars.contains(Array(row.unicodeScalars)[$0])
        }
        let (first, last) = (try #require(columns.first), try #require(columns.last))
        state.on(.mouse(x: last, y: 0, kind: .press))
        #expect(state.last?.step == 1300)
        state.on(.mouse(x: first, y: 0, kind: .press))
        #expect(state.last == nil)
        state.on(.mouse(x: first - 1, y: 0, kind: .press), .mouse(x: last, y: 0, kind: .wheelUp))
        #expect(state.last == nil)
    }

    @Test(arguments: [
        ("seek", "seek: expected a step such as 1200, or a share such as 50%; found nothing"),
        ("seek -3", "seek: expected a step such as 1200, or a share such as 50%; found “-3”"),
        ("seek 120%", "seek: expected a step such as 1200, or a share such as 50%; found “120%”"),
        ("speed 0", "speed: expected a speed from 0.001, such as 8: 1 is as fast as it was trained; or max; found “0”"),
        (
            "speed nan",
            "speed: expected a speed from 0.001, such as 8: 1 is as fast as it was trained; or max; found “nan”"
        ),
        ("lr 1e-3", "a recording cannot be steered"), ("prec * fp4", "a recording cannot be steered"),
        ("undo", "a recording cannot be steered"), ("compare", "compare needs a recorded run, or off"),
    ])
    func commandErrors(_ item: (line: String, message: String)) throws {
        var state = try Self.state()
        state.keys(":")
        state.type(item.line)
        #expect(state.keys(.enter) == [])
        #expect(state.message?.text == item.message)
        #expect(state.message?.isError == true)
    }

    @Test func commands() throws {
        var state = try Self.state()
        for (line, step) in [("seek 25%", 325), ("speed 4", 325), ("step", 326), ("seek 99999", 1300)] {
            state.keys(":")
            state.type(line)
            state.keys(.enter)
            #expect(state.last?.step == step)
        }
        #expect(state.replay?.player.speed.text == "4x")
        #expect(Command.completions("se", themes: [], isReplay: true) == ["seek "])
        #expect(Command.completions("see", themes: [], isReplay: false) == [])
        var live = DashboardState.running(steps: 1)
        live.keys(":")
        live.type("seek 3")
        #expect(live.keys(.enter) == [])
        #expect(live.message?.text == "seek is for recordings: fp4tui replay RUN plays one")
    }

    // MARK: Steering

    /// Whatever is typed, nothing goes to an engine, and leaving takes no question.
    @Test func nothingIsSteered() throws {
        for panel in 1...8 {
            var state = try Self.state(start: .step(500))
            state.keys(.character(Unicode.Scalar(UInt8(48 + panel))))
            var effects: [DashboardEffect] = []
            for key in KeyTable.bindings.filter({ $0.context != .quit }).flatMap(\.keys)
            where ![.control("c"), "q", ":", "?", "/", "T", .function(1)].contains(key) {
                effects += state.keys(key)
                if case .none = state.overlay { continue }
                state.keys(.escape)
            }
            for tick in 0..<40 { effects += state.on(.tick(101 + Double(tick) * 0.05)) }
            let sent = effects.filter { if case .send = $0 { true } else { false } }
            #expect(sent == [])
            #expect(state.map.pending.isEmpty)
            #expect(state.keys("q") == [.quit])
            #expect(state.on(.terminate) == [.quit])
        }
    }

    /// The same for a session that only watches a run elsewhere.
    @Test func aRefusalStopsAllCommands() {
        var state = DashboardState.running(steps: 3)
        state.refusal = "only watching"
        var effects = state.keys("p", "n", "s", "V", "u", "3", " ", "i", "a", .enter)
        state.keys("5")
        effects += state.on(.tick(200), .tick(201), .tick(203))
        #expect(effects == [])
        #expect(state.message?.text == "only watching" || state.message == nil)
        #expect(state.map.pending.isEmpty)
    }

    @Test func theFooterOffersWhatARecordingCan() throws {
        var state = try Self.state(Size(width: 200, height: 60))
        state.keys("3", "p")
        let footer = state.frame().text(row: 59)
        #expect(footer.contains("p Play"))
        #expect(footer.contains("> +10%"))
        for word in ["Precision", "GEMMs", "Validate", "Resume", "Apply"] { #expect(!footer.contains(word), "\(word)") }
        #expect(Self.text(state).contains("the codes were not counted"))
        state.keys("?")
        #expect(Self.text(state).contains("play or pause; at the end"))
        let rows = Help.rows(HelpView(context: .charts, isReplay: true), .braille)
        #expect(rows.contains { $0.section == "Replay" })
        #expect(rows.contains { $0.keys.hasPrefix(":seek") } && !rows.contains { $0.keys.hasPrefix(":prec") })
        #expect(!Help.rows(HelpView(context: .charts), .braille).contains { $0.section == "Replay" })
    }

    @Test func neitherStaleNorEstimated() throws {
        var state = try Self.state(Size(width: 200, height: 60), speed: "1", start: .step(600))
        state.keys("p")
        state.on(.tick(1000), .tick(2000))
        let title = state.frame().text(row: 0)
        #expect(!title.contains("STALE") && !title.contains("ETA"))
        #expect(title.contains("step   600/1,300"))
        #expect(title.contains("0:02:30/0:05:25"))
        // The save at step 1,200 is told on the run's clock.
        state.keys("$")
        #expect(state.frame().text(row: 57).contains("saved 1,200 0:00:25 ago"))
    }

    // MARK: A real run

    /// What an engine told, reduced as it came, and recorded and replayed to its end: the same picture.
    @Test func aReplayOfARealRunEndsAsItDid() async throws {
        var configuration = RunConfiguration()
        configuration.run.steps = 40
        configuration.run.threads = 1
        configuration.run.commands = [
            "20: prec layers.0.* bf16", "25: lr 2e-3", "30: fork recipe fp8-block", "35: inspect layers.0.attn.q",
            "3: sensitivity fp4", "22: schedule add step 38: layers.1.* bf16",
        ]
        configuration.data.languageWords = 200
        configuration.model.layers = 2
        configuration.model.heads = 2
        configuration.model.keyValueHeads = 2
        configuration.model.width = 32
        configuration.model.context = 16
        configuration.training.batch = 4
        configuration.evaluation.every = 10
        configuration.evaluation.batches = 2
        configuration.sampling.every = 20
        configuration.sampling.tokens = 20
        configuration.health.every = 5
        configuration.health.probeEvery = 15
        let engine = try TrainingEngine(
            configuration: configuration, corpus: CorpusLoader.load(configuration.data, seed: 1))
        let channel = engine.subscribe()
        let summary = await engine.run()
        let events = channel.drain()
        try #require(summary.outcome == .completed)

        var live = DashboardState(size: Size(width: 200, height: 60))
        for event in events { live.on(.event(event)) }
        var replayed = DashboardState(size: Size(width: 200, height: 60))
        replayed.replay(ReplayPlayer(ReplayRecording(events), speed: .unlimited))
        for tick in 0..<100 { replayed.on(.tick(Double(tick))) }
        #expect(!replayed.isMoving)
        for panel in ["1", "2", "3", "4", "5", "6", "7", "8", "m"] as [Key] {
            live.keys(panel)
            replayed.keys(panel)
            let (a, b) = (live.frame(), replayed.frame())
            #expect(Self.differences(a, b) == [])
        }
        replayed.keys("^", "$")
        live.keys("1")
        replayed.keys("1")
        let (a, b) = (live.frame(), replayed.frame())
        #expect(Self.differences(a, b) == [])
    }

    /// All rows but the title, what is said, the keys, and where a run is saved to, which a recording does not tell.
    private static func differences(_ a: Frame, _ b: Frame) -> [String] {
        (1..<a.size.height - 2).map { (a.text(row: $0), b.text(row: $0)) }
            .filter { $0 != $1 && !$0.contains("save to") && !$0.contains("8 Run") }.map { "\($0)\n\($1)" }
    }

    @Test func randomKeysDoNoHarm() throws {
        var random = Generator(state: 7)
        var state = try Self.state(speed: "64")
        let keys = KeyTable.bindings.flatMap(\.keys) + "seekpd 50%max".unicodeScalars.map(Key.character)
        for index in 0..<1500 {
            if Int.random(in: 0..<3, using: &random) == 0 {
                state.on(.tick(100 + Double(index) * 0.05))
            } else {
                state.keys(keys.randomElement(using: &random) ?? "p")
            }
            if index % 50 == 0 { #expect(state.frame().size == state.size) }
        }
        state.keys(.escape, .escape, .escape, "^")
        #expect(state.last == nil)
    }
}
