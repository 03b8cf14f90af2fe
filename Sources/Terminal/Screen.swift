import CNcurses
import Core
import Dashboard
import Foundation

/// The terminal, through ncurses: frames go in, keys come out. One at a time.
@MainActor
final class Screen {
    private var theme: Theme
    private let depth: ColourDepth
    private var shown: Frame?
    private var pairs: [PairKey: Int32] = [:]
    private var isOpen = true

    private struct PairKey: Hashable {
        var foreground: Int
        var background: Int
    }

    /// - Parameters:
    ///   - wantsColour: false if NO_COLOR is set.
    ///   - colours: how many; nil: as many as the terminal has.
    ///   - alternative: what to do without this terminal; nil: nothing.
    /// - Throws: `UserError` if the terminal can't be used, or doesn't have so many colours.
    init(theme: Theme, wantsColour: Bool, colours: ColourCount?, alternative: String?) throws(UserError) {
        let term = Environment.value("TERM") ?? ""
        let name = wantsColour ? try colours?.terminal(term) { Int(cn_terminal_colours($0)) } : nil
        guard cn_open(name) else {
            throw UserError(
                "the terminal type TERM=\(term) is unknown here: set another" + (alternative.map { ", or \($0)" } ?? "")
            )
        }
        let available = cn_colours()
        depth =
            switch available {
            case _ where !wantsColour: .mono
            case _ where colours != nil: colours?.depth ?? .mono
            case ..<8: .mono
            case ..<16: .ansi8
            case ..<256: .ansi16
            case ...256: .palette256
            default: .direct
            }
        self.theme = theme
    }

    var size: Size { Size(width: Int(cn_columns()), height: Int(cn_rows())) }

    func setTheme(_ theme: Theme) {
        self.theme = theme
        pairs = [:]
        redraw()
    }

    /// The next frame is sent whole.
    func redraw() {
        shown = nil
        cn_redraw()
    }

    func adoptSize() {
        cn_resize()
        shown = nil
    }

    /// Sends what differs from the frame before.
    func draw(_ frame: Frame) {
        let before = shown?.size == frame.size ? shown : nil
        var style: Style?
        var pair: Int32 = 0
        var attributes: Int32 = 0
        for y in 0..<frame.size.height {
            for x in 0..<frame.size.width {
                let cell = frame[x, y]
                if let before, before[x, y] == cell { continue }
                guard cell.scalar != Cell.continuation else { continue }
                if cell.style != style {
                    style = cell.style
                    let resolved = theme.resolve(cell.style, depth: depth)
                    pair = self.pair(resolved)
                    attributes = Int32(resolved.attributes.rawValue)
                }
                put(cell.scalar, x: x, y: y, attributes, pair)
            }
        }
        if let cursor = frame.cursor {
            cn_cursor(Int32(cursor.y), Int32(cursor.x))
        } else {
            cn_cursor(-1, 0)
        }
        cn_refresh()
        shown = frame
    }

    /// A character on which the C library and the width table disagree would shift the rest of its row.
    private func put(_ scalar: Unicode.Scalar, x: Int, y: Int, _ attributes: Int32, _ pair: Int32) {
        let width = CharacterWidth.columns(scalar) ?? 1
        if scalar.isASCII || Int(cn_character_width(scalar.value)) == width {
            cn_put(Int32(y), Int32(x), scalar.value, attributes, pair)
        } else {
            for offset in 0..<width { cn_put(Int32(y), Int32(x + offset), 0x3F, attributes, pair) }
        }
    }

    /// Pairs are defined when first used. If the terminal has no more, the text is shown in its own colours.
    private func pair(_ style: TerminalStyle) -> Int32 {
        guard depth != .mono, style.foreground >= 0 || style.background >= 0 else { return 0 }
        let key = PairKey(foreground: style.foreground, background: style.background)
        if let known = pairs[key] { return known }
        let next = Int32(pairs.count + 1)
        let isDefined =
            next < cn_pairs() && cn_define_pair(next, Int32(style.foreground), Int32(style.background))
        pairs[key] = isDefined ? next : 0
        return isDefined ? next : 0
    }

    /// All keys and all of the mouse that waits.
    func inputs() -> [DashboardInput] {
        var inputs: [DashboardInput] = []
        while true {
            var value: UInt32 = 0
            let kind = Int(cn_read_key(&value))
            if kind == CN_KEY_NONE { return inputs }
            if let mouse = Screen.mouse(kind) {
                inputs.append(.mouse(x: Int(value & 0xFFFF), y: Int(value >> 16), kind: mouse))
            } else if let key = Screen.key(kind, value) {
                inputs.append(.key(key))
            }
        }
    }

    private static func mouse(_ kind: Int) -> MouseKind? {
        switch kind {
        case CN_KEY_MOUSE_PRESS: .press
        case CN_KEY_MOUSE_WHEEL_UP: .wheelUp
        case CN_KEY_MOUSE_WHEEL_DOWN: .wheelDown
        default: nil
        }
    }

    func setMouse(_ isOn: Bool) { cn_set_mouse(isOn) }

    /// Sends bytes that move nothing on the screen.
    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return
            }
        }
    }

    private static func key(_ kind: Int, _ value: UInt32) -> Key? {
        switch kind {
        case CN_KEY_CHARACTER: character(value)
        case CN_KEY_FUNCTION: .function(Int(value))
        case CN_KEY_UP: .up
        case CN_KEY_DOWN: .down
        case CN_KEY_LEFT: .left
        case CN_KEY_RIGHT: .right
        case CN_KEY_PAGE_UP: .pageUp
        case CN_KEY_PAGE_DOWN: .pageDown
        case CN_KEY_HOME: .home
        case CN_KEY_END: .end
        case CN_KEY_ENTER: .enter
        case CN_KEY_BACK_TAB: .backTab
        case CN_KEY_BACKSPACE: .backspace
        case CN_KEY_DELETE: .delete
        default: nil
        }
    }

    private static func character(_ value: UInt32) -> Key? {
        switch value {
        case 9: .tab
        case 10, 13: .enter
        case 27: .escape
        case 8, 127: .backspace
        case 1...26: Unicode.Scalar(value + 96).map(Key.control)
        case 0..<32: nil
        default: Unicode.Scalar(value).map(Key.character)
        }
    }

    func suspend(wholeGroup: Bool) {
        cn_suspend(wholeGroup)
        shown = nil
    }

    /// After a stop that nobody could prepare for.
    func resume() {
        cn_resume()
        shown = nil
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        cn_close()
    }
}
