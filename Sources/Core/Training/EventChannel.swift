import Synchronization

/// The way from the engine to one reader, over which events arrive in batches.
///
/// The engine never waits for the reader. When more than `capacity` events wait, the oldest `.stepped` ones are dropped
/// and counted; every other event is kept, in order.
public final class EventChannel: Sendable {
    private struct Pending {
        var events: [TrainingEvent] = []
        var droppedSteps = 0
    }

    private let pending = Mutex(Pending())
    private let capacity: Int
    /// Says that events wait, until the channel is finished; for one reader, which calls `drain`.
    public let wakeups: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// - Parameter past: events that wait from the start; they count beside `capacity`.
    public init(capacity: Int = 65_536, past: [TrainingEvent] = []) {
        self.capacity = capacity + past.count
        (wakeups, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        guard !past.isEmpty else { return }
        pending.withLock { $0.events = past }
        wake.yield()
    }

    /// Adds an event; called by the engine.
    public func send(_ event: TrainingEvent) {
        pending.withLock { pending in
            pending.events.append(event)
            guard pending.events.count > capacity else { return }
            let before = pending.events.count
            var toDrop = before / 2
            pending.events.removeAll { event in
                guard toDrop > 0 else { return false }
                switch event {
                case .stepped, .gradientsClipped, .forkStepped, .working: break
                case .sensitivityProgress(let progress) where progress.kind == .tried: break
                default: return false
                }
                toDrop -= 1
                return true
            }
            pending.droppedSteps += before - pending.events.count
        }
        wake.yield()
    }

    /// No more events will come.
    public func finish() {
        wake.finish()
    }

    /// Takes all events that wait, without waiting.
    public func drain() -> [TrainingEvent] {
        pending.withLock { pending in
            let events = pending.events
            pending.events.removeAll(keepingCapacity: true)
            return events
        }
    }

    /// How many `.stepped` events the reader missed.
    public var droppedSteps: Int { pending.withLock { $0.droppedSteps } }

    /// Batches of events until the channel is finished. For one reader.
    public var batches: AsyncStream<[TrainingEvent]> {
        AsyncStream { continuation in
            let task = Task {
                for await _ in wakeups {
                    let events = drain()
                    if !events.isEmpty { continuation.yield(events) }
                }
                let rest = drain()
                if !rest.isEmpty { continuation.yield(rest) }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
