/// What quantization does to the gradients and the attention of a fixed probe batch: the same batch, with the same
/// parameters, in the current plan and with all linears in BF16.
public struct ProbeReport: Codable, Sendable, Hashable {
    /// One linear.
    public struct Module: Codable, Sendable, Hashable {
        public var path: ModulePath
        /// ‖dW_q − dW‖ / ‖dW‖; nil if there is no gradient.
        public var gradientError: Double?
        /// ρ = ‖dW‖ / (σ_q·√d), where σ_q·√d = ‖dW_q − dW‖: below √3 quantization noise stops learning (arXiv 2505.19115).
        /// nil if there is no noise.
        public var rho: Double?
        /// The share of the quantized weights whose code changed in the last step, from 0 to 1; nil for weights without
        /// codes, or without a step before.
        public var flipRate: Double?
        /// Σ|ΔW_q| / Σ|ΔW| over the last `oscillationSteps` steps: how much further the quantized weights moved than the
        /// master weights (arXiv 2502.20853).
        public var oscillation: Double?
        /// The share of the weights for which that is 16 or more, from 0 to 1: those that the paper calls oscillating.
        public var oscillating: Double?
        /// 30, or fewer if probes are nearer together or the formats changed meanwhile.
        public var oscillationSteps: Int?
        /// Time of its three GEMMs on the probe batch in the current plan and in BF16, milliseconds.
        public var milliseconds: Double?
        public var referenceMilliseconds: Double?

        public init(
            path: ModulePath, gradientError: Double?, rho: Double?, flipRate: Double? = nil, oscillation: Double? = nil,
            oscillating: Double? = nil, oscillationSteps: Int? = nil, milliseconds: Double? = nil,
            referenceMilliseconds: Double? = nil
        ) {
            self.path = path
            self.gradientError = gradientError
            self.rho = rho
            self.flipRate = flipRate
            self.oscillation = oscillation
            self.oscillating = oscillating
            self.oscillationSteps = oscillationSteps
            self.milliseconds = milliseconds
            self.referenceMilliseconds = referenceMilliseconds
        }
    }

    /// One layer's attention.
    public struct Attention: Codable, Sendable, Hashable {
        public var layer: Int
        /// Mean entropy of the softmax over all heads and tokens, nats, in the current plan and in BF16: FP4 in q and k may
        /// flatten the scores.
        public var entropy: Double
        public var referenceEntropy: Double

        public init(layer: Int, entropy: Double, referenceEntropy: Double) {
            self.layer = layer
            self.entropy = entropy
            self.referenceEntropy = referenceEntropy
        }
    }

    public var step: Int
    /// Cross-entropy of the probe batch, nats per token, in the current plan and in BF16.
    public var loss: Float
    public var referenceLoss: Float
    /// ‖g_q − g‖ / ‖g‖ over all parameters; nil if there is no gradient.
    public var gradientError: Double?
    public var modules: [Module]
    public var attention: [Attention]

    public init(
        step: Int, loss: Float, referenceLoss: Float, gradientError: Double?, modules: [Module], attention: [Attention]
    ) {
        self.step = step
        self.loss = loss
        self.referenceLoss = referenceLoss
        self.gradientError = gradientError
        self.modules = modules
        self.attention = attention
    }
}

extension ProbeReport {
    /// The linear whose gradient is furthest from BF16's, with its error; nil if no gradient is off.
    public var worst: (module: Module, error: Double)? {
        modules.compactMap { module in module.gradientError.map { (module, $0) } }.filter { $0.1 > 0 }
            .max { $0.1 < $1.1 }
    }
}
