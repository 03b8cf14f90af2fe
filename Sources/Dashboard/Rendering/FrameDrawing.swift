/// A frame as pieces that a picture is made of: what a terminal with the theme's colours would show.
public struct FrameDrawing: Sendable {
    /// The size of a cell and what stands in it, in units of the picture.
    public struct Metrics: Sendable {
        public var cellWidth = 9.0
        public var cellHeight = 18.0
        /// Around the frame.
        public var margin = 9.0
        /// From a cell's top to the line that letters stand on.
        public var baseline = 13.5
        public var fontSize = 15.0
        /// Thickness of light lines.
        public var stroke = 1.2
        /// Diameter of braille dots.
        public var dot = 2.6

        public init() {}
    }

    public struct Rectangle: Sendable, Hashable {
        public var x: Double
        public var y: Double
        public var width: Double
        public var height: Double
        public var colour: RGB
        /// From 0 to 1.
        public var opacity = 1.0
    }

    public struct Dot: Sendable, Hashable {
        public var x: Double
        public var y: Double
        public var colour: RGB
    }

    /// A quadratic Bézier curve, a line thick.
    public struct Corner: Sendable, Hashable {
        public var from: SIMD2<Double>
        public var middle: SIMD2<Double>
        public var to: SIMD2<Double>
        public var colour: RGB
    }

    /// Characters that follow one another without a blank.
    public struct Word: Sendable, Hashable {
        public var x: Double
        /// Of the line that the letters stand on.
        public var baseline: Double
        public var text: String
        /// Cells that it takes.
        public var columns: Int
        public var colour: RGB
        public var isBold: Bool
        public var isUnderlined: Bool
    }

    public let metrics: Metrics
    public let width: Double
    public let height: Double
    /// Of the whole picture.
    public let background: RGB
    /// Beneath everything else, those of other colours than the picture's.
    public private(set) var backgrounds: [Rectangle] = []
    public private(set) var rectangles: [Rectangle] = []
    public private(set) var dots: [Dot] = []
    public private(set) var corners: [Corner] = []
    public private(set) var words: [Word] = []

    public init(_ frame: Frame, theme: Theme, metrics: Metrics = Metrics()) {
        self.metrics = metrics
        width = 2 * metrics.margin + Double(frame.size.width) * metrics.cellWidth
        height = 2 * metrics.margin + Double(frame.size.height) * metrics.cellHeight
        background = theme.colours(.text).background
        for y in 0..<frame.size.height {
            addBackgrounds(frame, row: y, theme)
            addCells(frame, row: y, theme)
        }
    }

    private func left(_ x: Int) -> Double { metrics.margin + Double(x) * metrics.cellWidth }

    private func top(_ y: Int) -> Double { metrics.margin + Double(y) * metrics.cellHeight }

    private mutating func addBackgrounds(_ frame: Frame, row y: Int, _ theme: Theme) {
        var start = 0
        while start < frame.size.width {
            let colour = theme.colours(frame[start, y].style).background
            var end = start + 1
            while end < frame.size.width, theme.colours(frame[end, y].style).background == colour { end += 1 }
            if colour != background {
                backgrounds.append(
                    Rectangle(
                        x: left(start), y: top(y), width: Double(end - start) * metrics.cellWidth,
                        height: metrics.cellHeight, colour: colour))
            }
            start = end
        }
    }

    private mutating func addCells(_ frame: Frame, row y: Int, _ theme: Theme) {
        // Whether the next character continues the last word.
        var continues: Style?
        for x in 0..<frame.size.width {
            let cell = frame[x, y]
            if cell.scalar == Cell.continuation { continue }
            let colour = theme.colours(cell.style).foreground
            let columns = x + 1 < frame.size.width && frame[x + 1, y].scalar == Cell.continuation ? 2 : 1
            if cell.scalar == " " {
                if cell.style.attributes.contains(.underline) {
                    let thickness = metrics.stroke
                    rectangles.append(
                        Rectangle(
                            x: left(x), y: top(y) + metrics.baseline + thickness, width: metrics.cellWidth,
                            height: thickness, colour: colour))
                }
                continues = nil
            } else if let shapes = CellShapes.shapes(of: cell.scalar, in: box(x, y)) {
                for shape in shapes { add(shape, colour) }
                continues = nil
            } else if continues == cell.style, columns == 1, let last = words.indices.last {
                words[last].text.unicodeScalars.append(cell.scalar)
                words[last].columns += 1
            } else {
                words.append(
                    Word(
                        x: left(x), baseline: top(y) + metrics.baseline, text: String(Character(cell.scalar)),
                        columns: columns, colour: colour, isBold: cell.style.attributes.contains(.bold),
                        isUnderlined: cell.style.attributes.contains(.underline)))
                continues = columns == 1 ? cell.style : nil
            }
        }
    }

    private func box(_ x: Int, _ y: Int) -> CellShapes.Box {
        CellShapes.Box(
            x: left(x), y: top(y), width: metrics.cellWidth, height: metrics.cellHeight, stroke: metrics.stroke)
    }

    private mutating func add(_ shape: CellShapes.Shape, _ colour: RGB) {
        switch shape {
        case .rectangle(let x, let y, let width, let height, let opacity):
            // Those of a row that meet become one.
            if let last = rectangles.last, last.colour == colour, last.opacity == opacity, last.y == y,
                last.height == height, abs(last.x + last.width - x) < 1e-6
            {
                rectangles[rectangles.count - 1].width += width
            } else {
                rectangles.append(
                    Rectangle(x: x, y: y, width: width, height: height, colour: colour, opacity: opacity))
            }
        case .dot(let x, let y): dots.append(Dot(x: x, y: y, colour: colour))
        case .corner(let fromX, let fromY, let middleX, let middleY, let toX, let toY):
            corners.append(
                Corner(
                    from: SIMD2(fromX, fromY), middle: SIMD2(middleX, middleY), to: SIMD2(toX, toY), colour: colour))
        }
    }
}
