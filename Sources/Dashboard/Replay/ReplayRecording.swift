import Core

/// A recorded run, ready to be played: what happened, and when on the run's own clock.
public struct ReplayRecording: Sendable {
    /// In order.
    let events: [TrainingEvent]
    /// For every event, seconds of training before it; never less than for the event before.
    let seconds: [Double]
    /// The steps, growing.
    let steps: [Int]
    /// For every step, how many events there are up to the next step.
    private let ends: [Int]
    /// Events before the first step.
    private let opening: Int

    /// - Parameter events: of one run, in order. A step that is not newer than those before it counts as none.
    public init(_ events: [TrainingEvent]) {
        var clock = RunClock()
        var steps: [Int] = []
        var starts: [Int] = []
        seconds = events.enumerated().map { index, event in
            if case .stepped(let metrics) = event {
                clock.advance(to: metrics)
                if metrics.step > steps.last ?? 0, metrics.step <= Series.largestStep {
                    steps.append(metrics.step)
                    starts.append(index)
                }
            }
            return clock.seconds
        }
        self.events = events
        self.steps = steps
        opening = starts.first ?? events.count
        ends = starts.isEmpty ? [] : starts.dropFirst() + [events.count]
    }

    /// No step was recorded.
    public var isEmpty: Bool { steps.isEmpty }

    /// Time spent training, seconds.
    public var duration: Double { seconds.last ?? 0 }

    /// Events up to the end of what belongs to a number of steps.
    func end(ofSteps count: Int) -> Int { count <= 0 || steps.isEmpty ? opening : ends[min(count, ends.count) - 1] }

    /// Steps that are over after so many events.
    func stepCount(after place: Int) -> Int { Self.count(in: ends) { $0 <= place } }

    /// How many of the steps are to be played so that the position is reached.
    func stepCount(at position: ReplayPosition) -> Int {
        switch position {
        case .step(let step): return Self.count(in: steps) { $0 <= step }
        case .share(let share): return Int((min(1, max(0, share)) * Double(steps.count)).rounded())
        }
    }

    /// How many of growing values fulfil a condition that only the first ones fulfil.
    private static func count(in values: [Int], where isFirst: (Int) -> Bool) -> Int {
        var low = 0
        var high = values.count
        while low < high {
            let middle = (low + high) / 2
            if isFirst(values[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// The time spent training, from the steps of a run that may have been interrupted, after which its own count begins anew.
private struct RunClock {
    private(set) var seconds = 0.0
    private var last = 0.0

    mutating func advance(to metrics: StepMetrics) {
        let step = metrics.stepMilliseconds / 1000
        let passed = metrics.elapsedSeconds >= last ? metrics.elapsedSeconds - last : step
        if metrics.elapsedSeconds.isFinite { last = metrics.elapsedSeconds }
        // No step of a recording that is not damaged takes a year.
        if passed.isFinite, passed > 0, passed < 3.2e7 { seconds += passed }
    }
}

/// A place in a recording.
public enum ReplayPosition: Hashable, Sendable {
    /// After a step and all that belongs to it; 0: before the first step.
    case step(Int)
    /// Of all steps, from 0 to 1.
    case share(Double)

    /// - Parameter text: a step, or a share with a percent sign.
    /// - Throws: `UserError` for anything else.
    public init(parsing text: String) throws(UserError) {
        let digits = text.filter { $0 != "," }
        if text.hasSuffix("%"), let percent = Double(text.dropLast()), percent >= 0, percent <= 100 {
            self = .share(percent / 100)
        } else if let step = Int(digits), step >= 0 {
            self = .step(step)
        } else {
            let found = text.isEmpty ? "nothing" : "“\(text)”"
            throw UserError("expected a step such as 1200, or a share such as 50%; found \(found)")
        }
    }
}

/// How fast a recording is played.
public struct ReplaySpeed: Hashable, Sendable {
    /// Seconds of the run for one second; infinite: as fast as it can be shown.
    let factor: Double

    public static let unlimited = ReplaySpeed(factor: .infinity)
    private static let slowest = 1.0 / 16
    private static let largestPower = 536_870_912.0
    /// Seconds that a recording takes at most unless a speed is asked for.
    private static let longest = 60.0

    private init(factor: Double) {
        self.factor = factor
    }

    /// - Parameter text: a number, or `max`.
    /// - Throws: `UserError` for anything else.
    public init(parsing text: String) throws(UserError) {
        if text == "max" {
            self = .unlimited
        } else if let factor = Double(text.hasSuffix("x") ? String(text.dropLast()) : text), factor >= 0.001,
            factor <= 1e9
        {
            self.factor = factor
        } else {
            let found = text.isEmpty ? "nothing" : "“\(text)”"
            throw UserError(
                "expected a speed from 0.001, such as 8: 1 is as fast as it was trained; or max; found \(found)")
        }
    }

    /// The least power of two, from 1, at which a recording takes no more than a minute.
    init(for recording: ReplayRecording) {
        factor = max(1, Self.power(atLeast: recording.duration / Self.longest))
    }

    /// As the speed is typed, but with a sign: `16x`.
    var text: String {
        factor.isFinite ? NumberText.trimmed(NumberText.fixed(factor, factor < 1 ? 4 : 2)) + "x" : "max"
    }

    /// Twice as fast, or from some speed on without limit.
    func faster(_ recording: ReplayRecording) -> ReplaySpeed {
        let next = Self.power(atLeast: factor * 1.000_001)
        return next <= Self.fastest(recording) ? ReplaySpeed(factor: next) : .unlimited
    }

    func slower(_ recording: ReplayRecording) -> ReplaySpeed {
        guard factor.isFinite else { return ReplaySpeed(factor: Self.fastest(recording)) }
        return ReplaySpeed(factor: max(min(factor, Self.slowest), Self.power(atLeast: factor) / 2))
    }

    /// The whole recording in about a second.
    private static func fastest(_ recording: ReplayRecording) -> Double {
        min(largestPower, max(1, power(atLeast: recording.duration)))
    }

    /// The least power of two, from the slowest speed on, that is not below a number.
    private static func power(atLeast number: Double) -> Double {
        var power = slowest
        while power < number, power < 2 * largestPower { power *= 2 }
        return power
    }
}
