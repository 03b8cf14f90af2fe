import ArgumentParser
import Core
import Foundation
import KernelInterface

/// `fp4tui bench`
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure kernels and training steps on this machine.",
        subcommands: [BenchGEMMCommand.self, BenchStepCommand.self])
}

/// `fp4tui bench gemm`
struct BenchGEMMCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gemm", abstract: "Matrix products in every format, against this machine's peak, FP32 and BLAS.",
        discussion: """
            Figures are GFLOP/s. "peak" is the instruction that multiplies, alone on registers, measured in the same run; \
            "packed" has both operands ready in the kernel's own layout, "of peak" is its share of the peak. "linear" \
            quantizes and packs activations and gradients inside; weights, which need it once a step, were before. \
            "quant" is the share of its time that this takes, and "/fp32" how many times as fast it is as the same in \
            FP32. "whole" quantizes and packs both operands inside, and "/sgemm" compares that with the sgemm of \
            OpenBLAS, MKL or BLIS, the fastest of those installed.

            All of these take turns for as long as --seconds says, and each figure is a median.
            """)

    @Option(help: "Tokens x outputs x inputs of a linear, as in 2048x3072x768; may be repeated.")
    var shape: [String] = []

    @Option(help: "All linears of a preset's layers at its batch; may be repeated. Default: the shape 2048x3072x768.")
    var preset: [String] = []

    @Option(help: "Operand format, as 'fp4tui help quantize' describes them; may be repeated. Default: a choice.")
    var format: [String] = []

    @Option(help: "Which GEMM of a linear: fprop, dgrad or wgrad.")
    var pass = "fprop"

    @Option(help: "Threads; 0 for one per core.")
    var threads = 0

    @Option(help: "Instruction set: auto, portable, avx2, avx512, avx512bf16 or avx512fp16.")
    var tier = "auto"

    @Option(help: "Seconds for each line.")
    var seconds = 1.0

    @Flag(name: .customLong("strict-fp8"), help: "Sum FP8 as a processor without FP16 and BF16 does.")
    var strictFP8 = false

    @Flag(help: "Draw a bar chart of the speed over FP32 below the table.")
    var chart = false

    @Flag(help: "Print JSON.")
    var json = false

    private static let formats = ["fp32", "bf16", "fp8", "mxfp8", "fp4", "fp4-2d", "mxfp4", "nvfp4", "nvfp4-2d"]

    func run() throws {
        var shapes = try shape.map { try GEMMBenchmark.Shape($0) }
        for name in preset { shapes += GEMMBenchmark.shapes(of: try Preset.named(name).configuration) }
        if shapes.isEmpty { shapes = [GEMMBenchmark.standardShape] }
        let formats = try (format.isEmpty ? Self.formats : format).map { try BlockFormat(parsing: $0) }
        guard let pass = GEMMBenchmark.Pass(rawValue: pass) else {
            throw UserError("--pass is \"\(pass)\"; expected one of: fprop, dgrad, wgrad.")
        }
        guard seconds > 0, seconds <= 600 else {
            throw UserError("--seconds is \(seconds); expected more than 0 and at most 600.")
        }
        let context = try ComputeContext(
            tier: KernelTier.named(tier, flag: "--tier"), threads: threads, strictFP8: strictFP8)
        let blas = SystemBLAS.installed(threads: context.pool.lanes)
        let benchmark = GEMMBenchmark(context: context, blas: blas)
        var results: [GEMMBenchmark.Result] = []
        if !json {
            print("\(context.pool.lanes) threads, kernels \(context.tier.rawValue); BLAS: \(describe(blas))")
            print(
                line([
                    "shape", "pass", "format", "peak", "packed", "of peak", "linear", "quant", "/fp32", "whole",
                    "/sgemm",
                ]))
        }
        for shape in shapes {
            for format in formats {
                let result = benchmark.measure(shape, pass: pass, format: format, seconds: seconds)
                results.append(result)
                if !json { print(line(cells(result))) }
            }
        }
        if json {
            let report = Report(
                blas: blas.map { Report.BLAS(library: $0.name, kernels: $0.kernels) }, results: results)
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(report), as: UTF8.self))
        } else if chart {
            printChart(results)
        }
    }

    private struct Report: Encodable {
        struct BLAS: Encodable {
            var library: String
            var kernels: String?
        }
        var blas: [BLAS]
        var results: [GEMMBenchmark.Result]
    }

    private func describe(_ blas: [SystemBLAS]) -> String {
        if blas.isEmpty { return "none found (Debian: libopenblas0-pthread)" }
        return blas.map { library in
            library.kernels.map { "\(library.name) with kernels for \($0)" } ?? library.name
        }.joined(separator: ", ")
    }

    private func cells(_ result: GEMMBenchmark.Result) -> [String] {
        func rate(_ value: Double) -> String { String(format: "%.1f", value) }
        func percent(_ value: Double) -> String { String(format: "%.0f %%", value * 100) }
        func times(_ value: Double?) -> String { value.map { String(format: "%.2f", $0) } ?? "-" }
        return [
            result.shape, result.pass.rawValue, result.format.description, rate(result.peak), rate(result.packed),
            percent(result.packedOfPeak), rate(result.linear), percent(result.quantizeShare),
            times(result.speedupOverFP32), rate(result.whole), times(result.speedupOverSgemm),
        ]
    }

    private func line(_ cells: [String]) -> String {
        let widths = [-14, -5, -8, 6, 6, 7, 6, 5, 5, 6, 6]
        return zip(cells, widths).map { cell, width in
            let padding = String(repeating: " ", count: max(0, abs(width) - cell.count))
            return width < 0 ? cell + padding : padding + cell
        }.joined(separator: " ")
    }

    private func printChart(_ results: [GEMMBenchmark.Result]) {
        let most = results.map(\.speedupOverFP32).max() ?? 1
        var shapes: [String] = []
        for result in results where !shapes.contains(result.shape) { shapes.append(result.shape) }
        for shape in shapes {
            print("\n\(shape), times the speed of FP32")
            for result in results where result.shape == shape {
                let bar = String(repeating: "█", count: max(1, Int((result.speedupOverFP32 / most * 50).rounded())))
                let name = result.format.description
                let padding = String(repeating: " ", count: max(0, 9 - name.count))
                print("\(name)\(padding) \(bar) \(String(format: "%.2f", result.speedupOverFP32))")
            }
        }
    }
}
