import KernelInterface

/// Rounding to a format, and its bits.
///
/// E4M3, E5M2 and E2M1 saturate: what lies beyond ±maximum, infinities too, becomes ±maximum, so that no encoding yields
/// an infinity. BF16 overflows to infinity, as IEEE 754 has it. NaN stays NaN (E4M3 0x7F, E5M2 0x7E, BF16 quiet), but E2M1
/// has none: there it becomes +0. The sign of zero is kept. FP32 is never changed.
extension ElementFormat {
    /// The nearest number of the format, ties to even.
    public func nearest(_ x: Float) -> Float {
        switch self {
        case .fp32: x
        case .bf16: KernelInterface.bf16(x)
        case .e2m1 where x.isNaN: 0
        case .e4m3, .e5m2, .e2m1: ElementGrid(self).nearest(x)
        }
    }

    /// One of the two neighbours of x in the format, with probabilities that make the expected value x. What is a number of
    /// the format stays.
    ///
    /// - Parameter random: 16 uniform bits; the larger, the further from zero.
    public func stochastic(_ x: Float, random: UInt16) -> Float {
        switch self {
        case .fp32: x
        case .bf16 where x.isNaN: KernelInterface.bf16(x)
        // Exact: the random bits are added to those that are cut off.
        case .bf16: Float(bitPattern: (x.bitPattern &+ UInt32(random)) & 0xFFFF_0000)
        case .e2m1 where x.isNaN: 0
        case .e4m3, .e5m2, .e2m1: ElementGrid(self).stochastic(x, random: random)
        }
    }

    /// The bits of the nearest number of the format, in the low `bits` bits.
    public func encode(_ x: Float) -> UInt32 { code(nearest(x)) }

    /// The bits of `stochastic(x, random:)`, in the low `bits` bits.
    public func encode(_ x: Float, random: UInt16) -> UInt32 { code(stochastic(x, random: random)) }

    /// The number that the low `bits` bits stand for; infinities and NaN where the format has them.
    public func decode(_ code: UInt32) -> Float {
        switch self {
        case .fp32: return Float(bitPattern: code)
        case .bf16: return Float(bitPattern: code << 16)
        case .e4m3, .e5m2, .e2m1: break
        }
        let signBit: UInt32 = 1 << UInt32(bits - 1)
        let mantissaCount: UInt32 = 1 << UInt32(mantissaBits)
        let sign: FloatingPointSign = code & signBit == 0 ? .plus : .minus
        let magnitude = code & (signBit - 1)
        let exponent = Int(magnitude / mantissaCount)
        let mantissa = Float(magnitude % mantissaCount)
        switch (self, magnitude) {
        case (.e4m3, 0x7F), (.e5m2, 0x7D...): return .nan
        case (.e5m2, 0x7C): return Float(signOf: sign == .plus ? 1 : -1, magnitudeOf: .infinity)
        default: break
        }
        let significand = exponent == 0 ? mantissa : mantissa + Float(mantissaCount)
        let scale = minimumExponent + max(exponent - 1, 0) - mantissaBits
        return Float(sign: sign, exponent: scale, significand: significand)
    }

    /// The bits of a number of the format.
    private func code(_ x: Float) -> UInt32 {
        switch self {
        case .fp32: x.bitPattern
        case .bf16: x.bitPattern >> 16
        case .e4m3 where x.isNaN: 0x7F
        case .e5m2 where x.isNaN: 0x7E
        case .e4m3, .e5m2, .e2m1: UInt32(ElementGrid(self).code(x))
        }
    }
}
