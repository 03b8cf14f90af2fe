import ArgumentParser
import Core
import Foundation
import Runs

/// `fp4tui sensitivity`: which linears bear low precision, and a recipe for a budget.
struct SensitivityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sensitivity", abstract: "Measure which linears bear low precision, and fit a recipe to a budget.",
        usage: "fp4tui sensitivity [<model> | --warm-up-steps <n>] [options]",
        discussion: """
            Each linear of the layers alone is run in each precision, in the formats of --recipe, everything else in \
            BF16, on fixed validation batches: how much the loss changes, and how far the gradient is off, \
            |dW_q - dW| / |dW|, of the module's own weight and of all parameters. The model is a saved one, or is \
            trained in BF16 for some steps first.

            With --budget B every linear gets fp4, fp8 or bf16 so that the layers' matrix products cost at most B of \
            BF16's (FP8 1/2, FP4 1/4, the attention core at 16 bit, without the head) and the sum of the predicted \
            damage is as small as possible, exactly. The damage of a module is the larger of its change of the loss and \
            L e^2 / 2, with L the loss and e the error of the whole gradient: the share of a step's progress that is lost.

            EXAMPLES:
              fp4tui sensitivity model.safetensors --recipe nvfp4
              fp4tui sensitivity --warm-up-steps 500 --budget 0.6 --output fitted.toml
              fp4tui --recipe fitted.toml
            """)

    @Argument(help: ArgumentHelp("A saved model; its configuration is the one to start from.", valueName: "model"))
    var model: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Without a model: steps to train in BF16 first (200 by default).", valueName: "n"))
    var warmUpSteps: Int?

    @Option(help: ArgumentHelp("Precisions to try, separated by commas.", valueName: "names"))
    var precisions = "fp4,fp8"

    @Option(parsing: .unconditional, help: ArgumentHelp("Validation batches to measure on.", valueName: "n"))
    var batches = 4

    @Option(parsing: .unconditional, help: ArgumentHelp("Cost that a recipe may have, of BF16's.", valueName: "share"))
    var budget: Double?

    @Option(help: ArgumentHelp("Write the recipe here (TOML); needs --budget.", valueName: "file"))
    var output: String?

    @Flag(help: "Let --output replace a file that exists.")
    var overwrite = false

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup(title: "Configuration") var options: ConfigurationOptions

    func run() throws {
        let precisions = try Self.precisions(self.precisions)
        try check()
        let checkpoint = try model.map { try Checkpoint(path: $0) }
        let configuration = try options.resolve(recipe: options.recipe, startingFrom: checkpoint?.configuration)
        let interrupts = Interrupts()
        let corpus = try CorpusSource.corpus(for: configuration)
        let probe = try SensitivityProbe(configuration, corpus: corpus)
        interrupts.onFirst {}
        var status = StatusLine()
        func interrupted() -> ExitCode { ExitCode(ExitStatus.interrupted(by: interrupts.received ?? SIGINT)) }

        if let checkpoint {
            try probe.load(checkpoint)
        } else {
            let steps = warmUpSteps ?? min(200, configuration.run.steps)
            guard steps <= configuration.run.steps else {
                throw UserError(
                    "--warm-up-steps is \(steps); expected at most run.steps = \(configuration.run.steps), from which the "
                        + "learning rate follows")
            }
            let time = RemainingTime()
            let isDone = try probe.warmUp(steps: steps) { step in
                status.show("warm-up  step \(step)/\(steps)  eta \(time.text(done: step, of: steps))")
                return interrupts.received == nil
            }
            guard isDone else { throw interrupted() }
        }
        let time = RemainingTime()
        let measured = try probe.measure(precisions, batches: batches) { done, total in
            status.show("probing  \(done)/\(total)  eta \(time.text(done: done, of: total))")
            return interrupts.received == nil
        }
        guard let map = measured else { throw interrupted() }
        status.hide()

        let fitted = try budget.map {
            try PrecisionBudget(
                $0, map, recipe: configuration.recipe, model: configuration.model,
                vocabularySize: corpus.vocabularySize)
        }
        var out = StandardOutput()
        if json {
            try out.write(
                try LineCoding.text(SensitivityReport(map: map, budget: fitted, limit: budget), isPretty: true))
            try out.write("\n")
        } else {
            try out.write(SensitivityReport.text(map, layers: configuration.model.layers))
            if let fitted { try out.write(SensitivityReport.text(fitted)) }
        }
        if let output, let fitted, let budget {
            let text = try Self.recipe(fitted, from: configuration, budget: budget)
            do {
                try Data(text.utf8).write(to: URL(fileURLWithPath: output), options: .atomic)
            } catch {
                throw UserError("--output \(output): the file cannot be written")
            }
        }
        if out.isClosed { throw ExitCode(ExitStatus.outputClosed) }
    }

    /// Finds out before the work what would be a pity to find out after it.
    private func check() throws {
        if let model, warmUpSteps != nil {
            throw UserError("--warm-up-steps has no meaning with a saved model, \(model)")
        }
        if let warmUpSteps, warmUpSteps < 0 {
            throw UserError("--warm-up-steps is \(warmUpSteps); expected a number from 0 up")
        }
        guard (1...1_000_000).contains(batches) else {
            throw UserError("--batches is \(batches); expected a number from 1 to 1000000")
        }
        if let budget, !(budget > 0 && budget <= 1) {
            throw UserError("--budget is \(budget); expected more than 0 and at most 1")
        }
        guard let output else { return }
        guard budget != nil else { throw UserError("--output needs --budget: without one there is no recipe to write") }
        try OutputFile.check(output, flag: "--output", permission: "--overwrite", isGiven: overwrite)
    }

    private static func precisions(_ text: String) throws -> [Precision] {
        let found = try text.split(separator: ",", omittingEmptySubsequences: false).map { name in
            guard let precision = Precision(rawValue: String(name)) else {
                throw UserError("--precisions has \"\(name)\"; expected fp4, fp8 or bf16, separated by commas")
            }
            return precision
        }
        guard Set(found).count == found.count else {
            throw UserError("--precisions is \(text); expected each precision once")
        }
        return found
    }

    /// The file that `--recipe` reads: the built-in recipe behind the configuration's, what was changed in it, and the
    /// assignments.
    static func recipe(
        _ budget: PrecisionBudget, from configuration: RunConfiguration, budget limit: Double
    ) throws -> String {
        let base = configuration.recipe.base
        var original = configuration
        original.recipe = try Recipe.named(base)
        let own: Set<String> = ["recipe.inherits", "recipe.name", "recipe.assignments"]
        let changes = ConfigurationKey.all.filter { $0.section == "recipe" && !own.contains($0.path) }
            .compactMap { key -> String? in
                guard let value = key.value(in: configuration), value != key.value(in: original) else { return nil }
                return "\(key.name) = \(value)\n"
            }
        return """
            # Fitted by fp4tui sensitivity: cost \(LogFormat.fixed(budget.cost, decimals: 3)) of BF16's, at most \(limit).
            inherits = "\(base)"
            name = "\(base)-budget-\(limit)"
            \(changes.joined())assignments = [
            \(budget.assignments.map { "    \"\($0)\",\n" }.joined())]

            """
    }
}

/// What `fp4tui sensitivity` prints.
struct SensitivityReport: Encodable {
    var map: SensitivityMap
    var limit: Double?
    var cost: Double?
    var damage: Double?
    var choices: [PrecisionBudget.Choice]?
    var assignments: [String]?

    init(map: SensitivityMap, budget: PrecisionBudget?, limit: Double?) {
        self.map = map
        self.limit = limit
        cost = budget?.cost
        damage = budget?.damage
        choices = budget?.choices
        assignments = budget?.assignments
    }

    /// Maps of modules × layers, one for each precision and figure; the worst tenth has a star.
    static func text(_ map: SensitivityMap, layers: Int) -> String {
        var lines = [
            "\(map.recipe), \(map.tokens) validation tokens, step \(map.step), loss in BF16 "
                + LogFormat.fixed(map.loss, decimals: 4)
        ]
        var precisions: [Precision] = []
        for module in map.modules where !precisions.contains(module.precision) { precisions.append(module.precision) }
        for precision in precisions {
            let modules = map.modules.filter { $0.precision == precision }
            let figures: [(String, (ModuleSensitivity) -> Double, Int)] = [
                ("change of the loss, 1e-3 nats per token", { $0.lossChange * 1e3 }, 3),
                ("error of the module's own gradient, %", { $0.gradientError * 100 }, 2),
                ("error of the whole gradient, %", { $0.wholeGradientError * 100 }, 2),
            ]
            for (title, value, decimals) in figures {
                lines += ["", "\(precision.rawValue): \(title)"]
                lines += grid(modules, layers: layers, decimals: decimals, value)
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func grid(
        _ modules: [ModuleSensitivity], layers: Int, decimals: Int, _ value: (ModuleSensitivity) -> Double
    ) -> [String] {
        let values = modules.map(value).sorted(by: >)
        let worst = values.isEmpty ? 0 : values[min(values.count, max(1, values.count / 10)) - 1]
        var names: [String] = []
        for module in modules where !names.contains(module.module.name) { names.append(module.module.name) }
        let rows = names.map { name in
            [name]
                + modules.filter { $0.module.name == name }.map { module in
                    let figure = value(module)
                    return LogFormat.fixed(figure, decimals: decimals) + (figure >= worst && figure > 0 ? "*" : " ")
                }
        }
        let header = ["layer"] + (0..<layers).map { "\($0) " }
        return LogFormat.columns([header] + rows, leftAligned: 1).map { "  " + $0 }
    }

    static func text(_ budget: PrecisionBudget) -> String {
        let lines =
            [
                "",
                "recipe of cost \(LogFormat.fixed(budget.cost, decimals: 3)), predicted damage "
                    + "\(LogFormat.fixed(budget.damage, decimals: 5)) nats per token",
            ] + budget.assignments.map { "  " + $0 }
        return lines.joined(separator: "\n") + "\n"
    }
}
