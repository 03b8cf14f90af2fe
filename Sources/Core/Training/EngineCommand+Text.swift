/// The one syntax for commands: of the dashboard's command line, of `--at`, of scripts and of recordings.
extension EngineCommand {
    /// Names, arguments and what they do, for completion and help.
    public static let list: [(name: String, argument: String, help: String)] = [
        ("prec", "MODULES [GEMMS] PRECISION", "set the precision of modules, as in prec layers.*.mlp.* backward fp8"),
        ("recipe", "NAME", "take another recipe and drop all changes of precision"),
        (
            "schedule", "CHANGE",
            "change the phases of precision to come: add 80%: layers.* bf16, drop 1, drop all, target 7.5% bf16, target off"
        ),
        ("undo", "", "take the last change of precision back"),
        (
            "fork", "COMMAND",
            "train a second run from here beside this one, as in fork recipe nvfp4; fork drop, fork swap"
        ),
        ("inspect", "MODULE", "count the codes of a linear's operands now"),
        (
            "sensitivity", "[PRECISIONS]",
            "measure what fp4 and fp8, or one of them, do in each linear alone, while training; sensitivity off cancels"
        ),
        ("lr", "2e-4", "set the peak learning rate"),
        ("clip", "0.5", "set the largest gradient norm; 0 turns clipping off"),
        ("module-clip", "SCOPE [SETTINGS]", "clip the linears' gradients: off, module, or block limit=4 rescaling=sum"),
        ("sample", "", "sample text now"),
        ("eval", "", "evaluate on the validation sample now"),
        ("probe", "", "hold every linear's gradient and time against BF16 now, on a fixed batch"),
        ("save", "PATH", "save the model"),
        ("save-state", "PATH", "save all that --resume needs to go on from here"),
        ("pause", "", "pause after the step in progress"),
        ("resume", "", "go on training"),
        ("step", "", "train one step while paused"),
        ("stop", "[PATH]", "end the run, and save the model if there is a path"),
    ]

    /// Reads a command.
    ///
    /// - Parameter others: names of commands that are not the engine's, for the message about an unknown one.
    /// - Throws: `UserError` that says what is wrong and what is expected.
    public init(parsing line: String, others: [String] = []) throws(UserError) {
        let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true).map(String.init)
        guard let name = words.first else { throw UserError("no command: type one, or Esc") }
        let argument = words.count > 1 ? Self.trimmed(words[1]) : ""
        guard let entry = Self.list.first(where: { $0.name == name }) else {
            let names = Self.list.map(\.name) + others
            throw UserError("unknown command \(name), try \(names.joined(separator: " "))")
        }
        if entry.argument.isEmpty, !argument.isEmpty { throw UserError("\(name) takes nothing after it") }
        switch name {
        case "prec": self = .setPrecision(try PrecisionAssignment(parsing: argument))
        case "recipe":
            guard !argument.isEmpty else {
                throw UserError("recipe needs a name: \(Recipe.builtIn.map(\.name).joined(separator: ", "))")
            }
            self = .setRecipe(try Recipe(parsing: argument))
        case "fork": self = try Self.fork(parsing: argument)
        case "inspect":
            guard !argument.isEmpty else { throw UserError("inspect needs a module, such as inspect layers.0.mlp.up") }
            self = .inspect(ModulePath(argument))
        case "schedule": self = .editSchedule(try ScheduleEdit(parsing: argument))
        case "sensitivity": self = try Self.sensitivity(parsing: argument)
        case "lr":
            guard let value = Double(argument), value.isFinite, value > 0 else {
                throw UserError("lr needs a number above 0, such as lr 2e-4; found \(Self.quoted(argument))")
            }
            self = .setLearningRate(value)
        case "clip":
            guard let value = Double(argument), value.isFinite, value >= 0 else {
                throw UserError("clip needs a number from 0, such as clip 0.5; found \(Self.quoted(argument))")
            }
            self = .setGradientClip(value)
        case "module-clip": self = .setModuleClipping(try GradientClipping(parsing: argument))
        case "save":
            guard !argument.isEmpty else { throw UserError("save needs a path, such as save model.safetensors") }
            self = .save(argument)
        case "save-state":
            guard !argument.isEmpty else {
                throw UserError("save-state needs a path, such as save-state run.safetensors")
            }
            self = .saveState(argument)
        case "undo": self = .undo
        case "sample": self = .sample
        case "eval": self = .evaluate
        case "probe": self = .probe
        case "pause": self = .pause
        case "resume": self = .resume
        case "step": self = .step
        default: self = .stop(save: argument.isEmpty ? nil : argument)
        }
    }

    private static func sensitivity(parsing argument: String) throws(UserError) -> EngineCommand {
        if argument == "off" { return .cancelSensitivity }
        if argument.isEmpty { return .measureSensitivity([.fp4, .fp8]) }
        let names = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let precisions = names.compactMap(Precision.init(rawValue:))
        guard precisions.count == names.count, Set(precisions).count == names.count else {
            throw UserError(
                "sensitivity needs precisions, such as fp4 or fp4,fp8, each once, or off; found \(quoted(argument))")
        }
        return .measureSensitivity(precisions)
    }

    private static func fork(parsing argument: String) throws(UserError) -> EngineCommand {
        switch argument {
        case "drop": return .dropFork
        case "swap": return .swapFork
        default: break
        }
        if !argument.isEmpty {
            let command = try EngineCommand(parsing: argument)
            switch command {
            case .setPrecision, .setRecipe: return .fork(command)
            default: break
            }
        }
        throw UserError(
            "fork needs a change of precision, such as fork recipe nvfp4 or fork prec mlp.* fp4, or drop, or swap; found "
                + quoted(argument))
    }

    /// The command as it is typed.
    public var text: String {
        switch self {
        case .setPrecision(let assignment): "prec \(assignment)"
        case .setRecipe(let recipe): "recipe \(recipe.text)"
        case .undo: "undo"
        case .inspect(let path): "inspect \(path)"
        case .editSchedule(let edit): "schedule \(edit)"
        case .measureSensitivity(let precisions): "sensitivity \(precisions.map(\.rawValue).joined(separator: ","))"
        case .cancelSensitivity: "sensitivity off"
        case .fork(let command): "fork \(command.text)"
        case .dropFork: "fork drop"
        case .swapFork: "fork swap"
        case .setLearningRate(let rate): "lr \(rate)"
        case .setGradientClip(let norm): "clip \(norm)"
        case .setModuleClipping(let clipping): "module-clip \(clipping)"
        case .sample: "sample"
        case .evaluate: "eval"
        case .probe: "probe"
        case .save(let path): "save \(path)"
        case .saveState(let path): "save-state \(path)"
        case .pause: "pause"
        case .resume: "resume"
        case .step: "step"
        case .stop(let path): path.map { "stop \($0)" } ?? "stop"
        }
    }

    /// Checks that a command makes sense for a model.
    ///
    /// - Throws: `UserError` for a pattern that matches no module.
    public func validate(for model: ModelConfiguration) throws(UserError) {
        switch self {
        case .setPrecision(let assignment): _ = try assignment.pattern.linears(of: model)
        case .inspect(let path): _ = try ModulePattern(path).linears(of: model)
        case .fork(let command): try command.validate(for: model)
        case .editSchedule(let edit): try edit.validate(for: model)
        default: break
        }
    }

    /// What may stand in place of the last word of an unfinished line.
    ///
    /// - Parameter model: whose modules are offered; nil: patterns alone.
    public static func completions(of line: String, model: ModelConfiguration?) -> [String] {
        guard let space = line.lastIndex(of: " ") else {
            return list.filter { $0.name.hasPrefix(line) }.map { $0.argument.isEmpty ? $0.name : $0.name + " " }
        }
        let word = line[line.index(after: space)...]
        let before = line[..<space].split(separator: " ")
        if before.first == "fork", before.count > 1 {
            let rest = line.dropFirst(5)
            return completions(of: String(rest), model: model).map { "fork " + $0 }
        }
        return arguments(after: before.map(String.init), model: model).filter { $0.hasPrefix(word) }
            .map { line[...space] + $0 }
    }

    /// What may follow these words of a line.
    private static func arguments(after words: [String], model: ModelConfiguration?) -> [String] {
        let precisions = Precision.allCases.map(\.rawValue)
        let modules = model?.linears.map(\.description) ?? []
        let patterns = ["*", "layers.*", "attn.*", "mlp.*"] + modules
        let gemms = GEMMKind.allCases.map(\.rawValue) + ["forward", "backward"]
        return switch (words.first, words.count) {
        case ("recipe", 1): Recipe.builtIn.map(\.name)
        case ("prec", 1): patterns
        case ("prec", 2): precisions + gemms
        case ("prec", 3): precisions
        case ("inspect", 1): modules
        case ("fork", 1): ["prec ", "recipe ", "drop", "swap"]
        case ("module-clip", 1): ["off"] + GradientClipping.Scope.allCases.map(\.rawValue)
        case ("sensitivity", 1): ["fp4", "fp8", "fp4,fp8", "off"]
        case ("schedule", 1): ["add ", "drop ", "target "]
        case ("schedule", 2) where words[1] == "drop": ["all"]
        case ("schedule", 2) where words[1] == "target": ["off"]
        case ("schedule", 3) where words[1] == "target": precisions
        case ("schedule", 4) where words[1] == "target": PrecisionSchedule.Scope.allCases.map(\.rawValue)
        case ("schedule", let count) where words[1] == "add" && words.last?.last == ":" && count > 2: patterns
        default: []
        }
    }

    private static func quoted(_ argument: String) -> String {
        argument.isEmpty ? "nothing" : "“\(argument)”"
    }

    private static func trimmed(_ text: String) -> String {
        var text = Substring(text)
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
