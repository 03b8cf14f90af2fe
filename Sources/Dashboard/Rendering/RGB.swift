/// A colour of a picture.
public struct RGB: Sendable, Hashable {
    public var red: UInt8
    public var green: UInt8
    public var blue: UInt8

    public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    /// #rrggbb
    public var hex: String {
        "#"
            + [red, green, blue].map { component in
                let digits = String(component, radix: 16)
                return digits.count < 2 ? "0" + digits : digits
            }.joined()
    }

    /// xterm's own sixteen colours: a picture has no terminal that could say what its own are.
    private static let ansi = [
        RGB(0, 0, 0), RGB(205, 0, 0), RGB(0, 205, 0), RGB(205, 205, 0), RGB(0, 0, 238), RGB(205, 0, 205),
        RGB(0, 205, 205), RGB(229, 229, 229), RGB(127, 127, 127), RGB(255, 0, 0), RGB(0, 255, 0), RGB(255, 255, 0),
        RGB(92, 92, 255), RGB(255, 0, 255), RGB(0, 255, 255), RGB(255, 255, 255),
    ]

    /// - Parameter standard: what the terminal's own colour is taken for.
    init(_ colour: Theme.Colour, standard: RGB) {
        switch colour {
        case .rgb(let red, let green, let blue): self.init(red, green, blue)
        case .ansi(let index): self = RGB.ansi[Int(index & 15)]
        case .standard: self = standard
        }
    }
}

extension Theme {
    /// What a style looks like where the terminal's own colours are light grey on black.
    func colours(_ style: Style) -> (foreground: RGB, background: RGB) {
        let foreground = RGB(self[style.role], standard: RGB(229, 229, 229))
        let background = RGB(self[style.background], standard: RGB(0, 0, 0))
        return style.attributes.contains(.reverse) ? (background, foreground) : (foreground, background)
    }
}
