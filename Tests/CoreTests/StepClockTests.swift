import Testing

@testable import Core

/// Time belongs to the part that took it.
@Suite struct StepClockTests {
    private static func transformer(_ recipe: String) throws -> Transformer {
        var model = ModelConfiguration()
        (model.layers, model.heads, model.keyValueHeads, model.width, model.context) = (2, 2, 2, 32, 16)
        let transformer = try Transformer(
            model, vocabularySize: 32, capacity: 2, plan: try Recipe.named(recipe).plan(for: model),
            compute: try ComputeContext(threads: 2))
        transformer.parameters.initialize(seed: 4, compute: transformer.compute)
        return transformer
    }

    private static let tokens = (0..<32).map { Int32($0 * 7 % 32) }

    /// The parts that took time in some work.
    private static func parts(of transformer: Transformer, _ work: () -> Void) -> Set<StepPart> {
        let before = transformer.compute.clock
        work()
        let after = transformer.compute.clock
        return Set(StepPart.allCases.filter { after[$0] > before[$0] })
    }

    @Test(arguments: ["bf16", "nvfp4", "quartet", "zhou2025"])
    func partsOfAPass(recipe: String) throws {
        let transformer = try Self.transformer(recipe)
        let forward: Set<StepPart> = [.fprop, .pack, .attention, .norm, .activation, .loss, .embedding]
        let found = Self.parts(of: transformer) {
            _ = transformer.loss(Self.tokens, targets: Self.tokens, sequences: 2, length: 16)
        }
        #expect(found == forward)
        let both = Self.parts(of: transformer) {
            _ = transformer.accumulateGradients(
                Self.tokens, targets: Self.tokens, sequences: 2, length: 16, gradientScale: 1)
        }
        #expect(both == forward.union([.dgrad, .wgrad]).union(recipe == "zhou2025" ? [.clip] : []))
        #expect(Self.parts(of: transformer) { transformer.clearGradients() } == [.optimizer])
    }

    @Test(arguments: [StepPart.fprop, .dgrad, .wgrad])
    func aProductsTimeGoesToItsPart(part: StepPart) throws {
        let compute = try ComputeContext(threads: 1)
        let x = [Float](repeating: 1, count: 4096)
        var y = [Float](repeating: 0, count: 4096)
        let before = compute.clock
        x.withUnsafeBufferPointer { x in
            y.withUnsafeMutableBufferPointer { y in
                let view = MatrixView(x.baseAddress!, rows: 64, columns: 64)
                compute.gemm(
                    view, view.transposed, into: y.baseAddress!, rowStride: 64, formats: GEMMFormats(.bf16), part: part)
            }
        }
        #expect(Set(StepPart.allCases.filter { compute.clock[$0] > before[$0] }) == [.pack, part])
    }

    @Test func namesAreDistinct() {
        #expect(Set(StepPart.allCases.map(\.name)).count == StepPart.allCases.count)
        #expect(Set(StepPart.allCases.map(\.key)).count == StepPart.allCases.count)
        #expect(StepPart.pack.key == "pack")
        #expect(StepPart.allCases.count <= SIMD16<Double>.scalarCount)
    }
}
