/// What the mouse did.
public enum MouseKind: Sendable, Hashable, CaseIterable {
    /// The left button went down.
    case press
    case wheelUp, wheelDown
}

extension DashboardState {
    /// Lines that one notch of the wheel scrolls.
    private static let wheelLines = 3

    mutating func toggleMouse() -> [DashboardEffect] {
        isMouseOn.toggle()
        say(isMouseOn ? "mouse on: Shift-drag selects text, C-t turns it off" : "mouse off")
        return [.mouse(isMouseOn)]
    }

    mutating func point(x: Int, y: Int, _ kind: MouseKind) -> [DashboardEffect] {
        guard isMouseOn else { return [] }
        let layout = Layout(size: size, focus: focus, isFullScreen: isFullScreen)
        if let title = layout.title, title.contains(x: x, y: y), let recording = replay?.player.recording {
            return kind == .press ? seek(x, y, inTitle: title, recording) : []
        }
        if let footer = layout.footer, footer.contains(x: x, y: y) {
            guard kind == .press, let key = Footer.binding(at: x, self, in: footer)?.keys.first else { return [] }
            return press(key)
        }
        guard overlay == .none else { return kind == .press ? [] : turnWheelOnOverlay(kind) }
        guard let (panel, area) = layout.panels.first(where: { $0.rectangle.contains(x: x, y: y) }) else { return [] }
        revision += 1
        guard kind == .press else { return turnWheel(kind, over: panel) }
        focus = panel
        if panel == .precision, map.current != nil,
            let path = PrecisionPanel.module(at: x, y: y, self, area: area)
        {
            showModule(path)
        }
        return []
    }

    /// The bar of the title shows how far a recording is, and takes it elsewhere.
    private mutating func seek(
        _ x: Int, _ y: Int, inTitle title: Rectangle, _ recording: ReplayRecording
    ) -> [DashboardEffect] {
        var frame = Frame(size: size)
        guard let bar = TitleBar.draw(self, into: &frame, at: title), bar.contains(x: x, y: y) else { return [] }
        seek(to: recording.stepCount(at: .share(Double(x - bar.x) / Double(max(1, bar.width - 1)))))
        return []
    }

    /// Lists follow the wheel; a line being typed doesn't.
    private mutating func turnWheelOnOverlay(_ kind: MouseKind) -> [DashboardEffect] {
        switch overlay {
        case .help, .themes, .quit, .picker: press(kind == .wheelUp ? .up : .down)
        case .none, .commandLine, .prompt: []
        }
    }

    /// Acts on the panel under the pointer; the focus stays where it is.
    private mutating func turnWheel(_ kind: MouseKind, over panel: Panel) -> [DashboardEffect] {
        let isUp = kind == .wheelUp
        let action: Action
        var count = 1
        switch panel {
        case .loss: action = isUp ? .zoomIn : .zoomOut
        case .gradientNorm where !view.showsModules: action = isUp ? .zoomIn : .zoomOut
        case .inspector: action = isUp ? .pageUp : .pageDown
        // A turn of the wheel must not move the cursor that the next key acts on.
        case .precision: return []
        case .gradientNorm, .events, .sample, .log, .run:
            action = isUp ? .scrollUp : .scrollDown
            count = DashboardState.wheelLines
        }
        if panel == .inspector, map.current == nil { return [] }
        let focused = focus
        focus = panel
        defer { focus = focused }
        return (0..<count).flatMap { _ in performOnDashboard(action, .enter) }
    }
}
