import Core

/// The first row: which run, what it does, how far it is.
enum TitleBar {
    static func stateWord(_ state: DashboardState) -> (text: String, role: Role) {
        if let player = state.replay?.player { return replayWord(player) }
        if state.isStopping { return ("STOPPING", .warning) }
        switch state.phase {
        case .starting: return ("STARTING", .barText)
        case .running:
            if state.request == .pause { return ("PAUSING", .warning) }
            if let age = state.staleSeconds { return ("STALE \(Int(min(age, 1e9))) s", .error) }
            return ("RUNNING", .ok)
        case .paused:
            switch state.request {
            case .resume: return ("RESUMING", .ok)
            case .step: return ("STEPPING", .ok)
            default: return ("PAUSED", .warning)
            }
        case .finished(let summary):
            switch summary.outcome {
            case .completed: return ("DONE", .ok)
            case .stopped: return ("STOPPED", .warning)
            case .diverged: return ("DIVERGED", .error)
            case .failed: return ("FAILED", .error)
            }
        }
    }

    private static func replayWord(_ player: ReplayPlayer) -> (text: String, role: Role) {
        if player.isAtEnd { return ("REPLAY END", .warning) }
        return player.isPlaying ? ("REPLAY \(player.speed.text)", .ok) : ("REPLAY PAUSED", .warning)
    }

    private static func sign(_ state: DashboardState) -> String {
        let glyphs = Glyphs.of(state.glyphs)
        if let player = state.replay?.player {
            return player.isAtEnd ? glyphs.stopped : player.isPlaying ? glyphs.running : glyphs.paused
        }
        return switch state.phase {
        case .running where state.request != .pause: glyphs.running
        case .finished: glyphs.stopped
        case .starting: glyphs.separator
        default: glyphs.paused
        }
    }

    /// - Returns: where the bar is that shows how far it is; nil if there is no room for one.
    @discardableResult
    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) -> Rectangle? {
        let glyphs = Glyphs.of(state.glyphs)
        let bar = Style(.barText, on: .bar)
        frame.fill(area, bar)
        let word = stateWord(state)
        // The bar of a recording is clicked on: it stays where it is.
        let isReplay = state.replay != nil
        var x = frame.put(" fp4tui ", x: area.x, y: area.y, Style(.title, on: .bar, .bold))
        let name = state.run?.name ?? ""
        if !name.isEmpty {
            x = frame.put(
                shortened(name, to: max(8, area.width / 5), glyphs) + " ", x: x, y: area.y, Style(.strong, on: .bar))
        }
        x = frame.put(
            "\(sign(state)) \(word.text)\(space(13, word.text, isReplay))  ", x: x, y: area.y,
            Style(word.role, on: .bar, .bold))
        if state.isAttached {
            let tag = state.refusal == nil ? "attached  " : "read-only  "
            x = frame.put(tag, x: x, y: area.y, bar)
        }
        guard let run = state.run else { return nil }

        let step = state.last?.step ?? 0
        // Of a recording, the steps that it has.
        let total = state.replay?.player.recording.steps.last ?? run.totalSteps
        let share = state.replay?.player.share ?? (total > 0 ? min(1, Double(step) / Double(total)) : 0)
        let percent = space(4, "\(Int(share * 100))%", isReplay) + "\(Int(share * 100))%"
        var ends: [String] = []
        if let seconds = state.remainingSeconds { ends.append("ETA \(NumberText.duration(seconds))") }
        let whole = state.replay.map { "/\(NumberText.duration($0.player.recording.duration))" }
        let elapsed = (whole == nil ? "elapsed " : "") + NumberText.duration(state.elapsed) + (whole ?? "")
        let count = NumberText.grouped(step)
        let end = NumberText.grouped(total)
        let steps = "step \(space(end.count, count, isReplay))\(count)/\(end) "
        x = frame.put(steps, x: x, y: area.y, limit: area.right - x, Style(.strong, on: .bar))

        let spaceWithElapsed =
            area.right - x - CharacterWidth.columns((ends + [elapsed]).joined(separator: "  ")) - percent.count - 4
        if spaceWithElapsed >= 6 { ends.append(elapsed) }
        var right = area.right - 1
        let times = ends.joined(separator: "  ")
        if right - times.count > x {
            right -= times.count
            frame.put(times, x: right, y: area.y, bar)
            right -= 2
        }
        let barWidth = right - x - percent.count - 1
        var progress: Rectangle?
        if barWidth >= 4 {
            progress = Rectangle(x: x, y: area.y, width: barWidth, height: 1)
            let filled = Int((Double(barWidth) * share).rounded(.down))
            for offset in 0..<barWidth {
                let isFilled = offset < filled
                frame.put(
                    isFilled ? glyphs.barFull : glyphs.barEmpty, x: x + offset, y: area.y,
                    Style(isFilled ? .title : .axis, on: .bar))
            }
            x += barWidth + 1
        }
        if x + percent.count <= right { frame.put(percent, x: x, y: area.y, Style(.strong, on: .bar)) }
        return progress
    }

    /// What a text lacks to be so wide.
    private static func space(_ columns: Int, _ text: String, _ isWanted: Bool) -> String {
        isWanted ? String(repeating: " ", count: max(0, columns - text.count)) : ""
    }

    static func shortened(_ text: String, to columns: Int, _ glyphs: Glyphs) -> String {
        guard CharacterWidth.columns(text) > columns else { return text }
        let room = columns - CharacterWidth.columns(glyphs.ellipsis)
        return room > 0 ? CharacterWidth.prefix(text, columns: room) + glyphs.ellipsis : ""
    }
}
