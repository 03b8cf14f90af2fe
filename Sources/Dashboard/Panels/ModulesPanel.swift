import Core

/// The gradient norm of every linear, the largest first.
enum ModulesPanel {
    /// Lines of the list.
    static func rowCount(_ state: DashboardState) -> Int {
        state.moduleGradients.rows.count + (state.moduleGradients.otherShare == nil ? 0 : 1)
    }

    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        let glyphs = Glyphs.of(state.glyphs)
        let gradients = state.moduleGradients
        let inside = area.inset(x: 2, y: 1)
        let page = max(0, inside.height - 1)
        let first = min(state.view.firstModule, max(0, rowCount(state) - page))
        let nameWidth = min(
            max(8, gradients.rows.map { $0.path.description.count }.max() ?? 0), max(8, inside.width / 2 - 4))
        let largest = gradients.rows.compactMap(\.share).max() ?? 0
        let columns = Columns(nameWidth: nameWidth, inside: inside, largestShare: largest > 0 ? largest : 1)
        if gradients.rows.isEmpty {
            frame.put(
                "no gradient norms of modules yet: they come with the health reports", x: inside.x, y: inside.y,
                limit: inside.width, Style(.axis))
        } else {
            drawHead(columns, into: &frame, y: inside.y)
            for (index, row) in gradients.rows.dropFirst(first).prefix(page).enumerated() {
                drawRow(row, columns, glyphs, into: &frame, y: inside.y + 1 + index)
            }
            if let share = gradients.otherShare, first + page > gradients.rows.count, page > 0 {
                let y = inside.y + 1 + gradients.rows.count - first
                frame.put("all others", x: inside.x, y: y, limit: nameWidth, Style(.barText))
                drawShare(share, columns, glyphs, into: &frame, y: y)
            }
        }
        var notes: [String] = []
        if rowCount(state) > page { notes.append(LogPanel.position(first, page, rowCount(state))) }
        if let step = gradients.step { notes.append("step \(NumberText.grouped(step))") }
        notes.append("m: curve")
        frame.box(
            area, title: "2 Grad norm by module", notes: notes, glyphs: glyphs, hasFocus: state.focus == .gradientNorm)
    }

    private struct Columns {
        let nameWidth: Int
        let inside: Rectangle
        /// Its bar has the full length.
        let largestShare: Double
        static let normWidth = 7
        static let shareWidth = 6
        static let clipWidth = 16

        /// Without what all modules share if the whole doesn't fit.
        func name(_ path: ModulePath) -> String {
            let name = path.description
            return name.count > nameWidth ? name.replacing("layers.", with: "") : name
        }

        var norm: Int { inside.x + nameWidth + 1 }
        var share: Int { norm + Self.normWidth + 1 }
        var bar: Int { share + Self.shareWidth + 1 }
        /// What was clipped stands at the right end, if there is room.
        var clip: Int? { inside.right - Self.clipWidth - 1 >= bar + 6 ? inside.right - Self.clipWidth : nil }
        var barWidth: Int { max(0, (clip.map { $0 - 1 } ?? inside.right) - bar) }
    }

    private static func drawHead(_ columns: Columns, into frame: inout Frame, y: Int) {
        let style = Style(.barText)
        frame.put("module", x: columns.inside.x, y: y, style)
        frame.put("norm", x: columns.norm, y: y, limit: columns.inside.right - columns.norm, style)
        let room = (columns.clip ?? columns.inside.right) - 1 - columns.share
        let share = "share of squared norm"
        frame.put(room < share.count ? "share" : share, x: columns.share, y: y, limit: max(0, room), style)
        if let clip = columns.clip { frame.put("clipped", x: clip, y: y, style) }
    }

    private static func drawRow(
        _ row: ModuleGradients.Row, _ columns: Columns, _ glyphs: Glyphs, into frame: inout Frame, y: Int
    ) {
        frame.put(
            TitleBar.shortened(columns.name(row.path), to: columns.nameWidth, glyphs), x: columns.inside.x, y: y, .text)
        frame.put(
            NumberText.significant(row.norm), x: columns.norm, y: y, limit: columns.inside.right - columns.norm,
            row.norm.isFinite ? Style(.strong) : Style(.error, .bold))
        if let share = row.share { drawShare(share, columns, glyphs, into: &frame, y: y) }
        if let clip = columns.clip, let clipped = row.clipped {
            frame.put(
                "\(NumberText.percent(clipped.fraction)) @\(NumberText.axisCount(clipped.step))", x: clip,
                y: y, limit: columns.inside.right - clip, Style(.clip))
        }
    }

    private static func drawShare(
        _ share: Double, _ columns: Columns, _ glyphs: Glyphs, into frame: inout Frame, y: Int
    ) {
        let text = NumberText.percent(share)
        frame.put(
            text, x: columns.share + max(0, Columns.shareWidth - text.count), y: y,
            limit: columns.inside.right - columns.share, .text)
        let filled = Int((min(1, share / columns.largestShare) * Double(columns.barWidth)).rounded())
        for x in 0..<max(0, min(columns.barWidth, filled)) {
            frame.put(glyphs.barFull, x: columns.bar + x, y: y, Style(.gradientNorm))
        }
    }
}
