/// Finds losses far above their moving average.
///
/// A loss is a spike if it lies more than `limit` standard deviations above the average of the losses before it. The
/// deviation is a running one from the same average. What lies beyond the limit enters both at the limit only, so that a
/// spike doesn't hide the next one and a lasting change becomes the new average.
struct SpikeDetector: Sendable {
    struct Spike: Hashable, Sendable {
        var loss: Double
        /// The average of the losses before it.
        var average: Double
        /// How many standard deviations it lies above that.
        var deviations: Double
    }

    static let limit = 4.0
    /// Losses before the first spike can be told.
    static let warmUp = 50
    private static let smoothing = 0.98
    private static let varianceSmoothing = 0.99
    /// The least deviation, as a share of the average: a loss that hardly moves has no spikes.
    private static let leastDeviation = 1e-3

    private var average = DebiasedAverage(smoothing: smoothing)
    private var variance = DebiasedAverage(smoothing: varianceSmoothing)
    private var count = 0
    private var isHigh = false

    /// - Returns: the spike that begins with this loss; nil if there is none, or it began earlier.
    mutating func add(_ loss: Float) -> Spike? {
        let loss = Double(loss)
        guard loss.isFinite else { return nil }
        count += 1
        guard let mean = average.value, let variance = variance.value else {
            if average.value != nil { self.variance.add(squared(loss)) }
            average.add(loss)
            return nil
        }
        let deviation = max(variance.squareRoot(), abs(mean) * Self.leastDeviation)
        let deviations = deviation > 0 ? (loss - mean) / deviation : 0
        let used = min(loss, mean + Self.limit * deviation)
        self.variance.add(squared(used))
        average.add(used)
        let wasHigh = isHigh
        isHigh = deviations > Self.limit
        guard isHigh, !wasHigh, count > Self.warmUp else { return nil }
        return Spike(loss: loss, average: mean, deviations: deviations)
    }

    private func squared(_ loss: Double) -> Double {
        let distance = loss - (average.value ?? loss)
        return distance * distance
    }
}
