import Core

/// Where the precision map has its rows and columns, for a part of the screen.
struct MapGrid {
    /// Within the border.
    let inside: Rectangle
    /// Rows and layers in view; the cursor is among them.
    let rows: Range<Int>
    let layers: Range<Int>
    /// Characters of a cell's text, and cells from one column to the next.
    let characters: Int
    let pitch: Int
    /// Lines free beneath the rows, for the legend.
    let legendLines: Int

    /// The cursor's mark, the name, a space.
    static let labelWidth = 6

    init(_ map: PrecisionMap, area: Rectangle) {
        inside = area.inset(x: 2, y: 1)
        let room = max(0, inside.width - Self.labelWidth)
        let kinds = Self.kinds(of: map)
        // A cell may end with the panel: the space behind the last one is not needed.
        let fitting = kinds.first { map.layerCount * $0.pitch <= room + 1 } ?? kinds[kinds.count - 1]
        (characters, pitch) = (fitting.characters, fitting.pitch)

        let height = max(1, inside.height - 1)
        let visibleRows = min(map.rowCount, height)
        rows = Self.visible(map.firstRow, count: visibleRows, of: map.rowCount, with: map.cursor.row)
        legendLines = max(0, height - map.rowCount)
        let visibleLayers = min(map.layerCount, max(1, (room + 1) / pitch))
        layers = Self.visible(map.firstLayer, count: visibleLayers, of: map.layerCount, with: map.cursor.layer)
    }

    private static func visible(_ first: Int, count: Int, of total: Int, with cursor: Int) -> Range<Int> {
        guard count > 0 else { return 0..<0 }
        let first = min(max(0, total - count), max(cursor - count + 1, min(first, cursor)), max(0, cursor))
        return first..<first + count
    }

    /// From roomy to narrow: characters and pitch, a mark and perhaps a space behind the characters.
    private static func kinds(of map: PrecisionMap) -> [(characters: Int, pitch: Int)] {
        guard map.view == .precision else { return [(map.view.digits, map.view.digits + 1)] }
        var characters = 1
        for path in map.modules {
            for formats in [map.formats[path], map.pendingFormats(of: path)] {
                guard let precisions = formats?.precisions else { continue }
                if precisions.dgrad != precisions.wgrad { return [(3, 5), (3, 4)] }
                if precisions.fprop != precisions.dgrad { characters = 2 }
            }
        }
        return characters == 1 ? [(1, 3), (1, 2)] : [(3, 5), (3, 4), (2, 3)]
    }

    func x(ofLayer layer: Int) -> Int { inside.x + Self.labelWidth + (layer - layers.lowerBound) * pitch }
    func y(ofRow row: Int) -> Int { inside.y + 1 + row - rows.lowerBound }

    /// The module at a place of the screen: of a row's name, the one in the cursor's layer.
    func position(x: Int, y: Int, _ map: PrecisionMap) -> PrecisionMap.Position? {
        let row = rows.lowerBound + y - inside.y - 1
        guard x >= inside.x, x < inside.right, rows.contains(row) else { return nil }
        let offset = x - inside.x - Self.labelWidth
        if offset < 0 || row == map.rowCount - 1 {
            return PrecisionMap.Position(row: row, layer: map.cursor.layer)
        }
        let layer = layers.lowerBound + offset / pitch
        return layers.contains(layer) ? PrecisionMap.Position(row: row, layer: layer) : nil
    }
}
