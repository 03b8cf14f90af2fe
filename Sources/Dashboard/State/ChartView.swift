/// What the charts show, and how: chosen by the user.
public struct ChartView: Sendable, Hashable {
    public internal(set) var isLossLogarithmic = false
    public internal(set) var isGradientNormLogarithmic = true
    /// Index into `smoothings`.
    public internal(set) var smoothing = 4
    /// The newest steps in view; nil: all.
    public internal(set) var window: Int?

    public static let smoothings = [0, 0.6, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999]
    /// Windows of the newest steps that zooming walks through.
    private static let windows: [Int] = (1...15).flatMap { exponent -> [Int] in
        let power = (0..<exponent).reduce(1) { product, _ in product * 10 }
        return [power * 2, power * 5, power * 10]
    }

    /// Steps of the charts' x axis.
    func range(lastStep: Int?) -> ClosedRange<Int> {
        let last = max(1, lastStep ?? 1)
        guard let window, window < last else { return 0...last }
        return last - window + 1...last
    }

    /// - Returns: whether the action was one of the charts'.
    mutating func perform(_ action: Action, focus: Panel, lastStep: Int?) -> Bool {
        switch action {
        case .toggleLogarithmic:
            if focus == .gradientNorm {
                isGradientNormLogarithmic.toggle()
            } else {
                isLossLogarithmic.toggle()
            }
        case .smoothMore: smoothing = min(Self.smoothings.count - 1, smoothing + 1)
        case .smoothLess: smoothing = max(0, smoothing - 1)
        case .zoomIn:
            let range = range(lastStep: lastStep)
            let shown = range.upperBound - range.lowerBound + 1
            window = Self.windows.last { $0 < shown } ?? window
        case .zoomOut:
            if let shown = window {
                let wider = Self.windows.first { $0 > shown }
                window = wider.flatMap { $0 < lastStep ?? 0 ? $0 : nil }
            }
        case .fit: window = nil
        case .follow: window = 1000
        default: return false
        }
        return true
    }
}
