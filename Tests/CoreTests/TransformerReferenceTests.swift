import Testing

@testable import Core

/// The Transformer against PyTorch in float64, in FP32.
@Suite struct TransformerReferenceTests {
    @Test(arguments: ReferenceModel.names)
    func logitsAgree(_ name: String) throws {
        let reference = try ReferenceModel(name)
        let transformer = try reference.transformer()
        let expected = try reference.floats("logits")
        var logits = [Float](repeating: .nan, count: expected.count)
        logits.withUnsafeMutableBufferPointer {
            transformer.logits(
                try! reference.integers("tokens"), sequences: reference.batch, length: reference.model.context,
                into: $0.baseAddress!)
        }
        #expect(largestDifference(logits, expected) < 2e-5)
    }

    @Test(arguments: ReferenceModel.names)
    func lossAndGradientsAgree(_ name: String) throws {
        let reference = try ReferenceModel(name)
        let transformer = try reference.transformer()
        let tokens = try reference.integers("tokens")
        let targets = try reference.integers("targets")
        let loss = transformer.meanLossAndGradients(tokens, targets)
        #expect(abs(loss - Double(try reference.floats("loss")[0])) < 2e-6)
        #expect(transformer.meanLoss(tokens, targets) == loss)
        for tensor in transformer.parameters.layout.tensors {
            let expected = try reference.floats("grad." + tensor.name)
            let scale = max(1e-3, expected.map(abs).max()!)
            #expect(
                largestDifference(transformer.gradient(tensor.name), expected) < 2e-5 * scale,
                "gradient of \(tensor.name)")
        }
    }

    /// Ten steps of AdamW with clipping: losses, gradient norms and final parameters.
    @Test(arguments: ReferenceModel.names)
    func tenStepsOfTrainingAgree(_ name: String) throws {
        let reference = try ReferenceModel(name)
        let transformer = try reference.transformer()
        let optimizer = try AdamW(
            transformer.parameters, reference.configuration.optimizer, compute: transformer.compute)
        let tokens = try reference.integers("train.tokens")
        let targets = try reference.integers("train.targets")
        let losses = try reference.floats("train.losses")
        let norms = try reference.floats("train.gradient_norms")
        let count = tokens.count / losses.count
        var clipped = 0
        for step in 0..<losses.count {
            let part = step * count..<(step + 1) * count
            let loss = transformer.meanLossAndGradients(Array(tokens[part]), Array(targets[part]))
            let norm = optimizer.gradientNorm()
            #expect(abs(Float(loss) - losses[step]) < 2e-5, "loss of step \(step)")
            #expect(abs(norm - norms[step]) < 1e-4 * norms[step], "gradient norm of step \(step)")
            let clip = Float(reference.configuration.optimizer.clip)
            if norm > clip { clipped += 1 }
            optimizer.update(
                step: step + 1, learningRate: reference.configuration.optimizer.learningRate,
                gradientScale: min(1, clip / norm))
        }
        #expect(clipped > 0, "the fixture should exercise clipping")
        for tensor in transformer.parameters.layout.tensors {
            // The exact gradient of a key bias is zero (softmax ignores a shift): Adam magnifies its rounding noise.
            if tensor.name.hasSuffix("attn.k.bias") { continue }
            let values = UnsafeBufferPointer(start: transformer.parameters.values + tensor.offset, count: tensor.count)
            let expected = try reference.floats("final." + tensor.name)
            let sum = values.reduce(0.0) { $0 + Double($1) }
            let squares = values.reduce(0.0) { $0 + Double($1) * Double($1) }
            #expect(abs(sum - Double(expected[0])) < 2e-3, "sum of \(tensor.name)")
            #expect(abs(squares - Double(expected[1])) < 1e-3 * Double(expected[1]) + 1e-5, "squares of \(tensor.name)")
        }
    }

    private func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
        precondition(a.count == b.count)
        return zip(a, b).reduce(0) { largest, pair in
            let difference = abs(pair.0 - pair.1)
            return difference.isNaN ? .infinity : max(largest, difference)
        }
    }
}
