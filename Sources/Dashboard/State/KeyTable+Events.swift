extension KeyTable {
    static let events: [KeyBinding] = [
        KeyBinding(.events, [.up, "k"], .scrollUp, "Up", "newer event"),
        KeyBinding(.events, [.down, "j"], .scrollDown, "Down", "older event"),
        KeyBinding(.events, [.pageUp], .pageUp, "Page up", "a page of newer events"),
        KeyBinding(.events, [.pageDown], .pageDown, "Page down", "a page of older events"),
        KeyBinding(.events, [.home, "g"], .scrollToStart, "Newest", "the newest event"),
        KeyBinding(.events, [.end, "G"], .scrollToEnd, "Oldest", "the oldest event"),
        KeyBinding(
            .events, [.enter], .jump, "Jump", "cursor of the map to the event's module, crosshair to its step",
            footer: 1),
        KeyBinding(
            .events, ["/"], .filter, "Filter", "show the events with these words only; -word leaves events out",
            footer: 2),
        KeyBinding(.events, [.escape], .clearFilter, "All", "show all events"),
        KeyBinding(
            .events, ["a"], .acknowledge, "Seen", "acknowledge the event under the cursor and all older ones", footer: 3
        ),
        KeyBinding(.events, ["A", .control("a")], .acknowledgeAll, "All seen", "acknowledge all events"),
        KeyBinding(.events, ["Y"], .copy, "Copy", "copy the event"),
    ]

    static let prompt: [KeyBinding] =
        [KeyBinding(.prompt, [.enter], .accept, "Accept", "keep the filter, or select the modules", footer: 1)]
        + editing(.prompt) + [
            KeyBinding(
                .prompt, [.escape, .control("c")], .close, "Cancel", "clear the filter, or select nothing", footer: 2)
        ]

    static let help: [KeyBinding] =
        [
            KeyBinding(.help, [.up], .choosePrevious, "Up", "previous row"),
            KeyBinding(.help, [.down], .chooseNext, "Choose", "next row; letters search", footer: 1),
            KeyBinding(.help, [.pageUp], .pageUp, "Page up", "a page up"),
            KeyBinding(.help, [.pageDown], .pageDown, "Page", "a page down", footer: 3),
            KeyBinding(.help, [.home], .scrollToStart, "Start", "first row"),
            KeyBinding(.help, [.end], .scrollToEnd, "End", "last row"),
            KeyBinding(
                .help, [.enter], .choose, "Run", "do what the row says, or begin its command in the command line",
                footer: 2),
        ] + editing(.help).filter { $0.keys.allSatisfy { ![.home, .end].contains($0) } } + [
            KeyBinding(.help, [.control("c")], .askToQuit, "Quit", "quit, after a question"),
            KeyBinding(.help, [.escape], .clearFilter, "Close", "clear the search, then close the help", footer: 4),
            KeyBinding(.help, [.function(1)], .close, "Close", "close the help"),
        ]

    /// The keys of a line of text that filters or selects.
    private static func editing(_ context: KeyContext) -> [KeyBinding] {
        [
            KeyBinding(context, [.left], .cursorLeft, "Left", "cursor left"),
            KeyBinding(context, [.right], .cursorRight, "Right", "cursor right"),
            KeyBinding(context, [.home], .cursorToStart, "Start", "cursor to the start"),
            KeyBinding(context, [.end], .cursorToEnd, "End", "cursor to the end"),
            KeyBinding(context, [.backspace], .eraseBefore, "Erase", "erase the character before the cursor"),
            KeyBinding(context, [.delete, .control("d")], .eraseAfter, "Delete", "erase the character at the cursor"),
            KeyBinding(context, [.control("w")], .eraseWord, "Erase word", "erase the word before the cursor"),
            KeyBinding(context, [.control("u")], .eraseLine, "Erase line", "erase all before the cursor"),
            KeyBinding(context, [.control("l")], .redraw, "Redraw", "draw the whole screen anew"),
            KeyBinding(context, [.control("z")], .suspend, "Suspend", "suspend the program"),
        ]
    }
}
