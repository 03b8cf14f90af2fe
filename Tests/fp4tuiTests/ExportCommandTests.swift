import Core
import Foundation
import Runs
import Testing

@testable import fp4tui

/// `fp4tui export`, `compare` and `render`, on runs that the program itself made.
@Suite struct ExportCommandTests {
    /// A folder with the runs `a` and `b`, of 6 and 4 steps.
    private static let root = Result { () throws -> String in
        let root = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        for (name, steps, recipe) in [("a", 6, "bf16"), ("b", 4, "nvfp4")] {
            let folder = RunFolder(root + "/" + name)
            try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
            let run = try Binary.run([
                "--batch", "--json", "--preset", "micro", "--steps", "\(steps)", "--recipe", recipe, "--set",
                "evaluation.every=2", "--set", "health.every=2", "--set", "model.width=32", "--threads", "2",
            ])
            try #require(run.status == 0, "\(run.errors)")
            try run.output.write(toFile: folder.eventsPath, atomically: true, encoding: .utf8)
            let manifest = RunManifest(
                program: "0.1.0", created: 1_700_000_000, configuration: try Preset.named("micro").configuration)
            try JSONEncoder().encode(manifest).write(to: URL(fileURLWithPath: folder.manifestPath))
        }
        return root
    }

    @Test func export() throws {
        let run = try Self.root.get() + "/a"
        let csv = try Binary.run(["export", run, "--format", "csv"])
        #expect(csv.status == 0, "\(csv.errors)")
        let rows = csv.output.components(separatedBy: "\r\n")
        #expect(rows.count == 8 && rows[6].hasPrefix("6,"))

        let markdown = try Binary.run(["export", run, "--format", "markdown"]).output
        #expect(
            markdown.contains("| outcome | completed |") && markdown.contains("| whole run | 0.0 % | 0.0 % | 100.0 % |")
        )

        let folder = run + "/tensorboard"
        let first = try Binary.run(["export", run, "--format", "tensorboard", "--out", folder])
        let path = folder + "/events.out.tfevents.1700000000.a"
        #expect(first.output == path + "\n")
        #expect(FileManager.default.contents(atPath: path).map { $0.count > 1000 } == true)
        let second = try Binary.run(["export", run, "--format", "tensorboard", "--out", folder])
        #expect(second.status == 2)
        #expect(second.errors == "fp4tui: \(path) exists; --overwrite replaces it\n")
    }

    @Test func whatCannotBeReadIsNamed() throws {
        let root = try Self.root.get()
        let missing = try Binary.run(["export", root + "/c", "--format", "csv"])
        #expect(missing.status == 2)
        #expect(missing.errors == "fp4tui: there is no run \(root)/c, here or in \(Binary.runs)\n")

        let damaged = RunFolder(root + "/damaged")
        try FileManager.default.copyItem(atPath: root + "/a", toPath: damaged.path)
        try "{}\n".write(toFile: damaged.eventsPath, atomically: true, encoding: .utf8)
        let compared = try Binary.run(["compare", root + "/a", damaged.path])
        #expect(compared.status == 2)
        #expect(
            compared.errors
                == "fp4tui: \(damaged.eventsPath):1: the line is damaged, or another version wrote it\n")

        let step = try Binary.run(["render", root + "/a", "--step", "7"])
        #expect(step.errors == "fp4tui: --step 7: \(root)/a has steps from 0 to 6\n")
        let size = try Binary.run(["render", root + "/a", "--size", "0x7"])
        #expect(size.status == 2 && size.errors.contains("'0x7' is invalid for '--size <columns>x<rows>'"))
    }

    @Test func compare() throws {
        let root = try Self.root.get()
        let text = try Binary.run(["compare", root + "/a", root + "/b", "--ascii", "--size", "80x15"])
        #expect(text.status == 0, "\(text.errors)")
        let isASCII = text.output.unicodeScalars.allSatisfy { $0.isASCII }
        #expect(isASCII)
        let lines = text.output.split(separator: "\n").map(String.init)
        #expect(lines.contains { $0.hasPrefix("A  a") && $0.contains("bf16 100 %") })
        #expect(lines.contains { $0.hasPrefix("B  b") && $0.contains("at 4") })
        #expect(text.output.contains("note: b is a run of 4 steps, a of 6"))

        let json = try Binary.run(["compare", root + "/a", root + "/b", "--format", "json"]).output
        struct Found: Decodable {
            struct Row: Decodable {
                var run: String
                var steps: Int
                var gap: Double?
            }
            var rows: [Row]
        }
        let found = try JSONDecoder().decode(Found.self, from: Data(json.utf8))
        #expect(found.rows.map(\.run) == ["a", "b"] && found.rows.map(\.steps) == [6, 4])
        #expect(found.rows[0].gap == nil && found.rows[1].gap != nil)
        #expect(
            try Binary.run(["compare", root + "/a", root + "/b", "--format", "markdown"]).output.hasPrefix("| run |"))
        #expect(try Binary.run(["compare", root + "/a", root + "/b", "--format", "svg"]).output.hasPrefix("<svg "))
        #expect(try Binary.run(["compare", root + "/a"]).status == 2)
    }

    @Test func render() throws {
        let run = try Self.root.get() + "/a"
        let text = try Binary.run(["render", run, "--size", "100x30", "--step", "3", "--glyphs", "ascii"])
        #expect(text.status == 0, "\(text.errors)")
        let rows = text.output.split(separator: "\n", omittingEmptySubsequences: false)
        let areWide = rows.dropLast().allSatisfy { $0.count == 100 }
        #expect(rows.count == 31 && areWide)
        #expect(rows[0].contains("RUNNING") && rows[0].contains("step 3/6"))
        #expect(try Binary.run(["render", run, "--focus", "run", "--full"]).output.contains("DONE"))
        let file = run + "/picture.svg"
        let svg = try Binary.run(["render", run, "--format", "svg", "--theme", "light", "--out", file])
        #expect(svg.status == 0 && svg.output.isEmpty, "\(svg.errors)")
        #expect(try String(contentsOfFile: file, encoding: .utf8).contains("<title>fp4tui: run a</title>"))
        let again = try Binary.run(["render", run, "--format", "svg", "--out", file])
        #expect(again.errors == "fp4tui: --out \(file): the file exists; --overwrite replaces it\n")

        // Where cairo is not installed, the error says what to do.
        let picture = run + "/picture.png"
        let png = try Binary.run(["render", run, "--format", "png", "--scale", "1", "--out", picture])
        if png.status == 0 {
            let data = try #require(FileManager.default.contents(atPath: picture))
            // Width and height of the header: 120 · 9 + 18 = 0x44A and 40 · 18 + 18 = 0x2E2.
            #expect(data.prefix(24).suffix(8) == Data([0, 0, 0x04, 0x4A, 0, 0, 0x02, 0xE2]))
        } else {
            #expect(png.errors.hasPrefix("fp4tui: --format png needs the library cairo"))
        }
    }
}
