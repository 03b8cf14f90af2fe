import Foundation
import Testing

/// The real program in a pseudo-terminal.
@Suite(.serialized) struct EndToEndTests {
    private static let enterScreen = "\u{1B}[?1049h"
    private static let leaveScreen = "\u{1B}[?1049l"
    private static let arguments = ["--preset", "micro", "--set", "run.steps=1000000"]

    private func start(
        _ environment: [String: String] = [:], rows: Int = 24, columns: Int = 80
    ) throws -> PseudoTerminal {
        try PseudoTerminal(EndToEndTests.arguments, environment: environment, rows: rows, columns: columns)
    }

    @Test func framesHelpAndQuit() throws {
        let program = try start()
        #expect(program.waitFor(EndToEndTests.enterScreen))
        #expect(program.waitFor("1 Loss"))
        #expect(program.waitFor("RUNNING"))
        #expect(!program.hasModesOfBefore)
        program.send("?")
        #expect(program.waitFor("pause or resume"))
        program.send("q")
        program.send("q")
        #expect(program.waitFor("Stop the run?"))
        program.send("x")
        #expect(program.waitForEnd() == 0)
        #expect(program.text.contains(EndToEndTests.leaveScreen))
        #expect(program.hasModesOfBefore)
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
    func signalsEndTheRunInOrder(_ number: Int32) throws {
        let program = try start()
        #expect(program.waitFor("RUNNING"))
        program.send(signal: number)
        #expect(program.waitForEnd() == 128 + number)
        #expect(program.text.contains(EndToEndTests.leaveScreen))
        #expect(program.hasModesOfBefore)
    }

    @Test func aCrashGivesTheTerminalBack() throws {
        let program = try start()
        #expect(program.waitFor("RUNNING"))
        program.send(signal: SIGSEGV)
        #expect(program.waitForEnd() == 128 + SIGSEGV)
        #expect(program.text.contains(EndToEndTests.leaveScreen))
        #expect(program.hasModesOfBefore)
    }

    @Test func theFrameFollowsTheTerminal() throws {
        let program = try start()
        #expect(program.waitFor("RUNNING"))
        program.resize(rows: 8, columns: 30)
        #expect(program.waitFor("wants 40x10, has 30x8"))
        program.resize(rows: 40, columns: 120)
        #expect(program.waitFor("5 Run"))
        program.send("\u{3}")
        #expect(program.waitFor("Stop the run?"))
        program.send("\u{3}")
        #expect(program.waitForEnd() == 0)
    }

    @Test func noColourMeansNone() throws {
        let program = try start(["NO_COLOR": "1"])
        #expect(program.waitFor("RUNNING"))
        program.send("qx")
        #expect(program.waitForEnd() == 0)
        let colour = /\x1B\[(?:\d+;)*(?:3[0-8]|4[0-8])(?:;\d+)*m/
        #expect(program.text.firstMatch(of: colour) == nil)
    }

    @Test func withoutUTF8TheScreenIsASCII() throws {
        let program = try start(["LC_ALL": "C"])
        #expect(program.waitFor("RUNNING"))
        program.send("qx")
        #expect(program.waitForEnd() == 0)
        #expect(program.text.contains("+-"))
        #expect(program.text.contains("3 Sample"))
        #expect(program.output.allSatisfy { $0 < 0x80 })
    }

    @Test(arguments: ["dumb", "", "no-such-terminal"])
    func uselessTerminalsAreRefused(_ term: String) throws {
        let program = try start(["TERM": term])
        #expect(program.waitForEnd() == 2)
        #expect(program.text.contains("--batch"))
        #expect(!program.text.contains(EndToEndTests.enterScreen))
        #expect(program.hasModesOfBefore)
    }
}
