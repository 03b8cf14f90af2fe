import Core

/// Modules × layers: what each runs in and how it fares.
enum PrecisionPanel {
    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        frame.box(
            area, title: "3 Precision map", glyphs: Glyphs.of(state.glyphs), hasFocus: state.focus == .precision)
    }
}
