/// A command that was given to a run while it trained.
public struct RecordedCommand: Codable, Hashable, Sendable {
    /// Optimizer steps that were done when it took effect.
    public var step: Int
    public var command: EngineCommand
    /// How often the step to come had been tried and modules been raised instead, when it took effect; nil: never.
    public var rescues: Int?
    /// As it is typed, for people.
    public var text: String
    /// Seconds since 1970.
    public var time: Double?

    public init(step: Int, command: EngineCommand, rescues: Int = 0, time: Double? = nil) {
        self.step = step
        self.command = command
        self.rescues = rescues > 0 ? rescues : nil
        text = command.text
        self.time = time
    }
}

extension RecordedCommand {
    /// Whether it takes effect before the next step, or has to wait until that has been tried as often as it had been.
    func isDue(after steps: Int, rescues: Int) -> Bool {
        step < steps || step == steps && (self.rescues ?? 0) <= rescues
    }
}

extension EngineCommand {
    /// Whether the bits of the steps to come depend on it.
    public var decidesBits: Bool {
        switch self {
        case .setLearningRate, .setGradientClip, .setPrecision, .setRecipe, .undo, .setModuleClipping, .fork, .dropFork,
            .swapFork, .editSchedule:
            true
        case .pause, .resume, .step, .stop, .inspect, .measureSensitivity, .cancelSensitivity, .evaluate, .probe,
            .sample, .save, .saveState:
            false
        }
    }
}
