import Foundation

/// Reads and writes safetensors files: 8 bytes header length (little-endian), a JSON header with name, dtype, shape and
/// data offsets of each tensor, then the data (https://github.com/huggingface/safetensors).
public enum SafeTensors {
    /// A tensor to write: FP32, row-major.
    public struct Output {
        public var name: String
        public var shape: [Int]
        public var values: UnsafePointer<Float>

        public init(name: String, shape: [Int], values: UnsafePointer<Float>) {
            self.name = name
            self.shape = shape
            self.values = values
        }
    }

    private struct Entry: Codable {
        var dtype: String
        var shape: [Int]
        var data_offsets: [Int]
    }

    /// Writes a file whole or not at all: the data go to a temporary file beside it, which then takes its name.
    ///
    /// - Throws: `UserError` naming the file.
    public static func write(_ tensors: [Output], metadata: [String: String], to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var offset = 0
        var entries: [String: Entry] = [:]
        for tensor in tensors {
            let bytes = tensor.shape.reduce(4, *)
            entries[tensor.name] = Entry(dtype: "F32", shape: tensor.shape, data_offsets: [offset, offset + bytes])
            offset += bytes
        }
        // "__metadata__" has a type of its own, so the two objects are joined as text.
        let tensorText = String(decoding: try encoder.encode(entries), as: UTF8.self)
        let metadataText = String(decoding: try encoder.encode(metadata), as: UTF8.self)
        var header = "{\"__metadata__\":\(metadataText)" + (entries.isEmpty ? "}" : "," + tensorText.dropFirst())
        while header.utf8.count % 8 != 0 { header += " " }

        let temporary = temporaryPath(path)
        guard let file = fopen(temporary, "wb") else { throw failure("write", path) }
        var isWritten = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) {
            fwrite($0.baseAddress, 1, 8, file) == 8
        }
        isWritten =
            isWritten && Array(header.utf8).withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) == $0.count }
        for tensor in tensors where isWritten {
            let count = tensor.shape.reduce(1, *)
            isWritten = fwrite(tensor.values, 4, count, file) == count
        }
        isWritten = isWritten && fflush(file) == 0 && fsync(fileno(file)) == 0
        let error = isWritten ? nil : failure("write", path)
        fclose(file)
        if let error {
            unlink(temporary)
            throw error
        }
        guard rename(temporary, path) == 0 else {
            let error = failure("write", path)
            unlink(temporary)
            throw error
        }
    }

    /// Where a file is written until it is whole.
    private static func temporaryPath(_ path: String) -> String { "\(path).\(getpid()).partial" }

    /// Finds out whether a file could be written, and leaves nothing behind.
    ///
    /// - Throws: `UserError` naming the file.
    public static func requireWritable(_ path: String) throws {
        let temporary = temporaryPath(path)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("write", path) }
        close(descriptor)
        unlink(temporary)
    }

    private static func failure(_ verb: String, _ path: String) -> UserError {
        UserError("cannot \(verb) \(path): \(String(cString: strerror(errno)))")
    }

    /// A file's tensors, mapped into memory.
    public struct File {
        public let path: String
        public let metadata: [String: String]
        private let entries: [String: Entry]
        private let data: Data
        private let start: Int

        /// - Throws: `UserError` if the file is missing, unreadable or not a safetensors file.
        public init(_ path: String) throws {
            self.path = path
            do {
                data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
            } catch {
                let reason =
                    FileManager.default.fileExists(atPath: path) ? "it cannot be read" : "there is no such file"
                throw UserError("cannot open \(path): \(reason)")
            }
            func malformed(_ what: String) -> UserError {
                UserError("\(path) is not a safetensors file: \(what)")
            }
            guard data.count >= 8 else { throw malformed("it has \(data.count) bytes, and at least 8 are needed") }
            let length = data.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard length <= UInt64(data.count - 8) else {
                throw malformed("its header should be \(length) bytes long, but the file has \(data.count)")
            }
            start = 8 + Int(length)
            let header = data[8..<start]
            struct Value: Decodable {
                var entry: Entry?
                var metadata: [String: String]?
                init(from decoder: any Decoder) throws {
                    let container = try decoder.singleValueContainer()
                    entry = try? container.decode(Entry.self)
                    metadata = try? container.decode([String: String].self)
                }
            }
            guard let values = try? JSONDecoder().decode([String: Value].self, from: header) else {
                throw malformed("its header is not the expected JSON")
            }
            metadata = values["__metadata__"]?.metadata ?? [:]
            entries = values.compactMapValues(\.entry)
            for (name, entry) in entries {
                let size = data.count - start
                guard entry.data_offsets.count == 2, entry.data_offsets[0] >= 0,
                    entry.data_offsets[0] <= entry.data_offsets[1], entry.data_offsets[1] <= size
                else { throw malformed("tensor \(name) lies outside of the file (is it cut short?)") }
            }
        }

        /// Bytes after the header.
        public var dataBytes: Int { data.count - start }

        public var names: [String] { entries.keys.sorted() }

        /// The tensor's shape; nil if there is none of this name.
        public func shape(_ name: String) -> [Int]? { entries[name]?.shape }

        /// Copies an FP32 tensor to `destination`.
        ///
        /// - Throws: `UserError` if it is missing, of another type, or of another shape.
        public func copy(_ name: String, shape: [Int], to destination: UnsafeMutablePointer<Float>) throws {
            try copy(name, dtype: "F32", shape: shape, to: UnsafeMutableRawPointer(destination))
        }

        /// Copies a tensor of 4-byte elements of the type `dtype`, as safetensors spells it.
        func copy(_ name: String, dtype: String, shape: [Int], to destination: UnsafeMutableRawPointer) throws {
            guard let entry = entries[name] else { throw UserError("\(path) has no tensor \(name)") }
            let count = shape.reduce(4, *)
            guard entry.dtype == dtype, entry.shape == shape,
                entry.data_offsets[1] - entry.data_offsets[0] == count
            else {
                throw UserError(
                    "\(path): tensor \(name) is \(entry.dtype) \(entry.shape), but \(dtype) \(shape) is expected")
            }
            data.withUnsafeBytes { bytes in
                destination.copyMemory(from: bytes.baseAddress! + start + entry.data_offsets[0], byteCount: count)
            }
        }
    }
}
