import ArgumentParser
import Core
import Foundation
import Runs

/// `fp4tui runs`: what was recorded.
struct RunsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs", abstract: "List the recorded runs.",
        discussion: """
            Every run is recorded in a folder of its own, runs/NAME, unless it began with --no-record. A run is
            interrupted if its process ended without a word: --resume goes on with it, as with one that was stopped.
            Cost is theoretical: the layers' matrix products as the recipe plans them, BF16 = 1.

            Example: fp4tui runs && fp4tui --resume default-1
            """)

    @Argument(help: ArgumentHelp("The folder that the runs lie in.", valueName: "folder"))
    var root = RunFolder.root

    @Flag(help: "Print one JSON array instead of a table.")
    var json = false

    func run() throws {
        let runs = try RunOverview.list(root)
        var output = StandardOutput()
        if json { return try output.write(try LineCoding.text(runs, isPretty: true) + "\n") }
        if runs.isEmpty { return try output.write("no runs in \(root)\n") }
        let header = ["run", "state", "recipe", "step", "loss", "validation", "cost", "checkpoint", "began"]
        let rows = runs.map(Self.row)
        try output.write(
            LogFormat.columns([header] + rows, leftAligned: 3).map { $0.trimmingTrailingSpaces + "\n" }.joined())
        for run in runs { if let problem = run.problem { try output.write("\(run.name): \(problem)\n") } }
    }

    static func row(_ run: RunOverview) -> [String] {
        [
            run.name, run.state.rawValue, run.recipe.isEmpty ? "-" : run.recipe,
            "\(LogFormat.grouped(run.step))/\(LogFormat.grouped(run.totalSteps))", LogFormat.loss(run.loss),
            LogFormat.loss(run.validationLoss), run.cost.map { LogFormat.fixed($0, decimals: 3) } ?? "-",
            run.checkpoint.map(LogFormat.grouped) ?? "-", date(run.created),
        ]
    }

    private static func date(_ seconds: Double) -> String {
        guard seconds > 0, seconds < 1e11 else { return "-" }
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "yyyy-MM-dd HH:mm"
        return formatter.string(from: Date(timeIntervalSince1970: seconds))
    }
}

extension String {
    fileprivate var trimmingTrailingSpaces: String {
        String(self[..<(lastIndex { $0 != " " }.map(index(after:)) ?? startIndex)])
    }
}
