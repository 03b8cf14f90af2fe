/// The numbers that an FP8 or FP4 format can represent, as rounding needs them: multiples of a spacing that doubles with
/// each power of two, from that of the subnormals up to the maximum.
struct ElementGrid: Sendable {
    let maximum: Float
    private let bits: Int
    private let mantissaBits: Int
    private let minimumExponent: Int

    /// - Parameter format: E2M1, E4M3 or E5M2.
    init(_ format: ElementFormat) {
        precondition(format.bits <= 8, "FP32 and BF16 have no grid")
        maximum = format.maximum
        bits = format.bits
        mantissaBits = format.mantissaBits
        minimumExponent = format.minimumExponent
    }

    /// Rounds to nearest, ties to even. Saturates; keeps NaN and the sign of zero.
    @inline(__always)
    func nearest(_ x: Float) -> Float {
        let magnitude = min(x.magnitude, maximum)
        let spacing = spacing(at: magnitude)
        return Float(signOf: x, magnitudeOf: (magnitude / spacing).rounded(.toNearestOrEven) * spacing)
    }

    /// Rounds up or down with probabilities that make the expected value x: the integer part of magnitude / spacing + u,
    /// with u = (random + ½) · 2⁻¹⁶. What is on the grid stays. Saturates; keeps NaN and the sign of zero.
    @inline(__always)
    func stochastic(_ x: Float, random: UInt16) -> Float {
        let magnitude = min(x.magnitude, maximum)
        let spacing = spacing(at: magnitude)
        let offset = (Float(random) + 0.5) * 0x1p-16
        let rounded = (magnitude / spacing + offset).rounded(.towardZero) * spacing
        return Float(signOf: x, magnitudeOf: min(rounded, maximum))
    }

    /// The bits of a number on the grid: sign, exponent, mantissa.
    @inline(__always)
    func code(_ x: Float) -> UInt8 {
        let sign: UInt32 = x.sign == .minus ? 1 << UInt32(bits - 1) : 0
        return UInt8(truncatingIfNeeded: sign | magnitudeCode(x.magnitude))
    }

    @inline(__always)
    private func magnitudeCode(_ x: Float) -> UInt32 {
        let exponent = Int(x.bitPattern >> 23) - 127
        if exponent < minimumExponent { return UInt32(x / spacing(at: x)) }
        // FP32's exponent and mantissa, with the mantissa cut and the bias changed; both fields are contiguous.
        return (x.bitPattern >> UInt32(23 - mantissaBits)) - (UInt32(minimumExponent + 126) << UInt32(mantissaBits))
    }

    @inline(__always)
    private func spacing(at magnitude: Float) -> Float {
        let exponent = max(Int(magnitude.bitPattern >> 23) - 127, minimumExponent)
        return Float(bitPattern: UInt32(exponent - mantissaBits + 127) << 23)
    }
}
