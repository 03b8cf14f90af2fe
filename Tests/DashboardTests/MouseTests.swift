import Core
import Testing

@testable import Dashboard

@Suite struct MouseTests {
    private static func running(_ size: Size = Size(width: 120, height: 40)) -> DashboardState {
        var state = Script.map(.zhou2025, size)
        for step in 1...50 { state.on(.event(.stepped(Script.metrics(step)))) }
        for index in 0..<40 {
            state.on(
                .event(.learningRateChanged(step: 50, from: 1, to: Double(index + 1))),
                .standardError("line \(index)"))
        }
        state.keys("1", .control("t"))
        return state
    }

    private static func area(_ panel: Panel, _ state: DashboardState) throws -> Rectangle {
        let layout = Layout(size: state.size, focus: state.focus, isFullScreen: state.isFullScreen)
        return try #require(layout.rectangle(of: panel))
    }

    /// The middle of a panel.
    private static func at(
        _ panel: Panel, _ state: DashboardState, _ kind: MouseKind = .press
    ) throws -> DashboardInput {
        let area = try area(panel, state)
        return .mouse(x: area.x + area.width / 2, y: area.y + area.height / 2, kind: kind)
    }

    @Test func offUntilAskedFor() throws {
        var state = DashboardState.running(steps: 1)
        let revision = state.revision
        #expect(!state.isMouseOn)
        #expect(state.on(try Self.at(.events, state)) == [])
        #expect(state.focus == .loss && state.revision == revision)
        #expect(state.keys(.control("t")) == [.mouse(true)])
        state.on(try Self.at(.events, state))
        #expect(state.focus == .events)
        #expect(state.keys(.control("t")) == [.mouse(false)])
        #expect(!state.isMouseOn)
    }

    @Test func aClickFocusesThePanelUnderIt() throws {
        var state = Self.running(Size(width: 200, height: 60))
        for panel in Panel.allCases {
            state.on(try Self.at(panel, state))
            #expect(state.focus == panel)
        }
        // Title and status belong to no panel.
        state.on(.mouse(x: 3, y: 0, kind: .press), .mouse(x: 3, y: 57, kind: .press))
        #expect(state.focus == .run)
    }

    @Test func aClickInTheMapMovesItsCursor() throws {
        var state = Self.running()
        let area = try Self.area(.precision, state)
        let grid = MapGrid(state.map, area: area)
        for (row, layer) in [(2, 3), (0, 0), (4, 5)] {
            state.on(.mouse(x: grid.x(ofLayer: layer), y: grid.y(ofRow: row), kind: .press))
            #expect(state.focus == .precision)
            #expect(state.map.cursor == PrecisionMap.Position(row: row, layer: layer))
        }
        // On the border: focus alone.
        state.on(.mouse(x: area.x, y: area.y, kind: .press))
        #expect(state.map.cursor == PrecisionMap.Position(row: 4, layer: 5))
    }

    @Test func aClickOnTheFooterIsItsKey() throws {
        var state = Self.running()
        func click(_ text: String) throws -> DashboardInput {
            let footer = state.frame().text(row: 39)
            let range = try #require(footer.range(of: text))
            return .mouse(x: footer.distance(from: footer.startIndex, to: range.lowerBound), y: 39, kind: .press)
        }
        #expect(state.on(try click("p Pause")) == [.send(.pause)])
        state.on(try click("? Help"))
        #expect(state.context == .help)
        state.on(try click("Esc Close"))
        #expect(state.context == .dashboard)
        state.on(try click("q Quit"))
        #expect(state.context == .quit)
        #expect(state.on(try click("x Stop")) == [.send(.stop(save: nil))])
    }

    @Test func behindTheFooterIsNothing() {
        var state = Self.running(Size(width: 400, height: 40))
        #expect(state.on(.mouse(x: 399, y: 39, kind: .press), .mouse(x: 3, y: 39, kind: .wheelUp)) == [])
        #expect(state.context == .dashboard)
    }

    @Test func theWheelTurnsWhatIsUnderIt() throws {
        var state = Self.running(Size(width: 200, height: 60))
        state.on(try Self.at(.events, state, .wheelDown))
        #expect(state.events.cursor == 3)
        state.on(try Self.at(.events, state, .wheelUp))
        #expect(state.events.cursor == 0)
        let whole = state.view.range(in: state.recordedSteps)
        state.on(try Self.at(.loss, state, .wheelUp))
        #expect(state.view.range(in: state.recordedSteps).count < whole.count)
        state.on(try Self.at(.loss, state, .wheelDown))
        #expect(state.view.range(in: state.recordedSteps) == whole)
        let cursor = state.map.cursor
        state.on(try Self.at(.precision, state, .wheelDown))
        #expect(state.map.cursor == cursor)
        #expect(state.focus == .loss)
    }

    @Test func theWheelScrollsText() throws {
        var state = Self.running(Size(width: 200, height: 60))
        func isShown(_ line: Int) -> Bool {
            let frame = state.frame()
            return (0..<60).contains { frame.text(row: $0).contains(" line \(line) ") }
        }
        // The newest at the bottom; the wheel turns upwards to older ones.
        #expect(isShown(39))
        state.on(try Self.at(.log, state, .wheelDown))
        #expect(isShown(39))
        state.on(try Self.at(.log, state, .wheelUp))
        #expect(!isShown(39) && isShown(36))
        state.on(try Self.at(.log, state, .wheelDown))
        #expect(isShown(39))
    }

    @Test func whatLiesOverTheDashboardTakesTheMouse() throws {
        var state = Self.running()
        state.keys("?")
        state.on(try Self.at(.events, state), try Self.at(.events, state, .wheelDown))
        guard case .help(let help) = state.overlay else {
            Issue.record("no help")
            return
        }
        #expect(help.choice == 1 && state.focus == .loss)
        state.keys(.escape, ":")
        state.type("lr 1")
        state.on(try Self.at(.events, state, .wheelUp))
        #expect(state.keys(.enter) == [.send(.setLearningRate(1))])
    }
}
