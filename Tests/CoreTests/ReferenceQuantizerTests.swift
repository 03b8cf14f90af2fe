import KernelInterface
import Testing

@testable import Core

@Suite struct ReferenceQuantizerTests {
    static let matrices = ["tails", "edges", "broken", "tiny", "zeros"]
    static let formats = [
        "nvfp4", "nvfp4+4/6", "nvfp4-2d", "nvfp4-2d+4/6", "nvfp4+sr+prescale=16/17", "nvfp4+hadamard=16:fixed",
        "mxfp4", "mxfp4-ceil", "e2m1:1x32:e8m0-nearest", "mxfp4+sr+prescale=0.75+hadamard=64:random", "mxfp8", "fp4",
        "fp4-row+hadamard=32", "fp4-tensor", "fp8", "fp8-2d", "fp8-e5m2+sr",
        "e2m1:1x32:e8m0-nearest+std+hadamard=32", "nvfp4+eden+hadamard=32:random",
    ]
    static let random = QuantizationRandom(seed: 5, step: 7, operandID: 3, operationID: 2)

    /// Codes, scales and dequantized values, bit for bit, of an implementation in NumPy and ml_dtypes.
    @Test(arguments: formats)
    func equalsIndependentImplementation(_ text: String) throws {
        let fixture = try FormatFixture("quantizer")
        let quantizer = ReferenceQuantizer(try BlockFormat(parsing: text), random: Self.random)
        for matrix in Self.matrices {
            let columns = try #require(fixture.shape(matrix)).last!
            let result = quantizer.quantize(try fixture.floats(matrix), columns: columns)
            let name = "\(matrix)/\(text)/"
            #expect(try result.scales.bits == fixture.floats(name + "scales").bits, "\(matrix)")
            #expect(try result.codes == fixture.bytes(name + "codes"), "\(matrix)")
            #expect(try result.dequantized.bits == fixture.floats(name + "dequantized").bits, "\(matrix)")
            if fixture.shape(name + "scale_codes") != nil {
                #expect(try result.scaleCodes == fixture.bytes(name + "scale_codes"), "\(matrix)")
            } else {
                #expect(result.scaleCodes.isEmpty)
            }
            if fixture.shape(name + "tensor_scale") != nil {
                #expect(try [result.tensorScale!].bits == fixture.floats(name + "tensor_scale").bits, "\(matrix)")
            } else {
                #expect(result.tensorScale == nil)
            }
        }
    }

    /// x̂ is what codes and stored scales say.
    @Test(arguments: formats)
    func dequantizedFollowsFromWhatIsStored(_ text: String) throws {
        let fixture = try FormatFixture("quantizer")
        let format = try BlockFormat(parsing: text)
        for matrix in Self.matrices {
            let columns = try #require(fixture.shape(matrix)).last!
            let result = ReferenceQuantizer(format).quantize(try fixture.floats(matrix), columns: columns)
            let expected = result.codes.indices.map { index -> Float in
                let (row, column) = index.quotientAndRemainder(dividingBy: result.geometry.paddedDepth)
                let block = result.geometry.block(row: row, column: column)
                let scale: Float =
                    switch format.scale {
                    case .fp32: result.scales[block]
                    case .e8m0Floor, .e8m0Ceiling, .e8m0Nearest:
                        E8M0.decode(result.scaleCodes[block]) * (1 / format.prescale)
                    case .e4m3: ElementFormat.e4m3.decode(UInt32(result.scaleCodes[block])) * result.tensorScale!
                    }
                return format.element.decode(UInt32(result.codes[index])) * scale + 0
            }
            #expect(expected.bits == result.dequantized.bits, "\(matrix)")
        }
    }

    @Test(arguments: formats + ["bf16", "fp32"])
    func neitherThreadsNorStridesMatter(_ text: String) throws {
        let pool = try WorkerPool(lanes: 3)
        let quantizer = ReferenceQuantizer(try BlockFormat(parsing: text), random: Self.random)
        // More than one tile in both directions, and a tail.
        let (rows, columns) = (21, 2100)
        let values = Distribution.laplace.values(count: rows * columns, seed: 1)
        let serial = quantizer.quantize(values, columns: columns)
        let parallel = quantizer.quantize(values, columns: columns, pool: pool)
        #expect(serial.codes == parallel.codes)
        #expect(serial.scales == parallel.scales)
        #expect(serial.dequantized == parallel.dequantized)
        #expect(serial.health == parallel.health)
        #expect(serial.health == quantizer.health(of: values, columns: columns, pool: pool))

        var transposed = [Float](repeating: 0, count: values.count)
        for row in 0..<rows {
            for column in 0..<columns { transposed[column * rows + row] = values[row * columns + column] }
        }
        let strided = transposed.withUnsafeBufferPointer {
            quantizer.quantize(MatrixView($0.baseAddress!, rows: columns, columns: rows).transposed)
        }
        #expect(strided.codes == serial.codes)
        #expect(strided.dequantized == serial.dequantized)
    }

    @Test func unscaledFormatsRoundOnly() {
        let values: [Float] = [1.003, -0.0, .leastNonzeroMagnitude, .infinity, .nan, 2]
        let bf16 = ReferenceQuantizer(.bf16).quantize(values, columns: 3)
        #expect(bf16.dequantized.bits == values.map(KernelInterface.bf16).bits)
        #expect(bf16.codes.isEmpty && bf16.scales.isEmpty && bf16.tensorScale == nil)
        #expect(bf16.health.nonFinite == 2)
        #expect(bf16.health.underflowed == 1)
        #expect(bf16.health.bitsPerValue == 16)
        let fp32 = ReferenceQuantizer(.fp32).quantize(values, columns: 3)
        #expect(fp32.dequantized.bits == values.bits)
        #expect(fp32.health.errorSquareSum == 0)
    }

    @Test func emptyOperands() {
        let value: [Float] = [1]
        for format in [BlockFormat.bf16, .nvfp4, .fp4] {
            value.withUnsafeBufferPointer {
                for (rows, columns) in [(0, 5), (5, 0), (0, 0)] {
                    let view = MatrixView($0.baseAddress!, rows: rows, columns: columns)
                    let result = ReferenceQuantizer(format).quantize(view)
                    #expect(result.dequantized.isEmpty)
                    #expect(result.health.count == 0)
                    #expect(result.health.relMSE == nil && result.health.bitsPerValue == nil)
                }
            }
        }
    }

    @Test func health() {
        // amax 8: scale 2, so 8 becomes 4, −0.25 is −0.125 and vanishes; nothing saturates.
        var values = [Float](repeating: 0, count: 32)
        (values[0], values[1], values[2]) = (7, -0.25, 2)
        let health = ReferenceQuantizer(.mxfp4).health(of: values, columns: 32)
        #expect(health.count == 32)
        #expect(health.amax == 7)
        // Floor: 2² / 2² = 1, and 7 is beyond 6.
        #expect(health.saturated == 1)
        #expect(health.underflowed == 1)
        #expect(health.squareSum == 49 + 0.0625 + 4)
        #expect(health.errorSquareSum == 1 + 0.0625)
        #expect(health.productSum == 42 + 4)
        #expect(health.relMSE == 1.0625 / 53.0625)
        #expect(health.storedBits == 32 * 4 + 8)
        #expect(health.bitsPerValue == 4.25)
        #expect(health.saturation == 1.0 / 32)
        let cosine = 46 / (53.0625 * 40).squareRoot()
        #expect(abs(health.cosine! - cosine) < 1e-12)
    }

    @Test func aBrokenBlockBreaksNoOther() {
        var values = [Float](repeating: 1, count: 64)
        values[3] = .nan
        let mx = ReferenceQuantizer(.mxfp4).quantize(values, columns: 64)
        #expect(mx.dequantized.map(\.isNaN) == (0..<64).map { $0 < 32 })
        #expect(mx.health.nonFinite == 32)
        #expect(mx.health.relMSE == 0)
        // The scale of the tensor is everybody's.
        let nv = ReferenceQuantizer(.nvfp4).quantize(values, columns: 64)
        #expect(nv.dequantized.allSatisfy { $0.isNaN })
        #expect(nv.health.nonFinite == 64)
        #expect(nv.scaleCodes.allSatisfy { $0 == 0x7F })
    }

    @Test func paddingForHadamardIsCountedNowhere() {
        let values = [Float](repeating: 1, count: 2 * 20)
        let format = BlockFormat(.e2m1, block: .vector(16), hadamard: .init(size: 16, signs: .none))
        let result = ReferenceQuantizer(format).quantize(values, columns: 20)
        #expect(result.geometry.paddedDepth == 32)
        #expect(result.codes.count == 64)
        #expect(result.health.count == 40)
        // Orthogonal: the padded positions hold part of the energy.
        #expect(abs(result.health.squareSum - 40) < 1e-4)
    }

    /// 2.92247856 · σ takes the place of amax, but in a block whose values are all the same.
    @Test func scalesFromDeviations() throws {
        let format = try BlockFormat(parsing: "e2m1:1x32:fp32+std")
        var values = Distribution.gaussian.values(count: 64, seed: 1)
        for index in 32..<64 { values[index] = -3 }
        let result = ReferenceQuantizer(format).quantize(values, columns: 64)
        let block = values[..<32].map(Double.init)
        let mean = block.reduce(0, +) / 32
        let deviation = (block.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 32).squareRoot()
        #expect(abs(Double(result.scales[0]) / (2.92247856 / 6 * deviation) - 1) < 1e-6)
        #expect(result.scales[1] == 0.5)
        for factor: Float in [0x1p-120, 0x1p100] {
            let scaled = ReferenceQuantizer(format).quantize(values.map { $0 * factor }, columns: 64)
            #expect(scaled.codes == result.codes)
            #expect(scaled.scales[0] == result.scales[0] * factor)
        }
    }

    /// MS-EDEN, one plain step after the other, in Double.
    @Test func scalesOfEDEN() throws {
        let format = try BlockFormat(parsing: "nvfp4+eden+hadamard=32:random")
        let values = Distribution.laplace.values(count: 3 * 64, seed: 4)
        let result = ReferenceQuantizer(format, random: Self.random).quantize(values, columns: 64)
        let plain = BlockFormat(.e2m1, block: .vector(32), hadamard: format.hadamard)
        // FP32's transform, as the reference of all formats has it.
        var x = values
        let transform = HadamardTransform(try #require(plain.hadamard), Self.random)
        x.withUnsafeMutableBufferPointer { transform.apply($0) }
        let vmax = 6 / (17.0 / 16 * 0.93)
        let decode = Double(x.map(abs).max()!) / (vmax * 256)
        #expect(abs(Double(result.tensorScale!) / decode - 1) < 1e-6)
        let e2m1 = ElementFormat.e2m1, e4m3 = ElementFormat.e4m3
        for row in 0..<3 {
            for group in 0..<2 {
                var (squares, products) = (0.0, 0.0)
                var scales: [Float] = []
                for block in 0..<2 {
                    let start = row * 64 + group * 32 + block * 16
                    let y = x[start..<start + 16].map(Double.init)
                    let scale = e4m3.nearest(Float(y.map(abs).max()! / vmax / decode))
                    scales.append(scale)
                    for (offset, value) in y.enumerated() {
                        let y = value / (Double(scale) * decode)
                        let q = e2m1.nearest(Float(y))
                        #expect(e2m1.decode(UInt32(result.codes[start + offset])) == q)
                        squares += y * y
                        products += y * Double(q)
                    }
                }
                for block in 0..<2 {
                    let ideal = Float(Double(scales[block]) * squares / products)
                    let bits = Self.random.bits(row: row, column: group * 32 + block * 16)
                    let code = result.scaleCodes[row * 4 + group * 2 + block]
                    #expect(e4m3.decode(UInt32(code)) == e4m3.stochastic(ideal, random: bits))
                }
            }
        }
    }

    /// The mean over many steps is the value itself, for formats in which nothing saturates.
    @Test(arguments: ["nvfp4+sr+prescale=16/17", "mxfp4+sr+prescale=0.75", "fp4+sr", "fp8+sr", "mxfp4-ceil+sr"])
    func stochasticRoundingIsUnbiased(_ text: String) throws {
        let format = try BlockFormat(parsing: text)
        let values = Distribution.gaussian.values(count: 256, seed: 3)
        var sums = [Double](repeating: 0, count: values.count)
        let steps = 400
        for step in 0..<UInt64(steps) {
            let random = QuantizationRandom(seed: 1, step: step, operandID: 0, operationID: 0)
            let result = ReferenceQuantizer(format, random: random).quantize(values, columns: 128)
            #expect(result.health.saturated == 0)
            for (index, value) in result.dequantized.enumerated() { sums[index] += Double(value) }
        }
        var (bias, error) = (0.0, 0.0)
        for (value, sum) in zip(values, sums) {
            bias += (sum / Double(steps) - Double(value)) * Double(value.sign == .minus ? -1 : 1)
            error += abs(sum / Double(steps) - Double(value))
        }
        // A single rounding is off by 0.2 or so; means of 400 by a twentieth of it, and their mean by less again.
        #expect(error / 256 < 0.02)
        #expect(abs(bias / 256) < 0.003)
    }
}

extension ReferenceQuantizer {
    func quantize(_ values: [Float], columns: Int, pool: WorkerPool? = nil) -> QuantizedMatrix {
        values.withUnsafeBufferPointer {
            quantize(MatrixView($0.baseAddress!, rows: values.count / columns, columns: columns), pool: pool)
        }
    }

    func health(of values: [Float], columns: Int, pool: WorkerPool? = nil) -> QuantizationHealth {
        values.withUnsafeBufferPointer {
            health(of: MatrixView($0.baseAddress!, rows: values.count / columns, columns: columns), pool: pool)
        }
    }
}
