/// Two packed operands with scales, from some row and some panel on.
///
/// The left operand keeps its rows, which are padded to whole register tiles; the right one is cut into panels of
/// `tileColumns` columns. Scales go with chunks of the reduction axis.
///
/// Integers are doubled E2M1 values. On the left a value is an unsigned byte with a bias of 12; on the right four
/// neighbours along the reduction axis share 32 bits: byte k of column j lies at [k / 4][j][k % 4]. What the bias adds to a
/// column's sum is taken away by its correction.
///
/// Halves are values in FP16. On the left each is stored twice, in 32 bits; on the right value k of column j lies at
/// [k][j].
///
/// Pairs of bfloat16 values lie in panels on both sides, as `PairKernelTable.packPairs` packs them.
@frozen
public struct ScaledPanels {
    public var left: UnsafePointer<UInt8>
    /// Bytes from one row to the next; for pairs, those of a panel over its rows.
    public var leftStride: Int
    /// [row / tileRows][chunk][tileRows]
    public var leftScales: ReadRow
    public var right: UnsafeRawPointer
    /// Bytes from one panel to the next.
    public var rightStride: Int
    /// [panel][chunk][tileColumns]
    public var rightScales: ReadRow
    /// [panel][chunk][tileColumns], as the tier's tile wants them; for integers.
    public var corrections: UnsafePointer<Int32>
    public var depth: Int
    /// Values of the reduction axis that share a pair of scales: 16, 32, 64 or 128.
    public var chunk: Int

    public init(
        left: UnsafePointer<UInt8>, leftStride: Int, leftScales: ReadRow, right: UnsafeRawPointer, rightStride: Int,
        rightScales: ReadRow, corrections: UnsafePointer<Int32>, depth: Int, chunk: Int
    ) {
        self.left = left
        self.leftStride = leftStride
        self.leftScales = leftScales
        self.right = right
        self.rightStride = rightStride
        self.rightScales = rightScales
        self.corrections = corrections
        self.depth = depth
        self.chunk = chunk
    }

    @inlinable @inline(always)
    public var chunks: Int { (depth &+ chunk &- 1) / chunk }

    @inlinable @inline(always)
    mutating func advanceRows(_ rows: Int) {
        left += rows &* leftStride
        leftScales += rows &* chunks
    }

    @inlinable @inline(always)
    mutating func advancePanel(_ columns: Int) {
        right += rightStride
        rightScales += chunks &* columns
        corrections += chunks &* columns
    }
}

/// The loops around a register tile of integers, halves or pairs: see `KernelTable.multiplyIntegers`.
/// - Parameter tile: C[tileRows, tileColumns] (+)= the first rows times the first panel.
@inlinable @inline(always)
public func multiplyScaledBody(
    _ panels: ScaledPanels, rows: Int, columns: Int, into c: WriteRow, rowStride: Int, accumulate: Bool,
    tileRows: Int, tileColumns: Int,
    tile: (_ panels: ScaledPanels, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool) -> Void
) {
    var tileMemory = TileMemory()
    withUnsafeMutableBytes(of: &tileMemory) { memory in
        let scratch = memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
        var column = 0
        var columnPanels = panels
        while column < columns {
            let validColumns = columns &- column < tileColumns ? columns &- column : tileColumns
            var row = 0
            var tilePanels = columnPanels
            while row < rows {
                let validRows = rows &- row < tileRows ? rows &- row : tileRows
                let corner = c + (row &* rowStride &+ column)
                if validRows == tileRows {
                    prefetchCorner(corner + tileRows &* rowStride, rowStride, tileRows, tileColumns)
                }
                if validRows == tileRows && validColumns == tileColumns {
                    tile(tilePanels, corner, rowStride, accumulate)
                } else {
                    if accumulate { copyCorner(corner, rowStride, scratch, tileColumns, validRows, validColumns) }
                    tile(tilePanels, scratch, tileColumns, accumulate)
                    copyCorner(scratch, tileColumns, corner, rowStride, validRows, validColumns)
                }
                row &+= tileRows
                tilePanels.advanceRows(tileRows)
            }
            column &+= tileColumns
            columnPanels.advancePanel(tileColumns)
        }
    }
}

/// Clears a tile of C: the product of operands without depth.
@inlinable @inline(always)
public func clearTile(_ c: WriteRow, _ rowStride: Int, _ rows: Int, _ columns: Int) {
    var row = 0
    while row < rows {
        fillBody(c + row &* rowStride, 0, columns)
        row &+= 1
    }
}
