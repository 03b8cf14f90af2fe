/// Fine-grained clipping of the gradient E = dL/dY of each linear in front of the quantizer, and rescaling: arXiv 2502.11458.
/// The elements of a part beyond a threshold are set to it, and the part is multiplied so that the norm, or the sum, that
/// clipping took is given back. Both dgrad and wgrad multiply the result.
public struct GradientClipping: Hashable, Codable, Sendable {
    /// What shares a threshold.
    public enum Scope: String, Codable, Sendable, CaseIterable {
        /// The whole E of a linear.
        case module
        /// 128 neighbouring output channels of a linear's E, all tokens.
        case block
    }

    public enum Threshold: String, Codable, Sendable, CaseIterable {
        /// `limit` itself.
        case absolute
        /// `limit` times the running root mean square of the part.
        case rms
        /// `limit` times the running quantile of the part's magnitudes.
        case quantile
    }

    public enum Rescaling: String, Codable, Sendable, CaseIterable {
        case off
        /// √Σe² stays what it was.
        case norm
        /// Σ|e| stays what it was.
        case sum
    }

    /// Off without a scope.
    public var scope: Scope?
    public var threshold = Threshold.rms
    public var limit = 30.0
    /// Of `Threshold.quantile`.
    public var quantile = 0.999
    /// Decay per pass of the running statistic.
    public var decay = 0.9
    public var rescaling = Rescaling.norm

    public init() {}
}
