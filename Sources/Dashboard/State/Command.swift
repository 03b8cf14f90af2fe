import Core

/// A command of the command line.
enum Command: Hashable {
    case engine(EngineCommand)
    case theme(String)
    case quit
    case help

    /// Names, arguments and what they do, for completion and help.
    static let list: [(name: String, argument: String, help: String)] =
        EngineCommand.list.filter { $0.name != "stop" } + own

    private static let own: [(name: String, argument: String, help: String)] = [
        ("theme", "NAME", "change the colours: a theme or a base16 file"),
        ("help", "", "open the help"),
        ("quit", "", "quit, after a question while the run goes on"),
    ]

    static func parse(_ line: String) throws(UserError) -> Command {
        let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true).map(String.init)
        guard let name = words.first, let entry = own.first(where: { $0.name == name }) else {
            return .engine(try EngineCommand(parsing: line, others: own.map(\.name)))
        }
        let argument = words.count > 1 ? words[1].trimmingSpaces : ""
        if entry.argument.isEmpty, !argument.isEmpty { throw UserError("\(name) takes nothing after it") }
        switch name {
        case "theme":
            guard !argument.isEmpty else { throw UserError("theme needs a name or the path of a base16 file") }
            return .theme(argument)
        case "help": return .help
        default: return .quit
        }
    }

    /// What may stand in place of the last word of an unfinished line.
    static func completions(_ line: String, themes: [String], model: ModelConfiguration? = nil) -> [String] {
        if let space = line.lastIndex(of: " "), line.hasPrefix("theme ") {
            let word = line[line.index(after: space)...]
            return themes.filter { $0.hasPrefix(word) }.map { line[...space] + $0 }
        }
        let names = own.filter { $0.name.hasPrefix(line) }.map { $0.argument.isEmpty ? $0.name : $0.name + " " }
        return EngineCommand.completions(of: line, model: model) + names
    }
}

extension String {
    /// Without spaces at both ends.
    fileprivate var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

/// The line being typed.
struct CommandLine: Hashable, Sendable {
    private(set) var scalars: [Unicode.Scalar] = []
    private(set) var cursor = 0
    /// Place in the history; equal to its count for the line being typed.
    private var place: Int
    private var draft: [Unicode.Scalar] = []

    static let longest = 500

    init(historyCount: Int) {
        place = historyCount
    }

    var text: String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }

    mutating func insert(_ scalar: Unicode.Scalar) {
        guard scalars.count < CommandLine.longest, let columns = CharacterWidth.columns(scalar), columns > 0
        else { return }
        scalars.insert(scalar, at: cursor)
        cursor += 1
    }

    mutating func replace(with text: String) {
        scalars = Array(text.unicodeScalars.prefix(CommandLine.longest))
        cursor = scalars.count
    }

    mutating func move(by offset: Int) {
        cursor = min(scalars.count, max(0, cursor + offset))
    }

    mutating func moveToStart() { cursor = 0 }
    mutating func moveToEnd() { cursor = scalars.count }

    mutating func eraseBefore() {
        guard cursor > 0 else { return }
        cursor -= 1
        scalars.remove(at: cursor)
    }

    mutating func eraseAfter() {
        if cursor < scalars.count { scalars.remove(at: cursor) }
    }

    mutating func eraseLine() {
        scalars.removeFirst(cursor)
        cursor = 0
    }

    mutating func eraseWord() {
        while cursor > 0, scalars[cursor - 1] == " " { eraseBefore() }
        while cursor > 0, scalars[cursor - 1] != " " { eraseBefore() }
    }

    mutating func recall(_ offset: Int, history: [String]) {
        let wanted = place + offset
        guard wanted >= 0, wanted <= history.count else { return }
        if place == history.count { draft = scalars }
        place = wanted
        scalars = place == history.count ? draft : Array(history[place].unicodeScalars)
        cursor = scalars.count
    }
}
