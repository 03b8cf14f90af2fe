import Core

extension DashboardState {
    mutating func press(_ key: Key) -> [DashboardEffect] {
        revision += 1
        if overlay == .none, replay != nil, let action = KeyTable.action(for: key, in: .replay) {
            return performOnReplay(action)
        }
        if let focusContext, let action = KeyTable.action(for: key, in: focusContext) { return perform(action, key) }
        if let action = KeyTable.action(for: key, in: context) { return perform(action, key) }
        guard case .character(let scalar) = key else { return [] }
        switch overlay {
        case .commandLine(var line):
            line.insert(scalar)
            overlay = .commandLine(line)
        case .prompt(let purpose, var line):
            line.insert(scalar)
            show(purpose, line)
        case .help(var help):
            help.search.insert(scalar)
            help.choice = 0
            overlay = .help(help)
        case .none, .quit, .picker, .themes: break
        }
        return []
    }

    private mutating func perform(_ action: Action, _ key: Key) -> [DashboardEffect] {
        switch action {
        case .redraw: return [.redraw]
        case .suspend: return [.suspend]
        case .askToQuit: return askToQuit()
        case .close:
            if case .prompt = overlay { break }
            return closeOverlay()
        default: break
        }
        switch overlay {
        case .none: return performOnDashboard(action, key)
        case .help(let help): return performOnHelp(action, help)
        case .quit(let choice): return answer(action, choice)
        case .commandLine(let line): return edit(line, action)
        case .prompt(let purpose, let line): return performOnPrompt(action, purpose, line)
        case .picker(let picker): return perform(action, on: picker)
        case .themes(let choice): return perform(action, on: choice)
        }
    }

    private mutating func askToQuit() -> [DashboardEffect] {
        if isFinished || replay != nil || isAttached && refusal != nil { return [.quit] }
        if isStopping { return [.quit] }
        overlay = .quit(choice: 0)
        return []
    }

    private mutating func answer(_ action: Action, _ choice: Int) -> [DashboardEffect] {
        let answers = QuitQuestion.answers(self)
        switch action {
        case .chooseNext: overlay = .quit(choice: (choice + 1) % answers.count)
        case .choosePrevious: overlay = .quit(choice: (choice + answers.count - 1) % answers.count)
        // Who is attached and presses C-c twice wants to get out.
        case .leave, .stopAndSave: return isAttached ? [.quit] : action == .leave ? [] : stop(saving: true)
        case .stopWithoutSaving: return stop(saving: false)
        default:
            switch answers[min(choice, answers.count - 1)].action {
            case .stopAndSave: return stop(saving: true)
            case .stopWithoutSaving: return stop(saving: false)
            case .leave: return [.quit]
            default: overlay = .none
            }
        }
        return []
    }

    mutating func performOnDashboard(_ action: Action, _ key: Key) -> [DashboardEffect] {
        switch action {
        case .togglePause:
            let isHalted = phase == .paused && request != .resume || phase != .paused && request == .pause
            return ask(isHalted ? .resume : .pause)
        case .step: return ask(.step)
        case .sample: return ask(.sample)
        case .evaluate: return ask(.evaluate)
        case .undo: return undo()
        case .fullScreen: isFullScreen.toggle()
        case .focusNext: moveFocus(by: 1)
        case .focusPrevious: moveFocus(by: -1)
        case .focusNumber:
            if case .character(let digit) = key, let panel = Panel(rawValue: Int(digit.value) - 48) { focus = panel }
        case .openHelp: openHelp()
        case .openThemes: openThemes()
        case .toggleGlyphs: toggleGlyphs()
        case .toggleMouse: return toggleMouse()
        case .openCommandLine: open(.commandLine(CommandLine(historyCount: history.count)))
        default:
            if view.perform(action, focus: focus, steps: recordedSteps) {
                if action == .toggleModules { focus = .gradientNorm }
                return []
            }
            switch focus {
            case .loss, .gradientNorm: return performOnCharts(action)
            case .precision, .inspector: return performOnMap(action)
            case .events: return performOnEvents(action)
            case .sample, .log, .run: scrollFocus(action)
            }
        }
        return []
    }

    /// A theme that was only looked at goes too.
    mutating func closeOverlay() -> [DashboardEffect] {
        defer { overlay = .none }
        guard case .themes(let choice) = overlay else { return [] }
        // About a theme that could not be shown.
        message = nil
        return restoreTheme(choice)
    }

    /// What would not be seen is not opened.
    mutating func open(_ wanted: Overlay) {
        if !isTooSmall { overlay = wanted }
    }

    private mutating func moveFocus(by offset: Int) {
        let count = Panel.allCases.count
        focus = Panel.allCases[(focus.rawValue - 1 + offset + count) % count]
    }

    // MARK: Scrolling

    private mutating func scrollFocus(_ action: Action) {
        guard let area = Layout(size: size, focus: focus, isFullScreen: isFullScreen).rectangle(of: focus)?.inset()
        else { return }
        let lines: Int
        switch focus {
        case .sample: lines = SamplePanel.lines(self, width: area.width - 2).count
        case .log: lines = LogPanel.lines(self, width: area.width - 2).count
        case .run: lines = RunPanel.lines(self, width: area.width - 2).count
        default: return
        }
        let page = max(1, area.height)
        if focus == .log {
            // Counted from the newest line, at the bottom.
            let last = max(0, lines - page)
            scroll[.log] = last - scrolled(last - min(last, scroll[.log] ?? 0), action, lines: lines, page: page)
        } else {
            scroll[focus] = scrolled(scroll[focus] ?? 0, action, lines: lines, page: page)
        }
    }

    private func scrolled(_ position: Int, _ action: Action, lines: Int, page: Int) -> Int {
        let last = max(0, lines - page)
        let position = min(position, last)
        switch action {
        case .scrollUp: return max(0, position - 1)
        case .scrollDown: return min(last, position + 1)
        case .pageUp: return max(0, position - page)
        case .pageDown: return min(last, position + page)
        case .scrollToStart: return 0
        case .scrollToEnd: return last
        default: return position
        }
    }

    // MARK: Command line

    private mutating func edit(_ current: CommandLine, _ action: Action) -> [DashboardEffect] {
        var line = current
        if action != .complete, action != .completeBack { line.candidates = [] }
        switch action {
        case .runCommand: return runCommand(line.text)
        case .complete: complete(&line, by: 1)
        case .completeBack: complete(&line, by: -1)
        case .historyOlder: line.recall(-1, history: history)
        case .historyNewer: line.recall(1, history: history)
        case .eraseBefore where line.scalars.isEmpty:
            overlay = .none
            return []
        default: line.edit(action)
        }
        overlay = .commandLine(line)
        return []
    }

    /// To what all that fits has in common; then through the list of it.
    private func complete(_ line: inout CommandLine, by offset: Int) {
        if !line.candidates.isEmpty { return line.choose(by: offset) }
        let options = Command.completions(
            line.text, themes: themes, runs: runs, exports: exportFormats, isReplay: replay != nil, model: run?.model)
        guard let first = options.first else { return }
        let common = options.dropFirst().reduce(first) { $0.commonPrefix(with: $1) }
        if common.count > line.text.count { line.replace(with: common) }
        if options.count > 1 { line.candidates = options }
    }

    private mutating func runCommand(_ text: String) -> [DashboardEffect] {
        overlay = .none
        guard text.contains(where: { $0 != " " }) else { return [] }
        if history.last != text { history.append(text) }
        if history.count > 100 { history.removeFirst() }
        do {
            switch try Command.parse(text) {
            case .engine(let command):
                // Said while the line can still be recalled, and not with the next step.
                if let model = run?.model { try command.validate(for: model) }
                return ask(command)
            case .theme(let name): return [.theme(name)]
            case .compare(let name): return askForComparison(name)
            case .export(let command): return perform(command)
            case .replay(let command): perform(command)
            case .schedule: showSchedule()
            case .help: openHelp()
            case .quit: return askToQuit()
            }
        } catch {
            say(error.description, isError: true)
        }
        return []
    }

    /// In the panel of the run, and as a message.
    private mutating func showSchedule() {
        focus = .run
        let layout = Layout(size: size, focus: focus, isFullScreen: isFullScreen)
        if let area = layout.rectangle(of: .run)?.inset(x: 2, y: 1) {
            let lines = RunPanel.lines(self, width: area.width)
            let first = lines.firstIndex { $0.first?.0.hasPrefix(RunPanel.scheduleName) == true } ?? 0
            scroll[.run] = min(first, max(0, lines.count - area.height))
        }
        say("schedule: \(schedule)")
    }
}
