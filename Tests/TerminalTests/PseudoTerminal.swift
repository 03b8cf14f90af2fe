import CPseudoTerminal
import Foundation

/// The built program in a terminal of its own.
final class PseudoTerminal {
    private let process: pid_t
    private let controller: Int32
    private let terminal: Int32
    private var modesBefore: UnsafeMutableRawPointer?
    private var status: Int32?
    /// Everything that the program has sent to its terminal.
    private(set) var output: [UInt8] = []
    /// Where the next search begins.
    private var place = 0

    struct StartError: Error {}

    /// The program, in the folder of the test bundle.
    static var program: URL {
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }?.bundleURL
        let folder = bundle?.deletingLastPathComponent() ?? Bundle.main.bundleURL
        return folder.appending(path: "fp4tui")
    }

    init(_ arguments: [String], environment: [String: String] = [:], rows: Int = 24, columns: Int = 80) throws {
        var variables = ["TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "SWIFT_BACKTRACE": "enable=no"]
        for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR"] {
            variables[name] = ProcessInfo.processInfo.environment[name]
        }
        variables.merge(environment) { $1 }
        let path = PseudoTerminal.program.path
        var words = ([path] + arguments).map { strdup($0) } + [nil]
        var pairs = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { (words + pairs).forEach { free($0) } }
        var controller: Int32 = -1
        var terminal: Int32 = -1
        process = pt_start(path, &words, &pairs, Int32(rows), Int32(columns), &controller, &terminal)
        self.controller = controller
        self.terminal = terminal
        guard process > 0 else { throw StartError() }
        _ = pt_modes_equal(terminal, &modesBefore)
    }

    deinit {
        if status == nil {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        close(controller)
        close(terminal)
        free(modesBefore)
    }

    /// Whether the terminal is as it was before the program started.
    var hasModesOfBefore: Bool { pt_modes_equal(terminal, &modesBefore) == 1 }

    var text: String { String(decoding: output, as: UTF8.self) }

    private func read() {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Foundation.read(controller, &buffer, buffer.count)
            guard count > 0 else { return }
            output += buffer[..<count]
        }
    }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Foundation.write(controller, bytes, bytes.count)
    }

    func send(signal: Int32) { kill(process, signal) }

    func resize(rows: Int, columns: Int) { _ = pt_resize(controller, Int32(rows), Int32(columns)) }

    /// Waits until the program has sent a text after the one that the last call found.
    func waitFor(_ wanted: String, seconds: Double = 20) -> Bool {
        let deadline = Date(timeIntervalSinceNow: seconds)
        repeat {
            read()
            let unread = String(decoding: output[place...], as: UTF8.self)
            if let range = unread.range(of: wanted) {
                place = output.count - unread[range.upperBound...].utf8.count
                return true
            }
            usleep(10_000)
        } while Date() < deadline
        return false
    }

    /// Waits until the program ends.
    /// - Returns: its exit code, 128 plus the number of the signal that killed it, or nil if it goes on.
    func waitForEnd(seconds: Double = 20) -> Int32? {
        let deadline = Date(timeIntervalSinceNow: seconds)
        repeat {
            read()
            var raw: Int32 = 0
            if status == nil, waitpid(process, &raw, WNOHANG) == process { status = raw }
            if let status {
                read()
                return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
            }
            usleep(10_000)
        } while Date() < deadline
        return nil
    }
}
