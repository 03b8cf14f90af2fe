import Foundation
import Testing

@testable import Core

/// A directory that exists as long as the object does.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("data-" + UUID().uuidString).path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    @discardableResult
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = path + "/" + name
        let directory = (file as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }

    @discardableResult
    func write(_ name: String, tokens: [UInt16], header: [Int32] = []) throws -> String {
        var bytes: [UInt8] = []
        for word in header { withUnsafeBytes(of: word.littleEndian) { bytes += $0 } }
        if !header.isEmpty { bytes += [UInt8](repeating: 0, count: 1024 - bytes.count) }
        for token in tokens { withUnsafeBytes(of: token.littleEndian) { bytes += $0 } }
        return try write(name, bytes)
    }
}

extension Corpus {
    func window(_ count: Int, _ split: Split = .training, random: UInt64) throws -> [Int32] {
        var window = [Int32](repeating: -1, count: count)
        var error: (any Error)?
        window.withUnsafeMutableBufferPointer { buffer in
            do { try fill(buffer, from: split, random: random) } catch let found { error = found }
        }
        if let error { throw error }
        return window
    }
}

/// Expects an error whose sentence contains all of the given parts.
func expectUserError(
    _ parts: [String], sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("no error was thrown", sourceLocation: sourceLocation)
    } catch let error as UserError {
        for part in parts {
            #expect(error.description.contains(part), "\(error)", sourceLocation: sourceLocation)
        }
    } catch {
        Issue.record("\(error) is no UserError", sourceLocation: sourceLocation)
    }
}
