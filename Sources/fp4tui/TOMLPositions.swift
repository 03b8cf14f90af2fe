/// Where the keys of a TOML document stand: the parser tells positions only of its own errors, and a value of the wrong
/// kind is found after it.
///
/// Of a document that the parser does not accept the positions mean little. Keys inside an inline table count as being
/// where that table's key is.
struct TOMLPositions {
    struct Position: Hashable {
        var line: Int
        var column: Int
    }

    private var positions: [[String]: Position] = [:]
    /// The key of most parts, where it stands first.
    private(set) var deepest: (parts: Int, position: Position)?
    /// The first of those mistakes on which the parser would end the process instead of telling them.
    private(set) var mistake: (text: String, position: Position)?
    private var rest: Substring.UnicodeScalarView
    private var current = Position(line: 1, column: 1)

    init(_ text: String) {
        rest = text[...].unicodeScalars
        // A byte order mark is no part of the first key.
        if rest.first == "\u{FEFF}" { rest.removeFirst() }
        var table: [String] = []
        while let scalar = rest.first {
            switch scalar {
            case " ", "\t", "\r", "\n": advance()
            case "#": skipLine()
            case "[":
                let start = current
                openHeader()
                table = key()
                note(table, at: start)
                skipLine()
            default:
                let start = current
                note(table + key(), at: start)
                skipValue()
            }
        }
    }

    /// The position of a key, or of the nearest table around it.
    func position(of path: [String]) -> Position? {
        var path = path
        while !path.isEmpty {
            if let position = positions[path] { return position }
            path.removeLast()
        }
        return nil
    }

    /// One part of a dotted key as it must be written: quoted unless it is bare.
    static func written(_ part: String) -> String {
        let isBare = !part.isEmpty && part.unicodeScalars.allSatisfy(isBare)
        return isBare ? part : "\"\(part)\""
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

    /// Whether there is a digit for each 0 of the pattern, and elsewhere the same.
    private static func matches(_ text: [Unicode.Scalar], _ pattern: String) -> Bool {
        text.elementsEqual(pattern.unicodeScalars) { $1 == "0" ? isDigit($0) : $0 == $1 }
    }

    private static func isBare(_ scalar: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || isDigit(scalar) || scalar == "_"
            || scalar == "-"
    }

    private mutating func note(_ path: [String], at position: Position) {
        if positions[path] == nil { positions[path] = position }
        if path.count > deepest?.parts ?? 0 { deepest = (path.count, position) }
    }

    private mutating func advance() {
        guard let scalar = rest.popFirst() else { return }
        if scalar == "\n" {
            current = Position(line: current.line + 1, column: 1)
        } else {
            current.column += 1
        }
    }

    private mutating func skipLine() {
        while let scalar = rest.first, scalar != "\n" { advance() }
    }

    /// Reads a dotted key up to the `=` or `]` after it.
    private mutating func key() -> [String] {
        var parts = [""]
        while let scalar = rest.first, scalar != "=", scalar != "]", scalar != "\n" {
            switch scalar {
            case "\"", "'": parts[parts.count - 1] += quoted(scalar)
            case ".":
                parts.append("")
                advance()
            case " ", "\t": advance()
            default:
                parts[parts.count - 1].unicodeScalars.append(scalar)
                advance()
            }
        }
        return parts
    }

    /// Skips one bracket or two, with the white space behind each.
    private mutating func openHeader() {
        for _ in 0..<2 where rest.first == "[" {
            advance()
            while rest.first == " " || rest.first == "\t" { advance() }
        }
        guard let scalar = rest.first else { return }
        let beginsKey = scalar == "\"" || scalar == "'" || TOMLPositions.isBare(scalar)
        if !beginsKey, scalar != "]" { found("the name of a table is expected") }
    }

    private mutating func found(_ what: String) {
        if mistake == nil { mistake = (what, current) }
    }

    /// Skips `= value`: to the end of the line outside of strings, brackets and comments.
    private mutating func skipValue() {
        var open: [Unicode.Scalar] = []
        var last: [Unicode.Scalar] = []
        while let scalar = rest.first {
            defer { last = last.suffix(9) + [scalar] }
            switch scalar {
            case _ where "Tt ".unicodeScalars.contains(scalar) && TOMLPositions.matches(last, "0000-00-00"):
                advance()
                let isTime = TOMLPositions.matches(Array(rest.prefix(5)), "00:00")
                if !isTime, scalar != " " || rest.first.map(TOMLPositions.isDigit) == true {
                    found("a time is expected after the date")
                }
            case "\"", "'": _ = quoted(scalar)
            case "#": skipLine()
            case "[", "{":
                open.append(scalar)
                advance()
            case "]", "}":
                if scalar == "}", open.last == "[" { found("a value or ] is expected, and } found") }
                _ = open.popLast()
                advance()
            case "\u{85}", "\u{2028}", "\u{2029}":
                found("the line break U+\(String(scalar.value, radix: 16, uppercase: true)) belongs into a string")
                advance()
            case "\n" where open.isEmpty: return
            default: advance()
            }
        }
    }

    /// Reads a string in quotes, one or three, and gives what is between them; escapes stay as they are.
    private mutating func quoted(_ quote: Unicode.Scalar) -> String {
        let isTriple = rest.starts(with: [quote, quote, quote])
        let closing = [Unicode.Scalar](repeating: quote, count: isTriple ? 3 : 1)
        var content = ""
        for _ in closing { advance() }
        while let scalar = rest.first, !rest.starts(with: closing) {
            if scalar == "\\", quote == "\"" {
                content.unicodeScalars.append(scalar)
                advance()
            }
            if let scalar = rest.first { content.unicodeScalars.append(scalar) }
            advance()
        }
        for _ in closing { advance() }
        return content
    }
}
