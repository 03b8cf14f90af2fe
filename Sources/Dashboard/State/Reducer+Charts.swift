extension DashboardState {
    /// What the keys of the charts do beyond changing the view.
    mutating func performOnCharts(_ action: Action) -> [DashboardEffect] {
        switch action {
        case .copy:
            let values = ChartPanels.values(self, at: view.crosshair).map { "\($0.name) \($0.text)" }
            guard last != nil else { break }
            let text = values.joined(separator: " ")
            say("copied: \(text)")
            return [.copy(text)]
        case .scrollUp, .scrollDown, .pageUp, .pageDown:
            let area = Layout(size: size, focus: .gradientNorm, isFullScreen: isFullScreen).rectangle(of: .gradientNorm)
            let page = max(1, (area?.height ?? 4) - 3)
            let last = max(0, ModulesPanel.rowCount(self) - page)
            let offset = [.scrollUp: -1, .scrollDown: 1, .pageUp: -page, .pageDown: page][action] ?? 0
            view.firstModule = min(last, max(0, view.firstModule + offset))
        default: break
        }
        return []
    }
}
