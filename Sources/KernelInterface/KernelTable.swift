/// The instruction sets that have kernels of their own, from the slowest to the fastest.
public enum KernelTier: String, Sendable, CaseIterable {
    case portable, avx2, avx512
}

/// A row of floats that a kernel reads.
public typealias ReadRow = UnsafePointer<Float>
/// A row of floats that a kernel writes.
public typealias WriteRow = UnsafeMutablePointer<Float>

/// The kernels of one instruction set, chosen once at start.
///
/// Every function works on raw pointers, is serial, allocates nothing and serves every count from 0 up. Rows need no
/// alignment. Unless a function says otherwise, an output may be the same row as an input, but must not overlap it
/// partly.
///
/// Every tier returns the same bits, up to the sign and payload of a NaN: the products of a sum are fused into it, and
/// sums run over 16 lanes that are added in a fixed order, whatever the width of the machine's registers.
public protocol KernelTable: Sendable {
    var tier: KernelTier { get }

    // MARK: Elementwise

    /// z = x + y
    func add(_ x: ReadRow, _ y: ReadRow, into z: WriteRow, count: Int)
    /// y += x. Adds a bias to a row, and a row to the gradient of a bias.
    func accumulate(_ x: ReadRow, into y: WriteRow, count: Int)
    /// y += factor · x
    func axpy(_ factor: Float, _ x: ReadRow, into y: WriteRow, count: Int)
    /// y *= factor
    func scale(_ y: WriteRow, by factor: Float, count: Int)
    /// y = value
    func fill(_ y: WriteRow, with value: Float, count: Int)
    /// Rounds to bfloat16, to nearest with ties to even. Values that round beyond the largest become infinite; NaN stays
    /// NaN.
    func roundToBF16(_ x: ReadRow, into y: WriteRow, count: Int)

    // MARK: Sums

    /// Σ x². Not finite if and only if a value is not finite or the sum overflows.
    func sumOfSquares(_ x: ReadRow, count: Int) -> Float
    /// Σ x·y
    func dot(_ x: ReadRow, _ y: ReadRow, count: Int) -> Float

    // MARK: Activations

    /// y = GELU(x) in the tanh approximation of GPT-2.
    func gelu(_ x: ReadRow, into y: WriteRow, count: Int)
    /// dx = dy · GELU'(x)
    func geluBackward(_ x: ReadRow, _ dy: ReadRow, into dx: WriteRow, count: Int)
    /// y = SiLU(gate) · up
    func swiglu(gate: ReadRow, up: ReadRow, into y: WriteRow, count: Int)
    /// dGate = dy · up · SiLU'(gate), dUp = dy · SiLU(gate)
    func swigluBackward(gate: ReadRow, up: ReadRow, dy: ReadRow, dGate: WriteRow, dUp: WriteRow, count: Int)
    /// y = eˣ
    func exp(_ x: ReadRow, into y: WriteRow, count: Int)
    /// y = tanh x
    func tanh(_ x: ReadRow, into y: WriteRow, count: Int)

    // MARK: Norms of one row

    /// y = (x − mean) · rstd · gain + bias, where rstd = 1 / √(variance + epsilon). Returns what the backward pass needs.
    func layerNorm(_ x: ReadRow, gain: ReadRow, bias: ReadRow?, into y: WriteRow, count: Int, epsilon: Float)
        -> (mean: Float, rstd: Float)
    /// Adds to dx, dGain and dBias. None of the outputs may be an input.
    func layerNormBackward(
        _ x: ReadRow, gain: ReadRow, dy: ReadRow, mean: Float, rstd: Float, dx: WriteRow, dGain: WriteRow,
        dBias: WriteRow?, count: Int)
    /// y = x · rstd · gain, where rstd = 1 / √(mean of x² + epsilon). Returns rstd.
    func rmsNorm(_ x: ReadRow, gain: ReadRow, into y: WriteRow, count: Int, epsilon: Float) -> Float
    /// Adds to dx and dGain. None of the outputs may be an input.
    func rmsNormBackward(
        _ x: ReadRow, gain: ReadRow, dy: ReadRow, rstd: Float, dx: WriteRow, dGain: WriteRow, count: Int)

    // MARK: Attention and loss, one row

    /// s = softmax(scale · s). Returns log Σ exp(scale · s), −∞ for an empty row.
    func softmax(_ s: WriteRow, scale: Float, count: Int) -> Float
    /// From raw scores s, their `softmax` result and dP: P = exp(scale · s − logSumExp) over s, and
    /// dS = P · (dP − delta) · scale over dP, where delta = Σ P · dP.
    func softmaxBackward(
        scores s: WriteRow, dP: WriteRow, logSumExp: Float, delta: Float, scale: Float, count: Int)
    /// Cross-entropy in nats of a row of logits. Overwrites the logits with (softmax − onehot(target)) · gradientScale.
    /// Logits that are not finite give a loss that is not finite. `target` must be in 0..<count.
    func crossEntropy(_ logits: WriteRow, target: Int, gradientScale: Float, count: Int) -> Float
    /// The loss of `crossEntropy`, leaving the logits alone.
    func crossEntropyLoss(_ logits: ReadRow, target: Int, count: Int) -> Float
    /// Rotates the pairs (x[i], x[i + half]) by the angle whose cosine and sine are cos[i] and sin[i], in place: RoPE as
    /// Hugging Face's LLaMA pairs the channels.
    func rope(_ x: WriteRow, cos: ReadRow, sin: ReadRow, half: Int)
    /// Rotates back: the backward pass of `rope`.
    func ropeInverse(_ x: WriteRow, cos: ReadRow, sin: ReadRow, half: Int)

    // MARK: Optimizer

    /// One step of AdamW with decoupled weight decay, as PyTorch defines it. `m` and `v` are the first and second moments.
    func adamW(_ parameters: WriteRow, gradients: ReadRow, m: WriteRow, v: WriteRow, count: Int, _ step: AdamWStep)

    // MARK: Matrix multiplication

    /// Rows of the register tile: the width of a panel of the left operand.
    var tileRows: Int { get }
    /// Columns of the register tile: the width of a panel of the right operand.
    var tileColumns: Int { get }
    /// The depth of one call of `multiplyPacked` that suits the caches.
    var depthBlock: Int { get }
    /// Packs an operand into panels. Element (i, k) of the operand, where i runs over rows of a left and columns of a right
    /// operand and k is the reduction axis, is read at source[i · across + k · along] and lies, packed, in panel i / width
    /// at [k · width + i % width]. The last panel is filled up with zeros.
    /// - Parameters:
    ///   - width: `tileRows` or `tileColumns`.
    ///   - panelStride: floats from one panel to the next, at least width · depth.
    ///   - bf16: round to bfloat16 on the way.
    func pack(
        _ source: ReadRow, across: Int, along: Int, extent: Int, depth: Int, width: Int, bf16: Bool,
        into panels: WriteRow, panelStride: Int)
    /// C[rows, columns] = A·B, or C += A·B, from packed panels; `depth` is at most the packed depth.
    ///
    /// Every element of C is one chain of fused multiply-adds over k = 0, 1, … depth − 1 that starts at zero, or at C
    /// when accumulating. So the bits depend neither on the tier nor on how the work is divided.
    /// - Parameter exactProducts: both operands were rounded to bfloat16, so that a product is exact in FP32 and a tier
    ///   without fused multiply-add may multiply and add. (Exact, that is, while the product is neither subnormal nor
    ///   overflows.)
    func multiplyPacked(
        left: ReadRow, leftPanelStride: Int, right: ReadRow, rightPanelStride: Int, rows: Int, columns: Int, depth: Int,
        into c: WriteRow, rowStride: Int, accumulate: Bool, exactProducts: Bool)
    /// Runs `rounds` rounds of independent fused multiply-adds on registers. The time it takes gives the peak that a
    /// matrix multiplication can be held against.
    /// - Parameter seeds: two floats; both are overwritten, so that the work cannot be left out.
    /// - Returns: the floating-point operations done.
    func multiplyAddProbe(rounds: Int, seeds: WriteRow) -> Int
}

/// The scalars of one AdamW step, the same for every parameter.
public struct AdamWStep: Sendable {
    /// 1 − learningRate · weightDecay
    public var decay: Float
    public var beta1: Float
    public var beta2: Float
    /// learningRate / biasCorrection1
    public var stepSize: Float
    /// 1 / √biasCorrection2
    public var inverseRootCorrection2: Float
    public var epsilon: Float
    /// Multiplies every gradient first: 1, or the factor of gradient clipping.
    public var gradientScale: Float

    /// - Parameters:
    ///   - biasCorrection1: 1 − beta1ᵗ for step t = 1, 2, …
    ///   - biasCorrection2: 1 − beta2ᵗ
    public init(
        learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double,
        biasCorrection1: Double, biasCorrection2: Double, gradientScale: Float = 1
    ) {
        decay = Float(1 - learningRate * weightDecay)
        self.beta1 = Float(beta1)
        self.beta2 = Float(beta2)
        stepSize = Float(learningRate / biasCorrection1)
        inverseRootCorrection2 = Float(1 / biasCorrection2.squareRoot())
        self.epsilon = Float(epsilon)
        self.gradientScale = gradientScale
    }
}
