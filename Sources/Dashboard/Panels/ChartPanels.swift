import Core

/// Loss and gradient norm over the steps.
enum ChartPanels {
    static func drawLoss(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        let glyphs = Glyphs.of(state.glyphs)
        let inside = area.inset(x: 2, y: 1)
        let average = state.averageSeries[state.view.smoothing]
        let smoothing = ChartView.smoothings[state.view.smoothing]
        let averageStyle = Style(.loss, .bold)
        var curves = [
            Chart.Curve(series: state.loss, form: .span, layer: .init(style: Style(.raw)))
        ]
        if smoothing > 0 {
            curves.append(
                Chart.Curve(
                    series: average, form: .line, layer: .init(style: averageStyle, character: "*"),
                    decidesBounds: false))
        }
        curves.append(
            Chart.Curve(
                series: state.validation, form: .points(glyphs.point),
                layer: .init(style: Style(.validation, .bold), character: glyphs.point)))
        var references: [Chart.Reference] = []
        if let floor = state.run?.entropyFloor {
            references.append(Chart.Reference(value: floor, layer: .init(style: Style(.floor), character: "-")))
        }
        var chart = Chart(
            range: state.view.range(lastStep: state.loss.lastStep), isLogarithmic: state.view.isLossLogarithmic, glyphs: state.glyphs, curves: curves,
            references: references, emptyText: emptyText(state))
        let plot = Rectangle(x: inside.x, y: inside.y + 1, width: inside.width, height: inside.height - 1)

        var legend: [[(String, Style)]] = []
        if let last = state.last {
            legend.append(
                entry(glyphs.rawKey, Style(.raw), inside.width >= 60 ? "loss" : nil, Double(last.loss)))
        }
        if smoothing > 0, let value = state.averages[state.view.smoothing].value {
            legend.append(entry(glyphs.lineKey, averageStyle, "ema", value))
        }
        if let evaluation = state.lastEvaluation {
            legend.append(
                entry(
                    String(glyphs.point), Style(.validation, .bold), "val", Double(evaluation.validationLoss)))
        }
        if let floor = state.run?.entropyFloor {
            legend.append(entry(glyphs.referenceKey, Style(.floor), "floor", floor))
        }
        frame.row(legend, x: inside.x, y: inside.y, limit: inside.width)
        chart.draw(into: &frame, at: plot)
        frame.box(
            area, title: "1 Loss",
            notes: notes(
                state, chart, nonFinite: state.loss.nonFinite,
                smoothing: smoothing > 0 ? "ema \(NumberText.trimmed(NumberText.fixed(smoothing, 3)))" : "no ema"),
            glyphs: glyphs, hasFocus: state.focus == .loss)
    }

    static func drawGradientNorm(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        let glyphs = Glyphs.of(state.glyphs)
        let inside = area.inset(x: 2, y: 1)
        var references: [Chart.Reference] = []
        let clip = state.gradientClip ?? 0
        if clip > 0 {
            references.append(Chart.Reference(value: clip, layer: .init(style: Style(.clip), character: "-")))
        }
        var chart = Chart(
            range: state.view.range(lastStep: state.loss.lastStep), isLogarithmic: state.view.isGradientNormLogarithmic, glyphs: state.glyphs,
            curves: [
                Chart.Curve(series: state.gradientNorm, form: .span, layer: .init(style: Style(.raw))),
                Chart.Curve(
                    series: state.gradientNorm, form: .line,
                    layer: .init(style: Style(.gradientNorm, .bold), character: "*")),
            ],
            references: references, emptyText: emptyText(state))
        var legend: [[(String, Style)]] = []
        let isWide = inside.width >= 44
        if let last = state.last {
            legend.append(
                entry(glyphs.lineKey, Style(.gradientNorm, .bold), isWide ? "norm" : nil, Double(last.gradientNorm)))
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
        frame.row(legend, x: inside.x, y: inside.y, limit: inside.width)
        chart.draw(
            into: &frame,
            at: Rectangle(x: inside.x, y: inside.y + 1, width: inside.width, height: inside.height - 1))
        frame.box(
            area, title: "2 Grad norm",
            notes: notes(state, chart, nonFinite: state.gradientNorm.nonFinite, smoothing: nil),
            glyphs: glyphs, hasFocus: state.focus == .gradientNorm)
    }

    private static func emptyText(_ state: DashboardState) -> String {
        switch state.phase {
        case .starting: "starting"
        case .running, .paused: state.last == nil ? "waiting for the first step" : "nothing to show"
        case .finished: "nothing to show"
        }
    }

    private static func entry(_ key: String, _ style: Style, _ name: String?, _ value: Double) -> [(String, Style)] {
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
        if let window = state.view.window { notes.append("last \(NumberText.axisCount(window))") }
        let glyphs = Glyphs.of(state.glyphs)
        if chart.hiddenValues > 0 { notes.append("\(chart.hiddenValues) not above 0") }
        if nonFinite > 0 { notes.append("\(nonFinite)\(glyphs.times) not finite") }
        return notes
    }
}
