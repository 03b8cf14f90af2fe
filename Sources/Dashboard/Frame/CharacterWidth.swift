/// How a character is shown in a cell grid. The one width table of the program: what it calls narrow, every terminal
/// shows in one cell; what it calls wide, in two. Characters on which terminals disagree are replaced.
public enum CharacterWidth {
    /// Stands for what can't be shown: control characters, emoji, unassigned and private code points.
    public static let replacement: Unicode.Scalar = "\u{FFFD}"

    private static let wideRanges: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x4DBF, 0x4E00...0xA4CF, 0xA960...0xA97C, 0xAC00...0xD7A3,
        0xF900...0xFAFF, 0xFE30...0xFE6B, 0xFF01...0xFF60, 0xFFE0...0xFFE6, 0x20000...0x2FFFD, 0x30000...0x3FFFD,
    ]

    /// Cells that a scalar takes: 0, 1 or 2; nil if it can't be shown and `replacement` is put in its place.
    public static func columns(_ scalar: Unicode.Scalar) -> Int? {
        let value = scalar.value
        if value < 0x7F { return value >= 0x20 ? 1 : nil }
        if value < 0xA0 { return nil }
        if value < 0x300 { return value == 0xAD ? 0 : 1 }
        if (0x2500...0x259F).contains(value) || (0x2800...0x28FF).contains(value) { return 1 }
        let properties = scalar.properties
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        case .control, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: return nil
        default: break
        }
        if properties.isEmojiPresentation || value >= 0x1F000 && value < 0x20000 { return nil }
        if (0x1160...0x11FF).contains(value) { return 0 }
        return wideRanges.contains { $0.contains(value) } ? 2 : 1
    }

    /// Cells that a text takes.
    public static func columns(_ text: String) -> Int {
        text.unicodeScalars.reduce(0) { $0 + (columns($1) ?? 1) }
    }

    /// The longest beginning of a text that fits into so many cells.
    public static func prefix(_ text: String, columns limit: Int) -> String {
        var used = 0
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            used += columns(scalar) ?? 1
            guard used <= limit else { break }
            result.append(scalar)
        }
        return String(result)
    }
}
