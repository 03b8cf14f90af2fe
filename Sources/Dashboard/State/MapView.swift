import Core

/// What the cells of the precision map show.
enum MapView: String, Sendable, CaseIterable {
    case precision
    case saturation = "saturated %"
    case underflow = "underflow %"
    case sqnr = "SQNR dB"
    case gradientNorm = "gradient norm"
    case gradientError = "gradient error %"
    case rho
    case sensitivity
    case time = "time ms"
    case relativeTime = "time / BF16"

    /// For help.
    static let explanation =
        "precision, largest saturated and underflowed share and lowest SQNR of all operands, gradient norm; of the probe: "
        + "gradient error and rho (below 1.73 quantization noise stops learning); sensitivity, once S has measured it; time "
        + "of the GEMMs, and over that in BF16"

    func next(_ offset: Int) -> MapView {
        let all = MapView.allCases
        let index = all.firstIndex(of: self) ?? 0
        return all[(index + offset + all.count) % all.count]
    }

    /// nil: not known, and in `precision` always.
    func value(_ record: ModuleRecord) -> Double? {
        switch self {
        case .precision: nil
        case .saturation: record.worst.saturation.map { 100 * $0 }
        case .underflow: record.worst.underflow.map { 100 * $0 }
        case .sqnr: record.worst.sqnr
        case .gradientNorm: record.figures?.gradientNorm
        case .gradientError: record.probe?.module.gradientError.map { 100 * $0 }
        case .rho: record.probe?.module.rho
        case .sensitivity: record.sensitivity.map { 1000 * $0.damage }
        case .time: record.figures.map { $0.forwardMilliseconds + $0.backwardMilliseconds }
        case .relativeTime: record.relativeTime
        }
    }

    /// Whether the value was measured in formats that are gone.
    func isOld(_ record: ModuleRecord) -> Bool {
        switch self {
        case .precision, .saturation, .underflow, .sqnr: false
        case .gradientNorm, .time: record.areFiguresOld
        case .gradientError, .rho, .relativeTime: record.isProbeOld
        case .sensitivity: record.isSensitivityOld
        }
    }

    /// Whether a probe measures it.
    var isProbed: Bool {
        switch self {
        case .gradientError, .rho, .relativeTime: true
        case .precision, .saturation, .underflow, .sqnr, .gradientNorm, .sensitivity, .time: false
        }
    }

    /// Cells that a number takes.
    var digits: Int {
        switch self {
        case .precision, .saturation, .underflow, .sqnr: 3
        case .gradientNorm, .gradientError, .rho, .sensitivity, .time, .relativeTime: 4
        }
    }

    /// From good to bad; nil: neither, from low to high among all modules.
    private var limits: [Double]? {
        switch self {
        case .saturation: [0.01, 0.1, 1, 5]
        case .underflow: [5, 15, 30, 50]
        case .sqnr: [25, 20, 15, 10]
        case .gradientError: [5, 15, 30, 58]
        case .rho: [20, 7, 3.3, 3.0.squareRoot()]
        case .sensitivity: [0.1, 1, 5, 20]
        case .relativeTime: [0.5, 0.75, 1, 1.25]
        case .precision, .gradientNorm, .time: nil
        }
    }

    /// - Parameter range: smallest and largest of the finite values of all modules.
    func role(_ value: Double, among range: ClosedRange<Double>) -> Role {
        guard value.isFinite else { return .error }
        guard let limits else {
            let span = range.upperBound - range.lowerBound
            let place = span > 0 ? (value - range.lowerBound) / span : 0.5
            return [.axis, .barText, .text, .emphasis, .strong][min(4, max(0, Int(place * 5)))]
        }
        let isRising = limits[0] < limits[3]
        let level = limits.count { isRising ? value >= $0 : value < $0 }
        return [.ok, .text, .warning, .clip, .error][level]
    }
}

extension ModuleRecord {
    /// Time of the probes' GEMMs over that in BF16.
    var relativeTime: Double? { probeTime.flatMap { $0.reference > 0 ? $0.now / $0.reference : nil } }
}

extension NumberText {
    /// A number in at most so many cells, 3 or 4: 21, 1.8, .02, 120, 2e5. What is too small for that is `~0`.
    static func brief(_ value: Double, _ cells: Int) -> String {
        if let word = word(value) { return value.isNaN ? word : value < 0 ? "-In" : "Inf" }
        guard value != 0 else { return "0" }
        let room = cells - (value < 0 ? 1 : 0)
        let size = abs(value)
        let sign = value < 0 ? "-" : ""
        for decimals in stride(from: room - 1, through: 0, by: -1) {
            var text = fixed(size, decimals)
            // Few digits say little: .02 is shown, .00 is not.
            if text.hasPrefix("0.") { text.removeFirst() }
            guard text.count <= room else { continue }
            if text.contains(where: { $0 >= "1" && $0 <= "9" }) { return sign + text }
            break
        }
        let exponent = scientificExponent(size)
        let text = "\(exponent.digit)e\(exponent.power)"
        return text.count <= room ? sign + text : exponent.power < 0 ? "~0" : sign.isEmpty ? "big" : "-big"
    }

    private static func scientificExponent(_ size: Double) -> (digit: Int, power: Int) {
        let text = scientific(size)
        let parts = text.split(separator: "e")
        guard parts.count == 2, let mantissa = Double(parts[0]), let power = Int(parts[1]) else { return (0, 0) }
        let digit = Int(mantissa.rounded())
        return digit == 10 ? (1, power + 1) : (digit, power)
    }
}
