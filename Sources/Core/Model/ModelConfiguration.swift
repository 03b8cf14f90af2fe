/// The shape of a Transformer. One Transformer serves the GPT-2 style (learned positions, LayerNorm, GELU) and the
/// LLaMA style (RoPE, RMSNorm, SwiGLU, grouped-query heads).
public struct ModelConfiguration: Codable, Sendable, Hashable {
    public enum Norm: String, Codable, Sendable, CaseIterable { case layerNorm = "layernorm", rmsNorm = "rmsnorm" }
    public enum Position: String, Codable, Sendable, CaseIterable { case learned, rope }
    public enum Activation: String, Codable, Sendable, CaseIterable { case gelu, swiglu }

    public var layers = 4
    public var heads = 4
    /// Key and value heads; equal to `heads` unless grouped-query attention is wanted.
    public var keyValueHeads = 4
    /// Channels of the residual stream; a multiple of `heads`.
    public var width = 256
    /// The longest sequence, in tokens.
    public var context = 128
    /// Hidden width of the feed-forward network, in multiples of `width`; rounded to a multiple of 8.
    public var feedForwardMultiple = 4.0
    public var norm = Norm.layerNorm
    public var position = Position.learned
    public var activation = Activation.gelu
    /// Biases in the linears and in LayerNorm.
    public var bias = false
    /// The LM head shares the token embedding's matrix.
    public var tiedEmbeddings = true
    public var ropeTheta = 10_000.0
    public var normEpsilon = 1e-5

    public init() {}

    public var headWidth: Int { width / heads }
    public var keyValueWidth: Int { keyValueHeads * headWidth }
    public var feedForwardWidth: Int { max(8, Int((Double(width) * feedForwardMultiple / 8).rounded()) * 8) }
}
