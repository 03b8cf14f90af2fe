import ArgumentParser
import Core
import Foundation
import Testing

@testable import fp4tui

@Suite struct ConfigurationFileTests {
    static func parse(_ text: String) throws -> RunConfiguration {
        var configuration = RunConfiguration()
        try configuration.apply(ConfigurationFile.assignments(in: text, file: "run.toml"))
        return configuration
    }

    /// Steele and Vigna's SplitMix64, so that a failure can be repeated.
    struct SplitMix: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    static func randomValue(of domain: ConfigurationDomain, _ random: inout SplitMix) -> ConfigurationValue {
        func text() -> String {
            let alphabet: [Character] = [
                "a", "Z", "0", " ", "\"", "'", "\\", "\n", "\t", "#", "=", "é", "語", "\u{1}", "]",
            ]
            return String(
                (0..<Int.random(in: 0..<6, using: &random)).map { _ in
                    alphabet.randomElement(using: &random) ?? "a"
                })
        }
        switch domain {
        case .format:
            let texts = BlockFormat.named.map(\.name) + ["nvfp4+sr+4/6", "e2m1:1x64:e8m0-nearest+hadamard=64:random"]
            return .string(texts.randomElement(using: &random)!)
        case .precisions: return .string(["fp4", "bf16", "fp4/fp8/bf16"].randomElement(using: &random)!)
        case .assignments:
            let texts = [
                "layers.* fp4", "lm_head forward,wgrad fp8", "layers.{0,-1}.mlp.* =mxfp4+prescale=0.75", "? bf16",
            ]
            return .list(
                (0..<Int.random(in: 0..<3, using: &random)).map { _ in .string(texts.randomElement(using: &random)!) })
        case .phases:
            let texts = [
                "step 7: * fp4", "0.1%: attn.* bf16; mlp.* backward fp8", "33.333%: * fp8", "12345678 tokens: * fp4",
            ]
            return .list(
                (0..<Int.random(in: 0..<3, using: &random)).map { _ in .string(texts.randomElement(using: &random)!) })
        case .boolean: return .boolean(Bool.random(using: &random))
        case .integer(let range): return .integer(Int.random(in: range, using: &random))
        case .number:
            while true {
                let exponent = Double.random(in: -12...3, using: &random)
                let value = ConfigurationValue.number(pow(10, exponent))
                if domain.accept(value) != nil { return value }
            }
        case .choice(let names): return .string(names.randomElement(using: &random) ?? "")
        case .string: return .string(text())
        case .strings: return .list((0..<3).map { _ in .string(text()) })
        }
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func whatIsPrintedGivesTheSameConfiguration(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        var configuration = RunConfiguration()
        for key in ConfigurationKey.all {
            let value = Self.randomValue(of: key.domain, &random)
            // Some recipes cannot have some techniques, and a limit needs an estimator.
            if key.section == "recipe" {
                try? key.set(value, in: &configuration)
            } else {
                try key.set(value, in: &configuration)
            }
        }
        #expect(try Self.parse(configuration.toml) == configuration)
    }

    /// The parser calls itself for each part of a key, and would use up the stack.
    @Test func endlessKeysAreRefused() {
        let deep = "[run]\n" + String(repeating: "a.", count: 100_000) + "b = 1\n"
        #expect(throws: UserError("run.toml:2:1: a key of 100002 parts; keys have two")) { try Self.parse(deep) }
        #expect(throws: UserError.self) { try Self.parse("x = " + String(repeating: "[", count: 100_000)) }
        for broken in [
            "[[[[", "[é]", "\u{FEFF}[é]", "[ =]", "x = 1979-05-27T", "x = 1979-05-27 2\n", "x = [1979-05-27T:]", "[",
            "\"", "a = \"\"\"", "'", "a.",
        ] {
            #expect(throws: UserError.self, "\(broken)") { try Self.parse(broken) }
        }
    }

    /// On these the parser would end the process.
    @Test func mistakesThatTheParserDoesNotBear() throws {
        #expect(throws: UserError("run.toml:2:2: the name of a table is expected")) { try Self.parse("\n[é]") }
        #expect(throws: UserError("run.toml:1:16: a time is expected after the date")) {
            try Self.parse("x = 1979-05-27T:")
        }
        #expect(ConfigurationFile.value(of: "1979-05-27T:") == nil)
        for (text, column) in [("x = [}", 6), ("x = [\"]\", }", 11), ("x = [{a = 1}, [1, }]", 19)] {
            #expect(throws: UserError("run.toml:1:\(column): a value or ] is expected, and } found"), "\(text)") {
                try Self.parse(text)
            }
        }
        #expect(throws: UserError("run.toml:2:4: the line break U+2028 belongs into a string")) {
            try Self.parse("x = [\n1, \u{2028}2]")
        }
        #expect(ConfigurationFile.value(of: "[}") == nil)
        #expect(ConfigurationFile.value(of: "[\"}\", '}'] # }") == .list([.string("}"), .string("}")]))
        #expect(try Self.parse("[run] # }\u{2029}\nname = \"a\u{2028}b\"").run.name == "a\u{2028}b")
        #expect(throws: UserError("run.toml:1:1: there is no key x; the nearest is run")) {
            try Self.parse("x = [{a = 1}, {b = {}}, [[]]] # [}")
        }
        let run = try Self.parse("[run]\nname = \"1979-05-27T:\"  # 1979-05-27T:\nthreads = 2\n")
        #expect(run.run.name == "1979-05-27T:")
        for time in ["1979-05-27T07:32:00", "1979-05-27 07:32:00.5Z", "1979-05-27 # a day", "07:32:00"] {
            #expect(throws: UserError("run.toml:1:1: there is no key x; the nearest is run"), "\(time)") {
                try Self.parse("x = \(time)")
            }
        }
    }

    @Test func allWaysOfWritingAKeyMeanTheSame() throws {
        let expected = try Self.parse("[model]\nlayers = 7\n[optimizer]\nlearning_rate = 1\n")
        #expect(expected.model.layers == 7)
        #expect(expected.optimizer.learningRate == 1)
        #expect(try Self.parse("model.layers = 7\noptimizer.learning_rate = 1e0\n") == expected)
        #expect(try Self.parse("model = {layers = 7}\n[optimizer]\n'learning_rate' = 1.0") == expected)
        #expect(try Self.parse("[model]\n[data]\n[optimizer]\n") == RunConfiguration())
    }

    @Test(arguments: [
        (
            "[run]\nsteps = 10\n\n[model]\n  layer = 6\n",
            "run.toml:5:3: there is no key model.layer; the nearest is model.layers"
        ),
        (
            "# steps = 1\nrun.name = '''\nsteps = 2'''\nrun.steps = \"x\"\n",
            "run.toml:4:1: run.steps = \"x\" is not possible: it must be an integer from 1 to 1000000000"
        ),
        (
            "model = { layers = 2, width = 2.5 }",
            "run.toml:1:1: model.width = 2.5 is not possible: it must be an integer from 1 to 65536"
        ),
        (
            "data.paths = [\n  \"]\", # ]\n  'b'\n]\noptimizer.clip = nan\n",
            "run.toml:5:1: optimizer.clip = nan is not possible: it must be a finite number, at least 0"
        ),
        ("\"model.layers\" = 6", "run.toml:1:1: there is no key \"model.layers\"; the nearest is model.layers"),
        (
            "[model.layers]\nx = 1",
            "run.toml:1:1: model.layers = a table is not possible: it must be an integer from 1 to 1024"
        ),
        ("[modle]\n", "run.toml:1:1: there is no key modle; the nearest is model"),
        (
            "run.steps = 2024-01-01",
            "run.toml:1:1: run.steps = 2024-01-01 is not possible: it must be an integer from 1 to 1000000000"
        ),
        ("run.seed = -1", "run.toml:1:1: run.seed = -1 is not possible: it must be an integer, at least 0"),
    ])
    func aMistakeIsShownWhereItStands(text: String, message: String) {
        #expect(throws: UserError(message)) { try Self.parse(text) }
    }

    @Test(arguments: [
        ("[run\nsteps = 1", 1), ("[run]\nsteps = ", 2), ("[run]\nsteps = 1\nsteps = 2\n", 3),
        ("run.seed = 99999999999999999999", 1),
    ])
    func aSyntaxErrorNamesTheLine(text: String, line: Int) throws {
        let error = try #require(throws: UserError.self) { try Self.parse(text) }
        #expect(error.description.hasPrefix("run.toml:\(line):"), "\(error)")
    }

    @Test func aFileThatIsNoneIsNamed() throws {
        #expect(throws: UserError("--config /nonexistent.toml: the file does not exist")) {
            try ConfigurationFile.read(path: "/nonexistent.toml")
        }
        #expect(throws: UserError("--config /: the file cannot be read")) { try ConfigurationFile.read(path: "/") }
        try withTemporaryFolder { folder in
            let path = folder + "/binary.toml"
            try Data([0x61, 0xFF, 0x00]).write(to: URL(fileURLWithPath: path))
            #expect(throws: UserError("--config \(path): this is not a TOML file: it must be UTF-8 text")) {
                try ConfigurationFile.read(path: path)
            }
        }
    }
}

@Suite struct RecipeFileTests {
    static func resolve(_ text: String, _ arguments: String...) throws -> RunConfiguration {
        var result: RunConfiguration?
        try withTemporaryFolder { folder in
            let file = folder + "/my.toml"
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            do {
                result = try ConfigurationOptions.parse(["--recipe", file] + arguments).resolve()
            } catch let error as UserError {
                throw UserError(error.description.replacing(folder + "/", with: ""))
            }
        }
        return try #require(result)
    }

    @Test func aFileChangesABuiltInRecipe() throws {
        let text = """
            inherits = "nvfp4"
            name = "mine"
            hadamard = false
            last_layers = 0
            phases = ["step 10: layers.0.* forward bf16"]
            """
        let recipe = try Self.resolve(text).recipe
        var expected = Recipe.nvfp4
        expected.name = "mine"
        expected.fp4.wgrad.a.hadamard = nil
        expected.fp4.wgrad.b.hadamard = nil
        expected.lastLayers = 0
        expected.schedule.phases = [try .init(parsing: "step 10: layers.0.* forward bf16")]
        #expect(recipe == expected)
        #expect(recipe.base == "nvfp4")
        // The file is not needed again.
        let configuration = try Self.resolve(text)
        var again = RunConfiguration()
        try again.apply(ConfigurationFile.assignments(in: configuration.toml, file: "run.toml"))
        #expect(again == configuration)
    }

    @Test(arguments: Recipe.builtIn.map(\.name))
    func whatShowPrintsIsAFile(name: String) throws {
        let configuration = try ConfigurationOptions.parse(["--recipe", name]).resolve()
        #expect(configuration.recipe.name == name)
        #expect(try Self.resolve(configuration.recipeTOML).recipe == configuration.recipe)
    }

    @Test func flagsOverrideTheFile() throws {
        let text = "inherits = \"quartet\"\ntrust_mask = false\nhead = \"fp8\"\n"
        let recipe = try Self.resolve(text, "--set", "recipe.trust_mask=true", "--set", "recipe.name=nvfp4").recipe
        #expect(recipe.name == "nvfp4" && recipe.techniques.trustMask && recipe.head == .bf16)
    }

    @Test(arguments: [
        ("name = \"mine\"\n", "--recipe my.toml: the recipe to start from is missing, as in inherits = \"nvfp4\""),
        (
            "inherits = \"nvfp4\"\n  hadmard = false\n",
            "my.toml:2:3: there is no key recipe.hadmard; the nearest is recipe.hadamard"
        ),
        (
            "inherits = \"nvfp4\"\nhead = \"fp5\"\n",
            "my.toml:2:1: recipe.head = \"fp5\" is not possible: it must be one of \"fp4\", \"fp8\", \"bf16\""
        ),
        (
            "inherits = \"nvfp4\"\nname = \"bf16\"\n",
            "my.toml:2:1: recipe.name = \"bf16\" is built in, and recipe.inherits is \"nvfp4\": what inherits from that "
                + "needs a name of its own"
        ),
        (
            "inherits = \"nvfp4\"\nassignments = [\"mlp.up fp4 fp8\"]\n",
            "my.toml:2:1: recipe.assignments = [\"mlp.up fp4 fp8\"] is not possible: \"fp4\" is no GEMM; expected fprop, "
                + "dgrad, wgrad, forward or backward, or several with commas"
        ),
        (
            "[recipe]\ninherits = \"nvfp4\"\n",
            "my.toml:2:1: the keys of a recipe file stand by themselves, without [recipe]"
        ),
    ])
    func aMistakeIsShownWhereItStands(text: String, message: String) throws {
        let error = try #require(throws: UserError.self) { try Self.resolve(text) }
        #expect(error.description.hasPrefix(message), "\(error)")
    }

    @Test func aNameOfNoRecipeIsRefused() {
        #expect(
            throws: UserError(
                "--recipe: there is no recipe \"nvpf4\"; the nearest is \"nvfp4\" (fp4tui recipes lists them); nor is there "
                    + "a file of that name")
        ) { try ConfigurationOptions.parse(["--recipe", "nvpf4"]).resolve() }
        #expect(throws: UserError("--recipe /nonexistent.toml: the file does not exist")) {
            try ConfigurationOptions.parse(["--recipe", "/nonexistent.toml"]).resolve()
        }
        #expect(
            throws: UserError(
                "--set recipe.name=mine: recipe.name: there is no recipe \"mine\"; the nearest is \"mxfp8\" (fp4tui recipes "
                    + "lists them); for a recipe of your own give recipe.inherits too")
        ) { try ConfigurationOptions.parse(["--set", "recipe.name=mine"]).resolve() }
    }
}

@Suite struct ConfigurationOptionsTests {
    static func resolve(_ arguments: String...) throws -> RunConfiguration {
        try ConfigurationOptions.parse(arguments).resolve()
    }

    @Test func withoutFlagsItIsTheStandardPreset() throws {
        #expect(try Self.resolve() == Preset.standard.configuration)
    }

    @Test func eachLayerOverridesTheOneBefore() throws {
        try withTemporaryFolder { folder in
            let file = folder + "/run.toml"
            let text = "preset = 'micro'\nrun.seed = 2\nrun.steps = 200\nmodel.layers = 3\n"
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            let micro = try Preset.named("micro").configuration

            var configuration = try Self.resolve("--config", file)
            #expect(configuration.model.width == micro.model.width)
            #expect((configuration.run.seed, configuration.run.steps, configuration.model.layers) == (2, 200, 3))

            configuration = try Self.resolve(
                "--seed", "4", "--set", "run.seed=3", "--set", "run.steps=300", "--config", file, "--preset", "baby")
            #expect(configuration.model.width == 384)
            #expect((configuration.run.seed, configuration.run.steps, configuration.model.layers) == (4, 300, 3))

            configuration = try Self.resolve("--config", file, "--set", "preset=nanogpt-cpu")
            #expect((configuration.model.width, configuration.model.layers) == (128, 3))
        }
    }

    @Test func everyFlagSetsItsKey() throws {
        let configuration = try Self.resolve(
            "--data", "a.bin", "b.bin", "--vocab-size", "100", "--steps", "5000", "--seed", "9", "--threads", "2",
            "--save", "m.safetensors", "--name", "n")
        #expect(configuration.data.paths == ["a.bin", "b.bin"])
        #expect(configuration.data.vocabularySize == 100)
        #expect((configuration.run.steps, configuration.run.seed, configuration.run.threads) == (5000, 9, 2))
        #expect((configuration.run.save, configuration.run.name) == ("m.safetensors", "n"))
    }

    @Test(arguments: [
        ("model.layers=6", ConfigurationValue.integer(6)), (" model.layers = 6 ", .integer(6)),
        ("optimizer.learning_rate=1e-3", .number(0.001)), ("model.bias=true", .boolean(true)),
        ("optimizer.decay=wsd", .string("wsd")), ("optimizer.decay='wsd'", .string("wsd")),
        ("run.name=123", .string("123")), ("run.name=true", .string("true")), ("run.name=", .string("")),
        ("run.name=a b # c", .string("a b # c")), ("run.name=\"a\\tb\"", .string("a\tb")),
        ("run.name=2024-01-01", .string("2024-01-01")), ("run.name=a=b", .string("a=b")),
        ("data.paths=a.txt", .string("a.txt")), ("data.paths=['a', 'b']", .list([.string("a"), .string("b")])),
        ("model.layers=six", .string("six")), ("preset=1", .string("1")),
        ("run.name=a\nrun.steps = 1", .string("a\nrun.steps = 1")),
    ])
    func setReadsTOMLOrABareWord(text: String, value: ConfigurationValue) throws {
        #expect(try ConfigurationOptions.assignment(from: text).value == value)
    }

    @Test(arguments: [
        ("model.layers", "--set model.layers: expected key=value, as in --set model.layers=6"),
        ("=6", "--set =6: the key before = is missing"),
        ("model.layer=6", "--set model.layer=6: there is no key model.layer; the nearest is model.layers"),
        (
            "model.layers=six",
            "--set model.layers=six: model.layers = \"six\" is not possible: it must be an integer from 1 to 1024"
        ),
        ("preset=[1]", "--set preset=[1]: preset = [1] is not possible: it must be one string"),
    ])
    func aMistakeInSetIsNamed(text: String, message: String) {
        #expect(throws: UserError(message)) { try Self.resolve("--set", text) }
    }

    @Test func aFlagIsCheckedAsItsKeyIs() {
        #expect(
            throws: UserError("--steps: run.steps = 0 is not possible: it must be an integer from 1 to 1000000000")
        ) { try Self.resolve("--steps", "0") }
        #expect(throws: UserError("--set run.seed=2: run.seed is given twice, as 1 and as 2")) {
            try Self.resolve("--set", "run.seed=1", "--set", "run.seed=2")
        }
    }
}

/// A folder that is gone after the test.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path)
}
