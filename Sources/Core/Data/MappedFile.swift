#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A regular file mapped read-only into memory: nothing is read until it is used, so 10 GB open at once.
///
/// A file that another program makes shorter while it is mapped cannot be read past its new end: the kernel then ends
/// the process with SIGBUS.
final class MappedFile: @unchecked Sendable {  // Immutable memory for as long as the object lives.
    let path: String
    /// `nil` if the file is empty.
    private let base: UnsafeMutableRawPointer?
    let byteCount: Int

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }

    /// - Throws: `UserError` if the path names no readable regular file.
    init(path: String) throws(UserError) {
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
            base = nil
            return
        }
        base = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard base != MAP_FAILED else { throw MappedFile.unreadable(path) }
    }

    deinit {
        if let base { munmap(base, byteCount) }
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
