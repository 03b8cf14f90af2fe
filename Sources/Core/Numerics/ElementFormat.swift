/// A number format of single values.
public enum ElementFormat: String, Codable, Sendable, CaseIterable {
    /// IEEE 754 binary32, as it is.
    case fp32
    /// bfloat16: FP32 with 8 bits of significand.
    case bf16
    /// FP8 with 4 exponent and 3 mantissa bits, no infinities ("fn"), ±448 at most (OCP OFP8, arXiv 2209.05433).
    case e4m3
    /// FP8 with 5 exponent and 2 mantissa bits; finite values up to ±57344 (OCP OFP8, arXiv 2209.05433).
    case e5m2
    /// FP4: 0, ½, 1, 1½, 2, 3, 4, 6 and their negatives; neither infinities nor NaN (OCP MX v1.0, §5.3.3).
    case e2m1

    /// Bits of one value.
    public var bits: Int {
        switch self {
        case .fp32: 32
        case .bf16: 16
        case .e4m3, .e5m2: 8
        case .e2m1: 4
        }
    }

    /// Stored bits of the significand.
    public var mantissaBits: Int {
        switch self {
        case .fp32: 23
        case .bf16: 7
        case .e4m3: 3
        case .e5m2: 2
        case .e2m1: 1
        }
    }

    /// Exponent of the smallest normal number; subnormals have its spacing.
    public var minimumExponent: Int {
        switch self {
        case .fp32, .bf16: -126
        case .e4m3: -6
        case .e5m2: -14
        case .e2m1: 0
        }
    }

    /// Exponent of the largest number: emax of OCP MX v1.0, §6.3.
    public var maximumExponent: Int {
        switch self {
        case .fp32, .bf16: 127
        case .e4m3: 8
        case .e5m2: 15
        case .e2m1: 2
        }
    }

    /// The largest finite number.
    public var maximum: Float {
        switch self {
        case .fp32: .greatestFiniteMagnitude
        case .bf16: Float(bitPattern: 0x7F7F_0000)
        case .e4m3: 448
        case .e5m2: 57_344
        case .e2m1: 6
        }
    }
}
