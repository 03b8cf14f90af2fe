import Core
import Testing

@testable import Dashboard

@Suite struct ThemeTests {
    private static let legacy =
        "scheme: \"Old\"\nauthor: \"someone\"\n"
        + (0..<16).map {
            "base0\(String($0, radix: 16, uppercase: true)): \"\(String(repeating: String($0, radix: 16), count: 6))\"\n"
        }
        .joined()

    @Test(arguments: Theme.names)
    func embeddedThemesAreWhole(_ name: String) throws {
        let theme = try Theme.named(name)
        #expect(theme.palette.count == 16)
        #expect(theme[.text] != theme[.error])
        #expect(theme[.loss] != theme[.validation])
    }

    @Test func names() {
        #expect(Theme.names == ["dark", "deuteranopia", "light", "mono", "terminal", "tritanopia"])
        let names = "dark, deuteranopia, light, mono, terminal, tritanopia"
        #expect(throws: UserError("unknown theme x: use \(names) or the path of a base16 file")) {
            try Theme.named("x")
        }
    }

    @Test func legacyFilesLoad() throws {
        let theme = try Theme.parse(ThemeTests.legacy, source: "old.yaml")
        #expect(theme.name == "Old")
        #expect(theme[.error] == .rgb(red: 0x88, green: 0x88, blue: 0x88))
        #expect(theme[.background] == .rgb(red: 0, green: 0, blue: 0))
    }

    @Test func rolesCanBeOverridden() throws {
        let theme = try Theme.parse(
            ThemeTests.legacy + "roles:\n  floor: base0A\n  loss: \"#010203\"\n  clip: ansi3\n", source: "x")
        #expect(theme[.floor] == theme.palette[10])
        #expect(theme[.loss] == .rgb(red: 1, green: 2, blue: 3))
        #expect(theme[.clip] == .ansi(3))
    }

    @Test(arguments: [
        ("", "theme t.yaml is empty: a base16 scheme is expected"),
        ("- a", "theme t.yaml line 1: is not a map of keys: a base16 scheme is expected"),
        ("name: x\npalette: 3", "theme t.yaml line 2: palette: expected a map of base00 to base0F"),
        ("system: base24", "theme t.yaml line 1: system: found “base24”, expected base16"),
        ("name: x", "theme t.yaml line 1: base00 is missing: base00 to base0F are expected"),
        ("base00: \"#12345\"", "theme t.yaml line 1: base00: found “#12345”, expected a colour such as \"#1a2b3c\""),
        (
            "\nbase00: #123456",
            "theme t.yaml line 2: base00: found nothing (a # outside quotes starts a comment), expected a colour such "
                + "as \"#1a2b3c\""
        ),
        ("base00: ansi16", "theme t.yaml line 1: base00: found “ansi16”, expected a colour such as \"#1a2b3c\""),
        ("a: [", "theme t.yaml line 2: is not YAML: did not find expected node content"),
    ])
    func brokenThemesAreExplained(_ item: (yaml: String, message: String)) {
        #expect(throws: UserError(item.message)) { try Theme.parse(item.yaml, source: "t.yaml") }
    }

    @Test func brokenRolesAreExplained() {
        #expect(throws: UserError.self) {
            try Theme.parse(ThemeTests.legacy + "roles:\n  nothing: base00", source: "t")
        }
        #expect(throws: UserError("theme t line 20: roles.loss: found “red”, expected a colour such as \"#1a2b3c\"")) {
            try Theme.parse(ThemeTests.legacy + "roles:\n  loss: red", source: "t")
        }
        #expect(throws: UserError("theme t line 1: has a key twice: a")) {
            try Theme.parse("a: 1\na: 2", source: "t")
        }
    }

    @Test func coloursByDepth() throws {
        let dark = try Theme.named("dark")
        let terminal = try Theme.named("terminal")
        let error = Style(.error)
        #expect(dark.resolve(error, depth: .palette256).foreground >= 16)
        #expect(dark.resolve(error, depth: .ansi16) == TerminalStyle(foreground: 9, background: -1, attributes: []))
        #expect(dark.resolve(error, depth: .ansi8) == TerminalStyle(foreground: 1, background: -1, attributes: []))
        #expect(dark.resolve(error, depth: .mono) == TerminalStyle(foreground: -1, background: -1, attributes: .bold))
        #expect(terminal.resolve(error, depth: .palette256).foreground == 9)
        #expect(
            terminal.resolve(.text, depth: .palette256) == TerminalStyle(foreground: -1, background: -1, attributes: [])
        )
        let red = try Theme.parse(ThemeTests.legacy, source: "x").resolve(Style(.error, on: .bar), depth: .direct)
        #expect(red == TerminalStyle(foreground: 0x888888, background: 0x111111, attributes: []))
        #expect(
            terminal.resolve(Style(.error, on: .bar), depth: .direct)
                == TerminalStyle(foreground: 1, background: -1, attributes: .reverse))
        // A bar stands out without colours too, and bright black is no colour where there are eight.
        for depth in [ColourDepth.mono, .ansi8] {
            #expect(dark.resolve(.bar, depth: depth).attributes.contains(.reverse))
        }
        for role in Role.allCases {
            let style = dark.resolve(Style(role), depth: .ansi8)
            #expect((-1...7).contains(style.foreground) && style.background == -1)
            #expect((-1...15).contains(dark.resolve(Style(role), depth: .ansi16).foreground))
        }
    }

    @Test(arguments: [
        (0, 0, 0, 16), (255, 255, 255, 231), (255, 0, 0, 196), (95, 135, 175, 67), (8, 8, 8, 232), (128, 128, 128, 244),
        (238, 238, 238, 255),
    ])
    func nearestColour(_ item: (red: Int, green: Int, blue: Int, number: Int)) {
        #expect(Theme.nearest256(item.red, item.green, item.blue) == item.number)
    }
}
