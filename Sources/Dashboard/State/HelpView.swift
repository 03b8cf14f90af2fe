/// What of the help is in view.
struct HelpView: Hashable, Sendable {
    /// The words being searched.
    var search = CommandLine(text: "")
    /// The row under the cursor.
    var choice = 0
    /// The keys that stand first: those of the panel in focus.
    let context: KeyContext
    /// Keys and commands for recordings are of use.
    var isReplay = false
}

/// One row of the help.
struct HelpRow: Sendable {
    enum Content: Sendable {
        case binding(KeyBinding)
        case command(name: String, argument: String)
        /// A sign of the charts.
        case sign(Style)
    }

    var section: String
    var keys: String
    var help: String
    var content: Content

    /// All that a search looks through.
    private var text: String {
        guard case .binding(let binding) = content else { return "\(keys) \(help) \(section)" }
        return "\(binding.label) \(help) \(section)"
    }

    /// How well a search finds the row: 0 for one of its keys, 1 for the name of its action, 2 for other words; nil if not
    /// at all.
    func rank(_ words: [String]) -> Int? {
        guard !words.isEmpty else { return 0 }
        if words.count == 1, case .binding(let binding) = content,
            binding.keys.contains(where: { $0.name == words[0] })
        {
            return 0
        }
        let text = text.lowercased()
        let isFound = words.allSatisfy { word in
            text.contains(word.lowercased())
                || keys.split(separator: " ").contains { $0.lowercased() == word.lowercased() }
        }
        guard isFound else { return nil }
        if case .binding(let binding) = content, binding.label.lowercased().hasPrefix(words[0].lowercased()) {
            return 1
        }
        return 2
    }
}

extension DashboardState {
    mutating func openHelp() {
        open(.help(HelpView(context: panelContext, isReplay: replay != nil)))
    }

    mutating func performOnHelp(_ action: Action, _ help: HelpView) -> [DashboardEffect] {
        var help = help
        let rows = Help.rows(help, glyphs)
        let page = max(1, HelpOverlay.rectangle(size).height - 3)
        let last = max(0, rows.count - 1)
        help.choice = min(help.choice, last)
        switch action {
        case .chooseNext: help.choice = min(last, help.choice + 1)
        case .choosePrevious: help.choice = max(0, help.choice - 1)
        case .pageDown: help.choice = min(last, help.choice + page)
        case .pageUp: help.choice = max(0, help.choice - page)
        case .scrollToStart: help.choice = 0
        case .scrollToEnd: help.choice = last
        case .choose:
            guard rows.indices.contains(help.choice) else { break }
            return run(rows[help.choice])
        case .clearFilter:
            if help.search.text.isEmpty {
                overlay = .none
                return []
            }
            help.search = CommandLine(text: "")
            help.choice = 0
        default:
            let before = help.search.text
            help.search.edit(action)
            if help.search.text != before { help.choice = 0 }
        }
        overlay = .help(help)
        return []
    }

    /// Does what a row of the help says, in the panel that the row is about.
    private mutating func run(_ row: HelpRow) -> [DashboardEffect] {
        switch row.content {
        case .sign: return []
        case .command(let name, let argument):
            overlay = .none
            var line = CommandLine(historyCount: history.count)
            line.replace(with: argument.isEmpty ? name : name + " ")
            open(.commandLine(line))
            return []
        case .binding(let binding):
            guard let key = binding.keys.first else { return [] }
            switch binding.context {
            case .dashboard, .replay: break
            case .charts: if panelContext != .charts { focus = .loss }
            case .map: if panelContext != .map { focus = .precision }
            case .events: focus = .events
            case .text: if panelContext != .text { focus = .log }
            case .quit, .help, .commandLine, .prompt, .picker, .themes:
                say("\(key.name) works in: \(binding.context.rawValue)", isError: true)
                return []
            }
            overlay = .none
            return press(key)
        }
    }
}
