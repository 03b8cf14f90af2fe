import Core

extension DashboardState {
    /// What the screen showed of a recorded run when so many steps were done.
    ///
    /// The clock is the time spent training: what is shown of time is as it was, and a run whose recording ends there is
    /// not taken for one that hangs.
    ///
    /// - Parameters:
    ///   - events: of the whole run, in order.
    ///   - step: the last one that is shown; nil: all.
    ///   - state: a new one, of the wanted size and glyphs.
    public static func recorded(
        _ events: some Sequence<TrainingEvent>, upTo step: Int?, in state: DashboardState
    ) -> DashboardState {
        var state = state
        // A resumed run may count its time anew.
        var (elapsed, base) = (0.0, 0.0)
        for event in events {
            if case .stepped(let metrics) = event {
                if let step, metrics.step > step { break }
                if metrics.elapsedSeconds.isFinite {
                    if metrics.elapsedSeconds < elapsed { base += elapsed }
                    elapsed = metrics.elapsedSeconds
                    _ = reduce(&state, .tick(base + elapsed))
                }
            }
            _ = reduce(&state, .event(event))
        }
        return state
    }
}
