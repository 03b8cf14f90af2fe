/// Where the keys of a TOML document stand: the parser tells positions only of its own errors, and a value of the wrong
/// kind is found after it.
///
/// Expects a document that the parser accepted. Keys inside an inline table count as being where that table's key is.
struct TOMLPositions {
    struct Position: Hashable {
        var line: Int
        var column: Int
    }

    private var positions: [[String]: Position] = [:]
    private var rest: Substring.UnicodeScalarView
    private var current = Position(line: 1, column: 1)

    init(_ text: String) {
        rest = text[...].unicodeScalars
        var table: [String] = []
        while let scalar = rest.first {
            switch scalar {
            case " ", "\t", "\r", "\n": advance()
            case "#": skipLine()
            case "[":
                let start = current
                while rest.first == "[" || rest.first == " " { advance() }
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
        let isBare =
            !part.isEmpty
            && part.unicodeScalars.allSatisfy {
                ("a"..."z").contains($0) || ("A"..."Z").contains($0) || ("0"..."9").contains($0) || $0 == "_"
                    || $0 == "-"
            }
        return isBare ? part : "\"\(part)\""
    }

    private mutating func note(_ path: [String], at position: Position) {
        if positions[path] == nil { positions[path] = position }
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

    /// Skips `= value`: to the end of the line outside of strings, brackets and comments.
    private mutating func skipValue() {
        var depth = 0
        while let scalar = rest.first {
            switch scalar {
            case "\"", "'": _ = quoted(scalar)
            case "#": skipLine()
            case "[", "{":
                depth += 1
                advance()
            case "]", "}":
                depth -= 1
                advance()
            case "\n" where depth == 0: return
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
