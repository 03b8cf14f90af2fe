import Core

/// Text sampled from the model.
enum SamplePanel {
    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        let glyphs = Glyphs.of(state.glyphs)
        let inside = area.inset(x: 2, y: 1)
        let lines = lines(state, width: inside.width)
        let page = inside.height
        let start = min(state.scroll[.sample] ?? 0, max(0, lines.count - page))
        for (row, line) in lines.dropFirst(start).prefix(page).enumerated() {
            var x = inside.x
            for (text, style) in line { x = frame.put(text, x: x, y: inside.y + row, limit: inside.right - x, style) }
        }
        var notes = state.sample.map { ["step \(NumberText.grouped($0.step))"] } ?? []
        if lines.count > page { notes.append(LogPanel.position(start, page, lines.count)) }
        frame.box(area, title: "6 Sample", notes: notes, glyphs: glyphs, hasFocus: state.focus == .sample)
    }

    /// The sample, wrapped at words where possible.
    /// - Parameter width: in cells.
    static func lines(_ state: DashboardState, width: Int) -> [[(String, Style)]] {
        guard let sample = state.sample else {
            let text = state.run == nil || state.isFinished ? "no sample" : "no sample yet: s takes one now"
            return [[(text, Style(.axis))]]
        }
        return wrap([(sample.prompt, Style(.emphasis, .bold)), (sample.text, .text)], width: width)
    }

    /// Text of several styles as lines of at most `width` cells.
    static func wrap(_ texts: [(String, Style)], width: Int) -> [[(String, Style)]] {
        guard width > 0 else { return [] }
        let scalars = texts.flatMap { text, style in text.unicodeScalars.map { ($0, style) } }
        var lines: [[(Unicode.Scalar, Style)]] = []
        var line: [(Unicode.Scalar, Style)] = []
        var used = 0
        /// Where the line can be broken: after its last space.
        var lastBreak: Int?
        func columns(_ items: some Sequence<(Unicode.Scalar, Style)>) -> Int {
            items.reduce(0) { $0 + (CharacterWidth.columns($1.0) ?? 1) }
        }
        for item in scalars {
            if item.0 == "\n" {
                lines.append(line)
                (line, used, lastBreak) = ([], 0, nil)
                continue
            }
            let scalar: Unicode.Scalar = item.0 == "\t" ? " " : item.0
            let columnsNeeded = CharacterWidth.columns(scalar) ?? 1
            if used + columnsNeeded > width {
                if scalar == " " {
                    lines.append(line)
                    (line, used, lastBreak) = ([], 0, nil)
                    continue
                }
                let at = lastBreak ?? line.count
                lines.append(Array(line[..<at]))
                line.removeFirst(at)
                used = columns(line)
                lastBreak = nil
            }
            line.append((scalar, item.1))
            used += columnsNeeded
            if scalar == " " { lastBreak = line.count }
        }
        lines.append(line)
        return lines.map(runs)
    }

    /// Neighbours of the same style become one text.
    private static func runs(_ line: [(Unicode.Scalar, Style)]) -> [(String, Style)] {
        var result: [(String, Style)] = []
        for (scalar, style) in line {
            if let last = result.last, last.1 == style {
                result[result.count - 1].0.unicodeScalars.append(scalar)
            } else {
                result.append((String(Character(scalar)), style))
            }
        }
        return result
    }
}

/// What was written to stderr, the newest last.
enum LogPanel {
    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        let inside = area.inset(x: 2, y: 1)
        let lines = lines(state, width: inside.width)
        let page = inside.height
        let start = max(0, lines.count - page - (state.scroll[.log] ?? 0))
        for (row, line) in lines.dropFirst(start).prefix(page).enumerated() {
            var x = inside.x
            for (text, style) in line { x = frame.put(text, x: x, y: inside.y + row, limit: inside.right - x, style) }
        }
        if lines.isEmpty { frame.put("nothing was written to stderr", x: inside.x, y: inside.y, Style(.axis)) }
        let notes = lines.count > page ? [position(start, page, lines.count)] : []
        frame.box(
            area, title: "7 Log", notes: notes, glyphs: Glyphs.of(state.glyphs), hasFocus: state.focus == .log)
    }

    static func lines(_ state: DashboardState, width: Int) -> [[(String, Style)]] {
        state.log.flatMap { SamplePanel.wrap([($0, .text)], width: width) }
    }

    static func position(_ start: Int, _ page: Int, _ count: Int) -> String {
        "\(start + 1)-\(min(count, start + page))/\(count)"
    }
}

/// The facts of the run.
enum RunPanel {
    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        let glyphs = Glyphs.of(state.glyphs)
        let inside = area.inset(x: 2, y: 1)
        let lines = lines(state, width: inside.width)
        let page = inside.height
        let start = min(state.scroll[.run] ?? 0, max(0, lines.count - page))
        for (row, line) in lines.dropFirst(start).prefix(page).enumerated() {
            var x = inside.x
            for (text, style) in line { x = frame.put(text, x: x, y: inside.y + row, limit: inside.right - x, style) }
        }
        if lines.isEmpty { frame.put("starting", x: inside.x, y: inside.y, Style(.axis)) }
        let notes = lines.count > page ? [LogPanel.position(start, page, lines.count)] : []
        frame.box(area, title: "8 Run", notes: notes, glyphs: glyphs, hasFocus: state.focus == .run)
    }

    /// Names beside values, long values on several lines.
    static func lines(_ state: DashboardState, width: Int) -> [[(String, Style)]] {
        let nameWidth = 11
        return facts(state).flatMap { name, value in
            SamplePanel.wrap([(value, .text)], width: max(1, width - nameWidth)).enumerated().map { index, line in
                let head = index == 0 ? name : ""
                return [(head + String(repeating: " ", count: nameWidth - head.count), Style(.barText))] + line
            }
        }
    }

    private static func facts(_ state: DashboardState) -> [(name: String, value: String)] {
        guard let run = state.run else { return [] }
        let model = run.model
        let isEndless = run.trainingTokens == Int.max
        let heads =
            model.keyValueHeads == model.heads ? "\(model.heads)" : "\(model.heads), \(model.keyValueHeads) key-value"
        var facts = [
            ("model", "\(model.layers) layers, width \(model.width)"), ("heads", heads),
            ("parts", "\(model.norm.rawValue), \(model.position.rawValue), \(model.activation.rawValue)"),
            ("parameters", NumberText.short(Double(run.parameterCount))),
            ("context", "\(NumberText.grouped(model.context)) tokens"),
            ("vocabulary", NumberText.grouped(run.vocabularySize)),
            ("batch", "\(NumberText.grouped(run.tokensPerStep)) tokens a step"),
            ("data", run.data),
            (
                "tokens",
                isEndless
                    ? "endless"
                    : "\(NumberText.short(Double(run.trainingTokens))) train, "
                        + "\(NumberText.short(Double(run.validationTokens))) val"
            ),
        ]
        if let last = state.last {
            let epochs = NumberText.fixed(Double(last.tokens) / Double(max(1, run.trainingTokens)), 2)
            facts.append(
                ("seen", "\(NumberText.short(Double(last.tokens))) tokens" + (isEndless ? "" : ", \(epochs) epochs")))
        }
        if let best = state.bestEvaluation {
            facts.append(
                (
                    "best val",
                    "\(NumberText.significant(Double(best.validationLoss))) at step \(NumberText.grouped(best.step))"
                ))
        }
        facts += [
            ("recipe", (state.map.recipe ?? run.recipe).label),
            (scheduleName, schedule(state, run)),
            ("precision", (state.map.shares ?? run.shares).description),
            ("cost", cost(state)),
            ("kernels", "\(run.kernels), \(run.threads) threads"),
            ("memory", memory(state, run)), ("seed", String(run.seed)),
        ]
        if let folder = state.runFolder { facts.append(("folder", folder)) }
        if state.replay == nil, !state.isAttached { facts.append(("save to", state.savePath ?? "nowhere")) }
        return facts.map { (name: $0.0, value: $0.1) }
    }

    /// What the process has, and what it asked for at its start for model, batch and optimizer.
    private static func memory(_ state: DashboardState, _ run: RunDescription) -> String {
        let reserved = "\(NumberText.bytes(run.memoryBytes)) reserved"
        return state.memoryBytes.map { "\(NumberText.bytes($0)), \(reserved)" } ?? reserved
    }

    static let scheduleName = "schedule"

    /// One line for each phase, in the order in which they begin; past ones without the steps that are left.
    private static func schedule(_ state: DashboardState, _ run: RunDescription) -> String {
        let points = state.schedule.points(steps: run.totalSteps, tokensPerStep: run.tokensPerStep)
        let now = state.last?.step ?? 0
        let lines = points.map { point in
            let when = point.step <= now ? "since" : "from"
            return "\(when) step \(NumberText.grouped(point.step)): \(point.text)"
        }
        return lines.isEmpty ? "no phases" : lines.joined(separator: "\n")
    }

    /// Against BF16.
    private static func cost(_ state: DashboardState) -> String {
        let theory = state.map.cost.map { "\(NumberText.fixed(100 * $0, 1)) % of BF16's in theory" } ?? "-"
        guard let measured = state.map.measuredCost else { return theory }
        return "\(theory), \(NumberText.fixed(100 * measured, 1)) % measured for the linears"
    }
}
