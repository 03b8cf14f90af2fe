import Core
import Dashboard
import Testing

/// What a terminal makes of a frame's escape sequences.
@Suite struct ANSITests {
    private static func expected(_ colour: Theme.Colour) -> [Int] {
        switch colour {
        case .standard: []
        case .ansi(let index): [5, Int(index)]
        case .rgb(let red, let green, let blue): [2, Int(red), Int(green), Int(blue)]
        }
    }

    @Test(arguments: Theme.names)
    func aTerminalShowsTheFramesCells(_ name: String) throws {
        let theme = try Theme.named(name)
        var frame = Frame(size: Size(width: 60, height: 10))
        let roles = Role.allCases
        for (index, role) in roles.enumerated() {
            let attributes = Attributes(rawValue: UInt8(index % 8))
            frame.put(
                "x\u{28FF}╭日\(index)", x: index % 3 * 20, y: index / 3,
                Style(role, on: roles[index * 7 % roles.count], attributes))
        }
        frame.put("end", x: 57, y: 9, Style(.error, .bold))
        let screen = VirtualScreen(width: 60, height: 11)
        // A terminal's driver puts the carriage return before the newline.
        screen.feed(frame.ansi(theme: theme).replacing("\n", with: "\r\n"))
        #expect(screen.unknown.isEmpty)
        for y in 0..<10 {
            #expect(screen.text(row: y) == frame.text(row: y))
            let styles = (0..<60).filter { frame[$0, y].scalar != Cell.continuation }
            let areEqual = styles.allSatisfy { x in
                let (shown, style) = (screen.style(row: y, column: x), frame[x, y].style)
                let codes: [(Attributes, Int)] = [(.bold, 1), (.underline, 4), (.reverse, 7)]
                return shown.foreground == Self.expected(theme[style.role])
                    && shown.background == Self.expected(theme[style.background])
                    && shown.attributes == Set(codes.filter { style.attributes.contains($0.0) }.map(\.1))
            }
            #expect(areEqual, "row \(y)")
        }
    }
}
