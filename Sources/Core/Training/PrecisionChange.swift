/// Precision was changed: by a person, by the recipe's schedule, or by one of its triggers.
public struct PrecisionChange: Hashable, Codable, Sendable {
    public enum Cause: Hashable, Sendable {
        /// A module was set.
        case command
        /// A recipe was set.
        case recipe
        case undo
        /// A phase of the recipe's schedule began.
        case phase(String)
        /// A trigger of the recipe fired.
        case rule(String, reason: String)
    }

    /// Counts the changes of a run, from 1.
    public var id: Int
    /// Steps completed before it took effect.
    public var step: Int
    public var cause: Cause
    /// What was asked, in the syntax of commands.
    public var text: String
    public var modules: [ModulePrecisionChange]
    /// Mean of the last losses, at most 50; nil before the first step.
    public var lossBefore: Double?

    public init(
        id: Int, step: Int, cause: Cause, text: String, modules: [ModulePrecisionChange], lossBefore: Double?
    ) {
        self.id = id
        self.step = step
        self.cause = cause
        self.text = text
        self.modules = modules
        self.lossBefore = lossBefore
    }

    /// One line: what changed and why.
    public var summary: String {
        let why =
            switch cause {
            case .command, .recipe, .undo: ""
            case .phase(let name): "\(name): "
            case .rule(let name, let reason): "\(name), \(reason): "
            }
        let shown = modules.prefix(3).map { "\($0.module) \($0.from) to \($0.to)" }.joined(separator: ", ")
        let rest = modules.count > 3 ? " and \(modules.count - 3) more" : ""
        return modules.isEmpty ? "\(why)\(text)" : "\(why)\(text): \(shown)\(rest)"
    }
}

extension PrecisionChange.Cause: Codable {
    private enum Kind: String, Codable { case command, recipe, undo, phase, rule }
    private enum Key: CodingKey { case kind, name, reason }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        switch try container.decode(Kind.self, forKey: .kind) {
        case .command: self = .command
        case .recipe: self = .recipe
        case .undo: self = .undo
        case .phase: self = .phase(try container.decode(String.self, forKey: .name))
        case .rule:
            self = .rule(
                try container.decode(String.self, forKey: .name),
                reason: try container.decode(String.self, forKey: .reason))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .command: try container.encode(Kind.command, forKey: .kind)
        case .recipe: try container.encode(Kind.recipe, forKey: .kind)
        case .undo: try container.encode(Kind.undo, forKey: .kind)
        case .phase(let name):
            try container.encode(Kind.phase, forKey: .kind)
            try container.encode(name, forKey: .name)
        case .rule(let name, let reason):
            try container.encode(Kind.rule, forKey: .kind)
            try container.encode(name, forKey: .name)
            try container.encode(reason, forKey: .reason)
        }
    }
}

/// What the loss did after a change of precision.
public struct PrecisionEffect: Hashable, Codable, Sendable {
    /// Of the change.
    public var id: Int
    /// Steps completed now.
    public var step: Int
    /// Steps since the change: 50, or fewer at the end of the run.
    public var steps: Int
    public var lossBefore: Double?
    /// Mean of the losses since the change.
    public var lossAfter: Double

    public init(id: Int, step: Int, steps: Int, lossBefore: Double?, lossAfter: Double) {
        self.id = id
        self.step = step
        self.steps = steps
        self.lossBefore = lossBefore
        self.lossAfter = lossAfter
    }
}

/// How a linear fared in the last step, for the choice of the modules to raise.
public struct ModuleHealth: Hashable, Sendable {
    public var module: ModulePath
    /// Relative quantization error of X and of E, over their own running means, the larger of both; nil if nothing is
    /// quantized.
    public var score: Double?
    /// Where in the step a value that is not finite was first seen in an operand: a number that grows from the first
    /// fprop to the last wgrad; nil if there was none.
    public var nonFiniteAt: Int?

    public init(module: ModulePath, score: Double?, nonFiniteAt: Int? = nil) {
        self.module = module
        self.score = score
        self.nonFiniteAt = nonFiniteAt
    }
}
