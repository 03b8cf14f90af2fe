import KernelInterface

/// How one operand of a GEMM lies in memory once it is packed.
///
/// The reduction axis is cut into blocks of `depthBlock`. A block holds all panels, each as wide as the register tile and as
/// deep as the block; the last panel is filled up with zeros. So the panels that one block of C needs at a time follow one
/// another: panels a power of two apart would crowd into the same sets of the cache.
public struct PackedLayout: Hashable, Sendable {
    public enum Side: Hashable, Sendable { case left, right }

    public let side: Side
    public let format: UnscaledFormat
    /// Rows of a left operand, columns of a right one.
    public let extent: Int
    /// Length of the reduction axis.
    public let depth: Int
    /// Rows or columns in a panel.
    public let panelWidth: Int
    /// Depth of all blocks but the last, which has the rest.
    public let depthBlock: Int

    init(side: Side, format: UnscaledFormat, extent: Int, depth: Int, panelWidth: Int, depthBlock: Int) {
        self.side = side
        self.format = format
        self.extent = extent
        self.depth = depth
        self.panelWidth = panelWidth
        self.depthBlock = depthBlock
    }

    public var panels: Int { (extent + panelWidth - 1) / panelWidth }

    /// Bytes of the packed operand.
    public var byteCount: Int { panels * panelWidth * depth * 4 }

    // A switch, since comparing enums with raw values allocates in a debug build.
    var roundsToBF16: Bool {
        switch format {
        case .bf16: true
        case .fp32: false
        }
    }

    /// Depth of the block that begins at `start`.
    func blockDepth(_ start: Int) -> Int { min(depthBlock, depth - start) }

    /// Floats from one panel to the next in the block that begins at `start`.
    func panelStride(_ start: Int) -> Int { panelWidth * blockDepth(start) }

    /// Floats before a panel of the block that begins at depth `start`.
    func offset(panel: Int, start: Int) -> Int { panels * panelWidth * start + panel * panelStride(start) }
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

    /// Where a panel begins in the block of the reduction axis that begins at `start`.
    func panel(_ index: Int, start: Int) -> WriteRow {
        storage.assumingMemoryBound(to: Float.self) + layout.offset(panel: index, start: start)
    }
}
