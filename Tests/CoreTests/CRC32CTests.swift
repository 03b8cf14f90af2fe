import Testing

@testable import Core

@Suite struct CRC32CTests {
    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        var crc = CRC32C()
        bytes.withUnsafeBytes { crc.update($0) }
        return crc.value
    }

    /// The check value of the CRC catalogues, and the examples of RFC 3720, appendix B.4.
    @Test(
        arguments: [
            ([], 0), (Array("123456789".utf8), 0xE306_9283), (Array(repeating: 0, count: 32), 0x8A91_36AA),
            (Array(repeating: 0xFF, count: 32), 0x62A8_AB43), (Array(0..<32), 0x46DD_794E),
            (Array((0..<32).reversed()), 0x113F_DB5C),
            (
                [
                    0x01, 0xC0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0,
                    0, 0,
                    0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
                ], 0xD996_3A56
            ),
        ] as [([UInt8], UInt32)])
    func knownValues(bytes: [UInt8], expected: UInt32) {
        #expect(Self.crc(bytes) == expected)
    }

    /// Cut anywhere, at any alignment, the bytes give what the definition gives, bit by bit.
    @Test func piecesGiveWhatTheWholeGives() {
        let philox = Philox(seed: 1, stream: .sampling)
        let bytes = (0..<200 as Range<UInt64>).map { UInt8(truncatingIfNeeded: philox.bits($0)) }
        let expected = ~bytes.reduce(UInt32.max) { crc, byte in
            (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in crc >> 1 ^ (crc & 1 == 0 ? 0 : 0x82F6_3B78) }
        }
        let cutsAgree = (0...bytes.count).allSatisfy { cut in
            var crc = CRC32C()
            bytes.withUnsafeBytes {
                crc.update(UnsafeRawBufferPointer(rebasing: $0[..<cut]))
                crc.update(UnsafeRawBufferPointer(rebasing: $0[cut...]))
            }
            return crc.value == expected
        }
        #expect(cutsAgree)
    }
}
