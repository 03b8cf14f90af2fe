extension KeyTable {
    static let themes: [KeyBinding] = [
        KeyBinding(.themes, [.up, .backTab, "k"], .choosePrevious, "Up", "previous theme, shown at once"),
        KeyBinding(.themes, [.down, .tab, "j"], .chooseNext, "Next", "next theme, shown at once", footer: 1),
        KeyBinding(.themes, [.home, "g"], .scrollToStart, "First", "first theme"),
        KeyBinding(.themes, [.end, "G"], .scrollToEnd, "Last", "last theme"),
        KeyBinding(.themes, [.enter], .choose, "Keep", "keep the theme that is shown", footer: 2),
        KeyBinding(.themes, [.control("l")], .redraw, "Redraw", "draw the whole screen anew"),
        KeyBinding(.themes, [.control("z")], .suspend, "Suspend", "suspend the program"),
        KeyBinding(
            .themes, [.escape, "q", .control("c")], .close, "Cancel", "back to the theme of before", footer: 3),
    ]
}
