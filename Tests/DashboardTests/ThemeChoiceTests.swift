import Core
import Testing

@testable import Dashboard

@Suite struct ThemeChoiceTests {
    private static func choosing(_ size: Size = Size(width: 80, height: 24)) -> DashboardState {
        var state = DashboardState.running(size, steps: 1)
        state.keys("T")
        return state
    }

    @Test func enterKeepsWhatIsShown() {
        var state = Self.choosing()
        #expect(state.context == .themes)
        #expect(state.keys(.down) == [.theme("deuteranopia")])
        #expect(state.theme == "dark")
        state.on(.themeChanged("deuteranopia"))
        #expect(state.theme == "deuteranopia")
        #expect(state.keys(.enter) == [])
        #expect(state.context == .dashboard)
        #expect(state.message?.text == "theme deuteranopia")
    }

    @Test(arguments: [Key.escape, "q", .control("c")])
    func escapeRestoresTheThemeOfBefore(_ key: Key) {
        var state = Self.choosing()
        #expect(state.keys("G") == [.theme("tritanopia")])
        state.on(.themeChanged("tritanopia"))
        #expect(state.keys(key) == [.theme("dark")])
        #expect(state.context == .dashboard)
    }

    @Test func atTheEndsNothingIsShownAnew() {
        var state = Self.choosing()
        #expect(state.keys(.up) == [])
        #expect(state.keys(.escape) == [])
    }

    @Test func brokenFilesLeaveTheThemeAsItWas() {
        var state = Self.choosing()
        state.keys(.down)
        state.on(.notice("theme x line 1: base00: broken", isError: true))
        #expect(state.theme == "dark")
        // Enter can't keep it: it is tried again.
        #expect(state.keys(.enter) == [.theme("deuteranopia")])
        #expect(state.context == .themes)
        #expect(state.frame().text(row: 22).contains("base00: broken"))
        #expect(state.keys(.escape) == [])
    }

    /// What closes the list without a choice takes the preview back.
    @Test func everyEndRestores() {
        for end in [DashboardInput.resize(Size(width: 10, height: 3)), .terminate] {
            var state = Self.choosing()
            state.keys(.down)
            state.on(.themeChanged("deuteranopia"))
            let effects = state.on(end)
            #expect(effects.first == .theme("dark"))
            #expect(state.context == .dashboard)
        }
    }

    @Test func theThemeInUseIsListedWhereverItComesFrom() {
        var state = DashboardState(size: Size(width: 80, height: 24), themes: Theme.names, theme: "my/own.yaml")
        state.keys("T")
        #expect((0..<24).contains { state.frame().text(row: $0).contains("> my/own.yaml") })
        #expect(state.keys(.home) == [.theme("dark")])
        state.on(.themeChanged("dark"))
        #expect(state.keys(.escape) == [.theme("my/own.yaml")])
    }

    @Test(arguments: [(40, 10), (60, 15), (80, 24), (200, 60)])
    func theChoiceIsInView(_ size: (width: Int, height: Int)) {
        let themes = Theme.names + (0..<30).map { "own\($0)" }
        for glyphs in GlyphSet.allCases {
            var state = DashboardState(
                size: Size(width: size.width, height: size.height), glyphs: glyphs, themes: themes)
            state.keys("T")
            for index in themes.indices {
                let frame = state.frame()
                let isShown = (0..<size.height).contains { frame.text(row: $0).contains("> \(themes[index]) ") }
                #expect(isShown, "\(themes[index]) at \(size)")
                state.keys(.down)
            }
        }
    }

    @Test func glyphsChangeWithAKey() {
        var state = DashboardState.running(steps: 1)
        state.keys(.control("g"))
        #expect(state.glyphs == .ascii && state.frame().isASCII)
        state.keys(.control("g"))
        #expect(state.glyphs == .braille)
        var poor = DashboardState(size: Size(width: 80, height: 24), glyphs: .ascii, canShowBraille: false)
        poor.keys(.control("g"))
        #expect(poor.glyphs == .ascii)
        #expect(poor.message?.isError == true)
    }
}
