import Dispatch
import Foundation
import Synchronization

/// SIGINT and SIGTERM: the first asks the run to end in order, the second ends the process at once.
final class Interrupts: Sendable {
    private struct State {
        var received: Int32?
        var stop: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    /// The signal that came, if one did.
    var received: Int32? { state.withLock { $0.received } }

    /// Starts to listen, and ignores SIGPIPE, for the life of the process.
    init() {
        signal(SIGPIPE, SIG_IGN)
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global(qos: .userInteractive))
            source.setEventHandler { [self] in
                receive(number)
                withExtendedLifetime(source) {}
            }
            source.resume()
        }
    }

    /// From now on the first signal calls this; before, it ends the process, since nothing has begun.
    func onFirst(_ stop: @escaping @Sendable () -> Void) {
        state.withLock { $0.stop = stop }
    }

    private func receive(_ number: Int32) {
        let stop = state.withLock { state in
            defer { state.received = number }
            return state.received == nil ? state.stop : nil
        }
        guard let stop else { _exit(ExitStatus.interrupted(by: number)) }
        stop()
    }
}
