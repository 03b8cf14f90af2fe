/// The formats of both operands of one GEMM.
public struct GEMMFormats: Hashable, Codable, Sendable {
    public var a: BlockFormat
    public var b: BlockFormat

    public init(_ both: BlockFormat) {
        a = both
        b = both
    }
}

/// The formats of a linear `Y = X·Wᵀ`: fprop `X·Wᵀ`, dgrad `E·W` and wgrad `Eᵀ·X`, where `E = dL/dY`.
public struct LinearFormats: Hashable, Codable, Sendable {
    public var fprop: GEMMFormats
    public var dgrad: GEMMFormats
    public var wgrad: GEMMFormats

    public init(_ all: BlockFormat) {
        fprop = GEMMFormats(all)
        dgrad = GEMMFormats(all)
        wgrad = GEMMFormats(all)
    }
}

/// Which format each operand of each GEMM uses now.
public struct PrecisionPlan: Hashable, Codable, Sendable {
    /// For linears without an entry of their own.
    public var general: LinearFormats
    public var linears: [ModulePath: LinearFormats]
    /// Queries, keys, values, probabilities and their gradients in QKᵀ and PV.
    public var attentionCore: UnscaledFormat

    /// One format for all linears of the layers. What is never quantized, the attention core and the head, uses BF16 if the
    /// format has scales.
    public init(uniform format: BlockFormat) {
        let plain = format.unscaled ?? .bf16
        general = LinearFormats(format)
        linears = [ModulePath("lm_head"): LinearFormats(BlockFormat(plain))]
        attentionCore = plain
    }

    public subscript(_ path: ModulePath) -> LinearFormats {
        linears[path] ?? general
    }
}
