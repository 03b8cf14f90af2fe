import Core

/// The panels, with the numbers that focus them.
public enum Panel: Int, Sendable, Hashable, CaseIterable {
    case loss = 1
    case gradientNorm, sample, log, run
}

/// Something that happened, for the log panel.
public struct LogEntry: Sendable, Hashable {
    public enum Kind: String, Sendable {
        case start = "START"
        case evaluation = "EVAL"
        case saved = "SAVED"
        case change = "SET"
        case state = "STATE"
        case warning = "WARN"
        case error = "ERROR"
        case standardError = "LOG"
    }

    public var step: Int
    public var kind: Kind
    public var text: String
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
    /// One moving average for each of `smoothings`, over every step.
    public internal(set) var averages: [DebiasedAverage]
    public internal(set) var averageSeries: [Series]
    public internal(set) var lastEvaluation: Evaluation?
    public internal(set) var bestEvaluation: Evaluation?
    public internal(set) var sample: TextSample?
    public internal(set) var learningRate: Double?
    public internal(set) var gradientClip: Double?
    public internal(set) var recentClips = RecentFlags(capacity: 1000)
    var throughput = Throughput()
    public internal(set) var log: [LogEntry] = []

    // What was asked of the engine and isn't answered yet.
    enum Request: Hashable { case pause, resume, step, stop }
    var request: Request?

    // What the user chose.
    public internal(set) var size: Size
    public var glyphs: GlyphSet
    public internal(set) var focus = Panel.loss
    public internal(set) var isFullScreen = false
    public internal(set) var isLossLogarithmic = false
    public internal(set) var isGradientNormLogarithmic = true
    /// Index into `smoothings`.
    public internal(set) var smoothing = 4
    /// The newest steps in view; nil: all.
    public internal(set) var window: Int?
    /// Lines scrolled down, for each panel with text.
    var scroll: [Panel: Int] = [:]

    // What lies over the dashboard.
    enum Overlay: Hashable {
        case none
        case help(scroll: Int)
        case quit(choice: Int)
        case commandLine(CommandLine)
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
    /// Names that the command line completes.
    public let themes: [String]

    // Time, in seconds of a monotonic clock.
    var now = 0.0
    var lastStepAt = 0.0
    /// Time in state running.
    public internal(set) var elapsed = 0.0

    /// Grows with every change that shows.
    public internal(set) var revision = 0

    public static let smoothings = [0, 0.6, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999]
    static let longestLog = 1000

    public init(size: Size, glyphs: GlyphSet = .braille, savePath: String? = nil, themes: [String] = []) {
        self.size = size
        self.glyphs = glyphs
        self.savePath = savePath
        self.themes = themes
        averages = DashboardState.smoothings.map { DebiasedAverage(smoothing: $0) }
        averageSeries = DashboardState.smoothings.map { _ in Series() }
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
        }
    }

    /// Steps of the charts' x axis.
    var range: ClosedRange<Int> {
        let last = max(1, loss.lastStep ?? 1)
        guard let window, window < last else { return 0...last }
        return last - window + 1...last
    }

    /// Seconds without a step, while there should have been one.
    var staleSeconds: Double? {
        guard phase == .running, request != .stop, last != nil else { return nil }
        let age = now - lastStepAt
        return age > max(5, 10 * (last?.stepMilliseconds ?? 0) / 1000) ? age : nil
    }

    /// Seconds until the last step, at the present pace.
    var remainingSeconds: Double? {
        guard let run, let last, let pace = throughput.secondsPerStep, !isFinished else { return nil }
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
