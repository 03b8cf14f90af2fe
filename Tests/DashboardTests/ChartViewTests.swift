import Core
import Testing

@testable import Dashboard

@Suite struct ChartViewTests {
    private func range(_ state: DashboardState) -> ClosedRange<Int> { state.view.range(in: state.recordedSteps) }

    private func text(_ state: DashboardState) -> String {
        let frame = state.frame()
        return (0..<frame.size.height).map { frame.text(row: $0) }.joined(separator: "\n")
    }

    @Test func panningStopsFollowing() {
        var state = DashboardState.running(steps: 3000)
        state.keys("f")
        #expect(range(state) == 2001...3000)
        state.keys("h")
        #expect(range(state) == 1876...2875)
        state.on(.event(.stepped(Script.metrics(3001))))
        #expect(range(state) == 1876...2875)
        state.keys("H", "H", "H", "H")
        #expect(range(state) == 0...999)
        state.keys("L")
        #expect(range(state) == 1000...1999)
        state.keys("G")
        #expect(range(state) == 2002...3001)
        state.on(.event(.stepped(Script.metrics(3002))))
        #expect(range(state) == 2003...3002)
        state.keys("h", "f")
        #expect(range(state) == 2003...3002)
        state.keys("h", "0")
        #expect(range(state) == 0...3002)
    }

    @Test func zoomKeepsItsPlace() {
        var state = DashboardState.running(steps: 3000)
        state.keys("f", "h", "h", "+")
        #expect(range(state) == 2001...2500)
        state.keys("i", "g", "l", "+")
        let crosshair = state.view.crosshair
        #expect(crosshair.map { step in range(state).contains(step) } == true)
        #expect(range(state).upperBound - range(state).lowerBound + 1 == 200)
    }

    @Test func crosshairStaysInView() {
        var state = DashboardState.running(steps: 3000)
        state.keys("f", "+", "+", "i")
        #expect(range(state) == 2801...3000)
        #expect(state.view.crosshair == 3000)
        for step in 3001...3050 { state.on(.event(.stepped(Script.metrics(step)))) }
        #expect(range(state) == 2801...3000)
        for _ in 0..<30 {
            state.keys("H")
            #expect(state.view.crosshair.map { range(state).contains($0) } == true)
        }
        #expect(state.view.crosshair == 2400)
        #expect(text(state).contains("step 2,400"))
        state.keys(.escape)
        #expect(state.view.crosshair == nil)
        // It followed before the crosshair came.
        #expect(range(state) == 2851...3050)
    }

    @Test func crosshairShowsTheValuesOfItsStep() {
        var state = DashboardState.running(Size(width: 200, height: 60), steps: 900)
        state.view.show(step: 700, in: state.recordedSteps)
        let values = ChartPanels.values(state, at: 700)
        let metrics = Script.metrics(700)
        #expect(values.first { $0.name == "loss" }?.text == NumberText.significant(Double(metrics.loss)))
        #expect(values.first { $0.name == "norm" }?.text == NumberText.significant(Double(metrics.gradientNorm)))
        #expect(values.first { $0.name == "lr" }?.text == "1.0e-03")
        #expect(values.contains { $0.name == "val@500" })
        #expect(text(state).contains("step 700"))
        #expect(state.keys("Y").first == .copy(values.map { "\($0.name) \($0.text)" }.joined(separator: " ")))
    }

    /// What is only known in groups of steps is told as a group.
    @Test func oldStepsAreGroups() {
        var series = Series(capacity: 4)
        for step in 1...64 { series.append(step: step, value: Float(step)) }
        #expect(series.value(at: 64)?.steps == 64...64)
        let old = series.value(at: 3)
        #expect(old.map { $0.steps.contains(3) && $0.steps.count > 1 && $0.bucket.count == $0.steps.count } == true)
        #expect(series.value(at: 65) == nil)
        #expect(series.value(at: 0) == nil)
        var sparse = Series()
        for step in [10, 500] { sparse.append(step: step, value: Float(step)) }
        #expect(sparse.latest(upTo: 499)?.bucket.maximum == 10)
        #expect(sparse.latest(upTo: 500)?.bucket.maximum == 500)
        #expect(sparse.latest(upTo: 9) == nil)
    }

    @Test func axesCountStepsTokensAndTime() {
        var state = DashboardState.running(Size(width: 120, height: 40), steps: 1000)
        #expect(text(state).contains("400"))
        state.keys("x")
        #expect(state.view.axis == .tokens)
        #expect(text(state).contains("1M") && text(state).contains("tokens"))
        state.keys("x")
        #expect(text(state).contains("1m") && text(state).contains("2m"))
        state.keys("x")
        #expect(state.view.axis == .steps)
        // 0.25 s a step: step 480 is at 2 minutes.
        let labels = StepAxis.Unit.time(state.times).labels(0...1000, width: 101)
        let two = labels.first { $0.label == "2m" }
        #expect(two.map { abs($0.value - 0.48) <= 0.011 } == true)
        let tokens = StepAxis.Unit.tokens(perStep: 1000).labels(0...1000, width: 60)
        #expect(tokens.last == Tick(value: 1, label: "1M"))
        #expect(StepAxis.Unit.tokens(perStep: 3072).labels(0...(1 << 53), width: 60).isEmpty == false)
    }

    @Test func outliersAreCutAndCounted() {
        var series = Series()
        for step in 0..<400 { series.append(step: step, value: step == 200 ? 1000 : 2 + Float(step % 7) / 10) }
        for glyphs in GlyphSet.allCases {
            var tops: [Bool] = []
            for ignores in [false, true] {
                var frame = Frame(size: Size(width: 60, height: 12))
                var chart = Chart(
                    range: 0...399, isLogarithmic: false, glyphs: glyphs,
                    curves: [Chart.Curve(series: series, form: .span, layer: .init(style: .text))])
                chart.ignoresOutliers = ignores
                chart.draw(into: &frame, at: frame.bounds)
                tops.append((0..<12).contains { frame.text(row: $0).contains("1000") })
                #expect(chart.cutColumns == (ignores ? 1 : 0))
            }
            #expect(tops == [true, false])
        }
    }

    @Test func outlierKeyCountsInTheTitle() {
        var state = DashboardState.running(Size(width: 120, height: 40), steps: 1000)
        state.keys("o")
        #expect(state.frame().text(row: 1).contains(" cut "))
    }

    @Test func marksCollapseToTheMostImportant() {
        var marks = ChartMarks()
        for kind in ChartMarks.Kind.allCases { marks.add(kind, step: 500) }
        marks.add(.saved, step: 900)
        let columns = marks.columns(0...1000, count: 11)
        #expect(columns == [5: .spike, 9: .saved])
        for step in 0..<5000 { marks.add(.precision, step: step) }
        #expect(marks.steps(of: .precision).count <= ChartMarks.longest)
        #expect(marks.steps(of: .precision).last == 4999)
    }

    @Test func marksStandOnTheCurve() {
        for glyphs in GlyphSet.allCases {
            var state = DashboardState.running(Size(width: 120, height: 40), glyphs: glyphs, steps: 1000)
            let change = PrecisionChange(
                id: 1, step: 300, cause: .phase("last"), text: "phase last", modules: [], lossBefore: 2)
            state.on(
                .event(.precisionChanged(change)), .event(.saved(step: 500, path: "m")),
                .event(.forkChanged(ForkChange(kind: .began, step: 900, text: "recipe nvfp4"))))
            let rows = (1..<12).map { state.frame().text(row: $0).prefix(66) }
            let marked = rows.first { $0.contains("F") && $0.contains("S") && $0.contains("C") && $0.contains("B") }
            #expect(marked != nil, "\(rows.joined(separator: "\n"))")
        }
    }

    @Test func forkIsComparedFromWhereItLeft() throws {
        var state = DashboardState.running(Size(width: 160, height: 50), steps: 400)
        state.on(.event(.forkChanged(ForkChange(kind: .began, step: 400, text: "recipe nvfp4"))))
        for step in 401...500 {
            state.on(.event(.stepped(Script.metrics(step))))
            state.on(.event(.forkStepped(step: step, loss: Script.metrics(step).loss - 0.5)))
        }
        // The averages begin together, and come near the difference of the losses.
        let difference = try #require(ChartPanels.forkDifference(state))
        #expect(difference < -0.4 && difference > -0.5)
        #expect(text(state).contains("fork -0.4"))
        #expect(state.frame().cells.contains { $0.style.role == .comparison })
        state.on(.event(.forkChanged(ForkChange(kind: .swapped, step: 500, text: "recipe nvfp4"))))
        #expect(text(state).contains("former run"))
        state.on(.event(.forkChanged(ForkChange(kind: .dropped, step: 500, text: "recipe nvfp4"))))
        #expect(text(state).contains("fork (dropped)"))
        state.on(.event(.forkChanged(ForkChange(kind: .began, step: 500, text: "recipe fp8"))))
        #expect(state.fork.lastStep == nil)
    }

    private func report(_ norms: [Double], step: Int) -> HealthReport {
        HealthReport(
            step: step, gemms: [],
            modules: norms.enumerated().map {
                HealthReport.Module(
                    path: .layer($0, "mlp.up"), gradientNorm: $1, forwardMilliseconds: 1, backwardMilliseconds: 2)
            })
    }

    @Test func theLargestModuleIsNamedWithItsShareOfTheWhole() {
        var state = DashboardState.running(Size(width: 160, height: 50), steps: 10)
        var metrics = Script.metrics(11)
        metrics.gradientNorm = 10
        state.on(.event(.stepped(metrics)), .event(.quantized(report([5, 1, .nan, 2], step: 11))))
        #expect(state.moduleGradients.rows.map(\.path.layer) == [2, 0, 3, 1])
        state.on(.event(.quantized(report([5, 1, 2], step: 11))))
        #expect(text(state).contains("largest layers.0.mlp.up 25 %"))
        #expect(state.moduleGradients.otherShare == 0.7)
        let clipped = ClippedGradient(
            module: .layer(1, "mlp.up"), fraction: 0.02, normBefore: 3, normClipped: 2, normAfter: 2)
        state.on(.event(.gradientsClipped(step: 11, modules: [clipped])))
        state.keys("m")
        #expect(state.focus == .gradientNorm)
        let shown = text(state)
        #expect(shown.contains("2.0 % @11") && shown.contains("all others") && shown.contains("70 %"))
        state.keys("m")
        #expect(!state.view.showsModules)
    }

    @Test func theListOfModulesScrolls() {
        var state = DashboardState.running(Size(width: 80, height: 24), glyphs: .ascii, steps: 11)
        state.on(.event(.quantized(report((1...48).map(Double.init), step: 11))))
        state.keys("m")
        #expect(text(state).contains("47.mlp.up") && !text(state).contains("10.mlp.up"))
        for _ in 0..<20 { state.keys(.pageDown) }
        #expect(
            text(state).contains(" 0.mlp.up") && text(state).contains("all others")
                && !text(state).contains("47.mlp.up")
        )
        for _ in 0..<20 { state.keys(.pageUp) }
        #expect(text(state).contains("47.mlp.up"))
    }

    @Test func keysOfTheChartsWorkFromEveryPanel() {
        for panel in Panel.allCases {
            var state = DashboardState.running(steps: 1040)
            state.focus = panel
            state.keys("+", "e", "y")
            #expect(state.view.window == 1000)
            #expect(state.view.smoothing == 5)
            state.keys("0", "E", "f", "-")
            #expect(state.view.window == nil)
        }
    }

    /// A run of a million steps takes the memory of a pyramid, whatever is recorded of it.
    @Test func aMillionStepsTakeBoundedMemory() {
        var state = DashboardState(size: Size(width: 200, height: 60))
        state.on(.event(.started(Script.description(steps: 1_000_000))))
        for step in 1...10_000 { state.on(.event(.stepped(Script.metrics(step * 100)))) }
        for series in [state.loss, state.clippedNorm, state.learningRates, state.times, state.average.series[4]] {
            #expect(series.lastStep == 1_000_000)
            #expect(series.bucketCount <= 4096 * 10)
        }
        #expect(state.events.entries.count <= EventLog.longest)
        #expect(state.marks.steps(of: .spike).count <= ChartMarks.longest)
        #expect(state.frame().text(row: 0).contains("step 1,000,000/1,000,000"))
    }
}
