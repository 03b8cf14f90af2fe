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
    private var bytesRead = 0
    /// Where the next search begins.
    private var place = 0
    /// What the terminal shows.
    let screen: VirtualScreen
    /// Whether `output` grows: a long session would fill the memory.
    var keepsOutput = true

    struct StartError: Error {}

    /// The program, in the folder of the test bundle.
    static var program: URL {
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }?.bundleURL
        let folder = bundle?.deletingLastPathComponent() ?? Bundle.main.bundleURL
        return folder.appending(path: "fp4tui")
    }

    /// Where the runs of the tests lie.
    static let runs = FileManager.default.temporaryDirectory.path + "/fp4tui-terminal-runs-\(getpid())"

    init(_ arguments: [String], environment: [String: String] = [:], rows: Int = 24, columns: Int = 80) throws {
        screen = VirtualScreen(width: columns, height: rows)
        var variables = ["TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "SWIFT_BACKTRACE": "enable=no"]
        variables["FP4TUI_RUNS"] = PseudoTerminal.runs
        for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR", "ASAN_OPTIONS", "TSAN_OPTIONS"] {
            variables[name] = ProcessInfo.processInfo.environment[name]
        }
        variables.merge(environment) { $1 }
        let path = PseudoTerminal.program.path
        var words = ([path] + arguments).map { strdup($0) } + [nil]
        var pairs = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { (words + pairs).forEach { free($0) } }
        var controller: Int32 = -1
        var terminal: Int32 = -1
        process = pt_start(path, &words, &pairs, Int32(rows), Int32(columns), &controller, &terminal, &modesBefore)
        self.controller = controller
        self.terminal = terminal
        guard process > 0 else { throw StartError() }
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
    var hasModesOfBefore: Bool { pt_modes_equal(terminal, modesBefore) == 1 }

    var text: String { String(decoding: output, as: UTF8.self) }

    func read() {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Foundation.read(controller, &buffer, buffer.count)
            guard count > 0 else { return }
            if keepsOutput { output += buffer[..<count] }
            screen.feed(buffer[..<count])
            bytesRead += count
        }
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    /// The terminal takes some thousand bytes before the program has read them. Nothing is lost unless it never reads.
    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        let deadline = Date(timeIntervalSinceNow: 20)
        while !rest.isEmpty, Date() < deadline {
            let count = rest.withUnsafeBytes { Foundation.write(controller, $0.baseAddress, $0.count) }
            if count > 0 { rest = rest.dropFirst(count) } else { usleep(2_000) }
            read()
        }
    }

    func send(signal: Int32) { kill(process, signal) }

    /// As on a real terminal, what the program has already sent for the old size may come after it.
    func resize(rows: Int, columns: Int) {
        read()
        screen.resize(width: columns, height: rows)
        _ = pt_resize(controller, Int32(rows), Int32(columns))
    }

    /// Waits until the screen shows something.
    func waitForScreen(seconds: Double = 20, _ isWanted: (VirtualScreen) -> Bool) -> Bool {
        let deadline = Date(timeIntervalSinceNow: seconds)
        repeat {
            read()
            if isWanted(screen) { return true }
            usleep(5_000)
        } while Date() < deadline
        return false
    }

    /// Waits until the program has sent nothing for a while.
    func settle(quiet: Double = 0.25, seconds: Double = 20) {
        let deadline = Date(timeIntervalSinceNow: seconds)
        var before = bytesRead
        var since = Date()
        repeat {
            usleep(10_000)
            read()
            if bytesRead != before { (before, since) = (bytesRead, Date()) }
        } while Date().timeIntervalSince(since) < quiet && Date() < deadline
    }

    var isAlive: Bool { status == nil && kill(process, 0) == 0 && waitForEnd(seconds: 0) == nil }

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
