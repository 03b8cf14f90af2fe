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

    /// 80×24: loss and gradient norm above, precision map and events below; from 120 columns on the inspector between
    /// them, from 50 rows on sample, log and run beneath. A panel in focus that has no place of its own takes another's.
    private static func arrange(_ body: Rectangle, focus: Panel) -> [(panel: Panel, rectangle: Rectangle)] {
        let isWide = body.width >= 120
        let isTall = body.height >= 46
        let texts = isTall ? max(9, body.height / 5) : 0
        let map = max(10, (body.height - texts) * 9 / 20)
        let charts = body.height - texts - map
        let left = body.width * 11 / 20
        var result = columns(
            [.loss, .gradientNorm], widths: [left, body.width - left], y: body.y, height: charts)
        if isWide {
            let middle = min(52, body.width * 3 / 10)
            let events = min(60, body.width * 3 / 10)
            result += columns(
                [.precision, .inspector, .events], widths: [body.width - middle - events, middle, events],
                y: body.y + charts, height: map)
        } else {
            result += columns(
                [.precision, .events], widths: [left, body.width - left], y: body.y + charts, height: map)
        }
        if isTall {
            let run = 42
            let sample = (body.width - run) / 2
            result += columns(
                isWide ? [.sample, .log, .run] : [.sample, .run],
                widths: isWide ? [sample, body.width - run - sample, run] : [body.width - run, run],
                y: body.y + charts + map, height: texts)
        }
        if !result.contains(where: { $0.panel == focus }) {
            let host: Panel = focus == .inspector || focus == .log && isTall ? .events : .precision
            if let index = result.firstIndex(where: { $0.panel == (focus == .log && isTall ? .sample : host) }) {
                result[index].panel = focus
            }
        }
        return result
    }

    private static func columns(
        _ panels: [Panel], widths: [Int], y: Int, height: Int
    ) -> [(panel: Panel, rectangle: Rectangle)] {
        var x = 0
        return zip(panels, widths).map { panel, width in
            defer { x += width }
            return (panel, Rectangle(x: x, y: y, width: width, height: height))
        }
    }
}
