/// A theme being chosen.
struct ThemeChoice: Hashable, Sendable {
    /// What can be chosen: the known themes, and the one in use if it is none of them.
    let names: [String]
    var index: Int
    /// What was in use before, for a change of mind.
    let before: String

    var name: String { names[index] }

    init(names: [String], current: String) {
        self.names = names.contains(current) ? names : names + [current]
        index = self.names.firstIndex(of: current) ?? 0
        before = current
    }
}

extension DashboardState {
    mutating func openThemes() {
        open(.themes(ThemeChoice(names: themes, current: theme)))
    }

    mutating func perform(_ action: Action, on choice: ThemeChoice) -> [DashboardEffect] {
        var next = choice
        let last = choice.names.count - 1
        switch action {
        case .chooseNext: next.index = min(last, choice.index + 1)
        case .choosePrevious: next.index = max(0, choice.index - 1)
        case .scrollToStart: next.index = 0
        case .scrollToEnd: next.index = last
        case .choose:
            // A file that could not be used is tried again: its message may be gone by now.
            guard choice.name == theme else { return [.theme(choice.name)] }
            overlay = .none
            say("theme \(theme)")
            return []
        default: break
        }
        overlay = .themes(next)
        return next.index == choice.index ? [] : [.theme(next.name)]
    }

    /// Back to the theme that was in use before the choice began.
    func restoreTheme(_ choice: ThemeChoice) -> [DashboardEffect] {
        theme == choice.before ? [] : [.theme(choice.before)]
    }

    /// The terminal has changed its colours.
    mutating func takeTheme(_ name: String) {
        theme = name
        revision += 1
        if case .themes = overlay {
            // The message about a theme that could not be shown is over.
            message = nil
        } else {
            say("theme \(name)")
        }
    }

    mutating func toggleGlyphs() {
        guard glyphs == .braille || canShowBraille else {
            return say("ASCII only: the terminal's character set is not UTF-8", isError: true)
        }
        glyphs = glyphs == .braille ? .ascii : .braille
        say("glyphs: \(glyphs.rawValue)")
    }
}
