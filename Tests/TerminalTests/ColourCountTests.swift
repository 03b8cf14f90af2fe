import Core
import Foundation
import Testing

@testable import Terminal

/// `--colors`, FP4TUI_COLORS and NO_COLOR.
@Suite(.serialized) struct ColourCountTests {
    private static let known = [
        "xterm": 8, "xterm-256color": 256, "xterm-16color": 16, "xterm-direct": 1 << 24, "screen": 8,
        "screen-256color": 256, "linux": 8, "vt100": 0,
    ]

    @Test(arguments: [
        ("xterm", ColourCount.palette, "xterm-256color"), ("xterm", .sixteen, "xterm-16color"),
        ("xterm", .truecolor, "xterm-direct"), ("xterm-256color", .sixteen, "xterm-256color"),
        ("xterm-256color", .palette, "xterm-256color"), ("xterm-256color", .truecolor, "xterm-direct"),
        ("xterm-direct", .palette, "xterm-256color"), ("xterm-direct", .sixteen, "xterm-16color"),
        ("xterm-direct", .truecolor, "xterm-direct"), ("screen", .sixteen, "screen-256color"),
    ])
    func theTypeIsTheTerminalsOwnOrOfItsFamily(_ item: (term: String, count: ColourCount, name: String)) throws {
        #expect(try item.count.terminal(item.term) { Self.known[$0] ?? -1 } == item.name)
    }

    @Test func whatTheSystemDoesNotKnowIsRefused() {
        #expect(
            throws: UserError(
                "--colors truecolor: this system knows no terminal type with so many colours among screen-256color, "
                    + "screen-direct: set TERM, or leave --colors out")
        ) { try ColourCount.truecolor.terminal("screen-256color") { Self.known[$0] ?? -1 } }
        #expect(throws: UserError.self) { try ColourCount.palette.terminal("linux") { Self.known[$0] ?? -1 } }
    }

    /// The kinds of colour that a program in a terminal uses: 8, 16, 256, or 24 bits.
    private static func kinds(_ flags: [String], _ environment: [String: String]) throws -> Set<String> {
        let program = try PseudoTerminal(
            EndToEndTests.small + ["--set", "run.steps=1000000"] + flags, environment: environment)
        #expect(program.waitFor("RUNNING"))
        program.send("qx")
        #expect(program.waitForEnd() == 0)
        var kinds: Set<String> = []
        for match in program.text.matches(of: /\x1B\[([0-9;:]*)m/) {
            let parts = match.1.split { $0 == ";" || $0 == ":" }.compactMap { Int($0) }
            if let place = parts.firstIndex(where: { $0 == 38 || $0 == 48 }), place + 1 < parts.count {
                if parts[place + 1] == 2 {
                    kinds.insert("24 bits")
                } else if place + 2 < parts.count {
                    kinds.insert(parts[place + 2] < 16 ? "16" : "256")
                }
            } else if parts.contains(where: { 90...97 ~= $0 || 100...107 ~= $0 }) {
                kinds.insert("16")
            } else if parts.contains(where: { 30...37 ~= $0 || 40...47 ~= $0 }) {
                kinds.insert("8")
            }
        }
        return kinds
    }

    @Test func theFlagDecides() throws {
        let theme = ["--theme", "dark"]
        #expect(try Self.kinds(theme, [:]).contains("256"))
        let sixteen = try Self.kinds(theme + ["--colors", "16"], [:])
        #expect(!sixteen.isEmpty && sixteen.isSubset(of: ["8", "16"]))
        #expect(try Self.kinds(theme + ["--colors", "256"], ["TERM": "xterm", "NO_COLOR": "1"]).contains("256"))
        #expect(try Self.kinds(theme, ["FP4TUI_COLORS": "256", "TERM": "xterm"]).contains("256"))
        #expect(try Self.kinds(theme, ["FP4TUI_COLORS": "256", "NO_COLOR": "1"]).isEmpty)
    }

    /// Not every system has the entries with 24 bits.
    @Test func truecolourOrAMessage() throws {
        let program = try PseudoTerminal(EndToEndTests.small + ["--steps", "1", "--colors", "truecolor"])
        if program.waitFor("DONE", seconds: 10) {
            #expect(program.text.contains("\u{1B}[38:2:") || program.text.contains("\u{1B}[38;2;"))
            program.send("q")
            #expect(program.waitForEnd() == 0)
        } else {
            #expect(program.waitForEnd() == 2)
            #expect(program.text.contains("--colors truecolor: this system knows no terminal type"))
        }
    }

    @Test func nonsenseIsRefused() throws {
        let program = try PseudoTerminal(EndToEndTests.small, environment: ["FP4TUI_COLORS": "many"])
        #expect(program.waitForEnd() == 2)
        #expect(program.text.contains("FP4TUI_COLORS is \"many\"; expected 16, 256, truecolor"))
    }
}
