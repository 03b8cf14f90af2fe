extension Frame {
    /// The frame as it looks in a terminal of the theme's colours, as an SVG picture. Lines, blocks and braille dots are
    /// shapes, so that no font leaves gaps between them; the frame's text is also the picture's description.
    public func svg(theme: Theme, title: String = "fp4tui") -> String {
        let drawing = FrameDrawing(self, theme: theme)
        let metrics = drawing.metrics
        var svg = SVGText()
        svg.open(width: drawing.width, height: drawing.height, title: title, description: text)
        svg.line(
            "<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"\(drawing.background.hex)\"/>")
        for part in drawing.backgrounds { svg.rectangle(part) }
        for (opacity, parts) in Frame.grouped(drawing.rectangles, by: { SVGText.number($0.opacity) }) {
            for (colour, parts) in Frame.grouped(parts, by: { $0.colour.hex }) {
                let path = parts.map { part in
                    "M\(SVGText.number(part.x)),\(SVGText.number(part.y))h\(SVGText.number(part.width))"
                        + "v\(SVGText.number(part.height))h\(SVGText.number(-part.width))z"
                }
                let transparency = opacity == "1" ? "" : " fill-opacity=\"\(opacity)\""
                svg.line("<path fill=\"\(colour)\"\(transparency) d=\"\(path.joined())\"/>")
            }
        }
        let stroke = "fill=\"none\" stroke-width=\"\(SVGText.number(metrics.stroke))\""
        for (colour, parts) in Frame.grouped(drawing.corners, by: { $0.colour.hex }) {
            let path = parts.map { part in
                "M\(SVGText.point(part.from))Q\(SVGText.point(part.middle)) \(SVGText.point(part.to))"
            }
            svg.line("<path \(stroke) stroke=\"\(colour)\" d=\"\(path.joined())\"/>")
        }
        // Lines of no length with round ends are dots.
        let dot = "fill=\"none\" stroke-linecap=\"round\" stroke-width=\"\(SVGText.number(metrics.dot))\""
        for (colour, parts) in Frame.grouped(drawing.dots, by: { $0.colour.hex }) {
            let path = parts.map { "M\(SVGText.number($0.x)),\(SVGText.number($0.y))h0" }
            svg.line("<path \(dot) stroke=\"\(colour)\" d=\"\(path.joined())\"/>")
        }
        svg.line("<g font-family=\"\(SVGText.fonts)\" font-size=\"\(SVGText.number(metrics.fontSize))\">")
        for word in drawing.words {
            let width = SVGText.number(Double(word.columns) * metrics.cellWidth)
            let weight = word.isBold ? " font-weight=\"bold\"" : ""
            let decoration = word.isUnderlined ? " text-decoration=\"underline\"" : ""
            svg.line(
                "<text x=\"\(SVGText.number(word.x))\" y=\"\(SVGText.number(word.baseline))\" textLength=\"\(width)\" "
                    + "lengthAdjust=\"spacingAndGlyphs\" fill=\"\(word.colour.hex)\"\(weight)\(decoration)>"
                    + SVGText.escaped(word.text) + "</text>")
        }
        svg.line("</g>")
        svg.line("</svg>")
        return svg.text
    }

    /// In the order of the keys, so that the same frame gives the same bytes.
    private static func grouped<Part>(_ parts: [Part], by key: (Part) -> String) -> [(String, [Part])] {
        Dictionary(grouping: parts, by: key).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}

/// Puts an SVG picture together.
struct SVGText {
    private(set) var text = ""

    static let fonts = "'DejaVu Sans Mono','SF Mono',Menlo,Consolas,'Liberation Mono',monospace"

    mutating func line(_ line: String) { text += line + "\n" }

    mutating func open(width: Double, height: Double, title: String, description: String) {
        let (width, height) = (SVGText.number(width), SVGText.number(height))
        line(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(width)\" height=\"\(height)\" "
                + "viewBox=\"0 0 \(width) \(height)\" role=\"img\">")
        line("<title>\(SVGText.escaped(title))</title>")
        line("<desc>\(SVGText.escaped(description))</desc>")
    }

    mutating func rectangle(_ part: FrameDrawing.Rectangle) {
        line(
            "<rect x=\"\(SVGText.number(part.x))\" y=\"\(SVGText.number(part.y))\" "
                + "width=\"\(SVGText.number(part.width))\" height=\"\(SVGText.number(part.height))\" "
                + "fill=\"\(part.colour.hex)\"/>")
    }

    /// With at most two decimals.
    static func number(_ value: Double) -> String { NumberText.trimmed(NumberText.fixed(value, 2)) }

    static func point(_ point: SIMD2<Double>) -> String { number(point.x) + "," + number(point.y) }

    /// Text for XML 1.0, which has no place for most control characters.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "\n", "\t": result.unicodeScalars.append(scalar)
            case "\0"..<" ", "\u{FFFE}", "\u{FFFF}": result.append("\u{FFFD}")
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
