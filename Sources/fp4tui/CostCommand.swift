import ArgumentParser
import Core
import Foundation
import KernelInterface

/// `fp4tui cost`: what a recipe's matrix products cost on this machine.
struct CostCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cost",
        abstract: "Measure what a recipe's matrix products cost on this machine.",
        usage: "fp4tui cost [--seconds <s>] [--json] [options]",
        discussion: """
            Times fprop, dgrad and wgrad of each linear of the model's layers at the tokens of a micro-batch, in the \
            recipe's formats and in BF16 by turns, with the quantization of both operands inside. "theory" is 1/2 for \
            FP8 and 1/4 for FP4; "ratio" is the median of the ratios of two turns that follow one another. Techniques \
            beside the formats, the attention core and everything that is no matrix product are not in it.

            EXAMPLES:
              fp4tui cost --preset baby
              fp4tui cost --recipe nvfp4 --set recipe.hadamard=false --seconds 2
            """)

    @OptionGroup(title: "Configuration") var options: ConfigurationOptions

    @Option(help: ArgumentHelp("Seconds for each line.", valueName: "s"))
    var seconds = 0.5

    @Flag(help: "Print JSON.")
    var json = false

    /// What `--json` prints.
    struct Report: Codable, Hashable {
        var recipe: String
        var kernels: String
        var threads: Int
        var tokens: Int
        var results: [LinearCostBenchmark.Result]
        /// Of all linears of the layers, BF16 being 1.
        var theoreticalCost: Double
        var measuredCost: Double
        /// In theory, the attention core counted too.
        var theoreticalCostWithCore: Double
    }

    func run() throws {
        guard seconds > 0, seconds <= 600 else {
            throw UserError("--seconds is \(seconds); expected more than 0 and at most 600")
        }
        let configuration = try options.resolve()
        let (model, recipe) = (configuration.model, configuration.recipe)
        let plan = recipe.plan(for: model)
        let context = try ComputeContext(
            tier: KernelTier.named(configuration.run.kernels), threads: configuration.run.threads,
            strictFP8: configuration.training.strictFP8)
        let benchmark = LinearCostBenchmark(context: context, tokens: configuration.training.batch * model.context)
        var output = StandardOutput()
        if !json {
            try output.write(
                "\(recipe.label), \(benchmark.tokens) tokens, \(context.pool.lanes) threads, "
                    + "kernels \(context.tier.rawValue)\n")
            try output.write(Self.line(["module", "count", "gemm", "precision", "theory", "ms", "BF16 ms", "ratio"]))
        }
        var results: [LinearCostBenchmark.Result] = []
        for entry in LinearCostBenchmark.entries(model, plan) {
            let result = benchmark.measure(entry, seconds: seconds)
            results.append(result)
            if !json { try output.write(Self.line(Self.cells(result))) }
            if output.isClosed { return }
        }
        let cost = CostModel(configuration)
        let report = Report(
            recipe: recipe.label, kernels: context.tier.rawValue, threads: context.pool.lanes,
            tokens: benchmark.tokens, results: results,
            theoreticalCost: cost.cost(of: plan, .init(includesCore: false)),
            measuredCost: LinearCostBenchmark.ratio(of: results), theoreticalCostWithCore: cost.cost(of: plan))
        if json {
            try output.write(try RecipesReport.json(report))
        } else {
            try output.write(
                """
                all linears  measured \(RecipesReport.percent(report.measuredCost)) of BF16, \
                in theory \(RecipesReport.percent(report.theoreticalCost)); \
                with the attention core in theory \(RecipesReport.percent(report.theoreticalCostWithCore))

                """)
        }
    }

    private static func cells(_ result: LinearCostBenchmark.Result) -> [String] {
        [
            modules(result.entry.modules), "\(result.entry.count)",
            result.entry.gemm.rawValue, result.entry.precision.rawValue,
            LogFormat.fixed(result.entry.theoreticalCost, decimals: 2),
            LogFormat.fixed(result.milliseconds, decimals: 3), LogFormat.fixed(result.bf16Milliseconds, decimals: 3),
            LogFormat.fixed(result.ratio, decimals: 2),
        ]
    }

    /// `attn.{q,k,v,o}` for the four of them, as a pattern of modules has it.
    static func modules(_ names: [String]) -> String {
        let parts = names.map { $0.split(separator: ".").map(String.init) }
        return ["attn", "mlp"].compactMap { block in
            let inside = parts.filter { $0[0] == block }.map { $0[1] }
            switch inside.count {
            case 0: return nil
            case 1: return "\(block).\(inside[0])"
            default: return "\(block).{\(inside.joined(separator: ","))}"
            }
        }.joined(separator: " ")
    }

    private static func line(_ cells: [String]) -> String {
        let widths = [-22, 6, -5, -9, 6, 9, 9, 6]
        let columns = zip(cells, widths).map { cell, width in
            width < 0 ? LogFormat.left(cell, -width) : LogFormat.right(cell, width)
        }
        return columns.joined(separator: " ") + "\n"
    }
}
