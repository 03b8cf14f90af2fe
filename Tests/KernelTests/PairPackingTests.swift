import Foundation
import KernelInterface
import Testing

@testable import Core

/// Packing of pairs of bfloat16, against its definition.
@Suite(.enabled(if: KernelTier.available.contains(.avx512bf16), "the processor multiplies BF16"))
struct PairPackingTests {
    private static let extents = [1, 3, 4, 11, 12, 13, 31, 32, 33, 50]
    private static let depths = [1, 2, 3, 15, 16, 17, 31, 32, 33, 48, 63, 65, 127, 128, 130, 257]

    @Test(arguments: [12, 32])
    func everySmallShape(width: Int) throws {
        let pairs = try #require(KernelTier.avx512bf16.pairKernels)
        for extent in Self.extents {
            for depth in Self.depths {
                // Contiguous along the depth, across the rows (near and far), and neither.
                for (across, along) in [(depth + 3, 1), (1, extent + 5), (1, extent + 80), (2, 2 * extent + 1)] {
                    let count = (extent - 1) * across + (depth - 1) * along + 1
                    let source = GuardedSource(count: count, seed: UInt64(extent * 1000 + depth))
                    let words = (depth + 1) / 2
                    let panels = (extent + width - 1) / width
                    let stride = width * words + 8
                    let result = GuardedRow([Float](repeating: 77, count: panels * stride))
                    pairs.packPairs(
                        source.values, across: across, along: along, extent: extent, depth: depth, width: width,
                        into: result.row, panelStride: stride)
                    var expected = [Float](repeating: 77, count: panels * stride)
                    for row in 0..<panels * width {
                        for word in 0..<words {
                            func half(_ k: Int) -> UInt32 {
                                row < extent && k < depth ? Self.rounded(source.values[row * across + k * along]) : 0
                            }
                            expected[row / width * stride + word * width + row % width] = Float(
                                bitPattern: half(2 * word) << 16 | half(2 * word + 1))
                        }
                    }
                    let what = "\(extent) × \(depth) at \(across), \(along)"
                    #expect(result.values.map(\.bitPattern) == expected.map(\.bitPattern), "\(what)")
                    #expect(result.guardsAreIntact, "\(what)")
                }
            }
        }
    }

    /// To nearest, ties to even; subnormals become zero, NaN the quiet one.
    private static func rounded(_ x: Float) -> UInt32 {
        if x.isNaN { return (x.bitPattern | 0x40_0000) >> 16 }
        if x.magnitude < Float.leastNormalMagnitude { return x.sign == .minus ? 0x8000 : 0 }
        let cut = x.bitPattern >> 16
        let rest = x.bitPattern & 0xFFFF
        return rest > 0x8000 || (rest == 0x8000 && cut & 1 == 1) ? cut + 1 : cut
    }

    /// Quantized tiles: the values that `encodeFloats` writes, two to a word, in one panel or two, and the same sums.
    @Test(arguments: [ElementFormat.e4m3, .e5m2], [false, true])
    func quantizedTiles(element: ElementFormat, isStochastic: Bool) throws {
        let tier = KernelTier.avx512bf16
        let (kernels, pairs) = (tier.kernels, try #require(tier.pairKernels))
        var format = BlockFormat.fp8
        format.element = element
        if isStochastic { format.rounding = .stochastic }
        let settings = QuantizerSettings(format, .none)
        for depth in [1, 2, 7, 64, 127, 128] {
            var numbers = TestNumbers(seed: UInt64(depth))
            let x = GuardedRow(numbers.row(128 * 16))
            let scales = GuardedRow(numbers.row(8 * 16).map { abs($0) + 0.01 })
            let encodes = GuardedRow(scales.values.map { 1 / $0 })
            let uniforms = GuardedRow(numbers.row(128 * 16).map { abs($0).truncatingRemainder(dividingBy: 1) })
            let random = isStochastic ? ReadRow(uniforms.row) : nil
            var (sums, expectedSums) = (QuantizationSums(), QuantizationSums())
            let floats = GuardedRow(zeros: 128 * 16)
            kernels.encodeFloats(
                x.row, depth: depth, valid: depth, scales: scales.row, encodes: encodes.row, uniforms: random, settings,
                dequantizes: false, into: floats.row, targetStride: 16, sums: &expectedSums, next: .none)
            for (width, column) in [(12, 0), (12, 4), (12, 8), (32, 0), (32, 16)] {
                let words = (depth + 1) / 2
                let count = min(16, width - column)
                for hasNext in [true, false] {
                    let low = GuardedRow([Float](repeating: 77, count: words * width))
                    let high = GuardedRow([Float](repeating: 77, count: words * width))
                    sums = QuantizationSums()
                    pairs.encodePairs(
                        x.row, depth: depth, valid: depth, scales: scales.row, encodes: encodes.row, uniforms: random,
                        settings,
                        into: PairTarget(
                            low: low.row + column, lowRows: count,
                            high: count < 16 && hasNext ? high.row - count : nil, stride: width),
                        sums: &sums, next: .none)
                    var expected = (low: low.values.map { _ in Float(77) }, high: high.values.map { _ in Float(77) })
                    for word in 0..<words {
                        for row in 0..<16 {
                            let first = floats.row[2 * word * 16 + row].bitPattern
                            let second =
                                2 * word + 1 < depth ? floats.row[(2 * word + 1) * 16 + row].bitPattern >> 16 : 0
                            let pair = Float(bitPattern: first | second)
                            if row < count {
                                expected.low[word * width + column + row] = pair
                            } else if hasNext {
                                expected.high[word * width + row - count] = pair
                            }
                        }
                    }
                    #expect(low.values.map(\.bitPattern) == expected.low.map(\.bitPattern))
                    #expect(high.values.map(\.bitPattern) == expected.high.map(\.bitPattern))
                    #expect(low.guardsAreIntact && high.guardsAreIntact)
                    #expect(sums.squaredErrors == expectedSums.squaredErrors && sums.squares == expectedSums.squares)
                    #expect(sums.products == expectedSums.products && sums.saturated == expectedSums.saturated)
                    #expect(sums.underflowed == expectedSums.underflowed)
                }
            }
        }
    }
}

/// Difficult numbers that end where memory ends: a read beyond them ends the process.
private final class GuardedSource {
    let values: ReadRow
    private let memory: UnsafeMutableRawPointer
    private let byteCount: Int

    init(count: Int, seed: UInt64) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let used = (count * 4 + page - 1) / page * page
        byteCount = used + page
        memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
        precondition(memory != MAP_FAILED && mprotect(memory + used, page, PROT_NONE) == 0)
        let row = (memory + used - count * 4).assumingMemoryBound(to: Float.self)
        var numbers = TestNumbers(seed: seed)
        let special: [Float] = [
            0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -.leastNormalMagnitude,
            Float.leastNormalMagnitude.nextDown, .greatestFiniteMagnitude, Float(bitPattern: 0x3F80_8000),
            Float(bitPattern: 0x3F81_8000), Float(bitPattern: 0x3F80_8001),
        ]
        for (index, value) in numbers.row(count).enumerated() {
            row[index] = index % 5 == 0 ? special[index / 5 % special.count] : value
        }
        values = ReadRow(row)
    }

    deinit { munmap(memory, byteCount) }
}
