import Foundation

extension SafeTensors {
    /// A file's tensors, mapped into memory. No file, however damaged, brings the program down.
    public struct File {
        public let path: String
        /// All but the checksum.
        public let metadata: [String: String]
        private let entries: [String: Header.Entry]
        private let file: MappedFile
        private let start: Int

        /// Reads the header alone.
        ///
        /// - Throws: `UserError` if the file is missing, unreadable or not a safetensors file.
        public init(_ path: String) throws {
            self.path = path
            do {
                file = try MappedFile(path: path)
            } catch {
                var isFolder: ObjCBool = false
                let reason =
                    !FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
                    ? "there is no such file"
                    : isFolder.boolValue ? "it is a folder" : "it cannot be read"
                throw UserError("cannot open \(path): \(reason)")
            }
            func malformed(_ what: String) -> UserError {
                UserError("\(path) is not a safetensors file: \(what)")
            }
            let bytes = file.bytes
            guard bytes.count >= 8 else { throw malformed("it has \(bytes.count) bytes, and at least 8 are needed") }
            let length = bytes.loadUnaligned(as: UInt64.self).littleEndian
            guard length <= UInt64(Header.largestLength) else {
                throw malformed("its header should be \(length) bytes long; at most \(Header.largestLength) are read")
            }
            guard length <= UInt64(bytes.count - 8) else {
                throw malformed("its header should be \(length) bytes long, but the file has \(bytes.count)")
            }
            start = 8 + Int(length)
            let header: Header
            do throws(Header.Malformed) {
                header = try Header(
                    UnsafeRawBufferPointer(rebasing: bytes[8..<start]), dataBytes: bytes.count - start)
            } catch {
                throw malformed(error.reason)
            }
            metadata = header.metadata.filter { $0.key != SafeTensors.checksumKey }
            entries = header.entries
            try requireRead()
        }

        /// Bytes after the header.
        public var dataBytes: Int { file.byteCount - start }

        public var names: [String] { entries.keys.sorted() }

        /// The tensor's shape; nil if there is none of this name.
        public func shape(_ name: String) -> [Int]? { entries[name]?.shape }

        /// The tensor's type, as safetensors spells it; nil if there is none of this name.
        public func type(_ name: String) -> String? { entries[name]?.type }

        /// Reads the whole file and compares its contents with its checksum.
        ///
        /// - Throws: `UserError` if they differ, or if there is no checksum.
        func verifyChecksum() throws {
            let place = SafeTensors.checksumPlace
            let bytes = file.bytes
            guard bytes.count >= place.upperBound,
                bytes[8..<place.lowerBound].elementsEqual(SafeTensors.checksumPrefix)
            else {
                throw UserError(
                    "\(path) has no checksum at the beginning of its header: another program wrote it, or it is damaged"
                )
            }
            var crc = CRC32C()
            crc.update(UnsafeRawBufferPointer(rebasing: bytes[..<place.lowerBound]))
            SafeTensors.checksumZeros.withUnsafeBytes { crc.update($0) }
            crc.update(UnsafeRawBufferPointer(rebasing: bytes[place.upperBound...]))
            try requireRead()
            let expected = SafeTensors.checksumText(crc.value)
            guard !bytes[place].elementsEqual(expected.utf8) else { return }
            let isHexadecimal = bytes[place].allSatisfy { Character(Unicode.Scalar($0)).isHexDigit }
            let found = isHexadecimal ? String(decoding: bytes[place], as: UTF8.self) : "no number"
            throw UserError("\(path) is damaged: its checksum is \(found), and its contents give \(expected)")
        }

        /// Copies an FP32 tensor to `destination`.
        ///
        /// - Throws: `UserError` if it is missing, of another type, or of another shape.
        public func copy(_ name: String, shape: [Int], to destination: UnsafeMutablePointer<Float>) throws {
            try copy(name, type: .f32, shape: shape, to: UnsafeMutableRawPointer(destination))
        }

        /// Copies a tensor of the type `type` as it lies in the file.
        func copy(_ name: String, type: ElementType, shape: [Int], to destination: UnsafeMutableRawPointer) throws {
            try require(name, type, shape)
            try withBytes(name) { bytes in
                if let base = bytes.baseAddress { destination.copyMemory(from: base, byteCount: bytes.count) }
            }
        }

        /// Copies an FP32 matrix, rows and columns exchanged.
        ///
        /// - Parameter shape: in the file.
        /// - Throws: `UserError` if it is missing, of another type, or of another shape.
        func copyTransposed(_ name: String, shape: [Int], to destination: UnsafeMutablePointer<Float>) throws {
            precondition(shape.count == 2)
            try require(name, .f32, shape)
            try withBytes(name) { bytes in
                guard let base = bytes.baseAddress else { return }
                SafeTensors.transpose(base, rows: shape[0], columns: shape[1], into: destination)
            }
        }

        /// - Throws: `UserError` if the tensor is missing, of another type, or of another shape.
        func require(_ name: String, _ type: ElementType, _ shape: [Int]) throws {
            guard let entry = entries[name] else { throw UserError("\(path) has no tensor \(name)") }
            guard entry.type == type.rawValue, entry.shape == shape else {
                throw UserError(
                    "\(path): tensor \(name) is \(entry.type) \(entry.shape), "
                        + "but \(type.rawValue) \(shape) is expected")
            }
        }

        /// The values of an FP32, FP16 or BF16 tensor, all exact in FP32.
        ///
        /// - Throws: `UserError` if it is missing or of another type.
        public func floats(_ name: String) throws -> [Float] {
            guard let entry = entries[name] else { throw UserError("\(path) has no tensor \(name)") }
            switch ElementType(rawValue: entry.type) {
            case .f32?: return try array(name, .f32) { (value: Float) in value }
            case .f16?: return try array(name, .f16) { (value: Float16) in Float(value) }
            case .bf16?: return try array(name, .bf16) { (code: UInt16) in ElementFormat.bf16.decode(UInt32(code)) }
            case .i32?, .u8?, nil:
                throw UserError("\(path): tensor \(name) is \(entry.type), but F32, F16 or BF16 is expected")
            }
        }

        private func array<Stored: BitwiseCopyable>(
            _ name: String, _ type: ElementType, _ value: (Stored) -> Float
        ) throws -> [Float] {
            try withBytes(name) { bytes in
                (0..<bytes.count / type.size).map {
                    value(bytes.loadUnaligned(fromByteOffset: $0 * type.size, as: Stored.self))
                }
            }
        }

        /// The data of a tensor that the file has.
        private func withBytes<T>(_ name: String, _ body: (UnsafeRawBufferPointer) -> T) throws -> T {
            let range = entries[name]!.range
            let result = body(
                UnsafeRawBufferPointer(rebasing: file.bytes[start + range.lowerBound..<start + range.upperBound]))
            try requireRead()
            return result
        }

        /// What can't be read, because the file was cut short or its disk fails, reads as zeros.
        private func requireRead() throws {
            if file.isLost {
                throw UserError("\(path) can no longer be read whole: it was cut short, or its disk fails")
            }
        }
    }

    /// A file's metadata, without the checksum; nothing else is read or verified.
    ///
    /// - Throws: `UserError` if the file is missing, unreadable or not a safetensors file.
    public static func metadata(of path: String) throws -> [String: String] {
        try File(path).metadata
    }
}
