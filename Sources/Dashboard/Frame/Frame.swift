/// A picture of the whole screen, as a value.
public struct Frame: Sendable, Hashable {
    public let size: Size
    /// Row by row, `size.width` × `size.height`.
    public private(set) var cells: [Cell]
    /// Where the terminal's cursor is shown; nil hides it.
    public var cursor: Cursor?
    /// Text outside ASCII is replaced, for terminals that can't show it.
    public let isASCII: Bool

    public struct Cursor: Sendable, Hashable {
        public var x: Int
        public var y: Int
    }

    public init(size: Size, isASCII: Bool = false) {
        self.size = size
        self.isASCII = isASCII
        cells = Array(repeating: Cell(" ", .text), count: size.width * size.height)
    }

    public var bounds: Rectangle { Rectangle(x: 0, y: 0, width: size.width, height: size.height) }

    public subscript(x: Int, y: Int) -> Cell {
        cells[y * size.width + x]
    }

    /// One row as text, without the hidden halves of wide characters.
    public func text(row: Int) -> String {
        var result = String.UnicodeScalarView()
        for cell in cells[row * size.width..<(row + 1) * size.width] where cell.scalar != Cell.continuation {
            result.append(cell.scalar)
        }
        return String(result)
    }

    /// Puts one character that is one cell wide; outside the frame nothing happens.
    public mutating func put(_ scalar: Unicode.Scalar, x: Int, y: Int, _ style: Style) {
        guard x >= 0, y >= 0, x < size.width, y < size.height else { return }
        let index = y * size.width + x
        separate(at: index, x: x)
        cells[index] = Cell(scalar, style)
    }

    /// Puts text on one row, cut at `limit` cells and at the frame's edges.
    /// - Returns: the column after the text.
    @discardableResult
    public mutating func put(_ text: String, x: Int, y: Int, limit: Int = .max, _ style: Style) -> Int {
        guard y >= 0, y < size.height, x < size.width else { return x }
        let end = min(size.width, limit >= size.width - x ? size.width : x + limit)
        var column = x
        for scalar in text.unicodeScalars {
            var scalar = scalar
            var width = 1
            if let known = CharacterWidth.columns(scalar) {
                guard known > 0 else { continue }
                width = known
                if isASCII && !scalar.isASCII {
                    scalar = "?"
                    width = 1
                }
            } else {
                scalar = isASCII ? "?" : CharacterWidth.replacement
            }
            guard column + width <= end else { break }
            if column >= 0 {
                put(scalar, x: column, y: y, style)
                if width == 2 {
                    put(Cell.continuation, x: column + 1, y: y, style)
                    cells[y * size.width + column].scalar = scalar
                }
            }
            column += width
        }
        return column
    }

    /// Clears a part of the frame.
    public mutating func fill(_ rectangle: Rectangle, _ style: Style) {
        let left = max(0, rectangle.x)
        let right = min(size.width, rectangle.right)
        guard left < right else { return }
        for y in max(0, rectangle.y)..<max(0, rectangle.y, min(size.height, rectangle.bottom)) {
            for x in left..<right { put(" ", x: x, y: y, style) }
        }
    }

    /// A wide character of which one half is overwritten loses the other half too.
    private mutating func separate(at index: Int, x: Int) {
        if cells[index].scalar == Cell.continuation, x > 0 { cells[index - 1].scalar = " " }
        if x + 1 < size.width, cells[index + 1].scalar == Cell.continuation { cells[index + 1].scalar = " " }
    }
}
