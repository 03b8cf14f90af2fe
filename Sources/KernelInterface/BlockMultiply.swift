/// The loops around a register tile: see `KernelTable.multiplyPacked`.
///
/// The depth is cut into blocks, so that one panel of the right operand stays in the first-level cache while the panels of
/// the left pass by. From block to block C carries the sum on, which leaves the chain of additions as it is.
/// - Parameter tile: C[tileRows, tileColumns] (+)= left panel · right panel over a depth.
@inlinable @inline(__always)
public func multiplyPackedBody(
    left: ReadRow, leftPanelStride: Int, right: ReadRow, rightPanelStride: Int, rows: Int, columns: Int, depth: Int,
    into c: WriteRow, rowStride: Int, accumulate: Bool, tileRows: Int, tileColumns: Int, depthBlock: Int,
    tile: (
        _ depth: Int, _ left: ReadRow, _ right: ReadRow, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool
    ) -> Void
) {
    withUnsafeTemporaryAllocation(byteCount: tileRows &* tileColumns &* 4, alignment: 64) { memory in
        let scratch = memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
        var start = 0
        // Also once for a depth of zero, which must clear C.
        repeat {
            let length = depth &- start < depthBlock ? depth &- start : depthBlock
            let adds = accumulate || start > 0
            var column = 0
            var rightPanel = right + start &* tileColumns
            while column < columns {
                let validColumns = columns &- column < tileColumns ? columns &- column : tileColumns
                var row = 0
                var leftPanel = left + start &* tileRows
                while row < rows {
                    let validRows = rows &- row < tileRows ? rows &- row : tileRows
                    let corner = c + (row &* rowStride &+ column)
                    let whole = validRows == tileRows && validColumns == tileColumns
                    if !whole && adds { copyCorner(corner, rowStride, scratch, tileColumns, validRows, validColumns) }
                    tile(
                        length, leftPanel, rightPanel, whole ? corner : scratch, whole ? rowStride : tileColumns, adds)
                    if !whole { copyCorner(scratch, tileColumns, corner, rowStride, validRows, validColumns) }
                    row &+= tileRows
                    leftPanel += leftPanelStride
                }
                column &+= tileColumns
                rightPanel += rightPanelStride
            }
            start &+= length
        } while start < depth
    }
}

@inlinable @inline(__always)
func copyCorner(
    _ source: ReadRow, _ sourceStride: Int, _ target: WriteRow, _ targetStride: Int, _ rows: Int, _ columns: Int
) {
    var from = source
    var to = target
    var row = 0
    while row < rows {
        forEachStrip(columns) { i, n in store(load(from + i, n), to + i, n) }
        from += sourceStride
        to += targetStride
        row &+= 1
    }
}
