/// The moving averages of a quantity, one for each of `ChartView.smoothings`, over every raw step.
public struct SmoothedSeries: Sendable {
    public private(set) var averages = ChartView.smoothings.map { DebiasedAverage(smoothing: $0) }
    public private(set) var series = ChartView.smoothings.map { _ in Series() }

    mutating func append(step: Int, value: Float) {
        for index in averages.indices where index > 0 {
            averages[index].add(Double(value))
            if value.isFinite, let average = averages[index].value {
                series[index].append(step: step, value: Float(average))
            }
        }
    }

    /// The averages of a quantity that goes on from this one, without its past.
    var branch: SmoothedSeries {
        var result = SmoothedSeries()
        result.averages = averages
        return result
    }

    /// From now on each goes on from the other's averages.
    static func exchangeAverages(_ a: inout SmoothedSeries, _ b: inout SmoothedSeries) {
        swap(&a.averages, &b.averages)
    }
}
