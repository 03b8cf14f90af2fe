/// How an operand of a GEMM is encoded: an element format, and how the values of a block share a scale.
///
/// An operand is a matrix of `extent` rows by `depth`, where depth runs along the reduction axis of the GEMM. A block's
/// values are divided by its scale and rounded to the element format; `x̂ = q · s` is what the GEMM multiplies. Data, not
/// code: every recipe is made of these values.
public struct BlockFormat: Hashable, Sendable {
    /// Which values share a scale.
    public enum Block: Hashable, Codable, Sendable {
        /// The whole operand.
        case tensor
        /// One row along the whole reduction axis: a token of X, an output channel of W.
        case row
        /// 1 × n: n neighbours along the reduction axis; n is 16, 32, 64 or 128.
        case vector(Int)
        /// n × n; n is 16, 32, 64 or 128. The same in both orientations of a matrix, so that one quantization of W serves
        /// fprop and dgrad.
        case square(Int)
    }

    /// How scales are stored, and how they follow from the largest magnitude of a block.
    public enum Scale: String, Hashable, Codable, Sendable, CaseIterable {
        /// amax / maximum in FP32.
        case fp32
        /// A power of two, 2^(⌊log₂ amax⌋ − emax): OCP MX v1.0, §6.3. The largest values may saturate.
        case e8m0Floor
        /// A power of two, the smallest that lets nothing saturate: 2^⌈log₂(amax / maximum)⌉.
        case e8m0Ceiling
        /// A power of two, amax / maximum rounded to the nearer one.
        case e8m0Nearest
        /// E4M3 for each block, and an FP32 scale for the operand that makes use of E4M3's range: NVFP4 (arXiv 2509.25149).
        case e4m3
    }

    public enum Rounding: String, Hashable, Codable, Sendable, CaseIterable {
        /// To nearest, ties to even.
        case nearest
        /// Up or down with the probability that makes the expected value right.
        case stochastic
    }

    /// A Hadamard transform along the reduction axis in front of the quantizer. The product of two operands that were
    /// transformed alike is unchanged but for rounding.
    public struct Hadamard: Hashable, Codable, Sendable {
        public enum Signs: String, Hashable, Codable, Sendable, CaseIterable {
            /// None: the plain transform.
            case none
            /// One vector of signs for all GEMMs, NVIDIA's (arXiv 2509.25149), repeated for sizes above 16.
            case fixed
            /// Drawn anew for every GEMM, the same for both operands.
            case random
        }

        /// Values that are mixed: 16, 32, 64 or 128.
        public var size: Int
        public var signs: Signs

        public init(size: Int, signs: Signs) {
            self.size = size
            self.signs = signs
        }
    }

    public var element: ElementFormat
    public var block: Block
    public var scale: Scale
    public var rounding: Rounding
    /// amax is mapped to this share of the format's maximum. Below 1, stochastic rounding stays unbiased where the scale
    /// would let values saturate: ¾ for E8M0 rounded down (arXiv 2502.20586), 16/17 for E4M3.
    public var prescale: Float
    /// Of two scales, one that maps amax to 6 and one that maps it to 4, the one with the smaller squared error
    /// (arXiv 2512.02010). For E2M1 with E4M3 scales.
    public var fourOverSix: Bool
    public var hadamard: Hadamard?
    /// The scale follows from 2.92247856 times the block's standard deviation rather than from amax: for Gaussian values the
    /// E2M1 grid with the least squared error, whose largest values saturate (QuEST; arXiv 2505.14669, §4). A block whose
    /// values are all the same takes amax. For E2M1 in 1 × n with scales other than E4M3.
    public var usesDeviation: Bool
    /// MS-EDEN (arXiv 2601.22813): values are rounded to nearest, and then the scales of a Hadamard transform's group are
    /// corrected, and rounded stochastically, so that the operand is unbiased over the random signs. For E2M1 in 1 × n with
    /// E4M3 scales.
    public var eden: Bool

    public init(
        _ element: ElementFormat, block: Block, scale: Scale = .fp32, rounding: Rounding = .nearest,
        prescale: Float = 1, fourOverSix: Bool = false, hadamard: Hadamard? = nil, usesDeviation: Bool = false,
        eden: Bool = false
    ) {
        self.element = element
        self.block = block
        self.scale = scale
        self.rounding = rounding
        self.prescale = prescale
        self.fourOverSix = fourOverSix
        self.hadamard = hadamard
        self.usesDeviation = usesDeviation
        self.eden = eden
    }

    /// FP32 as it is: for checking numerics, not a training precision.
    public static let fp32 = BlockFormat(.fp32, block: .tensor)
    /// Rounded to bfloat16, to nearest with ties to even; exact in FP32 arithmetic.
    public static let bf16 = BlockFormat(.bf16, block: .tensor)
    /// E2M1 in blocks of 128 with FP32 scales: the fine-grained FP4 of arXiv 2502.11458.
    public static let fp4 = BlockFormat(.e2m1, block: .vector(128))
    /// E2M1 in blocks of 32 with power-of-two scales: OCP MX v1.0.
    public static let mxfp4 = BlockFormat(.e2m1, block: .vector(32), scale: .e8m0Floor)
    /// E2M1 in blocks of 16 with E4M3 scales and an FP32 scale for the tensor: arXiv 2509.25149.
    public static let nvfp4 = BlockFormat(.e2m1, block: .vector(16), scale: .e4m3)
    /// E4M3 in blocks of 128 with FP32 scales: DeepSeek-V3's (arXiv 2412.19437).
    public static let fp8 = BlockFormat(.e4m3, block: .vector(128))
    /// E4M3 in blocks of 32 with power-of-two scales, rounded up.
    public static let mxfp8 = BlockFormat(.e4m3, block: .vector(32), scale: .e8m0Ceiling)
}

/// The formats without scales: what computations that are never quantized may use.
public enum UnscaledFormat: String, Codable, Sendable, CaseIterable {
    case fp32, bf16
}

extension BlockFormat {
    public init(_ format: UnscaledFormat) {
        switch format {
        case .fp32: self = .fp32
        case .bf16: self = .bf16
        }
    }

    /// The format as one without scales; nil if it has scales.
    public var unscaled: UnscaledFormat? {
        switch element {
        case .fp32: .fp32
        case .bf16: .bf16
        case .e4m3, .e5m2, .e2m1: nil
        }
    }
}
