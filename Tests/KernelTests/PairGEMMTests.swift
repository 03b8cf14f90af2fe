import KernelInterface
import Testing

@testable import Core

/// FP8 on a processor that multiplies pairs of bfloat16. (`GEMMTests` has BF16.)
@Suite(.enabled(if: KernelTier.available.contains(.avx512bf16), "the processor multiplies BF16"))
struct PairGEMMTests {
    @Test(
        arguments: [
            "fp8", "fp8-2d", "fp8-tensor", "fp8-row", "fp8-e5m2", "mxfp8", "fp8+sr", "fp8+hadamard=32:random",
            "e4m3:1x16:e8m0-floor",
        ])
    func everySmallShape(text: String) throws {
        let formats = GEMMFormats(try BlockFormat(parsing: text))
        for (m, n, k) in [(1, 1, 1), (3, 2, 2), (7, 65, 33), (12, 32, 128), (20, 130, 129), (13, 64, 300)] {
            for accumulate in [false, true] { try check(m, n, k, formats, accumulate: accumulate) }
        }
    }

    /// Large enough to be packed and multiplied in several pieces.
    @Test func manyPieces() throws {
        try check(200, 300, 260, GEMMFormats(.fp8))
        try check(110, 40, 2200, GEMMFormats(.mxfp8), accumulate: true)
        try check(500, 5, 141, GEMMFormats(.fp8), layouts: (.columnMajor, .columnMajor))
        try check(5, 500, 141, GEMMFormats(.fp8), layouts: (.rowMajor, .rowMajor))
    }

    @Test func emptyProducts() throws {
        for (m, n, k) in [(0, 3, 3), (3, 0, 3), (3, 3, 0)] {
            try check(m, n, k, GEMMFormats(.fp8))
            try check(m, n, k, GEMMFormats(.fp8), accumulate: true)
        }
    }

    @Test(arguments: Layout.allCases)
    func everyLayout(layout: Layout) throws {
        for other in Layout.allCases { try check(26, 70, 161, GEMMFormats(.fp8), layouts: (layout, other)) }
    }

    @Test(arguments: [Float.infinity, .nan])
    func notANumberSpreads(poison: Float) throws {
        try check(20, 70, 200, GEMMFormats(.fp8)) { a, b in
            UnsafeMutablePointer(mutating: a.view.base)[3 * a.view.rowStride + 130 * a.view.columnStride] = poison
            UnsafeMutablePointer(mutating: b.view.base)[18 * b.view.rowStride + 7 * b.view.columnStride] = -poison
        }
    }

    @Test(arguments: [("fp8-e5m2", "fp8"), ("fp4", "fp8"), ("mxfp8", "nvfp4-2d"), ("fp8-e5m2", "fp8-e5m2")])
    func mixedFormats(left: String, right: String) throws {
        var formats = GEMMFormats(try BlockFormat(parsing: left))
        formats.b = try BlockFormat(parsing: right)
        for (m, n, k) in [(5, 9, 31), (14, 70, 260)] { try check(m, n, k, formats) }
    }

    /// The definition, to the bit, whatever the number of threads: over the chunks c = fma(Σ, sA · sB, c), where Σ is a chain
    /// of fused multiply-adds of the values before scaling.
    private func check(
        _ m: Int, _ n: Int, _ k: Int, _ formats: GEMMFormats, layouts: (Layout, Layout) = (.rowMajor, .columnMajor),
        accumulate: Bool = false, edit: (TestMatrix, TestMatrix) -> Void = { _, _ in }
    ) throws {
        let random = QuantizedGEMMTests.random
        let a = TestMatrix(m, k, layouts.0, seed: 1)
        let b = TestMatrix(k, n, layouts.1, seed: 2)
        difficult(a.view, seed: 3)
        difficult(b.view, seed: 4)
        edit(a, b)
        var numbers = TestNumbers(seed: 5)
        let c = numbers.row(m * n)
        let product = QuantizedProduct(a.view, b.view, formats, random)
        let depth = product.a.geometry.paddedDepth
        let chunk = min(formats.a.chunk, formats.b.chunk)
        var expected = c
        for i in 0..<m {
            for j in 0..<n {
                var total = accumulate ? c[i * n + j] : 0
                for start in stride(from: 0, to: depth, by: chunk) {
                    var sum: Float = 0
                    for k in start..<min(depth, start + chunk) {
                        let x = formats.a.element.decode(UInt32(product.a.codes[i * depth + k]))
                        let y = formats.b.element.decode(UInt32(product.b.codes[j * depth + k]))
                        sum = sum.addingProduct(x, y)
                    }
                    let scaleA = product.a.scales[product.a.geometry.block(row: i, column: start)]
                    let scaleB = product.b.scales[product.b.geometry.block(row: j, column: start)]
                    total = total.addingProduct(sum, scaleA * scaleB)
                }
                expected[i * n + j] = total
            }
        }
        for threads in [1, 2, 3] {
            let context = try ComputeContext(tier: .avx512bf16, threads: threads)
            let result = GuardedRow(c)
            context.gemm(
                a.view, b.view, into: result.row, rowStride: n, accumulate: accumulate, formats: formats,
                random: random)
            #expect(result.guardsAreIntact)
            #expect(bits(result.values) == bits(expected), "\(threads) threads: \(m) × \(n) × \(k), \(formats)")
        }
    }

    /// The strict setting has the sums of every other tier; `QuantizedGEMMTests` checks them.
    @Test func strictIsStrict() throws {
        let formats = GEMMFormats(.fp8)
        let strict = try ComputeContext(tier: .avx512bf16, threads: 1, strictFP8: true)
        #expect(!strict.leftLayout(rows: 1, depth: 1, formats).isScaled)
        let context = try ComputeContext(tier: .avx512bf16, threads: 1)
        #expect(context.leftLayout(rows: 1, depth: 1, formats).isScaled)
    }
}
