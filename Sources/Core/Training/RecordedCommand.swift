/// A command that was given to a run while it trained.
public struct RecordedCommand: Codable, Hashable, Sendable {
    /// Optimizer steps that were done when it took effect.
    public var step: Int
    public var command: EngineCommand
    /// As it is typed, for people.
    public var text: String
    /// Seconds since 1970.
    public var time: Double?

    public init(step: Int, command: EngineCommand, time: Double? = nil) {
        self.step = step
        self.command = command
        text = command.text
        self.time = time
    }
}

extension EngineCommand {
    /// Whether the bits of the steps to come depend on it.
    public var decidesBits: Bool {
        switch self {
        case .setLearningRate, .setGradientClip, .setPrecision, .setRecipe, .undo, .setModuleClipping, .fork, .dropFork,
            .swapFork, .editSchedule:
            true
        case .pause, .resume, .step, .stop, .inspect, .measureSensitivity, .cancelSensitivity, .evaluate, .sample,
            .save,
            .saveState:
            false
        }
    }
}
