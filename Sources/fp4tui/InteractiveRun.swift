import Core
import Foundation
import Terminal

/// Training on the screen.
struct InteractiveRun {
    var start: RunStart
    var display: DisplayOptions

    /// Returns when the user has left; the terminal is then as it was, and the summary stands below it.
    ///
    /// - Returns: the exit code.
    /// - Throws: `UserError` if the run cannot begin, the screen cannot be opened, or the run failed.
    func run() async throws -> Int32 {
        let corpus = try CorpusSource.corpus(for: start.configuration)
        let past = try start.recorded.map(RecordingReader.past) ?? []
        let engine = try start.engine(corpus: corpus)
        let events = engine.subscribe(after: past.map(\.event))
        let recorded = start.recorded
        let recording = Task { await recorded?.record(engine) }
        let training = Task { await engine.run() }
        defer { training.cancel() }

        let end = try await TerminalSession.run(
            RunSource(events, send: { engine.send($0) }), options: display)
        guard let summary = end.summary else {
            recorded?.flush()
            FileHandle.standardError.write(Data("fp4tui: left before the run ended: its model is not saved\n".utf8))
            return ExitStatus.interrupted(by: end.signal ?? SIGINT)
        }
        await recording.value
        var output = StandardOutput()
        let lines = BatchLog.summary(
            summary, entropyFloor: corpus.entropyRate, folder: recorded?.folder.path)
        try output.write(lines.map { $0 + "\n" }.joined())
        return try ExitStatus.of(summary, signal: end.signal, failure: end.lastWarning)
    }
}
