/// What a key can make the dashboard do.
public enum Action: Hashable, Sendable {
    case togglePause, step, sample, evaluate
    case toggleLogarithmic, smoothMore, smoothLess, zoomIn, zoomOut, fit, follow
    case panLeft, panRight, panFarLeft, panFarRight, panToStart, panToEnd, toggleCrosshair, hideCrosshair, nextAxis
    case toggleOutliers, toggleModules
    case moveUp, moveDown, moveLeft, moveRight, cyclePrecision, openPicker, selectRange, selectRow, selectColumn
    case moveToFirstLayer, moveToLastLayer, moveToTop, moveToBottom
    case selectAll, selectPattern, clearSelection, nextMapView, previousMapView, inspect, applyPending, undo
    case measureSensitivity
    case acknowledge, acknowledgeAll, filter, clearFilter, jump, copy, openThemes, toggleMouse, toggleGlyphs
    case fullScreen, focusNext, focusPrevious, focusNumber
    case scrollUp, scrollDown, pageUp, pageDown, scrollToStart, scrollToEnd
    case openCommandLine, openHelp, askToQuit, redraw, suspend
    case stepBack, seekBack, seekForward, seekFarBack, seekFarForward, seekToStart, seekToEnd, seekToCrosshair
    case slower, faster
    case close, accept, choose, chooseOrApply, chooseNext, choosePrevious, stopAndSave, stopWithoutSaving, leave
    case runCommand, complete, completeBack, historyOlder, historyNewer
    case cursorLeft, cursorRight, cursorToStart, cursorToEnd
    case eraseBefore, eraseAfter, eraseWord, eraseLine
}

/// What the keys act on: the dashboard itself, or what lies over it.
public enum KeyContext: String, Sendable, CaseIterable {
    case dashboard = "Dashboard"
    case replay = "Replay"
    case charts = "Loss and gradient norm"
    case map = "Precision map and inspector"
    case events = "Events"
    case text = "Sample, log and run"
    case quit = "Quit question"
    case help = "Help"
    case commandLine = "Command line"
    case prompt = "Filter and selection"
    case picker = "Precision picker"
    case themes = "Themes"
}

/// One row of the key table.
public struct KeyBinding: Sendable {
    public let context: KeyContext
    public let keys: [Key]
    public let action: Action
    /// One or two words, for the footer.
    public let label: String
    /// A phrase, for help and README.
    public let help: String
    /// Place in the footer, from 1; nil: not there.
    public let footerRank: Int?
    /// The keys as help and README write them.
    public let keyText: String

    init(
        _ context: KeyContext, _ keys: [Key], _ action: Action, _ label: String, _ help: String, footer: Int? = nil,
        keyText: String? = nil
    ) {
        self.context = context
        self.keys = keys
        self.action = action
        self.label = label
        self.help = help
        footerRank = footer
        self.keyText = keyText ?? keys.map(\.name).joined(separator: " ")
    }
}

/// The one table that dispatch, footer, help and README take the keys from.
public enum KeyTable {
    public static let bindings: [KeyBinding] =
        dashboard + replay + charts + map + events + text + quit + help + commandLine + prompt + picker + themes

    private static let dashboard: [KeyBinding] = [
        KeyBinding(.dashboard, ["p"], .togglePause, "Pause", "pause or resume after the step in progress", footer: 1),
        KeyBinding(.dashboard, ["n"], .step, "Step", "train one step while paused", footer: 2),
        KeyBinding(.dashboard, ["s"], .sample, "Sample", "sample text now", footer: 7),
        KeyBinding(.dashboard, ["V"], .evaluate, "Validate", "evaluate on the validation sample now", footer: 8),
        KeyBinding(
            .dashboard, ["y"], .toggleLogarithmic, "Log y", "logarithmic or linear y axis of the chart in focus",
            footer: 3),
        KeyBinding(.dashboard, ["e"], .smoothMore, "Smooth", "smooth the loss more", footer: 9),
        KeyBinding(.dashboard, ["E"], .smoothLess, "Less", "smooth the loss less"),
        KeyBinding(.dashboard, ["+", "="], .zoomIn, "Zoom", "zoom in: fewer steps", footer: 10),
        KeyBinding(.dashboard, ["-"], .zoomOut, "Out", "zoom out: more steps"),
        KeyBinding(.dashboard, ["0"], .fit, "Fit", "fit: all steps"),
        KeyBinding(.dashboard, ["f"], .follow, "Follow", "follow the newest 1,000 steps"),
        KeyBinding(
            .dashboard, ["u"], .undo, "Undo", "drop the newest pending change of precision, or undo the last one made"),
        KeyBinding(.dashboard, ["z"], .fullScreen, "Full", "panel in focus on the full screen, and back", footer: 4),
        KeyBinding(.dashboard, [.tab], .focusNext, "Next", "focus the next panel"),
        KeyBinding(.dashboard, [.backTab], .focusPrevious, "Previous", "focus the previous panel"),
        KeyBinding(
            .dashboard, ["1", "2", "3", "4", "5", "6", "7", "8"], .focusNumber, "Focus",
            "focus loss, gradient norm, precision map, events, inspector, sample, log, run", keyText: "1-8"),
        KeyBinding(.dashboard, [":"], .openCommandLine, "Command", "command line", footer: 6),
        KeyBinding(.dashboard, ["?", .function(1)], .openHelp, "Help", "this help", footer: 0),
        KeyBinding(
            .dashboard, ["q", .control("c")], .askToQuit, "Quit", "quit, after a question while the run goes on",
            footer: 5),
        KeyBinding(.dashboard, ["T"], .openThemes, "Themes", "choose a theme; each is shown at once"),
        KeyBinding(
            .dashboard, [.control("g")], .toggleGlyphs, "Glyphs", "draw with ASCII characters alone, or with braille"),
        KeyBinding(
            .dashboard, [.control("t")], .toggleMouse, "Mouse",
            "mouse on or off: a click focuses a panel, moves the map's cursor or runs a key of the footer, the wheel "
                + "scrolls and zooms; while it is on, Shift-drag selects text"),
        KeyBinding(.dashboard, [.control("l")], .redraw, "Redraw", "draw the whole screen anew"),
        KeyBinding(.dashboard, [.control("z")], .suspend, "Suspend", "suspend the program; fg brings it back"),
    ]

    private static let text: [KeyBinding] = [
        KeyBinding(.text, [.up, "k"], .scrollUp, "Up", "scroll up"),
        KeyBinding(.text, [.down, "j"], .scrollDown, "Scroll", "scroll down", footer: 1),
        KeyBinding(.text, [.pageUp], .pageUp, "Page up", "scroll a page up"),
        KeyBinding(.text, [.pageDown], .pageDown, "Page down", "scroll a page down"),
        KeyBinding(.text, [.home, "g"], .scrollToStart, "Start", "scroll to the start"),
        KeyBinding(.text, [.end, "G"], .scrollToEnd, "End", "scroll to the end"),
    ]

    private static let quit: [KeyBinding] = [
        KeyBinding(.quit, [.up, .backTab, "k"], .choosePrevious, "Up", "previous answer"),
        KeyBinding(.quit, [.down, .tab, "j"], .chooseNext, "Down", "next answer"),
        KeyBinding(.quit, [.enter], .choose, "Choose", "take the answer", footer: 1),
        KeyBinding(
            .quit, ["s", .control("c")], .stopAndSave, "Stop and save",
            "stop after the step in progress and save the model, if there is a path for it", footer: 2),
        KeyBinding(
            .quit, ["x"], .stopWithoutSaving, "Stop", "stop after the step in progress without saving", footer: 3),
        KeyBinding(.quit, ["d"], .leave, "Leave", "leave the dashboard of another process's run, which goes on"),
        KeyBinding(.quit, [.escape, "q"], .close, "Cancel", "go on training", footer: 4),
    ]

    private static let commandLine: [KeyBinding] = [
        KeyBinding(.commandLine, [.enter], .runCommand, "Run", "run the command", footer: 1),
        KeyBinding(
            .commandLine, [.tab], .complete, "Complete",
            "complete the word; where several fit, list them, and with every further Tab take the next", footer: 2),
        KeyBinding(.commandLine, [.backTab], .completeBack, "Back", "take the one before in the list"),
        KeyBinding(.commandLine, [.up], .historyOlder, "Older", "older command", footer: 3),
        KeyBinding(.commandLine, [.down], .historyNewer, "Newer", "newer command"),
        KeyBinding(.commandLine, [.left], .cursorLeft, "Left", "cursor left"),
        KeyBinding(.commandLine, [.right], .cursorRight, "Right", "cursor right"),
        KeyBinding(.commandLine, [.home, .control("a")], .cursorToStart, "Start", "cursor to the start"),
        KeyBinding(.commandLine, [.end, .control("e")], .cursorToEnd, "End", "cursor to the end"),
        KeyBinding(.commandLine, [.backspace], .eraseBefore, "Erase", "erase the character before the cursor"),
        KeyBinding(.commandLine, [.delete, .control("d")], .eraseAfter, "Delete", "erase the character at the cursor"),
        KeyBinding(.commandLine, [.control("w")], .eraseWord, "Erase word", "erase the word before the cursor"),
        KeyBinding(.commandLine, [.control("u")], .eraseLine, "Erase line", "erase all before the cursor"),
        KeyBinding(.commandLine, [.control("l")], .redraw, "Redraw", "draw the whole screen anew"),
        KeyBinding(.commandLine, [.control("z")], .suspend, "Suspend", "suspend the program"),
        KeyBinding(.commandLine, [.escape, .control("c")], .close, "Cancel", "close the command line", footer: 4),
    ]

    private static let actions: [KeyContext: [Key: Action]] = bindings.reduce(into: [:]) { table, binding in
        for key in binding.keys { table[binding.context, default: [:]][key] = binding.action }
    }

    public static func action(for key: Key, in context: KeyContext) -> Action? {
        actions[context]?[key]
    }

    /// The rows of the footer, the first the most important.
    static func footer(_ context: KeyContext) -> [KeyBinding] {
        bindings.filter { $0.context == context && $0.footerRank != nil }
            .sorted { ($0.footerRank ?? 0) < ($1.footerRank ?? 0) }
    }

    /// The table as the README shows it.
    public static var markdown: String {
        KeyContext.allCases.map { context in
            "**\(context.rawValue)**\n\n| keys | action |\n|---|---|\n"
                + bindings.filter { $0.context == context }
                .map { binding in
                    let keys = binding.keyText.split(separator: " ").map { "`\($0)`" }.joined(separator: " ")
                    return "| \(keys) | \(binding.help) |\n"
                }.joined()
        }.joined(separator: "\n")
    }
}

extension Key: ExpressibleByUnicodeScalarLiteral {
    public init(unicodeScalarLiteral value: Unicode.Scalar) {
        self = .character(value)
    }
}
