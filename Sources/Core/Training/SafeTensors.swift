import Foundation

/// Reads and writes safetensors files: 8 bytes header length (little-endian), a JSON header with name, dtype, shape and
/// data offsets of each tensor, then the data (https://github.com/huggingface/safetensors).
public enum SafeTensors {
    /// A tensor to write: row-major.
    public struct Output {
        public var name: String
        public var shape: [Int]
        private let content: Content

        private enum Content {
            case address(UnsafePointer<Float>)
            case floats([Float])
            case bytes([UInt8])
        }

        /// An FP32 tensor that lies in memory of the caller's until it is written.
        public init(name: String, shape: [Int], values: UnsafePointer<Float>) {
            self.init(name, shape, .address(values))
        }

        public init(name: String, shape: [Int], floats: [Float]) {
            precondition(shape.reduce(1, *) == floats.count)
            self.init(name, shape, .floats(floats))
        }

        public init(name: String, shape: [Int], bytes: [UInt8]) {
            precondition(shape.reduce(1, *) == bytes.count)
            self.init(name, shape, .bytes(bytes))
        }

        private init(_ name: String, _ shape: [Int], _ content: Content) {
            self.name = name
            self.shape = shape
            self.content = content
        }

        var type: ElementType {
            switch content {
            case .address, .floats: .f32
            case .bytes: .u8
            }
        }

        var byteCount: Int { shape.reduce(type.size, *) }

        func withBytes<T>(_ body: (UnsafeRawBufferPointer) -> T) -> T {
            switch content {
            case .address(let values): body(UnsafeRawBufferPointer(start: values, count: byteCount))
            case .floats(let values): values.withUnsafeBytes(body)
            case .bytes(let bytes): bytes.withUnsafeBytes(body)
            }
        }
    }

    /// The types of elements that are read or written here, as safetensors spells them.
    enum ElementType: String {
        case f32 = "F32"
        case f16 = "F16"
        case bf16 = "BF16"
        case i32 = "I32"
        case u8 = "U8"

        /// Bytes of an element.
        var size: Int {
            switch self {
            case .f32, .i32: 4
            case .f16, .bf16: 2
            case .u8: 1
            }
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
            let end = offset + tensor.byteCount
            entries[tensor.name] = Entry(
                dtype: tensor.type.rawValue, shape: tensor.shape, data_offsets: [offset, end])
            offset = end
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
            isWritten = tensor.withBytes { fwrite($0.baseAddress, 1, $0.count, file) == $0.count }
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

        /// The tensor's type, as safetensors spells it; nil if there is none of this name.
        public func type(_ name: String) -> String? { entries[name]?.dtype }

        /// Copies an FP32 tensor to `destination`.
        ///
        /// - Throws: `UserError` if it is missing, of another type, or of another shape.
        public func copy(_ name: String, shape: [Int], to destination: UnsafeMutablePointer<Float>) throws {
            try copy(name, type: .f32, shape: shape, to: UnsafeMutableRawPointer(destination))
        }

        /// Copies a tensor of the type `type` as it lies in the file.
        func copy(_ name: String, type: ElementType, shape: [Int], to destination: UnsafeMutableRawPointer) throws {
            guard let entry = entries[name] else { throw UserError("\(path) has no tensor \(name)") }
            guard entry.dtype == type.rawValue, entry.shape == shape else {
                throw UserError(
                    "\(path): tensor \(name) is \(entry.dtype) \(entry.shape), "
                        + "but \(type.rawValue) \(shape) is expected")
            }
            try withBytes(name, type) { bytes in
                if let base = bytes.baseAddress { destination.copyMemory(from: base, byteCount: bytes.count) }
            }
        }

        /// The values of an FP32, FP16 or BF16 tensor, all exact in FP32.
        ///
        /// - Throws: `UserError` if it is missing or of another type.
        public func floats(_ name: String) throws -> [Float] {
            guard let entry = entries[name] else { throw UserError("\(path) has no tensor \(name)") }
            switch ElementType(rawValue: entry.dtype) {
            case .f32?: return try array(name, .f32) { (value: Float) in value }
            case .f16?: return try array(name, .f16) { (value: Float16) in Float(value) }
            case .bf16?: return try array(name, .bf16) { (code: UInt16) in ElementFormat.bf16.decode(UInt32(code)) }
            case .i32?, .u8?, nil:
                throw UserError("\(path): tensor \(name) is \(entry.dtype), but F32, F16 or BF16 is expected")
            }
        }

        private func array<Stored: BitwiseCopyable>(
            _ name: String, _ type: ElementType, _ value: (Stored) -> Float
        ) throws -> [Float] {
            try withBytes(name, type) { bytes in
                (0..<bytes.count / type.size).map {
                    value(bytes.loadUnaligned(fromByteOffset: $0 * type.size, as: Stored.self))
                }
            }
        }

        /// A tensor's data, after a check that shape and length agree.
        private func withBytes<T>(_ name: String, _ type: ElementType, _ body: (UnsafeRawBufferPointer) -> T) throws
            -> T
        {
            let entry = entries[name]!
            let (begin, end) = (entry.data_offsets[0], entry.data_offsets[1])
            guard Self.byteCount(entry.shape, type) == end - begin else {
                throw UserError(
                    "\(path): tensor \(name) has \(end - begin) bytes, which do not fit \(entry.dtype) \(entry.shape)")
            }
            return data.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start + begin..<start + end])) }
        }

        /// nil for a shape that no memory holds.
        private static func byteCount(_ shape: [Int], _ type: ElementType) -> Int? {
            shape.reduce(type.size) { (count: Int?, length) in
                guard let count, length >= 0 else { return nil }
                let (product, overflow) = count.multipliedReportingOverflow(by: length)
                return overflow ? nil : product
            }
        }
    }
}
