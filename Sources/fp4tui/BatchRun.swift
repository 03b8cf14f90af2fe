import Core
import Runs

/// Training without a screen: lines on standard output.
struct BatchRun {
    var start: RunStart
    var json: Bool

    /// - Returns: the exit code.
    /// - Throws: `UserError` if the run cannot begin, or standard output cannot be written.
    func run() async throws -> Int32 {
        let interrupts = Interrupts()
        let configuration = start.configuration
        let engine = try start.engine(corpus: try CorpusSource.corpus(for: configuration))
        let stop = EngineCommand.stop(save: configuration.run.save.isEmpty ? nil : configuration.run.save)
        interrupts.onFirst { engine.send(stop) }
        let channel = engine.subscribe()
        let recorded = start.recorded
        let recording = Task { await recorded?.record(engine) }
        let training = Task {
            let summary = await engine.run()
            channel.finish()
            return summary
        }

        var report = BatchReport(
            log: BatchLog(logEvery: configuration.run.logEvery, folder: start.recorded?.folder.path), json: json)
        var failure: (any Error)?
        for await events in channel.batches where failure == nil && !report.isClosed {
            do {
                for event in events { try report.write(event) }
            } catch {
                failure = error
            }
            if failure != nil || report.isClosed { engine.send(stop) }
        }
        let summary = await training.value
        await recording.value
        if let failure { throw failure }
        let status = try ExitStatus.of(summary, signal: interrupts.received, failure: report.lastWarning)
        return status == 0 && report.isClosed ? ExitStatus.outputClosed : status
    }
}

/// Writes events as text with a progress bar, or as JSON.
private struct BatchReport {
    var log: BatchLog
    var json: Bool
    /// Why the run failed, if it did.
    private(set) var lastWarning: String?
    private var output = StandardOutput()
    private var progress = ProgressLine()

    init(log: BatchLog, json: Bool) {
        self.log = log
        self.json = json
    }

    var isClosed: Bool { output.isClosed }

    mutating func write(_ event: TrainingEvent) throws {
        let text = log.lines(for: event)
        let lines = json ? try Self.json(event) : text
        if !lines.isEmpty {
            progress.hide()
            try output.write(lines.map { $0 + "\n" }.joined())
        }
        if case .warning(_, let message) = event { lastWarning = message }
        if case .finished = event { return }
        progress.show(log.progress(width:))
    }

    /// What is told of an event. How far some work is is for the progress bar alone: it depends on the clock.
    private static func json(_ event: TrainingEvent) throws -> [String] {
        if case .working = event { return [] }
        return [try EventLine(event).json()]
    }
}
