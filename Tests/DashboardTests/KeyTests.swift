import Core
import Testing

@testable import Dashboard

@Suite struct KeyTests {
    @Test func keysAreUniqueInTheirContext() {
        for context in KeyContext.allCases {
            let keys = KeyTable.bindings.filter { $0.context == context }.flatMap(\.keys)
            #expect(Set(keys).count == keys.count)
            let ranks = KeyTable.bindings.filter { $0.context == context }.compactMap(\.footerRank)
            #expect(Set(ranks).count == ranks.count)
            #expect(!ranks.isEmpty)
        }
    }

    @Test func tableFeedsDispatchHelpAndMarkdown() {
        let help = Help.rows(HelpView(context: .dashboard, isReplay: true), .braille).map { $0.keys + " " + $0.help }
        let rows = KeyTable.markdown.split(separator: "\n").filter { $0.hasPrefix("| `") }
        #expect(rows.count == KeyTable.bindings.count)
        for (binding, row) in zip(KeyTable.bindings, rows) {
            #expect(row.hasSuffix("| \(binding.help) |"))
            #expect(help.contains { $0.contains(binding.help) && $0.contains(binding.keyText) })
            for key in binding.keys { #expect(KeyTable.action(for: key, in: binding.context) == binding.action) }
        }
        #expect(!KeyTable.markdown.contains("|  |"))
    }

    @Test func everyContextCanBeLeft() {
        for key in [Key.character("?"), .character("q"), .character(":")] {
            var state = DashboardState.running(steps: 1)
            state.keys(key)
            #expect(state.context != .dashboard)
            state.keys(.escape)
            #expect(state.context == .dashboard)
        }
    }

    @Test(arguments: [
        ("lr 2e-4", EngineCommand.setLearningRate(2e-4)), ("clip 0.5", .setGradientClip(0.5)),
        ("clip 0", .setGradientClip(0)), ("sample", .sample), ("eval", .evaluate), ("probe", .probe),
        ("save a b.bin ", .save("a b.bin")),
        ("  pause", .pause), ("prec mlp.* bf16", .setPrecision(try! PrecisionAssignment(parsing: "mlp.* bf16"))),
        ("undo", .undo), ("recipe bf16", .setRecipe(.bf16)),
    ])
    func commands(_ item: (line: String, command: EngineCommand)) throws {
        #expect(try Command.parse(item.line) == .engine(item.command))
        var state = DashboardState.running(steps: 1)
        state.keys(":")
        state.type(item.line)
        #expect(state.keys(.enter) == [.send(item.command)])
        #expect(state.context == .dashboard)
    }

    @Test(arguments: [
        ("lr", "lr needs a number above 0, such as lr 2e-4; found nothing"),
        ("lr 0", "lr needs a number above 0, such as lr 2e-4; found “0”"),
        ("lr nan", "lr needs a number above 0, such as lr 2e-4; found “nan”"),
        ("lr inf", "lr needs a number above 0, such as lr 2e-4; found “inf”"),
        ("clip -1", "clip needs a number from 0, such as clip 0.5; found “-1”"),
        ("clip x y", "clip needs a number from 0, such as clip 0.5; found “x y”"),
        ("save", "save needs a path, such as save model.safetensors"),
        ("theme", "theme needs a name or the path of a base16 file"), ("sample 3", "sample takes nothing after it"),
        (
            "lrr 1",
            "unknown command lrr, try prec recipe schedule undo fork inspect sensitivity lr clip module-clip sample eval probe save save-state pause resume step stop compare export theme help quit"
        ),
    ])
    func commandErrors(_ item: (line: String, message: String)) {
        #expect(throws: UserError(item.message)) { try Command.parse(item.line) }
        var state = DashboardState.running(steps: 1)
        state.keys(":")
        state.type(item.line)
        #expect(state.keys(.enter) == [])
        #expect(state.message?.text == item.message)
        #expect(state.message?.isError == true)
    }

    @Test func commandsAreCompletedWithModulesOfTheModel() {
        var state = DashboardState.running(steps: 1)
        state.keys(":")
        state.type("pre")
        state.keys(.tab)
        state.type("layers.3.attn.o")
        state.keys(.tab)
        state.type(" bf")
        state.keys(.tab)
        guard case .commandLine(let line) = state.overlay else {
            Issue.record("no command line")
            return
        }
        #expect(line.text == "prec layers.3.attn.o bf16")
    }

    @Test func changesOfPrecisionAreLogged() {
        var state = DashboardState.running(steps: 1)
        let module = ModulePrecisionChange(
            module: ModulePath("lm_head"), from: GEMMPrecisions(.bf16), to: GEMMPrecisions(.fp8),
            gemms: GEMMKind.allCases, formats: LinearFormats(.bf16))
        let change = PrecisionChange(
            id: 1, step: 1, cause: .command, text: "prec lm_head fp8", modules: [module], lossBefore: 2)
        state.on(.event(.precisionChanged(change)))
        #expect(state.events.entries.last?.text == "prec lm_head fp8: lm_head bf16 to fp8")
        #expect(state.message?.text == state.events.entries.last?.text)
        state.on(
            .event(
                .precisionEffect(
                    PrecisionEffect(id: 1, step: 51, steps: 50, lossBefore: 2, lossAfter: 1.5))))
        #expect(state.events.entries.last?.step == 51)
        #expect(state.events.entries.last?.text.contains("-0.5000, loss before 2.0000, after 50 steps 1.5000") == true)
    }

    @Test func commandLineEdits() {
        var state = DashboardState.running(steps: 1)
        func text() -> String? {
            if case .commandLine(let line) = state.overlay { return line.text }
            return nil
        }
        state.keys(":")
        state.type("th")
        state.keys(.tab)
        #expect(text() == "theme ")
        state.type("l")
        state.keys(.tab)
        #expect(text() == "theme light")
        #expect(state.keys(.enter) == [.theme("light")])
        state.keys(":")
        state.type("clip 5")
        state.keys(.left, .backspace)
        state.type(" 0.")
        #expect(text() == "clip 0.5")
        state.keys(.home, .delete, .end)
        state.type("x")
        #expect(text() == "lip 0.5x")
        state.keys(.control("w"))
        #expect(text() == "lip ")
        state.keys(.up)
        #expect(text() == "theme light")
        state.keys(.up, .down)
        #expect(text() == "lip ")
        state.keys(.control("u"), .backspace)
        #expect(text() == nil)
        // Keys of the dashboard are text here.
        state.keys(":")
        state.type("q日\u{7}")
        #expect(text() == "q日")
        state.keys(.control("c"))
        #expect(text() == nil)
    }
}
