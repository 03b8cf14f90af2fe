import Foundation

extension SafeTensors {
    /// What the header of a file says.
    ///
    /// The parser takes the JSON that the format allows and nothing else: no deeper objects, no doubled keys, no numbers but
    /// integers from 0 up. So it needs no recursion, and no more memory than a small multiple of the header.
    struct Header {
        struct Entry {
            var type: String
            var shape: [Int]
            /// In bytes from the end of the header.
            var range: Range<Int>
        }

        private(set) var metadata: [String: String] = [:]
        private(set) var entries: [String: Entry] = [:]

        /// Longer ones are refused, as by Hugging Face's own reader.
        static let largestLength = 100_000_000

        /// Why a file is refused; a clause that follows the file's name and a colon.
        struct Malformed: Error {
            var reason: String
        }

        /// - Parameter dataBytes: behind the header; the tensors must take all of them, without gaps.
        init(_ bytes: UnsafeRawBufferPointer, dataBytes: Int) throws(Malformed) {
            var reader = Reader(bytes: bytes)
            var hasMetadata = false
            try reader.members { reader, name throws(Malformed) in
                if name == "__metadata__" {
                    guard !hasMetadata else { throw reader.doubled(name) }
                    hasMetadata = true
                    try reader.members { reader, key throws(Malformed) in
                        guard try metadata.updateValue(reader.string(), forKey: key) == nil else {
                            throw reader.doubled(key)
                        }
                    }
                } else {
                    guard try entries.updateValue(reader.entry(name), forKey: name) == nil else {
                        throw reader.doubled(name)
                    }
                }
            }
            try reader.end()
            try validate(dataBytes: dataBytes)
        }

        private func validate(dataBytes: Int) throws(Malformed) {
            var end = 0
            let sorted = entries.sorted {
                ($0.value.range.lowerBound, $0.value.range.upperBound, $0.key)
                    < ($1.value.range.lowerBound, $1.value.range.upperBound, $1.key)
            }
            for (name, entry) in sorted {
                guard entry.range.upperBound <= dataBytes else {
                    throw Malformed(
                        reason: "tensor \(name) ends at byte \(entry.range.upperBound) of the data, and there are "
                            + "\(dataBytes) (is it cut short?)")
                }
                guard entry.range.lowerBound == end else {
                    throw Malformed(
                        reason:
                            "tensor \(name) begins at byte \(entry.range.lowerBound) of the data, and the one before "
                            + "it ends at \(end): they must follow each other")
                }
                end = entry.range.upperBound
                guard let size = ElementType(rawValue: entry.type)?.size else { continue }
                guard Self.byteCount(entry.shape, size) == entry.range.count else {
                    throw Malformed(
                        reason: "tensor \(name) has \(entry.range.count) bytes, which do not fit \(entry.type) "
                            + "\(entry.shape)")
                }
            }
            guard end == dataBytes else {
                throw Malformed(reason: "its tensors end at byte \(end) of the data, and there are \(dataBytes)")
            }
        }

        /// nil for a shape that no memory holds.
        private static func byteCount(_ shape: [Int], _ size: Int) -> Int? {
            // However large the others are, nothing is in it.
            if shape.contains(0) { return 0 }
            return shape.reduce(size) { (count: Int?, length) in
                guard let count else { return nil }
                let (product, overflow) = count.multipliedReportingOverflow(by: length)
                return overflow ? nil : product
            }
        }
    }
}

extension SafeTensors.Header {
    fileprivate struct Reader {
        let bytes: UnsafeRawBufferPointer
        private var position = 0

        init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

        /// The members of an object; `value` reads a value by its key.
        mutating func members(
            _ value: (inout Reader, String) throws(Malformed) -> Void
        ) throws(Malformed) {
            try expect("{")
            if take("}") { return }
            repeat {
                let key = try string()
                try expect(":")
                try value(&self, key)
            } while take(",")
            try expect("}")
        }

        mutating func entry(_ name: String) throws(Malformed) -> Entry {
            var type: String?
            var shape: [Int]?
            var offsets: [Int]?
            try members { reader, key throws(Malformed) in
                switch key {
                case "dtype" where type == nil: type = try reader.string()
                case "shape" where shape == nil: shape = try reader.integers()
                case "data_offsets" where offsets == nil: offsets = try reader.integers()
                case "dtype", "shape", "data_offsets": throw reader.doubled(key)
                default: throw Malformed(reason: "tensor \(name) has an unknown key \"\(key)\"")
                }
            }
            guard let type, let shape, let offsets else {
                throw Malformed(
                    reason: "tensor \(name) needs the keys \"dtype\", \"shape\" and \"data_offsets\"")
            }
            guard offsets.count == 2, offsets[0] <= offsets[1] else {
                throw Malformed(
                    reason: "tensor \(name) has \"data_offsets\" \(offsets); expected its begin and its end")
            }
            return Entry(type: type, shape: shape, range: offsets[0]..<offsets[1])
        }

        mutating func integers() throws(Malformed) -> [Int] {
            try expect("[")
            if take("]") { return [] }
            var values: [Int] = []
            repeat { values.append(try integer()) } while take(",")
            try expect("]")
            return values
        }

        private mutating func integer() throws(Malformed) -> Int {
            skipSpace()
            let start = position
            var value = 0
            while position < bytes.count, case let digit = Int(bytes[position]) - 0x30, (0...9).contains(digit) {
                let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
                let (sum, carry) = tens.addingReportingOverflow(digit)
                guard !overflow, !carry else { throw wrong("an integer below 2^63", at: start) }
                value = sum
                position += 1
            }
            let count = position - start
            guard count == 1 || count > 1 && bytes[start] != 0x30 else {
                throw wrong("an integer from 0 up", at: start)
            }
            return value
        }

        mutating func string() throws(Malformed) -> String {
            try expect("\"")
            let start = position
            var hasEscapes = false
            while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
                guard bytes[position] >= 0x20 else { throw wrong("a string without control characters") }
                if bytes[position] == UInt8(ascii: "\\") {
                    hasEscapes = true
                    position += 1
                }
                position += 1
            }
            guard position < bytes.count else { throw wrong("the end of a string") }
            defer { position += 1 }
            let text =
                hasEscapes
                ? try? JSONDecoder().decode(String.self, from: Data(bytes[start - 1...position]))
                : String(validating: bytes[start..<position], as: UTF8.self)
            guard let text else { throw wrong("a string of UTF-8") }
            return text
        }

        mutating func end() throws(Malformed) {
            skipSpace()
            guard position == bytes.count else { throw wrong("its end") }
        }

        private mutating func skipSpace() {
            while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
        }

        private mutating func take(_ character: Unicode.Scalar) -> Bool {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
            position += 1
            return true
        }

        private mutating func expect(_ character: Unicode.Scalar) throws(Malformed) {
            guard take(character) else { throw wrong("\(character)") }
        }

        func doubled(_ key: String) -> Malformed {
            Malformed(reason: "its header has the key \"\(key)\" twice")
        }

        private func wrong(_ expected: String, at place: Int? = nil) -> Malformed {
            Malformed(
                reason: "its header is not the expected JSON: at byte \(place ?? position) there should be \(expected)")
        }
    }
}
