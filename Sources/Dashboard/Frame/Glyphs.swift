/// The characters that boxes, bars and charts are drawn with.
public enum GlyphSet: String, Sendable, Hashable, CaseIterable {
    case braille, ascii
}

struct Glyphs: Sendable {
    let topLeft: Unicode.Scalar
    let topRight: Unicode.Scalar
    let bottomLeft: Unicode.Scalar
    let bottomRight: Unicode.Scalar
    let horizontal: Unicode.Scalar
    let vertical: Unicode.Scalar
    /// The y axis, plain and at a tick; the corner; the x axis at a tick.
    let axis: Unicode.Scalar
    let axisTick: Unicode.Scalar
    let axisCorner: Unicode.Scalar
    let baseTick: Unicode.Scalar
    let barFull: Unicode.Scalar
    let barEmpty: Unicode.Scalar
    let separator: String
    let rawKey: String
    let lineKey: String
    let referenceKey: String
    let forkKey: String
    let clippedKey: String
    let point: Unicode.Scalar
    let comparedPoint: Unicode.Scalar
    let more: String
    let less: String
    let running: String
    let paused: String
    let stopped: String
    let ellipsis: String
    let times: String

    static func of(_ set: GlyphSet) -> Glyphs {
        switch set {
        case .braille: braille
        case .ascii: ascii
        }
    }

    private static let braille = Glyphs(
        topLeft: "╭", topRight: "╮", bottomLeft: "╰", bottomRight: "╯", horizontal: "─", vertical: "│", axis: "│",
        axisTick: "┤", axisCorner: "└", baseTick: "┬", barFull: "█", barEmpty: "░", separator: "·", rawKey: "⢸",
        lineKey: "━", referenceKey: "╌", forkKey: "━", clippedKey: "━", point: "◆", comparedPoint: "◇", more: "↓",
        less: "↑", running: "▶",
        paused: "Ⅱ", stopped: "■",
        ellipsis: "…", times: "×")
    private static let ascii = Glyphs(
        topLeft: "+", topRight: "+", bottomLeft: "+", bottomRight: "+", horizontal: "-", vertical: "|", axis: "|",
        axisTick: "+", axisCorner: "+", baseTick: "+", barFull: "#", barEmpty: ".", separator: "-", rawKey: ":",
        lineKey: "*", referenceKey: "-", forkKey: "~", clippedKey: "=", point: "o", comparedPoint: "x", more: "v",
        less: "^", running: ">",
        paused: "=", stopped: "#",
        ellipsis: "...", times: "x")
}
