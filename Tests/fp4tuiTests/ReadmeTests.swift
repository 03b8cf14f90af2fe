import Core
import Dashboard
import Foundation
import Testing

@testable import fp4tui

/// The README's tables are made from the tables of the program. With UPDATE_README=1 in the environment they are
/// written anew (and the test fails, since it has checked nothing).
@Suite(.serialized) struct ReadmeTests {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let url = root.appendingPathComponent("README.md")

    /// What stands between `<!-- name -->` and `<!-- end of name -->`.
    static func check(_ name: String, is expected: String) throws {
        let text = try String(contentsOf: url, encoding: .utf8)
        let begin = try #require(text.range(of: "<!-- \(name) -->\n"))
        let end = try #require(text.range(of: "<!-- end of \(name) -->"))
        let section = begin.upperBound..<end.lowerBound
        if ProcessInfo.processInfo.environment["UPDATE_README"] == "1" {
            try text.replacingCharacters(in: section, with: expected).write(to: url, atomically: true, encoding: .utf8)
            Issue.record("\(name) was written anew")
        } else {
            #expect(text[section] == expected)
        }
    }

    @Test func configuration() throws {
        var lines = ["| key | default | takes | meaning |", "|---|---|---|---|"]
        for key in ConfigurationKey.all {
            let value = key.value(in: Preset.standard.configuration).map { "`\($0)`" } ?? ""
            lines.append("| `\(key.path)` | \(value) | \(key.domain) | \(key.summary) |")
        }
        try Self.check("configuration", is: lines.joined(separator: "\n") + "\n")
    }

    @Test func keys() throws {
        try Self.check("keys", is: KeyTable.markdown)
    }

    /// Pictures of the dashboard are the snapshots that its tests compare.
    @Test(arguments: ["overview-120x40-braille", "inspector-120x40-ascii"])
    func snapshots(_ name: String) throws {
        let file = Self.root.appendingPathComponent("Tests/DashboardTests/Snapshots/\(name).txt")
        let rows = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").dropFirst(3)
            .prefix { !$0.hasPrefix("style:") }.filter { $0.first?.isNumber == true || $0.hasPrefix(" ") }
        let picture = rows.map { row -> String in
            var line = String(row.dropFirst(3)).replacingOccurrences(of: "·", with: " ")
            while line.last == " " { line.removeLast() }
            return line
        }
        try #require(picture.count > 20)
        try Self.check("snapshot \(name)", is: "```\n\(picture.joined(separator: "\n"))\n```\n")
    }

    @Test func presets() throws {
        try Self.check("presets", is: "```\n\(PresetsCommand.table())```\n")
    }

    @Test func recipes() throws {
        try Self.check("recipes", is: "```\n\(RecipesListCommand.table(Preset.standard.configuration))```\n")
        // The switches that the text names are keys.
        let text = try String(contentsOf: Self.url, encoding: .utf8)
        for name in text.matches(of: /recipe\.([a-z0-9_]+)/).map({ String($0.output.0) }) {
            #expect(ConfigurationKey.named(name) != nil, "\(name)")
        }
    }

    @Test func quantize() throws {
        let output = try Binary.run(["quantize", "--gaussian", "65536"]).output
        // Without the empty line at the end.
        try Self.check("quantize", is: "```\n\(output.dropLast())```\n")
        let names = BlockFormat.named.map { "`\($0.name)`" }.joined(separator: " ")
        #expect(try String(contentsOf: Self.url, encoding: .utf8).contains("| name | \(names) |"))
    }

    @Test func continuousIntegrationTakesItsCommandsFromHere() throws {
        let readme = try String(contentsOf: Self.url, encoding: .utf8)
        for name in ["run", "test"] {
            #expect(readme.contains("<!-- command: \(name) -->\n```sh\n"))
        }
        let script = try String(contentsOf: Self.root.appendingPathComponent(".ci/run"), encoding: .utf8)
        #expect(script.contains("readme_command run"))
        #expect(script.contains("readme_command test"))
    }
}
