import Core
import Testing

@testable import Dashboard

extension Script {
    /// What the engine tells of a measurement, up to one of its trials or its end.
    static func measure(_ state: inout DashboardState, upTo done: Int? = nil) {
        let linears = description().model.linears.filter { $0.layer != nil }
        let total = 2 * linears.count
        func progress(_ done: Int) -> DashboardInput {
            .event(
                .sensitivityProgress(
                    SensitivityProgress(
                        kind: done == 0 ? .began : .tried, step: 70 + done, done: done, total: total,
                        seconds: 0.5 * Double(done))))
        }
        for trial in 0...(done ?? total) { state.on(progress(trial)) }
        guard done == nil else { return }
        let modules = [Precision.fp4, .fp8].flatMap { precision in
            linears.enumerated().map { index, path in
                let error = (precision == .fp4 ? 0.02 : 0.002) * Double(1 + index * 7 % 11)
                return ModuleSensitivity(
                    module: path, precision: precision, lossChange: 0.2 * error * error - 1e-5,
                    gradientError: 3 * error,
                    wholeGradientError: error)
            }
        }
        state.on(
            .event(
                .sensitivityMeasured(
                    SensitivityMap(recipe: "zhou2025", loss: 2, step: 70, tokens: 3072, modules: modules))))
    }

    /// Two phases and the target precision.
    static func schedule(_ state: inout DashboardState) {
        var schedule = PrecisionSchedule()
        schedule.phases = ["step 1000: layers.0.* bf16", "50%: mlp.* backward fp8"].compactMap {
            try? PrecisionPhase(parsing: $0)
        }
        schedule.targetFraction = 0.075
        state.on(.event(.scheduleChanged(step: 900, text: "schedule add 50%: mlp.* backward fp8", to: schedule)))
    }
}

@Suite struct SensitivityViewTests {
    private static func text(_ state: DashboardState) -> String {
        let frame = state.frame()
        return (0..<frame.size.height).map { frame.text(row: $0) }.joined(separator: "\n")
    }

    private static func inspector(_ state: DashboardState) -> String {
        InspectorPanel.lines(state, width: 90, height: 60).map { $0.map(\.0).joined() }.joined(separator: "\n")
    }

    private static func expect(_ parts: [String], in text: String) {
        for part in parts { #expect(text.contains(part), "\(part) is missing in\n\(text)") }
    }

    @Test func theKeyMeasuresAndCancels() {
        var state = Script.map()
        #expect(state.keys("S") == [.send(.measureSensitivity([.fp4, .fp8]))])
        #expect(state.map.view == .sensitivity)
        Self.expect(["not measured yet"], in: Self.text(state))
        #expect(state.message?.text.hasPrefix("measuring the sensitivity") == true)
        Script.measure(&state, upTo: 18)
        Self.expect(
            [
                "measuring sensitivity: 18/72, 0:00:27 left - S in the map or :sensitivity off cancels",
                "sensitivity 18/72",
            ],
            in: Self.text(state))
        #expect(state.keys("S") == [.send(.cancelSensitivity)])
        state.on(
            .event(
                .sensitivityProgress(
                    SensitivityProgress(kind: .cancelled, step: 90, done: 18, total: 72, seconds: 9))))
        #expect(state.map.measuring == nil)
        #expect(state.keys("S") == [.send(.measureSensitivity([.fp4, .fp8]))])
    }

    @Test func theMapTheInspectorAndTheEventsShowIt() {
        var state = Script.map(.zhou2025, Size(width: 200, height: 60))
        state.keys("S")
        Script.measure(&state)
        #expect(state.map.measuring == nil)
        // ε = 0.02 in the first module, and L·ε²/2 = 0.4e-3 for a loss of 2.
        #expect(state.map.records[InspectorTests.path]?.sensitivity?.damage == 2 * 0.02 * 0.02 / 2)
        Self.expect(
            [
                "predicted damage of fp4", "at step 70", ".400 40.0 25.6", "SENS fp4 does most in",
            ], in: Self.text(state))
        Self.expect(
            [
                "alone in low precision at step 70, 1e-3 nats:", "fp4  damage .400 loss +.070 dW 6% all 2%",
                "fp8  damage .004 loss -.01 dW .6% all .2%",
            ], in: Self.inspector(state))
        let entry = state.events.entries.last
        #expect(entry?.kind == .sensitivity && entry?.module != nil && entry?.step == 70)
        // A recipe with other formats makes it a thing of the past.
        let change = PrecisionChange(
            id: 1, step: 80, cause: .recipe, text: "recipe nvfp4", modules: [], lossBefore: 2)
        state.on(.event(.precisionChanged(change)))
        Self.expect(["~ before the last change of precision", "damage ~.400"], in: Self.inspector(state))
        Self.expect([".400~40.0~", "~ before the last change of precision"], in: Self.text(state))
    }

    @Test func whatWasMeasuredInOtherFormatsIsMarked() {
        var state = InspectorTests.state(Size(width: 200, height: 60))
        let before = Self.inspector(state)
        #expect(!before.contains("~") && before.contains("codes at step 65"))
        state.on(Script.change("prec layers.0.attn.q bf16", ["layers.0.attn.q": LinearFormats(.bf16)]))
        state.message = nil
        Self.expect(
            [
                "measured ~120%", "gradient norm ~0.0123", "forward ~1.25 ms", "backward ~2.5 ms",
                "gradient error ~61%",
                "rho ~1.64", "flip rate ~1.2%", "~ before the last change of precision",
            ], in: Self.inspector(state))
        // Codes of a format that is gone are not shown at all.
        #expect(!Self.inspector(state).contains("codes at step 65") && !Self.inspector(state).contains("! rho"))
        state.map.view = .gradientNorm
        Self.expect([".012~"], in: Self.text(state))
        state.map.view = .relativeTime
        Self.expect(["1.20~"], in: Self.text(state))
        // The next report and the next probe are about the new formats.
        state.on(
            .event(
                .quantized(
                    HealthReport(
                        step: 80, gemms: [],
                        modules: [
                            HealthReport.Module(
                                path: InspectorTests.path, gradientNorm: 0.5, forwardMilliseconds: 1,
                                backwardMilliseconds: 1)
                        ]))))
        state.map.view = .gradientNorm
        #expect(!Self.text(state).contains(".500~"))
        #expect(!Self.inspector(state).contains("norm ~") && Self.inspector(state).contains("measured ~120%"))
        let probe = ProbeReport.Module(
            path: InspectorTests.path, gradientError: 0, rho: nil, milliseconds: 1, referenceMilliseconds: 1)
        state.on(
            .event(
                .probed(
                    ProbeReport(
                        step: 90, loss: 2, referenceLoss: 2, gradientError: 0, modules: [probe], attention: []))))
        #expect(!Self.inspector(state).contains("~"))
    }

    /// One probe beside other work on the machine does not decide; after a change all begins anew.
    @Test func measuredCostIsTheMedianOfProbes() {
        var state = Script.map()
        let (path, other) = (InspectorTests.path, ModulePath("layers.1.mlp.up"))
        func probe(_ step: Int, _ milliseconds: Double) {
            let modules = [path, other].map {
                ProbeReport.Module(
                    path: $0, gradientError: 0, rho: nil, milliseconds: milliseconds, referenceMilliseconds: 2)
            }
            state.on(
                .event(
                    .probed(
                        ProbeReport(
                            step: step, loss: 2, referenceLoss: 2, gradientError: 0, modules: modules, attention: []))))
        }
        state.on(
            Script.change(
                "prec * bf16", [path.description: LinearFormats(.bf16), other.description: LinearFormats(.bf16)]))
        for (step, (time, median)) in zip([1.0, 9, 3, 1, 1, 4, 4, 4], [1.0, 1, 3, 1, 1, 3, 3, 4]).enumerated() {
            probe(100 + step, time)
            #expect(state.map.measuredCost == median / 2 && state.map.records[path]?.relativeTime == median / 2)
        }
        state.on(Script.change("prec layers.0.attn.q fp8", [path.description: LinearFormats(.fp8)]))
        #expect(state.map.measuredCost == nil && state.map.records[path]?.relativeTime == 2)
        probe(200, 1)
        #expect(state.map.records[path]?.relativeTime == 0.5 && state.map.records[other]?.relativeTime == 0.5)
        #expect(state.map.measuredCost == 0.5)
        state.on(.event(.moduleClippingChanged(step: 200, from: GradientClipping(), to: GradientClipping())))
        #expect(state.map.measuredCost == nil)
        probe(210, 6)
        #expect(state.map.measuredCost == 3)
    }

    /// Flip rates come with the probes that are due, and stay until the next of them.
    @Test func aProbeOnRequestKeepsTheFlipRate() {
        var state = Script.map()
        func probe(_ step: Int, flips: Double?) {
            var module = ProbeReport.Module(path: InspectorTests.path, gradientError: 0.1, rho: 3, flipRate: flips)
            if flips != nil { (module.oscillation, module.oscillating, module.oscillationSteps) = (2, 0.1, 30) }
            state.on(
                .event(
                    .probed(
                        ProbeReport(
                            step: step, loss: 2, referenceLoss: 2, gradientError: 0.1, modules: [module], attention: [])
                    )))
        }
        probe(250, flips: 0.25)
        probe(260, flips: nil)
        let kept = state.map.records[InspectorTests.path]?.probe
        #expect(kept?.step == 260 && kept?.module.flipRate == 0.25 && kept?.module.oscillationSteps == 30)
        state.on(Script.change("prec layers.0.attn.q bf16", ["layers.0.attn.q": LinearFormats(.bf16)]))
        probe(270, flips: nil)
        #expect(state.map.records[InspectorTests.path]?.probe?.module.flipRate == nil)
    }

    @Test func nobodyIsToldToProbeWhoCannot() {
        var state = Script.map()
        state.map.view = .gradientError
        #expect(Self.text(state).contains("not measured yet"))
        state.refusal = "this is read-only"
        #expect(!Self.text(state).contains("not measured yet") && Self.text(state).contains("not measured"))
    }

    @Test func aProbeOnRequestIsAnswered() {
        var state = Script.map()
        state.map.view = .gradientError
        let hint = "not measured yet"
        #expect(Self.text(state).contains(hint))
        state.keys(":")
        state.type("probe")
        #expect(state.keys(.enter) == [.send(.probe)])
        #expect(state.message?.text == "probing")
        let modules = [("layers.0.attn.q", 0.02), ("layers.1.mlp.up", 0.31)].map {
            ProbeReport.Module(path: ModulePath($0.0), gradientError: $0.1, rho: nil)
        }
        state.on(
            .event(
                .probed(
                    ProbeReport(
                        step: 1234, loss: 2, referenceLoss: 2, gradientError: 0.125, modules: modules, attention: []))))
        let text = "gradients are 13 % off BF16's; most layers.1.mlp.up, 31 %"
        #expect(state.message?.text == "at step 1,234 \(text)")
        #expect(state.events[0].text == text)
        #expect(state.events[0].module == modules[1].path)
        #expect(!Self.text(state).contains(hint))
    }

    @Test func theInspectorAsksAgainForCodesAfterAChange() {
        var state = Script.map()
        state.keys("5")
        #expect(state.on(.tick(111)) == [.send(.inspect(InspectorTests.path))])
        #expect(state.on(.tick(112)) == [])
        state.on(Script.change("prec layers.0.attn.q bf16", ["layers.0.attn.q": LinearFormats(.bf16)]))
        #expect(state.on(.tick(113)) == [.send(.inspect(InspectorTests.path))])
    }

    // MARK: Schedule

    @Test func theScheduleIsShownAndChanged() {
        var state = DashboardState.running(Size(width: 120, height: 40))
        func run(_ line: String) -> [DashboardEffect] {
            state.keys(":")
            state.type(line)
            return state.keys(.enter)
        }
        #expect(run("schedule") == [])
        #expect(state.message?.text == "schedule: no phases")
        #expect(run("schedule drop 1") == [.send(.editSchedule(.drop(1)))])
        #expect(run("schedule drop x") == [])
        #expect(state.message?.isError == true)
        #expect(run("schedule add 50%: layers.9.* fp8") == [])
        #expect(state.message?.text.hasPrefix("no module matches \"layers.9.*\"") == true)
        Script.schedule(&state)
        #expect(
            state.message?.text
                == "schedule: step 1000: layers.0.* bf16 | 50%: mlp.* backward fp8 | bf16 for the last 7.5%")
        #expect(state.events.entries.last?.text.hasPrefix("schedule add 50%: mlp.* backward fp8: step 1000") == true)
        #expect(run("schedule") == [])
        #expect(state.focus == .run)
        state.keys("z")
        Self.expect(
            [
                "since step 1,000: phase 1: layers.0.* bf16", "from step 2,500: phase 2: mlp.* backward fp8",
                "from step 4,625: bf16 for the last 7.5%",
            ], in: Self.text(state))
    }

    // MARK: Completion

    private static func line(_ state: DashboardState) -> String? {
        if case .commandLine(let line) = state.overlay { line.text } else { nil }
    }

    @Test func tabListsWhatFitsAndThenTakesOneAfterTheOther() {
        var state = DashboardState.running(Size(width: 80, height: 24))
        state.keys(":")
        state.type("re")
        state.keys(.tab)
        #expect(Self.line(state) == "re")
        Self.expect(["recipe", "resume"], in: (18...21).map { state.frame().text(row: $0) }.joined(separator: "\n"))
        state.keys(.tab)
        #expect(Self.line(state) == "recipe ")
        state.keys(.tab)
        #expect(Self.line(state) == "resume")
        #expect(state.frame().text(row: 21).contains(">resume"))
        state.keys(.tab)
        #expect(Self.line(state) == "recipe ")
        state.keys(.backTab)
        #expect(Self.line(state) == "resume")
        // Any other key closes the list.
        state.keys(.left)
        #expect(!state.frame().text(row: 21).contains(">resume"))
        state.keys(.control("u"))
        state.type("recipe nv")
        state.keys(.tab, .tab)
        #expect(Self.line(state)?.hasPrefix("recipe nv") == true)
    }

    @Test func longListsHavePages() {
        var state = DashboardState.running(Size(width: 60, height: 15))
        state.keys(":")
        state.type("inspect layers.")
        state.keys(.tab)
        Self.expect(["of 36"], in: Self.text(state))
        for _ in 0..<36 { state.keys(.tab) }
        #expect(Self.line(state) == "inspect layers.5.mlp.down")
        Self.expect([">layers.5.mlp.down"], in: Self.text(state))
        for width in 40...90 {
            for height in [10, 11, 14, 24] {
                state.on(.resize(Size(width: width, height: height)))
                #expect(Self.text(state).contains(">layers.5.mlp.down"))
            }
        }
    }

    @Test func argumentsOfTheNewCommandsAreCompleted() {
        func completed(_ text: String) -> String? {
            var state = DashboardState.running(steps: 1)
            state.keys(":")
            state.type(text)
            state.keys(.tab)
            return Self.line(state)
        }
        #expect(completed("sens") == "sensitivity ")
        #expect(completed("sensitivity o") == "sensitivity off")
        #expect(completed("schedule ta") == "schedule target ")
        #expect(completed("schedule target 5% b") == "schedule target 5% bf16")
        #expect(completed("schedule target 5% bf16 fo") == "schedule target 5% bf16 forward")
        #expect(completed("schedule add step 9: layers.3.mlp.d") == "schedule add step 9: layers.3.mlp.down")
        #expect(completed("fork rec") == "fork recipe ")
        #expect(completed("fork recipe tet") == "fork recipe tetrajet")
        #expect(completed("fork prec layers.3.mlp.d") == "fork prec layers.3.mlp.down")
        #expect(completed("inspect lm") == "inspect lm_head")
    }
}
