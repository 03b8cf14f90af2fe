import Foundation
import Testing

extension EndToEndTests {
    /// FP4TUI_FUZZ_KEYS sets how many inputs.
    private static let inputs = ProcessInfo.processInfo.environment["FP4TUI_FUZZ_KEYS"].flatMap(Int.init) ?? 600

    /// Keys, mouse reports, noise and resizes while a run goes on: it neither ends nor gets stuck, and what stands on the
    /// screen is what the program means to show.
    @Test func randomInputsDoNoHarm() throws {
        let program = try start(rows: 30, columns: 100)
        program.keepsOutput = false
        #expect(program.waitForScreen { $0.text(row: 0).contains("RUNNING") })
        var random = RandomInputs(seed: 2502_11458)
        var checks = 0
        for index in 1...EndToEndTests.inputs {
            switch random.input() {
            case .bytes(let bytes): program.send(bytes)
            case .resize(let rows, let columns): program.resize(rows: rows, columns: columns)
            case .pause(let milliseconds):
                usleep(UInt32(milliseconds) * 1000)
                program.read()
            }
            guard index % 100 == 0 else { continue }
            try #require(program.isAlive, "after \(index) inputs")
            // With the size that it has, unless that is too small to tell what the run does.
            if program.screen.width < 40 || program.screen.height < 10 { program.resize(rows: 24, columns: 80) }
            try EndToEndTests.checkScreen(program, "after \(index) inputs")
            checks += 1
            program.send("p")
        }
        program.resize(rows: 40, columns: 120)
        try EndToEndTests.checkScreen(program, "at the end")
        #expect(checks == EndToEndTests.inputs / 100)
        #expect(program.screen.unknown == [])

        // In either glyph set.
        let hasHelp = { (screen: VirtualScreen) in ["─ Help ", "- Help "].contains { screen.text.contains($0) } }
        #expect(!hasHelp(program.screen))
        program.send("?")
        #expect(program.waitForScreen(hasHelp), "the help does not open:\n\(program.screen.text)")
        program.send(RandomInputs.escape)
        #expect(program.waitForScreen { !hasHelp($0) }, "the help does not close:\n\(program.screen.text)")
        #expect(program.isAlive)
    }

    /// Resumed while a single step is under way, the run goes on, and is seen to.
    @Test func resumingDuringAStepShows() throws {
        let program = try start()
        let shows = { (word: String) in program.waitForScreen { $0.text(row: 0).contains(word) } }
        #expect(shows("RUNNING"))
        program.send("p")
        #expect(shows("PAUSED"))
        program.send("np")
        #expect(shows("RUNNING"), "\(program.screen.text(row: 0))")
    }

    /// Brings the run to a halt and compares what stands on the screen with the same screen drawn anew.
    private static func checkScreen(_ program: PseudoTerminal, _ when: String) throws {
        for _ in 0..<3 { program.send(RandomInputs.escape) }
        let state = { (screen: VirtualScreen) -> Substring? in
            let words = screen.text(row: 0).split(separator: " ")
            return words.first { ["RUNNING", "STALE", "PAUSED", "PAUSING", "STEPPING", "RESUMING"].contains($0) }
        }
        // What the keys before asked for is done first, so the run may stop and go on a few times.
        var isPaused = false
        for _ in 0..<20 where !isPaused {
            program.settle(quiet: 0.25, seconds: 1)
            if state(program.screen) == "RUNNING" || state(program.screen) == "STALE" { program.send("p") }
            isPaused = program.waitForScreen(seconds: 5) { state($0) == "PAUSED" }
        }
        try #require(isPaused, "\(when) the run does not pause:\n\(program.screen.text)")
        // A step comes after all commands before it.
        program.send("n")
        program.settle(quiet: 0.5)
        try #require(program.waitForScreen { state($0) == "PAUSED" })
        // What is no answer to a key, such as a fork's step, may be drawn up to a second later.
        program.settle(quiet: 1.2)
        let before = program.screen.picture
        let text = program.screen.text
        program.send("\u{C}")
        program.settle()
        let differences = EndToEndTests.differences(before, program.screen.picture)
        // The message in the last row but one goes after some seconds, perhaps just now.
        let rows = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let stale = differences.filter { row in
            guard row != before.height - 2 else { return false }
            guard row >= 0, row < rows.count, rows[row].contains(" ago") else { return true }
            return timeless(rows[row]) != timeless(program.screen.text(row: row))
        }
        for row in stale where row >= 0 && row < rows.count {
            Issue.record("\(when) row \(row) is\n\(rows[row])\nand drawn anew\n\(program.screen.text(row: row))")
        }
        #expect(stale == [], "\(when)")
    }

    /// Without the age of the newest checkpoint, which goes on while the run is paused.
    private static func timeless(_ row: String) -> String {
        row.replacingOccurrences(of: "[0-9:]+ ago", with: "ago", options: .regularExpression)
            .replacingOccurrences(of: " +", with: " ", options: .regularExpression)
    }

    private static func differences(_ one: VirtualScreen.Picture, _ other: VirtualScreen.Picture) -> [Int] {
        guard one.width == other.width, one.height == other.height else { return [-1] }
        return (0..<one.height).filter { row in
            let range = row * one.width..<(row + 1) * one.width
            return one.cells[range] != other.cells[range]
        }
    }

    /// Looking at a run, whatever way, leaves the model as it would have become unwatched, to the last bit.
    @Test func lookingDoesNotChangeTheRun() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "looking-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "model").path
        let run = EndToEndTests.small + ["--steps", "60", "--save", path]
        try EndToEndTests.runBatch(run)
        let expected = try EndToEndTests.parameters(path)
        try FileManager.default.removeItem(atPath: path)

        let program = try PseudoTerminal(run + ["--at", "20:pause"], rows: 40, columns: 120)
        #expect(program.waitForScreen(seconds: 60) { $0.text(row: 0).contains("PAUSED") })
        let looks = [
            "1", "+", "-", "h", "l", "i", "h", "H", "L", "x", "o", "y", "e", "E", "i", "0", "f", "2", "m", "j", "m",
            "3", "m", "m", "m", "m", "m", "m", "M", "j", "l", "i", "v", "*", "A", "5", "j", "i", "k", "4", "j", "z",
            "6", "z", "7", "8", "\t", "?", "\u{1B}\u{1F}", ":theme light\r", "\u{C}", ":theme dark\r",
        ]
        var count = 0
        while !program.screen.text(row: 0).contains("DONE"), count < 10_000 {
            let look = looks[count % looks.count]
            program.send(look)
            if count % 7 == 3 {
                program.resize(rows: count % 2 == 0 ? 24 : 50, columns: count % 3 == 0 ? 80 : 160)
            }
            count += 1
            program.settle(quiet: 0.01, seconds: 0.03)
            if count == looks.count {
                program.send("\u{1B}\u{1F}")
                program.send("p")
            }
        }
        #expect(program.waitForScreen(seconds: 60) { $0.text(row: 0).contains("DONE") })
        program.send(RandomInputs.escape)
        program.send(RandomInputs.escape)
        program.send("q")
        #expect(program.waitForEnd() == 0)
        #expect(count >= looks.count)
        let isSame = try EndToEndTests.parameters(path) == expected
        #expect(isSame, "after \(count) looks the model differs")
    }

    static func runBatch(_ arguments: [String]) throws {
        let batch = Process()
        batch.executableURL = PseudoTerminal.program
        batch.arguments = ["--batch", "--no-record"] + arguments
        batch.standardInput = FileHandle.nullDevice
        batch.standardOutput = FileHandle.nullDevice
        batch.standardError = FileHandle.nullDevice
        try batch.run()
        batch.waitUntilExit()
        try #require(batch.terminationStatus == 0)
    }

    private static let terminals = ["xterm", "xterm-256color", "tmux-256color", "screen", "xterm-direct"]

    @Test(arguments: terminals, ["C", "C.UTF-8"])
    func everyTerminalIsGivenBack(_ term: String, _ locale: String) throws {
        guard EndToEndTests.isKnown(term) else {
            print("everyTerminalIsGivenBack: TERM=\(term) has no terminfo entry here and is skipped")
            return
        }
        let program = try start(["TERM": term, "LC_ALL": locale])
        #expect(program.waitForScreen { $0.text(row: 0).contains("fp4tui") && $0.text(row: 0).contains("RUNNING") })
        #expect(program.screen.isAlternate && !program.screen.isCursorVisible)
        #expect(program.waitForScreen { $0.text.contains("1 Loss") })
        let isASCII = program.screen.text.unicodeScalars.allSatisfy(\.isASCII)
        #expect(isASCII == (locale == "C"))
        program.send("q")
        #expect(program.waitForScreen { $0.text.contains("Stop the run?") })
        program.send("x")
        #expect(program.waitForEnd() == 0)
        #expect(!program.screen.isAlternate && program.screen.isCursorVisible)
        #expect(program.hasModesOfBefore)
        #expect(program.screen.unknown == [])
    }

    /// Where ncurses looks, for terminals as Linux and macOS name their folders.
    private static func isKnown(_ term: String) -> Bool {
        let environment = ProcessInfo.processInfo.environment
        let folders =
            [environment["TERMINFO"], environment["HOME"].map { $0 + "/.terminfo" }].compactMap { $0 }
            + ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/local/share/terminfo"]
        guard let first = term.utf8.first else { return false }
        return folders.contains { folder in
            ["\(term.prefix(1))", String(first, radix: 16)].contains { letter in
                FileManager.default.fileExists(atPath: "\(folder)/\(letter)/\(term)")
            }
        }
    }
}
