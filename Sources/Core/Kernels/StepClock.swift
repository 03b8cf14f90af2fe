/// What the thread that asks for work is busy with in a training step.
public enum StepPart: Int, CaseIterable, Sendable {
    /// The products themselves, operands packed.
    case fprop, dgrad, wgrad
    /// Quantizing and packing operands, the techniques' own passes included.
    case pack
    /// Statistics and clipping of the linears' output gradients.
    case clip
    /// The attention core, its packing included.
    case attention
    /// Norms, residuals, biases and rotary embedding.
    case norm
    case activation
    /// Softmax and cross-entropy.
    case loss
    /// Token and position embeddings.
    case embedding
    /// Gradient norm, AdamW, and clearing the gradients.
    case optimizer
    /// Drawing the batch.
    case data

    /// In JSON.
    public var key: String { String(describing: self) }

    /// As a table has it.
    public var name: String {
        switch self {
        case .fprop: "fprop"
        case .dgrad: "dgrad"
        case .wgrad: "wgrad"
        case .pack: "quantize and pack"
        case .clip: "clip gradients"
        case .attention: "attention core"
        case .norm: "norms and residuals"
        case .activation: "activations"
        case .loss: "loss"
        case .embedding: "embeddings"
        case .optimizer: "optimizer"
        case .data: "data"
        }
    }
}

/// Shares time out to the parts of a step: what passed since the last mark belongs to the part that is marked.
struct StepClock {
    private var last = monotonicNanoseconds()
    /// So far, by the part's raw value.
    private(set) var seconds = SIMD16<Double>()

    mutating func mark(_ part: StepPart) {
        let now = monotonicNanoseconds()
        seconds[part.rawValue] += Double(now - last) * 1e-9
        last = now
    }

    /// Leaves out what passed since the last mark.
    mutating func restart() { last = monotonicNanoseconds() }

    subscript(part: StepPart) -> Double { seconds[part.rawValue] }
}
