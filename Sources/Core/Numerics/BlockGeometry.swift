/// How a `BlockFormat` divides an operand of `extent` rows by `depth` into blocks: a grid of `gridRows` by `gridColumns`
/// blocks of `blockRows` by `blockColumns` values, the last ones smaller.
public struct BlockGeometry: Hashable, Sendable {
    public let extent: Int
    public let depth: Int
    /// The depth that is quantized: for a Hadamard transform, a multiple of its size.
    public let paddedDepth: Int
    public let blockRows: Int
    public let blockColumns: Int
    public let gridRows: Int
    public let gridColumns: Int

    public init(_ format: BlockFormat, extent: Int, depth: Int) {
        precondition(extent >= 0 && depth >= 0)
        self.extent = extent
        self.depth = depth
        paddedDepth = format.paddedDepth(depth)
        (blockRows, blockColumns) =
            switch format.block {
            case .tensor: (max(extent, 1), max(paddedDepth, 1))
            case .row: (1, max(paddedDepth, 1))
            case .vector(let n): (1, n)
            case .square(let n): (n, n)
            }
        gridRows = Self.parts(of: extent, blockRows)
        gridColumns = Self.parts(of: paddedDepth, blockColumns)
    }

    /// Values that are quantized, padded positions included.
    public var valueCount: Int { extent * paddedDepth }
    public var blockCount: Int { gridRows * gridColumns }

    /// The block, row-major in the grid, that a value lies in.
    public func block(row: Int, column: Int) -> Int {
        row / blockRows * gridColumns + column / blockColumns
    }

    private static func parts(of count: Int, _ size: Int) -> Int { (count + size - 1) / size }
}

extension BlockFormat {
    /// Bits of all elements and scales of an operand.
    public func storedBits(_ geometry: BlockGeometry) -> Int {
        let elements = geometry.valueCount * element.bits
        guard unscaled == nil else { return elements }
        return elements + geometry.blockCount * scale.bits + (scale == .e4m3 ? 32 : 0)
    }
}

extension BlockFormat.Scale {
    /// Bits of one block's scale.
    public var bits: Int {
        switch self {
        case .fp32: 32
        case .e8m0Floor, .e8m0Ceiling, .e8m0Nearest, .e4m3: 8
        }
    }
}
