/// The question before a run ends.
enum QuitQuestion {
    struct Answer {
        var key: String
        var text: String
        var action: Action
    }

    static func answers(savePath: String?) -> [Answer] {
        var answers: [Answer] = []
        if let savePath { answers.append(Answer(key: "s", text: "stop and save to \(savePath)", action: .stopAndSave)) }
        answers.append(Answer(key: "x", text: "stop without saving", action: .stopWithoutSaving))
        answers.append(Answer(key: "Esc", text: "cancel: go on training", action: .close))
        return answers
    }

    static func draw(_ state: DashboardState, choice: Int, into frame: inout Frame) {
        let glyphs = Glyphs.of(state.glyphs)
        let answers = answers(savePath: state.savePath)
        let note = state.savePath == nil ? "The model is not saved: the run has no path for it." : ""
        let wanted = max(note.count, answers.map { CharacterWidth.columns($0.text) }.max() ?? 0, 30) + 12
        let area = frame.bounds.centred(
            Size(width: min(wanted, frame.size.width - 4), height: answers.count + (note.isEmpty ? 4 : 6)))
        frame.fill(area.inset(x: -1, y: 0), .text)
        let inside = area.inset(x: 2, y: 1)
        for (index, answer) in answers.enumerated() {
            let y = inside.y + 1 + index
            let isChosen = index == min(choice, answers.count - 1)
            let background: Role = isChosen ? .selection : .background
            let attributes: Attributes = isChosen ? .bold : []
            frame.fill(
                Rectangle(x: inside.x, y: y, width: inside.width, height: 1), Style(.strong, on: background))
            frame.put(isChosen ? ">" : " ", x: inside.x, y: y, Style(.strong, on: background, .bold))
            frame.put(answer.key, x: inside.x + 2, y: y, Style(.title, on: background, .bold))
            frame.put(
                TitleBar.shortened(answer.text, to: inside.width - 7, glyphs), x: inside.x + 7, y: y,
                Style(isChosen ? .strong : .text, on: background, attributes))
        }
        if !note.isEmpty {
            frame.put(
                TitleBar.shortened(note, to: inside.width - 2, glyphs), x: inside.x + 1, y: inside.bottom - 1,
                Style(.barText))
        }
        frame.box(area, title: "Stop the run?", glyphs: glyphs, hasFocus: true)
    }
}

/// The lines of the help, made from the key table and the list of commands.
enum Help {
    private static let nameWidth = 17

    /// - Parameter width: in cells; long lines are wrapped.
    static func lines(_ glyphs: GlyphSet, width: Int) -> [[(String, Style)]] {
        var lines: [[(String, Style)]] = []
        func head(_ text: String) {
            if !lines.isEmpty { lines.append([]) }
            lines.append([(text, Style(.title, .bold))])
        }
        func row(_ name: String, _ text: String, _ style: Style = Style(.strong, .bold)) {
            for (index, line) in SamplePanel.wrap([(text, .text)], width: max(1, width - nameWidth)).enumerated() {
                let name = index == 0 ? "  \(name)" : ""
                let padding = String(repeating: " ", count: max(1, nameWidth - CharacterWidth.columns(name)))
                lines.append([(name + padding, style)] + line)
            }
        }
        for context in KeyContext.allCases {
            head(context.rawValue)
            for binding in KeyTable.bindings where binding.context == context { row(binding.keyText, binding.help) }
            if context == .commandLine {
                head("Commands")
                for command in Command.list { row(":\(command.name) \(command.argument)", command.help) }
            }
        }
        let set = Glyphs.of(glyphs)
        head("Signs")
        row(set.rawKey, "every step, from the smallest value to the largest", Style(.raw))
        row(set.lineKey, "moving average of the loss over every step", Style(.loss, .bold))
        row(String(set.point), "validation loss", Style(.validation, .bold))
        row(set.referenceKey, "entropy floor: the expected loss of no model is below it", Style(.floor))
        row(set.lineKey, "gradient norm before clipping, mean of the steps", Style(.gradientNorm, .bold))
        row(set.referenceKey, "largest gradient norm: beyond it, gradients are clipped", Style(.clip))
        row("N", "NaN or infinite here", Style(.error, .bold))
        row("4 8 b", "the module runs in FP4, FP8 or BF16")
        row("488 48", "its fprop, dgrad and wgrad differ; its forward and backward do")
        row("*", "the module waits for a change of precision", Style(.warning, .bold))
        row("+ !", "more than 0.1 % or 1 % of an operand's values saturated", Style(.error, .bold))
        row("_", "more than 30 % of an operand's values became zero", Style(.clip, .bold))
        if glyphs == .braille { row("⠉⠑⠢⣀⡠⠔⠊⠉", "not a smooth wave? start with --ascii", Style(.loss)) }
        return lines
    }
}

enum HelpOverlay {
    static func rectangle(_ size: Size) -> Rectangle {
        let width = size.width < 92 ? size.width : 84
        return Rectangle(x: (size.width - width) / 2, y: 1, width: width, height: size.height - 2)
    }

    static func draw(_ state: DashboardState, scroll: Int, into frame: inout Frame) {
        let area = rectangle(frame.size)
        let inside = area.inset(x: 2, y: 1)
        frame.fill(area, .text)
        let lines = Help.lines(state.glyphs, width: inside.width)
        let page = inside.height
        let start = min(scroll, max(0, lines.count - page))
        for (row, line) in lines.dropFirst(start).prefix(page).enumerated() {
            var x = inside.x
            for (text, style) in line {
                x = frame.put(text, x: x, y: inside.y + row, limit: max(0, inside.right - x), style)
            }
        }
        frame.box(
            area, title: "Help", notes: lines.count > page ? [LogPanel.position(start, page, lines.count)] : [],
            glyphs: Glyphs.of(state.glyphs), hasFocus: true)
    }
}
