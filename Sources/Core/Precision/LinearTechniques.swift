/// What a linear does with its operands and gradients beyond quantizing them. Each field is one technique of one recipe;
/// a value of its own switches it off.
public struct LinearTechniques: Hashable, Codable, Sendable {
    /// dgrad and wgrad multiply what fprop multiplied, W and X quantized and dequantized, quantized anew in their own
    /// formats, rather than the master values: arXiv 2505.14669, 2601.22813, 2502.20853. If fprop has a Hadamard transform,
    /// they multiply transformed values, and the transform is undone on dX and dW. With outlier
    /// compensation X̂ is that of X as it is.
    public var reusesForwardOperands = false
    /// dX and dW are zero where fprop's X and W saturated, |x / s| ≥ maximum: arXiv 2505.14669, §4 (QuEST's trust mask). If
    /// fprop has a Hadamard transform, those of the transformed values are.
    public var trustMask = false
    /// Differentiable gradient estimator for E2M1 weights, dW ⊙ f′(|W / s|) with fprop's scales s: arXiv 2501.17116, §3.1.
    /// nil: straight-through.
    public var gradientEstimator: GradientEstimator?
    /// Outlier clamping and compensation: activations of fprop are clamped to their quantiles 1 − α and α, and what was
    /// clamped off goes through a sparse product with W in BF16. Backward multiplies X as it is. arXiv 2501.17116, §3.2. nil:
    /// none; e.g. 0.99.
    public var outlierQuantile: Double?
    /// Q-EMA: each weight is rounded, in fprop, to the one of its two neighbours on the grid that is nearer to the
    /// exponential moving average of the master weight, with this decay per optimizer step: arXiv 2502.20853, §5. nil: none;
    /// e.g. 0.9972.
    public var weightAverage: Double?

    public init() {}

    /// f′(x) = (1/k) · |2x/δ − 1|^(1/k − 1), at most `limit`, for x in an interval of the grid of width δ.
    public struct GradientEstimator: Hashable, Codable, Sendable {
        public var k: Double
        public var limit: Double

        public init(k: Double = 5, limit: Double = 3) {
            self.k = k
            self.limit = limit
        }
    }
}
