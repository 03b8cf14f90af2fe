import Core

/// Loss and gradient norm over the steps.
enum ChartPanels {
    private typealias Entry = [(String, Style)]

    private static let averageStyle = Style(.loss, .bold)
    private static let validationStyle = Style(.validation, .bold)
    private static let forkStyle = Style(.comparison, .bold)
    private static let normStyle = Style(.gradientNorm, .bold)
    private static let clippedStyle = Style(.clip, .bold)

    // MARK: Loss

    static func drawLoss(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        let glyphs = Glyphs.of(state.glyphs)
        let inside = area.inset(x: 2, y: 1)
        let smoothing = ChartView.smoothings[state.view.smoothing]
        var chart = chart(state, isLogarithmic: state.view.isLossLogarithmic)
        if state.forkState != nil {
            chart.curves.append(
                Chart.Curve(series: state.fork, form: .span, layer: .init(style: Style(.comparison), character: ",")))
        }
        for (index, run) in state.comparisons.enumerated() {
            let layer = DotCanvas.Layer(style: ComparedRun.styles[index], character: ComparedRun.characters[index])
            chart.curves.append(Chart.Curve(series: run.curve(state.view.smoothing), form: .line, layer: layer))
            chart.curves.append(
                Chart.Curve(series: run.validation, form: .points(glyphs.comparedPoint), layer: layer))
        }
        chart.curves.append(Chart.Curve(series: state.loss, form: .span, layer: .init(style: Style(.raw))))
        if smoothing > 0 {
            if state.forkState != nil {
                chart.curves.append(
                    Chart.Curve(
                        series: state.forkAverage.series[state.view.smoothing], form: .line,
                        layer: .init(style: forkStyle, character: "~"), decidesBounds: false))
            }
            chart.curves.append(
                Chart.Curve(
                    series: state.average.series[state.view.smoothing], form: .line,
                    layer: .init(style: averageStyle, character: "*"), decidesBounds: false))
        }
        chart.curves.append(
            Chart.Curve(
                series: state.validation, form: .points(glyphs.point),
                layer: .init(style: validationStyle, character: glyphs.point)))
        if let floor = state.run?.entropyFloor {
            chart.references.append(Chart.Reference(value: floor, layer: .init(style: Style(.floor), character: "-")))
        }
        chart.marks = state.marks

        let crosshair = state.view.crosshair(in: chart.range)
        let legend =
            crosshair == nil
            ? lossLegend(state, isWide: inside.width >= 60)
            : crosshairLegend(
                state, at: crosshair, ["loss", "ema", "val", "fork"] + state.comparisons.map { name(of: $0, glyphs) })
        // The floor alone is not worth a row of a small plot.
        let hasRoom = crosshair != nil || state.forkState != nil || !state.comparisons.isEmpty || inside.height >= 16
        let rows = drawLegend(legend, rows: hasRoom ? 2 : 1, into: &frame, at: inside)
        chart.draw(into: &frame, at: plot(inside, rows))
        frame.box(
            area, title: "1 Loss",
            notes: notes(
                state, chart, nonFinite: state.loss.nonFinite,
                smoothing: smoothing > 0 ? "ema \(NumberText.trimmed(NumberText.fixed(smoothing, 3)))" : "no ema"),
            glyphs: glyphs, hasFocus: state.focus == .loss)
    }

    private static func lossLegend(_ state: DashboardState, isWide: Bool) -> [Entry] {
        let glyphs = Glyphs.of(state.glyphs)
        let average = state.average.averages[state.view.smoothing].value
        var legend: [Entry] = []
        if let last = state.last {
            legend.append(entry(glyphs.rawKey, Style(.raw), isWide ? "loss" : nil, Double(last.loss)))
        }
        if state.view.smoothing > 0, let average {
            legend.append(entry(glyphs.lineKey, averageStyle, "ema", average))
        }
        if let evaluation = state.lastEvaluation {
            legend.append(entry(String(glyphs.point), validationStyle, "val", Double(evaluation.validationLoss)))
        }
        if let fork = forkEntry(state) { legend.append(fork) }
        for index in state.comparisons.indices { legend.append(comparisonEntry(state, index)) }
        if let floor = state.run?.entropyFloor {
            legend.append(entry(glyphs.referenceKey, Style(.floor), "floor", floor))
        }
        return legend
    }

    /// A run that is compared, and how much higher its loss is: "bf16-2 +0.0120", of an earlier step "bf16-2 +0.0120@12k".
    private static func comparisonEntry(_ state: DashboardState, _ index: Int) -> Entry {
        let glyphs = Glyphs.of(state.glyphs)
        let run = state.comparisons[index]
        let key = state.glyphs == .ascii ? String(ComparedRun.characters[index]) : glyphs.forkKey
        var entry: Entry = [(key, ComparedRun.styles[index]), (" \(name(of: run, glyphs))", Style(.barText))]
        guard let found = state.difference(of: run) else { return entry }
        let place = found.step == state.last?.step ? "" : "@\(NumberText.axisCount(found.step))"
        entry.append((" \(NumberText.signed(found.difference))", Style(.emphasis)))
        entry.append((place, Style(.barText)))
        return entry
    }

    private static func name(of run: ComparedRun, _ glyphs: Glyphs) -> String {
        TitleBar.shortened(run.name, to: 20, glyphs)
    }

    /// The fork's loss against the run's: "fork -0.0120".
    private static func forkEntry(_ state: DashboardState) -> Entry? {
        guard let kind = state.forkState else { return nil }
        let name =
            switch kind {
            case .began, .resumed: "fork"
            case .swapped: "former run"
            case .dropped: "fork (dropped)"
            case .diverged: "fork (diverged)"
            }
        let key = (Glyphs.of(state.glyphs).forkKey, forkStyle)
        guard let difference = forkDifference(state) else { return [key, (" \(name)", Style(.barText))] }
        return [
            key, (" \(name) ", Style(.barText)), (NumberText.signed(difference), Style(.emphasis)),
        ]
    }

    /// Of the averages, or without smoothing of the newest losses, at the fork's last step.
    static func forkDifference(_ state: DashboardState) -> Double? {
        guard let step = state.fork.lastStep else { return nil }
        let index = state.view.smoothing
        let fork = index > 0 ? state.forkAverage.series[index] : state.fork
        let run = index > 0 ? state.average.series[index] : state.loss
        guard let a = fork.latest(upTo: step)?.bucket, let b = run.latest(upTo: step)?.bucket, a.count > 0, b.count > 0
        else { return nil }
        return Double(a.mean) - Double(b.mean)
    }

    // MARK: Gradient norm

    static func drawGradientNorm(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        if state.view.showsModules {
            ModulesPanel.draw(state, into: &frame, at: area)
            return
        }
        let glyphs = Glyphs.of(state.glyphs)
        let inside = area.inset(x: 2, y: 1)
        let clip = state.gradientClip ?? 0
        var chart = chart(state, isLogarithmic: state.view.isGradientNormLogarithmic)
        if clip > 0 {
            chart.references.append(Chart.Reference(value: clip, layer: .init(style: Style(.clip), character: "-")))
        }
        chart.curves = [
            Chart.Curve(series: state.gradientNorm, form: .span, layer: .init(style: Style(.raw))),
            // Seen where it differs from the norm before clipping, which lies above it.
            Chart.Curve(
                series: state.clippedNorm, form: .line, layer: .init(style: clippedStyle, character: "="),
                decidesBounds: false),
            Chart.Curve(series: state.gradientNorm, form: .line, layer: .init(style: normStyle, character: "*")),
        ]
        let crosshair = state.view.crosshair(in: chart.range)
        let legend =
            crosshair == nil
            ? normLegend(state, clip: clip, isWide: inside.width >= 44)
            : crosshairLegend(state, at: crosshair, ["norm", "after", "lr"])
        let rows = drawLegend(legend, rows: 2, into: &frame, at: inside)
        chart.draw(into: &frame, at: plot(inside, rows))
        frame.box(
            area, title: "2 Grad norm",
            notes: notes(state, chart, nonFinite: state.gradientNorm.nonFinite, smoothing: nil),
            glyphs: glyphs, hasFocus: state.focus == .gradientNorm)
    }

    private static func normLegend(_ state: DashboardState, clip: Double, isWide: Bool) -> [Entry] {
        let glyphs = Glyphs.of(state.glyphs)
        var legend: [Entry] = []
        if let last = state.last {
            legend.append(entry(glyphs.lineKey, normStyle, isWide ? "norm" : nil, Double(last.gradientNorm)))
            if last.isClipped {
                legend.append(entry(glyphs.clippedKey, clippedStyle, isWide ? "after" : nil, Double(last.clippedNorm)))
            }
        }
        if state.run != nil {
            legend.append(
                clip > 0
                    ? [
                        (glyphs.referenceKey, Style(.clip)),
                        (" clip \(NumberText.trimmed(NumberText.significant(clip)))", .text),
                    ]
                    : [("no clipping", Style(.barText))])
        }
        if clip > 0, let share = state.recentClips.share {
            let scope =
                state.recentClips.count < 1000 ? " of \(NumberText.grouped(state.recentClips.count))" : " of last 1k"
            legend.append([
                (NumberText.fixed(share * 100, share < 0.0995 ? 1 : 0) + "%", Style(share > 0 ? .clip : .text, .bold)),
                (" clipped" + (isWide ? scope : ""), Style(.barText)),
            ])
        }
        if let largest = state.moduleGradients.rows.first, let share = largest.share {
            legend.append([
                ("largest ", Style(.barText)), (largest.path.description, .text),
                (" \(NumberText.percent(share))", Style(.emphasis)),
            ])
        }
        return legend
    }

    // MARK: Both

    private static func chart(_ state: DashboardState, isLogarithmic: Bool) -> Chart {
        var chart = Chart(
            range: state.view.range(in: state.recordedSteps), isLogarithmic: isLogarithmic, glyphs: state.glyphs,
            curves: [], emptyText: emptyText(state))
        chart.axis =
            switch state.view.axis {
            case .steps: .steps
            case .tokens: .tokens(perStep: state.run?.tokensPerStep ?? 0)
            case .time: .time(state.times)
            }
        chart.ignoresOutliers = state.view.ignoresOutliers
        chart.crosshair = state.view.crosshair
        return chart
    }

    private static func plot(_ inside: Rectangle, _ legendRows: Int) -> Rectangle {
        Rectangle(x: inside.x, y: inside.y + legendRows, width: inside.width, height: inside.height - legendRows)
    }

    /// Whole entries, on a second row if the plot keeps enough room.
    /// - Returns: the rows used.
    private static func drawLegend(_ legend: [Entry], rows: Int, into frame: inout Frame, at inside: Rectangle) -> Int {
        var row = 0
        var x = inside.x
        for entry in legend {
            let width = entry.reduce(0) { $0 + CharacterWidth.columns($1.0) }
            if x > inside.x, x + width > inside.right, row + 1 < rows, inside.height >= 8 {
                row = 1
                x = inside.x
            }
            guard x + width <= inside.right else { continue }
            for (text, style) in entry { x = frame.put(text, x: x, y: inside.y + row, style) }
            x += 2
        }
        return row + 1
    }

    /// The step, and of its values those that belong to the chart.
    private static func crosshairLegend(_ state: DashboardState, at step: Int?, _ names: [String]) -> [Entry] {
        values(state, at: step).filter { value in
            value.name.hasPrefix("step") || names.contains { value.name.hasPrefix($0) }
        }.map { value in
            [
                ("\(value.name) ", Style(.barText)),
                (value.text, value.isFinite ? Style(.emphasis) : Style(.error, .bold)),
            ]
        }
    }

    struct Value: Hashable {
        var name: String
        var text: String
        var isFinite: Bool
    }

    /// What is known of a step, or of the newest: steps long ago are known in groups.
    static func values(_ state: DashboardState, at step: Int?) -> [Value] {
        guard let step = step ?? state.last?.step else { return [] }
        let steps = state.loss.value(at: step)?.steps ?? step...step
        let isOne = steps.lowerBound == steps.upperBound
        var values = [
            Value(
                name: isOne ? "step" : "steps",
                text: isOne
                    ? NumberText.grouped(step)
                    : "\(NumberText.grouped(steps.lowerBound))-\(NumberText.grouped(steps.upperBound))",
                isFinite: true)
        ]
        func add(_ name: String, _ bucket: Bucket?, _ write: (Double) -> String = NumberText.significant) {
            guard let bucket, !bucket.isEmpty else { return }
            let text = bucket.count > 0 ? write(Double(bucket.mean)) : "not finite"
            values.append(Value(name: name, text: text, isFinite: bucket.nonFinite == 0))
        }
        add("loss", state.loss.value(at: step)?.bucket)
        if state.view.smoothing > 0 { add("ema", state.average.series[state.view.smoothing].value(at: step)?.bucket) }
        if let validation = state.validation.latest(upTo: step) {
            let place = validation.steps.upperBound
            add(place == step ? "val" : "val@\(NumberText.axisCount(place))", validation.bucket)
        }
        if state.forkState != nil { add("fork", state.fork.value(at: step)?.bucket) }
        for run in state.comparisons {
            guard let found = state.difference(of: run, at: step) else { continue }
            let text = "\(NumberText.significant(found.loss)) (\(NumberText.signed(found.difference)))"
            values.append(
                Value(name: name(of: run, Glyphs.of(state.glyphs)), text: text, isFinite: found.loss.isFinite))
        }
        add("norm", state.gradientNorm.value(at: step)?.bucket)
        add("after", state.clippedNorm.value(at: step)?.bucket)
        add("lr", state.learningRates.value(at: step)?.bucket, NumberText.scientific)
        return values
    }

    private static func emptyText(_ state: DashboardState) -> String {
        switch state.phase {
        case .starting: "starting"
        case .running, .paused: state.last == nil ? "waiting for the first step" : "nothing to show"
        case .finished: "nothing to show"
        }
    }

    private static func entry(_ key: String, _ style: Style, _ name: String?, _ value: Double) -> Entry {
        [
            (key, style), (name.map { " \($0) " } ?? " ", Style(.barText)),
            (NumberText.significant(value), value.isFinite ? Style(.emphasis) : Style(.error, .bold)),
        ]
    }

    private static func notes(
        _ state: DashboardState, _ chart: Chart, nonFinite: Int, smoothing: String?
    ) -> [String] {
        var notes: [String] = []
        if let smoothing { notes.append(smoothing) }
        notes.append(chart.isLogarithmic ? "log y" : "linear")
        if state.view.axis != .steps { notes.append(state.view.axis.rawValue) }
        if let window = state.view.window {
            notes.append(
                state.view.end == nil
                    ? "last \(NumberText.axisCount(window))"
                    : "\(NumberText.grouped(chart.range.lowerBound))-\(NumberText.grouped(chart.range.upperBound))")
        }
        if chart.ignoresOutliers { notes.append("\(chart.cutColumns) cut") }
        if chart.hiddenValues > 0 { notes.append("\(chart.hiddenValues) not above 0") }
        if nonFinite > 0 { notes.append("\(nonFinite)\(Glyphs.of(state.glyphs).times) not finite") }
        return notes
    }
}
