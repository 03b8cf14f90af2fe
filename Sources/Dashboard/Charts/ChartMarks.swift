/// Places on the loss curve where something happened, in bounded memory.
struct ChartMarks: Sendable {
    /// The most important first: several in one column show as the first of them.
    enum Kind: Int, Sendable, CaseIterable {
        case spike, precision, phase, fork, saved

        var character: Unicode.Scalar {
            switch self {
            case .spike: "S"
            case .precision: "P"
            case .phase: "F"
            case .fork: "B"
            case .saved: "C"
            }
        }

        var help: String {
            switch self {
            case .spike: "spike of the loss, or a rescue"
            case .precision: "precision changed"
            case .phase: "a phase of the recipe began"
            case .fork: "a fork began"
            case .saved: "checkpoint or model saved"
            }
        }

        var style: Style {
            switch self {
            case .spike: Style(.error, .bold)
            case .precision: Style(.validation, .bold)
            case .phase: Style(.title, .bold)
            case .fork: Style(.comparison, .bold)
            case .saved: Style(.ok, .bold)
            }
        }
    }

    /// Of each kind.
    static let longest = 500
    private var steps: [[Int]] = Kind.allCases.map { _ in [] }

    mutating func add(_ kind: Kind, step: Int) {
        guard steps[kind.rawValue].last != step else { return }
        if steps[kind.rawValue].count >= Self.longest { steps[kind.rawValue].removeFirst(Self.longest / 10) }
        steps[kind.rawValue].append(step)
    }

    func steps(of kind: Kind) -> [Int] { steps[kind.rawValue] }

    /// The most important mark of each column.
    func columns(_ range: ClosedRange<Int>, count: Int) -> [Int: Kind] {
        let span = Double(max(1, range.upperBound - range.lowerBound))
        var result: [Int: Kind] = [:]
        for kind in Kind.allCases.reversed() {
            for step in steps[kind.rawValue] where range.contains(step) {
                result[Int((Double(step - range.lowerBound) / span * Double(count - 1)).rounded())] = kind
            }
        }
        return result
    }
}
