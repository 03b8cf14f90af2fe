/// Makes damaged copies of real files.
struct Mutator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(max(1, limit))) }

    private static let texts = [
        "-1", "0", "1e999", "-0.0", "NaN", "99999999999999999999", "9223372036854775807", "-9223372036854775808",
        "1e-400",
        "null", "true", "\"\"", "[]", "{}", "[[", "\"", "\\u0000", "\n", "\r\n", "=", ":", "#", "\u{FEFF}", "\u{202E}",
        "'",
        "*", "&a", "layers.*", "fp4",
    ]

    /// One to four changes.
    mutating func damage(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0...below(4) {
            let place = below(bytes.count)
            switch below(9) {
            case 0 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8(below(8))
            case 1 where !bytes.isEmpty: bytes[place] = UInt8(truncatingIfNeeded: next())
            case 2: bytes.removeSubrange(place..<min(bytes.count, place + below(40)))
            case 3: bytes = Array(bytes.prefix(place))
            case 4: bytes.insert(contentsOf: (0...below(12)).map { _ in UInt8(truncatingIfNeeded: next()) }, at: place)
            case 5: bytes.insert(contentsOf: Array(Self.texts[below(Self.texts.count)].utf8), at: place)
            case 6: replaceNumber(in: &bytes, from: place)
            case 7:
                let from = below(bytes.count)
                bytes.insert(contentsOf: Array(bytes[from..<min(bytes.count, from + below(200))]), at: place)
            default: bytes.swapLines(below(64), below(64))
            }
        }
        return bytes
    }

    /// The first number after a place becomes another.
    private mutating func replaceNumber(in bytes: inout [UInt8], from place: Int) {
        func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
        guard place < bytes.count, let start = bytes[place...].firstIndex(where: isDigit) else { return }
        let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.endIndex
        bytes.replaceSubrange(start..<end, with: Array(Self.texts[below(9)].utf8))
    }
}

extension [UInt8] {
    fileprivate mutating func swapLines(_ a: Int, _ b: Int) {
        var lines = split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard a < lines.count, b < lines.count else { return }
        lines.swapAt(a, b)
        self = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
    }
}
