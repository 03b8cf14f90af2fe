public import CProcessor

/// The loops around a register tile: see `KernelTable.multiplyPacked`. One panel of the right operand is used for
/// all panels of the left before the next one follows.
/// - Parameter tile: C[tileRows, tileColumns] (+)= left panel · right panel over a depth.
@inlinable @inline(always)
public func multiplyPackedBody(
    left: ReadRow, leftPanelStride: Int, right: ReadRow, rightPanelStride: Int, rows: Int, columns: Int, depth: Int,
    into c: WriteRow, rowStride: Int, accumulate: Bool, tileRows: Int, tileColumns: Int,
    tile: (
        _ depth: Int, _ left: ReadRow, _ right: ReadRow, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool
    ) -> Void
) {
    var tileMemory = TileMemory()
    withUnsafeMutableBytes(of: &tileMemory) { memory in
        let scratch = memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
        var column = 0
        var rightPanel = right
        while column < columns {
            let validColumns = columns &- column < tileColumns ? columns &- column : tileColumns
            var row = 0
            var leftPanel = left
            while row < rows {
                let validRows = rows &- row < tileRows ? rows &- row : tileRows
                let corner = c + (row &* rowStride &+ column)
                let whole = validRows == tileRows && validColumns == tileColumns
                if !whole && accumulate {
                    copyCorner(corner, rowStride, scratch, tileColumns, validRows, validColumns)
                }
                if validRows == tileRows {
                    prefetchCorner(corner + tileRows &* rowStride, rowStride, tileRows, tileColumns)
                }
                tile(
                    depth, leftPanel, rightPanel, whole ? corner : scratch, whole ? rowStride : tileColumns, accumulate)
                if !whole { copyCorner(scratch, tileColumns, corner, rowStride, validRows, validColumns) }
                row &+= tileRows
                leftPanel += leftPanelStride
            }
            column &+= tileColumns
            rightPanel += rightPanelStride
        }
    }
}

/// The part of C that the next tile reads or writes.
@inlinable @inline(always)
func prefetchCorner(_ corner: ReadRow, _ rowStride: Int, _ rows: Int, _ columns: Int) {
    var line = corner
    var row = 0
    while row < rows {
        processor_prefetch(line)
        processor_prefetch(line + (columns &- 1))
        line += rowStride
        row &+= 1
    }
}

@inlinable @inline(always)
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

/// Room on the stack for the largest register tile, 12 × 32, where C has less. (The standard library's temporary allocation
/// goes to the heap beyond 1 KiB.)
@frozen @usableFromInline
struct TileMemory {
    @usableFromInline typealias Eight = (Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector)

    @usableFromInline var vectors: (Eight, Eight, Eight)

    @inlinable @inline(always)
    init() {
        let zero = Vector()
        let eight = (zero, zero, zero, zero, zero, zero, zero, zero)
        vectors = (eight, eight, eight)
    }
}
