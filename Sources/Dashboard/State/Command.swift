import Core

/// A command of the command line.
enum Command: Hashable {
    case engine(EngineCommand)
    case theme(String)
    /// nil: with none.
    case compare(String?)
    case export(ExportRequest)
    case replay(ReplayRequest)
    /// Show the phases of precision.
    case schedule
    case quit
    case help

    /// Names, arguments and what they do, for completion and help.
    static func list(isReplay: Bool) -> [(name: String, argument: String, help: String)] {
        var engine = EngineCommand.list.filter { $0.name != "stop" }
        for index in engine.indices where engine[index].name == "schedule" {
            engine[index].argument = "[CHANGE]"
            engine[index].help = "show the phases of precision, or " + engine[index].help
        }
        // The engine's commands that a recording has an answer to.
        return isReplay ? replay + engine.filter { playing.contains($0.name) } + own : engine + own
    }

    private static let playing: Set = ["pause", "resume", "step"]
    private static let replay: [(name: String, argument: String, help: String)] = [
        ("seek", "STEP|50%", "go to a step, or to a share of all steps"),
        ("schedule", "", "show the phases of precision"),
        ("speed", "8", "play so many times as fast as it was trained; max: as fast as can be shown"),
    ]

    private static let own: [(name: String, argument: String, help: String)] = [
        ("compare", "RUN|off", "draw the loss of a recorded run beneath this one's"),
        ("export", "FORMAT PATH", "write what is recorded of the run, as in export csv run.csv; export stop ends it"),
        ("theme", "NAME", "change the colours: a theme or a base16 file"),
        ("help", "", "open the help"),
        ("quit", "", "quit, after a question while the run goes on"),
    ]

    static func parse(_ line: String) throws(UserError) -> Command {
        let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true).map(String.init)
        if words == ["schedule"] { return .schedule }
        guard let name = words.first, name != "schedule", let entry = (own + replay).first(where: { $0.name == name })
        else {
            return .engine(try EngineCommand(parsing: line, others: own.map(\.name)))
        }
        let argument = words.count > 1 ? words[1].trimmingSpaces : ""
        if entry.argument.isEmpty, !argument.isEmpty { throw UserError("\(name) takes nothing after it") }
        switch name {
        case "theme":
            guard !argument.isEmpty else { throw UserError("theme needs a name or the path of a base16 file") }
            return .theme(argument)
        case "compare":
            guard !argument.isEmpty else { throw UserError("compare needs a recorded run, or off") }
            return .compare(argument == "off" ? nil : argument)
        case "export": return .export(try ExportRequest(parsing: argument))
        case "seek":
            do {
                return .replay(.seek(try ReplayPosition(parsing: argument)))
            } catch {
                throw UserError("seek: \(error)")
            }
        case "speed":
            do {
                return .replay(.speed(try ReplaySpeed(parsing: argument)))
            } catch {
                throw UserError("speed: \(error)")
            }
        case "help": return .help
        default: return .quit
        }
    }

    /// What may stand in place of the last word of an unfinished line.
    static func completions(
        _ line: String, themes: [String], runs: [String] = [], exports: [String] = [], isReplay: Bool = false,
        model: ModelConfiguration? = nil
    ) -> [String] {
        let choices = [
            ("theme ", themes), ("compare ", runs + ["off"]), ("export ", exports.map { $0 + " " } + ["stop"]),
        ]
        for (name, arguments) in choices where line.hasPrefix(name) {
            let word = line.dropFirst(name.count)
            return arguments.filter { $0.hasPrefix(word) }.map { name + $0 }
        }
        let others = (isReplay ? list(isReplay: true) : own).filter { $0.name.hasPrefix(line) }
            .map { $0.argument.isEmpty ? $0.name : $0.name + " " }
        return (isReplay ? [] : EngineCommand.completions(of: line, model: model)) + others
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
    /// Whole lines that the last completion found to choose from; none after any other key.
    var candidates: [String] = [] {
        didSet { choice = nil }
    }
    /// The one that was taken over.
    private(set) var choice: Int?

    static let longest = 500

    init(historyCount: Int) {
        place = historyCount
    }

    var text: String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }

    /// Takes the next candidate, or the one before.
    mutating func choose(by offset: Int) {
        guard !candidates.isEmpty else { return }
        let next = choice.map { ($0 + offset + candidates.count) % candidates.count }
        choice = next ?? (offset < 0 ? candidates.count - 1 : 0)
        replace(with: candidates[choice ?? 0])
    }

    mutating func insert(_ scalar: Unicode.Scalar) {
        candidates = []
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
