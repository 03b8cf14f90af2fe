import Core

/// The row of figures beneath the panels.
enum StatusLine {
    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        guard let run = state.run else { return }
        func figure(_ value: String, _ unit: String) -> [(String, Style)] {
            [(value, Style(.strong, .bold)), (unit, Style(.barText))]
        }
        var figures: [[(String, Style)]] = []
        if let rate = state.throughput.tokensPerSecond(tokensPerStep: run.tokensPerStep) {
            figures.append(figure(NumberText.short(rate), " tok/s"))
        }
        if let time = state.throughput.stepMilliseconds {
            figures.append(
                figure(NumberText.fixed(time, time < 100 ? 1 : 0), " ms") + timing(state))
        }
        if let shares = state.map.shares { figures.append([(shares.description, Style(.strong, .bold))]) }
        if let cost = state.map.cost {
            let measured = state.map.measuredCost.map { ", measured \(NumberText.fixed($0, 2))" } ?? ""
            figures.append([
                ("cost ", Style(.barText)), (NumberText.fixed(cost, 2), Style(.strong, .bold)),
                (measured, Style(.strong)),
            ])
        }
        if let rate = state.learningRate {
            figures.append([("lr ", Style(.barText)), (NumberText.scientific(rate), Style(.strong, .bold))])
        }
        figures += [
            [
                ("mem ", Style(.barText)),
                (NumberText.bytes(state.memoryBytes ?? run.memoryBytes), Style(.strong, .bold)),
            ],
            [((state.map.recipe ?? run.recipe).label, Style(.strong, .bold))],
            [
                (run.kernels, Style(.strong, .bold)),
                (" \(Glyphs.of(state.glyphs).times)\(run.threads)", Style(.barText)),
            ],
        ]
        if let saved = state.lastSave {
            figures.append([
                ("saved ", Style(.barText)), (NumberText.grouped(saved.step), Style(.strong, .bold)),
                (" \(NumberText.duration(state.runTime - saved.at)) ago", Style(.barText)),
            ])
        }
        if let tokens = state.last?.tokens { figures.append(figure(NumberText.short(Double(tokens)), " tokens")) }
        figures.append(figure(NumberText.short(Double(run.parameterCount)), " parameters"))
        frame.row(figures, x: area.x + 1, y: area.y, limit: area.width - 2, gap: area.width < 120 ? 2 : 3)
    }

    /// Shares of the step's time: forward, backward, optimizer, and quantizing as a part of the first two.
    private static func timing(_ state: DashboardState) -> [(String, Style)] {
        guard let timing = state.last?.timing, let step = state.last?.stepMilliseconds, step > 0 else { return [] }
        func share(_ name: String, _ time: Double) -> String { name + NumberText.fixed(100 * time / step, 0) }
        let parts = [
            share("f", timing.forward), share("b", timing.backward), share("o", timing.optimizer),
            share("q", timing.quantize),
        ]
        return [(" " + parts.joined(separator: "/") + "%", Style(.barText))]
    }
}

/// The row for the command line and for messages.
enum MessageLine {
    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        switch state.overlay {
        case .commandLine(let line):
            drawLine(
                line, label: ":", hint: hint(line.text, Command.list(isReplay: state.replay != nil)), into: &frame,
                at: area)
            return
        case .prompt(let purpose, let line):
            drawLine(
                line, label: purpose.label, hint: line.text.isEmpty ? purpose.hint : "", into: &frame, at: area)
            return
        default: break
        }
        guard let (text, style) = message(state) else { return }
        let shown = TitleBar.shortened(text, to: area.width - 2, Glyphs.of(state.glyphs))
        frame.put(shown, x: area.x + 1, y: area.y, limit: area.width - 2, style)
    }

    private static func message(_ state: DashboardState) -> (String, Style)? {
        if let message = state.message {
            return (message.text, Style(message.isError ? .error : .emphasis, message.isError ? .bold : []))
        }
        if let measuring = state.map.measuring { return (progress(measuring), Style(.emphasis)) }
        if state.isStopping { return ("finishing step, then stopping: C-c leaves at once", Style(.warning)) }
        switch state.phase {
        case .starting: return ("starting", Style(.barText))
        case .finished(let summary): return outcome(summary, isReplay: state.replay != nil)
        case .running, .paused: return nil
        }
    }

    private static func progress(_ progress: SensitivityProgress) -> String {
        let left = progress.seconds * (Double(progress.total) / Double(max(1, progress.done)) - 1)
        let time = progress.done > 0 && left.isFinite ? ", \(NumberText.duration(left)) left" : ""
        return
            "measuring sensitivity: \(progress.done)/\(progress.total)\(time) - S in the map or :sensitivity off cancels"
    }

    private static func outcome(_ summary: RunSummary, isReplay: Bool) -> (String, Style) {
        var parts = ["\(NumberText.grouped(summary.steps)) steps"]
        if let loss = summary.finalLoss { parts.append("loss \(NumberText.significant(Double(loss)))") }
        if let loss = summary.validationLoss { parts.append("val \(NumberText.significant(Double(loss)))") }
        if let path = summary.savedPath { parts.append("saved \(path)") }
        let word: (String, Role) =
            switch summary.outcome {
            case .completed: ("done", .ok)
            case .stopped: ("stopped", .warning)
            case .diverged: ("diverged", .error)
            case .failed: ("failed", .error)
            }
        return (
            "\(word.0): \(parts.joined(separator: ", ")) - \(isReplay ? "p plays it again, " : "")q quits",
            Style(word.1, .bold)
        )
    }

    /// A line being typed, with the cursor.
    static func drawLine(
        _ line: CommandLine, label: String, hint: String, into frame: inout Frame, at area: Rectangle
    ) {
        let left = frame.put(label, x: area.x + 1, y: area.y, Style(.title, .bold))
        let room = max(1, area.right - left - 2)
        // The end of a long line stays in view up to the cursor.
        var first = 0
        func columns(_ range: Range<Int>) -> Int {
            line.scalars[range].reduce(0) { $0 + (CharacterWidth.columns($1) ?? 1) }
        }
        while first < line.cursor, columns(first..<line.cursor) >= room { first += 1 }
        var view = String.UnicodeScalarView()
        view.append(contentsOf: line.scalars[first...])
        let end = frame.put(String(view), x: left, y: area.y, limit: room, Style(.strong))
        frame.cursor = Frame.Cursor(x: min(area.right - 1, left + columns(first..<line.cursor)), y: area.y)
        if line.cursor == line.scalars.count {
            frame.put(hint, x: end + 1, y: area.y, limit: max(0, area.right - end - 2), Style(.axis))
        }
    }

    /// What could be typed next.
    private static func hint(_ text: String, _ list: [(name: String, argument: String, help: String)]) -> String {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard let name = words.first, !name.isEmpty else {
            return list.map(\.name).joined(separator: " ")
        }
        if let entry = list.first(where: { $0.name == name }) {
            guard words.count == 1 || words[1].isEmpty else { return "" }
            return entry.argument.isEmpty ? "- \(entry.help)" : "\(entry.argument) - \(entry.help)"
        }
        guard words.count == 1 else { return "" }
        return list.map(\.name).filter { $0.hasPrefix(name) }.joined(separator: " ")
    }
}

/// The last row: the keys that matter now.
enum Footer {
    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        frame.fill(area, .bar)
        frame.row(items(state).map(\.texts), x: area.x, y: area.y, limit: area.width, gap: gap)
    }

    private static let gap = 1

    private static func items(_ state: DashboardState) -> [(binding: KeyBinding, texts: [(String, Style)])] {
        var bindings = (state.focusContext.map(KeyTable.footer) ?? []) + KeyTable.footer(state.context)
        if state.replay != nil, state.overlay == .none {
            bindings.removeAll { binding in
                KeyTable.steering.contains(binding.action)
                    || binding.keys.contains { KeyTable.action(for: $0, in: .replay) != nil }
            }
            bindings = KeyTable.footer(.replay) + bindings
        }
        return bindings.map { binding in
            let isUseful = isUseful(binding.action, state)
            return (
                binding,
                [
                    (" \(binding.keys.first?.name ?? "")", Style(isUseful ? .title : .axis, on: .bar, .bold)),
                    (" \(label(binding, state))", Style(isUseful ? .barText : .axis, on: .bar)),
                ]
            )
        }
    }

    /// What is drawn at a column; nil between the items and behind them.
    static func binding(at x: Int, _ state: DashboardState, in area: Rectangle) -> KeyBinding? {
        var column = area.x
        for (binding, texts) in items(state) {
            let end = column + texts.reduce(0) { $0 + CharacterWidth.columns($1.0) }
            guard end <= area.right else { return nil }
            if (column..<end).contains(x) { return binding }
            column = end + gap
        }
        return nil
    }

    private static func label(_ binding: KeyBinding, _ state: DashboardState) -> String {
        if let player = state.replay?.player {
            return binding.action == .togglePause && !player.isPlaying ? "Play" : binding.label
        }
        return binding.action == .togglePause && (state.phase == .paused || state.request == .pause)
            ? "Resume" : binding.label
    }

    private static func isUseful(_ action: Action, _ state: DashboardState) -> Bool {
        if state.replay != nil { return true }
        return switch action {
        case .togglePause, .sample, .evaluate: !state.isFinished && !state.isStopping && state.run != nil
        case .step: state.phase == .paused && !state.isStopping
        default: true
        }
    }
}
