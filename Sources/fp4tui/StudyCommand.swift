import ArgumentParser
import Core
import Foundation
import Runs

/// `fp4tui study`: recipes side by side.
struct StudyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "study", abstract: "Train several recipes with several seeds and compare them.",
        usage: "fp4tui study --recipes <names> --out <folder> [--seeds <n>] [options]",
        discussion: """
            Every recipe is trained with every seed on the same data, and the folder gets study.md and study.json: \
            validation losses, gap to bf16 (to the first recipe if bf16 is not among them), theoretical cost and measured \
            time. The recipes of one seed take turns of --slice steps, so that what disturbs the machine disturbs all of \
            them, and times are compared within a turn.

            A recipe may be followed by keys of [recipe], separated by +, which makes ablations: \
            zhou2025:target_fraction=0. The seeds are run.seed and those that follow; the built-in language is that of \
            run.seed for all of them.

            State is saved in the folder every few minutes. SIGINT and SIGTERM end the study after the slice in progress \
            (exit code 130 or 143), and the same command goes on where it ended, to the same losses bit by bit. With more \
            recipes or more seeds it trains what is missing; a folder with another study is refused. Runs that diverge are \
            reported; the others go on.

            EXAMPLES:
              fp4tui study --recipes bf16,fp8-block,zhou2025,nvfp4 --seeds 3 --out study
              fp4tui study --recipes bf16,zhou2025,zhou2025:target_fraction=0 --out ablation
            """)

    @Option(help: ArgumentHelp("Recipes, separated by commas, each with its changes.", valueName: "names"))
    var recipes: String

    @Option(parsing: .unconditional, help: ArgumentHelp("Seeds for each recipe.", valueName: "n"))
    var seeds = 3

    @Option(help: ArgumentHelp("Folder for results and state; made if it isn't there.", valueName: "folder"))
    var out: String

    @Option(
        parsing: .unconditional, help: ArgumentHelp("Steps of one recipe before the next has its turn.", valueName: "n")
    )
    var slice = 25

    @Flag(help: "Print one JSON event per line instead of the table.")
    var json = false

    @OptionGroup(title: "Configuration") var options: ConfigurationOptions

    func run() throws {
        let interrupts = Interrupts()
        let configuration = try Self.configuration(options)
        let study = Study(
            configuration: configuration, entries: try Self.entries(recipes, configuration), seeds: seeds, slice: slice)
        try study.validate()
        let runner = try StudyRunner(
            study, corpus: try CorpusSource.corpus(for: configuration), directory: out,
            command: Self.commandLine(CommandLine.arguments))
        interrupts.onFirst {}

        var output = StandardOutput()
        var status = StatusLine()
        var failure: (any Error)?
        let isComplete = try runner.run {
            interrupts.received != nil || failure != nil || output.isClosed
        } report: { event in
            if json {
                do { try output.write(try LineCoding.text(event) + "\n") } catch let error { failure = error }
            }
            status.show(Self.line(event))
        }
        status.hide()
        if let failure { throw failure }
        if isComplete, !json { try output.write(runner.results.markdown) }
        if output.isClosed { throw ExitCode(ExitStatus.outputClosed) }
        if let signal = interrupts.received, !isComplete { throw ExitCode(ExitStatus.interrupted(by: signal)) }
    }

    /// The configuration without a recipe of its own.
    private static func configuration(_ options: ConfigurationOptions) throws -> RunConfiguration {
        if options.recipe != nil { throw UserError("--recipe has no meaning in a study; --recipes names its recipes") }
        if !(options.save ?? "").isEmpty { throw UserError("--save has no meaning in a study: no model is kept") }
        if let setting = options.settings.first(where: { $0.hasPrefix("recipe.") }) {
            throw UserError(
                "--set \(setting) has no meaning in a study; write it behind a recipe, as in "
                    + "--recipes zhou2025:target_fraction=0")
        }
        return try options.resolve()
    }

    /// Reads `NAME[:key=value[+key=value]],…`.
    ///
    /// - Throws: `UserError` for an unknown recipe or key, or a value outside the key's domain.
    static func entries(_ text: String, _ configuration: RunConfiguration) throws -> [Study.Entry] {
        try Recipe.split(text, at: ",").map { label in
            let parts = label.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            var copy = configuration
            try copy.apply(try ConfigurationOptions.recipe(parts[0], flag: "--recipes"))
            let changes = parts.count > 1 ? Recipe.changes(in: parts[1]) : []
            let assignments = try changes.map { change in
                var assignment = try ConfigurationOptions.assignment(from: "recipe." + change)
                assignment.origin = "--recipes \(label)"
                return assignment
            }
            try copy.apply(assignments)
            return Study.Entry(label: label, recipe: copy.recipe)
        }
    }

    private static func line(_ event: StudyEvent) -> String {
        let share = event.totalSteps > 0 ? Int(100 * Double(event.doneSteps) / Double(event.totalSteps)) : 100
        let run = [event.recipe, event.seed.map { "seed \($0)" }, event.step.map { "step \($0)" }].compactMap { $0 }
        let loss = event.loss.map { "loss " + LogFormat.fixed($0, decimals: 4) }
        let fields = [
            "\(share)%", "\(event.doneSteps)/\(event.totalSteps)", run.joined(separator: " "),
            loss ?? event.event.rawValue, "eta \(event.secondsLeft.map(LogFormat.duration) ?? "-")",
        ]
        return fields.filter { !$0.isEmpty }.joined(separator: "  ")
    }

    /// What was typed, as a shell would take it again.
    static func commandLine(_ arguments: [String]) -> String {
        let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,+@%")
        let quoted = arguments.dropFirst().map { argument in
            !argument.isEmpty && argument.allSatisfy(plain.contains)
                ? argument : "'" + argument.replacingOccurrences(of: "'", with: "'\\''") + "'"
        }
        return (["fp4tui"] + quoted).joined(separator: " ")
    }
}
