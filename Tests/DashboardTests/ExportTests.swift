import Core
import Testing

@testable import Dashboard

@Suite struct ExportTests {
    private static func state(formats: [String] = ["tensorboard", "csv"]) -> DashboardState {
        var state = DashboardState(size: Size(width: 120, height: 40), exportFormats: formats)
        state.on(.tick(100), .event(.started(Script.description())))
        return state
    }

    private static func run(_ state: inout DashboardState, _ line: String) -> [DashboardEffect] {
        state.keys(":")
        state.type(line)
        return state.keys(.enter)
    }

    @Test func aRecordedRunIsExported() {
        var state = Self.state()
        #expect(Self.run(&state, "export csv my run.csv") == [.export(format: "csv", path: "my run.csv")])
        #expect(state.message?.text == "exporting my run.csv")
        #expect(Self.run(&state, "export stop") == [.stopExport])
    }

    @Test(arguments: [
        ("export", "export needs a format and a path, as in export csv run.csv"),
        ("export csv", "export needs a format and a path, as in export csv run.csv"),
        ("export xls run.xls", "unknown format xls, try tensorboard, csv"),
    ])
    func whatIsWrongIsTold(_ item: (line: String, message: String)) {
        var state = Self.state()
        #expect(Self.run(&state, item.line) == [])
        #expect(state.message?.text == item.message)
        #expect(state.message?.isError == true)
    }

    @Test func aRunThatIsNotRecordedIsRefused() {
        var state = Self.state(formats: [])
        #expect(Self.run(&state, "export csv run.csv") == [])
        #expect(state.message?.text == "nothing is recorded of this run (--no-record): there is nothing to export")
    }

    @Test func formatsAreCompleted() {
        let formats = ["tensorboard", "csv", "markdown"]
        #expect(Command.completions("exp", themes: []) == ["export "])
        #expect(Command.completions("exp", themes: [], isReplay: true) == ["export "])
        #expect(
            Command.completions("export ", themes: [], exports: formats) == [
                "export tensorboard ", "export csv ", "export markdown ", "export stop",
            ])
        #expect(Command.completions("export c", themes: [], exports: formats) == ["export csv "])
        #expect(Command.list(isReplay: true).contains { $0.name == "export" })
    }

    // MARK: How far long work is

    @Test func progressIsShownUntilTheOutcome() {
        var state = Self.state()
        _ = Self.run(&state, "export csv run.csv")
        state.on(.progress("exporting run.csv", share: 0.256, remaining: 61))
        #expect(state.message?.text == "exporting run.csv 25 %, 0:01:01 left")
        state.on(.progress("exporting run.csv", share: 0.5, remaining: nil))
        #expect(state.message?.text == "exporting run.csv 50 %")
        // What is to be read stays.
        state.on(.notice("a disk is full", isError: true))
        state.on(.progress("exporting run.csv", share: 0.6, remaining: nil))
        #expect(state.message?.text == "a disk is full")
    }

    @Test func anEvaluationThatTakesLongIsNotStale() {
        var state = DashboardState.running(steps: 20)
        let start = 100 + 20 * 0.25
        func work(_ done: Int, _ seconds: Double) -> DashboardInput {
            .event(.working(WorkProgress(kind: .evaluating, step: 20, done: done, total: 100, seconds: seconds)))
        }
        state.message = nil
        state.on(.tick(start + 30))
        #expect(state.staleSeconds != nil)
        state.on(work(25, 30))
        #expect(state.staleSeconds == nil)
        #expect(state.message?.text == "evaluating 25 %, 0:01:30 left")
        state.on(.tick(start + 33), work(50, 33))
        #expect(state.message?.text == "evaluating 50 %, 0:00:33 left")
        state.on(.event(.evaluated(Evaluation(step: 20, validationLoss: 2.5))))
        #expect(state.message?.text == "validation 2.5000 at step 20")
    }
}
