import Core
import Testing

@testable import Dashboard

@Suite struct HelpSearchTests {
    private func help(_ state: DashboardState) -> HelpView? {
        if case .help(let help) = state.overlay { return help }
        return nil
    }

    private func rows(_ state: DashboardState) -> [HelpRow] {
        help(state).map { Help.rows($0, state.glyphs) } ?? []
    }

    @Test(arguments: [Key.character("4"), "1", "7"])
    func theKeysOfThePanelInFocusStandFirst(_ key: Key) {
        var state = DashboardState.running(steps: 3)
        state.keys(key)
        let context = state.focusContext
        state.keys("?")
        #expect(rows(state).first?.section == context?.rawValue)
        #expect(Set(rows(state).map(\.section)).isSuperset(of: ["Dashboard", "Commands", "Signs"]))
        let frame = state.frame()
        #expect((2..<8).contains { frame.text(row: $0).contains(context?.rawValue ?? "?") })
    }

    @Test func typingSearches() {
        var state = DashboardState.running(steps: 3)
        state.keys("?")
        state.type("crosshair tenth")
        let found = rows(state)
        #expect(!found.isEmpty && found.count < 4)
        #expect(found.allSatisfy { $0.help.contains("tenth") })
        // Letters that scroll elsewhere are text here.
        state.keys(.control("u"))
        state.type("jkgGq")
        #expect(help(state)?.search.text == "jkgGq")
        #expect(rows(state).isEmpty)
        #expect((0..<24).contains { state.frame().text(row: $0).contains("nothing found") })
        state.keys(.enter, .down, .pageDown, .end)
        state.keys(.escape)
        #expect(help(state)?.search.text == "")
        state.keys(.escape)
        #expect(state.context == .dashboard)
    }

    @Test func aKeyIsFoundByItsName() {
        var state = DashboardState.running(steps: 3)
        state.keys("?")
        state.type("V")
        #expect(rows(state).first?.keys == "V")
        state.keys(.backspace)
        state.type("C-l")
        #expect(rows(state).first?.help.contains("anew") == true)
    }

    @Test func enterDoesWhatTheRowSays() {
        var state = DashboardState.running(steps: 3)
        state.keys("?")
        state.type("evaluate on the validation")
        #expect(state.keys(.enter) == [.send(.evaluate)])
        #expect(state.context == .dashboard)
        // A row of another panel focuses that panel.
        state.keys("?")
        state.type("words only")
        state.keys(.enter)
        #expect(state.focus == .events)
        #expect(state.context == .prompt)
        state.keys(.escape, "?")
        state.type("peak learning rate")
        state.keys(.enter)
        guard case .commandLine(let line) = state.overlay else {
            Issue.record("no command line")
            return
        }
        #expect(line.text == "lr ")
    }

    @Test func keysOfOtherPlacesSayWhere() {
        var state = DashboardState.running(steps: 3)
        state.keys("?")
        state.type("older command")
        #expect(state.keys(.enter) == [])
        #expect(state.context == .help)
        #expect(state.message?.text == "Up works in: Command line")
    }

    @Test func theChosenRowIsInView() {
        for size in [Size(width: 80, height: 24), Size(width: 40, height: 10), Size(width: 200, height: 60)] {
            var state = DashboardState.running(size, glyphs: .ascii, steps: 3)
            state.keys("?")
            let count = rows(state).count
            for index in 0..<count + 2 {
                let frame = state.frame()
                let marked = (1..<size.height - 1).count { y in
                    (0..<size.width).contains {
                        frame[$0, y].style.background == .selection && frame[$0, y].scalar == ">"
                    }
                }
                #expect(marked == 1, "row \(index) at \(size)")
                state.keys(.down)
            }
            #expect(help(state)?.choice == count - 1)
            state.keys(.home)
            #expect(help(state)?.choice == 0)
        }
    }
}
