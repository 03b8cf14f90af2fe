import Core

/// What happened, the newest first.
enum EventsPanel {
    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        let glyphs = Glyphs.of(state.glyphs)
        let inside = area.inset(x: 1, y: 1)
        let events = state.events
        // Alone on the screen there is room for the whole text, in a panel beside others for its beginning.
        let isWhole = area.width == frame.size.width
        let columns = Columns(state, width: inside.width)
        func lines(_ place: Int) -> [[(String, Style)]] {
            let text = text(events[place], isShort: columns.time == nil)
            return isWhole ? SamplePanel.wrap(text, width: max(1, inside.right - 1 - inside.x - columns.text)) : [text]
        }
        let cursor = events.cursor
        let shown = placesAround(cursor, count: events.count, page: inside.height) { isWhole ? lines($0).count : 1 }
        var y = inside.y
        for place in shown {
            let isChosen = place == cursor && state.focus == .events
            let background: Role = isChosen ? .selection : .background
            for (index, line) in lines(place).enumerated() where y < inside.bottom {
                if isChosen {
                    frame.fill(
                        Rectangle(x: inside.x, y: y, width: inside.width, height: 1), Style(.text, on: background))
                }
                if index == 0 { drawHead(events[place], columns, isChosen, into: &frame, x: inside.x, y: y) }
                drawText(
                    line, on: background, glyphs, into: &frame, x: inside.x + columns.text, y: y,
                    right: inside.right - 1)
                y += 1
            }
        }
        if events.count == 0 {
            let text = events.entries.isEmpty ? "nothing yet" : "no event matches: Esc shows all"
            frame.put(text, x: inside.x + 1, y: inside.y, limit: inside.width - 1, Style(.axis))
        }
        frame.box(
            area, title: "4 Events", notes: notes(events, shown, glyphs), glyphs: glyphs,
            hasFocus: state.focus == .events)
    }

    /// Where the parts of a row begin, from the panel's left.
    private struct Columns {
        /// In front: whether the event is chosen or unseen.
        let step = 2
        let stepWidth: Int
        let time: Int?
        let text: Int

        init(_ state: DashboardState, width: Int) {
            stepWidth = NumberText.grouped(max(state.last?.step ?? 0, state.events.entries.last?.step ?? 0)).count
            let timeWidth = NumberText.duration(state.elapsed).count
            time = width >= 66 ? step + stepWidth + 1 : nil
            text = step + stepWidth + 1 + (time == nil ? 0 : timeWidth + 1)
        }
    }

    /// The places of the list that fit on a page, with the cursor among them: half a page of newer ones above it.
    private static func placesAround(_ cursor: Int, count: Int, page: Int, height: (Int) -> Int) -> Range<Int> {
        guard count > 0, page > 0 else { return 0..<0 }
        var used = height(cursor)
        var first = cursor
        while first > 0, used + height(first - 1) <= page / 2 + 1 {
            first -= 1
            used += height(first)
        }
        var end = cursor + 1
        while end < count, used < page {
            used += height(end)
            end += 1
        }
        // At the end of the list the page is filled from above.
        while end == count, first > 0, used + height(first - 1) <= page {
            first -= 1
            used += height(first)
        }
        return first..<end
    }

    private static func drawHead(
        _ entry: LogEntry, _ columns: Columns, _ isChosen: Bool, into frame: inout Frame, x: Int, y: Int
    ) {
        let background: Role = isChosen ? .selection : .background
        let sign: Unicode.Scalar = isChosen ? ">" : entry.isSeen ? " " : "*"
        frame.put(sign, x: x, y: y, Style(isChosen ? .strong : .warning, on: background, .bold))
        if isChosen, !entry.isSeen { frame.put("*", x: x + 1, y: y, Style(.warning, on: background, .bold)) }
        let step = NumberText.grouped(entry.step)
        frame.put(
            step, x: x + columns.step + max(0, columns.stepWidth - step.count), y: y,
            Style(isChosen ? .text : .axis, on: background))
        if let time = columns.time {
            frame.put(
                NumberText.duration(entry.elapsed), x: x + time, y: y, limit: columns.text - time,
                Style(isChosen ? .text : .axis, on: background))
        }
    }

    private static func drawText(
        _ line: [(String, Style)], on background: Role, _ glyphs: Glyphs, into frame: inout Frame, x: Int, y: Int,
        right: Int
    ) {
        var x = x
        for (text, style) in line {
            let shown = TitleBar.shortened(text, to: max(0, right - x), glyphs)
            x = frame.put(shown, x: x, y: y, Style(style.role, on: background, style.attributes))
        }
    }

    private static func text(_ entry: LogEntry, isShort: Bool) -> [(String, Style)] {
        // In a narrow panel the figures matter more than the beginning that all modules share.
        let message = isShort ? entry.message.replacing("layers.", with: "") : entry.message
        return [(entry.kind.rawValue, Style(role(entry.kind), .bold)), (" \(message)", .text)]
    }

    private static func notes(_ events: EventLog, _ shown: Range<Int>, _ glyphs: Glyphs) -> [String] {
        var notes: [String] = []
        if shown.count < events.count { notes.append(LogPanel.position(shown.lowerBound, shown.count, events.count)) }
        if events.unseenCount > 0 { notes.append("\(NumberText.grouped(events.unseenCount)) unseen") }
        notes.append(events.filter.isEmpty ? "all" : "/\(TitleBar.shortened(events.filter.text, to: 16, glyphs))")
        return notes
    }

    private static func role(_ kind: LogEntry.Kind) -> Role {
        switch kind {
        case .start, .state: .title
        case .evaluation, .precision, .phase, .effect: .validation
        case .saved: .ok
        case .change, .probe, .sensitivity: .emphasis
        case .fork: .comparison
        case .clipping: .clip
        case .saturation, .underflow, .rescue, .warning: .warning
        case .spike, .error: .error
        }
    }
}
