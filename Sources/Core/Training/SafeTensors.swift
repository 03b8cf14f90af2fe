import Foundation

/// Reads and writes safetensors files: 8 bytes header length (little-endian), a JSON header with name, dtype, shape and
/// data offsets of each tensor, then the data (https://github.com/huggingface/safetensors).
///
/// Files that are written here begin with their checksum: `{"__metadata__":{"crc32c":"XXXXXXXX",…`, the CRC-32C of the whole
/// file with zeros in place of its eight digits, in lowercase hexadecimal.
public enum SafeTensors {
    /// A tensor to write: row-major.
    public struct Output {
        public var name: String
        public var shape: [Int]
        private let content: Content

        private enum Content {
            case address(UnsafePointer<Float>)
            case transposed(UnsafePointer<Float>)
            case bf16(UnsafePointer<UInt16>)
            case floats([Float])
            case bytes([UInt8])
        }

        /// An FP32 tensor that lies in memory of the caller's until it is written.
        public init(name: String, shape: [Int], values: UnsafePointer<Float>) {
            self.init(name, shape, .address(values))
        }

        /// An FP32 matrix that lies in memory of the caller's, in memory with rows and columns exchanged.
        ///
        /// - Parameter shape: in the file, [columns in memory, rows in memory].
        init(name: String, shape: [Int], transposing values: UnsafePointer<Float>) {
            precondition(shape.count == 2)
            self.init(name, shape, .transposed(values))
        }

        /// A BF16 tensor that lies in memory of the caller's until it is written.
        init(name: String, shape: [Int], bf16 values: UnsafePointer<UInt16>) {
            self.init(name, shape, .bf16(values))
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
            case .address, .transposed, .floats: .f32
            case .bf16: .bf16
            case .bytes: .u8
            }
        }

        var byteCount: Int { shape.reduce(type.size, *) }

        func withBytes<T>(_ body: (UnsafeRawBufferPointer) -> T) -> T {
            switch content {
            case .address(let values): body(UnsafeRawBufferPointer(start: values, count: byteCount))
            case .transposed(let values):
                [Float](unsafeUninitializedCapacity: shape[0] * shape[1]) { transposed, count in
                    count = shape[0] * shape[1]
                    guard let base = transposed.baseAddress else { return }
                    SafeTensors.transpose(values, rows: shape[1], columns: shape[0], into: base)
                }
                .withUnsafeBytes(body)
            case .bf16(let values): body(UnsafeRawBufferPointer(start: values, count: byteCount))
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

    /// `destination[column, row] = source[row, column]`; the source may lie at any address.
    static func transpose(
        _ source: UnsafeRawPointer, rows: Int, columns: Int, into destination: UnsafeMutablePointer<Float>
    ) {
        // Square by square, or every value would be a cache miss.
        let size = 32
        for top in stride(from: 0, to: rows, by: size) {
            for left in stride(from: 0, to: columns, by: size) {
                for row in top..<min(rows, top + size) {
                    for column in left..<min(columns, left + size) {
                        destination[column * rows + row] = source.loadUnaligned(
                            fromByteOffset: 4 * (row * columns + column), as: Float.self)
                    }
                }
            }
        }
    }

    // MARK: Checksum

    static let checksumKey = "crc32c"
    /// What a file with a checksum begins with, behind the length of its header.
    static let checksumPrefix = Array("{\"__metadata__\":{\"\(checksumKey)\":\"".utf8)
    static let checksumZeros = Array("00000000".utf8)
    /// The place of the checksum's digits in the file.
    static var checksumPlace: Range<Int> {
        let start = 8 + checksumPrefix.count
        return start..<start + checksumZeros.count
    }

    static func checksumText(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: checksumZeros.count - digits.count) + digits
    }

    // MARK: Writing

    /// Writes a file whole or not at all: the data go to a temporary file beside it, which then takes its name.
    ///
    /// - Throws: `UserError` naming the file and the reason; what was there before is still there then.
    public static func write(_ tensors: [Output], metadata: [String: String], to path: String) throws {
        let start = try self.start(tensors, metadata)
        let temporary = temporaryPath(path)
        guard let file = fopen(temporary, "wb") else { throw failure("write", path) }
        var crc = CRC32C()
        func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
            crc.update(bytes)
            return fwrite(bytes.baseAddress, 1, bytes.count, file) == bytes.count
        }
        var isWritten = start.withUnsafeBytes(append)
        for tensor in tensors where isWritten && tensor.byteCount > 0 { isWritten = tensor.withBytes(append) }
        // The checksum is known only now, and has been written as zeros.
        isWritten = isWritten && fseek(file, checksumPlace.lowerBound, SEEK_SET) == 0
        isWritten = isWritten && fputs(checksumText(crc.value), file) >= 0
        isWritten = isWritten && fflush(file) == 0 && fsync(fileno(file)) == 0
        var error = isWritten ? nil : failure("write", path)
        if fclose(file) != 0, error == nil { error = failure("write", path) }
        if error == nil, rename(temporary, path) != 0 { error = failure("write", path) }
        if let error {
            unlink(temporary)
            throw error
        }
        try synchronizeFolder(of: path)
    }

    /// The length of the header and the header, with zeros for the checksum.
    private static func start(_ tensors: [Output], _ metadata: [String: String]) throws -> [UInt8] {
        struct Entry: Encodable {
            var dtype: String
            var shape: [Int]
            var data_offsets: [Int]
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var offset = 0
        var entries: [String: Entry] = [:]
        for tensor in tensors {
            let end = offset + tensor.byteCount
            let entry = Entry(dtype: tensor.type.rawValue, shape: tensor.shape, data_offsets: [offset, end])
            let isDouble = entries.updateValue(entry, forKey: tensor.name) != nil
            precondition(!isDouble, "two tensors are called \(tensor.name)")
            offset = end
        }
        precondition(metadata[checksumKey] == nil, "the checksum is not the caller's")
        var header = checksumPrefix + checksumZeros + Array("\"".utf8)
        if !metadata.isEmpty { header += Array(",".utf8) + (try encoder.encode(metadata)).dropFirst().dropLast() }
        header += Array("}".utf8)
        if !entries.isEmpty { header += Array(",".utf8) + (try encoder.encode(entries)).dropFirst().dropLast() }
        header += Array("}".utf8)
        while !header.count.isMultiple(of: 8) { header += Array(" ".utf8) }
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
    }

    /// So that the file's new name outlives a loss of power.
    private static func synchronizeFolder(of path: String) throws {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("write", path) }
        defer { close(descriptor) }
        // Some file systems have nothing to do here, and say so.
        if fsync(descriptor) != 0, errno != EINVAL, errno != ENOTSUP { throw failure("write", path) }
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
}
