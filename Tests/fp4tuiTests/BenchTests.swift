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
            #expect((result["instruction"] as? String)?.hasPrefix("FMA") == !isFP4)
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
