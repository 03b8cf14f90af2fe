/// The themes to choose from, at the right edge: what they colour stays in view.
enum ThemesOverlay {
    static func draw(_ state: DashboardState, _ choice: ThemeChoice, into frame: inout Frame) {
        let glyphs = Glyphs.of(state.glyphs)
        let longest = choice.names.map(CharacterWidth.columns).max() ?? 0
        let width = min(frame.size.width - 4, min(44, max(26, longest + 6)))
        // The message line below says what is wrong with a file.
        let height = min(frame.size.height - 4, choice.names.count + samples.count + 3)
        let area = Rectangle(x: frame.size.width - width - 2, y: 1, width: width, height: height)
        frame.fill(area, .text)
        let inside = area.inset(x: 1, y: 1)
        let hasSamples = inside.height > samples.count + 3
        let page = hasSamples ? inside.height - samples.count - 1 : inside.height
        let first = min(max(0, choice.index - page / 2), max(0, choice.names.count - page))
        for (offset, name) in choice.names.dropFirst(first).prefix(page).enumerated() {
            let y = inside.y + offset
            let isChosen = first + offset == choice.index
            let background: Role = isChosen ? .selection : .background
            frame.fill(Rectangle(x: inside.x, y: y, width: inside.width, height: 1), Style(.text, on: background))
            frame.put(isChosen ? ">" : " ", x: inside.x, y: y, Style(.strong, on: background, .bold))
            frame.put(
                TitleBar.shortened(name, to: inside.width - 4, glyphs), x: inside.x + 2, y: y,
                Style(isChosen ? .strong : .text, on: background, isChosen ? .bold : []))
            if name == choice.before {
                frame.put("*", x: inside.right - 2, y: y, Style(.title, on: background, .bold))
            }
        }
        if hasSamples {
            for (offset, sample) in samples.enumerated() {
                frame.row(
                    sample.map { [$0] }, x: inside.x + 2, y: inside.bottom - samples.count + offset,
                    limit: inside.width - 2, gap: 1)
            }
        }
        frame.box(
            area, title: "Theme", notes: choice.names.count > page ? ["\(choice.index + 1)/\(choice.names.count)"] : [],
            glyphs: glyphs, hasFocus: true)
    }

    /// What must be told apart, side by side.
    private static let samples: [[(String, Style)]] = [
        [("fp4", Style(.fp4)), ("fp8", Style(.fp8)), ("bf16", Style(.bf16))],
        [("error", Style(.error)), ("warning", Style(.warning)), ("ok", Style(.ok))],
        [("loss", Style(.loss)), ("val", Style(.validation)), ("fork", Style(.comparison))],
        [("norm", Style(.gradientNorm)), ("clip", Style(.clip)), ("raw", Style(.raw))],
    ]
}
