import Core

/// Where the tokens of a run come from.
enum CorpusSource {
    /// Shows how far it is if there are very many files.
    ///
    /// - Throws: `UserError` naming the file that cannot be used.
    static func corpus(for configuration: RunConfiguration) throws -> any Corpus {
        var status = StatusLine()
        defer { status.hide() }
        var remaining: RemainingTime?
        return try CorpusLoader.load(configuration.data, seed: configuration.run.seed) { opened, total in
            guard total > many else { return }
            guard opened > 0 else { return status.show("looking for data: \(LogFormat.grouped(total)) files") }
            let time = remaining ?? RemainingTime()
            remaining = time
            let counts = "\(LogFormat.grouped(opened))/\(LogFormat.grouped(total)) files"
            status.show("opening data: \(counts)  eta \(time.text(done: opened, of: total))")
        }
    }

    /// Fewer files are open before anybody could read about it.
    private static let many = 500
}
