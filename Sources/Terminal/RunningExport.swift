import Core
import Dashboard
import Dispatch
import Synchronization

/// A recording that is being written, off the main thread.
final class RunningExport: Sendable {
    private struct Stopped: Error {}

    private let isStopped = Mutex(false)

    /// - Parameters:
    ///   - write: `DisplayOptions.export`.
    ///   - tell: takes how far it is, and at last the outcome; on the main thread.
    init(
        _ format: String, to path: String,
        _ write: @escaping @Sendable (String, String, (Double) throws -> Void) throws -> Void,
        tell: @escaping @MainActor @Sendable (DashboardInput, _ isOver: Bool) -> Void
    ) {
        @Sendable func answer(_ input: DashboardInput, isOver: Bool) {
            DispatchQueue.main.async { MainActor.assumeIsolated { tell(input, isOver) } }
        }
        DispatchQueue.global(qos: .userInitiated).async { [self] in
            let begin = ContinuousClock.now
            var told = begin
            do {
                try write(format, path) { share in
                    if isStopped.withLock({ $0 }) { throw Stopped() }
                    let now = ContinuousClock.now
                    guard share > 0, now - told > .milliseconds(250) else { return }
                    told = now
                    let seconds = (now - begin) / .seconds(1)
                    answer(
                        .progress("exporting \(path)", share: share, remaining: seconds / share * (1 - share)),
                        isOver: false)
                }
                answer(.notice("exported \(path)", isError: false), isOver: true)
            } catch is Stopped {
                answer(.notice("export stopped: nothing was written", isError: false), isOver: true)
            } catch {
                answer(.notice("\(error)", isError: true), isOver: true)
            }
        }
    }

    /// Nothing is written, unless all was.
    func stop() { isStopped.withLock { $0 = true } }
}
