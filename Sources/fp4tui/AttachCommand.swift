import ArgumentParser
import Core
import Dashboard
import Foundation
import Runs
import Synchronization
import Terminal

/// `fp4tui attach`: the dashboard on a run of another process.
struct AttachCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach", abstract: "Open the dashboard on a run of another process.",
        usage: "fp4tui attach <run> [--read-only] [options]",
        discussion: """
            Shows a run that trains headless or in another terminal, from its first step on, and steers it with the same \
            keys and commands. q and d leave, and the run goes on; q and x stop it. Any number of terminals may watch; none \
            slows the training. Commands can also be sent without the dashboard, a line each, to the Unix socket in the \
            run's folder, which only its user may open.

            EXAMPLES:
              fp4tui --batch --name baby --preset baby &
              fp4tui attach baby
              fp4tui attach runs/baby --read-only
              echo 'prec layers.0.* bf16' | nc -U -q1 runs/baby/socket
            """)

    @Argument(help: ArgumentHelp("The run: its folder, or its name in runs/.", valueName: "run"))
    var run: String

    @Flag(help: "Watch only: nothing can be changed by mistake.")
    var readOnly = false

    @OptionGroup var screen: ScreenOptions

    func run() async throws {
        try TerminalSession.requireTerminal(alternative: nil)
        let folder = try RunFolder.named(run)
        guard RunLock.holder(of: folder) != nil else {
            let state = RunOverview(folder).state.rawValue
            throw UserError(
                "\(folder.path) is \(state): no process works on it; fp4tui replay \(run) plays it, and --resume \(run) "
                    + "goes on with one that is not complete")
        }
        var display = try screen.display()
        display.alternative = nil
        display.runFolder = folder.path
        display.offerExport(of: folder)
        display.isAttached = true
        if readOnly { display.refusal = "attached with --read-only: the run cannot be steered from here" }
        let attachment = try Attachment(folder, isReadOnly: readOnly)
        let source = RunSource(drain: { attachment.drain() }, send: { attachment.send($0) })
        let end = try await TerminalSession.run(source, options: display)
        var output = StandardOutput()
        guard let summary = end.summary else {
            try output.write("left \(folder.path), which goes on; fp4tui attach \(run) returns\n")
            if let signal = end.signal { throw ExitCode(ExitStatus.interrupted(by: signal)) }
            return
        }
        let lines = BatchLog.summary(summary, entropyFloor: attachment.entropyFloor, folder: folder.path)
        try output.write(lines.map { $0 + "\n" }.joined())
    }
}

/// What another process writes down of its run, and the way to its engine.
private final class Attachment: Sendable {
    private struct State {
        let tail: RecordingTail
        /// To be told before what comes next.
        var events: [TrainingEvent]
        var step = 0
        var isOver = false
        var entropyFloor: Double?
        /// When the lock was last looked at.
        var looked = ContinuousClock.now
    }

    private let folder: RunFolder
    private let client: CommandClient?
    private let state: Mutex<State>
    /// Sends commands one by one, off the main thread, since an answer may take a while.
    private let queue = DispatchQueue(label: "fp4tui.attach")

    /// - Throws: `UserError` if the run cannot be read, or nobody listens.
    init(_ folder: RunFolder, isReadOnly: Bool) throws {
        self.folder = folder
        client = isReadOnly ? nil : try CommandClient(folder)
        let tail = RecordingTail(folder)
        let past = try RecordingReader.follow(folder) { progress in try tail.past(progress: progress) }
        state = Mutex(State(tail: tail, events: past.map(\.event)))
    }

    var entropyFloor: Double? { state.withLock { $0.entropyFloor } }

    func drain() -> [TrainingEvent] {
        state.withLock { state in
            var events = state.events
            state.events = []
            if !state.isOver {
                do {
                    events += try state.tail.next().map(\.event)
                } catch {
                    state.isOver = true
                    events.append(.warning(step: state.step, message: "\(error)"))
                }
            }
            for event in events {
                switch event {
                case .started(let run): state.entropyFloor = run.entropyFloor
                case .stepped(let metrics): state.step = metrics.step
                case .finished: state.isOver = true
                default: break
                }
            }
            if !state.isOver, events.isEmpty, ContinuousClock.now - state.looked > .seconds(1) {
                state.looked = ContinuousClock.now
                if RunLock.holder(of: folder) == nil {
                    state.isOver = true
                    let message = "the run's process has ended without a word: --resume \(folder.path) goes on with it"
                    events.append(.warning(step: state.step, message: message))
                }
            }
            return events
        }
    }

    func send(_ command: EngineCommand) {
        queue.async { [self] in
            do throws(UserError) {
                try client?.send(command)
            } catch {
                state.withLock { $0.events.append(.warning(step: $0.step, message: error.description)) }
            }
        }
    }
}
