import Core
import Foundation
import Testing

/// The real program in a pseudo-terminal.
@Suite(.serialized) struct EndToEndTests {
    private static let enterScreen = "\u{1B}[?1049h"
    private static let leaveScreen = "\u{1B}[?1049l"
    /// Steps that are short in a debug build too.
    static let small = ["--preset", "micro", "--set", "training.batch=1", "--set", "model.context=32"]
    private static let arguments = small + ["--set", "run.steps=1000000"]

    func start(
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
        #expect(program.waitForScreen { $0.text.contains("─ Help ") })
        program.send(RandomInputs.escape)
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
        #expect(program.waitFor("5 Inspector"))
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
        #expect(program.text.contains("3 Precision map"))
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

    /// Watched or not, and whatever the number of threads: a run gives the same model to the last bit.
    @Test func aWatchedRunGivesTheBitsOfAHeadlessOne() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bits-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let run =
            EndToEndTests.small + ["--steps", "40", "--set", "evaluation.every=10", "--set", "sampling.every=7"]
        func save(_ name: String) -> [String] { ["--save", folder.appending(path: name).path] }

        try EndToEndTests.runBatch(["--threads", "1"] + run + save("batch"))
        let expected = try EndToEndTests.parameters(folder.appending(path: "batch").path)
        #expect(!expected.isEmpty)

        for threads in [1, 2, 4] {
            let name = "watched\(threads)"
            let program = try PseudoTerminal(run + ["--threads", "\(threads)"] + save(name))
            #expect(program.waitFor("RUNNING"))
            // What a person may do on the way.
            program.send("pnnp?")
            program.send("qvseyz")
            program.resize(rows: 40, columns: 120)
            #expect(program.waitFor("DONE", seconds: 60))
            program.send("q")
            #expect(program.waitForEnd() == 0)
            #expect(
                try EndToEndTests.parameters(folder.appending(path: name).path) == expected, "\(threads) threads")
        }
    }

    /// The tensors of a saved model; what stands in its header, such as its path, may differ.
    private static func parameters(_ path: String) throws -> [String: [UInt32]] {
        let file = try SafeTensors.File(path)
        return try file.names.reduce(into: [:]) { result, name in
            guard let shape = file.shape(name) else { return }
            var values = [Float](repeating: 0, count: shape.reduce(1, *))
            try file.copy(name, shape: shape, to: &values)
            result[name] = values.map(\.bitPattern)
        }
    }

    /// A step of very many micro-batches would hold up a signal for hours.
    @Test func aSignalDoesNotWaitForAllMicroBatches() throws {
        let program = try PseudoTerminal(["--preset", "micro", "--set", "training.accumulation=1000000"])
        #expect(program.waitFor("waiting for the first step"))
        program.send(signal: SIGTERM)
        #expect(program.waitForEnd() == 128 + SIGTERM)
        #expect(program.hasModesOfBefore)
    }

    /// The run ends with an error, not with a crash, and the dashboard stays on the screen to tell it.
    @Test func dataThatAreCutShortAreAnError() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "cut-\(UUID().uuidString).txt")
        try Data(repeating: 65, count: 1 << 20).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let program = try PseudoTerminal(EndToEndTests.arguments + ["--data", file.path])
        #expect(program.waitFor("RUNNING"))
        #expect(truncate(file.path, 100) == 0)
        #expect(program.waitFor("FAILED"))
        program.send("q")
        #expect(program.waitForEnd() == 2)
        #expect(program.text.contains("cut short"))
        #expect(program.hasModesOfBefore)
    }

    /// The program leads a session of its own here, so there is no shell to come back to and the system does not stop
    /// it: the terminal is given back and taken again at once.
    @Test func suspendingGivesTheTerminalBackForAWhile() throws {
        for suspend: (PseudoTerminal) -> Void in [{ $0.send(signal: SIGTSTP) }, { $0.send("\u{1A}") }] {
            let program = try start()
            #expect(program.waitFor("RUNNING"))
            suspend(program)
            #expect(program.waitFor(EndToEndTests.leaveScreen))
            #expect(program.waitFor(EndToEndTests.enterScreen))
            #expect(program.waitFor("RUNNING"))
            #expect(!program.hasModesOfBefore)
            program.send("qx")
            #expect(program.waitForEnd() == 0)
            #expect(program.hasModesOfBefore)
        }
    }
}
