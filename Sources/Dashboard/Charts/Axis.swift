import Foundation

/// A place on an axis that carries a label.
struct Tick: Hashable, Sendable {
    var value: Double
    var label: String
}

/// How values become positions on the y axis.
struct Scale: Hashable, Sendable {
    let lower: Double
    let upper: Double
    /// log10, without any offset: values ≤ 0 have no place.
    let isLogarithmic: Bool

    /// The scale that shows all values from `minimum` to `maximum` with a little air, at bounds round enough to stay put
    /// while the data grows. nil if there is nothing to show.
    init?(minimum: Double, maximum: Double, isLogarithmic: Bool) {
        guard minimum.isFinite, maximum.isFinite, minimum <= maximum, !isLogarithmic || minimum > 0 else { return nil }
        self.isLogarithmic = isLogarithmic
        if isLogarithmic {
            var low = (log10(minimum) * 20).rounded(.down) / 20
            var high = (log10(maximum) * 20).rounded(.up) / 20
            if high - low < 0.1 {
                low -= 0.05
                high += 0.05
            }
            lower = pow(10, low)
            upper = pow(10, high)
        } else {
            let span = maximum - minimum
            let least = max(abs(maximum), abs(minimum)) * 1e-6
            let air = span > least ? span * 0.02 : max(abs(maximum) * 0.05, 1e-12)
            let grid = Scale.niceStep((span + 2 * air) / 40)
            lower = ((minimum - air) / grid).rounded(.down) * grid
            upper = ((maximum + air) / grid).rounded(.up) * grid
        }
        guard lower.isFinite, upper.isFinite, lower < upper, !isLogarithmic || lower > 0 else { return nil }
    }

    /// 0 at the lower bound, 1 at the upper; nil for what has no place on the axis.
    func position(_ value: Double) -> Double? {
        guard value.isFinite else { return nil }
        guard isLogarithmic else { return (value - lower) / (upper - lower) }
        guard value > 0 else { return nil }
        return (log10(value) - log10(lower)) / (log10(upper) - log10(lower))
    }

    /// 1, 2 or 5 times a power of ten, not smaller than `step`.
    static func niceStep(_ step: Double) -> Double {
        guard step > 0, step.isFinite else { return 1 }
        let magnitude = pow(10, log10(step).rounded(.down))
        for factor in [1.0, 2, 5] where factor * magnitude >= step * 0.999_999 { return factor * magnitude }
        return 10 * magnitude
    }

    /// Round values inside the bounds, at most `limit`.
    func ticks(limit: Int) -> [Tick] {
        guard limit > 0 else { return [] }
        if isLogarithmic, let ticks = logarithmicTicks(limit: limit) { return ticks }
        var step = Scale.niceStep((upper - lower) / Double(limit))
        var ticks = linearTicks(step: step)
        while ticks.count > limit {
            step = Scale.niceStep(step * 1.5)
            ticks = linearTicks(step: step)
        }
        return ticks
    }

    private func linearTicks(step: Double) -> [Tick] {
        let decimals = min(9, max(0, -Int((log10(step) + 1e-9).rounded(.down))))
        let first = (lower / step - 1e-9).rounded(.up)
        let last = (upper / step + 1e-9).rounded(.down)
        guard last >= first, last - first < 1000 else { return [] }
        return stride(from: first, through: last, by: 1).map { index in
            let value = index * step
            let isLong = abs(value) >= 1e6 || decimals > 6
            return Tick(
                value: value, label: isLong ? NumberText.scientific(value) : NumberText.fixed(value, decimals))
        }
    }

    /// Powers of ten, with multiples of them if there is room; nil if the range is so short that fewer than three
    /// fall into it.
    private func logarithmicTicks(limit: Int) -> [Tick]? {
        let low = Int(log10(lower).rounded(.down))
        let high = Int(log10(upper).rounded(.up))
        for factors in [[1, 1.5, 2, 3, 4, 5, 7], [1.0, 2, 5], [1, 3], [1]] {
            let values = (low...high).flatMap { exponent in factors.map { $0 * pow(10, Double(exponent)) } }
                .filter { $0 >= lower * 0.999_999 && $0 <= upper * 1.000_001 }
            if values.count < 3 { return nil }
            if values.count <= limit { return values.map(Scale.logarithmicTick) }
        }
        let every = max(1, (high - low + limit) / limit)
        return stride(from: low, through: high, by: every).map { pow(10, Double($0)) }
            .filter { $0 >= lower * 0.999_999 && $0 <= upper * 1.000_001 }.map(Scale.logarithmicTick)
    }

    private static func logarithmicTick(_ value: Double) -> Tick {
        if value >= 1e5 || value < 0.000_999 {
            return Tick(value: value, label: NumberText.scientific(value))
        }
        return Tick(value: value, label: NumberText.trimmed(NumberText.fixed(value, 4)))
    }
}

/// Steps along the x axis.
enum StepAxis {
    /// What the axis counts.
    enum Unit {
        case steps
        case tokens(perStep: Int)
        /// Seconds by step.
        case time(Series)

        /// Labels at shares of the axis, from 0 to 1.
        func labels(_ range: ClosedRange<Int>, width: Int) -> [Tick] {
            switch self {
            case .steps: return StepAxis.shares(StepAxis.ticks(range, width: width), of: range)
            case .tokens(let perStep):
                // Beyond 2^62 tokens, the steps themselves.
                guard perStep > 0, range.upperBound < (1 << 62) / perStep else {
                    return Unit.steps.labels(range, width: width)
                }
                let tokens = range.lowerBound * perStep...range.upperBound * perStep
                return StepAxis.shares(StepAxis.ticks(tokens, width: width), of: tokens)
            case .time(let seconds): return StepAxis.timeTicks(range, seconds, width: width)
            }
        }
    }

    private static func shares(_ ticks: [Tick], of range: ClosedRange<Int>) -> [Tick] {
        let span = Double(max(1, range.upperBound - range.lowerBound))
        return ticks.map { Tick(value: ($0.value - Double(range.lowerBound)) / span, label: $0.label) }
    }

    private static let roundSeconds: [Double] = [
        1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
    ]

    /// Round times, each at the first column that has reached it.
    private static func timeTicks(_ range: ClosedRange<Int>, _ seconds: Series, width: Int) -> [Tick] {
        let columns = seconds.columns(range, count: width)
        guard let first = columns.first(where: { $0.count > 0 }).map({ Double($0.minimum) }),
            let last = columns.last(where: { $0.count > 0 }).map({ Double($0.maximum) }), first <= last, last < 1e12
        else { return [] }
        let limit = Double(max(1, width / 9))
        let least = (last - first) / limit
        let step = roundSeconds.first { $0 >= least } ?? Scale.niceStep(least / 86400) * 86400
        var next = (first / step).rounded(.up) * step
        var ticks: [Tick] = []
        for (x, column) in columns.enumerated() where column.count > 0 && Double(column.maximum) >= next {
            next = (Double(column.maximum) / step).rounded(.down) * step
            ticks.append(Tick(value: Double(x) / Double(max(1, width - 1)), label: NumberText.shortDuration(next)))
            next += step
        }
        return ticks
    }

    /// Round step numbers in the range whose labels fit into so many cells.
    static func ticks(_ range: ClosedRange<Int>, width: Int) -> [Tick] {
        let span = range.upperBound - range.lowerBound
        guard span > 0, width > 0 else { return [Tick(value: Double(range.lowerBound), label: "\(range.lowerBound)")] }
        let limit = max(1, width / max(9, "\(range.upperBound)".count + 3))
        let step = max(1, Int(min(Scale.niceStep(Double(span) / Double(limit)), 1e18)))
        var ticks: [Tick] = []
        var value = range.lowerBound % step == 0 ? range.lowerBound : (range.lowerBound / step + 1) * step
        while value <= range.upperBound {
            ticks.append(Tick(value: Double(value), label: NumberText.axisCount(value)))
            let (next, overflow) = value.addingReportingOverflow(step)
            if overflow { break }
            value = next
        }
        return ticks
    }
}
