import Core

/// The panels, with the numbers that focus them.
public enum Panel: Int, Sendable, Hashable, CaseIterable {
    case loss = 1
    case gradientNorm, precision, events, inspector, sample, log, run
}

/// Where the run is, as far as the screen knows.
public enum RunPhase: Sendable, Hashable {
    /// Nothing was heard of the engine yet.
    case starting
    case running
    case paused
    case finished(RunSummary)
}

/// Everything that the screen shows. Changed by `reduce` only.
public struct DashboardState: Sendable {
    // What the engine told.
    public internal(set) var run: RunDescription?
    public internal(set) var phase = RunPhase.starting
    public internal(set) var last: StepMetrics?
    public internal(set) var loss = Series()
    public internal(set) var gradientNorm = Series()
    public internal(set) var validation = Series()
    /// Gradient norm after clipping.
    public internal(set) var clippedNorm = Series()
    public internal(set) var learningRates = Series()
    /// Seconds spent training, by step.
    public internal(set) var times = Series()
    /// Moving averages of the loss.
    public internal(set) var average = SmoothedSeries()
    /// Loss of the fork, from where it left the run.
    public internal(set) var fork = Series()
    public internal(set) var forkAverage = SmoothedSeries()
    /// The newest news of the fork; nil before the first fork.
    public internal(set) var forkState: ForkChange.Kind?
    /// What is marked on the loss curve.
    var marks = ChartMarks()
    var spikes = SpikeDetector()
    /// Gradient norm of every module.
    public internal(set) var moduleGradients = ModuleGradients()
    public internal(set) var lastEvaluation: Evaluation?
    public internal(set) var bestEvaluation: Evaluation?
    public internal(set) var sample: TextSample?
    public internal(set) var learningRate: Double?
    public internal(set) var gradientClip: Double?
    /// The phases of precision, begun and to come.
    public internal(set) var schedule = PrecisionSchedule()
    /// Of the process that trains, bytes; nil until it is known.
    var memoryBytes: Int?
    public internal(set) var recentClips = RecentFlags(capacity: 1000)
    var throughput = Throughput()
    /// Step of the last saved model or state, and when, on the clock of `runTime`.
    var lastSave: (step: Int, at: Double)?
    /// What happened.
    public internal(set) var events = EventLog()
    var healthWatch = HealthWatch()
    /// Clipping by the global norm, and in front of the quantizer.
    var normClips = ClipWatch()
    var moduleClips = ClipWatch()
    /// What the changes of precision whose effect isn't known yet were.
    var pendingEffects: [Int: PrecisionChange] = [:]
    /// What was written to stderr, line by line.
    public internal(set) var log: [String] = []
    /// Precision and health of every module.
    public internal(set) var map = PrecisionMap()

    /// The recording that is played; nil: a run that trains.
    var replay: Replay?
    /// Why no command goes to the engine; nil: they do.
    public internal(set) var refusal: String?

    // What was asked of the engine and isn't answered yet.
    enum Request: Hashable { case pause, resume, step, stop }
    var request: Request?

    // What the user chose.
    public internal(set) var size: Size
    public var glyphs: GlyphSet
    public internal(set) var focus = Panel.loss
    public internal(set) var isFullScreen = false
    /// Of both charts.
    public internal(set) var view = ChartView()
    /// Runs whose loss is drawn beneath this one's.
    public internal(set) var comparisons: [ComparedRun] = []
    /// Lines scrolled down, for each panel with text.
    var scroll: [Panel: Int] = [:]

    // What lies over the dashboard.
    enum Overlay: Hashable {
        case none
        case help(HelpView)
        case quit(choice: Int)
        case commandLine(CommandLine)
        /// A line of text that chooses: events, or modules.
        case prompt(PromptPurpose, CommandLine)
        case picker(PrecisionPicker)
        case themes(ThemeChoice)
    }
    var overlay = Overlay.none
    var history: [String] = []

    struct Message: Hashable {
        var text: String
        var isError: Bool
        var since: Double
    }
    var message: Message?

    /// Where "stop and save" writes the model; nil: the run isn't saved.
    public let savePath: String?
    /// Where the run is recorded and can be resumed from; nil: nowhere.
    public let runFolder: String?
    /// The run belongs to another process, and goes on when the dashboard is left.
    public let isAttached: Bool
    /// Names of the themes that can be chosen.
    public let themes: [String]
    /// Names of the recorded runs that can be compared.
    public let runs: [String]
    /// What the recording of the run can be written as; empty: it has none.
    public let exportFormats: [String]
    /// The theme in use: a name, or the path of a base16 file.
    public internal(set) var theme: String
    /// Whether the terminal can show more than ASCII.
    public let canShowBraille: Bool
    /// Whether the terminal reports the mouse; while it does, it doesn't select text.
    public internal(set) var isMouseOn: Bool

    // Time, in seconds of a monotonic clock.
    var now = 0.0
    var lastStepAt = 0.0
    /// Time in state running.
    public internal(set) var elapsed = 0.0

    /// Grows with every change that shows.
    public internal(set) var revision = 0

    static let longestLog = 1000

    public init(
        size: Size, glyphs: GlyphSet = .braille, savePath: String? = nil, runFolder: String? = nil,
        isAttached: Bool = false, refusal: String? = nil, themes: [String] = [], runs: [String] = [],
        exportFormats: [String] = [], theme: String = Theme.standardName, canShowBraille: Bool = true,
        isMouseOn: Bool = false
    ) {
        self.size = size
        self.glyphs = glyphs
        self.savePath = savePath
        self.runFolder = runFolder
        self.isAttached = isAttached
        self.refusal = refusal
        self.themes = themes
        self.runs = runs
        self.exportFormats = exportFormats
        self.theme = theme
        self.canShowBraille = canShowBraille
        self.isMouseOn = isMouseOn
    }

    public var isFinished: Bool {
        if case .finished = phase { return true }
        return false
    }

    /// A stop was asked for and the run hasn't ended yet.
    public var isStopping: Bool { request == .stop && !isFinished }

    public var context: KeyContext {
        switch overlay {
        case .none: .dashboard
        case .help: .help
        case .quit: .quit
        case .commandLine: .commandLine
        case .prompt: .prompt
        case .picker: .picker
        case .themes: .themes
        }
    }

    /// The steps that the charts can show.
    var recordedSteps: ClosedRange<Int> {
        let first = loss.firstStep ?? 1
        // A run from its first step is shown from 0, a resumed one from where it went on.
        return max(0, first - 1)...max(first, loss.lastStep ?? 1)
    }

    /// The keys that the panel in focus has for itself.
    public var focusContext: KeyContext? {
        overlay == .none ? panelContext : nil
    }

    /// The keys of the panel in focus, whatever lies over it.
    var panelContext: KeyContext {
        switch focus {
        case .loss, .gradientNorm: .charts
        case .precision, .inspector: .map
        case .events: .events
        case .sample, .log, .run: .text
        }
    }

    /// There is room for the message with the wanted size alone.
    var isTooSmall: Bool { Layout(size: size, focus: focus, isFullScreen: isFullScreen).mode == .message }

    /// Seconds without a step, while there should have been one.
    var staleSeconds: Double? {
        guard replay == nil, phase == .running, request != .stop, last != nil else { return nil }
        let age = now - lastStepAt
        return age > max(5, 10 * (last?.stepMilliseconds ?? 0) / 1000) ? age : nil
    }

    /// Seconds until the last step, at the present pace.
    var remainingSeconds: Double? {
        guard let run, let last, let pace = throughput.secondsPerStep, !isFinished, replay == nil else { return nil }
        return Double(max(0, run.totalSteps - last.step)) * pace
    }
}

/// The newest of many yes-or-no answers.
public struct RecentFlags: Sendable {
    private var flags: [Bool] = []
    private var next = 0
    private let capacity: Int
    public private(set) var setCount = 0

    init(capacity: Int) {
        self.capacity = capacity
    }

    public var count: Int { flags.count }
    /// The share that is set; nil if there is none at all.
    public var share: Double? { flags.isEmpty ? nil : Double(setCount) / Double(flags.count) }

    mutating func add(_ flag: Bool) {
        if flags.count < capacity {
            flags.append(flag)
        } else {
            if flags[next] { setCount -= 1 }
            flags[next] = flag
            next = (next + 1) % capacity
        }
        if flag { setCount += 1 }
    }
}

/// The pace of the newest steps.
struct Throughput: Sendable {
    private var recent: [StepMetrics] = []

    mutating func add(_ metrics: StepMetrics) {
        if recent.count == 32 { recent.removeFirst() }
        recent.append(metrics)
    }

    /// Evaluation and sampling between the steps included.
    var secondsPerStep: Double? {
        guard let first = recent.first, let last = recent.last else { return nil }
        let seconds = last.elapsedSeconds - first.elapsedSeconds
        guard last.step > first.step, seconds > 0, seconds.isFinite else { return stepMilliseconds.map { $0 / 1000 } }
        return seconds / Double(last.step - first.step)
    }

    var stepMilliseconds: Double? {
        let times = recent.map(\.stepMilliseconds).filter { $0.isFinite && $0 > 0 }
        return times.isEmpty ? nil : times.reduce(0, +) / Double(times.count)
    }

    func tokensPerSecond(tokensPerStep: Int) -> Double? {
        stepMilliseconds.map { Double(tokensPerStep) * 1000 / $0 }
    }
}
