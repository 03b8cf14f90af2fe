import Core
import Foundation

/// A file that is to be written at the end.
enum OutputFile {
    /// Finds out before the work what would be a pity to find out after it.
    ///
    /// - Parameters:
    ///   - flag: that names the file.
    ///   - permission: the flag that lets it replace a file.
    ///   - bytes: what the file will take on the disk, at least.
    ///   - contents: what takes them, for the message.
    /// - Throws: `UserError` if the file cannot be written there.
    static func check(
        _ path: String, flag: String, permission: String, isGiven: Bool, bytes: Int = 0, contents: String = "the file"
    ) throws {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        var status = stat()
        if stat(path, &status) == 0 {
            let kind = status.st_mode & S_IFMT
            if kind == S_IFDIR { throw UserError("\(flag) \(path): this is a folder, and a file is needed") }
            // A device would be replaced by a file.
            if kind != S_IFREG { throw UserError("\(flag) \(path): this is not a regular file") }
            if !isGiven { throw UserError("\(flag) \(path): the file exists; \(permission) replaces it") }
        }
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isDirectory), isDirectory.boolValue else {
            throw UserError("\(flag) \(path): the folder \(folder) does not exist")
        }
        guard access(folder, W_OK) == 0 else {
            throw UserError("\(flag) \(path): the folder \(folder) cannot be written to")
        }
        try SafeTensors.requireWritable(path)
        var disk = statvfs()
        guard statvfs(folder, &disk) == 0 else { return }
        let free = UInt64(disk.f_bavail).multipliedReportingOverflow(by: UInt64(disk.f_frsize))
        if !free.overflow, free.partialValue < UInt64(max(0, bytes)) {
            throw UserError(
                "\(flag) \(path): \(contents) takes \(LogFormat.bytes(bytes)), and the disk has "
                    + "\(LogFormat.bytes(Int(clamping: free.partialValue))) free")
        }
    }
}
