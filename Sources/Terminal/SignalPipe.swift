import CNcurses
import Foundation

/// Signals as bytes in a pipe, so that they are handled in turn with everything else.
final class SignalPipe: Sendable {
    let reader: Int32
    private let writer: Int32

    /// Takes over the signals that end, stop, continue or resize the program.
    init() {
        var ends: [Int32] = [-1, -1]
        pipe(&ends)
        reader = ends[0]
        writer = ends[1]
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        _ = cn_catch_signals(writer)
    }

    /// The signals that came since the last call, in order.
    func read() -> [Int32] {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = Foundation.read(reader, &bytes, bytes.count)
        return bytes.prefix(max(0, count)).map(Int32.init)
    }

    func close() {
        cn_release_signals()
        _ = Foundation.close(reader)
        _ = Foundation.close(writer)
    }
}
