import Core

/// All that is known of the module under the map's cursor.
enum InspectorPanel {
    static func draw(_ state: DashboardState, into frame: inout Frame, at area: Rectangle) {
        frame.box(
            area, title: "5 Inspector", glyphs: Glyphs.of(state.glyphs), hasFocus: state.focus == .inspector)
    }
}
