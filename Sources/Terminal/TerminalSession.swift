import CNcurses
import Core
import Dashboard
import Foundation

/// How the dashboard is shown.
public struct DisplayOptions: Sendable {
    /// A theme in the program or in the user's folder, or the path of a base16 file.
    public var theme = Theme.standardName
    /// What to draw with; nil: braille where the terminal can show it.
    public var glyphs: GlyphSet?
    /// nil: as many as the terminal has.
    public var colours: ColourCount?
    /// Draw in colour even if NO_COLOR is set.
    public var overridesNoColour = false
    /// Have the terminal report the mouse.
    public var isMouseOn = false
    /// Where "stop and save" writes the model; nil: nowhere.
    public var savePath: String?
    /// Where the run is recorded; nil: nowhere.
    public var runFolder: String?
    /// The run belongs to another process.
    public var isAttached = false
    /// Why the run cannot be steered; nil: it can.
    public var refusal: String?
    /// What can be done without a terminal, for messages about one that cannot be used; nil: nothing.
    public var alternative: String? = DisplayOptions.training
    public static let training = "use --batch to train without a dashboard"
    /// A recording to be played, instead of a run to be watched.
    public var replay: ReplayPlayer?
    /// Recorded runs that are compared from the start.
    public var comparisons: [ComparedRun] = []
    /// Names of recorded runs, for completion.
    public var runs: [String] = []
    /// Reads a recorded run to be compared; may take long, and is called off the main thread. Throws `UserError`.
    public var readComparison: (@Sendable (String) throws -> ComparedRun)?
    /// What the recording of the run can be written as; empty: it has none.
    public var exportFormats: [String] = []
    /// Writes the recording in a format to a path; may take long, and is called off the main thread. The closure is to be
    /// told the share that is done, and throws if the export is to be left. Throws `UserError`, or what the closure throws.
    public var export: (@Sendable (String, String, (Double) throws -> Void) throws -> Void)?
    public var framesPerSecond = 20.0
    /// How long a signal waits for the run to end, seconds.
    public var stopTimeout = 60.0

    public init() {}
}

/// Where a session's events come from, and where its commands go: an engine, near or far.
public struct RunSource: Sendable {
    /// Takes the events that wait, without waiting for more; called on the main thread.
    public var drain: @Sendable () -> [TrainingEvent]
    /// Called on the main thread; must not wait.
    public var send: @Sendable (EngineCommand) -> Void

    public init(
        drain: @escaping @Sendable () -> [TrainingEvent], send: @escaping @Sendable (EngineCommand) -> Void
    ) {
        self.drain = drain
        self.send = send
    }

    /// - Parameter events: this must be its only reader.
    public init(_ events: EventChannel, send: @escaping @Sendable (EngineCommand) -> Void) {
        self.init(drain: { events.drain() }, send: send)
    }

    /// Nothing comes, and nobody listens: for a recording.
    public static let none = RunSource(drain: { [] }, send: { _ in })
}

/// How a session at the terminal ended.
public struct SessionEnd: Sendable, Hashable {
    /// The run's end; nil if the user left, or lost patience, before it.
    public var summary: RunSummary?
    /// The last warning of the run: why it failed, if it did.
    public var lastWarning: String?
    /// The signal that ended the session: the program should exit with 128 plus its number.
    public var signal: Int32?
}

/// The dashboard on the terminal of this process.
@MainActor
public enum TerminalSession {
    /// Shows a run until its user leaves, and gives the terminal back as it was found. What was written to stderr in
    /// the meantime is then written to it.
    ///
    /// - Throws: `UserError` if there is no usable terminal or no such theme; nothing has been drawn then. A theme that
    ///   is broken is told on the screen, and the standard one used.
    public static func run(_ source: RunSource, options: DisplayOptions) async throws -> SessionEnd {
        try Environment.requireTerminal(alternative: options.alternative)
        let file = try Environment.themeFile(options.theme)
        var problem: UserError?
        let theme: Theme
        do {
            theme = try file.theme()
        } catch {
            problem = error
            theme = try Theme.named(Theme.standardName)
        }
        let isUTF8 = Environment.setLocale()
        let screen = try Screen(
            theme: theme, wantsColour: options.overridesNoColour || Environment.value("NO_COLOR") == nil,
            colours: options.colours, alternative: options.alternative)
        var state = DashboardState(
            size: screen.size, glyphs: Environment.glyphs(options.glyphs, isUTF8: isUTF8), savePath: options.savePath,
            runFolder: options.runFolder, isAttached: options.isAttached, refusal: options.refusal,
            themes: Environment.themeNames(), runs: options.runs, exportFormats: options.exportFormats,
            theme: problem == nil ? options.theme : Theme.standardName,
            canShowBraille: isUTF8, isMouseOn: options.isMouseOn)
        for run in options.comparisons { _ = reduce(&state, .comparison(run)) }
        if let player = options.replay { state.replay(player) }
        screen.setMouse(options.isMouseOn)
        let session = Session(screen: screen, source: source, options: options, state: state)
        return await session.run(problem: problem)
    }
}

/// The loop between terminal and engine. Driven by three sources on the main queue: keys, signals, and a clock that
/// also looks for events. Between them nothing runs.
@MainActor
private final class Session {
    private let screen: Screen
    private let source: RunSource
    private let options: DisplayOptions
    private var state: DashboardState
    private var standardError = StandardErrorReader()
    private var end: SessionEnd?
    private var signal: Int32?
    private var waiter: CheckedContinuation<Void, Never>?

    private var drawnRevision = -1
    private var lastDraw = 0.0
    private var nextDraw = 0.0
    /// A key was pressed or the screen has changed since the last frame: its answer isn't put off to save time.
    private var isUrgentPending = false
    private var nextUrgentDraw: Double { lastDraw + 1 / options.framesPerSecond }
    private var stopDeadline: Double?
    private var lastKey = 0.0
    private var keySource: (any DispatchSourceRead)?
    private var clock: (any DispatchSourceTimer)?
    private var isClockFast: Bool?
    private var export: RunningExport?

    /// The share of one core that drawing may take: little while a run goes on, which needs it.
    private var drawingShare: Double { options.replay == nil ? 0.008 : 0.5 }

    init(screen: Screen, source: RunSource, options: DisplayOptions, state: DashboardState) {
        self.screen = screen
        self.source = source
        self.options = options
        self.state = state
    }

    /// - Parameter problem: what is wrong with the theme that was asked for.
    func run(problem: UserError?) async -> SessionEnd {
        standardError.begin()
        cn_guard_crashes()
        let signals = SignalPipe()
        take(.tick(Session.now))
        if let problem { take(.notice(problem.description, isError: true)) }
        draw()

        let keySource = DispatchSource.makeReadSource(fileDescriptor: STDIN_FILENO, queue: .main)
        self.keySource = keySource
        keySource.setEventHandler { [weak self] in
            MainActor.assumeIsolated { self?.readKeys() }
        }
        let signalSource = DispatchSource.makeReadSource(fileDescriptor: signals.reader, queue: .main)
        signalSource.setEventHandler { [weak self] in
            MainActor.assumeIsolated { self?.handle(signals.read()) }
        }
        let clock = DispatchSource.makeTimerSource(queue: .main)
        clock.setEventHandler { [weak self] in
            MainActor.assumeIsolated { self?.look() }
        }
        self.clock = clock
        setClock(fast: true)
        keySource.activate()
        signalSource.activate()
        clock.activate()
        if end == nil { await withCheckedContinuation { waiter = $0 } }

        export?.stop()
        clock.cancel()
        keySource.cancel()
        signalSource.cancel()
        screen.close()
        signals.close()
        cn_release_crashes()
        standardError.end()
        var end = end ?? SessionEnd()
        end.lastWarning = state.events.entries.last { $0.kind == .warning }?.text
        return end
    }

    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    // MARK: Sources

    private func readKeys() {
        let inputs = screen.inputs()
        if inputs.isEmpty, cn_is_hung_up() {
            keySource?.cancel()
            return handle([SIGHUP])
        }
        lastKey = Session.now
        setClock(fast: true)
        collect()
        for input in inputs { take(input) }
        finishTurn(isUrgent: true)
    }

    private func handle(_ signals: [Int32]) {
        collect()
        for number in signals {
            switch number {
            case SIGWINCH:
                screen.adoptSize()
                take(.resize(screen.size))
            case SIGTSTP: screen.suspend(wholeGroup: false)
            case SIGCONT:
                screen.resume()
                take(.resize(screen.size))
            default:
                // A second request to end doesn't wait for the engine.
                if signal != nil { end = end ?? SessionEnd(summary: nil, signal: signal) }
                signal = signal ?? number
                take(.terminate)
            }
        }
        finishTurn(isUrgent: true)
    }

    private func look() {
        collect()
        finishTurn(isUrgent: false)
    }

    /// What came from the engine and from stderr.
    private func collect() {
        take(.tick(Session.now))
        for line in standardError.lines() { take(.standardError(line)) }
        for event in source.drain() { take(.event(event)) }
    }

    // MARK: Turns

    private func take(_ input: DashboardInput) {
        for effect in reduce(&state, input) {
            switch effect {
            case .send(let command): source.send(command)
            case .loadComparison(let name): loadComparison(name)
            case .export(let format, let path): begin(export: format, path)
            case .stopExport:
                if export == nil { take(.notice("no export is under way", isError: true)) }
                export?.stop()
            case .theme(let name): setTheme(name)
            case .redraw: screen.redraw()
            case .mouse(let isOn): screen.setMouse(isOn)
            case .copy(let text): copy(text)
            case .suspend:
                draw()
                screen.suspend(wholeGroup: true)
                take(.tick(Session.now))
                take(.resize(screen.size))
            case .quit: end = end ?? SessionEnd(summary: summary, signal: signal)
            }
        }
    }

    private var summary: RunSummary? {
        if case .finished(let summary) = state.phase { return summary }
        return nil
    }

    private func setTheme(_ name: String) {
        do {
            let theme = try Environment.theme(name)
            screen.setTheme(theme)
            take(.themeChanged(name))
        } catch {
            take(.notice(error.description, isError: true))
        }
    }

    /// Answered later.
    private func loadComparison(_ name: String) {
        guard let read = options.readComparison else {
            return take(.notice("no recorded runs can be read here", isError: true))
        }
        DispatchQueue.global(qos: .userInitiated).async { [weak self] in
            let answer: DashboardInput
            do {
                answer = .comparison(try read(name))
            } catch {
                answer = .notice("\(error)", isError: true)
            }
            DispatchQueue.main.async {
                MainActor.assumeIsolated {
                    guard let self, self.end == nil else { return }
                    self.take(answer)
                    self.finishTurn(isUrgent: true)
                }
            }
        }
    }

    private func begin(export format: String, _ path: String) {
        guard let write = options.export else {
            return take(.notice("no recording can be written here", isError: true))
        }
        guard export == nil else {
            return take(.notice("an export is under way: export stop ends it", isError: true))
        }
        export = RunningExport(format, to: path, write) { [weak self] input, isOver in
            guard let self, self.end == nil else { return }
            if isOver { self.export = nil }
            self.take(input)
            self.finishTurn(isUrgent: isOver)
        }
    }

    private func copy(_ text: String) {
        do {
            screen.send(try Clipboard.sequence(text, isInTmux: Environment.value("TMUX") != nil))
        } catch {
            take(.notice(error.description, isError: true))
        }
    }

    private func finishTurn(isUrgent: Bool) {
        let now = Session.now
        // Who is at the keyboard can leave at once when waiting is too long; a signal has nobody.
        if state.isStopping, signal != nil {
            let deadline = stopDeadline ?? now + options.stopTimeout
            stopDeadline = deadline
            if now > deadline { end = end ?? SessionEnd(summary: nil, signal: signal) }
        }
        if end != nil {
            waiter?.resume()
            waiter = nil
            return
        }
        isUrgentPending = isUrgentPending || isUrgent
        if state.revision != drawnRevision, now >= (isUrgentPending ? nextUrgentDraw : nextDraw) { draw() }
        setClock(fast: state.isMoving || now - lastKey < 2)
    }

    private func draw() {
        let start = Session.now
        screen.draw(state.frame())
        let cost = Session.now - start
        drawnRevision = state.revision
        isUrgentPending = false
        lastDraw = start
        nextDraw = start + min(1, max(1 / options.framesPerSecond, cost / drawingShare))
    }

    /// Looks for events 20 times a second while they are to be expected, else 4 times.
    private func setClock(fast: Bool) {
        guard let clock, fast != isClockFast else { return }
        isClockFast = fast
        let interval = fast ? Int(1000 / options.framesPerSecond) : 250
        clock.schedule(
            deadline: .now() + .milliseconds(interval), repeating: .milliseconds(interval),
            leeway: .milliseconds(interval / 5))
    }
}
