import KernelInterface
import Testing

@testable import Core

/// The definition of a GEMM of quantized operands, from the reference quantizer's codes and scales.
struct QuantizedProduct {
    let a: QuantizedMatrix
    /// Transposed, so that both have the reduction axis as columns.
    let b: QuantizedMatrix
    let formats: GEMMFormats

    init(_ a: MatrixView, _ b: MatrixView, _ formats: GEMMFormats, _ random: GEMMRandom) {
        self.formats = formats
        self.a = ReferenceQuantizer(formats.a, random: random.a).quantize(a)
        self.b = ReferenceQuantizer(formats.b, random: random.b).quantize(b.transposed)
    }

    /// Values along the reduction axis whose products of integers are summed exactly; nil if products are of floats.
    private var chunk: Int? {
        func length(_ format: BlockFormat) -> Int {
            switch format.block {
            case .tensor, .row: 128
            case .vector(let n), .square(let n): n
            }
        }
        guard formats.a.element == .e2m1, formats.b.element == .e2m1 else { return nil }
        return min(length(formats.a), length(formats.b))
    }

    func element(_ i: Int, _ j: Int, startingAt start: Float) -> Float {
        let depth = a.geometry.paddedDepth
        var c = start
        guard let chunk else {
            for k in 0..<depth { c = c.addingProduct(a.dequantized[i * depth + k], b.dequantized[j * depth + k]) }
            return c
        }
        for first in stride(from: 0, to: depth, by: chunk) {
            var sum = 0
            for k in first..<min(depth, first + chunk) {
                sum += Self.doubled(a.codes[i * depth + k]) * Self.doubled(b.codes[j * depth + k])
            }
            let scaleA = a.scales[a.geometry.block(row: i, column: first)]
            let scaleB = b.scales[b.geometry.block(row: j, column: first)]
            c = c.addingProduct(Float(sum), (scaleA * 0.5) * (scaleB * 0.5))
        }
        return c
    }

    /// Twice the value of an E2M1 code.
    private static func doubled(_ code: UInt8) -> Int {
        let magnitude = [0, 1, 2, 3, 4, 6, 8, 12][Int(code & 7)]
        return code & 8 == 0 ? magnitude : -magnitude
    }
}

/// Numbers whose magnitudes range over many binades, with zeros and whole blocks of zeros among them.
func difficult(_ view: MatrixView, seed: UInt64) {
    var numbers = TestNumbers(seed: seed)
    let memory = UnsafeMutablePointer(mutating: view.base)
    for i in 0..<view.rows {
        for k in 0..<view.columns {
            let bits = numbers.next()
            let exponent = Int((bits >> 8) % 12) - 6
            var x = (Float(bits >> 40) / Float(1 << 23) - 1) * Float(sign: .plus, exponent: exponent, significand: 1)
            if bits % 17 == 0 || (k / 32 + i / 16) % 5 == 4 { x = 0 }
            memory[i * view.rowStride + k * view.columnStride] = x
        }
    }
}

@Suite struct QuantizedGEMMTests {
    let contexts: [ComputeContext]

    init() throws {
        contexts = try KernelTier.available.flatMap { tier in
            try [1, 3].map { try ComputeContext(tier: tier, threads: $0, strictFP8: true) }
        }
    }

    static let random = GEMMRandom(
        a: QuantizationRandom(seed: 7, step: 3, operandID: 1, operationID: 9),
        b: QuantizationRandom(seed: 7, step: 3, operandID: 2, operationID: 9))

    private func check(
        _ m: Int, _ n: Int, _ k: Int, _ formats: GEMMFormats, layouts: (Layout, Layout) = (.rowMajor, .columnMajor),
        accumulate: Bool = false, edit: (TestMatrix, TestMatrix) -> Void = { _, _ in }
    ) {
        let a = TestMatrix(m, k, layouts.0, seed: 1)
        let b = TestMatrix(k, n, layouts.1, seed: 2)
        difficult(a.view, seed: UInt64(m &* 31 &+ k))
        difficult(b.view, seed: UInt64(n &* 17 &+ k &+ 5))
        edit(a, b)
        let stride = n + 2
        var numbers = TestNumbers(seed: 99)
        let c = numbers.row(m * stride)
        let product = QuantizedProduct(a.view, b.view, formats, Self.random)
        var expected = c
        for i in 0..<m {
            for j in 0..<n {
                expected[i * stride + j] = product.element(i, j, startingAt: accumulate ? c[i * stride + j] : 0)
            }
        }
        for context in contexts {
            let result = GuardedRow(c)
            var health = GEMMHealth()
            context.gemm(
                a.view, b.view, into: result.row, rowStride: stride, accumulate: accumulate, formats: formats,
                random: Self.random, health: &health)
            let what = "\(context.tier), \(context.pool.lanes) lanes: \(m) × \(n) × \(k), \(formats)"
            #expect(bits(result.values) == bits(expected), "\(what)")
            #expect(result.guardsAreIntact, "\(what)")
            if formats.a.unscaled == nil { expectSame(health.a, product.a.health, what) }
            if formats.b.unscaled == nil { expectSame(health.b, product.b.health, what) }
            if bits(result.values) != bits(expected) { return }
        }
    }

    private func expectSame(_ health: QuantizationHealth, _ expected: QuantizationHealth, _ what: String) {
        #expect(health.count == expected.count, "\(what)")
        #expect(health.nonFinite == expected.nonFinite, "\(what)")
        #expect(health.amax == expected.amax, "\(what)")
        #expect(health.saturated == expected.saturated, "\(what)")
        #expect(health.underflowed == expected.underflowed, "\(what)")
        #expect(health.storedBits == expected.storedBits, "\(what)")
        // The kernels' sums are FP32's, whose squares end at 3e38.
        if expected.amax > 1e18 { return }
        for path in [\QuantizationHealth.squareSum, \.errorSquareSum, \.productSum] {
            let difference = health[keyPath: path] - expected[keyPath: path]
            #expect(abs(difference) <= 1e-4 * abs(expected[keyPath: path]) + 1e-30, "\(what)")
        }
    }

    static let texts = [
        "fp4", "mxfp4", "mxfp4-ceil", "e2m1:1x32:e8m0-nearest", "nvfp4", "nvfp4-2d", "fp4-2d", "fp4-row", "fp4-tensor",
        "e2m1:1x64:fp32", "e2m1:32x32:e8m0-floor", "nvfp4+4/6", "nvfp4-2d+4/6", "nvfp4+sr+prescale=16/17",
        "mxfp4+sr+prescale=0.75", "fp4+sr", "mxfp4+hadamard=32", "nvfp4+hadamard=16:fixed", "fp4+hadamard=128:random",
        "nvfp4+sr+hadamard=64:random", "fp8", "fp8-2d", "fp8-row", "fp8-tensor", "fp8-e5m2", "mxfp8",
        "fp8+sr", "fp8+hadamard=32:random", "e5m2:1x32:e8m0-floor", "e2m1:1x32:e4m3+4/6", "nvfp4-2d+sr",
        "nvfp4-2d+hadamard=16", "fp8-e5m2+sr+hadamard=16:random", "e2m1:64x64:e4m3",
        "e2m1:1x32:e8m0-nearest+std", "e2m1:1x32:e8m0-nearest+std+hadamard=32", "e2m1:1x16:fp32+sr+std",
        "nvfp4+eden+hadamard=128:random", "nvfp4+eden+hadamard=16:random", "e2m1:1x32:e4m3+eden+hadamard=32:random",
    ]

    @Test(arguments: texts)
    func everyFormat(text: String) throws {
        let formats = GEMMFormats(try BlockFormat(parsing: text))
        for (m, n, k) in [(1, 1, 1), (3, 5, 2), (7, 17, 16), (13, 33, 37), (50, 40, 130), (97, 70, 300)] {
            check(m, n, k, formats, accumulate: (m + n + k) % 2 == 0)
        }
    }

    /// The operands of a linear's GEMMs differ: tokens against channels, rows against squares, FP4 against the rest.
    @Test(
        arguments: [
            ("nvfp4", "nvfp4-2d"), ("fp4", "fp4-2d"), ("mxfp4", "fp4"), ("fp4-row", "nvfp4"), ("fp4-tensor", "mxfp4"),
            ("nvfp4+sr", "nvfp4"), ("fp4", "fp8"), ("fp8", "fp8-2d"), ("bf16", "mxfp4"), ("nvfp4", "bf16"),
            ("fp32", "fp8"),
            ("fp8-e5m2", "fp8"),
        ])
    func mixedFormats(left: String, right: String) throws {
        var formats = GEMMFormats(try BlockFormat(parsing: left))
        formats.b = try BlockFormat(parsing: right)
        for (m, n, k) in [(5, 9, 31), (35, 50, 128), (20, 100, 270)] { check(m, n, k, formats) }
    }

    @Test(arguments: ["fp4", "nvfp4", "mxfp8"], Layout.allCases)
    func everyLayout(text: String, layoutA: Layout) throws {
        let formats = GEMMFormats(try BlockFormat(parsing: text))
        for layoutB in Layout.allCases {
            for (m, n, k) in [(5, 70, 16), (26, 33, 31), (40, 20, 150)] {
                check(m, n, k, formats, layouts: (layoutA, layoutB), accumulate: m == 26)
            }
        }
    }

    @Test(arguments: ["fp4", "mxfp4", "nvfp4", "fp8"])
    func everySmallShape(text: String) throws {
        let formats = GEMMFormats(try BlockFormat(parsing: text))
        for m in [0, 1, 4, 5, 6, 7, 13] {
            for n in [0, 1, 8, 9, 16, 17, 33] {
                for k in [0, 1, 4, 5, 16, 17, 33] {
                    check(m, n, k, formats, accumulate: (m + n + k) % 2 == 0)
                }
            }
        }
    }

    /// Weights are packed once and serve several products, whatever else is packed in between.
    @Test(arguments: ["bf16", "fp8", "fp4-2d", "nvfp4", "fp4-tensor"])
    func packedOperandsAreKept(text: String) throws {
        let formats = GEMMFormats(try BlockFormat(parsing: text))
        let b = TestMatrix(130, 70, .columnMajor, seed: 2)
        for context in contexts {
            let layout = context.rightLayout(columns: 70, depth: 130, formats)
            let memory = UnsafeMutableRawPointer.allocate(byteCount: layout.byteCount, alignment: 64)
            defer { memory.deallocate() }
            let weights = PackedMatrix(layout, in: memory)
            context.packRight(b.view, formats, into: weights)
            for rows in [7, 130] {
                let a = TestMatrix(rows, 130, .rowMajor, seed: UInt64(rows))
                let expected = GuardedRow(zeros: rows * 70)
                context.gemm(a.view, b.view, into: expected.row, rowStride: 70, formats: formats)
                let left = context.leftLayout(rows: rows, depth: 130, formats)
                let leftMemory = UnsafeMutableRawPointer.allocate(byteCount: left.byteCount, alignment: 64)
                defer { leftMemory.deallocate() }
                let packed = PackedMatrix(left, in: leftMemory)
                context.packLeft(a.view, formats, into: packed)
                let result = GuardedRow(zeros: rows * 70)
                context.multiply(packed, weights, into: result.row, rowStride: 70)
                #expect(bits(result.values) == bits(expected.values), "\(context.tier)")
                #expect(result.guardsAreIntact)
            }
        }
    }

    /// Above 384 rows the pieces are larger.
    @Test(arguments: ["fp8", "fp8-2d", "fp8-row+sr", "fp4", "nvfp4+sr", "nvfp4-2d+hadamard=16:random", "fp4-tensor"])
    func manyRows(text: String) throws {
        let formats = GEMMFormats(try BlockFormat(parsing: text))
        check(500, 5, 141, formats, layouts: (.columnMajor, .columnMajor))
        check(5, 500, 141, formats, layouts: (.rowMajor, .rowMajor))
        check(430, 2, 20, formats)
        check(2, 430, 20, formats)
    }

    /// Sums of health come strip by strip, whatever is packed together: added in pairs, the two halves of the last bit would
    /// make up a whole one.
    @Test(arguments: ["fp4", "fp8", "nvfp4"])
    func healthDependsOnNoTier(text: String) throws {
        let formats = GEMMFormats(try BlockFormat(parsing: text))
        let a = TestMatrix(64, 32, .rowMajor, seed: 1)
        let values = UnsafeMutablePointer(mutating: a.view.base)
        for row in 0..<64 {
            for k in 0..<32 { values[row * a.view.rowStride + k] = 0 }
        }
        values[0] = 1
        for row in [32, 48] {
            for k in 0..<2 { values[row * a.view.rowStride + k] = 0x1p-27 }
        }
        for context in contexts {
            var health = GEMMHealth()
            let c = GuardedRow(zeros: 64 * 64)
            context.gemm(
                a.view, a.view.transposed, into: c.row, rowStride: 64, formats: formats, health: &health)
            #expect(health.a.squareSum == 1 && health.b.squareSum == 1, "\(context.tier)")
        }
    }

    @Test func largerThanOneBlock() throws {
        check(100, 70, 1100, GEMMFormats(.fp4))
        check(120, 40, 513, GEMMFormats(.nvfp4), accumulate: true)
        check(100, 70, 600, GEMMFormats(.mxfp8))
    }

    /// Infinities and NaN reach C where they belong, and nowhere else; health leaves them out.
    @Test(
        arguments: [
            "fp4", "mxfp4", "nvfp4", "fp4-row", "fp4-2d", "fp8", "fp8-tensor", "fp4+std",
            "nvfp4+eden+hadamard=32:random",
        ], [Float.infinity, .nan])
    func notANumberSpreads(text: String, poison: Float) throws {
        let formats = GEMMFormats(try BlockFormat(parsing: text))
        check(20, 35, 200, formats) { a, b in
            UnsafeMutablePointer(mutating: a.view.base)[3 * a.view.rowStride + 130 * a.view.columnStride] = poison
            UnsafeMutablePointer(mutating: b.view.base)[7 * b.view.rowStride + 18 * b.view.columnStride] = -poison
        }
    }

    /// The extremes of FP32: subnormal blocks, blocks of huge values, one huge value among small ones.
    @Test(
        arguments: [
            "fp4", "mxfp4", "mxfp4-ceil", "nvfp4", "fp4-tensor", "fp8", "mxfp8", "mxfp4+std", "fp4+std",
            "nvfp4+eden+hadamard=32:random",
        ])
    func extremes(text: String) throws {
        let formats = GEMMFormats(try BlockFormat(parsing: text))
        check(18, 20, 160, formats) { a, b in
            let memory = UnsafeMutablePointer(mutating: a.view.base)
            for k in 0..<160 {
                memory[1 * a.view.rowStride + k * a.view.columnStride] = Float(k % 7) * 0x1p-146
                memory[2 * a.view.rowStride + k * a.view.columnStride] = Float(k % 5 - 2) * 1e-37
                memory[3 * a.view.rowStride + k * a.view.columnStride] = -0.0
            }
            memory[4 * a.view.rowStride + 5 * a.view.columnStride] = 1e30
        }
    }
}
