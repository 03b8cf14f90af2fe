/// How the products of a GEMM are computed. It follows from the formats of both operands.
enum GEMMArithmetic: Hashable, Sendable {
    /// Fused multiply-adds in FP32, of values as they are, rounded to bfloat16, or quantized and dequantized.
    case float
    /// Both operands are E2M1: integers, exactly, and scales for each chunk of so many values of the reduction axis.
    case integer(chunk: Int)
    /// Both operands have 8 bits or fewer, and the processor multiplies FP16: FP16 within a chunk of so many values, then
    /// scales and FP32. The factors make values FP16's, exactly.
    case half(chunk: Int, factors: HalfFactors)
    /// Both operands are rounded to bfloat16, and the processor multiplies pairs of them: the same sums as `float`.
    case pairs
    /// Both operands have 8 bits or fewer, and the processor multiplies pairs of bfloat16: FP32 within a chunk of so many
    /// values, then scales.
    case scaledPairs(chunk: Int)
}

/// What the processor multiplies besides floats and bytes.
struct GEMMUnits: Hashable, Sendable {
    /// FP16, for FP8.
    var half = false
    /// Pairs of bfloat16.
    var pairs = false
    /// Pairs of bfloat16 also for FP8, whose sums then have other bits than with `float`.
    var scaledPairs = false
}

extension GEMMFormats {
    func arithmetic(_ units: GEMMUnits) -> GEMMArithmetic {
        let chunk = min(a.chunk, b.chunk)
        if case .e2m1 = a.element, case .e2m1 = b.element { return .integer(chunk: chunk) }
        if units.half, let factors = HalfFactors(a.element, b.element) { return .half(chunk: chunk, factors: factors) }
        if units.scaledPairs, a.element.bits <= 8, b.element.bits <= 8 { return .scaledPairs(chunk: chunk) }
        if units.pairs, case .bf16 = a.unscaled, case .bf16 = b.unscaled { return .pairs }
        return .float
    }
}

/// What the values of two operands are multiplied by to be stored in FP16: so that every value of both formats is exact
/// there, down to FP16's smallest number 2⁻²⁴, and 128 products of the largest values stay below its largest, 65504.
struct HalfFactors: Hashable, Sendable {
    let a: Float
    let b: Float

    private init(_ a: Float, _ b: Float) {
        self.a = a
        self.b = b
    }

    /// nil if there are none, or an element is none of 8 bits or fewer.
    init?(_ a: ElementFormat, _ b: ElementFormat) {
        switch (a, b) {
        // 14² · 128 = 25088
        case (.e4m3, .e4m3): self.init(0x1p-5, 0x1p-5)
        // 224 · 1.75 · 128 = 50176
        case (.e5m2, .e4m3), (.e4m3, .e5m2): self.init(0x1p-8, 0x1p-8)
        // 224 · 1.5 · 128 = 43008
        case (.e5m2, .e2m1): self.init(0x1p-8, 0x1p-2)
        case (.e2m1, .e5m2): self.init(0x1p-2, 0x1p-8)
        // 14 · 12 · 128 = 21504
        case (.e4m3, .e2m1): self.init(0x1p-5, 2)
        case (.e2m1, .e4m3): self.init(2, 0x1p-5)
        case (.e5m2, .e5m2), (.e2m1, .e2m1), (.fp32, _), (_, .fp32), (.bf16, _), (_, .bf16): return nil
        }
    }
}

extension BlockFormat {
    /// Values along the reduction axis that share a scale, or as many as one tile of the quantizer holds.
    var chunk: Int {
        switch block {
        case .tensor, .row: 128
        case .vector(let length), .square(let length): length
        }
    }

    /// The length of the reduction axis once it is filled up for the Hadamard transform.
    func paddedDepth(_ depth: Int) -> Int {
        guard unscaled == nil, let size = hadamard?.size else { return depth }
        return (depth + size - 1) / size * size
    }
}

/// What is random in the quantization of a GEMM's operands.
public struct GEMMRandom: Sendable {
    public var a: QuantizationRandom
    public var b: QuantizationRandom

    public init(a: QuantizationRandom, b: QuantizationRandom) {
        self.a = a
        self.b = b
    }

    /// For formats in which nothing is random.
    public static let none = GEMMRandom(a: .none, b: .none)
}

extension QuantizationRandom {
    /// For formats in which nothing is random.
    public static let none = QuantizationRandom(key: .zero, signs: .zero)
}

/// What quantization did to the operands of a GEMM.
public struct GEMMHealth: Codable, Hashable, Sendable {
    public var a = QuantizationHealth()
    public var b = QuantizationHealth()

    public init() {}
}
