/// What the charts show, and how: chosen by the user.
public struct ChartView: Sendable, Hashable {
    /// What the x axis counts. The places of the steps are the same for all.
    public enum Axis: String, Sendable, CaseIterable {
        case steps, tokens, time
    }

    public internal(set) var isLossLogarithmic = false
    public internal(set) var isGradientNormLogarithmic = true
    /// Index into `smoothings`.
    public internal(set) var smoothing = 4
    /// How many steps are in view; nil: all.
    public private(set) var window: Int?
    /// The last step in view; nil: the newest, so that the view follows the run.
    public private(set) var end: Int?
    /// The step whose values are shown; nil: the newest.
    public private(set) var crosshair: Int?
    public private(set) var axis = Axis.steps
    /// The y axes hold what lies between the first and the last percentile.
    public private(set) var ignoresOutliers = false
    /// The gradient norm's panel lists the modules.
    public private(set) var showsModules = false
    /// The first module of the list.
    var firstModule = 0
    /// The crosshair has stopped a view that followed the run.
    private var followedBefore = false

    public static let smoothings = [0, 0.6, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999]
    static let followedSteps = 1000
    /// Numbers of steps that zooming walks through.
    private static let windows: [Int] = (1...15).flatMap { exponent -> [Int] in
        let power = (0..<exponent).reduce(1) { product, _ in product * 10 }
        return [power * 2, power * 5, power * 10]
    }

    /// Steps of the charts' x axis.
    /// - Parameter steps: all that were recorded.
    func range(in steps: ClosedRange<Int>) -> ClosedRange<Int> {
        guard let window, window < steps.upperBound - steps.lowerBound + 1 else { return steps }
        let last = min(steps.upperBound, max(steps.lowerBound + window - 1, end ?? steps.upperBound))
        return last - window + 1...last
    }

    /// The crosshair, if it stands in the range.
    func crosshair(in range: ClosedRange<Int>) -> Int? {
        crosshair.flatMap { range.contains($0) ? $0 : nil }
    }

    /// - Returns: whether the action was one of the charts'.
    mutating func perform(_ action: Action, focus: Panel, steps: ClosedRange<Int>) -> Bool {
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
            let shown = count(range(in: steps))
            if let narrower = Self.windows.last(where: { $0 < shown }) { zoom(to: narrower, steps) }
        case .zoomOut:
            guard let shown = window else { break }
            if let wider = Self.windows.first(where: { $0 > shown }), wider < count(steps) - 1 {
                zoom(to: wider, steps)
            } else {
                fit()
            }
        case .fit: fit()
        case .follow:
            window = Self.followedSteps
            end = nil
            crosshair = nil
        case .panLeft: move(by: -1, isFar: false, steps)
        case .panRight: move(by: 1, isFar: false, steps)
        case .panFarLeft: move(by: -1, isFar: true, steps)
        case .panFarRight: move(by: 1, isFar: true, steps)
        case .panToStart: move(to: steps.lowerBound, steps)
        case .panToEnd: move(to: steps.upperBound, steps)
        case .toggleCrosshair: toggleCrosshair(steps)
        case .hideCrosshair: if crosshair != nil { toggleCrosshair(steps) }
        case .nextAxis:
            let next = (Axis.allCases.firstIndex(of: axis) ?? 0) + 1
            axis = Axis.allCases[next % Axis.allCases.count]
        case .toggleOutliers: ignoresOutliers.toggle()
        case .toggleModules:
            showsModules.toggle()
            firstModule = 0
        default: return false
        }
        return true
    }

    /// Puts the crosshair on a step, and the step into view.
    mutating func show(step: Int, in steps: ClosedRange<Int>) {
        let step = min(steps.upperBound, max(steps.lowerBound, step))
        if crosshair == nil { followedBefore = window != nil && end == nil }
        crosshair = step
        let range = range(in: steps)
        if window != nil { end = range.contains(step) ? range.upperBound : step + count(range) / 2 }
    }

    private func count(_ range: ClosedRange<Int>) -> Int { range.upperBound - range.lowerBound + 1 }

    private mutating func fit() {
        window = nil
        end = nil
    }

    /// What is in the middle stays there; the newest step stays at the right while it is followed.
    private mutating func zoom(to size: Int, _ steps: ClosedRange<Int>) {
        let range = range(in: steps)
        let middle =
            crosshair(in: range) ?? end.map { _ in range.lowerBound + (range.upperBound - range.lowerBound) / 2 }
        window = size
        guard let middle else { return }
        end = min(steps.upperBound, middle + size / 2)
    }

    private mutating func toggleCrosshair(_ steps: ClosedRange<Int>) {
        if crosshair != nil {
            crosshair = nil
            if followedBefore { end = nil }
        } else {
            show(step: range(in: steps).upperBound, in: steps)
        }
    }

    /// Moves the crosshair if there is one, or else the view.
    private mutating func move(by direction: Int, isFar: Bool, _ steps: ClosedRange<Int>) {
        let size = count(range(in: steps))
        if let crosshair {
            // A column of a chart of usual width, so that no key press is without effect.
            move(to: crosshair + direction * max(1, isFar ? size / 10 : size / 128), steps)
        } else {
            let last = range(in: steps).upperBound
            pan(to: last + direction * max(1, isFar ? size : size / 8), steps)
        }
    }

    private mutating func move(to step: Int, _ steps: ClosedRange<Int>) {
        if let crosshair {
            let step = min(steps.upperBound, max(steps.lowerBound, step))
            let range = range(in: steps)
            if range.contains(crosshair), !range.contains(step), window != nil {
                end = step < range.lowerBound ? step + count(range) - 1 : step
            }
            show(step: step, in: steps)
        } else {
            pan(to: step, steps)
        }
    }

    private mutating func pan(to last: Int, _ steps: ClosedRange<Int>) {
        guard let window else { return }
        // Back at the newest step the view follows again.
        end = last >= steps.upperBound ? nil : max(steps.lowerBound + window - 1, last)
    }
}
