import Core
import Dashboard
import Foundation
import Testing

@testable import Terminal

@Suite struct EnvironmentTests {
    private func file(_ text: Data) throws -> String {
        let url = FileManager.default.temporaryDirectory.appending(path: "fp4tui-\(UUID().uuidString).yaml")
        try text.write(to: url)
        return url.path
    }

    @Test func themesByNameAndByPath() throws {
        #expect(try Environment.theme("light") == Theme.named("light"))
        let scheme =
            "name: mine\n" + (0..<16).map { "base0\(String($0, radix: 16, uppercase: true)): \"0000ff\"\n" }.joined()
        let path = try file(Data(scheme.utf8))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let theme = try Environment.theme(path)
        #expect(theme.name == "mine")
        #expect(theme[.text] == .rgb(red: 0, green: 0, blue: 255))
    }

    @Test func uselessThemeFilesAreNamed() throws {
        #expect(throws: UserError("theme /no/such.yaml: the file can't be read")) {
            try Environment.theme("/no/such.yaml")
        }
        let path = try file(Data([0xFF, 0xFE, 0x00]))
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(throws: UserError("theme \(path): the file is not UTF-8 text")) { try Environment.theme(path) }
        let broken = try file(Data("base00: red\n".utf8))
        defer { try? FileManager.default.removeItem(atPath: broken) }
        let expected = "theme \(broken) line 1: base00: found “red”, expected a colour such as \"#1a2b3c\""
        #expect(throws: UserError(expected)) { try Environment.theme(broken) }
    }

    @Test func standardErrorComesAsLines() {
        var reader = StandardErrorReader()
        reader.begin()
        defer { reader.end() }
        func write(_ text: String) {
            let bytes = Array(text.utf8)
            _ = Foundation.write(STDERR_FILENO, bytes, bytes.count)
        }
        write("one\ntwo ends la")
        #expect(reader.lines() == ["one"])
        write("ter\n\n" + String(repeating: "x", count: 4500) + "\n")
        let lines = reader.lines()
        #expect(lines.first == "two ends later")
        #expect(lines.dropFirst().map(\.count) == [2000, 2000, 500])
        #expect(reader.lines() == [])
    }
}
