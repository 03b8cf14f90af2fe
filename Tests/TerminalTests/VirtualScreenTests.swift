import Testing

@Suite struct VirtualScreenTests {
    private func screen(_ text: String, width: Int = 10, height: Int = 4) -> VirtualScreen {
        let screen = VirtualScreen(width: width, height: height)
        screen.feed(text)
        return screen
    }

    private func lines(_ text: String, width: Int = 10, height: Int = 4) -> [String] {
        let screen = screen(text, width: width, height: height)
        #expect(screen.unknown == [])
        return (0..<height).map { row in
            String(screen.text(row: row).reversed().drop { $0 == " " }.reversed())
        }
    }

    @Test func moves() {
        #expect(
            lines("\u{1B}[2;3Hab\u{8}c\u{1B}[Bd\u{1B}[2De\u{1B}[1;9Hf\rg\u{1B}[4dh") == [
                "g       f", "  ac", "   ed", " h",
            ])
        #expect(lines("a\tb\u{1B}[2C\u{1B}[1Ge\u{1B}[3;1Hx\u{1B}[Ay\u{1B}Mz") == ["e z     b", " y", "x", ""])
    }

    /// The cursor waits in the last column until another character comes.
    @Test func wrapsLate() {
        #expect(lines("0123456789\rx") == ["x123456789", "", "", ""])
        #expect(lines("0123456789x") == ["0123456789", "x", "", ""])
        #expect(lines("0123456789\u{8}x") == ["01234567x9", "", "", ""])
        #expect(lines("\u{1B}[?7l0123456789x\u{1B}[?7h") == ["012345678x", "", "", ""])
        #expect(lines("\u{1B}[4;1H0123456789x") == ["", "", "0123456789", "x"])
    }

    @Test func erases() {
        let full = "0123456789\r\nabcdefghij\r\nABCDEFGHIJ\u{1B}[2;5H"
        #expect(lines(full + "\u{1B}[K") == ["0123456789", "abcd", "ABCDEFGHIJ", ""])
        #expect(lines(full + "\u{1B}[1K") == ["0123456789", "     fghij", "ABCDEFGHIJ", ""])
        #expect(lines(full + "\u{1B}[3X") == ["0123456789", "abcd   hij", "ABCDEFGHIJ", ""])
        #expect(lines(full + "\u{1B}[J") == ["0123456789", "abcd", "", ""])
        #expect(lines(full + "\u{1B}[H\u{1B}[2J") == ["", "", "", ""])
    }

    @Test func insertsAndDeletes() {
        let full = "0123456789\r\nabcdefghij\r\nABC\u{1B}[2;5H"
        #expect(lines(full + "\u{1B}[2P") == ["0123456789", "abcdghij", "ABC", ""])
        #expect(lines(full + "\u{1B}[2@") == ["0123456789", "abcd  efgh", "ABC", ""])
        #expect(lines(full + "\u{1B}[4hXY\u{1B}[4lZ") == ["0123456789", "abcdXYZfgh", "ABC", ""])
        #expect(lines(full + "\u{1B}[L") == ["0123456789", "", "abcdefghij", "ABC"])
        #expect(lines(full + "\u{1B}[M") == ["0123456789", "ABC", "", ""])
        #expect(lines(full + "\u{1B}[9M") == ["0123456789", "", "", ""])
    }

    @Test func scrollsARegion() {
        let full = "a\r\nb\r\nc\r\nd\u{1B}[2;3r"
        #expect(lines(full + "\u{1B}[3;1H\n") == ["a", "c", "", "d"])
        #expect(lines(full + "\u{1B}[2;1H\u{1B}M") == ["a", "", "b", "d"])
        #expect(lines(full + "\u{1B}[S") == ["a", "c", "", "d"])
        #expect(lines(full + "\u{1B}[5T") == ["a", "", "", "d"])
        #expect(lines(full + "\u{1B}[4;1H\nx") == ["a", "b", "c", "x"])
        #expect(lines(full + "\u{1B}[r\u{1B}[4;1H\nx") == ["b", "c", "d", "x"])
    }

    @Test func repeatsAndDraws() {
        #expect(lines("a\u{1B}[3b\u{1B}(0qx\u{1B}(Bqx") == ["aaaa─│qx", "", "", ""])
        #expect(lines("\u{1B})0\u{E}l\u{F}l") == ["┌l", "", "", ""])
    }

    @Test func wideCharacters() {
        #expect(lines("日本") == ["日本", "", "", ""])
        #expect(screen("日本").column == 4)
        #expect(lines("日本\u{1B}[1;2Hx") == [" x本", "", "", ""])
        #expect(lines("日本\u{1B}[1;3Hx") == ["日x", "", "", ""])
        #expect(lines("012345678日") == ["012345678", "日", "", ""])
    }

    @Test func styles() {
        let seen = screen("\u{1B}[1;31;44ma\u{1B}[38;5;200mb\u{1B}[22;48:2::1:2:3mc\u{1B}[md\u{1B}[42m\u{1B}[K")
        #expect(seen.unknown == [])
        #expect(seen.style(row: 0, column: 0) == .init(attributes: [1], foreground: [5, 1], background: [5, 4]))
        #expect(seen.style(row: 0, column: 1).foreground == [5, 200])
        #expect(seen.style(row: 0, column: 2) == .init(foreground: [5, 200], background: [2, 1, 2, 3]))
        #expect(seen.style(row: 0, column: 3) == .init())
        #expect(seen.style(row: 0, column: 9) == .init(background: [5, 2]))
        // A blank shows its background alone, unless it is underlined or reversed.
        #expect(screen("\u{1B}[31m ").picture == screen("").picture)
        #expect(screen("\u{1B}[31;7m ").picture != screen("").picture)
        #expect(screen("\u{1B}[31ma").picture != screen("a").picture)
    }

    @Test func alternateScreenAndSize() {
        let seen = screen("ab\u{1B}[?1049h\u{1B}[?25l\u{1B}[3;3Hcd")
        #expect(seen.isAlternate && !seen.isCursorVisible)
        #expect(seen.text(row: 0) == String(repeating: " ", count: 10))
        seen.resize(width: 3, height: 3)
        #expect(seen.text == "   \n   \n  c")
        seen.resize(width: 4, height: 3)
        seen.feed("\u{1B}[?1049l\u{1B}[?25h")
        #expect(!seen.isAlternate && seen.isCursorVisible)
        #expect(seen.text == "ab  \n    \n    ")
        #expect((seen.row, seen.column) == (0, 2))
    }

    @Test func theUnknownIsNoted() {
        #expect(screen("\u{1B}[5y").unknown == ["CSI 5y"])
        #expect(screen("\u{1B}[?2026h").unknown == ["CSI ?2026h"])
        #expect(screen("\u{1B}]0;title\u{7}a\u{1B}[22;0;0tb").unknown == [])
    }
}
