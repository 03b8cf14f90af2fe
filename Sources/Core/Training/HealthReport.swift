/// What quantization did to the operands of every linear in one step.
public struct HealthReport: Codable, Sendable, Hashable {
    /// One GEMM with an operand in a format with scales. Linears that run as one GEMM, which they do where that changes no
    /// bit (q, k and v, or up and gate), have the figures of the whole.
    public struct GEMM: Codable, Sendable, Hashable {
        public var module: ModulePath
        public var gemm: GEMMKind
        /// X of fprop, E of dgrad and wgrad; nil if it has no scales.
        public var a: QuantizationHealth?
        /// W of fprop and dgrad, X of wgrad; nil if it has no scales.
        public var b: QuantizationHealth?

        public init(module: ModulePath, gemm: GEMMKind, a: QuantizationHealth?, b: QuantizationHealth?) {
            self.module = module
            self.gemm = gemm
            self.a = a
            self.b = b
        }
    }

    /// One linear.
    public struct Module: Codable, Sendable, Hashable {
        public var path: ModulePath
        /// ‖dL/dW‖ before clipping by the global norm; nil for a head that shares its matrix with the embedding.
        public var gradientNorm: Double?
        /// Time of its GEMMs in the step, quantization included, milliseconds. Linears that run as one GEMM share it out by
        /// their FLOPs.
        public var forwardMilliseconds: Double
        public var backwardMilliseconds: Double

        public init(
            path: ModulePath, gradientNorm: Double?, forwardMilliseconds: Double, backwardMilliseconds: Double
        ) {
            self.path = path
            self.gradientNorm = gradientNorm
            self.forwardMilliseconds = forwardMilliseconds
            self.backwardMilliseconds = backwardMilliseconds
        }
    }

    public var step: Int
    public var gemms: [GEMM]
    public var modules: [Module]
    /// Physical memory of the process that trains, bytes; nil if it is not known.
    public var memoryBytes: Int?

    public init(step: Int, gemms: [GEMM], modules: [Module] = [], memoryBytes: Int? = nil) {
        self.step = step
        self.gemms = gemms
        self.modules = modules
        self.memoryBytes = memoryBytes
    }
}

/// What clipping in front of the quantizer did to dL/dY of one linear in one step.
public struct ClippedGradient: Codable, Sendable, Hashable {
    public var module: ModulePath
    /// The share of the values that were beyond their threshold, from 0 to 1.
    public var fraction: Double
    /// Euclidean norms before clipping, of the clipped values, and after rescaling them.
    public var normBefore: Double
    public var normClipped: Double
    public var normAfter: Double

    public init(module: ModulePath, fraction: Double, normBefore: Double, normClipped: Double, normAfter: Double) {
        self.module = module
        self.fraction = fraction
        self.normBefore = normBefore
        self.normClipped = normClipped
        self.normAfter = normAfter
    }
}
