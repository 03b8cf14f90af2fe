import Core

extension PrecisionMap {
    /// What a change is about: the selection, or else the module under the cursor, in the model's order.
    var selection: [ModulePath] {
        let set = selected
        if set.isEmpty { return current.map { [$0] } ?? [] }
        return modules.filter(set.contains)
    }

    /// What was selected by the user; empty: nothing.
    var selected: Set<ModulePath> {
        guard let anchor else { return chosen }
        var result: Set<ModulePath> = []
        for row in min(anchor.row, cursor.row)...max(anchor.row, cursor.row) {
            for layer in min(anchor.layer, cursor.layer)...max(anchor.layer, cursor.layer) {
                if let path = path(at: Position(row: row, layer: layer)) { result.insert(path) }
            }
        }
        return result
    }

    /// A range that was begun is taken as it is, so that the cursor can go elsewhere; without one, one begins.
    mutating func toggleRange() {
        if anchor == nil {
            anchor = cursor
            chosen = []
        } else {
            chosen = selected
            anchor = nil
        }
    }

    mutating func select(_ modules: [ModulePath]) {
        anchor = nil
        chosen = Set(modules)
    }

    mutating func clearSelection() {
        anchor = nil
        chosen = []
    }

    /// The module under the cursor in all layers.
    mutating func selectRow() {
        guard cursor.row < rowCount - 1 else { return select([.head]) }
        select((0..<layerCount).compactMap { path(at: Position(row: cursor.row, layer: $0)) })
    }

    /// The layer under the cursor; the head belongs to none.
    mutating func selectColumn() {
        select((0..<max(0, rowCount - 1)).compactMap { path(at: Position(row: $0, layer: cursor.layer)) })
    }

    /// Looks at what another map looks at.
    mutating func takeView(of other: PrecisionMap) {
        (view, cursor, anchor, chosen) = (other.view, other.cursor, other.anchor, other.chosen)
        (firstRow, firstLayer, movedAt) = (other.firstRow, other.firstLayer, other.movedAt)
    }

    mutating func move(rows: Int = 0, layers: Int = 0, at now: Double) {
        cursor.row = min(max(0, rowCount - 1), max(0, cursor.row + rows))
        cursor.layer = min(max(0, layerCount - 1), max(0, cursor.layer + layers))
        movedAt = now
    }

    /// Puts the cursor on a module, if the model has it.
    mutating func move(to path: ModulePath, at now: Double) {
        guard let place = places[path] else { return }
        cursor = path == .head ? Position(row: place.row, layer: cursor.layer) : place
        movedAt = now
    }
}
