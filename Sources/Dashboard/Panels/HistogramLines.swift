import Core

/// How often each value of the grid occurs in the operands of a linear, as bars over the grid from its most negative
/// value to its largest.
enum HistogramLines {
    /// - Parameters:
    ///   - rows: height of the bars.
    ///   - hint: stands there if nothing was counted.
    static func lines(
        _ inspection: ModuleInspection?, width: Int, rows: Int, glyphs: GlyphSet, hint: String
    ) -> [InspectorPanel.Line] {
        guard let inspection else { return [[(hint, Style(.axis))]] }
        let when = "codes at step \(NumberText.grouped(inspection.step))"
        if inspection.histograms.isEmpty {
            return [[("\(when): no operand is quantized", Style(.axis))]]
        }
        var lines: [InspectorPanel.Line] = [[(when, Style(.barText))]]
        for histogram in inspection.histograms { lines += bars(histogram, width: width, rows: rows, glyphs) }
        return lines
    }

    private static func bars(
        _ histogram: ModuleInspection.Histogram, width: Int, rows: Int, _ glyphs: GlyphSet
    ) -> [InspectorPanel.Line] {
        let count = min(histogram.magnitudes.count, histogram.negative.count, histogram.positive.count)
        guard count > 0 else { return [] }
        // Both zeros share the middle.
        var counts = histogram.negative[1..<count].reversed().map(Double.init)
        counts.append(Double(histogram.negative[0]) + Double(histogram.positive[0]))
        counts += histogram.positive[1..<count].map(Double.init)
        let total = counts.reduce(0, +)
        let scales = [histogram.scales.lowerBound, histogram.scales.upperBound]
            .map { NumberText.trimmed(NumberText.significant(Double($0))) }
        var lines: [InspectorPanel.Line] = [
            [
                (histogram.operand.rawValue, Style(.emphasis, .bold)),
                (" \(histogram.format)", Style(PrecisionPanel.role(Precision(histogram.format)))),
            ],
            [
                ("scale ", Style(.barText)), ("\(scales[0]) to \(scales[1])", .text),
                (
                    total > 0
                        ? "  zero \(InspectorPanel.percent(counts[count - 1] / total))  top "
                            + InspectorPanel.percent((counts[0] + counts[counts.count - 1]) / total) : "",
                    Style(.barText)
                ),
            ],
        ]
        guard counts.count <= width else { return lines }
        let pitch = min(6, width / counts.count)
        let highest = max(1, counts.max() ?? 1)
        let levels = glyphs == .ascii ? [" ", ".", ":", "#"] : [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
        let full = levels.count - 1
        for row in (0..<rows).reversed() {
            var text = ""
            for value in counts {
                let height = value / highest * Double(rows * full)
                // What occurs at all is seen.
                let filled = value > 0 ? max(1, Int(height.rounded())) : 0
                let level = min(full, max(0, filled - row * full))
                let bar = String(repeating: levels[level], count: max(1, pitch - 1))
                text += pitch > 1 ? bar + " " : bar
            }
            lines.append([(text, Style(.loss))])
        }
        lines.append([(labels(histogram.magnitudes.prefix(count).map { $0 }, pitch: pitch), Style(.axis))])
        return lines
    }

    /// Values beneath the bars where they don't touch, the range's ends first; of a magnitude both signs or none.
    private static func labels(_ magnitudes: [Double], pitch: Int) -> String {
        let count = magnitudes.count
        var cells = Array(repeating: Character(" "), count: (2 * count - 1) * pitch + 4)
        func isFree(_ text: String, bin: Int) -> Bool {
            let (start, end) = (bin * pitch, bin * pitch + text.count)
            return end <= cells.count && cells[max(0, start - 1)..<min(cells.count, end + 1)].allSatisfy { $0 == " " }
        }
        func put(_ text: String, bin: Int) {
            for (offset, character) in text.enumerated() { cells[bin * pitch + offset] = character }
        }
        put("0", bin: count - 1)
        for index in [count - 1] + Array(1..<max(1, count - 1)) where index > 0 {
            let text = NumberText.trimmed(NumberText.brief(magnitudes[index], 3))
            guard isFree(text, bin: count - 1 + index), isFree("-" + text, bin: count - 1 - index) else { continue }
            put(text, bin: count - 1 + index)
            put("-" + text, bin: count - 1 - index)
        }
        while cells.last == " " { cells.removeLast() }
        return String(cells)
    }
}
