import Core
import Testing

@testable import Terminal

@Suite struct ClipboardTests {
    @Test func theBytes() throws {
        #expect(try Clipboard.sequence("loss 2.1", isInTmux: false) == Array("\u{1B}]52;c;bG9zcyAyLjE=\u{7}".utf8))
        #expect(try Clipboard.sequence("é\u{1B}", isInTmux: false) == Array("\u{1B}]52;c;w6kb\u{7}".utf8))
        // Within tmux's own sequence every escape is doubled.
        #expect(
            try Clipboard.sequence("loss 2.1", isInTmux: true)
                == Array("\u{1B}Ptmux;\u{1B}\u{1B}]52;c;bG9zcyAyLjE=\u{7}\u{1B}\\".utf8))
    }

    @Test func longTextIsRefused() throws {
        let longest = String(repeating: "x", count: 74_000)
        let count = try Clipboard.sequence(longest, isInTmux: true).count
        #expect(count < 100_000)
        #expect(throws: UserError("not copied: 74001 bytes are more than the 74000 that a terminal takes")) {
            try Clipboard.sequence(longest + "x", isInTmux: false)
        }
    }
}
