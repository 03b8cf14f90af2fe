import ArgumentParser
import Core
import Foundation

/// The flags that settle a configuration; the same for training and for `fp4tui config`.
struct ConfigurationOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Read settings from a TOML file.", valueName: "file"))
    var config: String?

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Set one key, as in --set model.layers=6; may be repeated. 'fp4tui config' prints all keys.",
            valueName: "key=value"))
    var settings: [String] = []

    @Option(help: ArgumentHelp("Start from a named configuration; 'fp4tui presets' lists them.", valueName: "name"))
    var preset: String?

    @Option(
        help: ArgumentHelp(
            "Train as a precision recipe says, built in or from a TOML file; 'fp4tui recipes' lists them.",
            valueName: "name|file"))
    var recipe: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Files or directories to train on: text, or uint16 tokens in .bin files. Without it, a built-in "
                + "synthetic language.", valueName: "path ..."))
    var data: [String] = []

    @Option(parsing: .unconditional, help: ArgumentHelp("Distinct tokens in .bin files.", valueName: "n"))
    var vocabSize: Int?

    @Option(parsing: .unconditional, help: ArgumentHelp("Optimizer steps.", valueName: "n"))
    var steps: Int?

    @Option(parsing: .unconditional, help: ArgumentHelp("Seed of weights, batches and samples.", valueName: "n"))
    var seed: Int?

    @Option(parsing: .unconditional, help: ArgumentHelp("Threads that compute; 0: one per core.", valueName: "n"))
    var threads: Int?

    @Option(help: ArgumentHelp("Save the model here at the end (safetensors).", valueName: "path"))
    var save: String?

    @Option(help: ArgumentHelp("Name of the run.", valueName: "name"))
    var name: String?

    @Option(
        help: ArgumentHelp(
            "Give a command after so many steps, as in --at '500:prec layers.* fp8'; also '92.5%:' and "
                + "'1.5M tokens:'. May be repeated.", valueName: "step:command"))
    var at: [String] = []

    @Option(help: ArgumentHelp("Commands from a file, one 'STEP: COMMAND' a line; # is a comment.", valueName: "file"))
    var script: String?

    /// The effective configuration. Each layer overrides the one before: preset, `--config` file, `--recipe`,
    /// `--set`, other flags.
    ///
    /// - Throws: `UserError` for the first thing that is wrong.
    func resolve() throws -> RunConfiguration {
        try resolve(recipe: recipe)
    }

    /// - Parameters:
    ///   - recipe: a name or a file, as `--recipe` takes them.
    ///   - saved: what to start from instead of a preset: the configuration of a saved model.
    func resolve(recipe: String?, startingFrom saved: RunConfiguration? = nil) throws -> RunConfiguration {
        var file = try config.map(ConfigurationFile.read(path:)) ?? []
        var settings = try self.settings.map(Self.assignment(from:))
        let named = (try Self.takePreset(from: &file), try Self.takePreset(from: &settings))
        let name = preset ?? named.1 ?? named.0
        if saved != nil, let name {
            throw UserError("preset \"\(name)\" has no meaning with a saved model, which has its own configuration")
        }
        var configuration = try saved ?? Preset.named(name ?? Preset.standard.name).configuration
        try configuration.apply(file)
        try configuration.apply(try recipe.map { try Self.recipe($0, flag: "--recipe") } ?? [])
        try configuration.apply(settings)
        try configuration.apply(flags)
        for command in try CommandScript.commands(at: at, script: script) {
            do {
                _ = try configuration.scheduledCommand(command.text)
            } catch {
                throw UserError("\(command.origin): \(error)")
            }
            configuration.run.commands.append(command.text)
        }
        try configuration.validate()
        return configuration
    }

    /// A recipe by its name, or from a file if there is none of that name.
    static func recipe(_ text: String, flag: String) throws -> [ConfigurationAssignment] {
        do throws(UserError) {
            let recipe = try Recipe.named(text)
            return [.init(path: "recipe.inherits", value: .string(recipe.name), origin: flag)]
        } catch {
            let isFile = text.hasSuffix(".toml") || text.contains("/") || FileManager.default.fileExists(atPath: text)
            guard isFile else { throw UserError("\(flag): \(error); nor is there a file of that name") }
            return try ConfigurationFile.readRecipe(path: text)
        }
    }

    /// The flags that stand for one key each.
    private var flags: [ConfigurationAssignment] {
        let values: [(flag: String, path: String, value: ConfigurationValue?)] = [
            ("--data", "data.paths", data.isEmpty ? nil : .list(data.map(ConfigurationValue.string))),
            ("--vocab-size", "data.vocabulary_size", vocabSize.map(ConfigurationValue.integer)),
            ("--steps", "run.steps", steps.map(ConfigurationValue.integer)),
            ("--seed", "run.seed", seed.map(ConfigurationValue.integer)),
            ("--threads", "run.threads", threads.map(ConfigurationValue.integer)),
            ("--save", "run.save", save.map(ConfigurationValue.string)),
            ("--name", "run.name", name.map(ConfigurationValue.string)),
        ]
        return values.compactMap { flag, path, value in
            value.map { ConfigurationAssignment(path: path, value: $0, origin: flag) }
        }
    }

    /// Removes `preset = "…"`, which is no key of the configuration but what it starts from.
    private static func takePreset(from assignments: inout [ConfigurationAssignment]) throws -> String? {
        let presets = assignments.filter { $0.path == "preset" }
        assignments.removeAll { $0.path == "preset" }
        guard let preset = presets.first else { return nil }
        guard presets.count == 1, case .string(let name) = preset.value else {
            throw UserError("\(preset.origin): preset = \(preset.value) is not possible: it must be one string")
        }
        return name
    }

    /// Reads `key=value`, where the value is TOML or, for a key that takes strings, a bare word.
    static func assignment(from text: String) throws -> ConfigurationAssignment {
        guard let equals = text.firstIndex(of: "=") else {
            throw UserError("--set \(text): expected key=value, as in --set model.layers=6")
        }
        let path = text[..<equals].trimming()
        let written = text[text.index(after: equals)...].trimming()
        guard !path.isEmpty else { throw UserError("--set \(text): the key before = is missing") }
        let parsed = ConfigurationFile.value(of: written)
        let takesText =
            switch ConfigurationKey.named(path)?.domain {
            case .string, .strings, .choice, .format, .precisions, .assignments, .phases: true
            default: path == "preset"
            }
        let value: ConfigurationValue =
            switch parsed {
            case .string, .list: parsed ?? .string(written)
            case let other?: takesText ? .string(written) : other
            // A number too large for TOML is shown as it was written.
            case nil: !takesText && written.first?.isNumber == true ? .other(written) : .string(written)
            }
        return ConfigurationAssignment(path: path, value: value, origin: "--set \(text)")
    }
}

extension Substring {
    fileprivate func trimming() -> String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
