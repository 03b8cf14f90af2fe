import Core

/// All that is known of the module under the map's cursor.
enum InspectorPanel {
    typealias Line = [(String, Style)]

    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        let inside = area.inset(x: 2, y: 1)
        let page = inside.height
        let lines = lines(state, width: inside.width, height: page)
        let start = min(state.scroll[.inspector] ?? 0, max(0, lines.count - page))
        for (row, line) in lines.dropFirst(start).prefix(page).enumerated() {
            var x = inside.x
            for (text, style) in line {
                x = frame.put(text, x: x, y: inside.y + row, limit: max(0, inside.right - x), style)
            }
        }
        let notes = lines.count > page ? [LogPanel.position(start, page, lines.count)] : []
        frame.box(
            area, title: "5 Inspector", notes: notes, glyphs: Glyphs.of(state.glyphs),
            hasFocus: state.focus == .inspector)
    }

    /// On wide panels the histograms stand beside the rest.
    static func lines(_ state: DashboardState, width: Int, height: Int) -> [Line] {
        let map = state.map
        guard let path = map.current, let formats = map.formats[path], let record = map.records[path], width > 0
        else { return [[("starting", Style(.axis))]] }
        let isWide = width >= 100
        let left = isWide ? min(70, width / 2) : width
        var lines = facts(state, path, formats, record, width: left)
        let rows = isWide ? max(3, min(12, height / 3 - 3)) : 3
        let right = HistogramLines.lines(
            record.inspection, width: isWide ? width - left - 2 : width, rows: rows, glyphs: state.glyphs,
            hint: state.refusal == nil ? "i counts the codes of the operands" : "the codes were not counted"
        )
        .flatMap { SamplePanel.wrap($0, width: isWide ? width - left - 2 : width) }
        guard isWide else { return lines + [[]] + right }
        while lines.count < right.count { lines.append([]) }
        for (index, line) in right.enumerated() {
            let used = lines[index].reduce(0) { $0 + CharacterWidth.columns($1.0) }
            lines[index].append((String(repeating: " ", count: max(1, left + 2 - used)), .text))
            lines[index] += line
        }
        return lines
    }

    // MARK: Facts

    private static func facts(
        _ state: DashboardState, _ path: ModulePath, _ formats: LinearFormats, _ record: ModuleRecord, width: Int
    ) -> [Line] {
        let map = state.map
        let glyphs = Glyphs.of(state.glyphs)
        let plain = Style(.barText)
        var lines: [Line] = []
        if let model = map.model {
            let shape = model.shape(of: path, vocabularySize: map.vocabularySize)
            let name: Line = [(path.description, Style(.strong, .bold)), (" \(formats.precisions)", Style(.emphasis))]
            let size: Line = [("\(shape.inputs) in, \(shape.outputs) out", plain)]
            let used = (name + size).reduce(2) { $0 + CharacterWidth.columns($1.0) }
            lines += used <= width ? [name + [("  ", .text)] + size] : [name, size]
        }
        if let pending = map.pendingFormats(of: path) {
            let word = map.pending.isWaiting(path) ? "pending" : "sent"
            lines.append([("\(word): \(pending.precisions) from the next step on", Style(.warning, .bold))])
        }
        lines += operands(formats, record, width: width, glyphs)
        lines += cost(map, path, formats, record)
        let isOld = record.areFiguresOld
        if let norm = record.figures?.gradientNorm {
            lines.append([
                ("gradient norm ", plain), old(NumberText.significant(norm), isOld, value(norm)),
            ])
        }
        if let figures = record.figures {
            lines.append([
                ("forward ", plain), old(time(figures.forwardMilliseconds), isOld, .text), ("  backward ", plain),
                old(time(figures.backwardMilliseconds), isOld, .text),
            ])
        }
        if let clipping = record.lastClipping {
            let times = record.clippings == 1 ? "once" : "\(NumberText.grouped(record.clippings)) times"
            lines.append([
                ("gradient clipped \(times)", Style(.clip)),
                (", \(percent(clipping.gradient.fraction)) at step \(NumberText.grouped(clipping.step))", plain),
            ])
        }
        lines += probe(record)
        lines += sensitivity(map, record)
        if record.areFiguresOld || record.isProbeOld || record.isSensitivityOld,
            lines.joined().contains(where: isMarkedOld)
        {
            lines.append([("\(PrecisionPanel.oldMark) before the last change of precision", Style(.axis))])
        }
        lines += history(record, width: width, state.glyphs)
        return lines.flatMap { SamplePanel.wrap($0, width: width) }
    }

    /// Formats and health of the operands, GEMM by GEMM.
    private static func operands(
        _ formats: LinearFormats, _ record: ModuleRecord, width: Int, _ glyphs: Glyphs
    ) -> [Line] {
        let plain = Style(.axis)
        let hasMaximum = width >= 42
        let figuresWidth = (hasMaximum ? 7 : 0) + 16
        let formatWidth = max(4, min(40, width - 8 - figuresWidth))
        var header = right("sat%", 5) + right("zero%", 6) + right("SQNR", 5)
        if hasMaximum { header = right("amax", 7) + header }
        var lines: [Line] = [[(left("", 8 + formatWidth), plain), (header, plain)]]
        for gemm in GEMMKind.allCases {
            let health = record.health(gemm)
            let names =
                switch gemm {
                case .fprop: ("X", "W")
                case .dgrad: ("E", "W")
                case .wgrad: ("E", "X")
                }
            for (index, item) in [
                (names.0, formats[gemm].a, health?.a), (names.1, formats[gemm].b, health?.b),
            ].enumerated() {
                let format = TitleBar.shortened(item.1.description, to: formatWidth - 1, glyphs)
                var line: Line = [
                    (left(index == 0 ? gemm.rawValue : "", 6), Style(.barText)), (left(item.0, 2), Style(.emphasis)),
                    (left(format, formatWidth), Style(PrecisionPanel.role(Precision(item.1)))),
                ]
                line += figures(item.2, hasMaximum: hasMaximum)
                lines.append(line)
            }
        }
        return lines
    }

    private static func figures(_ health: QuantizationHealth?, hasMaximum: Bool) -> Line {
        guard let health else { return [(right("-", hasMaximum ? 7 : 5), Style(.axis))] }
        var line: Line = []
        if hasMaximum {
            line.append(
                (right(NumberText.trimmed(NumberText.significant(Double(health.amax))), 7), value(Double(health.amax))))
        }
        if health.nonFinite > 0 {
            line.append((right("N \(NumberText.short(Double(health.nonFinite)))", 16), Style(.error, .bold)))
            return line
        }
        for (view, figure) in [
            (MapView.saturation, health.saturation.map { 100 * $0 }),
            (.underflow, health.underflow.map { 100 * $0 }), (.sqnr, health.sqnr),
        ] {
            let text = figure.map { NumberText.brief($0, 4) } ?? "-"
            let role = figure.map { view.role($0, among: $0...$0) } ?? .axis
            line.append((right(text, view == .underflow ? 6 : 5), Style(role)))
        }
        return line
    }

    private static func cost(
        _ map: PrecisionMap, _ path: ModulePath, _ formats: LinearFormats, _ record: ModuleRecord
    ) -> [Line] {
        guard let model = map.model else { return [] }
        let plan = PrecisionPlan(general: formats, linears: [:], attentionCore: .bf16)
        let theory = CostModel(model, vocabularySize: map.vocabularySize).cost(of: [path], plan)
        var line: Line = [("cost of BF16's: theory ", Style(.barText)), (percent(theory), Style(.emphasis))]
        if let measured = record.relativeTime, let times = record.probeTime {
            line += [
                ("  measured ", Style(.barText)),
                old(percent(measured), record.isProbeOld, Style(measured < 1 ? .ok : .warning)),
                (" (\(time(times.now)) for \(time(times.reference)))", Style(.axis)),
            ]
        }
        return [line]
    }

    private static func probe(_ record: ModuleRecord) -> [Line] {
        guard let (step, module) = record.probe else { return [] }
        let plain = Style(.barText)
        let isOld = record.isProbeOld
        let error = module.gradientError.map(percent) ?? "-"
        var lines: [Line] = [
            [
                ("probe at \(NumberText.grouped(step)): gradient error ", plain),
                old(error, isOld, Style(.emphasis)),
            ]
        ]
        if let rho = module.rho {
            let isLow = rho < 3.0.squareRoot() && !isOld
            lines[0] += [
                ("  rho ", plain),
                old(NumberText.brief(rho, 4), isOld, isLow ? Style(.error, .bold) : Style(.emphasis)),
            ]
            if isLow { lines.append([("! rho below 1.73: quantization noise stops learning", Style(.error, .bold))]) }
        }
        var line: Line = []
        if let flips = module.flipRate { line += [("flip rate ", plain), old(percent(flips), isOld, .text)] }
        if let oscillation = module.oscillation {
            line += [
                (line.isEmpty ? "oscillation " : "  oscillation ", plain),
                old(brief(oscillation, 4), isOld, Style(oscillation >= 16 ? .warning : .text)),
            ]
        }
        if !line.isEmpty { lines.append(line) }
        if let oscillating = module.oscillating {
            lines.append([
                ("oscillating weights ", plain), (percent(oscillating), .text),
                (module.oscillationSteps.map { " in \($0) steps" } ?? "", plain),
            ])
        }
        return lines
    }

    /// What each precision does in this module alone.
    private static func sensitivity(_ map: PrecisionMap, _ record: ModuleRecord) -> [Line] {
        guard let measured = map.sensitivity, !record.sensitivities.isEmpty else { return [] }
        let plain = Style(.barText)
        let head: Line = [
            ("alone in low precision at step \(NumberText.grouped(measured.step)), 1e-3 nats:", plain)
        ]
        return [head]
            + record.sensitivities.map { figures, damage in
                let isOld = record.isSensitivityOld
                let role = MapView.sensitivity.role(1000 * damage, among: 0...0)
                let loss = NumberText.brief(1000 * figures.lossChange, 4)
                return [
                    (left(figures.precision.rawValue, 5), Style(PrecisionPanel.role(figures.precision))),
                    ("damage ", plain), old(NumberText.brief(1000 * damage, 4), isOld, Style(role)),
                    (" loss ", plain), old(figures.lossChange > 0 ? "+\(loss)" : loss, isOld, .text),
                    (" dW ", plain), old(percent(figures.gradientError), isOld, .text),
                    (" all ", plain), old(percent(figures.wholeGradientError), isOld, .text),
                ]
            }
    }

    /// What was measured before the last change is marked.
    private static func old(_ text: String, _ isOld: Bool, _ style: Style) -> (String, Style) {
        isOld ? ("\(PrecisionPanel.oldMark)\(text)", Style(.axis)) : (text, style)
    }

    private static func isMarkedOld(_ item: (String, Style)) -> Bool {
        item.0.unicodeScalars.first == PrecisionPanel.oldMark
    }

    private static func history(_ record: ModuleRecord, width: Int, _ glyphs: GlyphSet) -> [Line] {
        guard record.history.count > 1 else { return [] }
        let room = max(1, width - 15)
        let rows: [(String, [Double?])] = [
            ("SQNR ", record.history.map(\.sqnr)), ("sat% ", record.history.map { $0.saturation.map { 100 * $0 } }),
        ]
        return rows.compactMap { name, values in
            let shown = Array(values.suffix(room))
            let finite = shown.compactMap { $0 }
            guard let low = finite.min(), let high = finite.max() else { return nil }
            return [
                (name, Style(.barText)), (Sparkline.text(shown, glyphs), Style(.loss)),
                (" \(brief(low, 4))-\(brief(high, 4))", Style(.axis)),
            ]
        }
    }

    // MARK: Text

    static func percent(_ share: Double) -> String {
        let value = 100 * share
        return
            (abs(value) >= 0.995 || value == 0 || !value.isFinite
            ? NumberText.trimmed(NumberText.fixed(value, 1)) : brief(value, 3)) + "%"
    }

    private static func time(_ milliseconds: Double) -> String { "\(brief(milliseconds, 4)) ms" }

    /// Without zeros at the end.
    static func brief(_ value: Double, _ cells: Int) -> String { NumberText.trimmed(NumberText.brief(value, cells)) }

    private static func value(_ number: Double) -> Style { number.isFinite ? .text : Style(.error, .bold) }

    private static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - CharacterWidth.columns(text)))
    }

    private static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - CharacterWidth.columns(text))) + text
    }
}

/// Values over time in one line.
enum Sparkline {
    /// From low to high.
    static func levels(_ glyphs: GlyphSet) -> [Character] { Array(glyphs == .ascii ? "_.-=+*#@" : "▁▂▃▄▅▆▇█") }

    /// One character a value, from the smallest to the largest; a space where there is none.
    static func text(_ values: [Double?], _ glyphs: GlyphSet) -> String {
        let levels = levels(glyphs)
        let finite = values.compactMap { $0 }.filter(\.isFinite)
        guard let low = finite.min(), let high = finite.max() else { return "" }
        return String(
            values.map { value in
                guard let value, value.isFinite else { return " " }
                let place = high > low ? (value - low) / (high - low) : 0
                return levels[min(levels.count - 1, max(0, Int((place * Double(levels.count - 1)).rounded())))]
            })
    }
}
