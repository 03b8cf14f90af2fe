/// The blocks of C that are pieces of a parallel multiplication.
///
/// A block's left panels stay in the second-level cache, for one block of the depth, while the right panels pass by. There
/// are several blocks per lane where the product is large enough, so that no lane waits long for another's last block.
struct BlockGrid {
    struct Block {
        var row: Int
        var column: Int
        var rows: Int
        var columns: Int
    }

    private let rows: Int
    private let columns: Int
    private let blockRows: Int
    private let blockColumns: Int
    private let across: Int
    private let down: Int

    init(rows: Int, columns: Int, depth: Int, tileRows: Int, tileColumns: Int, lanes: Int) {
        self.rows = rows
        self.columns = columns
        let rowTiles = (rows + tileRows - 1) / tileRows
        let columnTiles = (columns + tileColumns - 1) / tileColumns
        var height = max(1, min(rowTiles, 96 / tileRows))
        var width = max(1, min(columnTiles, 512 / tileColumns))
        // Halve the longer side until every lane has pieces, but keep a piece at a few microseconds at least.
        while lanes > 1 {
            let pieces = ((rowTiles + height - 1) / height) * ((columnTiles + width - 1) / width)
            let work = height * tileRows * width * tileColumns * depth
            if pieces >= 6 * lanes || work < 1 << 20 { break }
            if width * tileColumns >= height * tileRows && width > 1 {
                width = (width + 1) / 2
            } else if height > 1 {
                height = (height + 1) / 2
            } else {
                break
            }
        }
        blockRows = height * tileRows
        blockColumns = width * tileColumns
        across = (columns + blockColumns - 1) / blockColumns
        down = (rows + blockRows - 1) / blockRows
    }

    var count: Int { across * down }

    subscript(index: Int) -> Block {
        let row = index / across * blockRows
        let column = index % across * blockColumns
        return Block(
            row: row, column: column, rows: min(blockRows, rows - row), columns: min(blockColumns, columns - column))
    }
}
