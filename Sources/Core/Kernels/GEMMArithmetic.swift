/// How the products of a GEMM are computed. It follows from the formats of both operands.
enum GEMMArithmetic: Hashable, Sendable {
    /// Fused multiply-adds in FP32, of values as they are, rounded to bfloat16, or quantized and dequantized.
    case float
    /// Both operands are E2M1: integers, exactly, and scales for each chunk of so many values of the reduction axis.
    case integer(chunk: Int)
    /// Both operands have 8 bits or fewer, and the processor multiplies FP16: FP16 within a chunk of so many values, then
    /// scales and FP32.
    case half(chunk: Int)
}

extension GEMMFormats {
    /// - Parameter allowsHalf: FP16 may be used for FP8.
    func arithmetic(allowsHalf: Bool) -> GEMMArithmetic {
        let chunk = min(a.chunk, b.chunk)
        if case .e2m1 = a.element, case .e2m1 = b.element { return .integer(chunk: chunk) }
        if allowsHalf, a.unscaled == nil, b.unscaled == nil { return .half(chunk: chunk) }
        return .float
    }
}

extension ElementFormat {
    /// What values are multiplied by to be stored in FP16: then 128 products of the largest, at most 14² each, stay below
    /// its largest number, 65504.
    var halfFactor: Float {
        switch self {
        case .e4m3: 0x1p-5
        case .e5m2: 0x1p-12
        case .e2m1: 2
        case .fp32, .bf16: 1
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
        guard let size = hadamard?.size else { return depth }
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
