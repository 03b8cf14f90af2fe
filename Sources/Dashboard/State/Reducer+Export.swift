import Core

/// What the command line can ask of an export.
enum ExportRequest: Hashable {
    case begin(format: String, path: String)
    case stop

    /// Reads `csv run.csv`, or `stop`.
    ///
    /// - Throws: `UserError` that says what is expected.
    init(parsing text: String) throws(UserError) {
        let words = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true).map(String.init)
        if words == ["stop"] {
            self = .stop
            return
        }
        guard words.count == 2 else {
            throw UserError("export needs a format and a path, as in export csv run.csv")
        }
        self = .begin(format: words[0], path: String(words[1].drop { $0 == " " }))
    }
}

extension DashboardState {
    mutating func perform(_ command: ExportRequest) -> [DashboardEffect] {
        guard case .begin(let format, let path) = command else { return [.stopExport] }
        guard !exportFormats.isEmpty else {
            say("nothing is recorded of this run (--no-record): there is nothing to export", isError: true)
            return []
        }
        guard exportFormats.contains(format) else {
            say("unknown format \(format), try \(exportFormats.joined(separator: ", "))", isError: true)
            return []
        }
        say("exporting \(path)")
        return [.export(format: format, path: path)]
    }

    /// Says how far long work is, unless something else stands there to be read.
    ///
    /// - Parameters:
    ///   - work: what the message begins with.
    ///   - share: from 0 to 1.
    ///   - remaining: seconds.
    mutating func sayProgress(_ work: String, share: Double, remaining: Double?) {
        guard message.map({ $0.text.hasPrefix(work) }) ?? true else { return }
        let left = remaining.map { ", \(NumberText.duration($0)) left" } ?? ""
        say("\(work) \(Int(100 * min(1, max(0, share)))) %\(left)")
    }

    mutating func take(_ work: WorkProgress) {
        let name =
            switch work.kind {
            case .evaluating: Self.evaluating
            case .sampling: Self.sampling
            }
        // No step comes meanwhile, and nothing is amiss.
        lastStepAt = now
        sayProgress(name, share: Double(work.done) / Double(max(1, work.total)), remaining: work.remainingSeconds)
    }
}
