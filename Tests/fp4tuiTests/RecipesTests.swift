import Core
import Foundation
import Testing

@testable import fp4tui

/// `fp4tui recipes` and `fp4tui cost`.
@Suite struct RecipesTests {
    @Test func theListDependsOnTheModel() throws {
        let run = try Binary.run(["recipes", "--preset", "gpt2-124m"])
        #expect(run.status == 0, "\(run.errors)")
        let lines = run.output.split(separator: "\n").map(String.init)
        #expect(lines.count == Recipe.builtIn.count + 1)
        #expect(lines[0] == "recipe           source              fprop  dgrad  wgrad     cost")
        #expect(lines[1].hasPrefix("zhou2025         arXiv 2502.11458     67 %      -      -   "))
        // Two of twelve layers stay in BF16.
        #expect(lines[2].hasPrefix("nvfp4            arXiv 2509.25149     83 %   83 %   83 %   "))
        #expect(lines.first { $0.hasPrefix("bf16") }?.contains("100.0 %") == true)

        let json = try Binary.run(["recipes", "--json"])
        let rows = try JSONDecoder().decode([RecipesListCommand.Row].self, from: Data(json.output.utf8))
        #expect(rows.map(\.name) == Recipe.builtIn.map(\.name))
        // d = 256, d_ff = 680, 128 tokens, and 7.5 % of the run in BF16.
        let (attention, core, feedForward) = (8.0 * 256 * 256, 4.0 * 256 * 128, 6.0 * 256 * 680)
        #expect(rows[0].fp4 == ["fprop": feedForward / (attention + feedForward), "dgrad": 0, "wgrad": 0])
        let step =
            (attention / 2 + feedForward / 4 + attention + feedForward + 3 * core)
            / (3 * (attention + feedForward + core))
        #expect(abs(rows[0].cost - (0.925 * step + 0.075)) < 1e-12)
    }

    @Test func oneRecipeInFull() throws {
        let run = try Binary.run(["recipes", "show", "nvfp4", "--set", "recipe.target_fraction=0.18"])
        #expect(run.status == 0, "\(run.errors)")
        #expect(
            run.output == """
                nvfp4, changed: NVFP4 everywhere but in the last layers
                source  arXiv 2509.25149

                FORMATS
                        GEMM   left operand                  right operand
                  fp4   fprop  X nvfp4                       W nvfp4-2d
                  fp4   dgrad  E nvfp4+sr                    W nvfp4-2d
                  fp4   wgrad  E nvfp4+sr+hadamard=16:fixed  X nvfp4+hadamard=16:fixed
                  fp8   fprop  X fp8                         W fp8-2d
                  fp8   dgrad  E fp8                         W fp8-2d
                  fp8   wgrad  E fp8                         X fp8
                  bf16  all    bf16                          bf16

                MODULES, fprop/dgrad/wgrad
                  layers.0-2.attn.{q,k,v,o}      fp4
                  layers.3.attn.{q,k,v,o}        bf16
                  layers.0-2.mlp.{up,gate,down}  fp4
                  layers.3.mlp.{up,gate,down}    bf16
                  lm_head                        bf16

                TECHNIQUES
                  stochastic_rounding  in the formats above
                  hadamard             in the formats above
                  square_scales        in the formats above
                  last_layers          15.0 % of the layers stay in BF16

                GRADIENT CLIPPING
                  none

                SCHEDULE
                  target precision  bf16 for the last 18.0 %, both

                THEORETICAL COST, BF16 is 100 %
                  linears' FLOPs        fp4 75 % bf16 25 %
                  a step                48.1 %
                    with dgrad in BF16  65.4 %
                    with the head       49.1 %
                  the run               57.4 %
                    with the head       58.2 %

                """)
        for name in Recipe.builtIn.map(\.name) {
            #expect(try Binary.run(["recipes", "show", name]).status == 0, "\(name)")
        }
    }

    @Test func everyTechniqueIsShown() throws {
        let settings = [
            "recipe.trust_mask=true", "recipe.weight_average=0.5", "recipe.rho_trigger=1.5", "recipe.spike_sigma=6",
            "recipe.rescue_non_finite=true", "recipe.clipping_scope=block", "recipe.clipping_threshold=quantile",
            "recipe.phases=step 5: mlp.* fp8", "recipe.reuse_forward_operands=true",
        ]
        let run = try Binary.run(["recipes", "show", "wang2025"] + settings.flatMap { ["--set", $0] })
        for line in [
            "trust_mask              dX and dW are zero where X and W saturated",
            "gradient_estimator      k = 5.0, at most 3.0",
            "outlier_quantile        0.99", "weight_average          0.5", "rho trigger         below 1.500",
            "spike trigger       6.0 sigma over 100 steps", "non-finite trigger  raises modules, repeats the step",
            "scope      E of each block", "threshold  30.0 times the running 0.999 quantile, decay 0.9",
            "phase               step 5: mlp.* fp8",
            "reuse_forward_operands  dgrad and wgrad quantize fprop's quantized W and X",
        ] { #expect(run.output.contains("  \(line)\n"), "\(line)\n\(run.output)") }
    }

    @Test func showPrintsAFileAndJSON() throws {
        try withTemporaryFolder { folder in
            let file = folder + "/mine.toml"
            let shown = try Binary.run(
                ["recipes", "show", "quartet", "--toml", "--set", "recipe.trust_mask=false"])
            try shown.output.write(toFile: file, atomically: true, encoding: .utf8)
            var expected = Recipe.quartet
            expected.techniques.trustMask = false
            let json = try Binary.run(["recipes", "show", file, "--json"])
            #expect(json.status == 0, "\(json.errors)")
            let report = try JSONDecoder().decode(RecipesReport.self, from: Data(json.output.utf8))
            #expect(report.recipe == expected)
            #expect(report.modules.last?.pattern == "lm_head")
            let configured = try Binary.run(["config", "--recipe", file])
            #expect(configured.output.contains("\ntrust_mask = false\n"))
            #expect(configured.output.contains("\nname = \"quartet\"\n"))
        }
    }

    @Test(
        arguments: [
            (["recipes", "show"], "Missing expected argument '<name|file>'"),
            (["recipes", "show", "nvpf4"], "there is no recipe \"nvpf4\"; the nearest is \"nvfp4\""),
            (["recipes", "show", "nvfp4", "--recipe", "bf16"], "--recipe has no meaning here"),
            (["recipes", "show", "nvfp4", "--toml", "--json"], "--toml and --json cannot both be printed"),
            (["cost", "--seconds", "0"], "--seconds is 0.0; expected more than 0 and at most 600"),
            (["cost", "--recipe", "x"], "there is no recipe \"x\""),
        ])
    func mistakes(arguments: [String], message: String) throws {
        let run = try Binary.run(arguments)
        #expect(run.status == 2)
        #expect(run.errors.contains(message), "\(run.errors)")
        #expect(run.output.isEmpty)
    }

    @Test func costIsMeasured() throws {
        let run = try Binary.run([
            "cost", "--preset", "micro", "--seconds", "0.001", "--set", "training.batch=1", "--threads", "1", "--json",
        ])
        #expect(run.status == 0, "\(run.errors)")
        let report = try JSONDecoder().decode(CostCommand.Report.self, from: Data(run.output.utf8))
        #expect((report.recipe, report.tokens, report.threads) == ("zhou2025", 64, 1))
        #expect(
            report.results.map(\.entry.gemm) == [
                .fprop, .dgrad, .wgrad, .fprop, .dgrad, .wgrad, .fprop, .dgrad, .wgrad,
            ])
        #expect(report.results.map(\.entry.modules.count) == [4, 4, 4, 1, 1, 1, 1, 1, 1])
        for result in report.results { #expect(result.milliseconds > 0 && result.ratio > 0) }
        // Attention 8 d² in FP8, feed-forward 16 d² forward in FP4.
        #expect(abs(report.theoreticalCost - (8.0 / 2 + 16 / 4 + 24) / 72) < 1e-12)
        #expect(report.measuredCost > 0)

        let table = try Binary.run([
            "cost", "--preset", "micro", "--seconds", "0.001", "--set", "training.batch=1", "--recipe", "bf16",
        ])
        #expect(table.output.contains("\nattn.{q,k,v,o}              8 fprop bf16        1.00 "))
        #expect(table.output.contains("\nall linears  measured 100.0 % of BF16, in theory 100.0 %; "))
        let lines = table.output.split(separator: "\n")
        #expect(lines.count == 12)
        #expect(lines[1] == "module                  count gemm  precision theory        ms   BF16 ms  ratio")
    }
}
