import KernelInterface
import Testing

@testable import Core

@Suite struct HalfTests {
    #if !(os(macOS) && arch(x86_64))
    /// Every finite FP16 number that is normal, all subnormals, and ties between subnormals.
    @Test func halvesAreRight() {
        var values: [Float] = []
        for bits in 0..<UInt16(0x7C00) {
            values += [Float(Float16(bitPattern: bits)), -Float(Float16(bitPattern: bits))]
        }
        for n in 0..<1023 { values.append((Float(n) + 0.5) * 0x1p-24) }
        while values.count % 16 != 0 { values.append(0) }
        // With a scale of 1 and a grid as fine as FP32's, quantization changes nothing.
        let settings = QuantizerSettings(
            mantissaBits: 20, minimumExponent: -60, maximum: 65504, maximumExponent: 15, rule: .fp32, prescale: 1,
            blockLength: 128, isStochastic: false, triesFour: false)
        let ones = [Float](repeating: 1, count: 128)
        for kernels in allKernels {
            for start in stride(from: 0, to: values.count, by: 16) {
                let x = GuardedRow(Array(values[start..<start + 16]))
                var doubled = [UInt32](repeating: 0, count: 16)
                var single = [UInt16](repeating: 0, count: 16)
                var sums = QuantizationSums()
                kernels.encodeHalves(
                    x.row, depth: 1, valid: 1, scales: ones, encodes: ones, uniforms: nil, settings, factor: 1,
                    isDoubled: true, into: &doubled, stride: 64, sums: &sums, next: .none)
                kernels.encodeHalves(
                    x.row, depth: 1, valid: 1, scales: ones, encodes: ones, uniforms: nil, settings, factor: 1,
                    isDoubled: false, into: &single, stride: 32, sums: &sums, next: .none)
                // The sign of a zero is not kept.
                let expected = values[start..<start + 16].map { $0 == 0 ? 0 : Float16($0).bitPattern }
                #expect(single.map { $0 & 0x7FFF == 0 ? 0 : $0 } == expected.map { $0 & 0x7FFF == 0 ? 0 : $0 })
                #expect(doubled == single.map { UInt32($0) | UInt32($0) << 16 })
            }
        }
    }

    /// Every value of both formats is exact in FP16, and 128 of the largest products stay below its largest number.
    @Test func factorsFitFP16() {
        for a in ElementFormat.allCases {
            for b in ElementFormat.allCases {
                guard let factors = HalfFactors(a, b) else { continue }
                for (element, factor) in [(a, factors.a), (b, factors.b)] {
                    for code in 0..<UInt32(1 << (element.bits - 1)) {
                        let value = element.decode(code)
                        if value.isFinite { #expect(Float(Float16(value * factor)) == value * factor) }
                    }
                }
                #expect(128 * (a.maximum * factors.a) * (b.maximum * factors.b) < 65504)
            }
        }
        #expect(HalfFactors(.e4m3, .e5m2) != nil)
        #expect(HalfFactors(.e5m2, .e5m2) == nil)
        #expect(HalfFactors(.bf16, .e4m3) == nil)
    }
    #endif
}

@Suite(.enabled(if: KernelTier.available.contains(.avx512fp16), "the processor multiplies FP16"))
struct HalfGEMMTests {
    @Test(arguments: ["fp8", "fp8-2d", "fp8-tensor", "fp8-row", "fp8-e5m2", "mxfp8", "fp8+sr"])
    func withinTheBound(text: String) throws {
        let format = try BlockFormat(parsing: text)
        for (m, n, k) in [(1, 1, 1), (7, 65, 33), (20, 130, 128), (13, 64, 300)] {
            try check(m, n, k, GEMMFormats(format), accumulate: m == 20)
        }
    }

    /// Large enough to be packed and multiplied in several pieces.
    @Test func manyPieces() throws {
        try check(200, 300, 260, GEMMFormats(.fp8))
        try check(200, 300, 260, GEMMFormats(.mxfp8), accumulate: true)
    }

    @Test func emptyProducts() throws {
        for (m, n, k) in [(0, 3, 3), (3, 0, 3), (3, 3, 0)] {
            try check(m, n, k, GEMMFormats(.fp8))
            try check(m, n, k, GEMMFormats(.fp8), accumulate: true)
        }
    }

    /// Values at both ends of E5M2, whose products must not vanish.
    @Test(arguments: ["fp8", "fp8-e5m2"])
    func smallValuesCount(right: String) throws {
        var formats = GEMMFormats(try BlockFormat(parsing: "fp8-e5m2"))
        formats.b = try BlockFormat(parsing: right)
        try check(2, 3, 128, formats) { a, b in
            for k in 0..<128 {
                UnsafeMutablePointer(mutating: a.view.base)[k] = k == 0 ? 57344 : 0x1p-13
                UnsafeMutablePointer(mutating: b.view.base)[k] = k == 0 ? 0 : 448
            }
        }
    }

    @Test(arguments: [Float.infinity, .nan])
    func notANumberSpreads(poison: Float) throws {
        try check(20, 70, 200, GEMMFormats(.fp8)) { a, b in
            UnsafeMutablePointer(mutating: a.view.base)[3 * a.view.rowStride + 130] = poison
            UnsafeMutablePointer(mutating: b.view.base)[7 * b.view.columnStride + 18] = -poison
        }
    }

    @Test(arguments: [("fp8-e5m2", "fp8"), ("fp4", "fp8"), ("mxfp8", "nvfp4-2d"), ("fp8-e5m2", "fp8-e5m2")])
    func mixedFormats(left: String, right: String) throws {
        var formats = GEMMFormats(try BlockFormat(parsing: left))
        formats.b = try BlockFormat(parsing: right)
        for (m, n, k) in [(5, 9, 31), (14, 70, 260)] { try check(m, n, k, formats) }
    }

    /// |C − ΣAB| ≤ Σ over chunks (γ · Σ|a·b| + n · 2⁻²⁵ · sA · sB), and a little for the sums in FP32; and the same bits
    /// whatever the number of threads.
    private func check(
        _ m: Int, _ n: Int, _ k: Int, _ formats: GEMMFormats, accumulate: Bool = false,
        edit: (TestMatrix, TestMatrix) -> Void = { _, _ in }
    ) throws {
        let random = QuantizedGEMMTests.random
        let a = TestMatrix(m, k, .rowMajor, seed: 1)
        let b = TestMatrix(k, n, .columnMajor, seed: 2)
        difficult(a.view, seed: 3)
        difficult(b.view, seed: 4)
        edit(a, b)
        var numbers = TestNumbers(seed: 5)
        let c = numbers.row(m * n)
        var first: [UInt32]?
        for threads in [1, 2, 3] {
            let context = try ComputeContext(tier: .avx512fp16, threads: threads)
            let result = GuardedRow(c)
            context.gemm(
                a.view, b.view, into: result.row, rowStride: n, accumulate: accumulate, formats: formats,
                random: random)
            #expect(result.guardsAreIntact)
            if let first { #expect(bits(result.values) == first) } else { first = bits(result.values) }
        }
        let product = QuantizedProduct(a.view, b.view, formats, random)
        let chunk = min(formats.a.chunk, formats.b.chunk)
        let factors = HalfFactors(formats.a.element, formats.b.element)
        let u = 0x1p-11
        for i in 0..<m {
            for j in 0..<n {
                var exact = accumulate ? Double(c[i * n + j]) : 0
                var bound = abs(exact) * 1e-6
                for start in stride(from: 0, to: k, by: chunk) {
                    let count = Double(min(chunk, k - start))
                    var magnitudes = 0.0
                    for k in start..<min(k, start + chunk) {
                        let x = Double(product.a.dequantized[i * product.a.geometry.paddedDepth + k])
                        let y = Double(product.b.dequantized[j * product.b.geometry.paddedDepth + k])
                        exact += x * y
                        magnitudes += abs(x * y)
                    }
                    let scaleA = product.a.scales[product.a.geometry.block(row: i, column: start)]
                    let scaleB = product.b.scales[product.b.geometry.block(row: j, column: start)]
                    let scale = Double(scaleA / (factors?.a ?? 1) * (scaleB / (factors?.b ?? 1)))
                    bound += (count * u / (1 - count * u) + 1e-5) * magnitudes + count * 0x1p-25 * scale
                }
                let value = Double(Float(bitPattern: first?[i * n + j] ?? 0))
                let isRight = exact.isFinite ? abs(value - exact) <= bound : !value.isFinite
                #expect(isRight, "\(formats) at \(i), \(j) of \(m) × \(n) × \(k)")
            }
        }
    }

    /// The strict setting has FP32's sums.
    @Test func strictIsStrict() throws {
        let context = try ComputeContext(tier: .avx512fp16, threads: 1, strictFP8: true)
        #expect(context.half == nil)
        #expect(try ComputeContext(tier: .avx512fp16, threads: 1).half != nil)
    }
}
