import Core

/// A recorded run whose loss is drawn beneath that of the run on the screen.
public struct ComparedRun: Sendable {
    public let name: String
    let loss: Series
    let average: SmoothedSeries
    let validation: Series

    /// Takes a while for many steps: not on the main thread.
    ///
    /// - Parameters:
    ///   - steps: growing; others are left out.
    ///   - evaluations: likewise.
    public init(name: String, steps: [(step: Int, loss: Float)], evaluations: [Evaluation]) {
        var loss = Series()
        var average = SmoothedSeries()
        var validation = Series()
        for (step, value) in steps where step > loss.lastStep ?? -1 {
            loss.append(step: step, value: value)
            average.append(step: step, value: value)
        }
        for evaluation in evaluations { validation.append(step: evaluation.step, value: evaluation.validationLoss) }
        self.name = name
        self.loss = loss
        self.average = average
        self.validation = validation
    }

    /// More would make one curve as good as another.
    public static let most = 3
    /// Of those drawn together, in their order.
    static let styles = [Role.comparison, .gradientNorm, .clip].map { Style($0, .bold) }
    /// ASCII: what their curves are drawn with.
    static let characters: [Unicode.Scalar] = ["1", "2", "3"]

    /// The averages, or without smoothing the losses.
    /// - Parameter smoothing: index into `ChartView.smoothings`.
    func curve(_ smoothing: Int) -> Series { smoothing > 0 ? average.series[smoothing] : loss }
}

extension DashboardState {
    /// What a comparison says: the other run's loss, and how much higher it is than that of the run on the screen.
    struct Difference: Hashable {
        var step: Int
        var loss: Double
        var difference: Double
    }

    /// Of the averages, or without smoothing of the losses.
    /// - Parameter step: nil: the last step that both runs have.
    func difference(of other: ComparedRun, at step: Int? = nil) -> Difference? {
        let own = view.smoothing > 0 ? average.series[view.smoothing] : loss
        guard let last = loss.lastStep, let otherLast = other.loss.lastStep else { return nil }
        let step = step ?? min(last, otherLast)
        guard step <= last, step <= otherLast, let a = own.latest(upTo: step)?.bucket,
            let b = other.curve(view.smoothing).latest(upTo: step)?.bucket, a.count > 0, b.count > 0
        else { return nil }
        return Difference(step: step, loss: Double(b.mean), difference: Double(b.mean) - Double(a.mean))
    }

    /// Draws a run beneath the loss; one of the same name is drawn anew.
    mutating func compare(with run: ComparedRun) {
        if let index = comparisons.firstIndex(where: { $0.name == run.name }) {
            comparisons[index] = run
        } else if comparisons.count < ComparedRun.most {
            comparisons.append(run)
        } else {
            return say(Self.tooManyComparisons, isError: true)
        }
        let count = NumberText.grouped(run.loss.lastStep ?? 0)
        say("compared with \(run.name), \(count) steps: compare off takes it away")
    }

    /// - Parameter name: of a run; nil: none are to be drawn.
    mutating func askForComparison(_ name: String?) -> [DashboardEffect] {
        guard let name else {
            say(comparisons.isEmpty ? "no run is compared" : "no comparison", isError: comparisons.isEmpty)
            comparisons = []
            return []
        }
        say("reading \(name)")
        return [.loadComparison(name)]
    }

    private static let tooManyComparisons =
        "\(ComparedRun.most) runs are compared already: compare off takes them away"
}
