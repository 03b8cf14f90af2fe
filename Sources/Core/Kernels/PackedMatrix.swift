import KernelInterface

/// How one operand of a GEMM lies in memory once it is packed.
///
/// Floats: the reduction axis is cut into blocks of `depthBlock`. A block holds all panels, each as wide as the register
/// tile and as deep as the block; the last panel is filled up with zeros. So the panels that one block of C needs at a
/// time follow one another: panels a power of two apart would crowd into the same sets of the cache.
///
/// Pairs of bfloat16: the same with words of two values along the reduction axis in place of floats. With scales there is
/// one block, and the scales follow.
///
/// Integers and halves: see `ScaledPanels`. Codes come first, then scales, then the corrections of a right operand of
/// integers.
public struct PackedLayout: Hashable, Sendable {
    public enum Side: Hashable, Sendable { case left, right }

    public enum Encoding: Hashable, Sendable {
        /// Floats, perhaps rounded to bfloat16 on the way.
        case unscaled(UnscaledFormat)
        /// Floats that were quantized to a block format.
        case dequantized
        /// Doubled E2M1 values, with scales for each chunk of so many values along the reduction axis.
        case integer(chunk: Int)
        /// Values times a factor in FP16, with scales for each chunk of so many values along the reduction axis.
        case half(chunk: Int, factor: Float)
        /// Values rounded to bfloat16, two to a word.
        case pairs
        /// Quantized values, two to a word, with scales for each chunk of so many values along the reduction axis.
        case scaledPairs(chunk: Int)
    }

    public let side: Side
    public let encoding: Encoding
    /// Rows of a left operand, columns of a right one.
    public let extent: Int
    /// Length of the reduction axis, filled up for a Hadamard transform.
    public let depth: Int
    /// Rows or columns in a panel.
    public let panelWidth: Int
    /// Depth of all blocks but the last, which has the rest; for floats.
    public let depthBlock: Int

    init(side: Side, encoding: Encoding, extent: Int, depth: Int, panelWidth: Int, depthBlock: Int) {
        self.side = side
        self.encoding = encoding
        self.extent = extent
        self.depth = depth
        self.panelWidth = panelWidth
        self.depthBlock = depthBlock
    }

    public var panels: Int { (extent + panelWidth - 1) / panelWidth }

    /// Bytes of the packed operand.
    public var byteCount: Int {
        switch encoding {
        case .unscaled, .dequantized, .pairs: panels * panelWidth * words(depth) * 4
        case .half, .scaledPairs: correctionOffset
        case .integer: correctionOffset + (side == .right ? scaleBytes : 0)
        }
    }

    // A switch, since comparing enums with raw values allocates in a debug build.
    var roundsToBF16: Bool {
        switch encoding {
        case .unscaled(.bf16), .pairs: true
        case .unscaled(.fp32), .dequantized, .integer, .half, .scaledPairs: false
        }
    }

    /// A left and a right operand can be multiplied.
    func matches(_ right: PackedLayout) -> Bool {
        guard depth == right.depth, depthBlock == right.depthBlock else { return false }
        switch (encoding, right.encoding) {
        case (.unscaled, .unscaled), (.unscaled, .dequantized), (.dequantized, .unscaled), (.dequantized, .dequantized):
            return true
        case (.integer(let chunk), .integer(let other)): return chunk == other
        case (.half(let chunk, _), .half(let other, _)): return chunk == other
        case (.pairs, .pairs): return true
        case (.scaledPairs(let chunk), .scaledPairs(let other)): return chunk == other
        default: return false
        }
    }

    // MARK: Floats and pairs

    /// Depth of the block that begins at `start`.
    func blockDepth(_ start: Int) -> Int { min(depthBlock, depth - start) }

    /// Words of 32 bits, floats or pairs, that so many values along the reduction axis fill.
    func words(_ depth: Int) -> Int { isPairs ? (depth + 1) / 2 : depth }

    /// Words from one panel to the next in the block that begins at `start`.
    func panelStride(_ start: Int) -> Int { panelWidth * words(blockDepth(start)) }

    /// Words before a panel of the block that begins at depth `start`, which is even.
    func offset(panel: Int, start: Int) -> Int { panels * panelWidth * words(start) + panel * panelStride(start) }

    var isPairs: Bool {
        switch encoding {
        case .pairs, .scaledPairs: true
        case .unscaled, .dequantized, .integer, .half: false
        }
    }

    // MARK: Scales

    /// Has scales beside its values.
    var isScaled: Bool {
        switch encoding {
        case .integer, .half, .scaledPairs: true
        case .unscaled, .dequantized, .pairs: false
        }
    }

    // MARK: Integers and halves

    var isInteger: Bool {
        if case .integer = encoding { true } else { false }
    }

    var isHalf: Bool {
        if case .half = encoding { true } else { false }
    }

    /// Values along the reduction axis that share a scale.
    var chunk: Int {
        switch encoding {
        case .integer(let chunk), .half(let chunk, _), .scaledPairs(let chunk): chunk
        case .unscaled, .dequantized, .pairs: depth
        }
    }

    var chunks: Int { (depth + chunk - 1) / chunk }

    /// Bytes from one row of a left operand of integers or halves to the next: an odd number of cache lines, so that the
    /// rows of a tile don't crowd into the same sets. Of pairs, the bytes of a panel over its rows.
    var rowStride: Int { isPairs ? 4 * words(depth) : (((isHalf ? 4 * depth : depth) + 63) / 64 | 1) * 64 }

    /// Bytes of a panel of a right operand before depth `start`, a multiple of 4 for integers.
    func panelBytes(_ start: Int) -> Int {
        (isPairs ? 4 * words(start) : isHalf ? 2 * start : (start + 3) / 4 * 4) * panelWidth
    }

    /// Bytes from one panel of a right operand to the next.
    var codePanelStride: Int { panelBytes(depth) }

    private var codeBytes: Int {
        switch side {
        case .left: (panels * panelWidth * rowStride + 63) & ~63
        case .right: (panels * codePanelStride + 63) & ~63
        }
    }

    private var scaleBytes: Int { (panels * panelWidth * chunks * 4 + 63) & ~63 }
    var scaleOffset: Int { codeBytes }
    var correctionOffset: Int { codeBytes + scaleBytes }
}

/// A packed operand. Does not own the memory.
public struct PackedMatrix {
    public let layout: PackedLayout
    /// `layout.byteCount` bytes. Alignment to 64 is faster.
    public let storage: UnsafeMutableRawPointer

    public init(_ layout: PackedLayout, in storage: UnsafeMutableRawPointer) {
        self.layout = layout
        self.storage = storage
    }

    /// Where a panel of floats or pairs begins in the block of the reduction axis that begins at `start`.
    func panel(_ index: Int, start: Int) -> WriteRow {
        storage.assumingMemoryBound(to: Float.self) + layout.offset(panel: index, start: start)
    }

    /// Scales of an operand that has them, [panel][chunk][panelWidth].
    var scales: WriteRow { (storage + layout.scaleOffset).assumingMemoryBound(to: Float.self) }
    /// Corrections of a right operand of integers, [panel][chunk][panelWidth].
    var corrections: UnsafeMutablePointer<Int32> {
        (storage + layout.correctionOffset).assumingMemoryBound(to: Int32.self)
    }
}
