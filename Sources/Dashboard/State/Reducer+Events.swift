extension DashboardState {
    mutating func performOnEvents(_ action: Action) -> [DashboardEffect] { [] }
}
