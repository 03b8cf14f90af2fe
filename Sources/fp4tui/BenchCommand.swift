import ArgumentParser
import Core
import Foundation
import KernelInterface

/// `fp4tui bench`
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measures the kernels on this machine.", subcommands: [BenchGEMMCommand.self])
}

/// `fp4tui bench gemm`
struct BenchGEMMCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gemm", abstract: "Matrix multiplication, against the multiply-add peak measured in the same run.",
        discussion: """
            Figures are GFLOP/s. "packed" has both operands ready in the kernel's own layout; "whole" includes rounding \
            and packing them. The percentages are of the peak.
            """)

    @Option(
        help: "M x N x K, as in 1024x768x256; may be repeated. Default: 1024x1024x1024 and linears of small models.")
    var shape: [String] = []

    @Option(help: "Threads; 0 for one per core.")
    var threads = 0

    @Option(help: "Instruction set: auto, portable, avx2 or avx512.")
    var tier = "auto"

    @Option(help: "Operand format: fp32 or bf16; default: both.")
    var format: String?

    @Option(help: "Which GEMM of a linear: fprop, dgrad or wgrad; default: fprop.")
    var pass = "fprop"

    @Option(help: "Seconds for each line.")
    var seconds = 1.0

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let shapes = try shape.isEmpty ? GEMMBenchmark.presetShapes : shape.map { try GEMMBenchmark.Shape($0) }
        let formats = try format.map { [try BlockFormat(parsing: $0)] } ?? BlockFormat.named.map(\.format)
        let pass: GEMMBenchmark.Pass = try named("--pass", pass)
        guard seconds > 0, seconds <= 600 else {
            throw UserError("--seconds is \(seconds); expected more than 0 and at most 600.")
        }
        let tier: KernelTier? = tier == "auto" ? nil : try named("--tier", tier)
        let benchmark = GEMMBenchmark(context: try ComputeContext(tier: tier, threads: threads))
        var results: [GEMMBenchmark.Result] = []
        if !json { print(line(["shape", "pass", "format", "tier", "threads", "peak", "packed", "", "whole", ""])) }
        for shape in shapes {
            for format in formats {
                let result = benchmark.measure(shape, pass: pass, format: format, seconds: seconds)
                results.append(result)
                if !json { print(line(cells(result))) }
            }
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            print(String(decoding: try encoder.encode(results), as: UTF8.self))
        }
    }

    private func named<T: RawRepresentable & CaseIterable>(_ flag: String, _ name: String) throws -> T
    where T.RawValue == String {
        if let value = T(rawValue: name) { return value }
        let names = T.allCases.map(\.rawValue).joined(separator: ", ")
        throw UserError("\(flag) is \"\(name)\"; expected one of: \(names).")
    }

    private func cells(_ result: GEMMBenchmark.Result) -> [String] {
        func rate(_ value: Double) -> String { String(format: "%.1f", value) }
        func percent(_ value: Double) -> String { String(format: "%.0f %%", value * 100) }
        return [
            result.shape, result.pass.rawValue, result.format.description, result.tier, "\(result.threads)",
            rate(result.peak), rate(result.packed), percent(result.packedFraction), rate(result.whole),
            percent(result.wholeFraction),
        ]
    }

    private func line(_ cells: [String]) -> String {
        let widths = [-16, -6, -6, -8, 7, 8, 8, 6, 8, 6]
        return zip(cells, widths).map { cell, width in
            let padding = String(repeating: " ", count: max(0, abs(width) - cell.count))
            return width < 0 ? cell + padding : padding + cell
        }.joined(separator: " ")
    }
}
