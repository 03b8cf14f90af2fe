import Core

/// Modules × layers: what each runs in and how it fares.
enum PrecisionPanel {
    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        let map = state.map
        let glyphs = Glyphs.of(state.glyphs)
        guard map.current != nil else {
            frame.put("starting", x: area.x + 2, y: area.y + 1, limit: max(0, area.width - 4), Style(.axis))
            frame.box(area, title: "3 Precision map", glyphs: glyphs, hasFocus: state.focus == .precision)
            return
        }
        let grid = MapGrid(map, area: area)
        drawHeader(map, grid, into: &frame, glyphs)
        drawRows(map, grid, into: &frame)
        let canProbe = state.replay == nil && state.refusal == nil && !state.isFinished
        drawLegend(map, grid, canProbe: canProbe, into: &frame)
        let isNarrow = area.width < 60
        var notes = map.shares.map { [shares($0)] } ?? []
        if !isNarrow || map.view != .precision { notes.append(map.view.rawValue) }
        frame.box(
            area, title: isNarrow ? "3 Precision" : "3 Precision map", notes: notes, glyphs: glyphs,
            hasFocus: state.focus == .precision)
        drawFoot(map, grid, into: &frame, at: area, glyphs)
    }

    /// The module that is shown at a place of the screen, if the panel has `area`.
    static func module(at x: Int, y: Int, _ state: DashboardState, area: Rectangle) -> ModulePath? {
        let grid = MapGrid(state.map, area: area)
        return grid.position(x: x, y: y, state.map).flatMap(state.map.path)
    }

    private static func shares(_ shares: PrecisionShares) -> String {
        [("fp4", shares.fp4), ("fp8", shares.fp8), ("bf16", shares.bf16)].filter { $0.1 > 0 }
            .map { "\($0.0) \(Int(($0.1 * 100).rounded()))%" }.joined(separator: " ")
    }

    // MARK: Parts

    /// As many numbers of layers as there is room for; `v` over the cursor, and signs where the map goes on.
    private static func drawHeader(
        _ map: PrecisionMap, _ grid: MapGrid, into frame: inout Frame, _ glyphs: Glyphs
    ) {
        let inside = grid.inside
        let y = inside.y
        let label = grid.layers.lowerBound > 0 ? "<" : "layer"
        let x = label == "<" ? inside.x + MapGrid.labelWidth - 2 : inside.x
        frame.put(label, x: x, y: y, limit: max(0, inside.right - x), Style(label == "<" ? .emphasis : .axis))
        let digits = String(max(0, map.layerCount - 1)).count
        let step = [1, 2, 5, 10].first { $0 * grid.pitch > digits } ?? 10
        for layer in grid.layers where layer % step == 0 {
            let x = grid.x(ofLayer: layer)
            frame.put(String(layer), x: x, y: y, limit: max(0, inside.right - x), Style(.barText))
        }
        if grid.layers.upperBound < map.layerCount { frame.put(">", x: inside.right, y: y, Style(.emphasis)) }
        if map.cursor.row < map.rowCount - 1 {
            let x = grid.x(ofLayer: map.cursor.layer)
            for offset in 0..<max(1, min(digits, grid.pitch)) where x + offset < inside.right {
                frame.put(" ", x: x + offset, y: y, .text)
            }
            frame.put("v", x: x, y: y, Style(.strong, .bold))
        }
    }

    private static func drawRows(_ map: PrecisionMap, _ grid: MapGrid, into frame: inout Frame) {
        let selected = map.selected
        let values = map.modules.compactMap { map.records[$0].flatMap(map.view.value) }.filter(\.isFinite)
        let range = (values.min() ?? 0)...(values.max() ?? 0)
        for row in grid.rows {
            let isHead = row == map.rowCount - 1
            let y = grid.y(ofRow: row)
            let isCurrent = row == map.cursor.row
            if isCurrent { frame.put(">", x: grid.inside.x, y: y, Style(.strong, .bold)) }
            let name = isHead ? "head" : label(map.model?.layerLinears[row] ?? "")
            frame.put(
                name, x: grid.inside.x + 1, y: y, limit: max(0, grid.inside.width - 1),
                isCurrent ? Style(.strong, .bold) : Style(.barText))
            if isHead {
                // Not beneath a layer's number: the head is in none.
                let x = grid.inside.x + MapGrid.labelWidth
                drawCell(.head, map, grid, x: x + 1, y: y, range, isCurrent, selected, into: &frame)
                let after = x + grid.characters + 3
                frame.put(
                    "after the last layer", x: after, y: y, limit: max(0, grid.inside.right - after), Style(.axis))
                continue
            }
            for layer in grid.layers {
                let position = PrecisionMap.Position(row: row, layer: layer)
                guard let path = map.path(at: position) else { continue }
                drawCell(
                    path, map, grid, x: grid.x(ofLayer: layer), y: y, range, position == map.cursor, selected,
                    into: &frame)
            }
        }
    }

    private static func drawCell(
        _ path: ModulePath, _ map: PrecisionMap, _ grid: MapGrid, x: Int, y: Int, _ range: ClosedRange<Double>,
        _ isCurrent: Bool, _ selected: Set<ModulePath>, into frame: inout Frame
    ) {
        let width = min(grid.pitch, grid.inside.right - x)
        guard width > 0, let record = map.records[path], let formats = map.formats[path] else { return }
        let background: Role = selected.contains(path) ? .selection : .background
        if background == .selection {
            frame.fill(Rectangle(x: x, y: y, width: width, height: 1), Style(.text, on: background))
        }
        let isCursor: Attributes = isCurrent ? .reverse : []
        guard map.view == .precision else {
            let value = map.view.value(record)
            let isOld = map.view.isOld(record)
            let text = value.map { NumberText.brief($0, map.view.digits) } ?? "."
            let role = isOld ? .axis : value.map { map.view.role($0, among: range) } ?? .axis
            let after = frame.put(text, x: x, y: y, limit: width, Style(role, on: background, isCursor))
            if isOld, value != nil, after < x + width {
                frame.put(oldMark, x: after, y: y, Style(.axis, on: background))
            }
            return
        }
        let pending = map.pendingFormats(of: path)
        let precisions = (pending ?? formats).precisions
        var attributes = isCursor
        if pending != nil { attributes.formUnion([.bold, .underline]) }
        let style = Style(pending == nil ? role(precisions.fprop) : .warning, on: background, attributes)
        let after = frame.put(characters(precisions, grid.characters), x: x, y: y, limit: width, style)
        guard after < x + width else { return }
        if pending != nil {
            frame.put(pendingMark, x: after, y: y, Style(.warning, on: background, .bold))
        } else if let mark = record.worst.mark {
            frame.put(mark.scalar, x: after, y: y, Style(mark.role, on: background, .bold))
        }
    }

    static let pendingMark: Unicode.Scalar = "*"
    /// Measured before the last change.
    static let oldMark: Unicode.Scalar = "~"

    static func role(_ precision: Precision) -> Role {
        switch precision {
        case .fp4: .fp4
        case .fp8: .fp8
        case .bf16: .bf16
        }
    }

    static func character(_ precision: Precision) -> Character {
        switch precision {
        case .fp4: "4"
        case .fp8: "8"
        case .bf16: "b"
        }
    }

    /// One character where the GEMMs agree; otherwise fprop, dgrad and wgrad, or fprop and what both others run in.
    private static func characters(_ precisions: GEMMPrecisions, _ count: Int) -> String {
        let all = GEMMKind.allCases.map { character(precisions[$0]) }
        if Set(all).count == 1 { return String(all[0]) }
        return String(all.prefix(count))
    }

    private static func label(_ name: String) -> String {
        name.split(separator: ".").last.map(String.init) ?? name
    }

    /// What the characters mean, where there is room for it.
    private static func drawLegend(_ map: PrecisionMap, _ grid: MapGrid, canProbe: Bool, into frame: inout Frame) {
        guard grid.legendLines > 0 else { return }
        let plain = Style(.axis)
        var lines: [[[(String, Style)]]] = []
        if map.view == .precision {
            var characters = Precision.allCases.map { precision in
                [(String(character(precision)), Style(role(precision))), (" \(precision.rawValue)", plain)]
            }
            characters.append([(String(pendingMark), Style(.warning, .bold)), (" pending", plain)])
            lines.append(characters)
            let marks: [(HealthMark, String)] = [
                (.saturation, ">.1%"), (.heavySaturation, ">1% sat"), (.heavyUnderflow, ">30% zero"),
                (.nonFinite, "NaN"),
            ]
            lines.append(marks.map { [(String($0.scalar), Style($0.role, .bold)), (" \($1)", plain)] })
            switch grid.characters {
            case 1: break
            case 2: lines.insert([[("48", Style(role(.fp4))), (" forward and backward", plain)]], at: 0)
            default: lines.insert([[("488", Style(role(.fp4))), (" fprop, dgrad and wgrad", plain)]], at: 0)
            }
        } else {
            var words = map.view == .sensitivity ? sensitivity(map) : map.view.meaning
            let isOld = map.modules.contains { path in
                map.records[path].map { map.view.value($0) != nil && map.view.isOld($0) } ?? false
            }
            if isOld { words += "; \(oldMark) before the last change of precision" }
            if map.view.isProbed, map.modules.allSatisfy({ path in map.records[path]?.probe == nil }) {
                words += canProbe ? "; not measured yet: the command probe does it now" : "; not measured"
            }
            let text = [("\(map.view.rawValue): \(words)", plain)]
            lines += SamplePanel.wrap(text, width: grid.inside.width).map { [$0] }
        }
        let top = grid.y(ofRow: grid.rows.upperBound)
        let free = grid.inside.bottom - top
        // A blank line between, if there is one to spare.
        let first = free > lines.count ? top + 1 : top
        for (index, line) in lines.enumerated() where first + index < grid.inside.bottom {
            frame.row(line, x: grid.inside.x, y: first + index, limit: grid.inside.width)
        }
    }

    private static func sensitivity(_ map: PrecisionMap) -> String {
        guard let measured = map.sensitivity, let precision = measured.modules.map(\.precision).min() else {
            return "\(MapView.sensitivity.meaning); not measured yet"
        }
        return "predicted damage of \(precision.rawValue) in the module alone, 1e-3 nats a token, at step "
            + NumberText.grouped(measured.step)
    }

    /// On the lower edge: the module under the cursor, what is selected and pending, and whether there are more rows.
    private static func drawFoot(
        _ map: PrecisionMap, _ grid: MapGrid, into frame: inout Frame, at area: Rectangle, _ glyphs: Glyphs
    ) {
        guard area.height >= 3, let path = map.current, let formats = map.formats[path] else { return }
        let y = area.bottom - 1
        var right = area.right - 1
        func note(_ text: String, _ style: Style) {
            let width = CharacterWidth.columns(text) + 2
            guard right - width > area.x + 1 else { return }
            right -= width
            frame.put(" \(text) ", x: right, y: y, style)
            right -= 1
        }
        let counts = map.pendingCounts
        if counts.waiting > 0 { note("\(counts.waiting) pending", Style(.warning, .bold)) }
        if counts.sent > 0 { note("\(counts.sent) sent", Style(.warning)) }
        if let measuring = map.measuring { note("sensitivity \(measuring.done)/\(measuring.total)", Style(.emphasis)) }
        let selected = map.selected.count
        if selected > 0 { note("\(selected) selected", Style(.emphasis)) }
        if grid.rows.upperBound < map.rowCount {
            note("\(glyphs.more)\(map.rowCount - grid.rows.upperBound)", Style(.emphasis))
        }
        if grid.rows.lowerBound > 0 { note("\(glyphs.less)\(grid.rows.lowerBound)", Style(.emphasis)) }
        var text = "\(path) \(formats.precisions)"
        if let pending = map.pendingFormats(of: path) { text += " > \(pending.precisions)" }
        let short = path == .head ? "head" : "\(label(path.name)) \(map.cursor.layer)"
        let room = right - area.x - 5
        if let shown = [text, path.description, short].first(where: { CharacterWidth.columns($0) <= room }) {
            frame.put(" \(shown) ", x: area.x + 2, y: y, Style(.text))
        }
    }
}

extension MapView {
    /// For the legend.
    var meaning: String {
        switch self {
        case .precision: "what the GEMMs run in"
        case .saturation: "the most of all operands"
        case .underflow: "the most of all operands that became 0"
        case .sqnr: "the least of all operands"
        case .gradientNorm: "before the global clipping"
        case .gradientError: "of the probe batch, against BF16"
        case .sensitivity: "what low precision does in the module alone"
        case .rho: "gradient to quantization noise; too low below 1.73"
        case .time: "of the GEMMs in the last reported step"
        case .relativeTime: "GEMMs on the probe batch, measured"
        }
    }
}
