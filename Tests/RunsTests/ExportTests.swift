import Core
import Foundation
import Testing

@testable import Runs

@Suite struct ExportTests {
    @Test func csv() {
        let lines = CSVExport.csv(Exported.recording).components(separatedBy: "\r\n")
        #expect(
            lines == [
                "step,tokens,time,elapsed_s,loss,grad_norm,clipped_norm,learning_rate,tokens_per_s,step_ms,val_loss,"
                    + "forward_ms,backward_ms,optimizer_ms,quantize_ms",
                "1,100,1001.0,0.25,4.0,1.5,1.0,0.001,400.0,250.0,,80.0,140.0,25.0,20.5",
                "2,200,1002.0,0.5,3.0,1.5,1.0,0.001,400.0,250.0,3.25,80.0,140.0,25.0,20.5",
                "3,300,1003.0,0.75,NaN,1.5,1.0,0.001,400.0,250.0,,80.0,140.0,25.0,20.5",
                "4,400,1004.0,1.0,Infinity,1.5,1.0,0.001,400.0,250.0,,80.0,140.0,25.0,20.5",
                "5,,1005.5,,,,,,,,-Infinity,,,,", "",
            ])
    }

    @Test func csvFieldsAreQuotedWhereTheyNeedIt() {
        #expect(
            CSVExport.line(["a", "b,c", "say \"no\"", "two\nlines", ""])
                == "a,\"b,c\",\"say \"\"no\"\"\",\"two\nlines\",\r\n")
    }

    @Test func markdown() {
        let cost = CostModel(Exported.description().model, vocabularySize: 256)
        let fp4 = RunText.percent(cost.cost(of: PrecisionPlan(uniform: .nvfp4)))
        let mean = RunText.percent((1 + cost.cost(of: PrecisionPlan(uniform: .nvfp4))) / 2)
        #expect(
            MarkdownExport.markdown(Exported.recording) == """
                # Run example

                |  |  |
                | --- | --- |
                | name | example |
                | model | 1,234,567 parameters: 1 layers, 4 heads, width 256, context 128; layernorm, learned, gelu |
                | data | a \\| b; vocabulary 256, 10,000 tokens to train |
                | recipe | bf16: bf16 100 % |
                | steps | 4 of 100 tokens |
                | learning rate | 0.001 |
                | gradient clip | 1.0 |
                | seed | 1 |
                | machine | 2 threads, portable, 2 MB |
                | began | 1970-01-01T00:16:40Z |
                | program | fp4tui 0.1.0 |

                ## End

                |  |  |
                | --- | --- |
                | outcome | diverged |
                | steps | 4 |
                | tokens | 400 |
                | loss of the last step | NaN |
                | validation loss | - |
                | best validation loss | 3.2500 |
                | time | 1:01 |
                | tokens per second | 400 |

                ## Precision

                Shares of the FLOPs of the layers' linears, and the theoretical cost of all matrix products of the layers, BF16 being 100 %.

                |  | FP4 | FP8 | BF16 | cost |
                | --- | ---: | ---: | ---: | ---: |
                | from step 1 | 0.0 % | 0.0 % | 100.0 % | 100.0 % |
                | from step 3 | 100.0 % | 0.0 % | 0.0 % | \(fp4) |
                | whole run | 50.0 % | 0.0 % | 50.0 % | \(mean) |

                ## Precision changes

                The losses are means: of up to 50 steps before a change, and of the steps after it that are given.

                | after step | change | loss before | loss after | steps |
                | --- | --- | ---: | ---: | ---: |
                | 2 | prec layers.\\* fp4: layers.0.attn.q bf16 to fp4, layers.0.attn.k bf16 to fp4, layers.0.attn.v bf16 to fp4 and 3 more | 3.5000 | NaN | 2 |

                ## Evaluations

                | step | validation loss |
                | ---: | ---: |
                | 2 | 3.2500 |
                | 5 | -Infinity |

                ## Warnings

                - step 4: loss is \\*gone\\*

                """)
    }

    /// A recording that stops before the run has begun says so instead of failing.
    @Test func nothingIsRecordedYet() {
        let empty = Exported.recording("empty", [])
        #expect(MarkdownExport.markdown(empty) == "# Run empty\n\n## End\n\nNo step is recorded.\n")
        #expect(CSVExport.csv(empty).components(separatedBy: "\r\n").count == 2)
        #expect(TensorBoardExport.data(empty) == TensorBoardEvents.header(time: 1000))
    }

    /// A model that would be divided by zero, or that no memory holds.
    @Test func anImpossibleModelIsDamage() throws {
        let line = try EventLine(.started(Exported.description())).json()
        #expect(try EventLine(json: line).event == .started(Exported.description()))
        for (key, value) in [("\"heads\":4", "\"heads\":0"), ("\"layers\":1", "\"layers\":1000000000000")] {
            let damaged = line.replacingOccurrences(of: key, with: value)
            #expect(damaged != line)
            #expect(throws: DecodingError.self) { _ = try EventLine(json: damaged) }
        }
    }

    /// What no run tells must not end the program.
    @Test func impossibleFigures() {
        var run = Exported.description()
        run.model.heads = 0
        run.totalSteps = .min
        let step = StepMetrics(
            step: .max, loss: 1, gradientNorm: 1, clippedNorm: 1, learningRate: .nan, tokens: .min,
            stepMilliseconds: -.infinity, elapsedSeconds: .nan)
        let change = PrecisionChange(
            id: .min, step: .min, cause: .undo, text: "```", modules: [], lossBefore: -.infinity)
        let events = [
            EventLine(.started(run), time: .nan), EventLine(.stepped(step), time: -.infinity),
            EventLine(.precisionChanged(change)), Exported.change(after: .min), EventLine(.started(run)),
            EventLine(.started(Exported.description())), Exported.change(after: .max),
        ]
        let recording = Exported.recording("odd", events)
        #expect(MarkdownExport.markdown(recording).contains("step 9,223,372,036,854,775,807 of 4"))
        #expect(CSVExport.csv(recording).contains("9223372036854775807,-9223372036854775808,-Infinity,NaN,1.0"))
        #expect(!TensorBoardExport.data(recording).isEmpty)
        #expect(RunComparison([recording, recording]).cells.count == 2)
    }
}

@Suite struct RunComparisonTests {
    private static func run(
        _ name: String, _ description: RunDescription, losses: [Float], evaluations: [(Int, Float)] = []
    ) -> RunRecording {
        let events =
            [EventLine(.started(description))]
            + losses.enumerated().map { Exported.metrics($0.offset + 1, loss: $0.element) }
            + evaluations.map { EventLine(.evaluated(Evaluation(step: $0.0, validationLoss: $0.1))) }
        return Exported.recording(name, events)
    }

    @Test func gapsAreToTheFirstRunWhereBothWereEvaluated() {
        let comparison = RunComparison([
            Self.run("a", Exported.description(), losses: [4, 3, 2, 1], evaluations: [(2, 2), (4, 1)]),
            Self.run(
                "b", Exported.description(recipe: .nvfp4), losses: [4, 3, 2], evaluations: [(2, 2.5), (3, 9)]),
            Self.run("c", Exported.description(), losses: [8, 6]),
        ])
        let rows = comparison.rows
        #expect(rows[0].gap == nil)
        #expect(rows[1].gap == 0.25 && rows[1].gapStep == 2 && rows[1].gapIsOfValidation == true)
        // Means of 4 and 3, and of 8 and 6.
        #expect(rows[2].gap == 1 && rows[2].gapStep == 2 && rows[2].gapIsOfValidation == false)
        #expect(rows.map(\.loss) == [2.5, 3, 7])
        #expect(rows.map(\.validationLoss) == [1, 9, nil])
        #expect(rows.map(\.bestValidationLoss) == [1, 2.5, nil])
        #expect(rows.map(\.cost)[0] == 1)
        #expect(rows[0].tokensPerSecond == 400)
        #expect(comparison.notes.isEmpty)
        #expect(
            comparison.cells[1].prefix(8) == [
                "b", "nvfp4", "3/4", "3.0000", "3.0000", "9.0000", "2.5000", "+25.00 % at 2",
            ])
        #expect(comparison.cells[2][7] == "+100.00 % at 2 (loss)")
    }

    @Test func whatIsNotComparableIsNoted() {
        var other = Exported.description(seed: 2, steps: 8, data: "c")
        other.model.layers = 2
        other.kernels = "avx512"
        let comparison = RunComparison([
            Self.run("a", Exported.description(), losses: [1]), Self.run("b", other, losses: [1]),
            Exported.recording("c", []),
        ])
        #expect(
            comparison.notes == [
                "b has not the model, nor the data (c) of a: their losses say little about each other",
                "b has another seed than a: part of the gap is chance",
                "b is a run of 8 steps, a of 4: their learning rates differ at the same step",
                "b ran on 2 threads with avx512, a on 2 with portable: their times cannot be compared",
                "c has not begun: nothing of it is recorded",
            ])
    }

    @Test func theLowestMeanIsOfStepsThatFollowOneAnother() {
        let losses = (0..<100).map { Double($0 == 70 ? 0 : 100 - $0) }
        let means = RunComparison.means(losses)
        #expect(means.count == 51)
        #expect(means[0] == Double((51...100).reduce(0, +)) / 50)
        #expect(means[50] == (Double((1...50).reduce(0, +)) - 30) / 50)
    }
}
