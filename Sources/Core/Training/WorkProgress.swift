/// Work between two steps that takes long, and how far it is.
public struct WorkProgress: Codable, Sendable, Hashable {
    public enum Kind: String, Codable, Sendable, CaseIterable {
        case evaluating, sampling

        /// What is counted.
        public var unit: String {
            switch self {
            case .evaluating: "batches"
            case .sampling: "tokens"
            }
        }
    }

    public var kind: Kind
    /// Optimizer steps that are done.
    public var step: Int
    public var done: Int
    public var total: Int
    /// Since it began.
    public var seconds: Double

    public init(kind: Kind, step: Int, done: Int, total: Int, seconds: Double) {
        self.kind = kind
        self.step = step
        self.done = done
        self.total = total
        self.seconds = seconds
    }

    /// Seconds that the rest takes if it goes on as fast as so far; nil if nothing is done.
    public var remainingSeconds: Double? { done > 0 ? seconds / Double(done) * Double(max(0, total - done)) : nil }
}

extension TrainingEngine {
    /// What takes less is not worth a word.
    private static var interval: Duration { .milliseconds(500) }

    /// Begins work between two steps.
    ///
    /// - Returns: to be called as the work goes on, with what is done of it; tells the readers now and then, and returns
    ///   whether the work is to be left, because the run is to stop.
    func follow(_ kind: WorkProgress.Kind, of total: Int) -> (Int) -> Bool {
        let (step, begin) = (trainer.step, ContinuousClock.now)
        var told = begin
        return { [self] done in
            let now = ContinuousClock.now
            if now - told >= Self.interval {
                told = now
                emit(
                    .working(
                        WorkProgress(
                            kind: kind, step: step, done: done, total: total, seconds: (now - begin) / .seconds(1))))
            }
            return mailbox.hasStop
        }
    }
}
