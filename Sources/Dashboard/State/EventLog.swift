import Core

/// Something that happened, for the events panel.
public struct LogEntry: Sendable, Hashable {
    public enum Kind: String, Sendable, CaseIterable {
        case start = "START"
        case evaluation = "EVAL"
        case saved = "SAVED"
        /// Learning rate or clipping.
        case change = "SET"
        case precision = "PREC"
        case phase = "PHASE"
        case rescue = "RESCUE"
        /// What a change of precision did to the loss.
        case effect = "EFFECT"
        case saturation = "SAT"
        case underflow = "UNDF"
        case clipping = "CLIP"
        case spike = "SPIKE"
        case probe = "PROBE"
        /// What low precision does in each module alone was measured.
        case sensitivity = "SENS"
        case fork = "FORK"
        case warning = "WARN"
        case error = "ERROR"
        case state = "STATE"

        /// Expected in every run: counts as seen from the start.
        var isRoutine: Bool {
            switch self {
            case .start, .evaluation, .saved, .change, .state: true
            default: false
            }
        }

        /// Outlives what is less important until it has been acknowledged.
        var isImportant: Bool {
            switch self {
            case .precision, .phase, .rescue, .warning, .error: true
            default: false
            }
        }
    }

    public var step: Int
    public var kind: Kind
    public var text: String
    /// The module that it is about, or the one most affected.
    public var module: ModulePath?
    /// Time spent training, seconds.
    public var elapsed = 0.0
    /// Grows from entry to entry.
    public fileprivate(set) var id = 0
    public fileprivate(set) var isSeen = false

    /// Everything on one line.
    var line: String {
        "\(NumberText.grouped(step)) \(NumberText.duration(elapsed)) \(kind.rawValue) \(message)"
    }

    /// Module and text; the module once only.
    var message: String {
        guard let module, !text.contains(module.description) else { return text }
        return "\(module) \(text)"
    }
}

/// Which entries are shown: those with all of the words; a word after a minus must not occur.
struct EventFilter: Hashable, Sendable {
    let text: String
    private let wanted: [String]
    private let unwanted: [String]

    init(_ text: String) {
        self.text = text
        let words = text.lowercased().split(separator: " ").map(String.init)
        wanted = words.filter { !$0.hasPrefix("-") }
        unwanted = words.filter { $0.hasPrefix("-") && $0.count > 1 }.map { String($0.dropFirst()) }
    }

    var isEmpty: Bool { wanted.isEmpty && unwanted.isEmpty }

    func matches(_ text: String) -> Bool {
        let text = text.lowercased()
        return wanted.allSatisfy { text.contains($0) } && !unwanted.contains { text.contains($0) }
    }
}

/// What happened in the run, and what of it the user looks at.
public struct EventLog: Sendable {
    /// The oldest first.
    public private(set) var entries: [LogEntry] = []
    /// Entries that ask to be acknowledged and haven't been.
    public private(set) var unseenCount = 0
    private(set) var filter = EventFilter("")
    /// Indices of the entries that pass the filter, the oldest first.
    private(set) var visible: [Int] = []
    private var nextID = 1
    /// The entry under the cursor; nil: the newest.
    private var cursorID: Int?
    /// Up to here all was acknowledged.
    private var acknowledgedID = 0

    static let longest = 1000

    /// - Returns: the number by which the entry can be changed later.
    @discardableResult
    mutating func append(_ entry: LogEntry) -> Int {
        if entries.count >= Self.longest { shorten() }
        var entry = entry
        entry.id = nextID
        entry.isSeen = entry.kind.isRoutine || nextID <= acknowledgedID
        nextID += 1
        entries.append(entry)
        if !entry.isSeen { unseenCount += 1 }
        if passes(entry) { visible.append(entries.count - 1) }
        return entry.id
    }

    /// Changes the text of an entry, if it is still there.
    mutating func update(_ id: Int, text: String, module: ModulePath?) {
        guard let index = index(of: id) else { return }
        entries[index].text = text
        entries[index].module = module
        if !filter.isEmpty { findVisible() }
    }

    /// Drops a tenth of the entries, the oldest first; important ones that weren't acknowledged only if there is nothing
    /// else.
    private mutating func shorten() {
        let excess = entries.count - Self.longest + Self.longest / 10
        var left = excess
        entries.removeAll { entry in
            guard left > 0, entry.isSeen || !entry.kind.isImportant else { return false }
            left -= 1
            return true
        }
        if left > 0 { entries.removeFirst(left) }
        countUnseen()
        findVisible()
    }

    private func index(of id: Int) -> Int? {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && entries[low].id == id ? low : nil
    }

    private func passes(_ entry: LogEntry) -> Bool {
        filter.isEmpty || filter.matches("\(entry.kind.rawValue) \(entry.message)")
    }

    private mutating func findVisible() {
        visible = entries.indices.filter { passes(entries[$0]) }
    }

    private mutating func countUnseen() {
        unseenCount = entries.count { !$0.isSeen }
    }

    mutating func setFilter(_ text: String) {
        guard text != filter.text else { return }
        filter = EventFilter(text)
        findVisible()
    }

    // MARK: Cursor

    /// Entries that pass the filter.
    var count: Int { visible.count }

    /// The entry at a place of the list, of which the newest is first.
    subscript(place: Int) -> LogEntry { entries[visible[visible.count - 1 - place]] }

    /// The cursor's place in the list. An entry that is gone hands it to the next older one.
    var cursor: Int {
        guard let cursorID, !visible.isEmpty else { return 0 }
        var low = 0
        var high = visible.count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].id > cursorID { low = middle + 1 } else { high = middle }
        }
        return min(low, visible.count - 1)
    }

    var current: LogEntry? { visible.isEmpty ? nil : self[cursor] }

    /// Moves the cursor or acknowledges.
    mutating func perform(_ action: Action, page: Int) {
        switch action {
        case .scrollUp: move(to: cursor - 1)
        case .scrollDown: move(to: cursor + 1)
        case .pageUp: move(to: cursor - page)
        case .pageDown: move(to: cursor + page)
        case .scrollToStart: move(to: 0)
        case .scrollToEnd: move(to: visible.count - 1)
        case .acknowledge: if let current { acknowledge(upTo: current.id) }
        case .acknowledgeAll: acknowledge(upTo: nextID - 1)
        default: break
        }
    }

    /// Shows what another log of the same run shows.
    mutating func takeView(of other: EventLog) {
        (filter, cursorID, acknowledgedID) = (other.filter, other.cursorID, other.acknowledgedID)
        for index in entries.indices {
            entries[index].isSeen = entries[index].kind.isRoutine || entries[index].id <= acknowledgedID
        }
        countUnseen()
        findVisible()
    }

    private mutating func move(to place: Int) {
        guard !visible.isEmpty else { return }
        // At the top, the cursor stays with the newest entry.
        cursorID = place <= 0 ? nil : self[min(place, visible.count - 1)].id
    }

    private mutating func acknowledge(upTo id: Int) {
        acknowledgedID = max(acknowledgedID, id)
        for index in entries.indices where entries[index].id <= id { entries[index].isSeen = true }
        countUnseen()
    }
}

/// What a line of text chooses.
public enum PromptPurpose: Hashable, Sendable {
    case filterEvents, selectModules
}
