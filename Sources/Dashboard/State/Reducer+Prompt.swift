extension CommandLine {
    /// A line that starts with text, and has no history.
    init(text: String) {
        self.init(historyCount: 0)
        replace(with: text)
    }

    /// Moves the cursor or erases.
    mutating func edit(_ action: Action) {
        switch action {
        case .cursorLeft: move(by: -1)
        case .cursorRight: move(by: 1)
        case .cursorToStart: moveToStart()
        case .cursorToEnd: moveToEnd()
        case .eraseBefore: eraseBefore()
        case .eraseAfter: eraseAfter()
        case .eraseWord: eraseWord()
        case .eraseLine: eraseLine()
        default: break
        }
    }
}

extension PromptPurpose {
    /// In front of the line.
    var label: String {
        switch self {
        case .filterEvents: "filter events: "
        case .selectModules: "select modules: "
        }
    }

    /// Behind an empty line.
    var hint: String {
        switch self {
        case .filterEvents: "words; -word leaves out, such as mlp.up -clip"
        case .selectModules: "a pattern, such as layers.{0,11}.mlp.*"
        }
    }
}

extension DashboardState {
    mutating func performOnPrompt(
        _ action: Action, _ purpose: PromptPurpose, _ line: CommandLine
    ) -> [DashboardEffect] {
        var line = line
        switch action {
        case .accept:
            overlay = .none
            if purpose == .selectModules { selectModules(matching: line.text) }
        case .close:
            overlay = .none
            if purpose == .filterEvents { events.setFilter("") }
        case .eraseBefore where line.scalars.isEmpty: overlay = .none
        default:
            line.edit(action)
            show(purpose, line)
        }
        return []
    }

    /// A line that was typed on: what it filters follows at once.
    mutating func show(_ purpose: PromptPurpose, _ line: CommandLine) {
        overlay = .prompt(purpose, line)
        if purpose == .filterEvents { events.setFilter(line.text) }
    }
}
