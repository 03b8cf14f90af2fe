import Core
import Testing

@testable import Dashboard

@Suite struct ReducerTests {
    @Test func pauseAndResume() {
        var state = DashboardState.running(steps: 3)
        #expect(state.keys("p") == [.send(.pause)])
        #expect(TitleBar.stateWord(state).text == "PAUSING")
        state.on(.event(.stateChanged(.paused, step: 4)))
        #expect(TitleBar.stateWord(state).text == "PAUSED")
        #expect(state.keys("p") == [.send(.resume)])
        state.on(.event(.stateChanged(.running, step: 4)))
        #expect(TitleBar.stateWord(state).text == "RUNNING")
        // A second thought before the engine has answered.
        #expect(state.keys("p", "p") == [.send(.pause), .send(.resume)])
    }

    @Test func stepsOnlyWhilePaused() {
        var state = DashboardState.running(steps: 3)
        #expect(state.keys("n") == [])
        #expect(state.message?.isError == true)
        state.on(.event(.stateChanged(.paused, step: 3)))
        #expect(state.keys("n") == [.send(.step)])
        #expect(state.keys("n") == [])
        #expect(TitleBar.stateWord(state).text == "STEPPING")
        state.on(.event(.stepped(Script.metrics(4))), .event(.stateChanged(.paused, step: 4)))
        #expect(state.keys("n") == [.send(.step)])
    }

    @Test func sampleAndEvaluateOnRequest() {
        var state = DashboardState.running(steps: 3)
        #expect(state.keys("s", "V") == [.send(.sample), .send(.evaluate)])
    }

    @Test func quittingTakesTwoKeys() {
        for (keys, effects) in [
            ([Key.character("q"), .enter], [DashboardEffect.send(.stop(save: "m"))]),
            ([.character("q"), .character("s")], [.send(.stop(save: "m"))]),
            ([.character("q"), .character("x")], [.send(.stop(save: nil))]),
            ([.character("q"), .down, .enter], [.send(.stop(save: nil))]),
            ([.character("q"), .up, .enter], []), ([.character("q"), .character("q")], []),
            ([.character("q"), .escape], []), ([.control("c"), .control("c")], [.send(.stop(save: "m"))]),
            ([.character("?"), .control("c"), .control("c")], [.send(.stop(save: "m"))]),
        ] {
            var state = DashboardState.running(steps: 3, savePath: "m")
            #expect(keys.flatMap { state.keys($0) } == effects, "\(keys)")
            #expect(state.context == .dashboard)
        }
        for binding in KeyTable.bindings where binding.context == .dashboard {
            for key in binding.keys {
                var state = DashboardState.running(steps: 3)
                for effect in state.keys(key) {
                    if case .send(.stop) = effect { Issue.record("\(key.name) stops the run at once") }
                    #expect(effect != .quit, "\(key.name) quits at once")
                }
            }
        }
    }

    @Test func withoutSavePathNothingIsSaved() {
        var state = DashboardState.running(steps: 3, savePath: nil)
        #expect(state.keys(.control("c"), .control("c")) == [.send(.stop(save: nil))])
        #expect(QuitQuestion.answers(state).map(\.action) == [.stopWithoutSaving, .close])
    }

    @Test func aRunThatIsRecordedCanBeResumed() {
        var state = DashboardState(size: Size(width: 80, height: 24), runFolder: "runs/baby-3")
        state.on(.event(.started(Script.description())))
        state.keys("q")
        #expect(QuitQuestion.answers(state).map(\.text) == ["stop", "cancel: go on training"])
        let text = (0..<24).map { state.frame().text(row: $0) }.joined(separator: "\n")
        #expect(text.contains("--resume runs/baby-3 can go on with it."))
        #expect(state.keys("d") == [])
        #expect(state.context == .quit)
    }

    @Test func leavingAnAttachedRunDoesNotStopIt() {
        func attached(refusal: String? = nil) -> DashboardState {
            var state = DashboardState(
                size: Size(width: 80, height: 24), runFolder: "runs/baby-3", isAttached: true, refusal: refusal)
            state.on(.event(.started(Script.description())))
            return state
        }
        for keys: [Key] in [["q", "d"], ["q", .enter], [.control("c"), .control("c")]] {
            var state = attached()
            #expect(keys.flatMap { state.keys($0) } == [.quit], "\(keys)")
        }
        var stopping = attached()
        #expect(stopping.keys("q", "x") == [.send(.stop(save: nil))])
        #expect(stopping.on(.event(.finished(Script.summary))) == [.quit])
        var signalled = attached()
        #expect(signalled.on(.terminate) == [.quit])
        #expect(signalled.frame().text(row: 0).contains("attached"))

        var watching = attached(refusal: "only watching")
        #expect(watching.keys("p", "n", "u") == [])
        #expect(watching.frame().text(row: 0).contains("read-only"))
        #expect(watching.keys("q") == [.quit])
    }

    @Test func stoppingWaitsForTheEngine() {
        var state = DashboardState.running(steps: 3)
        state.keys("q", "x")
        #expect(state.isStopping)
        #expect(state.keys("p", "n") == [])
        #expect(state.on(.event(.stepped(Script.metrics(4)))) == [])
        #expect(state.on(.event(.finished(Script.summary))) == [.quit])

        var impatient = DashboardState.running(steps: 3)
        impatient.keys("q", "x")
        #expect(impatient.keys(.control("c")) == [.quit])
    }

    @Test func theEndStaysOnTheScreen() {
        var state = DashboardState.running(steps: 3)
        #expect(state.on(.event(.finished(Script.summary))) == [])
        #expect(
            state.frame().text(row: 22).contains(
                "done: 5,000 steps, loss 1.5021, val 1.6104, saved model.safetensors - q quits"))
        #expect(state.keys("p", "s") == [])
        #expect(state.keys("q") == [.quit])
    }

    @Test func terminationSavesAndWaits() {
        var state = DashboardState.running(steps: 3, savePath: "m")
        #expect(state.on(.terminate) == [.send(.stop(save: "m"))])
        #expect(state.on(.terminate) == [.quit])
        var finished = DashboardState.running(steps: 3)
        finished.on(.event(.finished(Script.summary)))
        #expect(finished.on(.terminate) == [.quit])
    }

    @Test func missingStepsMakeTheRunStale() {
        var state = DashboardState.running(steps: 3)
        let now = state.now
        state.on(.tick(now + 4))
        #expect(TitleBar.stateWord(state).text == "RUNNING")
        state.on(.tick(now + 12))
        #expect(TitleBar.stateWord(state).text == "STALE 12 s")
        state.on(.event(.stepped(Script.metrics(4))))
        #expect(TitleBar.stateWord(state).text == "RUNNING")
        state.on(.event(.stateChanged(.paused, step: 4)), .tick(now + 500))
        #expect(TitleBar.stateWord(state).text == "PAUSED")
        #expect(abs(state.elapsed - 12.75) < 1e-9)
    }

    @Test func clockAloneRedrawsOnceASecond() {
        var state = DashboardState.running(steps: 3)
        let revision = state.revision
        for tenth in 0..<30 { state.on(.tick(200 + Double(tenth) / 10)) }
        #expect(state.revision - revision == 3)
        state.on(.event(.stateChanged(.paused, step: 3)))
        let paused = state.revision
        for second in 0..<30 { state.on(.tick(210 + Double(second))) }
        #expect(state.revision == paused)
    }

    @Test func paceAndTimeLeft() throws {
        let state = DashboardState.running(steps: 1000)
        #expect(state.throughput.tokensPerSecond(tokensPerStep: 3072) == 12288)
        let remaining = try #require(state.remainingSeconds)
        #expect(abs(remaining - 1000) < 1e-6)
        #expect(state.frame().text(row: 0).contains("step 1,000/5,000"))
        #expect(state.frame().text(row: 0).contains("ETA 0:16:40"))
    }

    @Test func shareOfClippedSteps() {
        let state = DashboardState.running(steps: 1300)
        let expected = (301...1300).count { Script.metrics($0).isClipped }
        #expect(state.recentClips.count == 1000)
        #expect(state.recentClips.setCount == expected)
    }

    @Test func tinyScreensKeepTheKeysThatMatter() {
        var state = DashboardState.running(steps: 3)
        state.keys("?")
        state.on(.resize(Size(width: 20, height: 5)))
        #expect(state.context == .dashboard)
        state.keys("?", ":")
        #expect(state.context == .dashboard)
        #expect(state.keys("p") == [.send(.pause)])
        #expect(state.keys("q", "x") == [.send(.stop(save: nil))])
    }

    @Test func zoomKeepsTheNewestSteps() {
        var state = DashboardState.running(steps: 1040)
        #expect(state.view.range(in: state.recordedSteps) == 0...1040)
        state.keys("+")
        #expect(state.view.range(in: state.recordedSteps) == 41...1040)
        state.keys("+", "+", "+")
        #expect(state.view.range(in: state.recordedSteps) == 941...1040)
        for _ in 0..<20 { state.keys("+") }
        #expect(state.view.range(in: state.recordedSteps) == 1021...1040)
        state.keys("-")
        #expect(state.view.range(in: state.recordedSteps) == 991...1040)
        state.keys("f")
        #expect(state.view.range(in: state.recordedSteps) == 41...1040)
        state.keys("-")
        #expect(state.view.range(in: state.recordedSteps) == 0...1040)
        state.keys("+", "0")
        #expect(state.view.window == nil)
    }

    @Test func logarithmOfTheChartInFocus() {
        var state = DashboardState.running(steps: 3)
        state.keys("y")
        #expect(state.view.isLossLogarithmic)
        state.keys("2", "y")
        #expect(!state.view.isGradientNormLogarithmic)
        #expect(state.view.isLossLogarithmic)
    }

    @Test func focusGoesRound() {
        var state = DashboardState.running(steps: 3)
        var seen: [Panel] = []
        for _ in Panel.allCases {
            seen.append(state.focus)
            state.keys(.tab)
        }
        #expect(seen == Panel.allCases)
        #expect(state.focus == .loss)
        state.keys(.backTab)
        #expect(state.focus == .run)
        state.keys("6")
        #expect(state.focus == .sample)
    }

    @Test func logIsBoundedAndKeepsThePlace() {
        var state = DashboardState.running(Size(width: 80, height: 30), steps: 3)
        state.keys("7", "z")
        for index in 0..<90 { state.on(.standardError("line \(index)")) }
        state.keys(.up, .up)
        let before = (2..<20).map { state.frame().text(row: $0) }
        state.on(.standardError("new"))
        #expect((2..<20).map { state.frame().text(row: $0) } == before)
        for index in 0..<3000 { state.on(.standardError("line \(index)")) }
        #expect(state.log.count <= DashboardState.longestLog)
        #expect(state.log.last == "line 2999")
    }

    @Test func nothingIsLostFromWarnings() {
        var state = DashboardState.running(steps: 3)
        state.on(.event(.warning(step: 3, message: "cannot write x: no space left on device")))
        let frame = state.frame()
        #expect(frame.text(row: 22).contains("cannot write x: no space left on device"))
        #expect((0..<20).map { frame.text(row: $0) }.joined().contains("WARN cannot write"))
    }

    @Test func nonFiniteFiguresAreWords() {
        let frame = SnapshotTests.state(.nan, Size(width: 80, height: 24), .braille).frame()
        let text = (0..<24).map { frame.text(row: $0) }.joined(separator: "\n")
        #expect(text.contains("⢸ NaN"))
        #expect(text.contains("+Inf"))
        #expect(!text.contains("nan"))
    }

    @Test func theBestEvaluationIsTheLowestFiniteOne() {
        var state = DashboardState.running(steps: 3)
        for (step, loss) in [(4, Float.nan), (5, 2), (6, 1.5), (7, .infinity), (8, 1.75)] {
            state.on(.event(.evaluated(Evaluation(step: step, validationLoss: loss))))
        }
        #expect(state.bestEvaluation == Evaluation(step: 6, validationLoss: 1.5))
        #expect(state.lastEvaluation?.step == 8)
    }

    /// "evaluating" must not stand there when the answer has come.
    @Test func answersReplaceTheQuestion() {
        var state = DashboardState.running(steps: 3)
        state.keys("V")
        #expect(state.message?.text == "evaluating")
        state.on(.event(.sampled(Script.sample)))
        #expect(state.message?.text == "evaluating")
        state.on(.event(.evaluated(Evaluation(step: 1003, validationLoss: 2.5))))
        #expect(state.message?.text == "validation 2.5000 at step 1,003")
        state.keys("s")
        #expect(state.message?.text == "sampling")
        state.on(.event(.sampled(Script.sample)))
        #expect(state.message?.text == "sampled at step 1,000")
        state.keys("p")
        #expect(state.message == nil)
    }

    @Test func endlessDataHaveNoSizeAndNoEpochs() {
        var state = DashboardState(size: Size(width: 120, height: 40))
        var run = Script.description()
        run.trainingTokens = Int.max
        run.validationTokens = Int.max
        state.on(.event(.started(run)), .event(.stepped(Script.metrics(1))))
        let facts = RunPanel.lines(state, width: 60).map { $0.map(\.0).joined() }
        #expect(facts.contains("tokens     endless"))
        #expect(facts.contains("seen       3.07k tokens"))
        run.trainingTokens = 30_720
        state.on(.event(.started(run)))
        #expect(
            RunPanel.lines(state, width: 60).map { $0.map(\.0).joined() }.contains(
                "seen       3.07k tokens, 0.10 epochs"))
    }
}
