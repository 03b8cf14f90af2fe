/// How a model is trained in low precision: which modules get which precision, what a precision means for each GEMM, and
/// what changes on the way. Data, never code.
public struct Recipe: Hashable, Codable, Sendable {
    public var name: String
    /// The built-in recipe that this one is a change of; its own name if it is built in.
    public var base: String
    /// One line.
    public var summary: String
    /// Where it comes from, such as `arXiv 2502.11458`.
    public var source: String

    /// The formats of a GEMM that runs in FP4, in FP8.
    public var fp4: LinearFormats
    public var fp8: LinearFormats
    /// What each GEMM of a module runs in when the module is set to FP4, to FP8.
    public var fp4Module: GEMMPrecisions
    public var fp8Module: GEMMPrecisions
    /// Of modules set to BF16, and of what is never quantized: attention core, embeddings, norms.
    public var unscaled: UnscaledFormat = .bf16

    /// q, k, v and o.
    public var attention: Precision
    /// up, gate and down.
    public var feedForward: Precision
    public var head: Precision = .bf16
    /// The share of the layers, at the end, that stay in BF16; at least one layer unless it is 0.
    public var lastLayers = 0.0
    /// Further assignments, in order, over all of the above.
    public var assignments: [PrecisionAssignment] = []

    /// For linears whose fprop runs in FP4.
    public var techniques = LinearTechniques()
    public var clipping = GradientClipping()
    public var schedule = PrecisionSchedule()

    public init(
        _ name: String, _ summary: String, source: String, fp4: LinearFormats, fp8: LinearFormats,
        fp4Module: GEMMPrecisions, fp8Module: GEMMPrecisions = GEMMPrecisions(.fp8), attention: Precision,
        feedForward: Precision
    ) {
        self.name = name
        base = name
        self.summary = summary
        self.source = source
        self.fp4 = fp4
        self.fp8 = fp8
        self.fp4Module = fp4Module
        self.fp8Module = fp8Module
        self.attention = attention
        self.feedForward = feedForward
    }

    /// What a module set to a precision runs in each GEMM.
    public func gemms(of precision: Precision) -> GEMMPrecisions {
        switch precision {
        case .fp4: fp4Module
        case .fp8: fp8Module
        case .bf16: GEMMPrecisions(.bf16)
        }
    }

    /// The formats of one GEMM at a precision.
    public func formats(_ gemm: GEMMKind, _ precision: Precision) -> GEMMFormats {
        switch precision {
        case .fp4: fp4[gemm]
        case .fp8: fp8[gemm]
        case .bf16: GEMMFormats(BlockFormat(unscaled))
        }
    }

    /// How many layers at the end stay in BF16.
    public func protectedLayers(of layers: Int) -> Int {
        lastLayers > 0 ? min(layers, max(1, Int((Double(layers) * lastLayers).rounded()))) : 0
    }

    /// The formats of every linear of a model.
    ///
    /// - Parameter changes: assignments over the recipe's own; the last one that names a GEMM decides.
    public func plan(for model: ModelConfiguration, changes: [PrecisionAssignment] = []) -> PrecisionPlan {
        var linears: [ModulePath: LinearFormats] = [:]
        let firstProtected = model.layers - protectedLayers(of: model.layers)
        for path in model.linears {
            let precision =
                if let layer = path.layer {
                    layer >= firstProtected ? .bf16 : path.name.hasPrefix("attn") ? attention : feedForward
                } else {
                    head
                }
            var formats = self.formats(of: precision)
            for assignment in assignments + changes where assignment.pattern.matches(path, layers: model.layers) {
                for gemm in assignment.gemms ?? GEMMKind.allCases {
                    switch assignment.value {
                    case .format(let format): formats[gemm] = GEMMFormats(format)
                    case .precision(let precision):
                        let own = assignment.gemms == nil ? gemms(of: precision)[gemm] : precision
                        formats[gemm] = self.formats(gemm, own)
                    }
                }
            }
            formats.techniques = formats.fprop.precision == .fp4 ? techniques : LinearTechniques()
            linears[path] = formats
        }
        var plan = PrecisionPlan(
            general: LinearFormats(BlockFormat(unscaled)), linears: linears, attentionCore: unscaled)
        plan.clipping = clipping
        return plan
    }

    private func formats(of precision: Precision) -> LinearFormats {
        let gemms = gemms(of: precision)
        return LinearFormats(
            fprop: formats(.fprop, gemms.fprop), dgrad: formats(.dgrad, gemms.dgrad),
            wgrad: formats(.wgrad, gemms.wgrad))
    }
}
