/// Compares the gradients of the current plan with those of BF16, beside the run: nothing that a step depends on changes.
final class GradientProbe {
    private let transformer: Transformer
    private let arena: Arena
    /// The gradients of the current plan, laid out as the parameters are.
    private let quantized: UnsafeMutablePointer<Float>

    /// What one pass over the probe batch gave.
    private struct Pass {
        var loss: Float
        var entropies: [Double]
        /// Of each linear's GEMMs.
        var milliseconds: [Double]
    }

    /// - Throws: `UserError` if memory is short.
    init(_ transformer: Transformer) throws {
        self.transformer = transformer
        (arena, quantized) = try Arena.make { $0.reserve(transformer.parameters.layout.count) }
    }

    var memoryBytes: Int { arena.bytes }

    /// - Parameters:
    ///   - tokens, targets: [sequences, length].
    ///   - gradientScale: of a training step, so that thresholds of gradient clipping fit.
    ///   - seed, step: key what is random in the plan's formats.
    func run(
        _ tokens: UnsafePointer<Int32>, targets: UnsafePointer<Int32>, sequences: Int, length: Int,
        gradientScale: Float, seed: UInt64, step: Int
    ) -> ProbeReport {
        func gradients(_ reference: UnscaledFormat?) -> Pass {
            // Neither a training pass nor one of an evaluation.
            var pass = QuantizationPassKey(seed: seed, pass: UInt64(step) | 1 << 62)
            pass.isProbe = true
            pass.measuresEntropy = true
            pass.reference = reference
            transformer.pass = pass
            transformer.clearGradients()
            let loss = transformer.accumulateGradients(
                tokens, targets: targets, sequences: sequences, length: length, gradientScale: gradientScale)
            return Pass(
                loss: Float(loss / Double(sequences * length)),
                entropies: transformer.entropies,
                milliseconds: (0..<transformer.linearCount).map { linear in
                    let seconds = transformer.seconds(ofLinear: linear)
                    return 1e3 * (seconds.forward + seconds.backward)
                })
        }
        let current = gradients(nil)
        let layout = transformer.parameters.layout
        quantized.update(from: transformer.parameters.gradients, count: layout.count)
        let reference = gradients(transformer.plan.attentionCore)

        let total = difference(0..<layout.count)
        let modules = transformer.model.linears.enumerated().compactMap { index, path -> ProbeReport.Module? in
            // A head that shares its matrix with the embedding has no gradient of its own.
            guard let tensor = layout[path.parameter("weight")] else { return nil }
            let norms = difference(tensor.offset..<tensor.offset + tensor.count)
            return ProbeReport.Module(
                path: path, gradientError: Self.ratio(norms.error, norms.reference),
                rho: Self.ratio(norms.reference, norms.error), milliseconds: current.milliseconds[index],
                referenceMilliseconds: reference.milliseconds[index])
        }
        let attention = zip(current.entropies, reference.entropies).enumerated().map { layer, entropies in
            ProbeReport.Attention(layer: layer, entropy: entropies.0, referenceEntropy: entropies.1)
        }
        return ProbeReport(
            step: step, loss: current.loss, referenceLoss: reference.loss,
            gradientError: Self.ratio(total.error, total.reference), modules: modules, attention: attention)
    }

    /// ‖a − b‖ and ‖b‖ over a range of the gradients, a of the current plan and b of the reference.
    private func difference(_ range: Range<Int>) -> (error: Double, reference: Double) {
        let gradients = transformer.parameters.gradients
        var error = 0.0
        var reference = 0.0
        for index in range {
            let b = Double(gradients[index])
            let difference = Double(quantized[index]) - b
            error += difference * difference
            reference += b * b
        }
        return (error.squareRoot(), reference.squareRoot())
    }

    private static func ratio(_ a: Double, _ b: Double) -> Double? {
        let ratio = a / b
        return ratio.isFinite ? ratio : nil
    }
}
