import Core
import Foundation
import Testing

@testable import Dashboard

#if canImport(FoundationXML)
import FoundationXML
#endif

@Suite struct RenderingTests {
    /// Reads XML, and collects the text of each kind of element.
    private final class Reader: NSObject, XMLParserDelegate {
        private(set) var texts: [String: [String]] = [:]
        private var open: [String] = []

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            open.append(name)
            texts[name, default: []].append("")
        }

        func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
            open.removeLast()
        }

        func parser(_ parser: XMLParser, foundCharacters text: String) {
            guard let name = open.last, let index = texts[name]?.indices.last else { return }
            texts[name]?[index] += text
        }
    }

    private static func read(_ svg: String) throws -> [String: [String]] {
        let parser = XMLParser(data: Data(svg.utf8))
        let reader = Reader()
        parser.delegate = reader
        try #require(parser.parse(), "\(String(describing: parser.parserError))")
        return reader.texts
    }

    private static func busy(_ glyphs: GlyphSet, _ size: Size = Size(width: 120, height: 50)) -> Frame {
        var state = DashboardState.running(size, glyphs: glyphs)
        Script.fork(&state)
        Script.health(&state)
        return state.frame()
    }

    @Test(arguments: GlyphSet.allCases)
    func textIsTheRows(_ glyphs: GlyphSet) {
        let frame = Self.busy(glyphs)
        let rows = (0..<50).map { frame.text(row: $0) }
        #expect(frame.text == rows.joined(separator: "\n") + "\n")
    }

    /// All characters are in the description; those that the font draws, and no others, are in text elements, in the
    /// frame's order.
    @Test(arguments: GlyphSet.allCases)
    func svgHoldsEveryCharacter(_ glyphs: GlyphSet) throws {
        let frame = Self.busy(glyphs)
        let texts = try Self.read(frame.svg(theme: try Theme.named("dark"), title: "a < b & \"c\""))
        #expect(texts["title"] == ["a < b & \"c\""])
        #expect(texts["desc"] == [frame.text])
        let box = CellShapes.Box(x: 0, y: 0, width: 9, height: 18, stroke: 1)
        let drawn = frame.text.unicodeScalars.filter {
            $0 != " " && $0 != "\n" && CellShapes.shapes(of: $0, in: box) == nil
        }
        #expect((texts["text"] ?? []).joined() == String(String.UnicodeScalarView(drawn)))
        #expect(drawn.count > 500)
    }

    /// What no XML can hold is replaced.
    @Test func svgOfAnyCharacter() throws {
        var frame = Frame(size: Size(width: 8, height: 1))
        for (x, scalar) in ["\u{1}", "\u{FFFE}", "<", "&", "\"", "日", "\0"].enumerated() {
            frame.put(Unicode.Scalar(scalar) ?? " ", x: x, y: 0, .text)
        }
        let texts = try Self.read(frame.svg(theme: try Theme.named("terminal")))
        #expect(texts["desc"] == ["\u{FFFD}\u{FFFD}<&\"日 \n"])
    }

    /// The pieces of a small frame, counted by hand.
    @Test func aDrawingHasTheShapesOfItsCells() throws {
        var frame = Frame(size: Size(width: 6, height: 2))
        frame.put("╭", x: 0, y: 0, Style(.border))
        frame.put("──", x: 1, y: 0, Style(.border))
        frame.put("┤", x: 3, y: 0, Style(.border))
        frame.put("ab", x: 4, y: 0, Style(.text, .bold))
        frame.put("\u{28FF}", x: 0, y: 1, Style(.loss))
        frame.put("▄", x: 1, y: 1, Style(.loss, on: .bar))
        frame.put("日", x: 2, y: 1, Style(.loss, on: .bar))
        frame.put("x", x: 5, y: 1, Style(.text, .reverse))
        let theme = try Theme.named("dark")
        var metrics = FrameDrawing.Metrics()
        (metrics.cellWidth, metrics.cellHeight, metrics.margin, metrics.stroke) = (8, 16, 4, 2)
        let drawing = FrameDrawing(frame, theme: theme, metrics: metrics)
        #expect(drawing.width == 56 && drawing.height == 40)
        #expect(drawing.corners.map(\.from) == [SIMD2(8, 20)])
        #expect(drawing.corners.map(\.to) == [SIMD2(12, 12)])
        let (border, loss) = (theme.colours(Style(.border)).foreground, theme.colours(Style(.loss)).foreground)
        #expect(
            drawing.rectangles == [
                FrameDrawing.Rectangle(x: 12, y: 11, width: 21, height: 2, colour: border),
                FrameDrawing.Rectangle(x: 31, y: 4, width: 2, height: 16, colour: border),
                FrameDrawing.Rectangle(x: 12, y: 28, width: 8, height: 8, colour: loss),
            ])
        #expect(drawing.dots.count == 8)
        #expect(Set(drawing.dots.map(\.x)) == [6, 10])
        #expect(Set(drawing.dots.map(\.y)) == [22, 26, 30, 34])
        #expect(drawing.words.map(\.text) == ["ab", "日", "x"])
        #expect(drawing.words.map(\.columns) == [2, 2, 1])
        #expect(drawing.words.map(\.isBold) == [true, false, false])
        #expect(drawing.words[2].colour == drawing.background)
        let bar = theme.colours(Style(.text, on: .bar)).background
        #expect(
            drawing.backgrounds == [
                FrameDrawing.Rectangle(x: 12, y: 20, width: 24, height: 16, colour: bar),
                FrameDrawing.Rectangle(
                    x: 44, y: 20, width: 8, height: 16, colour: theme.colours(.text).foreground),
            ])
    }

    // MARK: Recorded runs

    private static let events: [TrainingEvent] =
        [.started(Script.description())] + (1...1040).map { .stepped(Script.metrics($0)) } + [.finished(Script.summary)]

    @Test func aRecordedFrameIsAsItWasThen() {
        let blank = DashboardState(size: Size(width: 120, height: 40))
        let state = DashboardState.recorded(Self.events, upTo: 500, in: blank)
        #expect(state.last == Script.metrics(500))
        #expect(state.elapsed == 125)
        #expect(state.staleSeconds == nil)
        let title = state.frame().text(row: 0)
        #expect(title.contains("RUNNING") && title.contains("step 500/5,000") && title.contains("elapsed 0:02:05"))

        let end = DashboardState.recorded(Self.events, upTo: nil, in: blank)
        #expect(end.frame().text(row: 0).contains("DONE"))
        #expect(DashboardState.recorded(Self.events, upTo: 0, in: blank).last == nil)
    }

    /// A resumed run may count its seconds from zero again.
    @Test func timeGoesOnInAResumedRun() {
        var later = Script.metrics(1001)
        later.elapsedSeconds = 0.25
        let events: [TrainingEvent] =
            [.started(Script.description())] + (1...1000).map { .stepped(Script.metrics($0)) }
            + [.started(Script.description()), .stepped(later)]
        let state = DashboardState.recorded(events, upTo: nil, in: DashboardState(size: Size(width: 80, height: 24)))
        #expect(state.elapsed == 250.25)
        #expect(state.staleSeconds == nil)
    }

    // MARK: Comparison

    private static func comparison() -> ComparisonChart {
        let curves = (0..<3).map { index in
            var curve = ComparisonChart.Curve("run \(index) <&>")
            for step in 1...200 { curve.append(step: step, loss: 2 + Float(index) + 100 / Float(step + 20)) }
            return curve
        }
        return ComparisonChart(curves, isLogarithmic: false)
    }

    @Test(arguments: GlyphSet.allCases)
    func everyCurveHasItsLetters(_ glyphs: GlyphSet) {
        let frame = Self.comparison().frame(size: Size(width: 80, height: 20), glyphs: glyphs)
        for letter in ["A", "B", "C"] {
            #expect(frame.text.filter { String($0) == letter }.count >= 4, "\(letter)")
        }
        // The lower curve is drawn lower.
        let rows = (0..<20).map { frame.text(row: $0) }
        let (a, c) = (rows.lastIndex { $0.contains("A") }, rows.firstIndex { $0.contains("C") })
        #expect((a ?? 0) > (c ?? 99))
    }

    @Test func theChartAsAPicture() throws {
        let texts = try Self.read(Self.comparison().svg(theme: try Theme.named("light"), title: "Loss"))
        #expect((texts["text"] ?? []).contains("run 2 <&>"))
        // Grid, three curves and their keys.
        #expect((texts["path"] ?? []).count >= 6 + 8)
        let empty = ComparisonChart([ComparisonChart.Curve("a")], isLogarithmic: true)
        #expect(try Self.read(empty.svg(theme: try Theme.named("dark"), title: "Loss"))["path"]?.count == 1)
        #expect(empty.frame(size: Size(width: 20, height: 2), glyphs: .ascii).text.allSatisfy { " \n".contains($0) })
    }
}
