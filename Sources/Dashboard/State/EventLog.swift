import Core

/// Something that happened, for the events panel.
public struct LogEntry: Sendable, Hashable {
    public enum Kind: String, Sendable, CaseIterable {
        case start = "START"
        case evaluation = "EVAL"
        case saved = "SAVED"
        case change = "SET"
        case state = "STATE"
        case warning = "WARN"
        case error = "ERROR"
    }

    public var step: Int
    public var kind: Kind
    public var text: String
    /// The module that it is about, if it is about one.
    public var module: ModulePath?
}

/// What happened in the run, and what of it the user looks at.
public struct EventLog: Sendable {
    /// The oldest first.
    public private(set) var entries: [LogEntry] = []

    static let longest = 1000

    mutating func append(_ entry: LogEntry) {
        if entries.count >= Self.longest { entries.removeFirst(Self.longest / 10) }
        entries.append(entry)
    }

    /// - Returns: what the user wants done, or nil if the action isn't one of the panel's.
    mutating func perform(_ action: Action, page: Int) -> [DashboardEffect]? { nil }
}

/// What a line of text chooses.
public enum PromptPurpose: Hashable, Sendable {
    case filterEvents, selectModules, filterHelp
}
