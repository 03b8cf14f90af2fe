extension Frame {
    /// All rows, each with a newline, blanks at the end included.
    public var text: String {
        (0..<size.height).map { text(row: $0) + "\n" }.joined()
    }

    /// The rows with the escape sequences of a terminal with 24-bit colours (ECMA-48, and ISO 8613-6 for the colours), each
    /// row on a line of its own.
    public func ansi(theme: Theme) -> String {
        var result = ""
        for y in 0..<size.height {
            var style: Style?
            for x in 0..<size.width where self[x, y].scalar != Cell.continuation {
                let cell = self[x, y]
                if cell.style != style {
                    style = cell.style
                    result += Frame.sequence(cell.style, theme)
                }
                result.unicodeScalars.append(cell.scalar)
            }
            result += "\u{1B}[0m\n"
        }
        return result
    }

    private static func sequence(_ style: Style, _ theme: Theme) -> String {
        var codes = ["0"]
        for (attribute, code) in [(Attributes.bold, "1"), (.underline, "4"), (.reverse, "7")]
        where style.attributes.contains(attribute) {
            codes.append(code)
        }
        codes += code(theme[style.role], plain: 30, bright: 90, direct: "38")
        codes += code(theme[style.background], plain: 40, bright: 100, direct: "48")
        return "\u{1B}[" + codes.joined(separator: ";") + "m"
    }

    private static func code(_ colour: Theme.Colour, plain: Int, bright: Int, direct: String) -> [String] {
        switch colour {
        case .standard: []
        case .ansi(let index): ["\(index < 8 ? plain + Int(index) : bright + Int(index) - 8)"]
        case .rgb(let red, let green, let blue): ["\(direct);2;\(red);\(green);\(blue)"]
        }
    }
}
