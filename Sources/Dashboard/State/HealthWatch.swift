import Core

/// Turns the counts of health reports into what is worth telling: a module begins to saturate or to underflow, gets twice
/// as bad, or is well again.
struct HealthWatch: Sendable {
    enum Trouble: Sendable, CaseIterable {
        case saturation, underflow

        /// The share of an operand's values from which on it is told.
        var threshold: Double {
            switch self {
            case .saturation: 0.01
            case .underflow: 0.4
            }
        }

        var kind: LogEntry.Kind { self == .saturation ? .saturation : .underflow }
        var word: String { self == .saturation ? "saturated" : "underflowed" }

        func share(_ health: QuantizationHealth) -> Double? {
            self == .saturation ? health.saturation : health.underflow
        }
    }

    struct News: Hashable, Sendable {
        var kind: LogEntry.Kind
        var module: ModulePath
        var text: String
    }

    /// A module in trouble is well again below this share of the threshold.
    static let hysteresis = 0.75

    private struct Episode: Sendable {
        var since: Int
        /// The share that was told last.
        var told: Double
    }

    /// The worst operand of a module.
    private struct Finding {
        var module: ModulePath
        var share: Double
        var operand: String
    }

    private var episodes: [Trouble: [ModulePath: Episode]] = [:]

    mutating func take(_ report: HealthReport) -> [News] {
        Trouble.allCases.flatMap { take(report, $0) }
    }

    private mutating func take(_ report: HealthReport, _ trouble: Trouble) -> [News] {
        var current = episodes[trouble, default: [:]]
        var begun: [Finding] = []
        var doubled: [(finding: Finding, before: Double)] = []
        var ended: [(module: ModulePath, steps: Int)] = []
        let findings = Self.worst(report, trouble)
        for finding in findings {
            if let episode = current[finding.module] {
                if finding.share < trouble.threshold * Self.hysteresis {
                    current[finding.module] = nil
                    ended.append((finding.module, report.step - episode.since))
                } else if finding.share >= 2 * episode.told {
                    current[finding.module]?.told = finding.share
                    doubled.append((finding, episode.told))
                }
            } else if finding.share > trouble.threshold {
                current[finding.module] = Episode(since: report.step, told: finding.share)
                begun.append(finding)
            }
        }
        // A module without figures runs without scales now.
        let known = Set(findings.map(\.module))
        for (module, episode) in current where !known.contains(module) {
            current[module] = nil
            ended.append((module, report.step - episode.since))
        }
        episodes[trouble] = current

        var news: [News] = []
        if let worst = begun.max(by: { $0.share < $1.share }) {
            news.append(tell(trouble, worst, begun.count, ""))
        }
        if let worst = doubled.max(by: { $0.finding.share < $1.finding.share }) {
            news.append(tell(trouble, worst.finding, doubled.count, ", was \(NumberText.percent(worst.before))"))
        }
        if let longest = ended.max(by: { ($0.steps, $1.module.description) < ($1.steps, $0.module.description) }) {
            news.append(
                News(
                    kind: trouble.kind, module: longest.module,
                    text: "\(longest.module) over after \(NumberText.grouped(longest.steps)) steps"
                        + Self.others(ended.count)))
        }
        return news
    }

    private func tell(_ trouble: Trouble, _ worst: Finding, _ count: Int, _ addition: String) -> News {
        News(
            kind: trouble.kind, module: worst.module,
            text: "\(worst.module) \(NumberText.percent(worst.share)) of \(worst.operand) \(trouble.word)\(addition)"
                + Self.others(count))
    }

    private static func others(_ count: Int) -> String { count > 1 ? " and \(count - 1) more" : "" }

    /// In the order of the report.
    private static func worst(_ report: HealthReport, _ trouble: Trouble) -> [Finding] {
        var order: [ModulePath] = []
        var found: [ModulePath: Finding] = [:]
        for gemm in report.gemms {
            for (health, operand) in [(gemm.a, operandA(gemm.gemm)), (gemm.b, operandB(gemm.gemm))] {
                guard let health, let share = trouble.share(health) else { continue }
                if found[gemm.module] == nil { order.append(gemm.module) }
                if found[gemm.module].map({ share > $0.share }) ?? true {
                    found[gemm.module] = Finding(module: gemm.module, share: share, operand: operand)
                }
            }
        }
        return order.compactMap { found[$0] }
    }

    private static func operandA(_ gemm: GEMMKind) -> String {
        gemm == .fprop ? "activation" : "gradient (\(gemm.rawValue))"
    }

    private static func operandB(_ gemm: GEMMKind) -> String {
        gemm == .wgrad ? "activation (wgrad)" : gemm == .dgrad ? "weight (dgrad)" : "weight"
    }
}
