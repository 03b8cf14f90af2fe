/// How a block's scale follows from its largest magnitude.
@frozen
public enum ScaleRule: Sendable {
    case fp32, e8m0Floor, e8m0Ceiling, e8m0Nearest, e4m3
}

/// What the quantizing kernels need to know of an operand's format, as plain numbers. See `BlockFormat` in Core, and
/// there the reference quantizer, whose bits they return.
@frozen
public struct QuantizerSettings: Sendable {
    /// The element's grid: stored bits of the significand, exponent of the smallest normal number, largest number.
    public var mantissaBits: Int32
    public var minimumExponent: Int32
    public var maximum: Float
    public var maximumExponent: Int32
    public var rule: ScaleRule
    /// amax is mapped to this share of the maximum.
    public var prescale: Float
    /// Values along the depth that share a scale, or a part of them: 16, 32, 64 or 128.
    public var blockLength: Int
    public var isStochastic: Bool
    public var triesFour: Bool
    /// Scales follow from standard deviations.
    public var usesDeviation: Bool
    /// Values that a Hadamard transform mixes, whose scales MS-EDEN corrects; 0: none are.
    public var correctedGroup: Int
    /// The tensor's scale and its inverse, for E4M3 scales.
    public var tensorEncode: Float
    public var tensorDecode: Float
    /// Keys the random numbers of stochastic rounding.
    public var key: SIMD2<UInt32>

    public init(
        mantissaBits: Int32, minimumExponent: Int32, maximum: Float, maximumExponent: Int32, rule: ScaleRule,
        prescale: Float, blockLength: Int, isStochastic: Bool, triesFour: Bool, usesDeviation: Bool = false,
        correctedGroup: Int = 0, tensorEncode: Float = 1, tensorDecode: Float = 1, key: SIMD2<UInt32> = .zero
    ) {
        self.mantissaBits = mantissaBits
        self.minimumExponent = minimumExponent
        self.maximum = maximum
        self.maximumExponent = maximumExponent
        self.rule = rule
        self.prescale = prescale
        self.blockLength = blockLength
        self.isStochastic = isStochastic
        self.triesFour = triesFour
        self.usesDeviation = usesDeviation
        self.correctedGroup = correctedGroup
        self.tensorEncode = tensorEncode
        self.tensorDecode = tensorDecode
        self.key = key
    }
}

/// Sums over the values of a strip of 16 rows, a lane for each row.
@frozen
public struct QuantizationSums: Sendable {
    /// Σ x², Σ (x − x̂)² and Σ x·x̂.
    public var squares = Vector()
    public var squaredErrors = Vector()
    public var products = Vector()
    /// Values beyond the format's largest, and values other than zero that became zero.
    public var saturated = IntVector()
    public var underflowed = IntVector()

    @inlinable @inline(always)
    public init() {}
}
