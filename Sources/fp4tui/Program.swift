import ArgumentParser
import Core
import Foundation

/// The program: it trains unless another command is named.
struct Program: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fp4tui",
        abstract: "Train a Transformer while you watch.",
        version: "0.1.0",
        subcommands: [
            TrainCommand.self, SampleCommand.self, ConfigCommand.self, PresetsCommand.self, RecipesCommand.self,
            RunsCommand.self, AttachCommand.self, ReplayCommand.self, RerunCommand.self, ExportCommand.self,
            CompareCommand.self, RenderCommand.self, CostCommand.self, StudyCommand.self, SensitivityCommand.self,
            BenchCommand.self, QuantizeCommand.self,
        ],
        defaultSubcommand: TrainCommand.self)
}

/// What the program's exit code says.
enum ExitStatus {
    static let diverged: Int32 = 1
    static let userError: Int32 = 2
    /// As if SIGPIPE had ended the process.
    static let outputClosed = interrupted(by: SIGPIPE)
    /// As a shell reports a process that a signal ended.
    static func interrupted(by signal: Int32) -> Int32 { 128 + signal }

    /// - Parameters:
    ///   - signal: the one that ended the run, if one did.
    ///   - failure: the last warning.
    /// - Throws: `UserError` if the run failed.
    static func of(_ summary: RunSummary, signal: Int32?, failure: String?) throws -> Int32 {
        switch summary.outcome {
        case .diverged: diverged
        case .failed: throw UserError(failure ?? "the run failed")
        case .completed, .stopped: signal.map(interrupted(by:)) ?? 0
        }
    }
}

@main
enum Main {
    static func main() async {
        openStandardDescriptors()
        let arguments = Main.redirectingHelp(Array(CommandLine.arguments.dropFirst()))
        do {
            var command = try Program.parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            exit(report(error))
        }
    }

    /// A descriptor that was closed when the program began would be given to the first file opened, and what is meant
    /// for standard output would be written into that file. Output that is closed stays unwritable.
    private static func openStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
            _ = open("/dev/null", descriptor == STDOUT_FILENO ? O_RDONLY : O_RDWR)
        }
    }

    /// Help for the program as a whole is the help of what it does by itself: training.
    static func redirectingHelp(_ arguments: [String]) -> [String] {
        let asksForHelp = ["--help", "-h", "help"].contains(arguments.first) && arguments.count == 1
        return asksForHelp ? ["help", TrainCommand._commandName] : arguments
    }

    /// The one place where errors become text and an exit code.
    static func report(_ error: any Error) -> Int32 {
        if let error = error as? ExitCode { return error.rawValue }
        let message = (error as? UserError)?.description ?? Program.message(for: error)
        if Program.exitCode(for: error).isSuccess {
            print(message)
            return 0
        }
        let hint = error is UserError ? "" : "\nSee 'fp4tui --help'."
        FileHandle.standardError.write(Data("fp4tui: \(message)\(hint)\n".utf8))
        return ExitStatus.userError
    }
}
