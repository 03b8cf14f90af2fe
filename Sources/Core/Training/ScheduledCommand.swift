/// A command with the point of the run at which it takes effect: `1000: prec layers.* fp8`.
public struct ScheduledCommand: Hashable, Sendable {
    public var start: PrecisionPhase.Start
    public var command: EngineCommand

    /// Reads `STEP: COMMAND`, where STEP is a number of steps, a share of the run such as `92.5%`, or tokens such as
    /// `1.5M tokens`.
    ///
    /// - Throws: `UserError` that says what is wrong and what is expected.
    public init(parsing text: String) throws(UserError) {
        guard let colon = text.firstIndex(of: ":") else {
            throw UserError("\"\(text)\" has no step; expected STEP:COMMAND, as in 1000:prec layers.* fp8")
        }
        start = try Self.start(text[..<colon])
        command = try EngineCommand(parsing: String(text[text.index(after: colon)...]))
    }

    private static func start(_ text: Substring) throws(UserError) -> PrecisionPhase.Start {
        let words = text.split(separator: " ")
        if words.count == 1, let step = Int(words[0]), step >= 0 { return .step(step) }
        if words.count == 1, words[0].last == "%", let share = Double(words[0].dropLast()), (0...100).contains(share) {
            return .fraction(share / 100)
        }
        if words.count == 2, words[1] == "tokens", let tokens = tokens(words[0]) { return .tokens(tokens) }
        throw UserError(
            "\"\(text)\" is no point of a run; expected a step such as 1000, a share such as 92.5%, or tokens such as "
                + "1.5M tokens")
    }

    private static func tokens(_ text: Substring) -> Int? {
        let factors: [Character: Double] = ["k": 1e3, "M": 1e6, "B": 1e9]
        let factor = text.last.flatMap { factors[$0] }
        guard let number = Double(factor == nil ? text : text.dropLast()) else { return nil }
        let tokens = number * (factor ?? 1)
        return tokens >= 0 && tokens < 1e18 ? Int(tokens.rounded()) : nil
    }
}

extension RunConfiguration {
    /// Tokens of one optimizer step.
    public var tokensPerStep: Int { training.batch * training.accumulation * model.context }

    /// The commands of `run.commands`, in the order in which they take effect, with the steps after which they do.
    ///
    /// - Throws: `UserError` for one that cannot be understood or makes no sense for this model or run.
    public func scheduledCommands() throws -> [(step: Int, command: EngineCommand)] {
        try run.commands.enumerated().map { index, text in
            do {
                return (index, try scheduledCommand(text))
            } catch {
                throw UserError("run.commands: \(error)")
            }
        }
        .sorted { (a: (Int, (step: Int, command: EngineCommand)), b) in (a.1.step, a.0) < (b.1.step, b.0) }
        .map { $0.1 }
    }

    /// Reads and checks one scheduled command.
    ///
    /// - Throws: `UserError` that says what is wrong.
    public func scheduledCommand(_ text: String) throws(UserError) -> (step: Int, command: EngineCommand) {
        let scheduled = try ScheduledCommand(parsing: text)
        let step = scheduled.start.step(steps: run.steps, tokensPerStep: tokensPerStep)
        guard step <= run.steps else {
            throw UserError("\"\(text)\" is for after step \(step), and the run has \(run.steps) steps")
        }
        try scheduled.command.validate(for: model)
        return (step, scheduled.command)
    }
}
