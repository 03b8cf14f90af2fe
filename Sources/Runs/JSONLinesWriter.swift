import Core
import Foundation

/// Appends lines to a file, each whole or not at all. Not for several threads at once.
final class JSONLinesWriter {
    let path: String
    private let descriptor: Int32
    /// Bytes of whole lines.
    private var length: Int
    /// Lines in the file.
    private(set) var count: Int

    /// Opens a file or makes it. What an interruption left of a last line is cut off.
    ///
    /// - Throws: `UserError` naming the file.
    init(_ path: String) throws(UserError) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.failure(path) }
        do throws(UserError) {
            (length, count) = try Self.measure(descriptor, path)
            if ftruncate(descriptor, off_t(length)) != 0 { throw Self.failure(path) }
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// Bytes and number of the whole lines.
    private static func measure(_ descriptor: Int32, _ path: String) throws(UserError) -> (length: Int, count: Int) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var (offset, length, count) = (0, 0, 0)
        while true {
            let size = buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, off_t(offset)) }
            if size < 0 { throw failure(path) }
            if size == 0 { return (length, count) }
            for index in 0..<size where buffer[index] == UInt8(ascii: "\n") {
                count += 1
                length = offset + index + 1
            }
            offset += size
        }
    }

    /// Appends lines, all or none.
    ///
    /// - Throws: `UserError` with the reason; the file is then as it was.
    func append(_ lines: [String]) throws(UserError) {
        guard !lines.isEmpty else { return }
        var bytes = Array(lines.joined(separator: "\n").utf8)
        bytes.append(UInt8(ascii: "\n"))
        var written = 0
        while written < bytes.count {
            let size = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + written, $0.count - written) }
            if size < 0, errno == EINTR { continue }
            guard size > 0 else {
                let error = Self.failure(path)
                _ = ftruncate(descriptor, off_t(length))
                throw error
            }
            written += size
        }
        length += bytes.count
        count += lines.count
    }

    /// Returns when all lines are on the disk.
    ///
    /// - Throws: `UserError` with the reason.
    func synchronize() throws(UserError) {
        guard fsync(descriptor) == 0 else { throw Self.failure(path) }
    }

    private static func failure(_ path: String) -> UserError {
        UserError("cannot write \(path): \(String(cString: strerror(errno)))")
    }
}
