import Foundation
import Testing

@testable import Core

@Suite struct RecipeTextTests {
    @Test(arguments: Recipe.builtIn)
    func aBuiltInRecipeIsItsName(recipe: Recipe) throws {
        #expect(recipe.text == recipe.name)
        #expect(try Recipe(parsing: recipe.name) == recipe)
    }

    @Test(arguments: [
        "nvfp4:hadamard=false", "nvfp4:stochastic_rounding=false+hadamard=false+last_layers=0",
        "zhou2025:target_fraction=0+clipping_scope=off", "bf16:head=fp8+attention=\"fp4\"",
        "nvfp4:fp4_wgrad_e=nvfp4+sr+prescale=16/17+hadamard=32:random+square_scales=false",
        "zhou2025:assignments=[\"layers.{0,1}.* backward fp8\",\"lm_head =nvfp4+sr\"]+phases=\"92.5%: mlp.* bf16\"",
        "quartet:name=\"mine: a+b, \\\"c\\\"\"+rescue_non_finite=true+spike_window=7+rho_trigger=1.7320508075688772",
    ])
    func aChangedRecipeIsReadBack(text: String) throws {
        let recipe = try Recipe(parsing: text)
        let base = try Recipe.named(String(text.prefix { $0 != ":" }))
        #expect(recipe != base)
        #expect(recipe.text.hasPrefix(base.name + ":"))
        #expect(try Recipe(parsing: recipe.text) == recipe)
        let command = EngineCommand.setRecipe(recipe)
        #expect(try EngineCommand(parsing: command.text) == command)
        let fork = EngineCommand.fork(command)
        #expect(try EngineCommand(parsing: fork.text) == fork)
        // As one of a run's own commands, too.
        #expect(try ScheduledCommand(parsing: "92.5%: \(command.text)").command == command)
    }

    @Test func switchesMeanWhatTheyMeanAsFlags() throws {
        var configuration = RunConfiguration()
        let keys: [(String, ConfigurationValue)] = [
            ("inherits", .string("nvfp4")), ("hadamard", .boolean(false)), ("four_over_six", .boolean(true)),
            ("last_layers", .number(0.5)),
        ]
        try configuration.apply(keys.map { .init(path: "recipe.\($0.0)", value: $0.1, origin: "test") })
        #expect(try Recipe(parsing: "nvfp4:hadamard=false+four_over_six=true+last_layers=0.5") == configuration.recipe)
    }

    @Test(
        arguments: [
            ("nvfp5", ["there is no recipe \"nvfp5\"", "nvfp4"]),
            ("nvfp4:hadamar=false", ["recipe.hadamar", "hadamard"]),
            ("nvfp4:hadamard=7", ["recipe.hadamard", "true or false"]),
            ("nvfp4:hadamard", ["\"hadamard\" is no change", "KEY=VALUE"]), ("nvfp4:", ["is no change"]),
            ("nvfp4:last_layers=0+last_layers=1", ["given twice"]),
            ("nvfp4:inherits=bf16", ["recipe.inherits is given twice"]),
        ] as [(String, [String])])
    func whatIsNoRecipeIsRefused(text: String, words: [String]) {
        expectUserError(words) { _ = try Recipe(parsing: text) }
        expectUserError(words) { _ = try EngineCommand(parsing: "recipe \(text)") }
    }
}
