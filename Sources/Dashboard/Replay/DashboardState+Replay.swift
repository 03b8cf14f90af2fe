import Core

/// A recording on the screen.
struct Replay: Sendable {
    var player: ReplayPlayer
    /// States of the screen at earlier places, growing: seeking back goes on from one of them.
    var keyframes: [Keyframe] = []

    struct Keyframe: Sendable {
        var place: Int
        var state: DashboardState
    }

    /// Events between two keyframes: few keyframes for their memory, which grows with the recording.
    var stride: Int { max(4096, player.recording.events.count / 12) }
}

extension DashboardState {
    /// Shows a recording from now on, instead of a run.
    public mutating func replay(_ player: ReplayPlayer) {
        refusal = "a recording cannot be steered"
        replay = Replay(player: player)
        takeEvents(upTo: player.recording.end(ofSteps: 0))
        if let start = player.start { seek(to: player.recording.stepCount(at: start)) }
        message = nil
    }

    /// Whether something happens on its own: a run or a recording goes on.
    public var isMoving: Bool { replay.map(\.player.isPlaying) ?? (phase == .running || isStopping) }

    /// The clock that the run's times are told on.
    var runTime: Double { replay == nil ? now : elapsed }

    /// Plays what is due.
    mutating func advanceReplay() {
        guard let before = replay?.player, let due = replay?.player.advance(to: now), let player = replay?.player
        else { return }
        for index in due { takeEvent(index, of: player.recording) }
        elapsed = player.seconds
        if !due.isEmpty || player.isPlaying != before.isPlaying
            || player.seconds.rounded(.down) != before.seconds.rounded(.down)
        {
            revision += 1
        }
    }

    // MARK: Seeking

    /// Goes to the end of a number of steps.
    mutating func seek(to steps: Int) {
        guard let replay else { return }
        let target = replay.player.recording.end(ofSteps: steps)
        let nearest = replay.keyframes.last { $0.place <= target }
        if let nearest, target < replay.player.place || nearest.place > replay.player.place {
            takeRun(of: nearest.state)
            self.replay?.player.move(to: nearest.place)
        }
        // What was said on the way is no news.
        let said = message
        takeEvents(upTo: target)
        message = said
        revision += 1
    }

    private mutating func takeEvents(upTo target: Int) {
        guard let player = replay?.player else { return }
        for index in player.place..<max(player.place, target) { takeEvent(index, of: player.recording) }
        replay?.player.move(to: target)
        elapsed = replay?.player.seconds ?? elapsed
    }

    private mutating func takeEvent(_ index: Int, of recording: ReplayRecording) {
        keepKeyframe(at: index)
        // What is told at a time was then, however it is played.
        elapsed = recording.seconds[index]
        _ = take(recording.events[index])
    }

    /// - Parameter place: the events that the state knows.
    private mutating func keepKeyframe(at place: Int) {
        guard let replay else { return }
        let first = replay.player.recording.end(ofSteps: 0)
        guard place == first || place > first && place % replay.stride == 0 else { return }
        guard replay.keyframes.last.map({ $0.place < place }) ?? true else { return }
        var state = self
        state.replay = nil
        self.replay?.keyframes.append(Replay.Keyframe(place: place, state: state))
    }

    /// Takes over what another state knows of the run; what the user chose stays.
    private mutating func takeRun(of other: DashboardState) {
        let chosen = self
        self = other
        size = chosen.size
        glyphs = chosen.glyphs
        focus = chosen.focus
        isFullScreen = chosen.isFullScreen
        view = chosen.view
        scroll = chosen.scroll
        overlay = chosen.overlay
        history = chosen.history
        message = chosen.message
        theme = chosen.theme
        isMouseOn = chosen.isMouseOn
        comparisons = chosen.comparisons
        log = chosen.log
        refusal = chosen.refusal
        replay = chosen.replay
        now = chosen.now
        revision = chosen.revision
        map.takeView(of: chosen.map)
        events.takeView(of: chosen.events)
    }

    // MARK: What the user asks for

    mutating func performOnReplay(_ action: Action) -> [DashboardEffect] {
        guard let player = replay?.player else { return [] }
        let steps = player.stepCount
        let count = player.recording.steps.count
        switch action {
        case .togglePause: play(!player.isPlaying)
        case .step: stepReplay(to: steps + 1)
        case .stepBack: stepReplay(to: steps - 1)
        case .seekBack: show(steps - max(1, count / 100))
        case .seekForward: show(steps + max(1, count / 100))
        case .seekFarBack: show(steps - max(1, count / 10))
        case .seekFarForward: show(steps + max(1, count / 10))
        case .seekToStart: show(0)
        case .seekToEnd: show(count)
        case .seekToCrosshair:
            guard let step = view.crosshair else {
                say("no crosshair: i puts one on a chart, Enter on an event", isError: true)
                break
            }
            show(player.recording.stepCount(at: .step(step)))
        case .slower: setReplaySpeed(player.speed.slower(player.recording))
        case .faster: setReplaySpeed(player.speed.faster(player.recording))
        default: break
        }
        return []
    }

    /// Plays, from the start if all was played, or pauses.
    mutating func play(_ isPlaying: Bool) {
        if isPlaying, replay?.player.isAtEnd == true { seek(to: 0) }
        replay?.player.setPlaying(isPlaying)
        message = nil
        revision += 1
    }

    /// One step, seen at leisure.
    private mutating func stepReplay(to steps: Int) {
        replay?.player.setPlaying(false)
        message = nil
        seek(to: min(steps, replay?.player.recording.steps.count ?? 0))
    }

    /// Goes to a place that was asked for. It goes on playing from there if it was.
    private mutating func show(_ steps: Int) {
        message = nil
        seek(to: steps)
    }

    mutating func setReplaySpeed(_ speed: ReplaySpeed) {
        replay?.player.setSpeed(speed)
        say("speed \(speed.text)")
    }

    /// A command of the command line that is about the recording.
    mutating func perform(_ command: ReplayRequest) {
        guard let recording = replay?.player.recording else {
            return say("\(command.name) is for recordings: fp4tui replay RUN plays one", isError: true)
        }
        switch command {
        case .seek(let position): show(recording.stepCount(at: position))
        case .speed(let speed): setReplaySpeed(speed)
        }
    }

    /// Answers a command to the engine, where there is none.
    mutating func answerForRecording(_ command: EngineCommand) {
        switch command {
        case .pause: play(false)
        case .resume: play(true)
        case .step: _ = performOnReplay(.step)
        default: say(refusal ?? "", isError: true)
        }
    }
}

/// What the command line can ask of a recording.
enum ReplayRequest: Hashable {
    case seek(ReplayPosition)
    case speed(ReplaySpeed)

    var name: String {
        switch self {
        case .seek: "seek"
        case .speed: "speed"
        }
    }
}
