/// A grid of dots, drawn with braille characters (2 × 4 dots a cell) or with ASCII (1 × 2).
///
/// A cell has one colour, so it belongs to one layer: a higher layer takes it over from a lower one.
struct DotCanvas {
    let width: Int
    let height: Int
    let glyphs: GlyphSet
    let dotsPerColumn: Int
    let dotsPerRow: Int
    private var dots: [UInt8]
    private var owners: [Int8]
    private var marks: [Unicode.Scalar?]
    private var layers: [Layer] = []

    /// How one curve is drawn.
    struct Layer {
        var style: Style
        /// ASCII: the character of the curve; nil shows the two dots of a cell as `'`, `.` or `:`.
        var character: Unicode.Scalar?
    }

    /// - Parameters:
    ///   - width: in cells.
    ///   - height: in cells.
    init(width: Int, height: Int, glyphs: GlyphSet) {
        self.width = max(0, width)
        self.height = max(0, height)
        self.glyphs = glyphs
        dotsPerColumn = glyphs == .braille ? 2 : 1
        dotsPerRow = glyphs == .braille ? 4 : 2
        let count = self.width * self.height
        dots = Array(repeating: 0, count: count)
        owners = Array(repeating: -1, count: count)
        marks = Array(repeating: nil, count: count)
    }

    var dotWidth: Int { width * dotsPerColumn }
    var dotHeight: Int { height * dotsPerRow }

    /// Later layers lie above earlier ones.
    mutating func begin(_ layer: Layer) {
        layers.append(layer)
    }

    /// Sets a dot of the newest layer; `y` counts from the top. Outside the canvas nothing happens.
    mutating func set(x: Int, y: Int) {
        guard x >= 0, y >= 0, x < dotWidth, y < dotHeight else { return }
        let index = claim(x: x / dotsPerColumn, y: y / dotsPerRow)
        dots[index] |= bit(x: x % dotsPerColumn, y: y % dotsPerRow)
    }

    /// Puts a character of the newest layer into a cell.
    mutating func mark(_ scalar: Unicode.Scalar, column: Int, row: Int) {
        guard column >= 0, row >= 0, column < width, row < height else { return }
        marks[claim(x: column, y: row)] = scalar
    }

    /// A vertical run of dots.
    mutating func span(x: Int, from: Int, to: Int) {
        for y in min(from, to)...max(from, to) { set(x: x, y: y) }
    }

    /// A straight line of dots, ends included.
    mutating func line(from a: (x: Int, y: Int), to b: (x: Int, y: Int)) {
        let steps = max(abs(b.x - a.x), abs(b.y - a.y))
        guard steps > 0 else { return set(x: a.x, y: a.y) }
        for step in 0...steps {
            let share = Double(step) / Double(steps)
            set(
                x: a.x + Int((Double(b.x - a.x) * share).rounded()),
                y: a.y + Int((Double(b.y - a.y) * share).rounded()))
        }
    }

    private mutating func claim(x: Int, y: Int) -> Int {
        let index = y * width + x
        let layer = Int8(clamping: layers.count - 1)
        if owners[index] != layer {
            owners[index] = layer
            dots[index] = 0
            marks[index] = nil
        }
        return index
    }

    private func bit(x: Int, y: Int) -> UInt8 {
        guard glyphs == .braille else { return 1 << UInt8(y) }
        return y == 3 ? 0x40 << UInt8(x) : 1 << UInt8(y + 3 * x)
    }

    /// The character and layer of a cell; nil if nothing was drawn there.
    func cell(column: Int, row: Int) -> Cell? {
        let index = row * width + column
        guard owners[index] >= 0 else { return nil }
        let layer = layers[Int(owners[index])]
        if let mark = marks[index] { return Cell(mark, layer.style) }
        if glyphs == .braille { return Cell(Unicode.Scalar(0x2800 + UInt32(dots[index])) ?? " ", layer.style) }
        let pair: [Unicode.Scalar] = [" ", "'", ".", ":"]
        return Cell(layer.character ?? pair[Int(dots[index] & 3)], layer.style)
    }

    func draw(into frame: inout Frame, at rectangle: Rectangle) {
        for row in 0..<min(height, rectangle.height) {
            for column in 0..<min(width, rectangle.width) {
                if let cell = cell(column: column, row: row) {
                    frame.put(cell.scalar, x: rectangle.x + column, y: rectangle.y + row, cell.style)
                }
            }
        }
    }
}
