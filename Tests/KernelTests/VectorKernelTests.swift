import Foundation
import KernelInterface
import Testing

@testable import Core

/// Every vector function against its definition in Double, for every short count and some longer, with the same bits on all
/// tiers and nothing written outside the row.
@Suite struct VectorKernelTests {
    private func rows(_ count: Int, _ number: Int, range: Float = 2) -> [[Float]] {
        var numbers = TestNumbers(seed: UInt64(count * 8 + number))
        return (0..<number).map { _ in numbers.row(count, range: range) }
    }

    @Test(arguments: counts) func elementwise(n: Int) {
        let inputs = rows(n, 2)
        let (x, y) = (inputs[0].map(Double.init), inputs[1].map(Double.init))
        let added = onEveryTier(inputs + [[Float](repeating: 0, count: n)]) { kernels, r in
            kernels.add(r[0], r[1], into: r[2], count: n)
            return []
        }
        expectClose(added.rows[2], zip(x, y).map { $0 + $1 })
        let accumulated = onEveryTier(inputs) { kernels, r in
            kernels.accumulate(r[0], into: r[1], count: n)
            return []
        }
        #expect(accumulated.rows == [inputs[0], added.rows[2]])
        let axpy = onEveryTier(inputs) { kernels, r in
            kernels.axpy(-1.75, r[0], into: r[1], count: n)
            return []
        }
        expectClose(axpy.rows[1], zip(x, y).map { $1 - 1.75 * $0 })
        let scaled = onEveryTier(inputs) { kernels, r in
            kernels.scale(r[0], by: 0.3, count: n)
            kernels.fill(r[1], with: 7.5, count: n)
            return []
        }
        expectClose(scaled.rows[0], x.map { $0 * Double(Float(0.3)) })
        #expect(scaled.rows[1] == [Float](repeating: 7.5, count: n))
    }

    @Test(arguments: counts) func sums(n: Int) {
        let inputs = rows(n, 2)
        let result = onEveryTier(inputs) { kernels, r in
            [kernels.sumOfSquares(r[0], count: n), kernels.dot(r[0], r[1], count: n)]
        }
        let squares = inputs[0].reduce(0.0) { $0 + Double($1) * Double($1) }
        let products = zip(inputs[0], inputs[1]).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        expectClose(result.returned, [squares, products], absolute: 1e-6 * Double(n + 1))
    }

    /// Sums to the bit: lanes of 16 columns, added from the first to the last.
    @Test(arguments: counts) func clippingOfARow(n: Int) {
        var inputs = rows(n, 1, range: 2)[0]
        if n > 3 { (inputs[1], inputs[3]) = (-1.25, -0.0) }
        let (threshold, factor): (Float, Float) = (1.25, 1.0625)
        let found = onEveryTier([inputs, inputs]) { kernels, r in
            let sums = kernels.clippingSums(r[0], count: n, threshold: threshold)
            kernels.clip(r[0], into: r[1], count: n, threshold: threshold, factor: factor)
            return [
                sums.squares, sums.clippedSquares, sums.magnitudes, sums.clippedMagnitudes, Float(sums.clipped),
            ]
        }
        let limited = inputs.map { min($0.magnitude, threshold) }
        func sum(_ values: [Float]) -> Float {
            var lanes = [Float](repeating: 0, count: 16)
            for (index, value) in values.enumerated() { lanes[index % 16] += value }
            return lanes.dropFirst().reduce(lanes[0], +)
        }
        #expect(
            found.returned == [
                sum(inputs.map { $0 * $0 }), sum(limited.map { $0 * $0 }), sum(inputs.map(\.magnitude)), sum(limited),
                Float(inputs.count { $0.magnitude > threshold }),
            ])
        #expect(found.rows[1] == inputs.map { min(max($0, -threshold), threshold) * factor })
    }

    @Test func clippingLeavesWhatIsNotFinite() {
        let inputs: [Float] = [.nan, .infinity, -.infinity, 3]
        let found = onEveryTier([inputs, inputs]) { kernels, r in
            let sums = kernels.clippingSums(r[0], count: 4, threshold: 2)
            kernels.clip(r[0], into: r[1], count: 4, threshold: 2, factor: 1)
            return [sums.clippedSquares, Float(sums.clipped)]
        }
        #expect(found.rows[1][0].isNaN && found.rows[1].dropFirst() == [2, -2, 2])
        #expect(found.returned[0].isNaN && found.returned[1] == 3)
    }

    @Test func sumOfSquaresShowsWhatIsNotFinite() {
        for bad in [Float.nan, .infinity, -.infinity, 1e30] {
            for at in [0, 15, 16, 36] {
                var row = [Float](repeating: 1, count: 37)
                row[at] = bad
                let result = onEveryTier([row]) { kernels, r in [kernels.sumOfSquares(r[0], count: 37)] }
                #expect(!result.returned[0].isFinite)
            }
        }
    }

    @Test func roundingToBF16() {
        // Ties and their neighbours on both sides, for even and odd last bits, signs and exponents; subnormals; the ends.
        var bits: [UInt32] = []
        for high: UInt32 in [0x0000, 0x0001, 0x007F, 0x0080, 0x3F80, 0x3F81, 0x4049, 0x7F7E, 0x7F7F, 0x7F80] {
            for low: UInt32 in [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF] where high != 0x7F80 || low == 0 {
                bits += [high << 16 | low, high << 16 | low | 0x8000_0000]
            }
        }
        let inputs = bits.map { Float(bitPattern: $0) }
        let result = onEveryTier([inputs, inputs]) { kernels, r in
            kernels.roundToBF16(r[0], into: r[1], count: inputs.count)
            return []
        }
        for (x, y) in zip(inputs, result.rows[1]) {
            let below = Double(Float(bitPattern: x.bitPattern & 0xFFFF_0000))
            let step = max(abs(below).ulp * 0x1p45, 0x1p-133)
            let above = below + (x.sign == .minus ? -step : step)
            let middle = (below + above) / 2
            let isEven = x.bitPattern & 0x1_0000 == 0
            let expected: Double =
                abs(Double(x)) == abs(middle) ? (isEven ? below : above) : abs(Double(x)) < abs(middle) ? below : above
            let overflows = abs(expected) >= 0x1p128
            #expect(x.isInfinite ? y == x : overflows ? y.isInfinite : Double(y) == expected, "\(x) → \(y)")
            #expect(y.sign == x.sign)
        }
        let nan = [Float(bitPattern: 0x7F80_0001), Float(bitPattern: 0xFFFF_FFFF), .nan]
        let rounded = onEveryTier([nan]) { kernels, r in
            kernels.roundToBF16(r[0], into: r[0], count: 3)
            return []
        }
        #expect(rounded.rows[0].allSatisfy { $0.isNaN && $0.bitPattern & 0xFFFF == 0 })
    }

    @Test func exponential() {
        let inputs = (-2100...1800).map { Float($0) / 20 } + rows(500, 1, range: 1)[0]
        let result = onEveryTier([inputs, inputs]) { kernels, r in
            kernels.exp(r[0], into: r[1], count: inputs.count)
            return []
        }
        for (x, y) in zip(inputs, result.rows[1]) {
            let expected = Foundation.exp(Double(x))
            if expected >= 0x1.ffffffp127 {
                #expect(y == .infinity)
            } else {
                // Below the normal numbers a unit in the last place is 2⁻¹⁴⁹.
                #expect(abs(Double(y) - expected) <= 2e-7 * expected + 0x1p-149, "exp(\(x)) = \(y)")
            }
        }
        expectExtremes([-.infinity, -1e4, -0.0, 0, 1e4, .infinity], [0, 0, 1, 1, .infinity, .infinity]) {
            $0.exp($1, into: $2, count: $3)
        }
    }

    @Test func hyperbolicTangent() {
        let inputs = (-1000...1000).map { Float($0) / 97 } + [1e-20, -1e-30, 0.624, 0.6251]
        let result = onEveryTier([inputs, inputs]) { kernels, r in
            kernels.tanh(r[0], into: r[1], count: inputs.count)
            return []
        }
        expectClose(result.rows[1], inputs.map { Foundation.tanh(Double($0)) }, relative: 3e-7, absolute: 0)
        expectExtremes([-.infinity, -1e4, 0, 1e4, .infinity], [-1, -1, 0, 1, 1]) { $0.tanh($1, into: $2, count: $3) }
    }

    private func expectExtremes(
        _ inputs: [Float], _ expected: [Float],
        _ function: (any KernelTable, ReadRow, WriteRow, Int) -> Void
    ) {
        let result = onEveryTier([inputs + [.nan], inputs + [0]]) { kernels, r in
            function(kernels, r[0], r[1], inputs.count + 1)
            return []
        }
        #expect(result.rows[1].dropLast().map { abs($0) < 1e-30 ? 0 : $0 } == expected)
        #expect(result.rows[1].last?.isNaN == true)
    }

    private func gelu(_ x: Double) -> Double {
        0.5 * x * (1 + Foundation.tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }

    private func sigmoid(_ x: Double) -> Double { 1 / (1 + Foundation.exp(-x)) }

    /// Central difference of a smooth function.
    private func slope(_ x: Double, _ f: (Double) -> Double) -> Double { (f(x + 1e-5) - f(x - 1e-5)) / 2e-5 }

    @Test(arguments: counts) func geluAndItsGradient(n: Int) {
        let inputs = rows(n, 2, range: 6)
        let result = onEveryTier(inputs + inputs) { kernels, r in
            kernels.gelu(r[0], into: r[2], count: n)
            kernels.geluBackward(r[0], r[1], into: r[3], count: n)
            return []
        }
        let inPlace = onEveryTier(inputs) { kernels, r in
            kernels.geluBackward(r[0], r[1], into: r[0], count: n)
            return []
        }
        #expect(inPlace.rows[0] == result.rows[3])
        expectClose(result.rows[2], inputs[0].map { gelu(Double($0)) })
        let expected = zip(inputs[0], inputs[1]).map { slope(Double($0), gelu) * Double($1) }
        expectClose(result.rows[3], expected, absolute: 3e-6)
    }

    @Test func geluAtTheExtremes() {
        expectExtremes([-.infinity, -1e4, -30, 30, 1e4, .infinity], [0, 0, 0, 30, 1e4, .infinity]) {
            $0.gelu($1, into: $2, count: $3)
        }
        expectExtremes([-.infinity, -1e4, 1e4, .infinity], [0, 0, 1, 1]) { kernels, x, y, n in
            kernels.fill(y, with: 1, count: n)
            kernels.geluBackward(x, y, into: y, count: n)
        }
    }

    @Test(arguments: counts) func swigluAndItsGradients(n: Int) {
        let inputs = rows(n, 3, range: 6)
        let result = onEveryTier(inputs + inputs) { kernels, r in
            kernels.swiglu(gate: r[0], up: r[1], into: r[3], count: n)
            kernels.swigluBackward(gate: r[0], up: r[1], dy: r[2], dGate: r[4], dUp: r[5], count: n)
            return []
        }
        let inPlace = onEveryTier(inputs) { kernels, r in
            kernels.swigluBackward(gate: r[0], up: r[1], dy: r[2], dGate: r[0], dUp: r[1], count: n)
            return []
        }
        #expect(inPlace.rows[0] == result.rows[4] && inPlace.rows[1] == result.rows[5])
        func silu(_ x: Double) -> Double { x * sigmoid(x) }
        let indices = 0..<n
        expectClose(result.rows[3], indices.map { silu(Double(inputs[0][$0])) * Double(inputs[1][$0]) })
        expectClose(
            result.rows[4],
            indices.map { slope(Double(inputs[0][$0]), silu) * Double(inputs[1][$0]) * Double(inputs[2][$0]) },
            absolute: 1e-5)
        expectClose(result.rows[5], indices.map { silu(Double(inputs[0][$0])) * Double(inputs[2][$0]) })
    }

    @Test func swigluAtTheExtremes() {
        expectExtremes([-.infinity, -1e4, -200, 200, 1e4, .infinity], [0, 0, 0, 200, 1e4, .infinity]) {
            kernels, x, y, n in
            kernels.fill(y, with: 1, count: n)
            kernels.swiglu(gate: x, up: y, into: y, count: n)
        }
    }

    @Test(arguments: counts) func rope(n: Int) {
        var numbers = TestNumbers(seed: UInt64(n))
        let x = numbers.row(2 * n)
        let angles = numbers.row(n, range: 3).map(Double.init)
        let cosines = angles.map { Float(Foundation.cos($0)) }
        let sines = angles.map { Float(Foundation.sin($0)) }
        let turned = onEveryTier([x, cosines, sines]) { kernels, r in
            kernels.rope(r[0], cos: r[1], sin: r[2], half: n)
            return []
        }
        let expected = (0..<2 * n).map { i in
            let (a, b, angle) = (Double(x[i % n]), Double(x[i % n + n]), angles[i % n])
            return i < n
                ? a * Foundation.cos(angle) - b * Foundation.sin(angle)
                : b * Foundation.cos(angle) + a * Foundation.sin(angle)
        }
        expectClose(turned.rows[0], expected)
        let back = onEveryTier(turned.rows) { kernels, r in
            kernels.ropeInverse(r[0], cos: r[1], sin: r[2], half: n)
            return []
        }
        expectClose(back.rows[0], x.map(Double.init))
    }

    @Test(arguments: counts) func adamW(n: Int) {
        let inputs = rows(n, 4)
        let start = [inputs[0], inputs[1], inputs[2], inputs[3].map { $0 * $0 }]
        let (rate, beta1, beta2, epsilon, decay, step) = (0.01, 0.9, 0.95, 1e-8, 0.1, 3.0)
        let (correction1, correction2) = (1 - pow(beta1, step), 1 - pow(beta2, step))
        let coefficients = AdamWStep(
            learningRate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay,
            biasCorrection1: correction1, biasCorrection2: correction2, gradientScale: 0.5)
        let result = onEveryTier(start) { kernels, r in
            kernels.adamW(r[0], gradients: r[1], m: r[2], v: r[3], count: n, coefficients)
            return []
        }
        var expected = start.map { $0.map(Double.init) }
        for i in 0..<n {
            let gradient = expected[1][i] * 0.5
            expected[2][i] = beta1 * expected[2][i] + (1 - beta1) * gradient
            expected[3][i] = beta2 * expected[3][i] + (1 - beta2) * gradient * gradient
            expected[0][i] *= 1 - rate * decay
            expected[0][i] -=
                rate / correction1 * expected[2][i] / ((expected[3][i] / correction2).squareRoot() + epsilon)
        }
        for row in 0..<4 { expectClose(result.rows[row], expected[row], relative: 2e-6) }
    }
}
