/// The formats of both operands of one GEMM.
public struct GEMMFormats: Hashable, Codable, Sendable {
    /// The left operand: X of fprop, E of dgrad and wgrad.
    public var a: BlockFormat
    /// The right operand: W of fprop and dgrad, X of wgrad.
    public var b: BlockFormat

    public init(_ both: BlockFormat) {
        a = both
        b = both
    }

    public init(_ a: BlockFormat, _ b: BlockFormat) {
        self.a = a
        self.b = b
    }

    /// What a person would call it: the precision of the narrower operand.
    public var precision: Precision {
        min(Precision(a), Precision(b))
    }
}

/// The formats of a linear `Y = X·Wᵀ`: fprop `X·Wᵀ`, dgrad `E·W` and wgrad `Eᵀ·X`, where `E = dL/dY`.
public struct LinearFormats: Hashable, Codable, Sendable {
    public var fprop: GEMMFormats
    public var dgrad: GEMMFormats
    public var wgrad: GEMMFormats
    public var techniques = LinearTechniques()

    public init(_ all: BlockFormat) {
        fprop = GEMMFormats(all)
        dgrad = GEMMFormats(all)
        wgrad = GEMMFormats(all)
    }

    public init(fprop: GEMMFormats, dgrad: GEMMFormats, wgrad: GEMMFormats) {
        self.fprop = fprop
        self.dgrad = dgrad
        self.wgrad = wgrad
    }

    public subscript(_ gemm: GEMMKind) -> GEMMFormats {
        get {
            switch gemm {
            case .fprop: fprop
            case .dgrad: dgrad
            case .wgrad: wgrad
            }
        }
        set {
            switch gemm {
            case .fprop: fprop = newValue
            case .dgrad: dgrad = newValue
            case .wgrad: wgrad = newValue
            }
        }
    }

    public var precisions: GEMMPrecisions {
        GEMMPrecisions(fprop: fprop.precision, dgrad: dgrad.precision, wgrad: wgrad.precision)
    }
}

/// Which format each operand of each GEMM uses now.
public struct PrecisionPlan: Hashable, Codable, Sendable {
    /// For linears without an entry of their own.
    public var general: LinearFormats
    public var linears: [ModulePath: LinearFormats]
    /// Queries, keys, values, probabilities and their gradients in QKᵀ and PV.
    public var attentionCore: UnscaledFormat
    /// Of the gradients of the outputs of linears that quantize them.
    public var clipping = GradientClipping()

    public init(general: LinearFormats, linears: [ModulePath: LinearFormats], attentionCore: UnscaledFormat) {
        self.general = general
        self.linears = linears
        self.attentionCore = attentionCore
    }

    /// One format for all linears of the layers. What is never quantized, the attention core and the head, uses BF16 if the
    /// format has scales.
    public init(uniform format: BlockFormat) {
        let plain = format.unscaled ?? .bf16
        general = LinearFormats(format)
        linears = [.head: LinearFormats(BlockFormat(plain))]
        attentionCore = plain
    }

    public subscript(_ path: ModulePath) -> LinearFormats {
        linears[path] ?? general
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        general = try container.decode(LinearFormats.self, forKey: .general)
        // Older recordings have an array in which paths and formats take turns.
        if (try? container.nestedUnkeyedContainer(forKey: .linears)) != nil {
            linears = try container.decode([ModulePath: LinearFormats].self, forKey: .linears)
        } else {
            let byName = try container.decode([String: LinearFormats].self, forKey: .linears)
            linears = Dictionary(uniqueKeysWithValues: byName.map { (ModulePath($0), $1) })
        }
        attentionCore = try container.decode(UnscaledFormat.self, forKey: .attentionCore)
        clipping = try container.decode(GradientClipping.self, forKey: .clipping)
    }

    /// Paths become keys, which can be sorted: the same plan is then the same text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(general, forKey: .general)
        let byName = Dictionary(uniqueKeysWithValues: linears.map { ($0.description, $1) })
        try container.encode(byName, forKey: .linears)
        try container.encode(attentionCore, forKey: .attentionCore)
        try container.encode(clipping, forKey: .clipping)
    }

    private enum CodingKeys: CodingKey { case general, linears, attentionCore, clipping }
}
