import Testing

@testable import Core

@Suite struct DecoderTests {
    /// Token by token with kept keys and values, the logits are those of the whole sequence.
    @Test(arguments: ReferenceModel.names, UnscaledFormat.allCases)
    func logitsEqualTheTransformers(_ name: String, _ format: UnscaledFormat) throws {
        let reference = try ReferenceModel(name)
        let transformer = try reference.transformer(BlockFormat(format))
        let decoder = try IncrementalDecoder(
            reference.model, vocabularySize: reference.vocabularySize, format: format, compute: transformer.compute)
        decoder.load(transformer.parameters.values)
        let context = reference.model.context
        let tokens = Array(try reference.integers("tokens").prefix(context))
        var expected = [Float](repeating: .nan, count: context * reference.vocabularySize)
        expected.withUnsafeMutableBufferPointer {
            transformer.logits(tokens, sequences: 1, length: context, into: $0.baseAddress!)
        }
        // BF16 may round a sum that came out in another order to the neighbour.
        let tolerance: Float = format == .fp32 ? 1e-4 : 0.05
        for (position, token) in tokens.enumerated() {
            let logits = decoder.read(token)
            for index in 0..<reference.vocabularySize {
                #expect(abs(logits[index] - expected[position * reference.vocabularySize + index]) < tolerance)
            }
        }
    }

    /// Beyond the context, the younger half is read again: the logits are those of that half and what followed.
    @Test func aFullContextGoesOnWithItsYoungerHalf() throws {
        let reference = try ReferenceModel("llama")
        let transformer = try reference.transformer()
        let decoder = try IncrementalDecoder(
            reference.model, vocabularySize: reference.vocabularySize, format: .fp32, compute: transformer.compute)
        decoder.load(transformer.parameters.values)
        let tokens = try reference.integers("tokens").prefix(13)
        var last: [Float] = []
        for token in tokens {
            last = Array(UnsafeBufferPointer(start: decoder.read(token), count: reference.vocabularySize))
        }
        decoder.reset()
        var expected: [Float] = []
        for token in tokens[5..<13] {
            expected = Array(UnsafeBufferPointer(start: decoder.read(token), count: reference.vocabularySize))
        }
        #expect(last == expected)
    }
}

/// Contexts longer than one block of queries, and widths that fill several panels.
@Suite struct LongContextTests {
    @Test(arguments: [100, 256])
    func logitsEqualTheDecoders(_ context: Int) throws {
        var model = ModelConfiguration()
        model.layers = 2
        model.heads = 2
        model.keyValueHeads = 1
        model.width = 128
        model.context = context
        let compute = try ComputeContext(tier: nil, threads: 2)
        let transformer = try Transformer(
            model, vocabularySize: 256, capacity: 2, plan: PrecisionPlan(uniform: .fp32), compute: compute)
        transformer.parameters.initialize(seed: 3, compute: compute)
        for index in 0..<transformer.parameters.layout.decayedCount { transformer.parameters.values[index] *= 8 }
        let random = Philox(seed: 5, stream: .validationBatch)
        let tokens = (0..<2 * context).map { Int32(random.bits(UInt64($0)) & 255) }
        var expected = [Float](repeating: .nan, count: 2 * context * 256)
        expected.withUnsafeMutableBufferPointer {
            transformer.logits(tokens, sequences: 2, length: context, into: $0.baseAddress!)
        }
        let decoder = try IncrementalDecoder(model, vocabularySize: 256, format: .fp32, compute: compute)
        decoder.load(transformer.parameters.values)
        for (position, token) in tokens.enumerated() {
            if position == context { decoder.reset() }
            let logits = decoder.read(token)
            var largest: Float = 0
            for index in 0..<256 { largest = max(largest, abs(logits[index] - expected[position * 256 + index])) }
            #expect(largest < 1e-3, "position \(position)")
        }
    }
}
