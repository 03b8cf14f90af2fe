/// An exponential moving average over every value, divided by 1 − sⁿ so that the start isn't drawn towards zero. A
/// constant stays what it is; non-finite values are skipped.
public struct DebiasedAverage: Sendable {
    /// The share of the old average that is kept at each step, 0 ≤ s < 1.
    public let smoothing: Double
    private var accumulated = 0.0
    /// sⁿ after n values.
    private var remaining = 1.0

    public init(smoothing: Double) {
        self.smoothing = smoothing
    }

    public var value: Double? { remaining < 1 ? accumulated / (1 - remaining) : nil }

    public mutating func add(_ value: Double) {
        guard value.isFinite else { return }
        accumulated = smoothing * accumulated + (1 - smoothing) * value
        remaining *= smoothing
    }
}
