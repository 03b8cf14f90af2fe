/// The instruction sets that have kernels of their own, from the slowest to the fastest.
public enum KernelTier: String, Sendable, CaseIterable {
    case portable, avx2
    /// AVX-512 F, BW, DQ, VL and VNNI.
    case avx512
    /// The same with BF16, which multiplies BF16 and FP8 values.
    case avx512bf16
    /// The same with FP16, which multiplies FP8 values.
    case avx512fp16
}

/// A row of floats that a kernel reads.
public typealias ReadRow = UnsafePointer<Float>
/// A row of floats that a kernel writes.
public typealias WriteRow = UnsafeMutablePointer<Float>
/// A row of numbers in bfloat16 that a kernel reads and writes.
public typealias BF16Row = UnsafeMutablePointer<UInt16>

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

    // MARK: Gradient clipping

    /// Σ over magnitudes, and over magnitudes limited to `threshold`.
    func clippingSums(_ x: ReadRow, count: Int, threshold: Float) -> ClippingSums
    /// y = x limited to ±threshold, times factor; NaN stays NaN.
    func clip(_ x: ReadRow, into y: WriteRow, count: Int, threshold: Float, factor: Float)

    // MARK: Activations

    /// y = GELU(x) in the tanh approximation of GPT-2.
    func gelu(_ x: ReadRow, into y: WriteRow, count: Int)
    /// dx = dy · GELU'(x); dx may be x.
    func geluBackward(_ x: ReadRow, _ dy: ReadRow, into dx: WriteRow, count: Int)
    /// y = SiLU(gate) · up
    func swiglu(gate: ReadRow, up: ReadRow, into y: WriteRow, count: Int)
    /// dGate = dy · up · SiLU'(gate), dUp = dy · SiLU(gate); dGate may be gate, and dUp up.
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
    /// The same with moments in bfloat16: the parameters take the new moments as they are, which are then rounded to nearest
    /// with ties to even.
    func adamW(_ parameters: WriteRow, gradients: ReadRow, m: BF16Row, v: BF16Row, count: Int, _ step: AdamWStep)

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

    // MARK: Quantization, by tiles of 16 rows and up to 128 values along the reduction axis, laid out [k][16]

    /// Loads a tile: element (i, k) is read at source[i · across + k · along]. Rows from `rows` on and depths from `depth`
    /// to `padded` become zero.
    /// - Parameter ahead: the distance to where the next tile begins, which is fetched into the cache; 0: it is not.
    func loadTile(
        _ source: ReadRow, across: Int, along: Int, rows: Int, depth: Int, padded: Int, ahead: Int, into x: WriteRow)
    /// Transforms groups of `size` values along the depth, a multiple of it: signs, butterflies, 1 / √size.
    /// - Parameter signs: bit k % 32 of word k / 32 turns the sign of value k of a group.
    func hadamard(_ x: WriteRow, depth: Int, size: Int, signs: SIMD4<UInt32>)
    /// Bits of the largest magnitude of each row of each block: amax[block][16].
    /// - Returns: the largest of all. From 0x7F80_0000 on a value is not finite.
    func magnitudes(_ x: ReadRow, depth: Int, blockLength: Int, into amax: UnsafeMutablePointer<Int32>) -> Int32
    /// Bits of the largest magnitude of a matrix, of which line i begins at source[i · stride].
    func largestMagnitude(_ source: ReadRow, lines: Int, length: Int, stride: Int) -> Int32
    /// Scales and encode factors of `count` blocks from bits of their amax: three arrays [block][16].
    func blockScales(
        _ amax: UnsafePointer<Int32>, count: Int, _ settings: QuantizerSettings, scales: WriteRow, encodes: WriteRow)
    /// Four over six: takes the scale that maps amax to 4 where it has the smaller squared error.
    /// - Parameter isSquare: the 16 rows share a scale.
    func preferFour(
        _ x: ReadRow, depth: Int, _ amax: UnsafePointer<Int32>, _ settings: QuantizerSettings, isSquare: Bool,
        scales: WriteRow, encodes: WriteRow)
    /// Replaces the magnitudes of blocks, [block][16], by 2.92247856 times the standard deviation of their values; where that
    /// is zero, or a magnitude is not finite, it stays.
    func deviations(_ x: ReadRow, depth: Int, blockLength: Int, _ amax: UnsafeMutablePointer<Int32>)
    /// MS-EDEN: multiplies the E4M3 scales of each group of `size` values by Σy² / Σ(y · q), where y = x · encode and q is y
    /// rounded, and rounds them stochastically to E4M3. The encode factors stay, but where the scale becomes zero.
    /// - Parameters:
    ///   - depth: a multiple of `size`, and that of the block length.
    ///   - uniforms: u[128][16]; the first of a block rounds its scale.
    func correctScales(
        _ x: ReadRow, depth: Int, size: Int, _ amax: UnsafePointer<Int32>, uniforms: ReadRow,
        _ settings: QuantizerSettings, scales: WriteRow, encodes: WriteRow)
    /// Replaces x by a value that is rounded, to nearest, to the one of x's two neighbours on the grid that is nearer to
    /// `average`: `average` limited to the interval between them. Blocks without an encode factor stay.
    func followAverage(
        _ x: WriteRow, average: ReadRow, depth: Int, scales: ReadRow, encodes: ReadRow, _ settings: QuantizerSettings)
    /// Random numbers in (0, 1) for the stochastic rounding of a tile: u[128][16].
    /// - Parameters:
    ///   - firstRow: the tile's first row in the operand.
    ///   - group: the tile's first k over 128.
    func uniforms(key: SIMD2<UInt32>, firstRow: Int, group: Int, into u: WriteRow)
    /// Rounds E2M1 values and writes them doubled, as bytes plus a bias. All values of x are finite.
    /// - Parameters:
    ///   - depth: a multiple of 4.
    ///   - valid: values from here on only fill up the depth, and don't count as underflowed.
    ///   - chunk: a divisor of the block length.
    ///   - totals: Σ of a row's doubled values in each chunk, [chunk][16].
    ///   - next: is fetched into the cache.
    func encodeIntegers(
        _ x: ReadRow, depth: Int, valid: Int, chunk: Int, scales: ReadRow, encodes: ReadRow, uniforms: ReadRow?,
        _ settings: QuantizerSettings, bias: Int32, into target: IntegerTarget, totals: UnsafeMutablePointer<Int32>,
        sums: UnsafeMutablePointer<QuantizationSums>, next: NextTile)
    /// Rounds values and writes x̂ = q · scale, or q alone, [k][targetStride]. All values of x are finite.
    /// - Parameters:
    ///   - dequantizes: x̂ is wanted.
    ///   - next: is fetched into the cache.
    func encodeFloats(
        _ x: ReadRow, depth: Int, valid: Int, scales: ReadRow, encodes: ReadRow, uniforms: ReadRow?,
        _ settings: QuantizerSettings, dequantizes: Bool, into target: WriteRow, targetStride: Int,
        sums: UnsafeMutablePointer<QuantizationSums>, next: NextTile)
    /// Rounds values and writes q · factor as FP16, which must hold it exactly but for underflow. All values of x are finite.
    ///
    /// With `isDoubled` a vector of 16 rows fills 64 bytes, each value twice in 32 bits; else 32 bytes.
    /// - Parameters:
    ///   - stride: bytes from one k to the next.
    ///   - next: is fetched into the cache.
    func encodeHalves(
        _ x: ReadRow, depth: Int, valid: Int, scales: ReadRow, encodes: ReadRow, uniforms: ReadRow?,
        _ settings: QuantizerSettings, factor: Float, isDoubled: Bool, into target: UnsafeMutableRawPointer,
        stride: Int,
        sums: UnsafeMutablePointer<QuantizationSums>, next: NextTile)
    /// Writes a word for each of `rows` rows, an even number up to 16, into panels, and again `count` times: floats times a
    /// factor, or words as they are if it is nil.
    /// - Parameter sourceStride: words from one time to the next.
    func scatter(
        _ source: ReadRow, sourceStride: Int, count: Int, rows: Int, into target: PanelTarget, factor: Float?)
    /// Writes words[count][16] as rows: four bytes, or a half twice, in each word.
    /// - Parameter rowStride: bytes from one row to the next; a multiple of 4.
    func writeRows(
        _ words: UnsafePointer<UInt32>, count: Int, rows: Int, into target: UnsafeMutableRawPointer, rowStride: Int)
    /// Turns Σ of a column's doubled values into what `ScaledPanels.corrections` holds, for 16 columns in place.
    func corrections(_ totals: UnsafeMutablePointer<Int32>)

    // MARK: Multiplication of integers

    /// Rows of the integer tile.
    var integerTileRows: Int { get }
    /// Columns of the integer tile: the width of a right panel.
    var integerTileColumns: Int { get }
    /// C[rows, columns] = A·B, or C += A·B, from packed doubled E2M1 values.
    ///
    /// Every element of C is one chain over the chunks of the reduction axis: c = fma(Σ, sA · sB, c), where Σ is the exact
    /// sum of the products of integers. So the bits depend neither on the tier nor on how the work is divided. A
    /// product of scales beyond FP32's largest number gives infinities or NaN.
    func multiplyIntegers(
        _ panels: ScaledPanels, rows: Int, columns: Int, into c: WriteRow, rowStride: Int, accumulate: Bool)
    /// Like `multiplyAddProbe`, for the instruction that multiplies the integers.
    func integerProbe(rounds: Int, seeds: WriteRow) -> Int
}

/// Multiplication of half-precision values, on processors that have it.
public protocol HalfKernelTable: Sendable {
    /// Rows of the half-precision tile.
    var tileRows: Int { get }
    /// Columns of the half-precision tile: the width of a right panel.
    var tileColumns: Int { get }
    /// C[rows, columns] = A·B, or C += A·B, from packed halves.
    ///
    /// Every element of C is one chain over the chunks of the reduction axis, c = fma(Σ, sA · sB, c) in FP32, where Σ is a
    /// chain of fused multiply-adds in FP16 over the chunk: the same bits however the work is divided. A chunk of n values
    /// contributes an error of at most γ · Σ|a·b| + n · 2⁻²⁵ · sA · sB, where γ = n·u / (1 − n·u), u = 2⁻¹¹, and the
    /// scales sA and sB are those of the stored halves (Higham, Accuracy and Stability of Numerical Algorithms, §3.1; the
    /// second term is FP16's underflow). The sum over chunks adds FP32's rounding.
    func multiplyHalves(
        _ panels: ScaledPanels, rows: Int, columns: Int, into c: WriteRow, rowStride: Int, accumulate: Bool)
    /// Like `KernelTable.multiplyAddProbe`, in FP16.
    func halfProbe(rounds: Int, seeds: WriteRow) -> Int
}

/// Multiplication of pairs of bfloat16 values, on processors that have it.
public protocol PairKernelTable: Sendable {
    /// Rows of the tile: the width of a panel of the left operand.
    var tileRows: Int { get }
    /// Columns of the tile: the width of a panel of the right operand.
    var tileColumns: Int { get }
    /// Rounds an operand to bfloat16, subnormals to zero, and packs it into panels of words, as `KernelTable.pack` packs
    /// floats: values 2w and 2w + 1 along the reduction axis share 32 bits, the first in the high half. An odd depth is
    /// filled up with a zero.
    /// - Parameters:
    ///   - width: `tileRows` or `tileColumns`.
    ///   - panelStride: words from one panel to the next, at least width · ⌈depth / 2⌉.
    func packPairs(
        _ source: ReadRow, across: Int, along: Int, extent: Int, depth: Int, width: Int, into panels: WriteRow,
        panelStride: Int)
    /// Rounds values, as `KernelTable.encodeFloats` does, and writes them as pairs. All values of x are finite; the format's
    /// values must be exact in bfloat16.
    func encodePairs(
        _ x: ReadRow, depth: Int, valid: Int, scales: ReadRow, encodes: ReadRow, uniforms: ReadRow?,
        _ settings: QuantizerSettings, into target: PairTarget, sums: UnsafeMutablePointer<QuantizationSums>,
        next: NextTile)
    /// C[rows, columns] = A·B, or C += A·B, from packed pairs.
    ///
    /// Every element of C is the chain of `KernelTable.multiplyPacked`, to the bit, as long as nothing is subnormal: an operand
    /// or a sum below 2⁻¹²⁶ counts as zero.
    /// - Parameter words: pairs of values along the reduction axis; at most the packed ones.
    func multiplyPairs(
        left: ReadRow, leftPanelStride: Int, right: ReadRow, rightPanelStride: Int, rows: Int, columns: Int, words: Int,
        into c: WriteRow, rowStride: Int, accumulate: Bool)
    /// C[rows, columns] = A·B, or C += A·B, from packed pairs with scales.
    ///
    /// Every element of C is one chain over the chunks of the reduction axis: c = fma(Σ, sA · sB, c), where Σ is a chain of
    /// fused multiply-adds in FP32 over the chunk's values before scaling: the same bits however the work is divided.
    func multiplyScaledPairs(
        _ panels: ScaledPanels, rows: Int, columns: Int, into c: WriteRow, rowStride: Int, accumulate: Bool)
    /// Like `KernelTable.multiplyAddProbe`, for the instruction that multiplies pairs.
    func pairProbe(rounds: Int, seeds: WriteRow) -> Int
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

/// What clipping would do to a row: `KernelTable.clippingSums`.
public struct ClippingSums: Hashable, Sendable {
    /// Σ x² and Σ |x|, before and after.
    public var squares: Float
    public var clippedSquares: Float
    public var magnitudes: Float
    public var clippedMagnitudes: Float
    /// Values beyond the threshold.
    public var clipped: Int

    @inlinable
    public init(
        squares: Float, clippedSquares: Float, magnitudes: Float, clippedMagnitudes: Float, clipped: Int
    ) {
        self.squares = squares
        self.clippedSquares = clippedSquares
        self.magnitudes = magnitudes
        self.clippedMagnitudes = clippedMagnitudes
        self.clipped = clipped
    }
}
