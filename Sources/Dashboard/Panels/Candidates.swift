/// What fits where the word on the command line goes on, above that line.
enum Candidates {
    private static let mostRows = 8

    static func draw(_ line: CommandLine, into frame: inout Frame, above message: Rectangle) {
        let words = line.candidates.map(word)
        guard let widest = words.map(CharacterWidth.columns).max() else { return }
        let area = Rectangle(x: message.x + 1, y: 0, width: message.width - 2, height: message.y)
        let pitch = min(area.width, widest + 2)
        let columns = max(1, area.width / pitch)
        let rows = max(1, min(mostRows, area.height - 1, (words.count + columns - 1) / columns))
        let used = min(columns, (words.count + rows - 1) / rows)
        // A page at a time; the last row says that there are more.
        let page = rows * used
        let choice = line.choice ?? 0
        let first = choice / page * page
        let hasMore = words.count > page
        let height = rows + (hasMore ? 1 : 0)
        let top = max(0, area.height - height)
        let box = Rectangle(x: area.x, y: top, width: used * pitch, height: height)
        frame.fill(box, Style(.barText, on: .bar))
        for (offset, text) in words.dropFirst(first).prefix(page).enumerated() {
            let x = box.x + offset / rows * pitch
            let y = top + offset % rows
            let isChosen = line.choice == first + offset
            let style = isChosen ? Style(.strong, on: .selection, .bold) : Style(.text, on: .bar)
            if isChosen { frame.fill(Rectangle(x: x, y: y, width: pitch, height: 1), style) }
            frame.put(isChosen ? ">" : " ", x: x, y: y, style)
            frame.put(text, x: x + 1, y: y, limit: pitch - 1, style)
        }
        if hasMore {
            let text = "\(first + 1)-\(min(words.count, first + page)) of \(words.count)"
            frame.put(text, x: box.x + 1, y: top + rows, limit: max(0, box.width - 1), Style(.axis, on: .bar))
        }
    }

    /// The last word of a line that was completed.
    private static func word(_ line: String) -> String {
        line.split(separator: " ").last.map(String.init) ?? line
    }
}
