import Foundation
import Testing

@testable import Core

/// The probe against a plain computation: gradients of two models, entropies from scores.
@Suite struct GradientProbeTests {
    private static func model(_ adjust: (inout ModelConfiguration) -> Void = { _ in }) -> ModelConfiguration {
        var model = ModelConfiguration()
        (model.layers, model.heads, model.keyValueHeads, model.width, model.context) = (2, 4, 2, 64, 32)
        model.tiedEmbeddings = false
        adjust(&model)
        return model
    }

    private static func transformer(_ model: ModelConfiguration, _ plan: PrecisionPlan, threads: Int = 2) throws
        -> Transformer
    {
        let compute = try ComputeContext(threads: threads)
        let transformer = try Transformer(model, vocabularySize: 64, capacity: 3, plan: plan, compute: compute)
        transformer.parameters.initialize(seed: 4, compute: compute)
        return transformer
    }

    private static let tokens: [Int32] = (0..<96).map { Int32(($0 * 37 + $0 / 7) % 64) }
    private static let targets: [Int32] = (0..<96).map { Int32(($0 * 11 + 5) % 64) }

    private static func gradients(_ transformer: Transformer, _ pass: QuantizationPassKey) -> [Float] {
        transformer.pass = pass
        transformer.clearGradients()
        _ = transformer.accumulateGradients(
            tokens, targets: targets, sequences: 3, length: 32, gradientScale: 1.0 / 96)
        return Array(
            UnsafeBufferPointer(start: transformer.parameters.gradients, count: transformer.parameters.layout.count))
    }

    @Test func errorsAreThoseOfTheGradients() throws {
        let model = Self.model()
        var plan = PrecisionPlan(uniform: .bf16)
        plan.linears[.layer(1, "mlp.up")] = LinearFormats(try BlockFormat(parsing: "fp4-tensor"))
        plan.linears[.layer(0, "attn.v")] = LinearFormats(.fp8)
        let transformer = try Self.transformer(model, plan)
        let probe = try GradientProbe(transformer)
        let report = probe.run(
            Self.tokens, targets: Self.targets, sequences: 3, length: 32, gradientScale: 1.0 / 96, seed: 1, step: 9)
        #expect(report.step == 9)
        let pass = QuantizationPassKey(seed: 1, pass: 9 | 1 << 62)
        let quantized = Self.gradients(transformer, pass)
        let reference = Self.gradients(try Self.transformer(model, PrecisionPlan(uniform: .bf16)), pass)
        #expect(report.modules.count == 2 * 6 + 1)
        for module in report.modules {
            let tensor = try #require(transformer.parameters.layout[module.path.parameter("weight")])
            let range = tensor.offset..<tensor.offset + tensor.count
            let error = range.reduce(0.0) { $0 + pow(Double(quantized[$1]) - Double(reference[$1]), 2) }.squareRoot()
            let norm = range.reduce(0.0) { $0 + pow(Double(reference[$1]), 2) }.squareRoot()
            let found = try #require(module.gradientError)
            #expect(abs(found - error / norm) < 1e-9)
            if let rho = module.rho { #expect(abs(rho * found - 1) < 1e-9) }
        }
        let worst = try #require(report.modules.max { ($0.gradientError ?? 0) < ($1.gradientError ?? 0) })
        #expect(worst.path == .layer(1, "mlp.up"))
        #expect((report.gradientError ?? 0) > 0)
    }

    @Test func bf16AgainstItselfIsNothing() throws {
        let transformer = try Self.transformer(Self.model(), PrecisionPlan(uniform: .bf16))
        let report = try GradientProbe(transformer).run(
            Self.tokens, targets: Self.targets, sequences: 3, length: 32, gradientScale: 1.0 / 96, seed: 1, step: 0)
        #expect(report.gradientError == 0)
        #expect(report.modules.allSatisfy { $0.gradientError == 0 && $0.rho == nil })
        #expect(report.loss == report.referenceLoss)
        #expect(report.attention.allSatisfy { $0.entropy == $0.referenceEntropy })
    }

    /// Queries and keys of a fresh model are almost zero, so attention is almost uniform.
    @Test func entropyOfUniformAttention() throws {
        let transformer = try Self.transformer(Self.model(), PrecisionPlan(uniform: .bf16))
        let report = try GradientProbe(transformer).run(
            Self.tokens, targets: Self.targets, sequences: 3, length: 32, gradientScale: 1.0 / 96, seed: 1, step: 0)
        let uniform = (1...32).reduce(0.0) { $0 + log(Double($1)) } / 32
        #expect(report.attention.map(\.layer) == [0, 1])
        for attention in report.attention {
            #expect(attention.entropy < uniform + 1e-4 && attention.entropy > uniform - 0.1)
        }
        // Keys and queries a hundred times as large give sharp attention.
        for name in ["layers.0.attn.q.weight", "layers.0.attn.k.weight"] {
            let tensor = try #require(transformer.parameters.layout[name])
            for index in 0..<tensor.count { transformer.parameters.values[tensor.offset + index] *= 30 }
        }
        let sharp = try GradientProbe(transformer).run(
            Self.tokens, targets: Self.targets, sequences: 3, length: 32, gradientScale: 1.0 / 96, seed: 1, step: 0)
        #expect(sharp.attention[0].entropy < 0.5 * uniform)
        #expect(sharp.attention[1].entropy > 0.8 * uniform)
    }

    @Test func clippingStatisticsAreLeftAlone() throws {
        var plan = PrecisionPlan(uniform: .fp4)
        plan.clipping.scope = .module
        plan.clipping.limit = 1
        func steps(probing: Bool) throws -> [Float] {
            let transformer = try Self.transformer(Self.model(), plan)
            let probe = try GradientProbe(transformer)
            for step in 0..<2 {
                _ = Self.gradients(transformer, QuantizationPassKey(seed: 1, pass: UInt64(step)))
                if probing {
                    _ = probe.run(
                        Self.tokens, targets: Self.targets, sequences: 3, length: 32, gradientScale: 1.0 / 96, seed: 1,
                        step: step)
                }
            }
            return Self.gradients(transformer, QuantizationPassKey(seed: 1, pass: 2))
        }
        let (plain, probed) = (try steps(probing: false), try steps(probing: true))
        let areSame = plain == probed
        #expect(areSame)
        plan.clipping.scope = nil
        let areClipped = try steps(probing: false) != plain
        #expect(areClipped)
    }

    @Test(arguments: ["zhou2025", "tetrajet", "quartet2"])
    func aRunIsTheSameWithProbes(recipe: String) throws {
        func parameters(probing: Bool) throws -> [UInt32] {
            var configuration = TrainingEngineTests.configuration()
            configuration.recipe = try Recipe.named(recipe)
            configuration.health.probeEvery = 1
            let trainer = try Trainer(
                configuration, corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed))
            trainer.initializeParameters()
            for _ in 0..<4 {
                trainer.tracksWeights = probing
                trainer.watchesOscillation = probing
                _ = try trainer.trainStep()
                guard probing else { continue }
                let report = try trainer.probe()
                #expect((report.gradientError ?? 0) > 0)
                #expect(report.modules.contains { ($0.flipRate ?? 0) > 0 && ($0.oscillation ?? 0) > 0 })
            }
            return (0..<trainer.parameters.layout.count).map { trainer.parameters.values[$0].bitPattern }
        }
        let areSame = try parameters(probing: true) == parameters(probing: false)
        #expect(areSame)
    }

    @Test func weightsThatMove() throws {
        var plan = PrecisionPlan(uniform: .bf16)
        plan.linears[.layer(0, "mlp.up")] = LinearFormats(try BlockFormat(parsing: "mxfp4"))
        let transformer = try Self.transformer(Self.model(), plan)
        let tensor = try #require(transformer.parameters.layout["layers.0.mlp.up.weight"])
        let weights = transformer.parameters.values + tensor.offset
        // In one block of zeros a 6 sets the scale 1; another value goes from 0.6, which rounds to 0.5, to 0.8, that is to 1.
        for index in 0..<32 { weights[index] = 0 }
        weights[0] = 6
        weights[1] = 0.6
        let tracker = WeightTracker(transformer)
        weights[1] = 0.8
        let rates = tracker.flipRates()
        #expect(rates.count == 1)
        #expect(abs(try #require(rates[.layer(0, "mlp.up")]) - 1 / Double(tensor.count)) < 1e-12)
    }
}
