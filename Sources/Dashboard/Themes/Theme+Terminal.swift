/// How many colours a terminal can show.
public enum ColourDepth: Sendable, Hashable, CaseIterable {
    /// None, or none wanted (NO_COLOR).
    case mono
    case ansi8, ansi16, palette256
}

/// A style as a terminal of limited colours can show it.
public struct TerminalStyle: Sendable, Hashable {
    /// Number of a colour; -1 is the terminal's own.
    public var foreground: Int
    public var background: Int
    public var attributes: Attributes

    public static let standard = -1
}

extension Theme {
    /// The slots as the terminal's own sixteen colours, for terminals without more; nil is the terminal's own colour.
    private static let ansiSlots: [UInt8?] = [nil, 8, 8, 8, nil, nil, nil, nil, 9, 3, 11, 10, 14, 12, 13, 5]

    public func resolve(_ style: Style, depth: ColourDepth) -> TerminalStyle {
        var result = TerminalStyle(
            foreground: TerminalStyle.standard, background: TerminalStyle.standard, attributes: style.attributes)
        switch depth {
        case .mono:
            if style.background != .background { result.attributes.insert(.reverse) }
            if style.role == .error || style.role == .warning { result.attributes.insert(.bold) }
        case .ansi8:
            // Bright black as background needs sixteen colours: reverse video instead, in one colour.
            if style.background != .background {
                result.attributes.insert(.reverse)
            } else if let colour = Theme.ansiSlots[style.role.slot], colour != 8 {
                result.foreground = Int(colour & 7)
            }
        case .ansi16:
            result.foreground = Theme.number16(self[style.role], slot: style.role.slot)
            result.background = Theme.number16(self[style.background], slot: style.background.slot)
        case .palette256:
            result.foreground = Theme.number256(self[style.role])
            result.background = Theme.number256(self[style.background])
        }
        return result
    }

    private static func number16(_ colour: Colour, slot: Int) -> Int {
        switch colour {
        case .standard: TerminalStyle.standard
        case .ansi(let index): Int(index)
        case .rgb: ansiSlots[slot].map(Int.init) ?? TerminalStyle.standard
        }
    }

    private static func number256(_ colour: Colour) -> Int {
        switch colour {
        case .standard: TerminalStyle.standard
        case .ansi(let index): Int(index)
        case .rgb(let red, let green, let blue): nearest256(Int(red), Int(green), Int(blue))
        }
    }

    /// The nearest of the 6 × 6 × 6 cube and the 24 greys. The first sixteen belong to the user's palette.
    static func nearest256(_ red: Int, _ green: Int, _ blue: Int) -> Int {
        let levels = [0, 95, 135, 175, 215, 255]
        func nearest(_ value: Int) -> Int {
            levels.indices.min { abs(levels[$0] - value) < abs(levels[$1] - value) } ?? 0
        }
        func distance(_ r: Int, _ g: Int, _ b: Int) -> Int {
            // Green counts most for the eye, blue least.
            3 * (r - red) * (r - red) + 4 * (g - green) * (g - green) + 2 * (b - blue) * (b - blue)
        }
        let (r, g, b) = (nearest(red), nearest(green), nearest(blue))
        let grey = min(23, max(0, (((red + green + blue) / 3) - 3) / 10))
        let greyLevel = 8 + 10 * grey
        return distance(greyLevel, greyLevel, greyLevel) < distance(levels[r], levels[g], levels[b])
            ? 232 + grey : 16 + 36 * r + 6 * g + b
    }
}
