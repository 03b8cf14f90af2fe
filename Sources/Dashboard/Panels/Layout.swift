/// Where everything goes, for a size of the screen. Rectangles never overlap and lie within the screen.
public struct Layout: Sendable {
    public enum Mode: Sendable {
        /// All panels.
        case full
        /// The panel in focus alone.
        case single
        /// Nothing fits: a message with the wanted size.
        case message
    }

    /// The least size for all panels.
    public static let fullSize = Size(width: 80, height: 24)
    /// The least size for one panel.
    public static let leastSize = Size(width: 40, height: 10)

    public let mode: Mode
    public private(set) var title: Rectangle?
    public private(set) var panels: [(panel: Panel, rectangle: Rectangle)] = []
    public private(set) var status: Rectangle?
    public private(set) var message: Rectangle?
    public private(set) var footer: Rectangle?

    public init(size: Size, focus: Panel, isFullScreen: Bool) {
        let isFull = size.width >= Layout.fullSize.width && size.height >= Layout.fullSize.height
        let isUsable = size.width >= Layout.leastSize.width && size.height >= Layout.leastSize.height
        mode = !isUsable ? .message : isFull && !isFullScreen ? .full : .single
        guard isUsable else { return }
        func row(_ y: Int) -> Rectangle { Rectangle(x: 0, y: y, width: size.width, height: 1) }
        title = row(0)
        footer = row(size.height - 1)
        message = row(size.height - 2)
        let hasStatus = size.height >= 14
        if hasStatus { status = row(size.height - 3) }
        let body = Rectangle(x: 0, y: 1, width: size.width, height: size.height - (hasStatus ? 4 : 3))
        panels = mode == .full ? Layout.arrange(body, focus: focus) : [(focus, body)]
    }

    public func rectangle(of panel: Panel) -> Rectangle? {
        panels.first { $0.panel == panel }?.rectangle
    }

    private static func arrange(_ body: Rectangle, focus: Panel) -> [(panel: Panel, rectangle: Rectangle)] {
        let charts = max(12, body.height * 3 / 5)
        let left = body.width * 11 / 20
        let top = Rectangle(x: 0, y: body.y, width: left, height: charts)
        let beside = Rectangle(x: left, y: body.y, width: body.width - left, height: charts)
        let y = body.y + charts
        let height = body.height - charts
        guard body.width >= 120 else {
            let first = focus == .run ? Panel.run : .sample
            return [
                (.loss, top), (.gradientNorm, beside), (first, Rectangle(x: 0, y: y, width: left, height: height)),
                (.log, Rectangle(x: left, y: y, width: body.width - left, height: height)),
            ]
        }
        let run = 40
        let sample = (body.width - run) / 2
        return [
            (.loss, top), (.gradientNorm, beside),
            (.sample, Rectangle(x: 0, y: y, width: sample, height: height)),
            (.log, Rectangle(x: sample, y: y, width: body.width - run - sample, height: height)),
            (.run, Rectangle(x: body.width - run, y: y, width: run, height: height)),
        ]
    }
}
