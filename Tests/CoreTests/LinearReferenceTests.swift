import KernelInterface
import Testing

@testable import Core

/// A group of two linears, mlp.up and mlp.gate, that share their input, with the operands of one pass.
private struct Bench {
    let tokens: Int
    let inputs: Int
    let outputs: Int
    let compute: ComputeContext
    let layout: ParameterLayout
    let arena: Arena
    let parameters: Parameters
    let x: UnsafeMutablePointer<Float>
    let e: UnsafeMutablePointer<Float>
    let y: UnsafeMutablePointer<Float>
    let dx: UnsafeMutablePointer<Float>
    static let paths = ["mlp.up", "mlp.gate"].map { ModulePath.layer(0, $0) }

    init(tokens: Int = 37, inputs: Int = 150, outputs: Int = 88, tier: KernelTier? = nil, threads: Int = 2)
        throws
    {
        var model = ModelConfiguration()
        model.adopt(.llama)
        (model.layers, model.heads, model.keyValueHeads, model.width) = (1, 1, 1, inputs)
        model.feedForwardMultiple = Double(outputs) / Double(inputs)
        let layout = ParameterLayout(model, vocabularySize: 16)
        (self.tokens, self.inputs, self.outputs, self.layout) = (tokens, inputs, outputs, layout)
        compute = try ComputeContext(tier: tier, threads: threads, strictFP8: true)
        let places: (Parameters, [UnsafeMutablePointer<Float>])
        (arena, places) = try Arena.make { arena in
            (
                Parameters(layout, in: &arena),
                [inputs, 2 * outputs, 2 * outputs, inputs].map { arena.reserve(tokens * $0) }
            )
        }
        parameters = places.0
        (x, e, y, dx) = (places.1[0], places.1[1], places.1[2], places.1[3])
        parameters.initialize(seed: 1, compute: compute)
        let random = Philox(seed: 5, stream: .initialization)
        random.fillNormal(x, tokens * inputs, 0..<tokens * inputs, deviation: 1, tensor: 1)
        random.fillNormal(e, tokens * 2 * outputs, 0..<tokens * 2 * outputs, deviation: 0.01, tensor: 2)
        // A few channels with outliers, as activations have them.
        for row in 0..<tokens {
            for column in stride(from: 3, to: inputs, by: 41) { x[row * inputs + column] *= 8 }
        }
    }

    func group(_ formats: LinearFormats) -> LinearGroup {
        LinearGroup(
            Self.paths, parameters,
            plan: PrecisionPlan(general: formats, linears: [:], attentionCore: .bf16))
    }

    func weight(_ part: Int) -> UnsafeMutablePointer<Float> {
        parameters.values + layout[Self.paths[part].parameter("weight")]!.offset
    }

    func weightGradient(_ part: Int) -> UnsafeMutablePointer<Float> {
        parameters.gradients + layout[Self.paths[part].parameter("weight")]!.offset
    }

    func reference(_ formats: LinearFormats, part: Int, _ group: LinearGroup, _ pass: QuantizationPassKey)
        -> LinearReference
    {
        let tensor = group.parts[part].tensor
        return LinearReference(
            formats: formats, x: matrix(x, tokens, inputs), w: matrix(weight(part), outputs, inputs),
            e: Matrix(tokens, outputs) { Double(e[$0 * 2 * outputs + part * outputs + $1]) },
            average: group.weightAverages.isEmpty ? nil : matrix(group.weightAverages[part].values, outputs, inputs),
            random: { pass.random(tensor, GEMMKind.allCases.firstIndex(of: $0)!) })
    }

    func matrix(_ p: UnsafePointer<Float>, _ rows: Int, _ columns: Int) -> Matrix {
        Matrix(rows, columns, Array(UnsafeBufferPointer(start: p, count: rows * columns)))
    }

    func run(_ group: LinearGroup, _ pass: QuantizationPassKey) {
        group.forward(x, into: y, rows: tokens, pass, compute)
        group.backward(e, x: x, into: dx, rows: tokens, pass, compute)
    }

    func clearGradients() { parameters.gradients.update(repeating: 0, count: layout.count) }
}

private func formats(
    _ fprop: (String, String), _ dgrad: (String, String), _ wgrad: (String, String),
    _ edit: (inout LinearTechniques) -> Void = { _ in }
) -> LinearFormats {
    func gemm(_ texts: (String, String)) -> GEMMFormats {
        do {
            return GEMMFormats(try BlockFormat(parsing: texts.0), try BlockFormat(parsing: texts.1))
        } catch {
            preconditionFailure(error.description)
        }
    }
    var result = LinearFormats(fprop: gemm(fprop), dgrad: gemm(dgrad), wgrad: gemm(wgrad))
    edit(&result.techniques)
    return result
}

private func reuse(_ techniques: inout LinearTechniques) { techniques.reusesForwardOperands = true }
private let sr = "nvfp4+sr+prescale=16/17"
private let quartetForward = "e2m1:1x32:e8m0-nearest+std+hadamard=32"
private let quartetBackward = "mxfp4+prescale=0.75+hadamard=32:random"
private let tseng = "mxfp4+sr+prescale=0.75+hadamard=64:random"
private let eden = "nvfp4+eden+hadamard=128:random"

/// Every combination of formats and techniques that the recipes name, and some that none does.
private let combinations: [(String, LinearFormats)] = [
    ("bf16", formats(("bf16", "bf16"), ("bf16", "bf16"), ("bf16", "bf16"))),
    ("zhou2025", formats(("fp4", "fp4-2d"), ("fp8", "fp8-2d"), ("fp8", "fp8"))),
    (
        "fp8-current",
        formats(("fp8-tensor", "fp8-tensor"), ("e5m2:tensor:fp32", "fp8-tensor"), ("e5m2:tensor:fp32", "fp8-tensor"))
    ),
    ("fp8-block", formats(("fp8", "fp8-2d"), ("fp8", "fp8-2d"), ("fp8", "fp8"))),
    ("mxfp8", formats(("mxfp8", "mxfp8"), ("mxfp8", "mxfp8"), ("mxfp8", "mxfp8"))),
    (
        "nvfp4",
        formats(("nvfp4", "nvfp4-2d"), (sr, "nvfp4-2d"), (sr + "+hadamard=16:fixed", "nvfp4+hadamard=16:fixed"))
    ),
    ("mxfp4-tseng", formats(("bf16", "bf16"), (tseng, tseng), (tseng, tseng))),
    (
        "quartet",
        formats(
            (quartetForward, quartetForward), (quartetBackward, quartetBackward), (quartetBackward, quartetBackward)
        ) {
            $0.reusesForwardOperands = true
            $0.trustMask = true
        }
    ),
    ("quartet2", formats(("nvfp4", "nvfp4"), (eden, eden), (eden, eden), reuse)),
    ("quartet2, four over six", formats(("nvfp4+4/6", "nvfp4+4/6"), (eden, eden), (eden, eden), reuse)),
    ("fp4-all-the-way", formats(("nvfp4", "nvfp4"), (sr, "nvfp4"), (sr, sr))),
    (
        "wang2025",
        formats(("fp4-row", "fp4-row"), ("bf16", "bf16"), ("bf16", "bf16")) {
            $0.gradientEstimator = .init()
            $0.outlierQuantile = 0.99
        }
    ),
    (
        "tetrajet",
        formats(
            ("mxfp4-ceil", "mxfp4-ceil"), ("mxfp4-ceil+sr", "mxfp4-ceil+sr"), ("mxfp4-ceil+sr", "mxfp4-ceil+sr")
        ) {
            $0.reusesForwardOperands = true
            $0.weightAverage = 0.9
        }
    ),
    ("Q-EMA alone", formats(("nvfp4", "nvfp4"), ("fp8", "fp8"), ("bf16", "bf16")) { $0.weightAverage = 0.9 }),
    (
        "mask of transformed operands that are not reused",
        formats((quartetForward, quartetForward), ("bf16", "bf16"), ("bf16", "bf16")) { $0.trustMask = true }
    ),
    (
        "estimator and random signs",
        formats(("mxfp4+hadamard=16:random", "mxfp4+hadamard=16:random"), ("fp8", "fp8"), ("fp8", "fp8")) {
            $0.gradientEstimator = .init(k: 3, limit: 2)
            $0.trustMask = true
            $0.reusesForwardOperands = true
        }
    ),
    (
        "fixed signs, and one operand without scales",
        formats(("fp4+hadamard=64:fixed", "fp4+hadamard=64:fixed"), ("bf16", "mxfp4"), ("fp8", "bf16"), reuse)
    ),
    ("FP8 forward, reused", formats(("mxfp8", "bf16"), ("mxfp8", "mxfp8"), ("mxfp8", "mxfp8"), reuse)),
]

@Suite struct LinearReferenceTests {
    private let pass = QuantizationPassKey(seed: 3, pass: 7)

    /// Values differ by no more than sums in FP32 do.
    private func expect(_ result: Matrix, _ expected: Matrix, plus start: Double = 0, _ what: String) {
        #expect(result.rows == expected.rows && result.columns == expected.columns)
        var worst = 0.0
        for row in 0..<result.rows {
            let line = (0..<result.columns).map { expected[row, $0] }
            let size = (line.reduce(0) { $0 + $1 * $1 } / Double(line.count)).squareRoot() + abs(start)
            for column in 0..<result.columns {
                worst = max(worst, abs(result[row, column] - line[column] - start) / size)
            }
        }
        #expect(worst < 2e-5, "\(what)")
    }

    @Test(arguments: combinations.indices)
    func everyCombination(_ index: Int) throws {
        let (name, formats) = combinations[index]
        let bench = try Bench()
        let group = bench.group(formats)
        bench.clearGradients()
        bench.run(group, pass)
        if formats.techniques.weightAverage != nil {
            // Weights move away from their average.
            for part in 0..<2 {
                for index in 0..<bench.outputs * bench.inputs {
                    bench.weight(part)[index] *= 1 + 0.3 * Float((index * 7919) % 101 - 50) / 50
                }
            }
            group.updateWeightAverages(bench.compute)
        }
        bench.parameters.gradients.update(repeating: 0.5, count: bench.layout.count)
        bench.run(group, pass)
        var dx: Matrix?
        for part in 0..<2 {
            let reference = bench.reference(formats, part: part, group, pass)
            let y = Matrix(bench.tokens, bench.outputs) {
                Double(bench.y[$0 * 2 * bench.outputs + part * bench.outputs + $1])
            }
            expect(y, reference.y, "\(name): fprop of \(Bench.paths[part])")
            expect(
                bench.matrix(bench.weightGradient(part), bench.outputs, bench.inputs), reference.dw, plus: 0.5,
                "\(name): wgrad of \(Bench.paths[part])")
            let partial = reference.dx
            dx = dx.map { sum in Matrix(sum.rows, sum.columns) { sum[$0, $1] + partial[$0, $1] } } ?? partial
        }
        expect(bench.matrix(bench.dx, bench.tokens, bench.inputs), try #require(dx), "\(name): dgrad")
    }

    /// The same bits for every instruction set and number of threads.
    @Test(arguments: combinations.indices.filter { combinations[$0].1.techniques != LinearTechniques() })
    func neitherTiersNorThreadsMatter(_ index: Int) throws {
        var expected: [UInt32]?
        for (tier, threads) in KernelTier.available.flatMap({ [($0, 1), ($0, 3)] }) {
            let bench = try Bench(tokens: 70, inputs: 100, outputs: 48, tier: tier, threads: threads)
            let group = bench.group(combinations[index].1)
            bench.clearGradients()
            bench.run(group, pass)
            // So that averages differ from their weights.
            for at in 0..<4800 { bench.weight(0)[at] *= 1 + Float(at % 7) / 20 }
            bench.run(group, pass)
            var bits: [UInt32] = []
            for (values, count) in [
                (bench.y, 70 * 96), (bench.dx, 70 * 100), (bench.weightGradient(0), 4800),
                (bench.weightGradient(1), 4800),
            ] {
                bits += UnsafeBufferPointer(start: values, count: count).map(\.bitPattern)
            }
            if let expected { #expect(bits == expected, "\(tier), \(threads)") } else { expected = bits }
        }
    }

    // MARK: What a technique touches

    private func results(_ bench: Bench, _ formats: LinearFormats) -> (y: Matrix, dx: Matrix, dw: Matrix) {
        bench.clearGradients()
        bench.run(bench.group(formats), pass)
        return (
            bench.matrix(bench.y, bench.tokens, 2 * bench.outputs), bench.matrix(bench.dx, bench.tokens, bench.inputs),
            bench.matrix(bench.weightGradient(1), bench.outputs, bench.inputs)
        )
    }

    @Test func theMaskTouchesOnlyWhatSaturated() throws {
        let bench = try Bench()
        let plain = formats(("mxfp4+std", "mxfp4+std"), ("fp8", "fp8"), ("fp8", "fp8"))
        var masked = plain
        masked.techniques.trustMask = true
        let (expected, result) = (results(bench, plain), results(bench, masked))
        #expect(result.y.values == expected.y.values)
        func check(_ result: Matrix, _ expected: Matrix, _ operand: UnsafePointer<Float>) throws {
            let view = MatrixView(operand, rows: result.rows, columns: result.columns)
            let quantized = ReferenceQuantizer(plain.fprop.a).quantize(view)
            let squares = expected.values.reduce(0) { $0 + $1 * $1 }
            let size = (squares / Double(expected.values.count)).squareRoot()
            var zeros = 0
            for row in 0..<result.rows {
                for column in 0..<result.columns {
                    let scale = quantized.scales[quantized.geometry.block(row: row, column: column)]
                    let isOut = abs(operand[row * result.columns + column]) >= 6 * scale
                    zeros += isOut ? 1 : 0
                    if isOut {
                        #expect(result[row, column] == 0)
                    } else {
                        // Sums over both linears come in another order.
                        #expect(abs(result[row, column] - expected[row, column]) <= 1e-5 * size)
                    }
                }
            }
            #expect(zeros > result.rows)
        }
        try check(result.dx, expected.dx, bench.x)
        try check(result.dw, expected.dw, bench.weight(1))
    }

    @Test func theEstimatorTouchesOnlyWeightGradients() throws {
        let bench = try Bench()
        let plain = formats(("fp4-row", "fp4-row"), ("fp8", "fp8"), ("fp8", "fp8"))
        var estimated = plain
        estimated.techniques.gradientEstimator = .init()
        let (expected, result) = (results(bench, plain), results(bench, estimated))
        #expect(result.y.values == expected.y.values)
        #expect(result.dx.values == expected.dx.values)
        let ratios = zip(result.dw.values, expected.dw.values).map { $0 / $1 }
        #expect(ratios.allSatisfy { $0 > 0.1999 && $0 < 3.0001 })
        #expect(ratios.contains { $0 > 2.9999 } && ratios.contains { $0 < 0.25 })
    }

    @Test func outlierCompensationTouchesOnlyTheForwardPass() throws {
        let bench = try Bench()
        let plain = formats(("fp4-tensor", "fp4-row"), ("fp8", "fp8"), ("fp8", "fp8"))
        var compensated = plain
        compensated.techniques.outlierQuantile = 0.99
        let exact = results(bench, LinearFormats(.fp32))
        let (expected, result) = (results(bench, plain), results(bench, compensated))
        #expect(result.dx.values == expected.dx.values)
        #expect(result.dw.values == expected.dw.values)
        func error(_ y: Matrix) -> Double {
            zip(y.values, exact.y.values).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        }
        #expect(error(result.y) < error(expected.y) / 2)
    }

    /// A weight that has not moved is rounded to nearest; after that, nothing changes until its average crosses over.
    @Test func averagesHoldWeightsInPlace() throws {
        let bench = try Bench()
        let plain = formats(("fp32", "mxfp4-ceil"), ("fp8", "fp8"), ("fp8", "fp8"))
        var averaged = plain
        averaged.techniques.weightAverage = 0.999
        var group = bench.group(averaged)
        bench.run(group, pass)
        let first = bench.matrix(bench.y, bench.tokens, 2 * bench.outputs)
        #expect(first.values == results(bench, plain).y.values)
        for part in 0..<2 {
            for index in 0..<bench.outputs * bench.inputs { bench.weight(part)[index] *= index % 2 == 0 ? 1.05 : 0.97 }
        }
        group.updateWeightAverages(bench.compute)
        let average = group.weightAverages[1]
        #expect(average.path == Bench.paths[1])
        #expect(abs(average.values[0] / bench.weight(1)[0] - (0.999 / 1.05 + 0.001)) < 1e-6)
        func moved(_ y: Matrix) -> Double { zip(y.values, first.values).reduce(0) { $0 + abs($1.0 - $1.1) } }
        bench.run(group, pass)
        let held = moved(bench.matrix(bench.y, bench.tokens, 2 * bench.outputs))
        #expect(held < moved(results(bench, plain).y) / 2)
        // Plans that keep the technique keep the average; others drop it.
        group.apply(PrecisionPlan(general: averaged, linears: [:], attentionCore: .bf16))
        #expect(group.weightAverages[1] === average)
        group.apply(PrecisionPlan(general: plain, linears: [:], attentionCore: .bf16))
        #expect(group.weightAverages.isEmpty)
    }

    /// NaN reaches what was multiplied with it, and nothing else.
    @Test(arguments: [nil, 0.99])
    func notANumberSpreads(outlierQuantile: Double?) throws {
        let bench = try Bench()
        bench.x[5 * bench.inputs + 40] = .nan
        let result = results(
            bench,
            formats(("mxfp4", "mxfp4"), ("bf16", "bf16"), ("bf16", "bf16")) {
                $0.reusesForwardOperands = true
                $0.trustMask = true
                $0.outlierQuantile = outlierQuantile
            })
        func nans(_ matrix: Matrix) -> [Bool] { matrix.values.map(\.isNaN) }
        #expect(nans(result.y) == nans(Matrix(bench.tokens, 2 * bench.outputs) { row, _ in row == 5 ? .nan : 0 }))
        #expect(nans(result.dx).allSatisfy { !$0 })
        // The block of 32 that holds it.
        let columns = Matrix(bench.outputs, bench.inputs) { _, column in column / 32 == 1 ? .nan : 0 }
        #expect(nans(result.dw) == nans(columns))
    }

    /// A whole model with all techniques at once learns, validates, and moves its averages once a step.
    @Test func aModelLearnsWithAllTechniques() throws {
        let configuration = TrainingEngineTests.configuration { $0.training.accumulation = 2 }
        let trainer = try Trainer(
            configuration, corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed))
        trainer.initializeParameters()
        var plan = PrecisionPlan(uniform: .bf16)
        plan.general = formats((quartetForward, quartetForward), (eden, eden), (eden, eden)) {
            $0.reusesForwardOperands = true
            $0.trustMask = true
            $0.gradientEstimator = .init()
            $0.outlierQuantile = 0.99
            $0.weightAverage = 0.5
        }
        let bytes = trainer.memoryBytes
        trainer.transformer.apply(plan)
        #expect(trainer.memoryBytes > bytes)
        let before = try #require(try trainer.evaluate())
        let average = trainer.transformer.weightAverages[0]
        let weight = trainer.parameters.values + trainer.parameters.layout[average.path.parameter("weight")]!.offset
        for _ in 0..<30 {
            let (last, mean) = (weight[0], average.values[0])
            #expect(try #require(try trainer.trainStep()).isFinite)
            #expect(abs(average.values[0] - (mean + weight[0]) / 2) <= 1e-6 * abs(mean) && weight[0] != last)
        }
        let after = try #require(try trainer.evaluate())
        #expect(after < before - 0.1)
    }

    // MARK: Bias

    /// Gradients are right on average over the keys of many passes, as far as the standard error of the mean can tell.
    @Test(arguments: ["nvfp4+sr+prescale=16/17", "mxfp4+sr+prescale=0.75+hadamard=32:random", "mxfp4-ceil+sr", eden])
    func backwardIsUnbiased(_ text: String) throws {
        let bench = try Bench(tokens: 32, inputs: 64, outputs: 32)
        let operand = try BlockFormat(parsing: text)
        var formats = LinearFormats(operand)
        formats.fprop = GEMMFormats(.nvfp4)
        formats.techniques.reusesForwardOperands = true
        var exact = formats
        exact.dgrad = GEMMFormats(.fp32)
        exact.wgrad = GEMMFormats(.fp32)
        let expected = results(bench, exact)
        let group = bench.group(formats)
        let passes = 400
        var sums = [[Double]](repeating: [], count: 2)
        var squares = sums
        for pass in 0..<passes {
            bench.clearGradients()
            bench.run(group, QuantizationPassKey(seed: 11, pass: UInt64(pass)))
            let values = [
                bench.matrix(bench.dx, 32, 64).values, bench.matrix(bench.weightGradient(1), 32, 64).values,
            ]
            for index in 0..<2 {
                if pass == 0 {
                    (sums[index], squares[index]) = (Array(repeating: 0, count: 2048), Array(repeating: 0, count: 2048))
                }
                for (at, value) in values[index].enumerated() {
                    sums[index][at] += value
                    squares[index][at] += value * value
                }
            }
        }
        let n = Double(passes)
        for (index, expected) in [expected.dx, expected.dw].enumerated() {
            var (chi, worst) = (0.0, 0.0)
            for at in 0..<2048 {
                let mean = sums[index][at] / n
                let variance = squares[index][at] / n - mean * mean
                let score = (mean - expected.values[at]) / (variance / n).squareRoot()
                chi += score * score / 2048
                worst = max(worst, abs(score))
            }
            #expect(chi < 1.3 && worst < 5.5, "\(index == 0 ? "dgrad" : "wgrad"): \(chi), \(worst)")
        }
    }
}
