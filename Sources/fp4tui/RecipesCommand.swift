import ArgumentParser
import Core
import Foundation

/// `fp4tui recipes`: the precision recipes.
struct RecipesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recipes",
        abstract: "List the precision recipes, or show one.",
        usage: """
            fp4tui recipes [--json] [options]
            fp4tui recipes show <name|file> [--toml] [--json] [options]
            """,
        discussion: """
            fprop, dgrad and wgrad are the shares of these products of the layers' linears \
            that run in FP4. cost is the theoretical time of all matrix products of a run, \
            BF16 being 100: FP8 is twice as fast and FP4 four times, quantization is free, \
            the attention core counts, the head does not. All depend on the model; 'fp4tui \
            cost' measures what is left of it on this machine.

            RECIPE FILES:
              The keys of the section [recipe] ('fp4tui help config' lists them) without
              'recipe.' in front, and the built-in recipe to start from:

                inherits = "nvfp4"
                name = "mine"
                hadamard = false
                assignments = ["layers.0.* bf16", "mlp.down backward =mxfp4+sr"]
                phases = ["80%: layers.* forward bf16"]

            ASSIGNMENTS:
            \(indented(PrecisionAssignment.syntax))

            PHASES:
            \(indented(PrecisionPhase.syntax))

            Formats are described by 'fp4tui help quantize'.

            EXAMPLES:
              fp4tui recipes --preset gpt2-124m
              fp4tui recipes show nvfp4 --toml > mine.toml
              fp4tui --recipe mine.toml --set recipe.stochastic_rounding=false
            """,
        subcommands: [RecipesListCommand.self, RecipesShowCommand.self], defaultSubcommand: RecipesListCommand.self)

    private static func indented(_ text: String) -> String {
        text.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n")
    }
}

struct RecipesListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the precision recipes.", usage: "fp4tui recipes [--json] [options]",
        shouldDisplay: false)

    @OptionGroup(title: "Configuration") var options: ConfigurationOptions

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let configuration = try options.resolve()
        var output = StandardOutput()
        try output.write(try json ? Self.json(configuration) : Self.table(configuration))
    }

    /// A recipe as `--json` prints it.
    struct Row: Codable, Hashable {
        var name: String
        var source: String
        var summary: String
        /// Shares of the FLOPs that run in FP4, by GEMM.
        var fp4: [String: Double]
        /// Over the whole run, BF16 being 1.
        var cost: Double

        init(_ recipe: Recipe, _ configuration: RunConfiguration) {
            name = recipe.name
            source = recipe.source
            summary = recipe.summary
            let model = CostModel(configuration)
            let plan = recipe.plan(for: configuration.model)
            fp4 = Dictionary(
                uniqueKeysWithValues: GEMMKind.allCases.map { ($0.rawValue, model.fp4Share(of: plan, $0)) })
            cost = model.cost(
                of: recipe, steps: configuration.run.steps, tokensPerStep: configuration.tokensPerStep)
        }
    }

    static func json(_ configuration: RunConfiguration) throws -> String {
        try RecipesReport.json(Recipe.builtIn.map { Row($0, configuration) })
    }

    static func table(_ configuration: RunConfiguration) -> String {
        let rows = Recipe.builtIn.map { Row($0, configuration) }
        let cells = rows.map { row in
            [row.name, row.source]
                + GEMMKind.allCases.map { gemm in
                    let share = row.fp4[gemm.rawValue] ?? 0
                    return share > 0 ? RecipesReport.percent(share, decimals: 0) : "-"
                } + [RecipesReport.percent(row.cost)]
        }
        let header = ["recipe", "source", "fprop", "dgrad", "wgrad", "cost"]
        let columns = LogFormat.columns([header] + cells, leftAligned: 2)
        return zip(columns, [""] + rows.map { "  " + $0.summary }).map { $0 + $1 + "\n" }.joined()
    }
}

struct RecipesShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show everything that is in a recipe.",
        usage: "fp4tui recipes show <name|file> [--toml] [--json] [options]",
        discussion: """
            With --toml the recipe is printed as a file that --recipe reads: give it a name of your own, and change \
            what you like. Switches can be tried here, as in

              fp4tui recipes show nvfp4 --set recipe.hadamard=false --preset baby
            """)

    @Argument(help: ArgumentHelp("The recipe's name, or a TOML file.", valueName: "name|file"))
    var recipe: String

    @OptionGroup(title: "Configuration") var options: ConfigurationOptions

    @Flag(help: "Print a recipe file.")
    var toml = false

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        if toml && json { throw ValidationError("--toml and --json cannot both be printed") }
        if options.recipe != nil { throw ValidationError("--recipe has no meaning here: the recipe is named already") }
    }

    func run() throws {
        let configuration = try options.resolve(recipe: recipe)
        let report = RecipesReport(configuration)
        var output = StandardOutput()
        try output.write(
            try toml ? configuration.recipeTOML : json ? RecipesReport.json(report) : report.text)
    }
}

extension RunConfiguration {
    /// Tokens of one optimizer step.
    var tokensPerStep: Int { training.batch * training.accumulation * model.context }
}

extension CostModel {
    init(_ configuration: RunConfiguration) {
        self.init(configuration.model, vocabularySize: configuration.expectedVocabularySize)
    }
}
