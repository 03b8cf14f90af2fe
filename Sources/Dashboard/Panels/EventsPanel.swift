import Core

/// What happened, the newest first.
enum EventsPanel {
    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        let glyphs = Glyphs.of(state.glyphs)
        let inside = area.inset(x: 2, y: 1)
        let start = min(state.scroll[.events] ?? 0, max(0, state.events.entries.count - 1))
        let stepWidth = max(1, NumberText.grouped(state.last?.step ?? 0).count)
        var y = inside.y
        var end = start
        for entry in state.events.entries.reversed().dropFirst(start) where y < inside.bottom {
            end += 1
            let step = NumberText.grouped(entry.step)
            frame.put(step, x: inside.x + max(0, stepWidth - step.count), y: y, Style(.axis))
            let x = inside.x + stepWidth + 1
            let text = [(entry.kind.rawValue, Style(role(entry.kind), .bold)), (" \(entry.text)", .text)]
            for line in SamplePanel.wrap(text, width: inside.right - x).prefix(inside.bottom - y) {
                var column = x
                for (text, style) in line {
                    column = frame.put(text, x: column, y: y, limit: max(0, inside.right - column), style)
                }
                y += 1
            }
        }
        if state.events.entries.isEmpty { frame.put("nothing yet", x: inside.x, y: inside.y, Style(.axis)) }
        let notes = end - start < state.events.entries.count ? ["\(start + 1)-\(end)/\(state.events.entries.count)"] : []
        frame.box(area, title: "4 Events", notes: notes, glyphs: glyphs, hasFocus: state.focus == .events)
    }

    private static func role(_ kind: LogEntry.Kind) -> Role {
        switch kind {
        case .start, .state: .title
        case .evaluation: .validation
        case .saved: .ok
        case .change: .emphasis
        case .warning: .warning
        case .error: .error
        }
    }
}
