import Core
import Foundation
import Testing

@testable import Dashboard

@Suite struct SnapshotTests {
    enum Screen: String, CaseIterable {
        case start, running, paused, nan, help, quit, finished, command, gradient, sample
        case map, inspector, picker, overview
        case crosshair, fork, modules, events, filter, helpSearch
        case themes
        case replay, replayEnd, compared
        case sensitivity, measuring, old, completion, schedule
    }

    struct Case: CustomTestStringConvertible {
        var screen: Screen
        var size: Size
        var glyphs: GlyphSet
        var testDescription: String { Snapshot.name(screen.rawValue, size, glyphs) }

        init(_ screen: Screen, _ width: Int, _ height: Int, _ glyphs: GlyphSet) {
            self.screen = screen
            size = Size(width: width, height: height)
            self.glyphs = glyphs
        }
    }

    private static let sizes = [(80, 24), (120, 40), (200, 60), (60, 15), (39, 9)]

    /// The screens that everybody sees, at every size and in both glyph sets; the others where they differ.
    static let cases: [Case] =
        [Screen.start, .running, .paused, .map, .nan, .filter, .help, .picker, .command, .quit].flatMap { screen in
            sizes.flatMap { width, height in GlyphSet.allCases.map { Case(screen, width, height, $0) } }
        }
        + [
            Case(.overview, 120, 40, .braille), Case(.overview, 80, 24, .braille), Case(.overview, 200, 60, .ascii),
            Case(.finished, 80, 24, .braille), Case(.finished, 200, 60, .ascii),
            Case(.map, 40, 10, .ascii), Case(.picker, 40, 10, .ascii),
            Case(.inspector, 120, 40, .ascii), Case(.inspector, 80, 24, .braille), Case(.inspector, 60, 15, .ascii),
            Case(.crosshair, 120, 40, .braille), Case(.crosshair, 80, 24, .ascii), Case(.fork, 120, 40, .braille),
            Case(.fork, 80, 24, .ascii), Case(.modules, 120, 40, .braille), Case(.modules, 60, 15, .ascii),
            Case(.events, 80, 24, .braille), Case(.events, 60, 15, .ascii), Case(.helpSearch, 80, 24, .ascii),
            Case(.gradient, 60, 15, .ascii), Case(.sample, 60, 15, .braille),
            Case(.themes, 80, 24, .braille), Case(.themes, 40, 10, .ascii),
            Case(.replay, 120, 40, .braille), Case(.replay, 80, 24, .ascii), Case(.replay, 60, 15, .braille),
            Case(.replay, 39, 9, .ascii), Case(.replayEnd, 80, 24, .braille), Case(.compared, 120, 40, .braille),
            Case(.compared, 80, 24, .ascii),
            Case(.sensitivity, 120, 40, .braille), Case(.sensitivity, 80, 24, .ascii),
            Case(.measuring, 80, 24, .ascii), Case(.old, 120, 40, .ascii), Case(.old, 80, 24, .braille),
            Case(.completion, 80, 24, .braille), Case(.completion, 60, 15, .ascii),
            Case(.schedule, 120, 40, .braille), Case(.schedule, 60, 15, .ascii),
        ]

    static func state(_ screen: Screen, _ size: Size, _ glyphs: GlyphSet) -> DashboardState {
        if screen == .start { return DashboardState(size: size, glyphs: glyphs) }
        if [.map, .inspector, .picker].contains(screen) { return map(screen, size, glyphs) }
        if screen == .overview { return overview(size, glyphs) }
        if [.sensitivity, .measuring, .old].contains(screen) { return measured(screen, size, glyphs) }
        if [.replay, .replayEnd].contains(screen) { return replay(screen, size, glyphs) }
        var state = DashboardState.running(size, glyphs: glyphs)
        switch screen {
        case .start, .running, .map, .inspector, .picker, .overview, .replay, .replayEnd, .sensitivity, .measuring,
            .old:
            break
        case .completion:
            state.keys(":")
            state.type("prec layers.1")
            state.keys(.tab, .tab, .tab)
        case .schedule:
            Script.schedule(&state)
            state.keys(":")
            state.type("schedule")
            state.keys(.enter)
        case .paused: state.on(.event(.stateChanged(.paused, step: 1040)))
        case .nan:
            var metrics = Script.metrics(1041)
            metrics.loss = .nan
            metrics.gradientNorm = .infinity
            state.on(
                .event(.stepped(metrics)), .event(.diverged(step: 1041, message: "loss is NaN at step 1041")))
        case .help: state.keys("?")
        case .themes: state.keys("T", .down)
        case .quit: state.keys("q", .down)
        case .finished: state.on(.event(.finished(Script.summary)))
        case .command:
            state.keys(":")
            state.type("th")
        case .compared:
            state.on(.comparison(ComparisonTests.run("bf16", steps: 5000)))
            state.on(.comparison(ComparisonTests.run("fp4-naive", steps: 700, above: 0.5)))
            state.message = nil
        case .gradient: state.keys("2")
        case .sample: state.keys("6")
        case .crosshair:
            state.keys("f", "+", "i", "x", "x")
            for _ in 0..<4 { state.keys("H") }
        case .fork: Script.fork(&state)
        case .modules:
            Script.health(&state)
            state.keys("m", "z")
        case .events, .filter:
            Script.fork(&state)
            Script.health(&state)
            state.keys("4", screen == .events ? "z" : "/")
            if screen == .filter { state.type("mlp.up -clip") }
        case .helpSearch:
            state.keys("?")
            state.type("zoom")
        }
        return state
    }

    /// Its sensitivity measured, on the way to that, or changed since.
    private static func measured(_ screen: Screen, _ size: Size, _ glyphs: GlyphSet) -> DashboardState {
        var state = InspectorTests.state(size, glyphs: glyphs)
        state.keys("S")
        guard screen != .measuring else {
            Script.measure(&state, upTo: 30)
            state.message = nil
            return state
        }
        Script.measure(&state)
        if screen == .old {
            state.on(Script.change("prec layers.0.attn.q bf16", ["layers.0.attn.q": LinearFormats(.bf16)], step: 80))
            state.keys("M", "M")
        }
        state.message = nil
        return state
    }

    /// Going on in the middle, or at its end.
    private static func replay(_ screen: Screen, _ size: Size, _ glyphs: GlyphSet) -> DashboardState {
        var state = DashboardState(size: size, glyphs: glyphs)
        state.replay(ReplayPlayer(ReplayRecording(ReplayTests.events()), start: .step(screen == .replay ? 1040 : 1300)))
        state.on(.tick(100))
        return state
    }

    /// A run in the default recipe with a fork and a pending change: as it looks in use.
    private static func overview(_ size: Size, _ glyphs: GlyphSet) -> DashboardState {
        var state = DashboardState.running(size, glyphs: glyphs, run: Script.description(.zhou2025))
        Script.fork(&state)
        Script.health(&state)
        state.keys("3", .right, .right, .down, .down, .down, .down, " ")
        return state
    }

    /// With a selection, a pending change and all that can be known of the first module.
    private static func map(_ screen: Screen, _ size: Size, _ glyphs: GlyphSet) -> DashboardState {
        var state = InspectorTests.state(size, glyphs: glyphs)
        state.keys(.down, .down, .down, .down, .right, " ", "g", .home)
        switch screen {
        case .map: state.keys("v", .right, .right)
        case .inspector: state.keys("5", .pageDown)
        default: state.keys("*", .enter, .down, .left, " ")
        }
        return state
    }

    @Test(arguments: cases)
    func frame(_ item: Case) throws {
        let state = SnapshotTests.state(item.screen, item.size, item.glyphs)
        try Snapshot.check(state.frame(), screen: item.screen.rawValue, glyphs: item.glyphs)
    }

    @Test func noSnapshotWithoutTest() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Snapshot.folder.path)
            .filter { !$0.hasPrefix(".") }
        #expect(Set(files) == Set(SnapshotTests.cases.map(\.testDescription)))
    }

    @Test func asciiFramesAreASCII() {
        for screen in Screen.allCases {
            for size in [Size(width: 80, height: 24), Size(width: 120, height: 40), Size(width: 39, height: 9)] {
                let frame = SnapshotTests.state(screen, size, .ascii).frame()
                let others = frame.cells.map(\.scalar).filter { $0.value >= 0x7F }
                #expect(others.isEmpty, "\(screen) \(size): \(others)")
            }
        }
    }
}
