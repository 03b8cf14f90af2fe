import Dashboard

/// What a terminal shows: as much of an xterm as ncurses makes use of. What it does not know is noted.
final class VirtualScreen {
    struct Style: Hashable {
        var attributes: Set<Int> = []
        /// Empty: the terminal's own; else the kind, 5 or 2, and the colour's numbers.
        var foreground: [Int] = []
        var background: [Int] = []
    }

    /// A cell as it looks: a blank has no colour of its own but its background.
    struct ShownCell: Hashable {
        var scalar: UInt32
        var style: Style
    }

    struct Picture: Equatable {
        var width: Int
        var height: Int
        var cells: [ShownCell]
    }

    struct Cell {
        var scalar: UInt32 = 0x20
        var style = 0
    }

    /// Stands in the second cell of a wide character.
    static let rightHalf: UInt32 = 0
    private static let tabWidth = 8

    private(set) var width: Int
    private(set) var height: Int
    private(set) var isAlternate = false
    private(set) var isCursorVisible = true
    /// Sequences without an effect here that they might have on a terminal.
    private(set) var unknown: Set<String> = []
    var row = 0
    var column = 0
    /// The last column was written: the next character begins a row.
    var isWrapDue = false
    var cells: [Cell]
    private var cellsOfNormal: [Cell]?
    private var styles = [Style()]
    private var places: [Style: Int] = [Style(): 0]
    private(set) var style = 0
    var top = 0
    var bottom: Int
    private var wraps = true
    private var inserts = false
    /// Whether G0 and G1 hold line drawing, and which of them is in use.
    private var isDrawing = [false, false]
    private var charset = 0
    private var last: UInt32?
    private var saved: (row: Int, column: Int, style: Int) = (0, 0, 0)

    private enum Place {
        case text, escape, control, string, stringEscape, charset(Int), character(left: Int)
    }

    private var place = Place.text
    private var collected: [UInt8] = []
    private var scalar: UInt32 = 0

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
        bottom = height - 1
        cells = Array(repeating: Cell(), count: width * height)
    }

    // MARK: What is seen

    func text(row: Int) -> String {
        var text = String.UnicodeScalarView()
        for cell in cells[row * width..<(row + 1) * width] where cell.scalar != VirtualScreen.rightHalf {
            text.append(Unicode.Scalar(cell.scalar) ?? "\u{FFFD}")
        }
        return String(text)
    }

    var text: String { (0..<height).map(text(row:)).joined(separator: "\n") }

    var picture: Picture {
        let blanks = styles.map { style in
            style.attributes.isDisjoint(with: [4, 7]) ? Style(background: style.background) : style
        }
        let shown = cells.map {
            ShownCell(scalar: $0.scalar, style: $0.scalar == 0x20 ? blanks[$0.style] : styles[$0.style])
        }
        return Picture(width: width, height: height, cells: shown)
    }

    func style(row: Int, column: Int) -> Style { styles[cells[row * width + column].style] }

    // MARK: What changes it

    func resize(width: Int, height: Int) {
        cells = resized(cells, width, height)
        cellsOfNormal = cellsOfNormal.map { resized($0, width, height) }
        self.width = width
        self.height = height
        (top, bottom) = (0, height - 1)
        move(row, column)
    }

    private func resized(_ old: [Cell], _ width: Int, _ height: Int) -> [Cell] {
        var new = Array(repeating: Cell(), count: width * height)
        for y in 0..<min(height, self.height) {
            for x in 0..<min(width, self.width) { new[y * width + x] = old[y * self.width + x] }
        }
        return new
    }

    func feed(_ text: String) { feed(Array(text.utf8)[...]) }

    func feed(_ bytes: ArraySlice<UInt8>) {
        for byte in bytes { feed(byte) }
    }

    private func feed(_ byte: UInt8) {
        switch place {
        case .text: takeText(byte)
        case .character(let left):
            guard byte & 0xC0 == 0x80 else {
                unknown.insert("broken UTF-8")
                place = .text
                return takeText(byte)
            }
            scalar = scalar << 6 | UInt32(byte & 0x3F)
            place = left > 1 ? .character(left: left - 1) : .text
            if left == 1 { put(scalar) }
        case .escape: takeEscape(byte)
        case .charset(let number):
            isDrawing[number] = byte == 0x30
            if byte != 0x30, byte != 0x42 { unknown.insert("charset \(byte)") }
            place = .text
        case .control:
            if byte < 0x20 { return takeText(byte) }
            collected.append(byte)
            guard byte >= 0x40 else { return }
            place = .text
            control()
        case .string:
            if byte == 0x07 { place = .text }
            if byte == 0x1B { place = .stringEscape }
        case .stringEscape: place = .text
        }
    }

    private func takeText(_ byte: UInt8) {
        switch byte {
        case 0x20..<0x7F:
            let isLine = isDrawing[charset] && byte >= 0x5F
            put(isLine ? VirtualScreen.lineDrawing[Int(byte) - 0x5F] : UInt32(byte))
        case 0xC2..<0xE0: begin(UInt32(byte & 0x1F), left: 1)
        case 0xE0..<0xF0: begin(UInt32(byte & 0x0F), left: 2)
        case 0xF0..<0xF5: begin(UInt32(byte & 0x07), left: 3)
        case 0x00, 0x07, 0x7F: break
        case 0x08: move(row, column - 1)
        case 0x09: move(row, (column / VirtualScreen.tabWidth + 1) * VirtualScreen.tabWidth)
        case 0x0A...0x0C: lineFeed()
        case 0x0D: move(row, 0)
        case 0x0E: charset = 1
        case 0x0F: charset = 0
        case 0x1B:
            place = .escape
            collected = []
        default: unknown.insert("byte \(byte)")
        }
    }

    private func begin(_ bits: UInt32, left: Int) {
        scalar = bits
        place = .character(left: left)
    }

    private func takeEscape(_ byte: UInt8) {
        place = .text
        switch byte {
        case 0x5B: place = .control
        case 0x5D, 0x50: place = .string
        case 0x28: place = .charset(0)
        case 0x29: place = .charset(1)
        case UInt8(ascii: "7"): saved = (row, column, style)
        case UInt8(ascii: "8"):
            style = saved.style
            move(saved.row, saved.column)
        case UInt8(ascii: "D"): lineFeed()
        case UInt8(ascii: "E"):
            lineFeed()
            move(row, 0)
        case UInt8(ascii: "M"):
            if row == top { scroll(-1) } else { move(row - 1, column) }
        case UInt8(ascii: "="), UInt8(ascii: ">"): break
        default: unknown.insert("ESC \(Character(Unicode.Scalar(byte)))")
        }
    }

    /// The characters 0x5F to 0x7E of DEC's special graphics.
    private static let lineDrawing = " ◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·".unicodeScalars.map(\.value)

    func put(_ value: UInt32) {
        last = value
        let columns = value < 0x7F ? 1 : Unicode.Scalar(value).flatMap(CharacterWidth.columns) ?? 1
        guard columns > 0, columns <= width else {
            unknown.insert("character \(value)")
            return
        }
        if wraps, isWrapDue || column + columns > width {
            lineFeed()
            column = 0
        }
        isWrapDue = false
        column = min(column, width - columns)
        if inserts { insertCharacters(columns) }
        set(column, value)
        if columns == 2 { set(column + 1, VirtualScreen.rightHalf) }
        isWrapDue = wraps && column + columns == width
        column = min(width - 1, column + columns)
    }

    /// A wide character that loses a half is gone.
    private func set(_ x: Int, _ value: UInt32) {
        let index = row * width + x
        if value != VirtualScreen.rightHalf, cells[index].scalar == VirtualScreen.rightHalf, x > 0 {
            cells[index - 1].scalar = 0x20
        }
        if x + 1 < width, cells[index + 1].scalar == VirtualScreen.rightHalf { cells[index + 1].scalar = 0x20 }
        cells[index] = Cell(scalar: value, style: style)
    }

    func move(_ wantedRow: Int, _ wantedColumn: Int) {
        row = min(height - 1, max(0, wantedRow))
        column = min(width - 1, max(0, wantedColumn))
        isWrapDue = false
    }

    private func lineFeed() {
        if row == bottom { scroll(1) } else { row = min(height - 1, row + 1) }
        isWrapDue = false
    }

    // MARK: Control sequences

    private func control() {
        let text = String(decoding: collected, as: UTF8.self)
        guard let final = text.last else { return }
        let body = text.dropLast()
        if final == "m" { return setStyle(body) }
        if body.hasPrefix("?") { return setModes(body.dropFirst(), on: final == "h", text) }
        let numbers = body.split(separator: ";", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        let first = numbers.first ?? 0
        let count = max(1, first)
        switch final {
        case "A": move(row - count, column)
        case "B", "e": move(row + count, column)
        case "C", "a": move(row, column + count)
        case "D": move(row, column - count)
        case "G", "`": move(row, count - 1)
        case "d": move(count - 1, column)
        case "H", "f": move(count - 1, max(1, numbers.count > 1 ? numbers[1] : 1) - 1)
        case "Z": move(row, (column - 1) / VirtualScreen.tabWidth * VirtualScreen.tabWidth)
        case "J": eraseInDisplay(first)
        case "K": eraseInLine(first)
        case "X": erase(row * width + column..<row * width + min(width, column + count))
        case "P": deleteCharacters(count)
        case "@": insertCharacters(count)
        case "L": scroll(-count, from: row)
        case "M": scroll(count, from: row)
        case "S": scroll(count)
        case "T": scroll(-count)
        case "b": if let last { for _ in 0..<count { put(last) } }
        case "r": setRegion(first, numbers.count > 1 ? numbers[1] : 0)
        case "h" where first == 4: inserts = true
        case "l" where first == 4: inserts = false
        // Titles, and the shape of the cursor.
        case "t": break
        case "h" where first == 34, "l" where first == 34: break
        default: unknown.insert("CSI \(text)")
        }
    }

    private func setRegion(_ first: Int, _ last: Int) {
        top = min(height, max(1, first)) - 1
        bottom = (last == 0 ? height : min(height, last)) - 1
        if top >= bottom { (top, bottom) = (0, height - 1) }
        move(0, 0)
    }

    private func setModes(_ body: Substring, on: Bool, _ text: String) {
        for mode in body.split(separator: ";") {
            switch mode {
            // The mouse's reports do not show.
            case "1", "12", "1034", "1000", "1006": break
            case "7": wraps = on
            case "25": isCursorVisible = on
            case "1049":
                if on, !isAlternate {
                    saved = (row, column, style)
                    cellsOfNormal = cells
                    cells = Array(repeating: Cell(), count: width * height)
                } else if !on, isAlternate {
                    cells = cellsOfNormal ?? cells
                    cellsOfNormal = nil
                    style = saved.style
                    move(saved.row, saved.column)
                }
                isAlternate = on
            default: unknown.insert("CSI \(text)")
            }
        }
    }

    private func setStyle(_ body: Substring) {
        var style = styles[style]
        var parts = body.split(separator: ";", omittingEmptySubsequences: false)[...]
        while let part = parts.popFirst() {
            let pieces = part.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
            switch pieces.first ?? 0 {
            case 0: style = Style()
            case 1...8: style.attributes.insert(pieces[0])
            case 22: style.attributes.subtract([1, 2])
            case 23...28: style.attributes.remove(pieces[0] - 20)
            case 30...37: style.foreground = [5, pieces[0] - 30]
            case 40...47: style.background = [5, pieces[0] - 40]
            case 90...97: style.foreground = [5, pieces[0] - 82]
            case 100...107: style.background = [5, pieces[0] - 92]
            case 38: style.foreground = colour(pieces, &parts)
            case 48: style.background = colour(pieces, &parts)
            case 39: style.foreground = []
            case 49: style.background = []
            default: unknown.insert("SGR \(part)")
            }
        }
        self.style = number(style)
    }

    private func number(_ style: Style) -> Int {
        if let known = places[style] { return known }
        places[style] = styles.count
        styles.append(style)
        return styles.count - 1
    }

    /// What an erased cell has of the style in use.
    var backgroundStyle: Int {
        styles[style].background.isEmpty ? 0 : number(Style(background: styles[style].background))
    }

    /// In one part with colons, or in as many parts as the kind of colour takes.
    private func colour(_ pieces: [Int], _ parts: inout ArraySlice<Substring>) -> [Int] {
        if pieces.count > 1 { return pieces[1] == 2 ? [2] + pieces.suffix(3) : Array(pieces.dropFirst()) }
        let kind = parts.popFirst().flatMap { Int($0) } ?? 0
        return [kind] + (0..<(kind == 2 ? 3 : 1)).map { _ in parts.popFirst().flatMap { Int($0) } ?? 0 }
    }
}
