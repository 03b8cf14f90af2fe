import Foundation
import Testing

@testable import Core

/// Linears that share their input run as one GEMM where that changes no bit: the reference runs one for each.
@Suite struct LinearGroupTests {
    @Test(
        arguments: ["bf16", "fp8", "fp4", "mxfp4", "nvfp4", "nvfp4+sr", "fp4-row", "fp4-tensor", "fp4-2d", "nvfp4-2d"],
        [4, 2])
    func partsStayThemselves(text: String, keyValueHeads: Int) throws {
        let format = try BlockFormat(parsing: text)
        var model = ModelConfiguration()
        (model.layers, model.width, model.heads, model.keyValueHeads) = (1, 128, 4, keyValueHeads)
        let compute = try ComputeContext(threads: 2)
        let layout = ParameterLayout(model, vocabularySize: 16)
        let rows = 40
        let (outputs, inputs) = (128 + 2 * model.keyValueWidth, 128)
        let (arena, memory) = try Arena.make { arena in
            (
                parameters: Parameters(layout, in: &arena), x: arena.reserve(rows * inputs, of: Float.self),
                y: arena.reserve(rows * outputs, of: Float.self), e: arena.reserve(rows * outputs, of: Float.self),
                dx: arena.reserve(rows * inputs, of: Float.self), expected: arena.reserve(128 * 384, of: Float.self)
            )
        }
        defer { withExtendedLifetime(arena) {} }
        memory.parameters.initialize(seed: 1, compute: compute)
        let random = Philox(seed: 5, stream: .initialization)
        random.fillNormal(memory.x, rows * inputs, 0..<rows * inputs, deviation: 1, tensor: 1)
        random.fillNormal(memory.e, rows * outputs, 0..<rows * outputs, deviation: 1, tensor: 2)
        let group = LinearGroup(
            ["attn.q", "attn.k", "attn.v"].map { .layer(0, $0) }, memory.parameters,
            plan: PrecisionPlan(uniform: format))
        let pass = QuantizationPassKey(seed: 3, pass: 7)
        group.forward(memory.x, into: memory.y, rows: rows, pass, compute)
        group.backward(memory.e, x: memory.x, into: memory.dx, rows: rows, pass, compute)

        func values(_ p: UnsafePointer<Float>, _ count: Int) -> [UInt32] { (0..<count).map { p[$0].bitPattern } }
        let formats = GEMMFormats(format)
        let x = MatrixView(memory.x, rows: rows, columns: inputs)
        for part in group.parts {
            let tensor = layout.tensors[part.tensor]
            let weight = MatrixView(memory.parameters.values + tensor.offset, rows: part.outputs, columns: inputs)
            compute.gemm(
                x, weight.transposed, into: memory.expected + part.start, rowStride: outputs, formats: formats,
                random: pass.random(part.tensor, 0))
        }
        #expect(values(memory.y, rows * outputs) == values(memory.expected, rows * outputs), "fprop")
        for part in group.parts {
            let tensor = layout.tensors[part.tensor]
            let weight = MatrixView(memory.parameters.values + tensor.offset, rows: part.outputs, columns: inputs)
            let e = MatrixView(memory.e + part.start, rows: rows, columns: part.outputs, rowStride: outputs)
            compute.gemm(
                e, weight, into: memory.expected, rowStride: inputs, accumulate: part.start > 0, formats: formats,
                random: pass.random(part.tensor, 1))
        }
        #expect(values(memory.dx, rows * inputs) == values(memory.expected, rows * inputs), "dgrad")
        for part in group.parts {
            let tensor = layout.tensors[part.tensor]
            let e = MatrixView(memory.e + part.start, rows: rows, columns: part.outputs, rowStride: outputs)
            compute.gemm(
                e.transposed, x, into: memory.expected, rowStride: inputs, formats: formats,
                random: pass.random(part.tensor, 2))
            let gradient = memory.parameters.gradients + tensor.offset
            #expect(values(gradient, tensor.count) == values(memory.expected, tensor.count), "wgrad of \(part.path)")
        }
    }

    /// A weight that stays packed changes no bit and no count, is really used again, and is packed anew when it has changed.
    @Test(arguments: ["bf16", "fp8", "fp4", "nvfp4", "nvfp4+sr"])
    func weightsStayPacked(text: String) throws {
        let format = try BlockFormat(parsing: text)
        var model = ModelConfiguration()
        (model.layers, model.width, model.heads, model.keyValueHeads) = (1, 64, 4, 4)
        let compute = try ComputeContext(threads: 2)
        let layout = ParameterLayout(model, vocabularySize: 16)
        let (rows, width) = (24, 64)
        let (arena, memory) = try Arena.make { arena in
            (
                parameters: Parameters(layout, in: &arena), x: arena.reserve(rows * width, of: Float.self),
                y: arena.reserve(rows * 3 * width, of: Float.self), e: arena.reserve(rows * 3 * width, of: Float.self),
                dx: arena.reserve(rows * width, of: Float.self)
            )
        }
        defer { withExtendedLifetime(arena) {} }
        memory.parameters.initialize(seed: 1, compute: compute)
        let random = Philox(seed: 5, stream: .initialization)
        random.fillNormal(memory.x, rows * width, 0..<rows * width, deviation: 1, tensor: 1)
        random.fillNormal(memory.e, rows * 3 * width, 0..<rows * 3 * width, deviation: 1, tensor: 2)
        func group(_ keeping: LinearGroup.WeightKeeping) -> (group: LinearGroup, records: LinearRecords) {
            let records = LinearRecords.allocate(linears: 3)
            let group = LinearGroup(
                ["attn.q", "attn.k", "attn.v"].map { .layer(0, $0) }, memory.parameters,
                plan: PrecisionPlan(uniform: format), records: records, keeping: keeping)
            group.reserveKeptMemory(compute)
            return (group, records)
        }
        func pass(_ group: LinearGroup, _ number: UInt64) -> [UInt32] {
            let pass = QuantizationPassKey(seed: 3, pass: number)
            group.forward(memory.x, into: memory.y, rows: rows, pass, compute)
            group.backward(memory.e, x: memory.x, into: memory.dx, rows: rows, pass, compute)
            return (0..<rows * 3 * width).map { memory.y[$0].bitPattern }
                + (0..<rows * width).map { memory.dx[$0].bitPattern }
        }
        let (plain, plainRecords) = group(.none)
        let (keeping, keepingRecords) = group(.all)
        defer {
            plainRecords.deallocate()
            keepingRecords.deallocate()
        }
        for number: UInt64 in 0..<3 {
            let isSame = pass(plain, number) == pass(keeping, number)
            #expect(isSame)
        }
        for part in 0..<3 {
            for gemm in GEMMKind.allCases {
                let (own, other) = (keeping.health(ofPart: part, gemm), plain.health(ofPart: part, gemm))
                #expect(own.a.count == other.a.count && own.b.count == other.b.count)
                #expect(own.b.underflowed == other.b.underflowed && own.b.storedBits == other.b.storedBits)
                #expect(own.a.amax == other.a.amax && own.b.amax == other.b.amax)
            }
        }
        let isKept = format.isDeterministic
        #expect((keeping.keptBytes > 6 * 64) == isKept)
        let before = pass(keeping, 7)
        for index in 0..<3 * width * width { plain.weight[index] *= 1.5 }
        #expect((pass(keeping, 7) == before) == isKept)
        keeping.forgetWeights()
        let isSame = pass(plain, 7) == pass(keeping, 7)
        #expect(isSame)
    }

    /// Micro-batches that share packed weights have the gradients of those that don't, before and after a change.
    @Test(arguments: ["fp4", "nvfp4", "fp8"])
    func microBatchesShareWeights(text: String) throws {
        var model = ModelConfiguration()
        (model.layers, model.heads, model.keyValueHeads, model.width, model.context) = (2, 2, 2, 64, 16)
        let compute = try ComputeContext(threads: 2)
        let plan = PrecisionPlan(uniform: try BlockFormat(parsing: text))
        func transformer(keepsWeights: Bool) throws -> Transformer {
            let transformer = try Transformer(
                model, vocabularySize: 48, capacity: 2, plan: plan, compute: compute, keepsWeights: keepsWeights)
            transformer.parameters.initialize(seed: 4, compute: compute)
            return transformer
        }
        let (plain, keeping) = (try transformer(keepsWeights: false), try transformer(keepsWeights: true))
        let formats = plan[.layer(0, "mlp.up")].fprop
        #expect((keeping.memoryBytes - plain.memoryBytes > 16384) == compute.packsCompactly(formats))
        func gradients(_ transformer: Transformer) -> [UInt32] {
            transformer.clearGradients()
            for microBatch in 0..<3 {
                let tokens = (0..<32).map { Int32(($0 * 7 + microBatch * 5) % 48) }
                _ = transformer.accumulateGradients(
                    tokens, targets: tokens.reversed(), sequences: 2, length: 16, gradientScale: 1.0 / 32,
                    hasSameParameters: microBatch > 0)
            }
            let parameters = transformer.parameters
            for index in 0..<parameters.layout.count { parameters.values[index] -= 0.1 * parameters.gradients[index] }
            return (0..<parameters.layout.count).map { parameters.gradients[$0].bitPattern }
        }
        for _ in 0..<3 {
            let isSame = gradients(plain) == gradients(keeping)
            #expect(isSame)
        }
    }

    /// A head whose logits have no room at once packs its weight once for all of its passes.
    @Test func aHeadInSeveralPasses() throws {
        var model = ModelConfiguration()
        (model.layers, model.heads, model.keyValueHeads, model.width, model.context) = (1, 2, 2, 32, 64)
        let compute = try ComputeContext(threads: 2)
        func transformer(capacity: Int) throws -> Transformer {
            let transformer = try Transformer(
                model, vocabularySize: 60_000, capacity: capacity, plan: PrecisionPlan(uniform: .bf16), compute: compute
            )
            transformer.parameters.initialize(seed: 4, compute: compute)
            return transformer
        }
        // 256 rows of 60,000 logits are 64 MiB.
        let (whole, one) = (try transformer(capacity: 6), try transformer(capacity: 1))
        let tokens = (0..<6 * 64).map { Int32($0 * 977 % 60_000) }
        for _ in 0..<2 {
            let loss = whole.loss(tokens, targets: tokens.reversed(), sequences: 6, length: 64)
            var sum = 0.0
            for sequence in 0..<6 {
                sum += one.loss(
                    Array(tokens[sequence * 64..<(sequence + 1) * 64]),
                    targets: Array(tokens.reversed()[sequence * 64..<(sequence + 1) * 64]), sequences: 1, length: 64)
            }
            #expect(abs(loss - sum) < 1e-9 * sum)
            for transformer in [whole, one] {
                let count = transformer.parameters.layout.count
                compute.kernels.scale(transformer.parameters.values, by: 1.5, count: count)
            }
        }
    }

    /// With several micro-batches in a step: a trainer that has packed nothing before finds the same.
    @Test(arguments: ["fp4-naive", "zhou2025"])
    func everyStepAndEvaluationTakesTheWeightsAsTheyAre(recipe: String) throws {
        let recipe = try Recipe.named(recipe)
        let configuration = PrecisionChangeTests.configuration {
            $0.training.accumulation = 2
            $0.recipe = recipe
        }
        let trainer = try PrecisionChangeTests.trainer(configuration)
        trainer.initializeParameters()
        for _ in 0..<2 { _ = try trainer.trainStep() }
        let evaluated = try trainer.evaluate()
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try trainer.saveState(to: path)
        let step = try #require(try trainer.trainStep())

        func fresh() throws -> Trainer {
            let fresh = try PrecisionChangeTests.trainer(configuration)
            try fresh.restoreState(from: path)
            return fresh
        }
        #expect(try fresh().evaluate() == evaluated)
        let expected = try #require(try fresh().trainStep())
        #expect(expected.loss == step.loss && expected.gradientNorm == step.gradientNorm)
    }
}
