import Core
import Foundation
import Synchronization

/// Takes commands from other processes of the same user, over a Unix socket in the run's folder.
///
/// A client sends commands, a line each: as they are typed, or as JSON (`EngineCommand`, for a recipe that has no name). It
/// is answered `ok` or `error: ` with the reason, a line for each of its lines; a line that is no text, or too long, ends
/// the connection. Nothing else is sent, so that a client that does not read cannot hold anything up: what happens in
/// the run is read from `events.jsonl`.
public final class CommandServer: Sendable {
    public static let longestLine = 1 << 16
    private static let mostClients = 32

    private let folder: RunFolder
    private let listener: Int32
    /// A byte in this pipe ends the thread.
    private let wake: (read: Int32, write: Int32)
    private let send: @Sendable (EngineCommand) -> Void
    private let model: ModelConfiguration
    private let isClosed = Mutex(false)

    /// Listens from now on.
    ///
    /// - Parameters:
    ///   - model: that commands have to make sense for.
    ///   - send: takes commands to the engine.
    /// - Throws: `UserError` if there can be no socket.
    public init(
        _ folder: RunFolder, model: ModelConfiguration, send: @escaping @Sendable (EngineCommand) -> Void
    ) throws(UserError) {
        self.folder = folder
        self.model = model
        self.send = send
        // The run is locked: whoever left this is gone.
        unlink(folder.socketPath)
        listener = try UnixSocket.open(folder.socketPath) { bind($0, $1, $2) }
        var ends: [Int32] = [0, 0]
        guard chmod(folder.socketPath, 0o600) == 0, listen(listener, 8) == 0, pipe(&ends) == 0 else {
            let error = UnixSocket.failure(folder.socketPath)
            Foundation.close(listener)
            throw error
        }
        wake = (ends[0], ends[1])
        UnixSocket.setNonblocking(listener)
        let thread = Thread { [self] in serve() }
        thread.name = "fp4tui commands"
        thread.start()
    }

    /// Ends all connections.
    public func close() {
        let isFirst = isClosed.withLock { closed in
            defer { closed = true }
            return !closed
        }
        guard isFirst else { return }
        unlink(folder.socketPath)
        var byte: UInt8 = 0
        _ = write(wake.write, &byte, 1)
    }

    private struct Client {
        var descriptor: Int32
        var buffer: [UInt8] = []
    }

    private func serve() {
        var clients: [Client] = []
        while true {
            var polled = [pollfd(fd: wake.read, events: Int16(POLLIN), revents: 0)]
            // Who comes when all places are taken waits.
            polled.append(
                pollfd(fd: clients.count < Self.mostClients ? listener : -1, events: Int16(POLLIN), revents: 0))
            polled += clients.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            if poll(&polled, nfds_t(polled.count), -1) < 0, errno != EINTR { break }
            if polled[0].revents != 0 { break }
            var kept: [Client] = []
            for (client, state) in zip(clients, polled[2...]) {
                var client = client
                if state.revents == 0 || receive(&client) {
                    kept.append(client)
                } else {
                    Foundation.close(client.descriptor)
                }
            }
            clients = kept
            if polled[1].revents != 0 {
                let descriptor = accept(listener, nil, nil)
                if descriptor >= 0 {
                    UnixSocket.setNonblocking(descriptor)
                    clients.append(Client(descriptor: descriptor))
                }
            }
        }
        for client in clients { Foundation.close(client.descriptor) }
        for descriptor in [listener, wake.read, wake.write] { Foundation.close(descriptor) }
    }

    /// Returns false if the connection is over.
    private func receive(_ client: inout Client) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let size = bytes.withUnsafeMutableBytes { read(client.descriptor, $0.baseAddress, $0.count) }
        if size < 0 { return errno == EAGAIN || errno == EINTR }
        if size == 0 { return false }
        client.buffer += bytes[..<size]
        while let end = client.buffer.firstIndex(of: UInt8(ascii: "\n")) {
            let line = Array(client.buffer[..<end])
            client.buffer.removeFirst(end + 1)
            guard line.count <= Self.longestLine, let text = String(validating: line, as: UTF8.self),
                !text.unicodeScalars.contains(where: { $0.value < 32 && $0 != "\t" })
            else {
                _ = answer(client, "error: this is no text; expected a command a line, such as: pause")
                return false
            }
            let reply: String
            do throws(UserError) {
                send(try Self.command(text, for: model))
                reply = "ok"
            } catch {
                reply = "error: \(error)"
            }
            guard answer(client, reply) else { return false }
        }
        if client.buffer.count > Self.longestLine {
            _ = answer(client, "error: a line of more than \(Self.longestLine) bytes; expected a command a line")
            return false
        }
        return true
    }

    /// Reads a line.
    ///
    /// - Throws: `UserError` that says what is wrong and what is expected.
    static func command(_ text: String, for model: ModelConfiguration) throws(UserError) -> EngineCommand {
        let command: EngineCommand
        if text.hasPrefix("{") {
            guard let value = try? LineCoding.value(EngineCommand.self, from: Data(text.utf8)) else {
                throw UserError("this JSON is no command")
            }
            command = value
        } else {
            command = try EngineCommand(parsing: text)
        }
        try command.validate(for: model)
        return command
    }

    /// Returns false if the client does not read, or is gone.
    private func answer(_ client: Client, _ text: String) -> Bool {
        let bytes = Array((text + "\n").utf8)
        return UnixSocket.write(client.descriptor, bytes) == bytes.count
    }
}

/// The other end of a `CommandServer`.
public final class CommandClient: Sendable {
    private let descriptor: Int32

    /// - Throws: `UserError` if nobody listens.
    public init(_ folder: RunFolder) throws(UserError) {
        descriptor = try UnixSocket.open(folder.socketPath) { connect($0, $1, $2) }
        var timeout = timeval(tv_sec: 5, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &timeout, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    deinit { close(descriptor) }

    /// Gives a command. To be called by one thread at a time.
    ///
    /// - Throws: `UserError` with the run's answer if it is not `ok`, or if the run is gone.
    public func send(_ command: EngineCommand) throws(UserError) {
        guard let line = try? LineCoding.text(command) else { throw UserError("\(command.text): cannot be sent") }
        try send(line: line)
    }

    func send(line: String) throws(UserError) { try send(bytes: Array((line + "\n").utf8)) }

    /// Returns how many were written.
    @discardableResult
    func write(bytes: [UInt8]) -> Int { UnixSocket.write(descriptor, bytes) }

    /// Writes, and waits for a line as answer.
    func send(bytes: [UInt8]) throws(UserError) {
        // What could not be written may have been refused: the answer says so.
        write(bytes: bytes)
        var answer: [UInt8] = []
        while answer.last != UInt8(ascii: "\n") {
            var byte: UInt8 = 0
            let size = read(descriptor, &byte, 1)
            if size < 0, errno == EINTR { continue }
            guard size == 1 else { throw Self.gone }
            answer.append(byte)
        }
        let text = String(decoding: answer.dropLast(), as: UTF8.self)
        guard text == "ok" else {
            throw UserError(text.hasPrefix("error: ") ? String(text.dropFirst(7)) : "unexpected answer: \(text)")
        }
    }

    private static var gone: UserError { UserError("the run's process does not answer") }
}

/// Sockets with a path.
private enum UnixSocket {
    /// - Throws: `UserError` with the reason.
    static func open(
        _ path: String, _ use: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(UserError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < capacity else {
            throw UserError("\(path): a socket's path has at most \(capacity - 1) bytes; a shorter --run-dir helps")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        #if canImport(Glibc)
        let kind = Int32(SOCK_STREAM.rawValue)
        #else
        let kind = SOCK_STREAM
        #endif
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw failure(path) }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                use(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else {
            let error = failure(path)
            close(descriptor)
            throw error
        }
        return descriptor
    }

    static func failure(_ path: String) -> UserError { UserError("\(path): \(String(cString: strerror(errno)))") }

    static func setNonblocking(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    /// Writes without SIGPIPE.
    ///
    /// - Returns: how many bytes were written.
    static func write(_ descriptor: Int32, _ bytes: [UInt8]) -> Int {
        var done = 0
        while done < bytes.count {
            #if canImport(Glibc)
            let flags = Int32(MSG_NOSIGNAL)
            #else
            let flags: Int32 = 0
            #endif
            let size = bytes.withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress! + done, $0.count - done, flags)
            }
            if size < 0, errno == EINTR { continue }
            guard size > 0 else { return done }
            done += size
        }
        return done
    }
}
