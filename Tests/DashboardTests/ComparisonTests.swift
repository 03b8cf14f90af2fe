import Core
import Testing

@testable import Dashboard

@Suite struct ComparisonTests {
    static func run(_ name: String, steps: Int, above: Float = 0.25) -> ComparedRun {
        ComparedRun(
            name: name, steps: (1..<(steps + 1)).map { ($0, Script.metrics($0).loss + above) },
            evaluations: stride(from: 250, through: steps, by: 250).map {
                Evaluation(step: $0, validationLoss: 1.55 + above + 4.5 * 120 / (120 + Float($0)))
            })
    }

    static func text(_ state: DashboardState) -> String {
        let frame = state.frame()
        return (0..<frame.size.height).map { frame.text(row: $0) }.joined(separator: "\n")
    }

    @Test func theCommandAsksAndTheAnswerIsDrawn() {
        var state = DashboardState.running(Size(width: 120, height: 40))
        let before = Self.text(state)
        state.keys(":")
        state.type("compare bf16")
        #expect(state.keys(.enter) == [.loadComparison("bf16")])
        #expect(state.message?.text == "reading bf16")
        state.on(.comparison(Self.run("bf16", steps: 5000)))
        #expect(state.message?.text == "compared with bf16, 5,000 steps: compare off takes it away")
        #expect(Self.text(state).contains("bf16 +0.2500"))
        state.keys(":")
        state.type("compare off")
        #expect(state.keys(.enter) == [])
        state.message = nil
        #expect(Self.text(state) == before)
    }

    @Test func theDifferenceIsThatOfTheLastCommonStep() throws {
        var state = DashboardState.running()
        let short = Self.run("short", steps: 600)
        let found = try #require(state.difference(of: short))
        #expect(found.step == 600)
        #expect(abs(found.difference - 0.25) < 1e-3)
        state.on(.comparison(short))
        #expect(Self.text(state).contains("+0.2500@600"))
        // Without smoothing, of the losses.
        state.keys("E", "E", "E", "E")
        #expect(state.difference(of: Self.run("low", steps: 5000, above: -0.5))?.step == 1040)
        #expect(abs((state.difference(of: short)?.difference ?? 0) - 0.25) < 1e-4)
        #expect(DashboardState.running(steps: 0).difference(of: short) == nil)
    }

    @Test func theCrosshairShowsBoth() {
        var state = DashboardState.running(Size(width: 200, height: 60))
        state.on(.comparison(Self.run("bf16", steps: 1000)))
        state.keys("i", "H", "H")
        let step = state.view.crosshair ?? 0
        #expect(step < 1000)
        #expect(Self.text(state).contains("(+0.2500)"))
        #expect(ChartPanels.values(state, at: step).contains { $0.name == "bf16" })
        #expect(!ChartPanels.values(state, at: 1020).contains { $0.name == "bf16" })
    }

    @Test func threeRunsAtMostAndEachOnce() {
        var state = DashboardState.running(steps: 10)
        for name in ["a", "b", "c", "b"] { state.on(.comparison(Self.run(name, steps: 10))) }
        #expect(state.comparisons.map(\.name) == ["a", "b", "c"])
        #expect(state.message?.isError == false)
        state.on(.comparison(Self.run("d", steps: 10)))
        #expect(state.comparisons.map(\.name) == ["a", "b", "c"])
        #expect(state.message?.text == "3 runs are compared already: compare off takes them away")
    }

    @Test func runsAreCompleted() {
        #expect(
            Command.completions("compare b", themes: [], runs: ["baby", "bf16", "other"]) == [
                "compare baby", "compare bf16",
            ])
        #expect(Command.completions("compare o", themes: [], runs: ["other"]) == ["compare other", "compare off"])
        #expect(Command.completions("comp", themes: []) == ["compare "])
    }

    /// Whatever a recording holds: steps out of order, values that are none.
    @Test func damagedRunsDoNoHarm() {
        var state = DashboardState.running(Size(width: 120, height: 40))
        state.on(
            .comparison(
                ComparedRun(
                    name: "日本 a name that is much too long for any legend",
                    steps: [(5, .nan), (3, 1), (9, .infinity), (9, 2), (Int.max, 3), (700, 2), (-4, 1)],
                    evaluations: [Evaluation(step: 9, validationLoss: .nan), Evaluation(step: 2, validationLoss: 1)])))
        #expect(state.comparisons[0].loss.lastStep == 700)
        #expect(!Self.text(state).contains("nan"))
        state.on(.comparison(ComparedRun(name: "empty", steps: [], evaluations: [])))
        #expect(Self.text(state).contains("empty"))
    }

    /// The y axis holds the other curve, and seeking in a recording keeps it.
    @Test func aRecordingIsComparedToo() throws {
        var state = try ReplayTests.state(Size(width: 120, height: 40), start: .step(800))
        state.on(.comparison(Self.run("high", steps: 1000, above: 3)))
        state.keys("^", ">")
        #expect(state.comparisons.map(\.name) == ["high"])
        #expect(Self.text(state).contains("high +3.0000"))
    }
}
