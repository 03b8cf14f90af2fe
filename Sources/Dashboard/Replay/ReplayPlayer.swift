import Core

/// Plays a recorded run. It has no clock of its own: whoever has one tells it the time, and gets the events that are due.
public struct ReplayPlayer: Sendable {
    public let recording: ReplayRecording
    /// Events played so far.
    private(set) var place = 0
    /// Where it is on the run's clock, seconds.
    private(set) var seconds = 0.0
    private(set) var isPlaying: Bool
    private(set) var speed: ReplaySpeed
    /// Where it begins.
    let start: ReplayPosition?
    private var time: Double?

    /// Events at once: more would keep the keys waiting.
    static let longestTurn = 4096
    /// Seconds that one look at the clock can bring: the rest was spent stopped, not watching.
    static let longestTick = 0.5

    /// - Parameters:
    ///   - speed: nil: as it was trained, or so fast that the whole takes no more than a minute.
    ///   - start: nil: before the first step.
    public init(_ recording: ReplayRecording, speed: ReplaySpeed? = nil, start: ReplayPosition? = nil) {
        self.recording = recording
        self.speed = speed ?? ReplaySpeed(for: recording)
        self.start = start
        isPlaying = !recording.isEmpty
    }

    var isAtEnd: Bool { place >= recording.events.count }
    /// Steps that are over.
    var stepCount: Int { recording.stepCount(after: place) }
    /// Of the steps, from 0 to 1.
    var share: Double { Double(stepCount) / Double(max(1, recording.steps.count)) }

    /// - Parameter now: seconds of a monotonic clock.
    /// - Returns: the events that are due; the player is behind them.
    mutating func advance(to now: Double) -> Range<Int> {
        let passed = min(Self.longestTick, max(0, now - (time ?? now)))
        time = now
        guard isPlaying else { return place..<place }
        let wanted = passed > 0 ? seconds + passed * speed.factor : seconds
        let begin = place
        let limit = min(recording.events.count, begin + Self.longestTurn)
        while place < limit, recording.seconds[place] <= wanted { place += 1 }
        if isAtEnd {
            isPlaying = false
            seconds = recording.duration
        } else {
            // What could not be played in this turn is not skipped.
            seconds = place == limit || wanted.isInfinite ? recording.seconds[max(0, place - 1)] : wanted
        }
        return begin..<place
    }

    /// Where the events were taken up to by other means than time.
    mutating func move(to place: Int) {
        self.place = min(recording.events.count, max(0, place))
        seconds = self.place > 0 ? recording.seconds[self.place - 1] : 0
        if isAtEnd { isPlaying = false }
    }

    /// At the end, there is nothing to play.
    mutating func setPlaying(_ isPlaying: Bool) { self.isPlaying = isPlaying && !isAtEnd }

    mutating func setSpeed(_ speed: ReplaySpeed) { self.speed = speed }
}
