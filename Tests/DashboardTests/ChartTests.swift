import Testing

@testable import Dashboard

@Suite struct ChartTests {
    private func series(_ values: [Float]) -> Series {
        var series = Series()
        for (index, value) in values.enumerated() { series.append(step: index, value: value) }
        return series
    }

    private func rows(
        _ values: [Float], form: Chart.Form = .line, glyphs: GlyphSet = .braille, isLogarithmic: Bool = false,
        width: Int = 12, height: Int = 6
    ) -> [String] {
        var frame = Frame(size: Size(width: width, height: height))
        var chart = Chart(
            range: 0...max(1, values.count - 1), isLogarithmic: isLogarithmic, glyphs: glyphs,
            curves: [Chart.Curve(series: series(values), form: form, layer: .init(style: .text))], emptyText: "none")
        chart.draw(into: &frame, at: frame.bounds)
        return (0..<height).map { frame.text(row: $0) }
    }

    @Test func dotsHaveTheirPlaces() {
        var canvas = DotCanvas(width: 1, height: 1, glyphs: .braille)
        canvas.begin(.init(style: .text))
        let dots: [(Int, Int, UInt32)] = [
            (0, 0, 0x01), (0, 1, 0x02), (0, 2, 0x04), (0, 3, 0x40), (1, 0, 0x08), (1, 1, 0x10), (1, 2, 0x20),
            (1, 3, 0x80),
        ]
        var expected: UInt32 = 0x2800
        for (x, y, bit) in dots {
            canvas.set(x: x, y: y)
            expected |= bit
            #expect(canvas.cell(column: 0, row: 0)?.scalar.value == expected)
        }
        canvas.set(x: 2, y: 0)
        canvas.set(x: -1, y: 0)
        #expect(canvas.cell(column: 0, row: 0)?.scalar.value == 0x28FF)
    }

    @Test func higherLayerTakesTheCell() {
        var canvas = DotCanvas(width: 2, height: 1, glyphs: .braille)
        canvas.begin(.init(style: Style(.raw)))
        canvas.span(x: 0, from: 0, to: 3)
        canvas.begin(.init(style: Style(.loss)))
        canvas.set(x: 1, y: 0)
        #expect(canvas.cell(column: 0, row: 0) == Cell("⠈", Style(.loss)))
        #expect(canvas.cell(column: 1, row: 0) == nil)
    }

    @Test func aStraightLineIsStraight() {
        // Two labels ("0", "10") make a gutter of 2, the axis takes 1: 9 columns, 18 dots; 4 rows, 16 dots.
        let found = rows((0...17).map { Float($0) / 17 * 10 })
        #expect(
            found == [
                "10┤       ⡠⠒",
                "  │    ⢀⠔⠊  ",
                "  │  ⡠⠔⠁    ",
                " 0┤⠤⠊       ",
                "  └┬────────",
                "   0        ",
            ])
    }

    @Test func emptyChartSaysSo() {
        #expect(rows([]).joined().contains("none"))
        #expect(rows([.nan, .nan]).joined().contains("none"))
        #expect(rows([0, -1], isLogarithmic: true).joined().contains("none"))
    }

    @Test func nonFiniteValuesAreGapsWithAMark() {
        let found = rows([1, 1, .nan, 1, 1], form: .span, width: 13)
        let marked = found[0]
        #expect(marked.contains("N"))
        let plot = found[1...3].map { Array($0.unicodeScalars) }
        let gap = Array(marked.unicodeScalars).firstIndex(of: "N")
        // Between the neighbours of the gap nothing is drawn.
        #expect(gap.map { column in plot.allSatisfy { $0[column].value == 0x20 } } == true)
        #expect(plot.joined().contains { $0.value > 0x2800 })
    }

    @Test func spikeReachesTheTop() {
        var values = [Float](repeating: 1, count: 3000)
        values[1500] = 9
        for glyphs in GlyphSet.allCases {
            let found = rows(values, form: .span, glyphs: glyphs, width: 40, height: 12)
            let top = found[0].unicodeScalars.dropFirst(3).filter { $0 != " " }
            #expect(top.count == 1, "\(found)")
        }
    }

    @Test func hiddenValuesAreCounted() {
        var frame = Frame(size: Size(width: 30, height: 8))
        var chart = Chart(
            range: 0...4, isLogarithmic: true, glyphs: .braille,
            curves: [Chart.Curve(series: series([1, 0, 10, -2, 100]), form: .line, layer: .init(style: .text))])
        chart.draw(into: &frame, at: frame.bounds)
        #expect(chart.hiddenValues == 2)
    }

    @Test func farReferenceDoesNotSqueezeTheCurve() {
        for (value, isShown) in [(1.0, true), (-100.0, false), (.nan, false)] {
            var frame = Frame(size: Size(width: 40, height: 12))
            var chart = Chart(
                range: 0...9, isLogarithmic: false, glyphs: .braille,
                curves: [
                    Chart.Curve(series: series((2...11).map(Float.init)), form: .line, layer: .init(style: .text))
                ],
                references: [.init(value: value, layer: .init(style: Style(.floor)))])
            chart.draw(into: &frame, at: frame.bounds)
            #expect(frame.cells.contains { $0.style.role == .floor } == isShown)
        }
    }
}
