import Core
import Foundation
import Terminal

/// Training on the screen.
struct InteractiveRun {
    var configuration: RunConfiguration
    /// A saved state to go on from.
    var resuming: String?
    var display: DisplayOptions

    /// Returns when the user has left; the terminal is then as it was, and the summary stands below it.
    ///
    /// - Returns: the exit code.
    /// - Throws: `UserError` if the run cannot begin, the screen cannot be opened, or the run failed.
    func run() async throws -> Int32 {
        let corpus = try CorpusSource.corpus(for: configuration)
        let engine = try TrainingEngine(configuration: configuration, corpus: corpus, resuming: resuming)
        let events = engine.subscribe()
        let training = Task { await engine.run() }
        defer { training.cancel() }

        let end = try await TerminalSession.run(
            RunSource(events, send: { engine.send($0) }), options: display)
        guard let summary = end.summary else {
            FileHandle.standardError.write(Data("fp4tui: left before the run ended: its model is not saved\n".utf8))
            return ExitStatus.interrupted(by: end.signal ?? SIGINT)
        }
        var output = StandardOutput()
        let lines = BatchLog.summary(summary, entropyFloor: corpus.entropyRate)
        try output.write(lines.map { $0 + "\n" }.joined())
        return try ExitStatus.of(summary, signal: end.signal, failure: end.lastWarning)
    }
}
