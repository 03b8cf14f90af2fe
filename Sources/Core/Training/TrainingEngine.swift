import Synchronization

/// Trains one model: commands in, events out.
public actor TrainingEngine {
    private let configuration: RunConfiguration
    private let corpus: any Corpus
    private nonisolated let mailbox = Mutex<[EngineCommand]>([])
    private nonisolated let channels = Mutex<[EventChannel]>([])

    /// - Throws: `UserError` if the configuration makes no sense for this corpus or this machine.
    public init(configuration: RunConfiguration, corpus: any Corpus) throws {
        self.configuration = configuration
        self.corpus = corpus
    }

    /// Queues a command for the next step boundary.
    public nonisolated func send(_ command: EngineCommand) {
        mailbox.withLock { $0.append(command) }
    }

    /// A new reader of the events from now on. Subscribe before `run()` to miss nothing.
    public nonisolated func subscribe() -> EventChannel {
        let channel = EventChannel()
        channels.withLock { $0.append(channel) }
        return channel
    }

    /// Trains until the last step, `.stop` or divergence.
    public func run() async -> RunSummary {
        RunSummary(
            outcome: .completed, steps: 0, tokens: 0, finalLoss: nil, validationLoss: nil, bestValidationLoss: nil,
            elapsedSeconds: 0, tokensPerSecond: 0, savedPath: nil)
    }
}
