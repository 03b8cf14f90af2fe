/// The powers of two from 2⁻¹²⁷ to 2¹²⁷, as scales of blocks: code − 127 is the exponent, and code 255 is NaN. No sign, no
/// zero, no infinity (OCP MX v1.0, §5.4.1).
///
/// What lies outside saturates: zero and small numbers become 2⁻¹²⁷, large ones 2¹²⁷. Negative numbers, infinities and NaN
/// become NaN.
public enum E8M0 {
    public static let nanCode: UInt8 = 255
    public static let exponentBias = 127
    public static let maximumCode: UInt8 = 254

    /// The code of the nearest power of two; from the middle between two, 1½ · 2ᵉ, upwards.
    public static func encode(_ x: Float) -> UInt8 {
        encode(x, raising: 0x40_0000)
    }

    /// The code of one of the two neighbours of x, with probabilities that make the expected value x.
    ///
    /// - Parameter random: 16 uniform bits; the larger, the further up.
    public static func encode(_ x: Float, random: UInt16) -> UInt8 {
        encode(x, raising: UInt32(random) << 7 | 0x40)
    }

    public static func decode(_ code: UInt8) -> Float {
        switch code {
        case 0: 0x1p-127
        case nanCode: .nan
        default: Float(bitPattern: UInt32(code) << 23)
        }
    }

    /// - Parameter raising: what is added to the mantissa; a carry makes the next power of two.
    private static func encode(_ x: Float, raising: UInt32) -> UInt8 {
        guard x.isFinite, x >= 0 else { return nanCode }
        // In FP32 the numbers below 2⁻¹²⁶ have no hidden bit; doubled, they have one. Zero has none, and stays.
        let isSubnormal = x < 0x1p-126
        let bits = (isSubnormal ? max(x, 0x1p-127) * 2 : x).bitPattern &+ raising
        let code = (bits >> 23) - (isSubnormal ? 1 : 0)
        return UInt8(min(code, UInt32(maximumCode)))
    }
}
