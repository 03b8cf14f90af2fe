import Core
import Foundation
import Testing

@testable import fp4tui

/// The built program, run as a user runs it but without a terminal.
struct Binary {
    var status: Int32
    var output: String
    var errors: String

    /// Where the build puts it: beside the test bundle.
    static let url: URL = {
        var folder = Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0])
        while folder.pathComponents.count > 1 {
            folder.deleteLastPathComponent()
            let candidate = folder.appendingPathComponent("fp4tui")
            if FileManager.default.isExecutableFile(atPath: candidate.path),
                (try? candidate.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile) == true
            {
                return candidate
            }
        }
        return URL(fileURLWithPath: "fp4tui")
    }()

    /// Where the runs of the tests lie.
    static let runs = FileManager.default.temporaryDirectory.path + "/fp4tui-runs-\(getpid())"

    static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Binary {
        try run(url, arguments, environment: environment)
    }

    static func shell(_ command: String) throws -> Binary {
        try run(URL(fileURLWithPath: "/bin/sh"), ["-c", command], environment: [:])
    }

    private static func run(_ url: URL, _ arguments: [String], environment: [String: String]) throws -> Binary {
        let process = Process()
        process.executableURL = url
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["FP4TUI_RUNS": runs]) { $1 }
            .merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let outputData = output.fileHandleForReading.readDataToEndOfFile()
        let errorData = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Binary(
            status: process.terminationStatus, output: String(decoding: outputData, as: UTF8.self),
            errors: String(decoding: errorData, as: UTF8.self))
    }
}

@Suite struct BinaryTests {
    @Test(
        arguments: [
            ([], "fp4tui: standard input and output are not a terminal: use --batch to train without a dashboard\n"),
            (
                ["--preset", "micro"],
                "fp4tui: standard input and output are not a terminal: use --batch to train without a dashboard\n"
            ),
            (
                ["--json"],
                "fp4tui: --json needs --batch: the screen and JSON cannot share standard output\nSee 'fp4tui --help'.\n"
            ),
            (
                ["--batch", "--ascii"],
                "fp4tui: --ascii has no meaning with --batch: there is no screen\nSee 'fp4tui --help'.\n"
            ),
            (
                ["--batch", "--mouse"],
                "fp4tui: --mouse has no meaning with --batch: there is no screen\nSee 'fp4tui --help'.\n"
            ),
            (
                ["--ascii", "--glyphs", "braille"],
                "fp4tui: --ascii is --glyphs ascii: leave out one of --ascii and --glyphs braille\nSee 'fp4tui --help'.\n"
            ),
            (["--batch", "--unheard-of"], "fp4tui: Unknown option '--unheard-of'\nSee 'fp4tui --help'.\n"),
            (["confg"], "fp4tui: Unexpected argument 'confg'\nSee 'fp4tui --help'.\n"),
            (
                ["--batch", "--set", "model.layer=6"],
                "fp4tui: --set model.layer=6: there is no key model.layer; the nearest is model.layers\n"
            ),
            (
                ["--batch", "--preset", "mirco"],
                "fp4tui: there is no preset \"mirco\"; the nearest is \"micro\" (fp4tui presets lists them)\n"
            ),
            (
                ["--batch", "--save", "/nonexistent/model.safetensors"],
                "fp4tui: --save /nonexistent/model.safetensors: the folder /nonexistent does not exist\n"
            ),
            (
                ["--batch", "--save", "/dev/null", "--overwrite"],
                "fp4tui: --save /dev/null: this is not a regular file\n"
            ),
            (
                ["--batch", "--set", "model=3"],
                "fp4tui: --set model=3: model is a section and has no value; its keys are model.family and so on\n"
            ),
            (
                ["--batch", "--threads", "-1"],
                "fp4tui: --threads: run.threads = -1 is not possible: it must be an integer from 0 to 1024\n"
            ),
            (
                ["--batch", "--set", "run.seed=9223372036854775808"],
                "fp4tui: --set run.seed=9223372036854775808: run.seed = 9223372036854775808 is not possible: "
                    + "it must be an integer, at least 0\n"
            ),
            (["--batch", "--save", "/"], "fp4tui: --save /: this is a folder, and a file is needed\n"),
            (
                ["config", "--config", "/nonexistent.toml"],
                "fp4tui: --config /nonexistent.toml: the file does not exist\n"
            ),
        ] as [([String], String)])
    func aMistakeIsOneSentenceAndExitCode2(arguments: [String], message: String) throws {
        let result = try Binary.run(arguments)
        #expect(result.errors == message)
        #expect(result.output.isEmpty)
        #expect(result.status == 2)
    }

    @Test func anExistingModelIsKept() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/model.safetensors"
            try "precious".write(toFile: path, atomically: true, encoding: .utf8)
            let result = try Binary.run(["--batch", "--save", path])
            #expect(result.errors == "fp4tui: --save \(path): the file exists; --overwrite replaces it\n")
            #expect(result.status == 2)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
            try TrainCommand.checkSave(path: path, overwrite: true, bytes: 1)
        }
    }

    /// Found out before the training, not after it.
    @Test func aDiskTooSmallForTheModelIsRefused() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/model.safetensors"
            try TrainCommand.checkSave(path: path, overwrite: false, bytes: 1)
            let error = try #require(throws: UserError.self) {
                try TrainCommand.checkSave(path: path, overwrite: false, bytes: Int.max)
            }
            #expect(error.description.contains("9223372036.9 GB, and the disk has"))
            let long = folder + "/" + String(repeating: "x", count: 250)
            #expect(throws: UserError("cannot write \(long): File name too long")) {
                try TrainCommand.checkSave(path: long, overwrite: false, bytes: 1)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
        }
    }

    @Test func outputThatCannotBeWrittenIsAnError() throws {
        try withTemporaryFolder { folder in
            let model = folder + "/model.safetensors"
            let training = try Binary.run(["--batch", "--preset", "micro", "--steps", "1", "--save", model])
            #expect(training.status == 0)
            for (command, reason) in [
                ("sample '\(model)' --tokens 5 >/dev/full", "No space left on device"),
                ("presets >/dev/full", "No space left on device"),
                ("sample '\(model)' --tokens 5 >&-", "Bad file descriptor"),
                ("--batch --preset micro --steps 2 >&-", "Bad file descriptor"),
            ] {
                let result = try Binary.shell("\(Binary.url.path) \(command)")
                #expect(result.status == 2, "\(command)")
                #expect(result.errors == "fp4tui: standard output cannot be written: \(reason)\n", "\(command)")
            }
        }
    }

    @Test func aRunThatDivergesEndsWithCode1() throws {
        let result = try Binary.run(
            ["--batch", "--preset", "micro", "--steps", "200"]
                + [
                    "optimizer.learning_rate=1000", "optimizer.minimum_learning_rate=1000", "optimizer.warmup=0",
                    "optimizer.clip=0", "evaluation.every=0", "sampling.every=0",
                ].flatMap { ["--set", $0] })
        #expect(result.status == 1)
        #expect(result.output.contains("diverged"))
        #expect(result.errors.isEmpty)
    }

    @Test func configPrintsWhatGoesBackIn() throws {
        let first = try Binary.run(["config", "--preset", "llama-baby", "--set", "run.name=a \"b\""])
        #expect(first.status == 0)
        #expect(first.errors.isEmpty)
        try withTemporaryFolder { folder in
            let path = folder + "/run.toml"
            try first.output.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(try Binary.run(["config", "--config", path]).output == first.output)
        }
    }

    @Test(arguments: [["--version"], ["--help"], ["-h"], ["help"], ["presets"], ["help", "config"]])
    func whatOnlyInformsSucceeds(arguments: [String]) throws {
        let result = try Binary.run(arguments)
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        #expect(!result.output.isEmpty)
    }

    @Test func helpOfTheProgramIsHelpOfTraining() throws {
        let help = try Binary.run(["--help"], environment: ["COLUMNS": "80"])
        #expect(help.output.contains("--batch "))
        #expect(help.output.contains("  presets "))
    }

    @Test func presetsAsJSONDecode() throws {
        let result = try Binary.run(["presets", "--json"])
        let rows = try JSONDecoder().decode([PresetsCommand.Row].self, from: Data(result.output.utf8))
        #expect(rows == Preset.all.map(PresetsCommand.Row.init))
    }
}
