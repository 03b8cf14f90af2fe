import Testing

@testable import Core

/// Gradients against finite differences of the loss, in FP32.
@Suite struct GradientTests {
    /// Shapes that the reference does not have: one layer, odd sizes, tails of every vector, biases with RoPE.
    static let shapes: [(String, ModelConfiguration)] = [
        ("gpt2", shape { _ in }),
        ("gpt2, biases", shape { $0.bias = true }),
        (
            "llama",
            shape {
                $0.norm = .rmsNorm
                $0.position = .rope
                $0.activation = .swiglu
                $0.tiedEmbeddings = false
                $0.keyValueHeads = 1
            }
        ),
        (
            "llama with biases",
            shape {
                $0.norm = .rmsNorm
                $0.position = .rope
                $0.activation = .swiglu
                $0.bias = true
            }
        ),
    ]

    private static func shape(_ change: (inout ModelConfiguration) -> Void) -> ModelConfiguration {
        var model = ModelConfiguration()
        model.layers = 1
        model.heads = 2
        model.keyValueHeads = 2
        model.width = 12
        model.context = 7
        model.feedForwardMultiple = 2
        change(&model)
        return model
    }

    @Test(arguments: shapes.map(\.0))
    func everyParameterAgreesWithFiniteDifferences(_ name: String) throws {
        let model = Self.shapes.first { $0.0 == name }!.1
        let vocabulary = 11
        let transformer = try Transformer(
            model, vocabularySize: vocabulary, capacity: 2, plan: PrecisionPlan(uniform: .fp32),
            compute: ComputeContext(tier: nil, threads: 1))
        let parameters = transformer.parameters
        // Larger than the training initialization, so that no gradient is lost in rounding.
        let random = Philox(seed: 7, stream: .initialization)
        for index in 0..<parameters.layout.count {
            parameters.values[index] = Float(random.uniform(UInt64(index)) - 0.5) * 0.8
        }
        for tensor in parameters.layout.tensors where tensor.name.hasSuffix("norm.weight") {
            for index in 0..<tensor.count { parameters.values[tensor.offset + index] += 1 }
        }
        let tokens = (0..<14).map { Int32(random.bits($0, 1) % UInt64(vocabulary)) }
        let targets = (0..<14).map { Int32(random.bits($0, 2) % UInt64(vocabulary)) }
        _ = transformer.meanLossAndGradients(tokens, targets)

        let step: Float = 1.0 / 512
        for tensor in parameters.layout.tensors {
            let gradient = transformer.gradient(tensor.name)
            let scale = Double(gradient.map(abs).max()!)
            // The exact gradient of a key bias is zero without rotation: softmax ignores a shift.
            let isZero = tensor.name.hasSuffix("attn.k.bias") && model.position == .learned
            #expect(isZero ? scale < 1e-6 : scale > 1e-4, "\(tensor.name) has gradient \(scale)")
            for index in 0..<tensor.count {
                let place = parameters.values + tensor.offset + index
                let value = place.pointee
                place.pointee = value + step
                let above = transformer.meanLoss(tokens, targets)
                place.pointee = value - step
                let below = transformer.meanLoss(tokens, targets)
                place.pointee = value
                let difference = (above - below) / Double(2 * step)
                #expect(
                    abs(difference - Double(gradient[index])) < 1e-3 * scale + 1e-4,
                    "\(tensor.name)[\(index)]: \(gradient[index]), by finite differences \(difference)")
            }
        }
    }
}
