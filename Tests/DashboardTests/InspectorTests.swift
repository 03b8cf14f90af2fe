import Core
import Testing

@testable import Dashboard

@Suite struct InspectorTests {
    static let path = ModulePath("layers.0.attn.q")

    /// A map with all that can be known of its first module.
    static func state(_ size: Size, glyphs: GlyphSet = .ascii) -> DashboardState {
        var state = Script.map(.zhou2025, size, glyphs: glyphs)
        for step in 1...70 {
            let gemms = GEMMKind.allCases.map { gemm in
                HealthReport.GEMM(
                    module: path, gemm: gemm,
                    a: Script.health(step % 7, underflowed: 120, error: 0.01 + Double(step) / 5e3),
                    b: Script.health(underflowed: 80))
            }
            let module = HealthReport.Module(
                path: path, gradientNorm: 0.0123, forwardMilliseconds: 1.25, backwardMilliseconds: 2.5)
            state.on(.event(.quantized(HealthReport(step: step, gemms: gemms, modules: [module]))))
        }
        var probe = ProbeReport.Module(path: path, gradientError: 0.61, rho: 1.64, flipRate: 0.012, oscillation: 3.5)
        probe.milliseconds = 0.9
        probe.referenceMilliseconds = 0.75
        state.on(
            .event(
                .probed(
                    ProbeReport(
                        step: 60, loss: 2, referenceLoss: 2, gradientError: 0.1, modules: [probe], attention: []))),
            .event(
                .gradientsClipped(
                    step: 42,
                    modules: [
                        ClippedGradient(module: path, fraction: 0.001, normBefore: 2, normClipped: 1.9, normAfter: 2)
                    ])),
            .event(
                .inspected(
                    ModuleInspection(
                        step: 65, module: path,
                        histograms: ModuleInspection.Operand.allCases.map { operand in
                            ModuleInspection.Histogram(
                                operand: operand, format: .fp4, magnitudes: [0, 0.5, 1, 1.5, 2, 3, 4, 6],
                                negative: [0, 90, 70, 50, 30, 20, 5, 1], positive: [200, 91, 72, 49, 33, 18, 6, 2],
                                scales: 0.001...0.25)
                        }))))
        return state
    }

    private static func lines(_ state: DashboardState, _ width: Int) -> [String] {
        InspectorPanel.lines(state, width: width, height: 30).map { $0.map(\.0).joined() }
    }

    @Test func saysHowManyWeightsOscillate() {
        var state = Self.state(Size(width: 120, height: 40))
        let probe = ProbeReport.Module(
            path: Self.path, gradientError: 0.1, rho: 10, flipRate: 0.01, oscillation: 17, oscillating: 0.25,
            oscillationSteps: 30)
        state.on(
            .event(
                .probed(
                    ProbeReport(
                        step: 70, loss: 2, referenceLoss: 2, gradientError: 0.1, modules: [probe], attention: []))))
        let text = Self.lines(state, 44).joined(separator: "\n")
        #expect(text.contains("oscillation 17"))
        #expect(text.contains("oscillating weights 25% in 30 steps"), "\(text)")
    }

    @Test func saysWhatIsKnown() {
        let text = Self.lines(Self.state(Size(width: 120, height: 40)), 44).joined(separator: "\n")
        for part in [
            "layers.0.attn.q", "384 in, 384 out", "gradient norm 0.0123", "forward 1.25 ms", "gradient clipped once",
            "at step 42", "gradient error 61%", "rho 1.64", "! rho below 1.73", "flip rate 1.2%", "oscillation 3.5",
            "measured 120%", "codes at step 65", "weight", "activation", "gradient", "scale 0.001 to 0.25",
            "zero 27.1%  top .41%",
        ] {
            #expect(text.contains(part), "\(part) is missing in\n\(text)")
        }
    }

    @Test func linesFitEveryWidth() {
        let state = Self.state(Size(width: 120, height: 40))
        for width in 32...200 {
            let longest = Self.lines(state, width).map { CharacterWidth.columns($0) }.max() ?? 0
            #expect(longest <= width)
        }
    }

    @Test func historyIsBounded() {
        let state = Self.state(Size(width: 120, height: 40))
        #expect(state.map.records[Self.path]?.history.count == ModuleRecord.longestHistory)
    }

    @Test func theEngineIsAskedOnceTheCursorRests() {
        var state = Script.map()
        #expect(state.on(.tick(110)) == [])
        state.keys("5")
        #expect(state.on(.tick(111)) == [.send(.inspect(Self.path))])
        #expect(state.on(.tick(112)) == [])
        state.keys(.right, .right)
        #expect(state.on(.tick(112.1)) == [])
        #expect(state.on(.tick(112.5)) == [.send(.inspect(ModulePath("layers.2.attn.q")))])
        #expect(state.keys("i") == [.send(.inspect(ModulePath("layers.2.attn.q")))])
        state.keys(.escape)
        #expect(state.focus == .precision)
        state.on(.event(.finished(Script.summary)))
        state.keys("5")
        #expect(state.on(.tick(120)) == [])
    }

    @Test func theKeyOpensAHiddenInspector() {
        var state = Script.map(.zhou2025, Size(width: 80, height: 24))
        #expect(state.keys("i") == [.send(.inspect(Self.path))])
        #expect(state.focus == .inspector)
    }

    @Test func longInspectorsScroll() {
        var state = Self.state(Size(width: 120, height: 40))
        state.keys("5")
        let before = state.frame()
        state.keys(.pageDown)
        #expect(state.scroll[.inspector] ?? 0 > 0)
        #expect(state.frame() != before)
        for _ in 0..<20 { state.keys(.pageDown) }
        let end = state.scroll[.inspector]
        state.keys(.pageDown)
        #expect(state.scroll[.inspector] == end)
        for _ in 0..<20 { state.keys(.pageUp) }
        #expect(state.scroll[.inspector] == 0)
    }

    @Test func sparklines() {
        #expect(Sparkline.text([1, 2, nil, 3], .ascii) == "_+ @")
        #expect(Sparkline.text([2, 2, .nan], .braille) == "▁▁ ")
        #expect(Sparkline.text([nil], .ascii) == "")
    }
}
