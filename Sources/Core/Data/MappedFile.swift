import CMappedFile

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A regular file mapped read-only into memory: nothing is read until it is used, so 10 GB open at once.
///
/// Where the file cannot be read, because another program has cut it short or the disk fails, the bytes are zeros and
/// `isLost` says so.
public final class MappedFile: @unchecked Sendable {  // Immutable memory for as long as the object lives.
    public let path: String
    /// `nil` if the file is empty.
    private let base: UnsafeMutableRawPointer?
    private let range: OpaquePointer?
    public let byteCount: Int

    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }

    /// - Throws: `UserError` if the path names no readable regular file.
    public init(path: String) throws(UserError) {
        self.path = path
        let found = try MappedFile.status(path)
        guard found.kind == .file else {
            throw UserError("data \"\(path)\" is neither a file nor a directory: only a regular file can be mapped")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw MappedFile.unreadable(path) }
        defer { close(descriptor) }
        byteCount = found.byteCount
        guard byteCount > 0 else {
            (base, range) = (nil, nil)
            return
        }
        base = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard base != MAP_FAILED else { throw MappedFile.unreadable(path) }
        range = mapped_range_watch(base, byteCount)
    }

    deinit {
        if let range { mapped_range_forget(range) }
        if let base { munmap(base, byteCount) }
    }

    /// Some of the bytes that were read are not those of the file.
    public var isLost: Bool { range.map { mapped_range_is_lost($0) } ?? false }

    /// - Throws: `UserError` if some of the bytes that were read are not those of the file.
    func requireRead() throws(UserError) {
        if isLost {
            throw UserError(
                "data \"\(path)\" can no longer be read whole: it was cut short, or its disk fails; it had "
                    + "\(byteCount) bytes at the start")
        }
    }

    enum Kind { case file, directory, other }

    /// What a path names, symbolic links followed, and its size in bytes.
    static func status(_ path: String) throws(UserError) -> (kind: Kind, byteCount: Int) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw unreadable(path) }
        let kind: Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            default: .other
            }
        return (kind, Int(status.st_size))
    }

    static func isSymbolicLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// The error of the call that just failed.
    static func unreadable(_ path: String) -> UserError {
        let code = errno
        if code == ENOENT { return UserError("data \"\(path)\" does not exist") }
        return UserError("data \"\(path)\" cannot be read: \(String(cString: strerror(code)))")
    }
}
