import Core
import Foundation

/// A file that is to be written at the end.
enum OutputFile {
    /// Finds out before the work what would be a pity to find out after it.
    ///
    /// - Parameters:
    ///   - flag: that names the file.
    ///   - permission: the flag that lets it replace a file.
    /// - Throws: `UserError` if the file cannot be written there.
    static func check(_ path: String, flag: String, permission: String, isGiven: Bool) throws {
        let url = URL(fileURLWithPath: path)
        let folder = url.deletingLastPathComponent().path
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) {
            if isDirectory.boolValue { throw UserError("\(flag) \(path): this is a folder, and a file is needed") }
            if !isGiven { throw UserError("\(flag) \(path): the file exists; \(permission) replaces it") }
        }
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isDirectory), isDirectory.boolValue else {
            throw UserError("\(flag) \(path): the folder \(folder) does not exist")
        }
        guard access(folder, W_OK) == 0 else {
            throw UserError("\(flag) \(path): the folder \(folder) cannot be written to")
        }
    }
}
