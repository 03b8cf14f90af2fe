import Testing

@testable import Core

@Suite struct ElementFormatTests {
    static let formats: [ElementFormat] = [.e2m1, .e4m3, .e5m2, .bf16]

    /// Every number, every boundary between two and their neighbours, as ml_dtypes rounds them.
    @Test(arguments: formats)
    func encodeEqualsReference(_ format: ElementFormat) throws {
        let fixture = try FormatFixture("codecs")
        let values = try fixture.floats("\(format.rawValue).values")
        let codes = try fixture.integers("\(format.rawValue).codes")
        for (value, code) in zip(values, codes) {
            #expect(format.encode(value) == UInt32(code), "\(value)")
            let rounded = format.nearest(value)
            #expect([rounded].bits == [format.decode(UInt32(code))].bits, "\(value)")
        }
    }

    @Test(arguments: formats)
    func decodeEqualsReference(_ format: ElementFormat) throws {
        let fixture = try FormatFixture("codecs")
        let codes = format == .bf16 ? try fixture.integers("bf16.codes") : (0..<1 << format.bits).map(Int32.init)
        let decoded = codes.map { format.decode(UInt32($0)) }
        #expect(try decoded.bits == fixture.floats("\(format.rawValue).decoded").bits)
    }

    @Test(arguments: formats)
    func everyNumberIsItsOwnRounding(_ format: ElementFormat) {
        for code in 0..<UInt32(1) << UInt32(format.bits) {
            let number = format.decode(code)
            // Infinities saturate; NaN has one code of several.
            guard number.isFinite else { continue }
            #expect(format.encode(number) == code)
            for random: UInt16 in [0, 1, 0x7FFF, 0x8000, 0xFFFF] {
                #expect(format.encode(number, random: random) == code)
            }
        }
    }

    @Test func e8m0EqualsReference() throws {
        let fixture = try FormatFixture("codecs")
        for (value, code) in zip(try fixture.floats("e8m0.values"), try fixture.integers("e8m0.codes")) {
            #expect(E8M0.encode(value) == UInt8(code), "\(value)")
        }
        let decoded = (0...255).map { E8M0.decode(UInt8($0)) }
        #expect(try decoded.bits == fixture.floats("e8m0.decoded").bits)
        for code in UInt8(0)..<255 {
            for random: UInt16 in [0, 0x8000, 0xFFFF] {
                #expect(E8M0.encode(E8M0.decode(code), random: random) == code)
            }
        }
    }

    @Test func whatHasNoNumber() {
        #expect(ElementFormat.e4m3.encode(.infinity) == 0x7E)
        #expect(ElementFormat.e4m3.encode(-.infinity) == 0xFE)
        #expect(ElementFormat.e4m3.encode(.nan) == 0x7F)
        #expect(ElementFormat.e4m3.encode(-.nan) == 0x7F)
        #expect(ElementFormat.e4m3.decode(0xFF).isNaN)
        #expect(ElementFormat.e5m2.encode(-.infinity) == 0xFB)
        #expect(ElementFormat.e5m2.encode(.nan) == 0x7E)
        #expect(ElementFormat.e5m2.decode(0xFC) == -.infinity)
        #expect(ElementFormat.e2m1.encode(.infinity) == 7)
        #expect(ElementFormat.e2m1.encode(.nan) == 0)
        #expect(ElementFormat.e2m1.encode(-0.0) == 8)
        #expect(ElementFormat.bf16.encode(.greatestFiniteMagnitude) == 0x7F80)
        #expect(ElementFormat.bf16.encode(.nan) == 0x7FC0)
        #expect(ElementFormat.fp32.encode(-1.5) == 0xBFC0_0000)
        for format in Self.formats {
            let random = format.stochastic(.infinity, random: 0xFFFF)
            #expect(random == (format == .bf16 ? .infinity : format.maximum))
            #expect(format == .e2m1 || format.stochastic(.nan, random: 0xFFFF).isNaN)
        }
        #expect(E8M0.encode(0, random: 0xFFFF) == 0)
        #expect(E8M0.encode(.infinity) == 255)
        #expect(E8M0.encode(-1, random: 0) == 255)
        #expect(E8M0.encode(.greatestFiniteMagnitude, random: 0xFFFF) == 254)
    }

    /// Over all 65,536 random numbers the mean is the value itself, and no result is further than a neighbour.
    @Test(arguments: [
        (ElementFormat.e2m1, Float(0.1)), (.e2m1, -2.75), (.e2m1, 5.9), (.e4m3, 0.001), (.e4m3, -37.3), (.e5m2, 1000),
        (.bf16, 1.003), (.bf16, -0x1.8p-134),
    ])
    func stochasticRoundingIsUnbiased(_ format: ElementFormat, _ value: Float) {
        var sum = 0.0
        var results: Set<Float> = []
        for random in UInt16.min...UInt16.max {
            let rounded = format.stochastic(value, random: random)
            sum += Double(rounded)
            results.insert(rounded)
        }
        let neighbours = results.sorted()
        #expect(neighbours.count == 2)
        #expect(neighbours[0] < value && value < neighbours[1])
        let distance = Double(neighbours[1] - neighbours[0])
        #expect(abs(sum / 65_536 - Double(value)) <= distance / 65_536)
        #expect(results.contains(format.nearest(value)))
    }

    @Test func stochasticE8M0IsUnbiased() {
        let sum = (UInt16.min...UInt16.max).reduce(0.0) { $0 + Double(E8M0.decode(E8M0.encode(5, random: $1))) }
        #expect(abs(sum / 65_536 - 5) < 1e-4)
    }
}
