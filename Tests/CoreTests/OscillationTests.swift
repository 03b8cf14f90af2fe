import Foundation
import Testing

@testable import Core

@Suite struct OscillationTests {
    private static func transformer(_ formats: [String], _ change: (inout PrecisionPlan) -> Void = { _ in }) throws
        -> Transformer
    {
        var model = ModelConfiguration()
        (model.layers, model.heads, model.keyValueHeads, model.width, model.context) = (2, 4, 4, 64, 32)
        var plan = PrecisionPlan(uniform: .bf16)
        for (format, path) in zip(formats, model.linears) {
            plan.linears[path] = LinearFormats(try BlockFormat(parsing: format))
        }
        change(&plan)
        let compute = try ComputeContext(threads: 2)
        let transformer = try Transformer(model, vocabularySize: 64, capacity: 2, plan: plan, compute: compute)
        transformer.parameters.initialize(seed: 4, compute: compute)
        return transformer
    }

    private static func weights(_ transformer: Transformer, _ path: ModulePath) throws
        -> (values: UnsafeMutablePointer<Float>, rows: Int, columns: Int)
    {
        let tensor = try #require(transformer.parameters.layout[path.parameter("weight")])
        return (transformer.parameters.values + tensor.offset, tensor.shape[0], tensor.shape[1])
    }

    /// Against sums of what the reference quantizer makes of each step's weights, for the rows that are followed.
    @Test func sumsAreThoseOfEachStep() throws {
        let formats = [
            "mxfp4", "nvfp4", "fp4-tensor", "e2m1:1x32:e8m0-nearest+std+hadamard=32", "nvfp4-2d", "fp8",
        ]
        let transformer = try Self.transformer(formats)
        let window = try OscillationWindow(transformer)
        let random = Philox(seed: 3, stream: .sampling)
        let linears = Array(transformer.model.linears.prefix(formats.count))
        window.begin(until: 9)
        var before: [ModulePath: (q: [Float], w: [Float])] = [:]
        var sums: [ModulePath: (q: [Double], w: [Double])] = [:]
        for step in 0...5 {
            if step > 0 {
                for index in 0..<transformer.parameters.layout.count {
                    let noise = random.uniform(UInt64(step), UInt32(index)) - 0.5
                    transformer.parameters.values[index] += 2e-4 * Float(noise)
                }
                window.advance()
            }
            for path in linears {
                let (values, rows, columns) = try Self.weights(transformer, path)
                let quantizer = ReferenceQuantizer(transformer.plan[path].fprop.b)
                let q = quantizer.quantize(MatrixView(values, rows: rows, columns: columns)).dequantized
                var w = Array(UnsafeBufferPointer(start: values, count: rows * columns))
                if let hadamard = quantizer.format.hadamard {
                    let transform = HadamardTransform(hadamard, quantizer.random)
                    w.withUnsafeMutableBufferPointer { transform.apply($0) }
                }
                if let old = before[path] {
                    var sum = sums[path] ?? (Array(repeating: 0, count: w.count), Array(repeating: 0, count: w.count))
                    for index in w.indices {
                        sum.q[index] += Double((q[index] - old.q[index]).magnitude)
                        sum.w[index] += Double((w[index] - old.w[index]).magnitude)
                    }
                    sums[path] = sum
                }
                before[path] = (q, w)
            }
        }
        let results = window.results
        #expect(Set(results.keys) == Set(linears))
        for path in linears {
            let result = try #require(results[path])
            let (q, w) = try #require(sums[path])
            let (_, rows, columns) = try Self.weights(transformer, path)
            // 128 rows of a padded depth of 128 at most.
            let followed = min(rows, 128)
            var (quantizedPath, whole, oscillating): (Double, Double, Double) = (0, 0, 0)
            for row in stride(from: 0, to: followed * (rows / followed), by: rows / followed) {
                for index in row * columns..<(row + 1) * columns {
                    quantizedPath += q[index]
                    whole += w[index]
                    if q[index] >= 16 * w[index] { oscillating += 1 }
                }
            }
            let found: Double = try #require(result.ratio)
            #expect(abs(found * whole / quantizedPath - 1) < 1e-4, "\(path)")
            let share: Double = oscillating / Double(followed * columns)
            #expect(abs(result.oscillating - share) < 2e-3, "\(path) \(result.oscillating) \(share)")
            #expect(result.steps == 5)
        }
        #expect(results.values.contains { $0.oscillating > 0.01 })
    }

    @Test func aWeightThatGoesBackAndForthOscillates() throws {
        let transformer = try Self.transformer(["mxfp4"])
        let path = transformer.model.linears[0]
        let (values, rows, columns) = try Self.weights(transformer, path)
        // In one block of zeros a 6 sets the scale 1: 0.74 rounds to 0.5, 0.76 to 1.
        for index in 0..<32 { values[index] = 0 }
        (values[0], values[1], values[2]) = (6, 0.74, 0.9)
        let window = try OscillationWindow(transformer)
        window.begin(until: 10)
        for step in 0..<10 {
            values[1] = step.isMultiple(of: 2) ? 0.76 : 0.74
            values[2] += 0.01
            window.advance()
        }
        let result = try #require(window.results[path])
        #expect(result.steps == 10)
        #expect(abs(result.oscillating * Double(rows * columns) - 1) < 1e-9)
        let moved: Double = 10 * 0.02 + 10 * 0.01
        let ratio: Double = try #require(result.ratio)
        #expect(abs(ratio - 5 / moved) < 1e-3)
        // It begins anew where the formats change, and only there.
        var plan = transformer.plan
        plan.linears[path] = LinearFormats(.nvfp4)
        transformer.apply(plan)
        window.planChanged()
        #expect(window.results[path] == nil)
        window.advance()
        #expect(window.results[path]?.steps == 1)
        window.planChanged()
        #expect(window.results[path]?.steps == 1)
    }

    /// Q-EMA rounds towards the average, which is slower than the weight.
    @Test func averagesCalmTheWeights() throws {
        func oscillating(_ averages: Bool) throws -> Double {
            let transformer = try Self.transformer(["mxfp4"]) { plan in
                if averages { plan.linears[ModulePath.layer(0, "attn.q")]?.techniques.weightAverage = 0.99 }
            }
            let path = ModulePath.layer(0, "attn.q")
            let (values, rows, columns) = try Self.weights(transformer, path)
            let start = Array(UnsafeBufferPointer(start: values, count: rows * columns))
            transformer.updateWeightAverages()
            let window = try OscillationWindow(transformer)
            window.begin(until: 20)
            for step in 0..<20 {
                for index in start.indices { values[index] = start[index] * (step.isMultiple(of: 2) ? 1.005 : 0.995) }
                transformer.updateWeightAverages()
                window.advance()
            }
            return try #require(window.results[path]).oscillating
        }
        let (plain, averaged) = (try oscillating(false), try oscillating(true))
        #expect(plain > 0.001)
        #expect(averaged < plain / 4, "\(averaged) \(plain)")
    }

    // MARK: Runs

    private static func probes(_ record: TrainingEngineTests.Record) -> [ProbeReport] {
        record.events.compactMap { event in
            guard case .probed(var report) = event else { return nil }
            // Times are never the same.
            for index in report.modules.indices {
                report.modules[index].milliseconds = nil
                report.modules[index].referenceMilliseconds = nil
            }
            return report
        }
    }

    private static func configuration(_ commands: [String]) throws -> RunConfiguration {
        var configuration = try ForkTests.configuration(commands)
        configuration.health.probeEvery = 6
        return configuration
    }

    @Test func aWindowGoesOnInAResumedRun() async throws {
        let folder = try TemporaryDirectory()
        let runs: [[String]] = [
            [], ["2: prec layers.1.mlp.* bf16", "4: undo"], ["3: fork prec mlp.* fp8", "9: fork swap"],
            ["4: recipe nvfp4"],
        ]
        for (index, commands) in runs.enumerated() {
            for step in [1, 4, 8] {
                let path = folder.path + "/\(index)-\(step).safetensors"
                let configuration = try Self.configuration(commands + ["\(step): save-state \(path)"])
                let whole = try await TrainingEngineTests.record(configuration)
                #expect(Self.probes(whole).map(\.step) == [6, 12])
                let modules = Self.probes(whole).flatMap(\.modules)
                #expect(modules.contains { ($0.oscillation ?? 0) > 0 })
                #expect(modules.contains { $0.oscillationSteps == 6 })
                let engine = try TrainingEngine(
                    configuration: configuration,
                    corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed), resuming: path)
                let channel = engine.subscribe()
                let summary = await engine.run()
                let resumed = TrainingEngineTests.Record(events: channel.drain(), summary: summary)
                let expected = Self.probes(whole).filter { $0.step > step }
                // Flips are those of one step, which no checkpoint falls into.
                let isSame = Self.probes(resumed) == expected
                #expect(isSame, "\(commands), \(step)")
                #expect(resumed.losses == Array(whole.losses[step...]))
            }
        }
    }

    @Test func theWindowIsTheLastStepsBeforeAProbe() async throws {
        let record = try await TrainingEngineTests.record(
            TrainingEngineTests.configuration {
                $0.recipe = .uniform(.mxfp4)
                $0.run.steps = 80
                $0.health.probeEvery = 40
                $0.sampling.every = 0
                $0.run.commands = ["75: prec layers.0.attn.q =nvfp4"]
            })
        let probes = Self.probes(record)
        #expect(probes.map(\.step) == [40, 80])
        let q = ModulePath.layer(0, "attn.q")
        #expect(probes[0].modules.filter { $0.path != .head }.allSatisfy { $0.oscillationSteps == 30 })
        #expect(probes[1].modules.first { $0.path == q }?.oscillationSteps == 5)
        #expect(probes[1].modules.filter { $0.path != .head && $0.path != q }.allSatisfy { $0.oscillationSteps == 30 })
    }

    @Test func aDamagedWindowIsRefused() throws {
        let folder = try TemporaryDirectory()
        var configuration = try Self.configuration([])
        configuration.recipe.clipping.scope = nil
        let trainer = try PrecisionChangeTests.trainer(configuration)
        trainer.watchesOscillation = true
        trainer.initializeParameters()
        _ = try trainer.trainStep()
        let path = folder.path + "/state.safetensors"
        try trainer.saveState(to: path)
        #expect(try SafeTensors.File(path).names.contains("oscillation.layers.0.mlp.up"))
        let window = try #require(trainer.oscillation)
        for damage in [
            { $0.linears[0].steps = 31 }, { $0.linears[0].path = ModulePath("layers.7.mlp.up") },
            { $0.linears.append($0.linears[0]) }, { $0.linears[0].format = .bf16 },
        ] as [(inout OscillationWindow.State) -> Void] {
            var state = window.state
            damage(&state)
            let other = try OscillationWindow(trainer.transformer)
            #expect(!other.restore(state) { _, _, _ in })
        }
    }
}
