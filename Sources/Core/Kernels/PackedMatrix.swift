import KernelInterface

/// How one operand of a GEMM lies in memory once it is packed: in panels as wide as the register tile, each holding its
/// whole depth (the reduction axis), the last one filled up with zeros.
public struct PackedLayout: Hashable, Sendable {
    public enum Side: Hashable, Sendable { case left, right }

    public let side: Side
    public let format: BlockFormat
    /// Rows of a left operand, columns of a right one.
    public let extent: Int
    /// Length of the reduction axis.
    public let depth: Int
    /// Rows or columns in a panel.
    public let panelWidth: Int

    init(side: Side, format: BlockFormat, extent: Int, depth: Int, panelWidth: Int) {
        self.side = side
        self.format = format
        self.extent = extent
        self.depth = depth
        self.panelWidth = panelWidth
    }

    public var panels: Int { (extent + panelWidth - 1) / panelWidth }
    /// Bytes from one panel to the next.
    public var panelBytes: Int { panelWidth * depth * 4 }
    /// Bytes of the packed operand.
    public var byteCount: Int { panels * panelBytes }
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

    /// Where panel `index` begins.
    func panel(_ index: Int) -> UnsafeMutableRawPointer { storage + index * layout.panelBytes }

    var panelStride: Int { layout.panelBytes / 4 }
}

extension UnsafeMutableRawPointer {
    var floats: WriteRow { assumingMemoryBound(to: Float.self) }
}
