import Core
import Testing

@testable import Dashboard

@Suite struct EventsTests {
    private func kinds(_ state: DashboardState) -> [LogEntry.Kind] { state.events.entries.map(\.kind) }

    private func texts(_ state: DashboardState, _ kind: LogEntry.Kind) -> [String] {
        state.events.entries.filter { $0.kind == kind }.map(\.text)
    }

    private func screen(_ state: DashboardState) -> String {
        let frame = state.frame()
        return (0..<frame.size.height).map { frame.text(row: $0) }.joined(separator: "\n")
    }

    /// Events alone on the screen, with many entries.
    private func many(_ count: Int, size: Size = Size(width: 80, height: 24)) -> DashboardState {
        var state = DashboardState(size: size)
        state.on(.event(.started(Script.description())))
        for index in 1..<(count + 1) { state.on(.event(.warning(step: index, message: "number \(index)"))) }
        state.keys("4")
        return state
    }

    // MARK: Spikes

    @Test func aChangeOfManyModulesNamesNone() {
        for count in [1, 2] {
            var state = DashboardState.running(steps: 3)
            let modules = (0..<count).map { layer in
                ModulePrecisionChange(
                    module: .layer(layer, "mlp.up"), from: GEMMPrecisions(.bf16), to: GEMMPrecisions(.fp8),
                    gemms: GEMMKind.allCases, formats: LinearFormats(.fp8))
            }
            let change = PrecisionChange(
                id: 1, step: 3, cause: .command, text: "prec mlp.up fp8", modules: modules, lossBefore: 2)
            let effect = PrecisionEffect(id: 1, step: 4, steps: 1, lossBefore: 2, lossAfter: 1)
            state.on(.event(.precisionChanged(change)), .event(.precisionEffect(effect)))
            let found = state.events.entries.filter { [.precision, .effect].contains($0.kind) }
            #expect(found.count == 2)
            #expect(found.allSatisfy { $0.module == (count == 1 ? .layer(0, "mlp.up") : nil) })
        }
    }

    @Test func aSpikeIsToldOnce() {
        var detector = SpikeDetector()
        var found: [Int] = []
        for step in 1...1040 where detector.add(Script.metrics(step).loss) != nil { found.append(step) }
        #expect(found == [700])
    }

    @Test func noFalseAlarms() {
        var early = SpikeDetector()
        for step in 1...SpikeDetector.warmUp {
            #expect(early.add(step % 10 == 0 ? 50 : 2) == nil)
        }
        var constant = SpikeDetector()
        for step in 1...500 { #expect(constant.add(2 + (step % 50 == 0 ? 0.001 : 0)) == nil) }
        var falling = SpikeDetector()
        for step in 1...2000 {
            // Steeply first, then slowly, with noise of ±0.03.
            let loss = 1.5 + 400 / Float(step + 40) + Float(step * 7919 % 61) / 1000
            #expect(falling.add(loss) == nil, "step \(step)")
        }
        #expect(constant.add(.nan) == nil)
        #expect(constant.add(3) != nil)
        // It stays high: that is the same spike.
        #expect(constant.add(3) == nil)
    }

    @Test func aLastingChangeBecomesTheAverage() {
        var detector = SpikeDetector()
        for step in 1...200 { _ = detector.add(2 + Float(step % 5) / 50) }
        let first = detector.add(4)
        #expect(first.map { $0.loss == 4 && $0.deviations > 4 } == true)
        var others = 0
        for step in 1...1000 where detector.add(4 + Float(step % 5) / 50) != nil { others += 1 }
        #expect(others == 0)
        #expect(detector.add(7) != nil)
    }

    @Test func spikesAreEventsAndMarks() {
        let state = DashboardState.running(steps: 1040)
        #expect(state.marks.steps(of: .spike) == [700])
        let spike = state.events.entries.first { $0.kind == .spike }
        #expect(spike?.step == 700 && spike?.elapsed == 175)
        #expect(spike?.text.contains("sigma above its average") == true)
    }

    // MARK: Health

    private func report(_ step: Int, _ shares: [(layer: Int, saturated: Double, underflowed: Double)]) -> HealthReport {
        HealthReport(
            step: step,
            gemms: shares.map { layer, saturated, underflowed in
                var health = QuantizationHealth()
                health.count = 1000
                health.saturated = Int(saturated * 1000)
                health.underflowed = Int(underflowed * 1000)
                return HealthReport.GEMM(module: .layer(layer, "mlp.up"), gemm: .dgrad, a: health, b: nil)
            })
    }

    @Test func saturationBeginsDoublesAndEnds() {
        var watch = HealthWatch()
        let course = [0.002, 0.012, 0.009, 0.02, 0.03, 0.05, 0.013, 0.008, 0.004, 0.004, 0.02]
        let news = course.enumerated().map { index, share in
            watch.take(report(10 * index, [(3, share, 0)])).map(\.text)
        }
        let module = "layers.3.mlp.up"
        #expect(
            news == [
                [], ["\(module) 1.2 % of gradient (dgrad) saturated"], [], [],
                ["\(module) 3.0 % of gradient (dgrad) saturated, was 1.2 %"], [], [], [],
                ["\(module) over after 70 steps"], [], ["\(module) 2.0 % of gradient (dgrad) saturated"],
            ])
    }

    @Test func manyModulesAreOneEntry() {
        var state = DashboardState.running(steps: 10)
        let ill = (0..<6).map { (layer: $0, saturated: 0.02 + Double($0) / 100, underflowed: 0.0) }
        state.on(.event(.quantized(report(10, ill))))
        #expect(texts(state, .saturation) == ["layers.5.mlp.up 7.0 % of gradient (dgrad) saturated and 5 more"])
        #expect(state.events.entries.last?.module == .layer(5, "mlp.up"))
        state.on(.event(.quantized(report(20, ill.map { ($0.layer, 0, 0.5) }))))
        #expect(texts(state, .saturation).last == "layers.0.mlp.up over after 10 steps and 5 more")
        #expect(texts(state, .underflow) == ["layers.0.mlp.up 50 % of gradient (dgrad) underflowed and 5 more"])
        // Without scales there is nothing left to underflow.
        state.on(.event(.quantized(HealthReport(step: 30, gemms: []))))
        #expect(texts(state, .underflow).last == "layers.0.mlp.up over after 10 steps and 5 more")
    }

    // MARK: Clipping

    private func clipped(_ layer: Int, _ fraction: Double = 0.01) -> ClippedGradient {
        ClippedGradient(
            module: .layer(layer, "mlp.up"), fraction: fraction, normBefore: 3.2, normClipped: 1, normAfter: 1.5)
    }

    @Test func clippingIsSummedUp() {
        var state = DashboardState.running(steps: 1)
        let before = texts(state, .clipping).count
        for step in 2...51 {
            state.on(.event(.gradientsClipped(step: step, modules: [clipped(2), clipped(step % 2 == 0 ? 1 : 3, 0.2)])))
        }
        var found = texts(state, .clipping).dropFirst(before)
        #expect(found == ["layers.2.mlp.up 1.0 % of values, norm 3.2000 to 1.5000 and 2 more, 50 of 50 steps"])
        for step in 52...20_000 { state.on(.event(.gradientsClipped(step: step, modules: [clipped(2)]))) }
        found = texts(state, .clipping).dropFirst(before)
        #expect(found.count < 12)
        // After a rest, the next is told at once.
        state.on(.event(.gradientsClipped(step: 40_000, modules: [clipped(1)])))
        #expect(
            texts(state, .clipping).last == "layers.1.mlp.up 1.0 % of values, norm 3.2000 to 1.5000")
    }

    /// A step in a hundred, again and again, doesn't push out everything else.
    @Test func rareClippingIsSummedUpToo() {
        let state = DashboardState.running(steps: 5000)
        #expect((2...10).contains(texts(state, .clipping).count))
    }

    @Test func clippingByTheGlobalNormIsSummedUp() {
        let state = DashboardState.running(steps: 40)
        let steps = (1...40).filter { Script.metrics($0).isClipped }
        #expect(texts(state, .clipping).count == 1)
        #expect(
            texts(state, .clipping).first?.hasSuffix("\(steps.count) of \(steps.last! - steps[0] + 1) steps") == true)
    }

    // MARK: Precision

    @Test func theEffectNamesItsChange() {
        var state = DashboardState.running(steps: 100)
        let module = ModulePath.layer(3, "mlp.up")
        for (id, cause) in [
            (1, PrecisionChange.Cause.command), (2, .phase("cooldown")), (3, .rule("spike", reason: "loss rose")),
        ] {
            state.on(
                .event(
                    .precisionChanged(
                        PrecisionChange(
                            id: id, step: 100 + id, cause: cause, text: "prec layers.3.mlp.up bf16",
                            modules: [
                                ModulePrecisionChange(
                                    module: module, from: GEMMPrecisions(.fp4), to: GEMMPrecisions(.bf16),
                                    gemms: GEMMKind.allCases, formats: LinearFormats(.bf16))
                            ], lossBefore: 2.1402))))
        }
        #expect(kinds(state).suffix(3) == [.precision, .phase, .rescue])
        #expect(state.marks.steps(of: .precision) == [101])
        #expect(state.marks.steps(of: .phase) == [102])
        #expect(state.marks.steps(of: .spike).last == 103)
        state.on(
            .event(
                .precisionEffect(PrecisionEffect(id: 1, step: 151, steps: 50, lossBefore: 2.1402, lossAfter: 2.1391))))
        let entry = state.events.entries.last
        #expect(entry?.kind == .effect && entry?.module == module && entry?.step == 151)
        #expect(entry?.text == "-0.0011, loss before 2.1402, after 50 steps 2.1391: prec layers.3.mlp.up bf16")
    }

    // MARK: The panel

    @Test func theCursorWalksAndStaysOnItsEntry() {
        var state = many(50)
        #expect(state.events.current?.text == "number 50")
        state.keys("j", "j", .down)
        #expect(state.events.current?.text == "number 47")
        state.on(.event(.warning(step: 51, message: "number 51")))
        #expect(state.events.current?.text == "number 47")
        #expect(screen(state).contains("number 47"))
        state.keys("G")
        #expect(state.events.current?.kind == .start)
        state.keys("k", .pageUp)
        #expect(state.events.current.map { $0.step > 1 } == true)
        state.keys("g")
        state.on(.event(.warning(step: 52, message: "number 52")))
        #expect(state.events.current?.text == "number 52")
    }

    @Test func acknowledging() {
        var state = many(20)
        #expect(state.events.unseenCount == 20)
        #expect(screen(state).contains("20 unseen"))
        state.keys("j", "j", "j", "j", "j", "a")
        #expect(state.events.unseenCount == 5)
        #expect(state.events.entries.filter { !$0.isSeen }.map(\.step) == [16, 17, 18, 19, 20])
        state.on(.event(.evaluated(Evaluation(step: 20, validationLoss: 2))))
        #expect(state.events.unseenCount == 5)
        state.keys("A")
        #expect(state.events.unseenCount == 0)
        #expect(!screen(state).contains("unseen"))
        state.on(.event(.diverged(step: 21, message: "x")))
        #expect(state.events.unseenCount == 1)
        state.keys(.control("a"))
        #expect(state.events.unseenCount == 0)
    }

    @Test func filteringIsLive() {
        var state = many(30)
        state.on(.event(.saved(step: 30, path: "Number.bin")))
        state.keys("/")
        #expect(state.context == .prompt)
        state.type("number 2")
        #expect(state.events.count == 12)
        #expect(screen(state).contains("filter events: number 2"))
        state.type(" -warn")
        #expect(state.events.count == 0)
        #expect(screen(state).contains("no event matches"))
        state.keys(.control("u"))
        state.type("NUMBER -Warn")
        #expect(state.events.count == 1)
        state.keys(.enter)
        #expect(state.context == .dashboard)
        #expect(state.events.current?.kind == .saved)
        #expect(screen(state).contains("/NUMBER -Warn"))
        // New entries pass the filter or don't.
        state.on(.event(.warning(step: 31, message: "number")), .event(.saved(step: 31, path: "number 2")))
        #expect(state.events.count == 2)
        state.keys("/", .escape)
        #expect(state.events.filter.isEmpty)
        #expect(state.events.count == state.events.entries.count)
        state.keys("/")
        state.type("saved")
        state.keys(.enter, .escape)
        #expect(state.events.filter.isEmpty)
    }

    @Test func aPromptSaysWhatItChooses() {
        for (purpose, label) in [
            (PromptPurpose.filterEvents, "filter events: "), (.selectModules, "select modules: "),
        ] {
            var state = many(3)
            state.overlay = .prompt(purpose, CommandLine(text: ""))
            #expect(screen(state).contains(label + " "))
            state.type("mlp")
            state.keys(.home, .delete)
            state.type("M")
            #expect(screen(state).contains(label + "Mlp"))
            #expect(state.frame().cursor == Frame.Cursor(x: 2 + label.count, y: 22))
            state.keys(.control("u"), .delete, .delete, .backspace)
            #expect(state.context == .dashboard)
        }
    }

    @Test func enterJumpsToTheStep() {
        var state = DashboardState.running(Size(width: 120, height: 40), steps: 1040)
        state.keys("f", "+", "+", "4", "/")
        state.type("spike")
        state.keys(.enter, .enter)
        #expect(state.focus == .events)
        #expect(state.view.crosshair == 700)
        #expect(state.view.range(in: state.recordedSteps).contains(700))
        #expect(screen(state).contains("step 700"))
        #expect(state.keys("Y") == [.copy(state.events.current?.line ?? "")])
        #expect(state.events.current?.line.hasPrefix("700 0:02:55 SPIKE loss ") == true)
    }

    @Test func importantEntriesOutliveOthers() {
        var log = EventLog()
        for step in 1...20 { log.append(LogEntry(step: step, kind: .warning, text: "")) }
        for step in 21...5000 { log.append(LogEntry(step: step, kind: .probe, text: "")) }
        #expect(log.entries.count <= EventLog.longest)
        #expect(log.entries.count { $0.kind == .warning } == 20)
        log.perform(.acknowledgeAll, page: 1)
        for step in 5001...10_000 { log.append(LogEntry(step: step, kind: .error, text: "")) }
        #expect(log.entries.count <= EventLog.longest)
        #expect(log.entries.count { $0.kind == .warning } == 0)
        #expect(log.entries.last?.step == 10_000)
        #expect(log.unseenCount == log.entries.count)
    }

    @Test func longTextsAreCutOrWrapped() {
        var state = many(2)
        let words = (0..<30).map { "word\($0)" }.joined(separator: " ")
        state.on(.event(.warning(step: 3, message: words)))
        state.message = nil
        #expect(!screen(state).contains("word29"))
        #expect(screen(state).contains("…"))
        state.keys("z")
        let shown = screen(state)
        #expect((0..<30).allSatisfy { shown.contains("word\($0)") })
        #expect(shown.contains("number 1"))
    }

    @Test func everyEntryCanBeReachedAtEverySize() {
        for size in [Size(width: 40, height: 10), Size(width: 80, height: 24), Size(width: 200, height: 60)] {
            for isFull in [false, true] {
                var state = many(60, size: size)
                state.message = nil
                if isFull { state.keys("z") }
                for number in stride(from: 60, through: 1, by: -1) {
                    let frame = state.frame()
                    let isShown = (1..<size.height).contains { y in
                        let row = frame.text(row: y)
                        return row.contains(">") && row.contains("number \(number)")
                            && !row.contains("number \(number)0")
                    }
                    #expect(isShown, "\(number) at \(size)")
                    state.keys(.down)
                }
            }
        }
    }
}
