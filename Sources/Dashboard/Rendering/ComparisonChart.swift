import Core

/// Loss curves of several runs over each other.
public struct ComparisonChart: Sendable {
    public struct Curve: Sendable {
        public var name: String
        var loss = Series()
        private var average = DebiasedAverage(smoothing: ComparisonChart.smoothing)

        public init(_ name: String) {
            self.name = name
        }

        /// The next step's loss, nats per token.
        public mutating func append(step: Int, loss value: Float) {
            average.add(Double(value))
            guard let smooth = average.value else { return }
            // What is not finite stays visible.
            loss.append(step: step, value: value.isFinite ? Float(smooth) : value)
        }
    }

    /// Of the moving average that is drawn.
    public static let smoothing = 0.9
    /// Curves that one picture can tell apart.
    public static let mostCurves = 8
    private static let roles: [Role] = [
        .loss, .comparison, .ok, .validation, .clip, .gradientNorm, .warning, .error,
    ]

    public var curves: [Curve]
    public var isLogarithmic: Bool

    /// - Parameter curves: at most `mostCurves`.
    public init(_ curves: [Curve], isLogarithmic: Bool) {
        self.curves = Array(curves.prefix(ComparisonChart.mostCurves))
        self.isLogarithmic = isLogarithmic
    }

    /// What a curve is marked with: A, B, C…
    public static func letter(_ index: Int) -> Unicode.Scalar {
        Unicode.Scalar(UInt8(ascii: "A") + UInt8(clamping: min(index, 25)))
    }

    private static func style(_ index: Int) -> Style { Style(roles[index % roles.count]) }

    private var range: ClosedRange<Int>? {
        guard let last = curves.compactMap(\.loss.lastStep).max(), let first = curves.compactMap(\.loss.firstStep).min()
        else { return nil }
        return max(0, first - 1)...max(last, first)
    }

    /// The chart in characters. The letters along the curves tell them apart where there is no colour.
    public func frame(size: Size, glyphs: GlyphSet) -> Frame {
        var frame = Frame(size: size, isASCII: glyphs == .ascii)
        guard let range else { return frame }
        let lines = curves.indices.map { index in
            Chart.Curve(
                series: curves[index].loss, form: .line,
                layer: DotCanvas.Layer(
                    style: ComparisonChart.style(index), character: glyphs == .ascii ? "." : nil))
        }
        let letters = curves.indices.map { index in
            let style = ComparisonChart.style(index)
            return Chart.Curve(
                series: marks(of: index, range), form: .points(ComparisonChart.letter(index)),
                layer: DotCanvas.Layer(style: Style(style.role, .bold)), decidesBounds: false)
        }
        var chart = Chart(
            range: range, isLogarithmic: isLogarithmic, glyphs: glyphs, curves: lines + letters,
            emptyText: "no losses yet")
        chart.draw(into: &frame, at: frame.bounds)
        return frame
    }

    /// Where the letters of a curve stand: each curve's beside those of the others.
    private func marks(of index: Int, _ range: ClosedRange<Int>) -> Series {
        let (count, span) = (5, Double(range.upperBound - range.lowerBound))
        var marks = Series()
        for place in 0..<count {
            let share = (Double(place) + (Double(index) + 1) / Double(curves.count + 1)) / Double(count)
            let step = range.lowerBound + Int(share * span)
            guard let last = curves[index].loss.lastStep, step <= last,
                let found = curves[index].loss.latest(upTo: step), found.bucket.count > 0
            else { continue }
            marks.append(step: step, value: found.bucket.mean)
        }
        return marks
    }

    // MARK: SVG

    /// The chart as an SVG picture in the theme's colours.
    public func svg(width: Double = 900, height: Double = 480, theme: Theme, title: String) -> String {
        func colour(_ role: Role) -> String { theme.colours(Style(role)).foreground.hex }
        var svg = SVGText()
        svg.open(width: width, height: height, title: title, description: curves.map(\.name).joined(separator: "\n"))
        let background = theme.colours(.text).background.hex
        svg.line("<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"\(background)\"/>")
        svg.line("<g font-family=\"\(SVGText.fonts)\" font-size=\"12\" fill=\"\(colour(.barText))\">")
        let plot = (left: 70.0, top: 20.0, right: width - 20, bottom: height - 50 - 18 * Double(curves.count))
        if let range, let scale = scale(range) {
            let across = Int(plot.right - plot.left)
            func y(_ value: Double) -> Double? {
                scale.position(value).map { plot.bottom - min(1, max(0, $0)) * (plot.bottom - plot.top) }
            }
            for tick in scale.ticks(limit: 8) {
                guard let y = y(tick.value) else { continue }
                svg.grid(plot.left, y, plot.right, y, colour(.border))
                svg.label(tick.label, x: plot.left - 8, y: y + 4, anchor: "end")
            }
            let span = Double(max(1, range.upperBound - range.lowerBound))
            for tick in StepAxis.ticks(range, width: across / 8) {
                let x = plot.left + (tick.value - Double(range.lowerBound)) / span * (plot.right - plot.left)
                svg.grid(x, plot.top, x, plot.bottom, colour(.border))
                svg.label(tick.label, x: x, y: plot.bottom + 16, anchor: "middle")
            }
            svg.label("step", x: plot.right, y: plot.bottom + 32, anchor: "end")
            for (index, curve) in curves.enumerated() {
                let path = SVGText.path(curve.loss.columns(range, count: across)) { column, value in
                    y(value).map { SIMD2(plot.left + Double(column), $0) }
                }
                svg.line(
                    "<path d=\"\(path)\" fill=\"none\" stroke=\"\(colour(ComparisonChart.style(index).role))\" "
                        + "stroke-width=\"1.5\" stroke-linejoin=\"round\"/>")
            }
        }
        for (index, curve) in curves.enumerated() {
            let y = plot.bottom + 44 + 18 * Double(index)
            svg.line(
                "<path d=\"M\(SVGText.number(plot.left)),\(SVGText.number(y - 4))h24\" "
                    + "stroke=\"\(colour(ComparisonChart.style(index).role))\" stroke-width=\"2\"/>")
            svg.label(curve.name, x: plot.left + 32, y: y, anchor: "start")
        }
        svg.line("</g>")
        svg.line("</svg>")
        return svg.text
    }

    private func scale(_ range: ClosedRange<Int>) -> Scale? {
        let columns = curves.flatMap { $0.loss.columns(range, count: 1000) }
            .filter { $0.count > 0 && (!isLogarithmic || $0.minimum > 0) }
        guard let low = columns.map(\.minimum).min(), let high = columns.map(\.maximum).max() else { return nil }
        return Scale(minimum: Double(low), maximum: Double(high), isLogarithmic: isLogarithmic)
    }
}

extension SVGText {
    fileprivate mutating func grid(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ colour: String) {
        line(
            "<path d=\"M\(SVGText.number(x1)),\(SVGText.number(y1))L\(SVGText.number(x2)),\(SVGText.number(y2))\" "
                + "stroke=\"\(colour)\" stroke-opacity=\"0.5\"/>")
    }

    fileprivate mutating func label(_ text: String, x: Double, y: Double, anchor: String) {
        line(
            "<text x=\"\(SVGText.number(x))\" y=\"\(SVGText.number(y))\" text-anchor=\"\(anchor)\">"
                + SVGText.escaped(text) + "</text>")
    }

    /// Through the means of the columns; empty columns are crossed, and what has no place breaks the line.
    fileprivate static func path(_ columns: [Bucket], _ place: (Int, Double) -> SIMD2<Double>?) -> String {
        var path = ""
        var isOpen = false
        for (index, column) in columns.enumerated() where !column.isEmpty {
            guard column.count > 0, let point = place(index, Double(column.mean)) else {
                isOpen = false
                continue
            }
            path += (isOpen ? "L" : "M") + SVGText.point(point)
            isOpen = true
        }
        return path
    }
}
