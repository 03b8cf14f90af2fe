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
    static func lines(_ glyphs: GlyphSet) -> [[(String, Style)]] {
        var lines: [[(String, Style)]] = []
        func head(_ text: String) {
            if !lines.isEmpty { lines.append([]) }
            lines.append([(text, Style(.title, .bold))])
        }
        func row(_ name: String, _ text: String) {
            let padding = String(repeating: " ", count: max(1, 15 - name.count))
            lines.append([("  \(name)\(padding)", Style(.strong, .bold)), (text, .text)])
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
        lines.append([
            ("  \(set.rawKey)", Style(.raw)), ("  every step, from the smallest value to the largest", .text),
        ])
        lines.append([
            ("  \(set.lineKey)", Style(.loss, .bold)), ("  moving average of the loss over every step", .text),
        ])
        lines.append([("  \(set.point)", Style(.validation, .bold)), ("  validation loss", .text)])
        lines.append([("  \(set.referenceKey)", Style(.floor)), ("  entropy floor: no model can stay below it", .text)])
        lines.append([("  \(set.lineKey)", Style(.gradientNorm, .bold)), ("  gradient norm before clipping", .text)])
        lines.append([("  \(set.referenceKey)", Style(.clip)), ("  largest gradient norm: beyond it, clipped", .text)])
        lines.append([("  N", Style(.error, .bold)), ("  NaN or infinite here", .text)])
        if glyphs == .braille {
            lines.append([("  ⠉⠑⠢⣀⡠⠔⠊⠉", Style(.loss)), ("  not a smooth wave? start with --ascii", .text)])
        }
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
        let lines = Help.lines(state.glyphs)
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
