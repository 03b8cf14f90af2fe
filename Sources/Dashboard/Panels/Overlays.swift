/// The question before a run ends.
enum QuitQuestion {
    struct Answer {
        var key: String
        var text: String
        var action: Action
    }

    static func answers(_ state: DashboardState) -> [Answer] {
        if state.isAttached {
            return [
                Answer(key: "d", text: "leave: the run goes on", action: .leave),
                Answer(key: "x", text: "stop the run", action: .stopWithoutSaving),
                Answer(key: "Esc", text: "cancel", action: .close),
            ]
        }
        var answers: [Answer] = []
        if let path = state.savePath {
            answers.append(Answer(key: "s", text: "stop and save to \(path)", action: .stopAndSave))
        }
        let isKept = state.savePath == nil && state.runFolder != nil
        answers.append(Answer(key: "x", text: isKept ? "stop" : "stop without saving", action: .stopWithoutSaving))
        answers.append(Answer(key: "Esc", text: "cancel: go on training", action: .close))
        return answers
    }

    private static func note(_ state: DashboardState) -> String {
        if state.isAttached { return "" }
        if let folder = state.runFolder { return "--resume \(folder) can go on with it." }
        return state.savePath == nil ? "The model is not saved: the run has no path for it." : ""
    }

    static func draw(_ state: DashboardState, choice: Int, into frame: inout Frame) {
        let glyphs = Glyphs.of(state.glyphs)
        let answers = answers(state)
        let note = note(state)
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
        frame.box(area, title: state.isAttached ? "Leave the run?" : "Stop the run?", glyphs: glyphs, hasFocus: true)
    }
}

/// The rows of the help, made from the key table and the list of commands.
enum Help {
    /// Those that the search finds: a key of that name first. Without a search, the keys of the panel in focus stand
    /// first, after those of a recording.
    static func rows(_ help: HelpView, _ glyphs: GlyphSet) -> [HelpRow] {
        let words = help.search.text.split(separator: " ").map(String.init)
        let rows = all(help, glyphs)
        guard !words.isEmpty else { return rows }
        let ranked = rows.compactMap { row in row.rank(words).map { (row, $0) } }
        return (0...2).flatMap { rank in ranked.filter { $0.1 == rank }.map(\.0) }
    }

    private static func all(_ view: HelpView, _ glyphs: GlyphSet) -> [HelpRow] {
        let first = (view.isReplay ? [.replay] : []) + [view.context]
        let contexts = first + KeyContext.allCases.filter { $0 != .replay && $0 != view.context }
        return contexts.flatMap { context in
            let keys = KeyTable.bindings.filter { $0.context == context }.map {
                HelpRow(section: context.rawValue, keys: $0.keyText, help: $0.help, content: .binding($0))
            }
            return context == .commandLine ? keys + commands(view.isReplay) : keys
        } + signs(glyphs)
    }

    private static func commands(_ isReplay: Bool) -> [HelpRow] {
        Command.list(isReplay: isReplay).map {
            HelpRow(
                section: "Commands", keys: $0.argument.isEmpty ? ":\($0.name)" : ":\($0.name) \($0.argument)",
                help: $0.help,
                content: .command(name: $0.name, argument: $0.argument))
        }
    }

    private static func signs(_ glyphs: GlyphSet) -> [HelpRow] {
        let set = Glyphs.of(glyphs)
        func row(_ sign: String, _ help: String, _ style: Style) -> HelpRow {
            HelpRow(section: "Signs", keys: sign, help: help, content: .sign(style))
        }
        var rows = [
            row(set.rawKey, "every step, from the smallest value to the largest", Style(.raw)),
            row(set.lineKey, "moving average of the loss over every step", Style(.loss, .bold)),
            row(set.forkKey, "moving average of the fork's loss", Style(.comparison, .bold)),
            row(String(set.point), "validation loss", Style(.validation, .bold)),
            row(set.referenceKey, "entropy floor: the expected loss of no model is below it", Style(.floor)),
            row(set.lineKey, "gradient norm before clipping, mean of the steps", Style(.gradientNorm, .bold)),
            row(set.clippedKey, "gradient norm after clipping, where it differs", Style(.clip, .bold)),
            row(set.referenceKey, "largest gradient norm: beyond it, gradients are clipped", Style(.clip)),
            row("N", "NaN or infinite here", Style(.error, .bold)),
        ]
        rows += [
            row("4 8 b", "the module runs in FP4, FP8 or BF16", Style(.strong, .bold)),
            row("488 48", "its fprop, dgrad and wgrad differ; its forward and backward do", Style(.strong, .bold)),
            row("*", "the module waits for a change of precision", Style(.warning, .bold)),
            row("+ !", "more than 0.1 % or 1 % of an operand's values saturated", Style(.error, .bold)),
            row("_", "more than 30 % of an operand's values became zero", Style(.clip, .bold)),
        ]
        rows += ChartMarks.Kind.allCases.map { row(String($0.character), $0.help, $0.style) }
        if glyphs == .braille {
            rows.append(row("⠉⠑⠢⣀⡠⠔⠊⠉", "not a smooth wave? C-g draws in ASCII, as --ascii does", Style(.loss)))
        }
        return rows
    }
}

enum HelpOverlay {
    private static let nameWidth = 19

    static func rectangle(_ size: Size) -> Rectangle {
        let width = size.width < 92 ? size.width : 90
        return Rectangle(x: (size.width - width) / 2, y: 1, width: width, height: size.height - 2)
    }

    static func draw(_ state: DashboardState, _ help: HelpView, into frame: inout Frame) {
        let area = rectangle(frame.size)
        let inside = area.inset(x: 2, y: 1)
        let glyphs = Glyphs.of(state.glyphs)
        frame.fill(area, .text)
        let rows = Help.rows(help, state.glyphs)
        let choice = min(help.choice, max(0, rows.count - 1))
        MessageLine.drawLine(
            help.search, label: "search: ",
            hint: help.search.text.isEmpty
                ? "type to search keys, actions and commands; Enter does what the row says" : "",
            into: &frame, at: Rectangle(x: inside.x - 1, y: inside.y, width: inside.width + 2, height: 1))
        let lines = lines(rows, hasSections: help.search.text.isEmpty, width: inside.width)
        let page = max(0, inside.height - 1)
        let chosen = lines.firstIndex { $0.row == choice } ?? 0
        // The chosen row stays in the middle; the heading of the first one in view.
        let start = min(max(0, choice == 0 ? 0 : chosen - page / 2), max(0, lines.count - page))
        for (offset, line) in lines.dropFirst(start).prefix(page).enumerated() {
            let y = inside.y + 1 + offset
            let isChosen = line.row == choice && !rows.isEmpty
            if isChosen {
                frame.fill(
                    Rectangle(x: inside.x - 1, y: y, width: inside.width + 2, height: 1), Style(.text, on: .selection))
            }
            if isChosen, lines.firstIndex(where: { $0.row == choice }) == start + offset {
                frame.put(">", x: inside.x - 1, y: y, Style(.strong, on: .selection, .bold))
            }
            var x = inside.x
            for (text, style) in line.texts {
                let shown = Style(style.role, on: isChosen ? .selection : .background, style.attributes)
                x = frame.put(text, x: x, y: y, limit: max(0, inside.right - x), shown)
            }
        }
        if rows.isEmpty, page > 0 {
            frame.put(
                "nothing found: Esc clears the search", x: inside.x, y: inside.y + 1, limit: inside.width, Style(.axis))
        }
        frame.box(
            area, title: "Help", notes: rows.isEmpty ? [] : ["\(choice + 1)/\(rows.count)"], glyphs: glyphs,
            hasFocus: true)
    }

    private struct Line {
        /// The row that it belongs to; nil for headings and blank lines.
        var row: Int?
        var texts: [(String, Style)]
    }

    private static func lines(_ rows: [HelpRow], hasSections: Bool, width: Int) -> [Line] {
        var lines: [Line] = []
        var section = ""
        for (index, row) in rows.enumerated() {
            if hasSections, row.section != section {
                if !lines.isEmpty { lines.append(Line(row: nil, texts: [])) }
                lines.append(Line(row: nil, texts: [(row.section, Style(.title, .bold))]))
                section = row.section
            }
            var texts = [(row.help, Style.text)]
            if !hasSections { texts.append(("  \(row.section)", Style(.axis))) }
            let style: Style = if case .sign(let style) = row.content { style } else { Style(.strong, .bold) }
            let wrapped = SamplePanel.wrap(texts, width: max(1, width - nameWidth))
            for (number, line) in wrapped.enumerated() {
                let name = number == 0 ? " \(row.keys)" : ""
                let padding = String(repeating: " ", count: max(1, nameWidth - CharacterWidth.columns(name)))
                lines.append(Line(row: index, texts: [(name + padding, style)] + line))
            }
        }
        return lines
    }
}
