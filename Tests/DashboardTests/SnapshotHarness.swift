import Dashboard
import Foundation
import Testing

/// Frames as text that can be reviewed: what stands where, then what it means. Colours don't appear, so that a theme
/// never changes a snapshot.
///
/// `FP4TUI_RECORD_SNAPSHOTS=1 swift test` writes the files anew, and fails, so that a recording is never taken for a
/// test.
enum Snapshot {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Snapshots")
    static var isRecording: Bool { ProcessInfo.processInfo.environment["FP4TUI_RECORD_SNAPSHOTS"] == "1" }

    private static let letters: [Role: Character] = [
        .text: ".", .axis: "a", .barText: "b", .emphasis: "e", .strong: "s", .error: "x", .clip: "c", .warning: "w",
        .ok: "o", .gradientNorm: "g", .loss: "l", .title: "t", .validation: "v", .comparison: "m", .raw: "r",
        .floor: "f", .border: "-", .focus: "+", .fp4: "n", .fp8: "y", .bf16: "h", .background: "0", .bar: "1",
        .selection: "2",
    ]

    static func text(of frame: Frame, screen: String, glyphs: GlyphSet) -> String {
        var lines = ["screen \(screen)", "size \(frame.size)", "glyphs \(glyphs.rawValue)"]
        if let cursor = frame.cursor { lines.append("cursor \(cursor.x),\(cursor.y)") }
        lines.append("")
        for y in 0..<frame.size.height {
            lines.append(number(y) + frame.text(row: y).replacing(" ", with: "·"))
        }
        lines += ["", "style: " + legend, ""]
        for y in 0..<frame.size.height {
            let row = (0..<frame.size.width).map { letter(frame[$0, y]) }
            lines.append(trimmed(number(y) + String(row)))
        }
        let backgrounds = (0..<frame.size.height).flatMap { backgroundRuns(frame, row: $0) }
        if !backgrounds.isEmpty { lines += ["", "background:", ""] + backgrounds }
        return lines.joined(separator: "\n") + "\n"
    }

    private static let legend =
        Role.allCases.compactMap { role in
            letters[role].map { "\($0) \(role.name)" }
        }.joined(separator: ", ") + "; upper case or : bold"

    private static func letter(_ cell: Cell) -> Character {
        if cell.scalar == " " { return " " }
        let letter = letters[cell.style.role] ?? "?"
        guard cell.style.attributes.contains(.bold) else { return letter }
        return letter == "." ? ":" : Character(letter.uppercased())
    }

    private static func backgroundRuns(_ frame: Frame, row: Int) -> [String] {
        var runs: [String] = []
        var start = 0
        while start < frame.size.width {
            let role = frame[start, row].style.background
            var end = start
            while end + 1 < frame.size.width, frame[end + 1, row].style.background == role { end += 1 }
            if role != .background { runs.append("\(number(row))\(start)-\(end) \(role.name)") }
            start = end + 1
        }
        return runs
    }

    private static func number(_ row: Int) -> String { (row < 10 ? " " : "") + "\(row) " }

    private static func trimmed(_ line: String) -> String {
        var line = line
        while line.last == " " { line.removeLast() }
        return line
    }

    static func check(
        _ frame: Frame, screen: String, glyphs: GlyphSet, location: SourceLocation = #_sourceLocation
    ) throws {
        let name = name(screen, frame.size, glyphs)
        let file = folder.appending(path: name)
        let found = text(of: frame, screen: screen, glyphs: glyphs)
        if isRecording {
            try found.write(to: file, atomically: true, encoding: .utf8)
            Issue.record("recorded \(name)", sourceLocation: location)
            return
        }
        guard let expected = try? String(contentsOf: file, encoding: .utf8) else {
            Issue.record("there is no snapshot \(name); this is what it would be:\n\(found)", sourceLocation: location)
            return
        }
        #expect(found == expected, "\(name) differs; found:\n\(found)", sourceLocation: location)
    }

    static func name(_ screen: String, _ size: Size, _ glyphs: GlyphSet) -> String {
        "\(screen)-\(size)-\(glyphs.rawValue).txt"
    }
}
