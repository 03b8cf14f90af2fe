import Synchronization

/// Commands on their way to the engine.
final class CommandMailbox: Sendable {
    private struct State {
        var commands: [EngineCommand] = []
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func send(_ command: EngineCommand) {
        let waiter = state.withLock { state in
            state.commands.append(command)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Takes all commands, in the order sent.
    func drain() -> [EngineCommand] {
        state.withLock { state in
            if state.commands.isEmpty { return [] }
            defer { state.commands.removeAll() }
            return state.commands
        }
    }

    /// A command to stop is waiting.
    var hasStop: Bool {
        state.withLock { state in
            state.commands.contains { if case .stop = $0 { true } else { false } }
        }
    }

    /// Returns as soon as a command is there.
    func wait() async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if !state.commands.isEmpty { return true }
                state.waiter = continuation
                return false
            }
            if isReady { continuation.resume() }
        }
    }
}
