import Testing

@testable import Dashboard

@Suite struct FrameTests {
    @Test func widths() {
        let table: [(Unicode.Scalar, Int?)] = [
            ("a", 1), ("é", 1), ("─", 1), ("⣿", 1), ("◆", 1), ("’", 1), ("日", 2), ("한", 2), ("Ａ", 2), ("、", 2),
            ("\u{301}", 0), ("\u{200D}", 0), ("\u{AD}", 0), ("\u{7}", nil), ("\u{7F}", nil), ("\u{9B}", nil),
            ("\u{1F600}", nil), ("\u{231A}", nil), ("\u{E000}", nil), ("\u{2028}", nil), ("\u{378}", nil),
            ("\u{FFFD}", 1),
            ("\u{FFFF}", nil),
        ]
        for (scalar, expected) in table { #expect(CharacterWidth.columns(scalar) == expected, "U+\(scalar.value)") }
        #expect(CharacterWidth.columns("日本 a\u{301}") == 6)
        #expect(CharacterWidth.prefix("日本語", columns: 5) == "日本")
    }

    @Test func textIsCutAtEveryEdge() {
        var frame = Frame(size: Size(width: 5, height: 2))
        frame.put("abc", x: 3, y: 0, .text)
        frame.put("xyz", x: -1, y: 1, .text)
        frame.put("no", x: 0, y: 2, .text)
        frame.put("no", x: 0, y: -1, .text)
        #expect(frame.text(row: 0) == "   ab")
        #expect(frame.text(row: 1) == "yz   ")
        #expect(frame.put("limit", x: 0, y: 0, limit: 2, .text) == 2)
        #expect(frame.text(row: 0) == "li ab")
    }

    @Test func wideCharactersStayWhole() {
        var frame = Frame(size: Size(width: 6, height: 1))
        frame.put("日本語", x: 0, y: 0, .text)
        #expect(frame.text(row: 0) == "日本語")
        frame.put("x", x: 3, y: 0, .text)
        #expect(frame.text(row: 0) == "日 x語")
        frame.put("y", x: 0, y: 0, .text)
        #expect(frame.text(row: 0) == "y  x語")
        frame.put("ab日", x: 3, y: 0, .text)
        #expect(frame.text(row: 0) == "y  ab ")
    }

    @Test func asciiFrameReplaces() {
        var frame = Frame(size: Size(width: 8, height: 1), isASCII: true)
        frame.put("a日é\u{7}\u{301}b", x: 0, y: 0, .text)
        #expect(frame.text(row: 0) == "a???b   ")
    }
}

@Suite struct LayoutTests {
    @Test func nothingOverlapsAndNothingIsOutside() {
        for width in stride(from: 1, through: 250, by: 1) {
            for height in [1, 2, 5, 8, 9, 10, 11, 13, 14, 15, 20, 23, 24, 25, 31, 40, 60, 80] {
                for focus in Panel.allCases {
                    for isFullScreen in [false, true] {
                        check(Size(width: width, height: height), focus, isFullScreen)
                    }
                }
            }
        }
    }

    private func check(_ size: Size, _ focus: Panel, _ isFullScreen: Bool) {
        let layout = Layout(size: size, focus: focus, isFullScreen: isFullScreen)
        let rectangles =
            [layout.title, layout.status, layout.message, layout.footer].compactMap { $0 }
            + layout.panels.map(\.rectangle)
        let area = rectangles.reduce(0) { $0 + $1.width * $1.height }
        var isSound = true
        for (index, rectangle) in rectangles.enumerated() {
            isSound =
                isSound && !rectangle.isEmpty && rectangle.x >= 0 && rectangle.y >= 0 && rectangle.right <= size.width
                && rectangle.bottom <= size.height
                && !rectangles[(index + 1)...].contains { $0.intersects(rectangle) }
        }
        // Without gaps either.
        if layout.mode != .message { isSound = isSound && area == size.width * size.height }
        if layout.mode != .message { isSound = isSound && layout.rectangle(of: focus) != nil }
        if layout.mode == .full { isSound = isSound && layout.panels.allSatisfy { $0.rectangle.height >= 6 } }
        #expect(isSound, "\(size) \(focus) \(isFullScreen)")
    }

    @Test(arguments: [
        (80, 24, Layout.Mode.full), (79, 24, .single), (80, 23, .single), (250, 80, .full), (40, 10, .single),
        (39, 10, .message), (40, 9, .message), (1, 1, .message),
    ])
    func modes(_ item: (width: Int, height: Int, mode: Layout.Mode)) {
        let size = Size(width: item.width, height: item.height)
        #expect(Layout(size: size, focus: .loss, isFullScreen: false).mode == item.mode)
    }

    @Test func panelsByWidth() {
        func panels(_ width: Int, _ focus: Panel) -> [Panel] {
            Layout(size: Size(width: width, height: 40), focus: focus, isFullScreen: false).panels.map(\.panel)
        }
        #expect(panels(80, .loss) == [.loss, .gradientNorm, .precision, .events])
        #expect(panels(80, .run) == [.loss, .gradientNorm, .run, .events])
        #expect(panels(120, .loss) == [.loss, .gradientNorm, .precision, .inspector, .events])
    }
}
