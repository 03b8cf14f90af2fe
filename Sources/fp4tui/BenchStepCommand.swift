import ArgumentParser
import Core
import Foundation

/// `fp4tui bench step`
struct BenchStepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step", abstract: "Whole training steps by recipe, and where their time goes.",
        discussion: """
            Trains a model on random tokens by every recipe, in turns of one step, for as long as --seconds says, and prints \
            for each tokens/s, the median step, its ratio to the first recipe's (the median over neighbouring steps), \
            GFLOP/s (6 a weight and token, and the attention core), the share of the step in the linears' products and in \
            quantizing and packing for them, the share of the threads' time without work, and memory. Below that, the \
            milliseconds of each part. Times are of the thread that leads; parts that --vary or several presets measure \
            are in the JSON.

            EXAMPLES:
              fp4tui bench step --chart
              fp4tui bench step --preset gpt2-124m --set model.context=256 --set training.accumulation=1
              fp4tui bench step --recipes bf16,nvfp4 --vary model.width=128,256,512,1024
            """)

    @Option(help: "Model and batch of a preset; may be repeated. Default: baby.")
    var preset: [String] = []

    @Option(help: "Recipes, separated by commas, each with its changes, as 'fp4tui help study' describes them.")
    var recipes = "bf16,fp8-block,zhou2025,nvfp4"

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("Set one key, as in --set model.layers=6; may be repeated.", valueName: "key=value"))
    var settings: [String] = []

    @Option(help: ArgumentHelp("Measure with each of these values of a key.", valueName: "key=value,value,..."))
    var vary: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Distinct tokens. Default: 256; 50304 for gpt2 presets.", valueName: "n"))
    var vocabulary: Int?

    @Option(help: "Seconds for each model.")
    var seconds = 10.0

    @Flag(help: "Draw a bar chart of tokens/s below the tables.")
    var chart = false

    @Flag(help: "Print JSON.")
    var json = false

    /// What `--json` prints.
    struct Report: Codable, Hashable {
        struct Group: Codable, Hashable {
            /// The preset, and the value that was varied.
            var name: String
            var threads: Int
            var kernels: String
            var results: [StepBenchmark.Result]
        }
        var groups: [Group] = []
        /// Of the whole process: all recipes of a group are in memory at a time.
        var peakResidentBytes = 0
    }

    func run() throws {
        guard seconds > 0, seconds <= 3600 else {
            throw UserError("--seconds is \(seconds); expected more than 0 and at most 3600")
        }
        let interrupts = Interrupts()
        interrupts.onFirst {}
        var output = StandardOutput()
        var report = Report()
        for (name, vocabulary, configuration) in try configurations() {
            let benchmark = try StepBenchmark(
                configuration, vocabularySize: vocabulary, entries: try StudyCommand.entries(recipes, configuration))
            var status = StatusLine()
            status.show("\(name): \(recipes)")
            let measured = try benchmark.measure(seconds: seconds) { interrupts.received != nil || output.isClosed }
            status.hide()
            guard let results = measured else {
                throw ExitCode(
                    interrupts.received.map(ExitStatus.interrupted(by:)) ?? ExitStatus.outputClosed)
            }
            report.groups.append(
                .init(name: name, threads: benchmark.threads, kernels: benchmark.kernels, results: results))
            if !json { try output.write(Self.table(report.groups[report.groups.count - 1], withParts: vary == nil)) }
        }
        report.peakResidentBytes = ProcessMemory.peakBytes
        if json {
            try output.write(try RecipesReport.json(report))
        } else if chart {
            try output.write(Self.chart(report))
        }
    }

    private func configurations() throws -> [(name: String, vocabulary: Int, RunConfiguration)] {
        let presets = preset.isEmpty ? ["baby"] : preset
        let values = try variations()
        return try presets.flatMap { preset in
            try values.map { variation in
                var configuration = try Preset.named(preset).configuration
                try configuration.apply(
                    try (settings + [variation].compactMap { $0 }).map(ConfigurationOptions.assignment(from:)))
                try configuration.validate()
                let isGPT2 = preset.hasPrefix("gpt2")
                return (
                    variation.map { "\(preset) \($0)" } ?? preset, vocabulary ?? (isGPT2 ? 50304 : 256), configuration
                )
            }
        }
    }

    /// `key=value` for each value of `--vary`.
    private func variations() throws -> [String?] {
        guard let vary else { return [nil] }
        let parts = vary.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let values = parts.count == 2 ? parts[1].split(separator: ",") : []
        guard !values.isEmpty else {
            throw UserError("--vary is \"\(vary)\"; expected a key and values, as in model.width=128,256,512")
        }
        return values.map { "\(parts[0])=\($0)" }
    }

    // MARK: Report

    static func table(_ group: Report.Group, withParts: Bool) -> String {
        guard let first = group.results.first else { return "" }
        let parameters = LogFormat.magnitude(first.parameters)
        var lines = [
            "\(group.name): \(parameters) parameters, \(first.tokensPerStep) tokens a step, \(group.threads) threads, "
                + "kernels \(group.kernels)"
        ]
        let width = max(10, group.results.map(\.recipe.count).max() ?? 0)
        lines.append(
            row(
                ["recipe", "tok/s", "ms/step", "/\(first.recipe)", "GFLOP/s", "gemm", "pack", "idle", "memory"],
                first: width))
        for result in group.results {
            lines.append(
                row(
                    [
                        result.recipe, LogFormat.fixed(result.tokensPerSecond, decimals: 0),
                        LogFormat.fixed(result.milliseconds, decimals: 1), LogFormat.fixed(result.ratio, decimals: 3),
                        LogFormat.fixed(result.gigaflopsPerSecond, decimals: 1),
                        percent(result.gemmShare), percent(result.packShare), percent(result.idle),
                        "\(result.memoryBytes >> 20) MiB",
                    ], first: width))
        }
        if withParts {
            lines.append("")
            lines.append(row(["ms of a step"] + group.results.map(\.recipe), first: 20))
            for part in StepPart.allCases {
                let cells = group.results.map { $0.parts[part.key].map { LogFormat.fixed($0, decimals: 1) } ?? "-" }
                if cells.contains(where: { $0 != "-" }) { lines.append(row([part.name] + cells, first: 20)) }
            }
        }
        return lines.joined(separator: "\n") + "\n\n"
    }

    private static func chart(_ report: Report) -> String {
        let most = report.groups.flatMap(\.results).map(\.tokensPerSecond).max() ?? 1
        var lines: [String] = []
        for group in report.groups {
            lines.append("\(group.name), tokens/s")
            for result in group.results {
                let bar = String(
                    repeating: "█", count: max(1, Int((result.tokensPerSecond / most * 50).rounded())))
                lines.append(
                    "\(LogFormat.left(result.recipe, 10)) \(bar) \(LogFormat.fixed(result.tokensPerSecond, decimals: 0))"
                )
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func percent(_ share: Double) -> String { LogFormat.fixed(100 * share, decimals: 0) + " %" }

    private static func row(_ cells: [String], first: Int) -> String {
        cells.indices.map {
            $0 == 0 ? LogFormat.left(cells[0], first) : LogFormat.right(cells[$0], max(9, cells[$0].count))
        }.joined(separator: " ")
    }
}
