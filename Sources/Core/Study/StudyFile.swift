import Foundation
import KernelInterface

/// `study.json`: a study's results, and what it takes to go on with it.
public struct StudyFile: Codable, Hashable, Sendable {
    public static let format = "fp4tui study 1"

    public var format = Self.format
    /// As it was typed.
    public var command: String
    public var model: ModelConfiguration
    public var parameters: Int
    /// One line: where the tokens come from.
    public var data: String
    public var seeds: [UInt64]
    /// Optimizer steps and tokens of each run.
    public var steps: Int
    public var tokens: Int
    public var machine: StudyMachine
    public var report: StudyReport
    public var runs: [StudyRun]
    /// What must be equal for the study to go on.
    public var identity: [String: String]

    /// - Returns: nil if there is no such file.
    /// - Throws: `UserError` naming the file, if it is no study's.
    static func read(_ path: String) throws -> StudyFile? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let data = FileManager.default.contents(atPath: path),
            let file = try? JSONDecoder().decode(StudyFile.self, from: data), file.format == Self.format
        else {
            throw UserError("\(path) exists and was not written by this version of fp4tui study; use another --out")
        }
        return file
    }

    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }

    /// `study.md`.
    public var markdown: String {
        let done = runs.count { $0.state != .running }
        let total = report.rows.count * seeds.count
        var lines = [
            "# Study of \(report.rows.map(\.recipe).joined(separator: ", "))", "", "```sh", command, "```", "",
            "| | |", "|---|---|",
            "| model | \(parameters) parameters: \(model.layers) layers, \(model.heads) heads, width \(model.width), "
                + "context \(model.context); \(model.norm.rawValue), \(model.position.rawValue), "
                + "\(model.activation.rawValue) |",
            "| data | \(data) |", "| seeds | \(seeds.map(String.init).joined(separator: ", ")) |",
            "| steps | \(steps) |", "| tokens | \(tokens) for each run |",
            "| machine | \(machine.processor), \(machine.threads) threads, kernels \(machine.kernels) |", "",
        ]
        if !report.isComplete {
            lines += ["**Not complete: \(done) of \(total) runs are over.** The table has what is there.", ""]
        }
        lines += [
            "| recipe | validation loss | each seed | gap to \(report.reference), % | theoretical cost "
                + "| measured time | tokens/s | diverged |",
            "|---|---|---|---|---|---|---|---|",
        ]
        lines += report.rows.map { row in
            let cells = [
                row.recipe, Self.pair(row.meanLoss, row.deviation, decimals: 4),
                zip(row.losses, seeds).map { loss, seed in
                    isDiverged(row.recipe, seed) ? "diverged" : Self.number(loss, decimals: 4)
                }
                .joined(separator: " "),
                row.recipe == report.reference ? "0" : Self.pair(row.gap, row.gapError, decimals: 2),
                Self.number(row.theoreticalCost, decimals: 3), Self.number(row.measuredCost, decimals: 3),
                Self.number(row.tokensPerSecond, decimals: 0), "\(row.diverged) of \(seeds.count)",
            ]
            return "| " + cells.joined(separator: " | ") + " |"
        }
        lines += [
            "",
            "Validation loss in nats per token at the end of a run, mean ± sample standard deviation over the seeds; runs "
                + "that diverged are not in it. Gap: mean of the gaps of the same seed ± its standard error. Theoretical "
                + "cost: matrix products of the layers, attention core included at 16 bit and head left out, BF16 = 1, "
                + "FP8 = 1/2, FP4 = 1/4. Measured time: median over the turns of a step's time over that of "
                + "\(report.reference) in the same turn, evaluation left out.",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    private func isDiverged(_ recipe: String, _ seed: UInt64) -> Bool {
        runs.contains { $0.recipe == recipe && $0.seed == seed && $0.state == .diverged }
    }

    private static func number(_ value: Double?, decimals: Int) -> String {
        value.map { String(format: "%.\(decimals)f", $0) } ?? "–"
    }

    private static func pair(_ value: Double?, _ spread: Double?, decimals: Int) -> String {
        number(value, decimals: decimals) + (spread.map { " ± " + number($0, decimals: decimals) } ?? "")
    }
}

extension StudyMachine {
    /// This machine, with the threads and kernels that a configuration asks for.
    ///
    /// - Throws: `UserError` if it cannot run them.
    static func current(_ run: RunConfiguration.Run) throws -> StudyMachine {
        let tier = try KernelTier.choose(KernelTier.named(run.kernels))
        let cores = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        return StudyMachine(
            processor: processorName, threads: run.threads == 0 ? cores : run.threads, kernels: tier.rawValue)
    }

    private static var processorName: String {
        #if os(Linux)
        let text = FileManager.default.contents(atPath: "/proc/cpuinfo").map { String(decoding: $0, as: UTF8.self) }
        let line = text?.split(separator: "\n").first { $0.hasPrefix("model name") }
        let name = line?.split(separator: ":", maxSplits: 1).last.map { $0.trimmingCharacters(in: .whitespaces) }
        #else
        var size = 0
        sysctlbyname("machdep.cpu.brand_string", nil, &size, nil, 0)
        var bytes = [UInt8](repeating: 0, count: size)
        sysctlbyname("machdep.cpu.brand_string", &bytes, &size, nil, 0)
        let name: String? = size > 1 ? String(decoding: bytes.prefix(size - 1), as: UTF8.self) : nil
        #endif
        return name ?? "unknown processor"
    }
}
