import Testing

@testable import Core

@Suite struct PhiloxTests {
    /// The known answers of Philox4×32-10 that come with its authors' Random123 library.
    @Test(arguments: [
        (
            SIMD4<UInt32>(repeating: 0), SIMD2<UInt32>(repeating: 0),
            SIMD4<UInt32>(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8)
        ),
        (
            SIMD4<UInt32>(repeating: .max), SIMD2<UInt32>(repeating: .max),
            SIMD4<UInt32>(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD)
        ),
        (
            SIMD4<UInt32>(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344),
            SIMD2<UInt32>(0xA409_3822, 0x299F_31D0),
            SIMD4<UInt32>(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1)
        ),
    ])
    func knownAnswers(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, expected: SIMD4<UInt32>) {
        #expect(Philox.block(counter: counter, key: key) == expected)
    }

    /// Seed, stream and counter fill the words of key and counter in the order that saved runs depend on.
    @Test func layout() {
        let philox = Philox(seed: 0x299F_31D0_A409_3822, stream: .sampling)
        let words = SIMD4<UInt32>(0x243F_6A88, 0x85A3_08D3, 7, 4)
        let expected = Philox.block(counter: words, key: SIMD2(0xA409_3822, 0x299F_31D0))
        #expect(philox.block(0x85A3_08D3_243F_6A88, 7) == expected)
        #expect(philox.bits(0x85A3_08D3_243F_6A88, 7) == UInt64(expected.y) << 32 | UInt64(expected.x))
    }

    @Test func uniformNumbers() {
        let philox = Philox(seed: 3, stream: .initialization)
        let count = 20_000
        let numbers = (0..<UInt64(count)).map { philox.uniform($0) }
        #expect(numbers.allSatisfy { 0 <= $0 && $0 < 1 })
        let mean = numbers.reduce(0, +) / Double(count)
        let square = numbers.reduce(0) { $0 + $1 * $1 } / Double(count)
        // Standard errors of the mean and the mean square: 0.002.
        #expect(abs(mean - 0.5) < 0.01)
        #expect(abs(square - 1.0 / 3) < 0.01)
    }
}
