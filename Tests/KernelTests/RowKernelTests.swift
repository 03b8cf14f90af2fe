import Foundation
import KernelInterface
import Testing

@testable import Core

/// Norms, softmax and cross-entropy of one row against their definitions in Double.
@Suite struct RowKernelTests {
    private func rows(_ count: Int, _ number: Int, range: Float = 2) -> [[Float]] {
        var numbers = TestNumbers(seed: UInt64(count * 8 + number + 1000))
        return (0..<number).map { _ in numbers.row(count, range: range) }
    }

    private func mean(_ values: [Double]) -> Double { values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count) }

    /// (x − mean) / √(variance + epsilon), or x / √(mean of x² + epsilon).
    private func normal(_ x: [Double], centred: Bool, epsilon: Double) -> (rows: [Double], mean: Double, rstd: Double) {
        let middle = centred ? mean(x) : 0
        let rstd = 1 / (mean(x.map { ($0 - middle) * ($0 - middle) }) + epsilon).squareRoot()
        return (x.map { ($0 - middle) * rstd }, middle, rstd)
    }

    /// dL/dx of L = Σ dy · gain · normal(x), by the chain rule over the Jacobian.
    private func normGradient(_ x: [Double], _ flow: [Double], centred: Bool, epsilon: Double) -> [Double] {
        let (normal, _, rstd) = normal(x, centred: centred, epsilon: epsilon)
        let n = Double(x.count)
        return x.indices.map { j in
            x.indices.reduce(0.0) { total, i in
                let same = (i == j ? 1 : 0) - (centred ? 1 / n : 0)
                return total + flow[i] * rstd * (same - normal[i] * normal[j] / n)
            }
        }
    }

    @Test(arguments: counts, [true, false]) func layerNorm(n: Int, hasBias: Bool) {
        let inputs = rows(n, 7)
        let x = inputs[0].map { $0 + 3 }
        let result = onEveryTier([x] + inputs[1...]) { kernels, r in
            let saved = kernels.layerNorm(
                r[0], gain: r[1], bias: hasBias ? ReadRow(r[2]) : nil, into: r[6], count: n, epsilon: 1e-3)
            kernels.layerNormBackward(
                r[0], gain: r[1], dy: r[3], mean: saved.mean, rstd: saved.rstd, dx: r[4], dGain: r[5],
                dBias: hasBias ? r[2] : nil, count: n)
            return [saved.mean, saved.rstd]
        }
        if n == 0 { return }
        let doubles = ([x] + inputs[1...]).map { $0.map(Double.init) }
        let expected = normal(doubles[0], centred: true, epsilon: 1e-3)
        expectClose(result.returned, [expected.mean, expected.rstd], relative: 1e-5)
        let output = (0..<n).map { expected.rows[$0] * doubles[1][$0] + (hasBias ? doubles[2][$0] : 0) }
        expectClose(result.rows[6], output, relative: 1e-5, absolute: 1e-5)
        let flow = zip(doubles[3], doubles[1]).map { $0 * $1 }
        let gradient = normGradient(doubles[0], flow, centred: true, epsilon: 1e-3)
        expectClose(result.rows[4], zip(doubles[4], gradient).map { $0 + $1 }, relative: 1e-4, absolute: 1e-4)
        expectClose(
            result.rows[5], (0..<n).map { doubles[5][$0] + doubles[3][$0] * expected.rows[$0] }, relative: 1e-5,
            absolute: 1e-5)
        expectClose(result.rows[2], (0..<n).map { doubles[2][$0] + (hasBias ? doubles[3][$0] : 0) })
    }

    @Test(arguments: counts) func rmsNorm(n: Int) {
        let inputs = rows(n, 6)
        let result = onEveryTier(inputs) { kernels, r in
            let rstd = kernels.rmsNorm(r[0], gain: r[1], into: r[5], count: n, epsilon: 1e-3)
            kernels.rmsNormBackward(r[0], gain: r[1], dy: r[2], rstd: rstd, dx: r[3], dGain: r[4], count: n)
            return [rstd]
        }
        if n == 0 { return }
        let doubles = inputs.map { $0.map(Double.init) }
        let expected = normal(doubles[0], centred: false, epsilon: 1e-3)
        expectClose(result.returned, [expected.rstd])
        expectClose(result.rows[5], (0..<n).map { expected.rows[$0] * doubles[1][$0] })
        let flow = zip(doubles[2], doubles[1]).map { $0 * $1 }
        let gradient = normGradient(doubles[0], flow, centred: false, epsilon: 1e-3)
        expectClose(result.rows[3], zip(doubles[3], gradient).map { $0 + $1 }, relative: 1e-4, absolute: 1e-4)
        expectClose(result.rows[4], (0..<n).map { doubles[4][$0] + doubles[2][$0] * expected.rows[$0] }, absolute: 4e-6)
    }

    private func softmax(_ x: [Double]) -> (p: [Double], logSumExp: Double) {
        let top = x.max() ?? 0
        let logSumExp = top + Foundation.log(x.reduce(0) { $0 + Foundation.exp($1 - top) })
        return (x.map { Foundation.exp($0 - logSumExp) }, logSumExp)
    }

    @Test(arguments: counts) func softmaxAndItsGradient(n: Int) {
        let inputs = rows(n, 2, range: 20)
        let scale: Float = 0.125
        let result = onEveryTier(inputs + [inputs[0]]) { kernels, r in
            let logSumExp = kernels.softmax(r[0], scale: scale, count: n)
            let delta = kernels.dot(r[0], r[1], count: n)
            kernels.softmaxBackward(
                scores: r[2], dP: r[1], logSumExp: logSumExp, delta: delta, scale: scale, count: n)
            return [logSumExp]
        }
        if n == 0 {
            #expect(result.returned == [-.infinity])
            return
        }
        let expected = softmax(inputs[0].map { Double($0) * Double(scale) })
        let dP = inputs[1].map(Double.init)
        let delta = zip(expected.p, dP).reduce(0) { $0 + $1.0 * $1.1 }
        expectClose(result.returned, [expected.logSumExp])
        expectClose(result.rows[0], expected.p, relative: 2e-6, absolute: 1e-9)
        expectClose(result.rows[2], expected.p, relative: 3e-6, absolute: 1e-9)
        expectClose(
            result.rows[1], (0..<n).map { expected.p[$0] * (dP[$0] - delta) * Double(scale) }, relative: 1e-5,
            absolute: 1e-5)
    }

    @Test(arguments: counts.dropFirst() + [50_257]) func crossEntropy(n: Int) {
        let logits = rows(n, 1, range: 9)[0]
        let target = n * 2 / 3
        let result = onEveryTier([logits]) { kernels, r in
            let loss = kernels.crossEntropyLoss(r[0], target: target, count: n)
            #expect((0..<n).allSatisfy { r[0][$0] == logits[$0] })
            return [loss, kernels.crossEntropy(r[0], target: target, gradientScale: 0.25, count: n)]
        }
        let expected = softmax(logits.map(Double.init))
        let loss = expected.logSumExp - Double(logits[target])
        expectClose(result.returned, [loss, loss], relative: 2e-6, absolute: 2e-6)
        let gradient = (0..<n).map { (expected.p[$0] - ($0 == target ? 1 : 0)) * 0.25 }
        expectClose(result.rows[0], gradient, relative: 5e-6, absolute: 1e-7)
    }

    @Test func crossEntropyOfLogitsThatAreNotFinite() {
        for bad in [Float.nan, .infinity, -.infinity] {
            for (at, target) in [(0, 5), (5, 5), (20, 5), (20, 20), (16, 0)] {
                var logits = [Float](repeating: 0.5, count: 21)
                logits[at] = bad
                let result = onEveryTier([logits]) { kernels, r in
                    [
                        kernels.crossEntropyLoss(r[0], target: target, count: 21),
                        kernels.crossEntropy(r[0], target: target, gradientScale: 1, count: 21),
                    ]
                }
                #expect(result.returned.allSatisfy { !$0.isFinite })
            }
        }
    }

    /// Logits far apart neither overflow nor lose the loss.
    @Test func crossEntropyOfLargeLogits() {
        let result = onEveryTier([[1e4, -1e4, 3e4]]) { kernels, r in
            [kernels.crossEntropy(r[0], target: 1, gradientScale: 1, count: 3)]
        }
        #expect(result.returned == [4e4])
        #expect(result.rows[0] == [0, -1, 1])
    }
}
