import Core
import Testing

@testable import Dashboard

extension Script {
    static func health(
        _ saturated: Int = 0, underflowed: Int = 0, nonFinite: Int = 0, error: Double = 0.01
    ) -> QuantizationHealth {
        var health = QuantizationHealth()
        health.count = 1000
        health.amax = 2.5
        health.saturated = saturated
        health.underflowed = underflowed
        health.nonFinite = nonFinite
        health.squareSum = 1
        health.errorSquareSum = error
        return health
    }

    static func description(_ recipe: Recipe, layers: Int = 6) -> RunDescription {
        var run = description()
        run.model.layers = layers
        run.recipe = recipe
        run.plan = recipe.plan(for: run.model)
        run.shares = CostModel(run.model, vocabularySize: run.vocabularySize).shares(of: run.plan)
        return run
    }

    /// A dashboard in which a run of `recipe` has just begun and the map is in focus.
    static func map(
        _ recipe: Recipe = .zhou2025, layers: Int = 6, _ size: Size = Size(width: 120, height: 40),
        glyphs: GlyphSet = .ascii
    ) -> DashboardState {
        var state = DashboardState(size: size, glyphs: glyphs)
        state.on(.tick(100), .event(.started(description(recipe, layers: layers))), .key("3"))
        return state
    }

    /// What the engine says when it has carried out a command.
    static func change(_ text: String, _ modules: [String: LinearFormats] = [:], step: Int = 1) -> DashboardInput {
        let modules = modules.map { path, formats in
            ModulePrecisionChange(
                module: ModulePath(path), from: GEMMPrecisions(.fp4), to: formats.precisions, gemms: GEMMKind.allCases,
                formats: formats)
        }
        return .event(
            .precisionChanged(
                PrecisionChange(id: 1, step: step, cause: .command, text: text, modules: modules, lossBefore: 2)))
    }
}

@Suite struct PrecisionMapTests {
    private static func text(_ state: DashboardState) -> String {
        let frame = state.frame()
        return (0..<frame.size.height).map { frame.text(row: $0) }.joined(separator: "\n")
    }

    private static func sent(_ effects: [DashboardEffect]) -> [String] {
        effects.map { effect in
            if case .send(let command) = effect { return command.text }
            return "\(effect)"
        }
    }

    // MARK: Patterns

    @Test(arguments: [ModelConfiguration.Activation.gelu, .swiglu])
    func patternsMatchExactlyWhatIsWanted(_ activation: ModelConfiguration.Activation) throws {
        var random = Generator(state: activation == .gelu ? 1 : 2)
        for round in 0..<400 {
            var model = ModelConfiguration()
            model.layers = Int.random(in: 1...14, using: &random)
            model.activation = activation
            var wanted: Set<ModulePath> = []
            if round % 2 == 0 {
                let density = Double.random(in: 0.02...1, using: &random)
                wanted = Set(model.linears.filter { _ in Double.random(in: 0...1, using: &random) < density })
            } else {
                let names = model.layerLinears.filter { _ in Bool.random(using: &random) }
                let layers = (0..<model.layers).filter { _ in Bool.random(using: &random) }
                wanted = Set(layers.flatMap { layer in names.map { ModulePath.layer(layer, $0) } })
                if round % 4 == 1 { wanted.insert(.head) }
            }
            guard !wanted.isEmpty else { continue }
            let pattern = try ModulePattern(matching: wanted, of: model)
            let isExact = Set(try pattern.linears(of: model)) == wanted
            #expect(isExact, "\(pattern) for \(wanted.count) of \(model.linears.count) modules")
        }
    }

    @Test(arguments: [
        ("*", "*"), ("layers.*", "layers.*"), ("mlp.up", "mlp.up"), ("attn.*", "attn.*"), ("lm_head", "lm_head"),
        ("layers.3.*", "layers.3.*"), ("layers.2-5.mlp.up", "layers.2-5.mlp.up"),
        ("layers.0.attn.q", "layers.0.attn.q"),
        ("layers.{0,3}.mlp.{up,down}", "layers.{0,3}.mlp.*"), ("layers.{0,3}.attn.{q,k}", "layers.{0,3}.attn.{q,k}"),
        ("{lm_head,mlp.up}", "{mlp.up,lm_head}"), ("attn.?", "attn.*"), ("layers.-1.*", "layers.11.*"),
        ("{layers.0.attn.q,layers.5.mlp.up}", "{layers.0.attn.q,layers.5.mlp.up}"),
    ])
    func patternsAreShort(_ item: (given: String, expected: String)) throws {
        var model = ModelConfiguration()
        model.layers = 12
        let modules = try ModulePattern(parsing: item.given).linears(of: model)
        #expect(try ModulePattern(matching: Set(modules), of: model).description == item.expected)
    }

    // MARK: Pending changes

    @Test func changesAreSentAfterAPauseInEditing() {
        var state = Script.map()
        #expect(state.keys(" ") == [])
        #expect(state.on(.tick(100.5)) == [])
        state.keys(" ")
        #expect(state.on(.tick(101.1)) == [])
        // FP4, FP8, BF16: the last of the two edits is sent, once.
        let first = state.map.precision(of: ModulePath("layers.0.attn.q"))
        #expect(Self.sent(state.on(.tick(101.3))) == ["prec layers.0.attn.q \(first?.rawValue ?? "")"])
        #expect(state.on(.tick(109)) == [])
        #expect(state.map.pendingCounts == (0, 1))
    }

    @Test func equalValuesShareACommand() {
        var state = Script.map(.bf16)
        state.on(.event(.stateChanged(.paused, step: 1)))
        // q of layers 0, 1 and 2, and up of all layers.
        state.keys("v", .right, .right, " ", .escape, .down, .down, .down, .down, "*", " ")
        #expect(state.on(.tick(200)) == [])
        #expect(state.map.pendingCounts == (9, 0))
        #expect(
            Self.sent(state.keys("n")) == ["prec {layers.0-2.attn.q,mlp.up} fp4", "step"])
    }

    @Test func pausedChangesWaitForResumeOrTheKey() {
        var state = Script.map(.bf16)
        state.on(.event(.stateChanged(.paused, step: 1)))
        state.keys(" ")
        #expect(state.on(.tick(200)) == [])
        #expect(Self.sent(state.keys("p")) == ["prec layers.0.attn.q fp4", "resume"])
        state.keys(.down, " ")
        #expect(Self.sent(state.keys("a")) == ["prec layers.0.attn.k fp4"])
        state.keys("a")
        #expect(state.message?.isError == true)
    }

    @Test func answersEndTheWait() {
        var state = Script.map(.bf16)
        state.keys(" ")
        state.on(.tick(101))
        #expect(state.map.pendingCounts == (0, 1))
        let formats = PrecisionTarget(whole: .fp4).formats(over: LinearFormats(.bf16), .bf16)
        state.on(Script.change("prec layers.0.attn.q fp4", ["layers.0.attn.q": formats]))
        #expect(state.map.pendingCounts == (0, 0))
        #expect(state.map.pending.isEmpty)
        #expect(state.map.formats[ModulePath("layers.0.attn.q")] == formats)
        #expect((state.map.shares?.fp4 ?? 0) > 0)

        state.keys(.down, " ")
        state.on(.tick(102))
        state.on(.event(.warning(step: 1, message: "cannot write x")))
        #expect(!state.map.pending.isEmpty)
        state.on(.event(.warning(step: 1, message: "prec layers.0.attn.k fp4 changes nothing: …")))
        #expect(state.map.pending.isEmpty)
    }

    @Test func undoDropsThePendingChangeFirst() {
        var state = Script.map(.bf16)
        state.keys(" ", .down, " ")
        #expect(state.map.pendingCounts == (2, 0))
        #expect(state.keys("1", "u") == [])
        #expect(state.map.pendingCounts == (1, 0))
        #expect(state.keys("u") == [])
        #expect(state.map.pending.isEmpty)
        #expect(state.keys("u") == [.send(.undo)])
    }

    @Test func cyclingRoundChangesNothing() {
        var state = Script.map(.bf16)
        state.keys(" ", " ", " ")
        #expect(state.map.pending.isEmpty)
        #expect(state.on(.tick(200)) == [])
    }

    @Test func noChangesAfterTheEnd() {
        var state = Script.map(.bf16)
        state.keys(" ")
        state.on(.event(.finished(Script.summary)))
        #expect(state.on(.tick(200)) == [])
        state.keys(" ", .enter)
        #expect(state.map.pending.isEmpty)
        #expect(state.context == .dashboard)
    }

    @Test func recipesGoBackWithUndo() {
        var state = Script.map(.zhou2025)
        func take(_ cause: PrecisionChange.Cause, _ text: String) {
            state.on(
                .event(
                    .precisionChanged(
                        PrecisionChange(id: 1, step: 1, cause: cause, text: text, modules: [], lossBefore: nil))))
        }
        take(.recipe, "recipe nvfp4")
        #expect(state.map.recipe == .nvfp4)
        // What is changed in a recipe is part of the text.
        take(.recipe, "recipe nvfp4:last_layers=0.5+hadamard=false")
        #expect(state.map.recipe?.name == "nvfp4" && state.map.recipe?.lastLayers == 0.5)
        take(.undo, "undo")
        #expect(state.map.recipe == .nvfp4)
        take(.command, "prec * fp8")
        take(.undo, "undo")
        #expect(state.map.recipe?.name == "nvfp4")
        take(.undo, "undo")
        #expect(state.map.recipe?.name == "zhou2025")
    }

    // MARK: Selection

    @Test func selections() {
        var state = Script.map()
        func count() -> Int { state.map.selection.count }
        #expect(count() == 1)
        state.keys("v", .right, .down)
        #expect(count() == 4)
        state.keys("v", .right)
        #expect(count() == 4)
        state.keys(.escape)
        #expect(count() == 1)
        state.keys("*")
        #expect(count() == 6)
        state.keys("c")
        #expect(count() == 6)
        #expect(state.map.selection.allSatisfy { $0.layer == 2 })
        state.keys("A")
        #expect(count() == 37)
        state.keys(.escape, "G", "*")
        #expect(state.map.selection == [.head])
    }

    @Test func patternsSelect() {
        var state = Script.map()
        state.keys("/")
        guard case .prompt(.selectModules, _) = state.overlay else {
            Issue.record("no prompt")
            return
        }
        state.overlay = .none
        state.selectModules(matching: "layers.{0,-1}.mlp.*")
        #expect(state.map.selection.map(\.description).last == "layers.5.mlp.down")
        #expect(state.map.current == ModulePath("layers.0.mlp.up"))
        state.selectModules(matching: "mlp.nothing")
        #expect(state.message?.isError == true)
        #expect(state.message?.text.contains("no module matches \"mlp.nothing\"") == true)
        #expect(state.map.selection.count == 4)
        state.selectModules(matching: "")
        #expect(state.map.selected.isEmpty)
    }

    // MARK: Picker

    @Test func pickerSetsSingleGEMMs() {
        var state = Script.map(.bf16)
        state.keys("*", .enter)
        #expect(state.context == .picker)
        let text = Self.text(state)
        #expect(text.contains("Precision of 6 modules"))
        #expect(text.contains("selected 100%  step 100%"))
        // All FP4, and wgrad BF16 over that; the cursor begins at BF16.
        state.keys(.left, .left, .enter, .down, .down, .down, .right, .right, " ")
        #expect(Self.text(state).contains("selected 100% > "))
        #expect(state.keys("a") == [])
        #expect(state.context == .dashboard)
        #expect(Self.sent(state.on(.tick(101))) == ["prec attn.q fp4", "prec attn.q wgrad bf16"])
        #expect(state.map.pendingCounts == (0, 6))
        state.keys(.enter, .escape)
        #expect(state.context == .dashboard)
    }

    // MARK: Drawing

    @Test func cellsSayWhatRunsAndHowItFares() {
        var state = Script.map(.bf16, Size(width: 80, height: 24))
        #expect(Self.text(state).contains(">q    b  b  b  b  b  b"))
        let formats = LinearFormats(fprop: GEMMFormats(.fp4), dgrad: GEMMFormats(.fp8), wgrad: GEMMFormats(.fp8))
        state.on(Script.change("x", ["layers.1.attn.q": formats, "layers.2.attn.q": LinearFormats(.fp4)]))
        func gemm(_ layer: Int, _ health: QuantizationHealth) -> HealthReport.GEMM {
            HealthReport.GEMM(module: .layer(layer, "attn.q"), gemm: .fprop, a: health, b: nil)
        }
        state.on(
            .event(.quantized(HealthReport(step: 5, gemms: [gemm(1, Script.health(5)), gemm(2, Script.health(50))]))))
        #expect(Self.text(state).contains(">q    b    488+ 4!   b    b    b"))
        state.on(
            .event(
                .quantized(
                    HealthReport(
                        step: 6,
                        gemms: [gemm(1, Script.health(50, nonFinite: 1)), gemm(2, Script.health(underflowed: 400))]))))
        #expect(Self.text(state).contains(">q    b    488N 4_   b    b    b"))
        // A change forgets what was said of the old formats, and the pending one has a mark.
        state.on(Script.change("x", ["layers.1.attn.q": LinearFormats(.fp8)]))
        state.keys(" ")
        #expect(Self.text(state).contains(">q    488* 8    4_   b    b    b"))
        #expect(Self.text(state).contains("1 pending"))
    }

    @Test func numbersInTheOtherViews() {
        var state = Script.map(.zhou2025, Size(width: 80, height: 24))
        state.on(
            .event(
                .quantized(
                    HealthReport(
                        step: 5,
                        gemms: [
                            HealthReport.GEMM(
                                module: .layer(0, "attn.q"), gemm: .fprop, a: Script.health(20), b: Script.health(4))
                        ],
                        modules: [
                            HealthReport.Module(
                                path: .layer(0, "attn.q"), gradientNorm: 0.125, forwardMilliseconds: 1,
                                backwardMilliseconds: 2.5)
                        ]))))
        var seen: [String] = []
        for _ in MapView.allCases {
            let line = Self.text(state).split(separator: "\n").first { $0.contains(">q ") } ?? ""
            seen.append(String(line.dropFirst(8).prefix(4)).filter { $0 != " " })
            state.keys("m")
        }
        #expect(Array(seen.dropFirst()) == ["2.0", "0", "20", ".125", ".", ".", ".", "3.50", "."])
        #expect(state.map.view == .precision)
        // What the numbers are is said where there is room for it.
        state.on(.resize(Size(width: 120, height: 40)))
        for view in MapView.allCases.dropFirst() {
            state.keys("m")
            #expect(Self.text(state).contains(view.meaning.split(separator: " ").last ?? ""), "\(view)")
            #expect(Self.text(state).contains("| \(view.rawValue): "))
        }
    }

    @Test(arguments: [
        (0, "0", "0"), (0.004, "~0", ".004"), (0.02, ".02", ".020"), (1.84, "1.8", "1.84"), (12.34, "12", "12.3"),
        (123.4, "123", "123"), (1234, "1e3", "1234"), (2e5, "2e5", "2e5"), (-3.21, "-3", "-3.2"),
        (3e-4, "~0", "3e-4"), (.nan, "NaN", "NaN"), (.infinity, "Inf", "Inf"),
    ])
    func briefNumbers(_ item: (value: Double, three: String, four: String)) {
        #expect(NumberText.brief(item.value, 4) == item.four)
        #expect(NumberText.brief(item.value, 3) == item.three)
    }

    @Test func theCursorStaysInViewOfDeepModels() {
        for size in [Size(width: 40, height: 10), Size(width: 80, height: 24), Size(width: 200, height: 60)] {
            var state = Script.map(.zhou2025, layers: 48, size)
            for _ in 0..<60 {
                state.keys(.right)
                let area = Layout(size: size, focus: .precision, isFullScreen: false).rectangle(of: .precision)
                let grid = MapGrid(state.map, area: area ?? Rectangle(x: 0, y: 0, width: 0, height: 0))
                let isInView =
                    grid.layers.contains(state.map.cursor.layer) && grid.rows.contains(state.map.cursor.row)
                    && grid.x(ofLayer: state.map.cursor.layer) + grid.characters <= grid.inside.right
                #expect(isInView, "\(size) layer \(state.map.cursor.layer)")
            }
            #expect(state.map.cursor.layer == 47)
            state.keys("G")
            #expect(Self.text(state).contains(">head"))
        }
    }

    /// Keys, news and sizes in any order: every frame can be drawn, and the cursor is always on a module.
    @Test(arguments: [UInt64(3), 4])
    func randomInputsDoNoHarm(_ seed: UInt64) {
        var random = Generator(state: seed)
        var state = Script.map(.zhou2025, layers: 13, glyphs: seed % 2 == 0 ? .ascii : .braille)
        let keys = (KeyTable.map + KeyTable.picker).flatMap(\.keys).filter { $0 != .control("c") && $0 != "q" }
        let values = [0, 1e-12, 0.5, 3, 1e9, .nan, .infinity, -.infinity]
        var isSound = true
        for round in 0..<1500 {
            let path = state.map.modules.randomElement(using: &random) ?? .head
            let number = values.randomElement(using: &random) ?? 0
            switch Int.random(in: 0..<20, using: &random) {
            case 0:
                state.on(
                    .resize(
                        Size(width: .random(in: 1...250, using: &random), height: .random(in: 1...90, using: &random))))
            case 1: state.on(.tick(100 + Double(round)))
            case 2:
                let health = Script.health(Int.random(in: 0...900, using: &random), nonFinite: round % 3, error: number)
                let gemm = HealthReport.GEMM(module: path, gemm: .dgrad, a: health, b: nil)
                let module = HealthReport.Module(
                    path: path, gradientNorm: number, forwardMilliseconds: number, backwardMilliseconds: 1)
                state.on(.event(.quantized(HealthReport(step: round, gemms: [gemm], modules: [module]))))
            case 3: state.on(.event(.stateChanged(Bool.random(using: &random) ? .running : .paused, step: round)))
            case 4:
                var module = ProbeReport.Module(
                    path: path, gradientError: number, rho: number, flipRate: number, oscillation: number)
                module.milliseconds = number
                module.referenceMilliseconds = 2
                state.on(
                    .event(
                        .probed(
                            ProbeReport(
                                step: round, loss: 1, referenceLoss: 1, gradientError: nil, modules: [module],
                                attention: []))))
            case 5:
                state.focus = Bool.random(using: &random) ? .inspector : .precision
            default: state.on(.key(keys.randomElement(using: &random) ?? .up))
            }
            let frame = state.frame()
            isSound = isSound && frame.size == state.size && state.map.current != nil
            if state.glyphs == .ascii { isSound = isSound && frame.cells.allSatisfy { $0.scalar.isASCII } }
        }
        #expect(isSound)
    }

    @Test func placesOfTheScreenAreModules() {
        var state = Script.map(.zhou2025, layers: 48, Size(width: 80, height: 24))
        state.keys(.pageDown, .pageDown)
        let area = Rectangle(x: 0, y: 10, width: 44, height: 9)
        let grid = MapGrid(state.map, area: area)
        for row in grid.rows {
            for layer in grid.layers where row < state.map.rowCount - 1 {
                let found = PrecisionPanel.module(
                    at: grid.x(ofLayer: layer), y: grid.y(ofRow: row), state, area: area)
                #expect(found == state.map.path(at: PrecisionMap.Position(row: row, layer: layer)))
            }
        }
        #expect(PrecisionPanel.module(at: 0, y: 10, state, area: area) == nil)
        #expect(PrecisionPanel.module(at: 43, y: 12, state, area: area) == nil)
    }
}
