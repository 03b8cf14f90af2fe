import Core
import Dashboard
import Foundation
import Testing

@testable import Terminal

@Suite struct UserThemesTests {
    static let scheme =
        "name: mine\n" + (0..<16).map { "base0\(String($0, radix: 16, uppercase: true)): \"0000ff\"\n" }.joined()

    /// A folder of configurations with themes; the last one is broken.
    static func configuration() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appending(path: "themes-\(UUID().uuidString)")
        let themes = folder.appending(path: "fp4tui/themes")
        try FileManager.default.createDirectory(at: themes, withIntermediateDirectories: true)
        for name in ["mine.yaml", "dark.yaml", ".hidden.yaml", "notes.txt"] {
            try Data(scheme.utf8).write(to: themes.appending(path: name))
        }
        try Data(scheme.replacing("base03: \"0000ff\"", with: "base03: blue").utf8)
            .write(to: themes.appending(path: "wrong.yaml"))
        return folder
    }

    @Test func theFolder() {
        #expect(Environment.themeFolder(configuration: "/c", home: "/h") == "/c/fp4tui/themes")
        #expect(Environment.themeFolder(configuration: "c", home: "/h") == "/h/.config/fp4tui/themes")
        #expect(Environment.themeFolder(configuration: nil, home: "/h") == "/h/.config/fp4tui/themes")
        #expect(Environment.themeFolder(configuration: nil, home: nil) == nil)
    }

    @Test func namesAndThemes() throws {
        let configuration = try Self.configuration()
        defer { try? FileManager.default.removeItem(at: configuration) }
        let folder = try #require(Environment.themeFolder(configuration: configuration.path, home: nil))
        #expect(Environment.themeNames(in: folder) == Theme.names + ["mine", "wrong"])
        #expect(Environment.themeNames(in: folder + "/none") == Theme.names)
        #expect(try Environment.themeFile("mine", in: folder).theme().name == "mine")
        // A name within the program wins.
        #expect(try Environment.themeFile("dark", in: folder).theme() == Theme.named("dark"))
        let problem = "theme \(folder)/wrong.yaml line 5: base03: found “blue”, expected a colour such as \"#1a2b3c\""
        #expect(throws: UserError(problem)) { try Environment.themeFile("wrong", in: folder).theme() }
        let names = (Theme.names + ["mine", "wrong"]).joined(separator: ", ")
        #expect(throws: UserError("unknown theme hidden: use \(names) or the path of a base16 file")) {
            try Environment.themeFile("hidden", in: folder)
        }
    }

    @Test func glyphs() {
        #expect(Environment.glyphs(.braille, isUTF8: true) == .braille)
        #expect(Environment.glyphs(.ascii, isUTF8: true) == .ascii)
        #expect(Environment.glyphs(.braille, isUTF8: false) == .ascii)
        #expect(Environment.glyphs(nil, isUTF8: false) == .ascii)
    }
}

/// Mouse, clipboard and themes of the real program.
@Suite(.serialized) struct TerminalFeatureTests {
    private static let arguments = ["--preset", "micro", "--set", "run.steps=1000000"]

    @Test func theMouseIsReportedAndGivenBack() throws {
        let program = try PseudoTerminal(Self.arguments + ["--mouse"])
        #expect(program.waitFor("\u{1B}[?1006;1000h"))
        #expect(program.waitFor("RUNNING"))
        // The footer is the same before a run has begun.
        let footer = DashboardState(size: Size(width: 80, height: 24)).frame().text(row: 23)
        let help = try #require(footer.range(of: "? Help"))
        let column = footer.distance(from: footer.startIndex, to: help.lowerBound) + 1
        program.send("\u{1B}[<0;\(column);24M\u{1B}[<0;\(column);24m")
        #expect(program.waitFor("type to search"))
        program.send("\u{1B}")
        program.send("\u{14}")
        #expect(program.waitFor("\u{1B}[?1006;1000l"))
        #expect(program.waitFor("mouse off"))
        program.send("qx")
        #expect(program.waitForEnd() == 0)
        #expect(program.hasModesOfBefore)
    }

    @Test func aCrashGivesTheMouseBack() throws {
        let program = try PseudoTerminal(Self.arguments + ["--mouse"])
        #expect(program.waitFor("RUNNING"))
        program.send(signal: SIGSEGV)
        #expect(program.waitForEnd() == 128 + SIGSEGV)
        #expect(program.text.contains("\u{1B}[?1006l\u{1B}[?1000l"))
    }

    @Test func withoutTheFlagTheMouseIsTheTerminals() throws {
        let program = try PseudoTerminal(Self.arguments)
        #expect(program.waitFor("RUNNING"))
        // The first event is there before the first step.
        program.send("4Y")
        #expect(program.waitFor("\u{1B}]52;c;"))
        program.send("qx")
        #expect(program.waitForEnd() == 0)
        #expect(!program.text.contains("1000h"))
    }

    @Test func aBrokenThemeLeavesTheColoursAsTheyAre() throws {
        let folder = try UserThemesTests.configuration()
        defer { try? FileManager.default.removeItem(at: folder) }
        let program = try PseudoTerminal(
            Self.arguments + ["--theme", "wrong"], environment: ["XDG_CONFIG_HOME": folder.path], columns: 200)
        #expect(program.waitFor("line 5: base03"))
        #expect(program.waitFor("RUNNING"))
        program.send("T")
        #expect(program.waitFor("tritanopia"))
        program.send("Gk\r")
        #expect(program.waitFor("theme mine"))
        program.send("TG")
        #expect(program.waitFor("wrong.yaml line 5: base03"))
        program.send("\u{1B}")
        program.send("qx")
        #expect(program.waitForEnd() == 0)
    }
}
