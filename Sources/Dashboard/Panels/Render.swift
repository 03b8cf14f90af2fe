extension DashboardState {
    /// The picture of the state: the same state gives the same frame, with or without a terminal.
    public func frame() -> Frame {
        var frame = Frame(size: size, isASCII: glyphs == .ascii)
        let layout = Layout(size: size, focus: focus, isFullScreen: isFullScreen)
        guard layout.mode != .message else {
            drawSizeMessage(into: &frame)
            return frame
        }
        if let title = layout.title { TitleBar.draw(self, into: &frame, at: title) }
        for (panel, rectangle) in layout.panels {
            switch panel {
            case .loss: ChartPanels.drawLoss(self, into: &frame, at: rectangle)
            case .gradientNorm: ChartPanels.drawGradientNorm(self, into: &frame, at: rectangle)
            case .precision: PrecisionPanel.draw(self, into: &frame, at: rectangle)
            case .events: EventsPanel.draw(self, into: &frame, at: rectangle)
            case .inspector: InspectorPanel.draw(self, into: &frame, at: rectangle)
            case .sample: SamplePanel.draw(self, into: &frame, at: rectangle)
            case .log: LogPanel.draw(self, into: &frame, at: rectangle)
            case .run: RunPanel.draw(self, into: &frame, at: rectangle)
            }
        }
        if let status = layout.status { StatusLine.draw(self, into: &frame, at: status) }
        if let message = layout.message { MessageLine.draw(self, into: &frame, at: message) }
        if let footer = layout.footer { Footer.draw(self, into: &frame, at: footer) }
        switch overlay {
        case .help(let help): HelpOverlay.draw(self, help, into: &frame)
        case .quit(let choice): QuitQuestion.draw(self, choice: choice, into: &frame)
        case .picker(let picker): PickerOverlay.draw(self, picker, into: &frame)
        case .themes(let choice): ThemesOverlay.draw(self, choice, into: &frame)
        case .commandLine(let line):
            if let message = layout.message { Candidates.draw(line, into: &frame, above: message) }
        case .none, .prompt: break
        }
        return frame
    }

    /// Too small for anything else; the keys go on working.
    private func drawSizeMessage(into frame: inout Frame) {
        var lines: [(String, Style)] = [
            ("fp4tui: \(TitleBar.stateWord(self).text)", Style(.title, .bold)),
            ("wants \(Layout.leastSize), has \(size)", .text),
        ]
        switch overlay {
        case .quit(let choice):
            lines = QuitQuestion.answers(self).enumerated().map { index, answer in
                (
                    "\(index == choice ? ">" : " ") \(answer.key) \(answer.text)",
                    Style(.text, on: index == choice ? .selection : .background)
                )
            }
        default:
            if let last {
                lines.append(
                    (
                        "step \(NumberText.grouped(last.step)) loss \(NumberText.significant(Double(last.loss)))", .text
                    ))
            }
            lines.append(("p pause  q quit", Style(.barText)))
        }
        let top = max(0, (size.height - lines.count) / 2)
        for (index, line) in lines.enumerated() {
            let x = max(0, (size.width - CharacterWidth.columns(line.0)) / 2)
            frame.put(line.0, x: x, y: top + index, line.1)
        }
    }
}

extension Frame {
    /// A titled box. `notes` stand at the right end of the upper edge, the most important last.
    mutating func box(
        _ area: Rectangle, title: String, notes: [String] = [], glyphs: Glyphs, hasFocus: Bool
    ) {
        guard area.width >= 2, area.height >= 2 else { return }
        let edge = Style(hasFocus ? .focus : .border)
        let right = area.right - 1
        let bottom = area.bottom - 1
        for x in area.x + 1..<right {
            put(glyphs.horizontal, x: x, y: area.y, edge)
            put(glyphs.horizontal, x: x, y: bottom, edge)
        }
        for y in area.y + 1..<bottom {
            put(glyphs.vertical, x: area.x, y: y, edge)
            put(glyphs.vertical, x: right, y: y, edge)
        }
        put(glyphs.topLeft, x: area.x, y: area.y, edge)
        put(glyphs.topRight, x: right, y: area.y, edge)
        put(glyphs.bottomLeft, x: area.x, y: bottom, edge)
        put(glyphs.bottomRight, x: right, y: bottom, edge)
        let afterTitle = put(
            " \(title) ", x: area.x + 2, y: area.y, limit: max(0, area.width - 4), Style(.title, .bold))
        var x = right - 1
        for note in notes.reversed() {
            let width = CharacterWidth.columns(note) + 2
            guard x - width > afterTitle else { break }
            x -= width
            put(" \(note) ", x: x, y: area.y, Style(.barText))
            x -= 1
        }
    }

    /// Pieces of text in a row, whole pieces only, with two spaces between.
    /// - Returns: the column after the last piece.
    @discardableResult
    mutating func row(_ pieces: [[(String, Style)]], x: Int, y: Int, limit: Int, gap: Int = 2) -> Int {
        var column = x
        for piece in pieces {
            let width = piece.reduce(0) { $0 + CharacterWidth.columns($1.0) }
            guard column + width <= x + limit else { break }
            for (text, style) in piece { column = put(text, x: column, y: y, style) }
            column += gap
        }
        return column
    }
}
