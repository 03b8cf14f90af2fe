extension DashboardState {
    mutating func performOnMap(_ action: Action) -> [DashboardEffect] { [] }
}
