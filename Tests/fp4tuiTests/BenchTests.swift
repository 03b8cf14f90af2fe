import Core
import Foundation
import Testing

@testable import fp4tui

/// `fp4tui bench gemm`. What it measures is nobody's to assert; that it measures is.
@Suite struct BenchTests {
    @Test func everyFormatGivesFigures() throws {
        let run = try Binary.run(
            ["bench", "gemm", "--shape", "48x40x64", "--seconds", "0.001", "--threads", "1", "--json"])
        #expect(run.status == 0, "\(run.errors)")
        let report = try #require(
            try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any], "\(run.output)")
        let results = try #require(report["results"] as? [[String: Any]])
        let formats = results.compactMap { $0["format"] as? String }
        #expect(formats == ["fp32", "bf16", "fp8", "mxfp8", "fp4", "fp4-2d", "mxfp4", "nvfp4", "nvfp4-2d"])
        for result in results {
            for key in ["peak", "packed", "packedOfPeak", "linear", "quantizeShare", "whole", "speedupOverFP32"] {
                #expect(try #require(result[key] as? Double) > 0, "\(key)")
            }
            let isFP4 = (result["format"] as? String)?.contains("fp4") == true
            let instruction = try #require(result["instruction"] as? String)
            #expect((instruction.hasPrefix("FMA") || instruction == "VDPBF16PS") == !isFP4, "\(instruction)")
        }
        #expect(try (#require(report["blas"] as? [Any])).isEmpty == (results[0]["speedupOverSgemm"] == nil))
    }

    @Test func tableAndChart() throws {
        let run = try Binary.run(
            [
                "bench", "gemm", "--preset", "micro", "--format", "bf16", "--format", "nvfp4+sr", "--pass", "wgrad",
                "--seconds", "0.001", "--threads", "2", "--tier", "portable", "--chart",
            ])
        #expect(run.status == 0, "\(run.errors)")
        let lines = run.output.split(separator: "\n")
        // Four linears in two formats: 64 × 16 tokens, width 64.
        for shape in ["1024x192x64", "1024x64x64", "1024x256x64", "1024x64x256"] {
            #expect(lines.count { $0.hasPrefix(shape + " ") && $0.contains(" wgrad ") } == 2, "\(shape)")
            #expect(lines.contains("\(shape), times the speed of FP32"))
        }
        #expect(lines.count { $0.hasPrefix("nvfp4+sr") && $0.contains("█") } == 4)
    }

    @Test(
        arguments: [
            (["--shape", "1x2"], "--shape is \"1x2\"; expected MxNxK with each from 1 to 65536, as in 1024x768x256."),
            (
                ["--shape", "65536x65536x65536"],
                "--shape is \"65536x65536x65536\"; its matrices would have 12884 million values; expected at most 512 million."
            ),
            (["--format", "fp5"], "format \"fp5\""), (["--preset", "bab"], "there is no preset \"bab\""),
            (["--pass", "up"], "--pass is \"up\"; expected one of: fprop, dgrad, wgrad."),
            (["--seconds", "nan"], "--seconds is nan; expected more than 0 and at most 600."),
            (["--tier", "sse"], "--tier is \"sse\"; expected \"auto\" or one of \"portable\""),
            (["--threads=-1"], "The number of threads is -1; expected 0 (one per core) to 1024."),
        ])
    func mistakes(arguments: [String], message: String) throws {
        let run = try Binary.run(["bench", "gemm", "--seconds", "0.001"] + arguments)
        #expect(run.status == 2)
        #expect(run.errors.contains(message), "\(run.errors)")
        #expect(run.output.isEmpty)
    }
}

/// `fp4tui bench step`.
@Suite struct BenchStepTests {
    private static let small = [
        "bench", "step", "--preset", "micro", "--set", "training.batch=2", "--seconds", "0.001",
    ]

    @Test func everyPartIsMeasured() throws {
        let run = try Binary.run(Self.small + ["--recipes", "bf16,zhou2025,nvfp4:hadamard=false", "--json"])
        #expect(run.status == 0, "\(run.errors)")
        let report = try JSONDecoder().decode(BenchStepCommand.Report.self, from: Data(run.output.utf8))
        let group = try #require(report.groups.first)
        #expect(group.name == "micro")
        #expect(group.results.map(\.recipe) == ["bf16", "zhou2025", "nvfp4:hadamard=false"])
        #expect(report.peakResidentBytes > 4 * group.results[0].parameters)
        for result in group.results {
            #expect(result.steps >= 3 && result.tokensPerStep == 128)
            // The parts lie within the step; which work belongs to which is for StepClockTests.
            #expect(result.parts.values.reduce(0, +) <= result.milliseconds * 1.000001)
            #expect(Set(result.parts.keys).union(["clip"]) == Set(StepPart.allCases.map(\.key)))
            #expect(result.parts.values.allSatisfy { $0 > 0 })
            #expect(result.idle >= 0 && result.idle <= 1)
            #expect(result.fastestMilliseconds <= result.milliseconds)
            #expect(result.milliseconds <= result.slowestMilliseconds)
        }
        #expect(group.results[0].ratio == 1)
        #expect(group.results.map { $0.parts["clip"] == nil } == [true, false, true])
        // 2 layers of 12 · 64² weights, a head of 256 · 64, and QKᵀ and PV over 64 tokens.
        let weights = 24 * 64 * 64 + 256 * 64
        let core = 12 * 2 * 64 * 64
        #expect(group.results[0].flopsPerStep == Double(128 * (6 * weights + core)))
    }

    @Test func tableAndChart() throws {
        let run = try Binary.run(
            Self.small + ["--recipes", "bf16,fp8-block", "--vary", "model.width=32,64", "--chart"])
        #expect(run.status == 0, "\(run.errors)")
        let lines = run.output.split(separator: "\n")
        for width in [32, 64] {
            #expect(
                lines.contains { $0.hasPrefix("micro model.width=\(width): ") && $0.contains(" 128 tokens a step") })
            #expect(lines.contains("micro model.width=\(width), tokens/s"))
        }
        #expect(lines.count { $0.hasPrefix("fp8-block ") && $0.contains(" MiB") } == 2)
        #expect(lines.count { $0.hasPrefix("bf16 ") && $0.contains("█") } == 2)
        #expect(!lines.contains { $0.hasPrefix("attention core") })
        let parts = try Binary.run(Self.small + ["--recipes", "bf16"])
        #expect(parts.output.contains("\nattention core "))
    }

    @Test(
        arguments: [
            (["--seconds", "0"], "--seconds is 0.0; expected more than 0 and at most 3600"),
            (["--vary", "model.width"], "--vary is \"model.width\"; expected a key and values, as in"),
            (["--vary", "model.width=63"], "model.width"), (["--recipes", "bf17"], "bf17"),
            (["--vocabulary", "1"], "--vocabulary is 1; expected a number from 2 to 1048576"),
            (["--preset", "bab"], "there is no preset \"bab\""),
        ])
    func mistakes(arguments: [String], message: String) throws {
        let run = try Binary.run(["bench", "step"] + arguments)
        #expect(run.status == 2)
        #expect(run.errors.contains(message), "\(run.errors)")
        #expect(run.output.isEmpty)
    }
}
