import Core
import Foundation

/// Says that a process works in a run's folder, as long as the object lives; ends with the process however that ends.
public final class RunLock: Sendable {
    private let descriptor: Int32

    /// - Throws: `UserError` if another process works there.
    public init(_ folder: RunFolder) throws(UserError) {
        descriptor = open(folder.lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw UserError("cannot write \(folder.lockPath): \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = Self.holder(descriptor).map { " by process \($0)" } ?? ""
            close(descriptor)
            throw UserError("\(folder.path) is in use\(holder): a run has one process")
        }
        let text = "\(getpid())\n"
        _ = ftruncate(descriptor, 0)
        _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
    }

    deinit { close(descriptor) }

    /// The process that works in a run's folder; nil if there is none.
    public static func holder(of folder: RunFolder) -> Int32? {
        let descriptor = open(folder.lockPath, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        if flock(descriptor, LOCK_SH | LOCK_NB) == 0 { return nil }
        return holder(descriptor) ?? 0
    }

    private static func holder(_ descriptor: Int32) -> Int32? {
        var buffer = [UInt8](repeating: 0, count: 32)
        let size = buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        guard size > 0 else { return nil }
        return Int32(String(decoding: buffer[..<size], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
    }
}
