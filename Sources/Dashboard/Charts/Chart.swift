/// A picture of quantities over steps, with axes.
struct Chart {
    /// What a curve shows of each column.
    enum Form {
        /// From the smallest to the largest value.
        case span
        /// The mean, joined by lines.
        case line
        /// The mean, one mark each.
        case points(Unicode.Scalar)
    }

    struct Curve {
        var series: Series
        var form: Form
        var layer: DotCanvas.Layer
        /// Whether the y axis must hold all of it.
        var decidesBounds = true
    }

    /// A horizontal line.
    struct Reference {
        var value: Double
        var layer: DotCanvas.Layer
    }

    var range: ClosedRange<Int>
    var isLogarithmic: Bool
    var glyphs: GlyphSet
    /// From the lowest layer to the highest.
    var curves: [Curve]
    /// Drawn beneath the curves; in the picture only if that doesn't squeeze the curves to less than half of it.
    var references: [Reference] = []
    var emptyText = ""
    /// What the x axis counts.
    var axis = StepAxis.Unit.steps
    /// The y axis holds what lies between the first and the last percentile of the columns.
    var ignoresOutliers = false
    /// Characters in the top row, with a line down to the x axis.
    var marks = ChartMarks()
    /// A step with a line through it.
    var crosshair: Int?

    /// Values in view that a logarithmic axis can't show.
    private(set) var hiddenValues = 0
    /// Columns in view with values beyond the y axis.
    private(set) var cutColumns = 0

    private static let labelStyle = Style(.barText)
    private static let axisStyle = Style(.axis)

    init(
        range: ClosedRange<Int>, isLogarithmic: Bool, glyphs: GlyphSet, curves: [Curve], references: [Reference] = [],
        emptyText: String = ""
    ) {
        self.range = range
        self.isLogarithmic = isLogarithmic
        self.glyphs = glyphs
        self.curves = curves
        self.references = references
        self.emptyText = emptyText
    }

    /// Draws axes and curves.
    mutating func draw(into frame: inout Frame, at area: Rectangle) {
        guard area.width >= 8, area.height >= 3 else { return }
        let dotsAcross = glyphs == .braille ? 2 : 1
        // The y labels decide the width of the plot, and the plot's columns decide the labels: measured once with the
        // widest plot, which holds the same values.
        let widest = columns(count: area.width * dotsAcross)
        hiddenValues = isLogarithmic ? widest.joined().reduce(0) { $0 + Int($1.nonPositive) } : 0
        guard let scale = scale(widest) else {
            let text = CharacterWidth.prefix(emptyText, columns: area.width)
            frame.put(
                text, x: area.x + (area.width - CharacterWidth.columns(text)) / 2, y: area.y + area.height / 2,
                Chart.axisStyle)
            return
        }
        let rows = area.height - 2
        let ticks = scale.ticks(limit: max(2, (rows + 1) / 2))
        let gutter = min(ticks.map(\.label.count).max() ?? 0, area.width / 3)
        let plot = Rectangle(x: area.x + gutter + 1, y: area.y, width: area.width - gutter - 1, height: rows)
        drawAxes(into: &frame, area: area, plot: plot, scale: scale, ticks: ticks, gutter: gutter)

        var canvas = DotCanvas(width: plot.width, height: plot.height, glyphs: glyphs)
        for reference in references {
            guard let row = Chart.dotRow(reference.value, scale, canvas) else { continue }
            canvas.begin(reference.layer)
            for x in 0..<canvas.dotWidth where x % 4 < 2 || glyphs == .ascii && x % 2 == 0 { canvas.set(x: x, y: row) }
        }
        let marks = self.marks.columns(range, count: plot.width)
        drawLines(of: marks, &canvas)
        let columns = columns(count: canvas.dotWidth)
        for (curve, columns) in zip(curves, columns) {
            canvas.begin(curve.layer)
            switch curve.form {
            case .span: Chart.drawSpans(columns, scale, &canvas)
            case .line: Chart.drawLine(columns, scale, &canvas)
            case .points(let mark): Chart.drawPoints(columns, mark, scale, &canvas)
            }
        }
        for kind in ChartMarks.Kind.allCases {
            canvas.begin(DotCanvas.Layer(style: kind.style))
            for (column, found) in marks where found == kind { canvas.mark(kind.character, column: column, row: 0) }
        }
        canvas.begin(DotCanvas.Layer(style: Style(.error, .bold)))
        for columns in columns {
            for (x, column) in columns.enumerated() where column.nonFinite > 0 {
                canvas.mark("N", column: x / dotsAcross, row: 0)
            }
        }
        canvas.draw(into: &frame, at: plot)
        if let column = crosshairColumn(plot.width) {
            frame.put(Glyphs.of(glyphs).axisTick, x: plot.x + column, y: plot.bottom, Style(.focus, .bold))
        }
    }

    /// Beneath the curves: a dotted line for each mark, unless they are so many that they would fill the plot, and the
    /// crosshair.
    private func drawLines(of marks: [Int: ChartMarks.Kind], _ canvas: inout DotCanvas) {
        let lines = marks.filter { $0.value != .saved }
        if lines.count * 4 <= canvas.width {
            for kind in ChartMarks.Kind.allCases {
                canvas.begin(DotCanvas.Layer(style: Style(kind.style.role), character: ":"))
                for (column, found) in lines where found == kind {
                    for y in stride(from: 0, to: canvas.dotHeight, by: 2) {
                        canvas.set(x: column * canvas.dotsPerColumn, y: y)
                    }
                }
            }
        }
        guard let column = crosshairColumn(canvas.width) else { return }
        canvas.begin(DotCanvas.Layer(style: Style(.focus, .bold)))
        for row in 0..<canvas.height { canvas.mark(Glyphs.of(glyphs).vertical, column: column, row: row) }
    }

    private func crosshairColumn(_ width: Int) -> Int? {
        guard let crosshair, range.contains(crosshair), width > 0 else { return nil }
        let share = Double(crosshair - range.lowerBound) / Double(max(1, range.upperBound - range.lowerBound))
        return Int((share * Double(width - 1)).rounded())
    }

    private func columns(count: Int) -> [[Bucket]] {
        curves.map { $0.series.columns(range, count: count) }
    }

    private mutating func scale(_ columns: [[Bucket]]) -> Scale? {
        var lows: [Float] = []
        var highs: [Float] = []
        for (curve, columns) in zip(curves, columns) where curve.decidesBounds {
            for column in columns where column.count > 0 && (!isLogarithmic || column.maximum > 0) {
                lows.append(isLogarithmic && column.minimum <= 0 ? column.maximum : column.minimum)
                highs.append(column.maximum)
            }
        }
        guard var low = lows.min().map(Double.init), var high = highs.max().map(Double.init) else { return nil }
        cutColumns = 0
        if ignoresOutliers {
            low = Chart.percentile(0.01, of: lows)
            high = max(low, Chart.percentile(0.99, of: highs))
            cutColumns = zip(lows, highs).count { Double($0) < low || Double($1) > high }
        }
        let span = high - low
        let data = (low: low, high: high)
        for reference in references where reference.value.isFinite && (!isLogarithmic || reference.value > 0) {
            let widened = (low: min(low, reference.value), high: max(high, reference.value))
            let fits =
                isLogarithmic
                ? widened.high / widened.low <= max(10, data.high / data.low * data.high / data.low)
                : widened.high - widened.low <= 2 * span
            if fits {
                low = widened.low
                high = widened.high
            }
        }
        return Scale(minimum: low, maximum: high, isLogarithmic: isLogarithmic)
    }

    /// The nearest of the values at a share of their order.
    private static func percentile(_ share: Double, of values: [Float]) -> Double {
        Double(values.sorted()[Int((share * Double(values.count - 1)).rounded())])
    }

    /// One row outside the canvas for what the scale doesn't hold; nil for what has no place at all.
    private static func dotRow(_ value: Double, _ scale: Scale, _ canvas: DotCanvas) -> Int? {
        guard let position = scale.position(value), canvas.dotHeight > 0 else { return nil }
        let row = ((1 - position) * Double(canvas.dotHeight - 1)).rounded()
        return Int(min(Double(canvas.dotHeight), max(-1, row)))
    }

    private static func drawSpans(_ columns: [Bucket], _ scale: Scale, _ canvas: inout DotCanvas) {
        var previous: (x: Int, top: Int, bottom: Int, middle: Int)?
        for (x, column) in columns.enumerated() where !column.isEmpty {
            guard column.count > 0, let top = dotRow(Double(column.maximum), scale, canvas) else {
                previous = nil
                continue
            }
            let bottom = dotRow(Double(column.minimum), scale, canvas) ?? top
            let middle = dotRow(Double(column.mean), scale, canvas) ?? (top + bottom) / 2
            canvas.span(x: x, from: top, to: bottom)
            if let previous, previous.x + 1 < x {
                canvas.line(from: (previous.x, previous.middle), to: (x, middle))
            } else if let previous {
                if previous.top > bottom { canvas.span(x: x, from: bottom, to: previous.top) }
                if previous.bottom < top { canvas.span(x: x, from: top, to: previous.bottom) }
            }
            previous = column.nonFinite > 0 ? nil : (x, top, bottom, middle)
        }
    }

    private static func drawLine(_ columns: [Bucket], _ scale: Scale, _ canvas: inout DotCanvas) {
        var previous: (x: Int, y: Int)?
        for (x, column) in columns.enumerated() where column.count > 0 {
            guard let y = dotRow(Double(column.mean), scale, canvas) else {
                previous = nil
                continue
            }
            canvas.line(from: previous ?? (x, y), to: (x, y))
            previous = (x, y)
        }
    }

    private static func drawPoints(
        _ columns: [Bucket], _ mark: Unicode.Scalar, _ scale: Scale, _ canvas: inout DotCanvas
    ) {
        // Marks as dense as that would hide the other curves.
        guard columns.count(where: { $0.count > 0 }) * 4 <= columns.count else {
            return drawLine(columns, scale, &canvas)
        }
        for (x, column) in columns.enumerated() where column.count > 0 {
            guard let y = dotRow(Double(column.mean), scale, canvas), y >= 0 else { continue }
            canvas.mark(mark, column: x / canvas.dotsPerColumn, row: y / canvas.dotsPerRow)
        }
    }

    private func drawAxes(
        into frame: inout Frame, area: Rectangle, plot: Rectangle, scale: Scale, ticks: [Tick], gutter: Int
    ) {
        let glyphs = Glyphs.of(glyphs)
        for y in plot.y..<plot.bottom { frame.put(glyphs.axis, x: plot.x - 1, y: y, Chart.axisStyle) }
        var used: Set<Int> = []
        for tick in ticks {
            guard let position = scale.position(tick.value) else { continue }
            let dots = plot.height * (self.glyphs == .braille ? 4 : 2)
            let dot = ((1 - position) * Double(dots - 1)).rounded()
            let row = plot.y + min(plot.height - 1, max(0, Int(dot) * plot.height / dots))
            guard used.insert(row).inserted else { continue }
            frame.put(
                tick.label, x: area.x + max(0, gutter - tick.label.count), y: row, limit: gutter, Chart.labelStyle)
            frame.put(glyphs.axisTick, x: plot.x - 1, y: row, Chart.axisStyle)
        }
        let base = plot.bottom
        frame.put(glyphs.axisCorner, x: plot.x - 1, y: base, Chart.axisStyle)
        for x in plot.x..<plot.right { frame.put(glyphs.horizontal, x: x, y: base, Chart.axisStyle) }
        var free = area.x
        for tick in axis.labels(range, width: plot.width) {
            let x = plot.x + Int((tick.value * Double(plot.width - 1)).rounded())
            let left = min(max(free, x - tick.label.count / 2), area.right - tick.label.count)
            guard left >= free else { continue }
            frame.put(glyphs.baseTick, x: x, y: base, Chart.axisStyle)
            free = frame.put(tick.label, x: left, y: base + 1, limit: area.right - left, Chart.labelStyle) + 2
        }
    }
}
