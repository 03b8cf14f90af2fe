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

    /// Appends as many lines as there is room for, each whole, and takes them away from `lines`.
    ///
    /// - Throws: `UserError` with the reason if some are left.
    func append(_ lines: inout [String]) throws(UserError) {
        guard !lines.isEmpty else { return }
        var bytes = Array(lines.joined(separator: "\n").utf8)
        bytes.append(UInt8(ascii: "\n"))
        var written = 0
        while written < bytes.count {
            let size = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + written, $0.count - written) }
            if size < 0, errno == EINTR { continue }
            guard size > 0 else {
                let error = Self.failure(path)
                take(bytes[..<written], from: &lines)
                _ = ftruncate(descriptor, off_t(length))
                throw error
            }
            written += size
        }
        take(bytes[...], from: &lines)
    }

    /// Counts the whole lines of what was written.
    private func take(_ written: ArraySlice<UInt8>, from lines: inout [String]) {
        let newline = UInt8(ascii: "\n")
        let whole = written.count { $0 == newline }
        length += (written.lastIndex(of: newline) ?? -1) + 1
        count += whole
        lines.removeFirst(whole)
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
