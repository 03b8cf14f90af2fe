import Testing

@testable import Core

/// Clipping of a linear's output gradient against a plain computation of what `GradientClipping` says.
@Suite struct GradientClippingTests {
    private let rows = 70
    private let parts = [0..<200, 200..<240]

    /// Normal values, with outliers in the first part.
    private func gradient(_ seed: UInt64, outliers: Bool = true) -> [Float] {
        var values = [Float](repeating: 0, count: rows * 240)
        values.withUnsafeMutableBufferPointer { p in
            Philox(seed: seed, stream: .initialization).fillNormal(
                p.baseAddress!, p.count, 0..<p.count, deviation: 0.1, tensor: 0)
        }
        if outliers { for row in stride(from: 3, to: rows, by: 17) { values[row * 240 + 5] = row % 2 == 0 ? 3 : -4 } }
        return values
    }

    private func clipping(_ adjust: (inout GradientClipping) -> Void) -> GradientClipping {
        var clipping = GradientClipping()
        clipping.scope = .module
        adjust(&clipping)
        return clipping
    }

    private func clip(_ clipper: OutputGradientClipper, _ e: [Float], records: Bool = true, threads: Int = 2) throws
        -> [Float]
    {
        let compute = try ComputeContext(threads: threads)
        return e.withUnsafeBufferPointer { p in
            let result = clipper.clip(p.baseAddress!, rows: rows, records: records, compute)
            return Array(UnsafeBufferPointer(start: result, count: e.count))
        }
    }

    private func values(_ e: [Float], _ columns: Range<Int>) -> [Float] {
        (0..<rows).flatMap { row in columns.map { e[row * 240 + $0] } }
    }

    @Test(arguments: GradientClipping.Rescaling.allCases, [GradientClipping.Scope.module, .block])
    func absoluteThresholds(rescaling: GradientClipping.Rescaling, scope: GradientClipping.Scope) throws {
        let clipper = OutputGradientClipper(
            clipping {
                $0.scope = scope
                $0.threshold = .absolute
                $0.limit = 0.25
                $0.rescaling = rescaling
            }, parts: parts)
        let e = gradient(1)
        let result = try clip(clipper, e)
        let units = scope == .module ? parts : [0..<128, 128..<200, 200..<240]
        for columns in units {
            let before = values(e, columns)
            let clamped = before.map { min(max($0, -0.25), 0.25) }
            func sum(_ x: [Float], _ f: (Double) -> Double) -> Double { x.reduce(0) { $0 + f(Double($1)) } }
            let factor =
                switch rescaling {
                case .off: 1.0
                case .norm: (sum(before) { $0 * $0 } / sum(clamped) { $0 * $0 }).squareRoot()
                case .sum: sum(before, abs) / sum(clamped, abs)
                }
            #expect(rescaling == .off || factor > 1.001)
            for (a, b) in zip(values(result, columns), clamped) {
                #expect(abs(Double(a) - Double(b) * factor) <= 1e-6 * abs(Double(b)) * factor)
            }
        }
        let clipped = e.count { abs($0) > 0.25 }
        #expect(clipped > 100 && clipper.totals.reduce(0) { $0 + $1.clipped } == clipped)
        #expect(clipper.totals.map(\.values) == [rows * 200, rows * 40])
        let total = clipper.totals[0]
        #expect(total.clippedSquares < total.squares)
        switch rescaling {
        case .off: #expect(total.rescaledSquares == total.clippedSquares)
        case .norm: #expect(abs(total.rescaledSquares / total.squares - 1) < 1e-6)
        case .sum: #expect(total.rescaledSquares > total.clippedSquares)
        }
    }

    @Test func runningStatisticFollowsTheGradient() throws {
        let clipper = OutputGradientClipper(
            clipping {
                $0.limit = 6; $0.decay = 0.9
            }, parts: parts)
        let calm = gradient(1, outliers: false)
        let isCalm = try clip(clipper, calm) == calm
        #expect(isCalm, "without a statistic nothing is clipped")
        func rms(_ e: [Float]) -> Float {
            let squares = values(e, parts[0]).reduce(0.0) { $0 + Double($1) * Double($1) }
            return Float((squares / Double(rows * 200)).squareRoot())
        }
        #expect(abs(clipper.statistics[0] / rms(calm) - 1) < 1e-5)
        let wild = gradient(2)
        let result = try clip(clipper, wild)
        #expect(clipper.totals[0].clipped == 4)
        let isClipped = result != wild
        #expect(isClipped)
        let isSame = values(result, parts[1]) == values(wild, parts[1])
        #expect(isSame, "the second part has no outliers")
        let expected = rms(calm) + 0.1 * (rms(wild) - rms(calm))
        #expect(abs(clipper.statistics[0] / expected - 1) < 1e-5)
        let before = clipper.statistics
        _ = try clip(clipper, gradient(3), records: false)
        #expect(clipper.statistics == before, "a probe leaves no trace")
    }

    @Test func quantileThreshold() throws {
        let clipper = OutputGradientClipper(
            clipping {
                $0.threshold = .quantile; $0.quantile = 0.99; $0.limit = 1; $0.rescaling = .off
            }, parts: parts)
        let e = gradient(1, outliers: false)
        _ = try clip(clipper, e)
        for (index, columns) in parts.enumerated() {
            let sorted = values(e, columns).map(abs).sorted()
            let exact = sorted[Int((Double(sorted.count) * 0.99).rounded(.up)) - 1]
            #expect(clipper.statistics[index] >= exact && clipper.statistics[index] <= exact * 1.04)
        }
        let result = try clip(clipper, gradient(2, outliers: false))
        let share = Double(clipper.totals[0].clipped) / Double(rows * 200)
        #expect(share > 0.004 && share < 0.02)
        #expect(values(result, parts[0]).allSatisfy { abs($0) <= clipper.statistics[0] * 1.05 })
    }

    @Test func threadsChangeNothing() throws {
        let results = try [1, 2, 3].map { threads in
            let clipper = OutputGradientClipper(
                clipping {
                    $0.scope = .block; $0.limit = 2; $0.rescaling = .sum
                }, parts: parts)
            _ = try clip(clipper, gradient(1), threads: threads)
            return (try clip(clipper, gradient(2), threads: threads), clipper.statistics)
        }
        let areSame = results[0].0 == results[1].0 && results[0].0 == results[2].0
        #expect(areSame)
        #expect(results[0].1 == results[1].1 && results[0].1 == results[2].1)
        let isClipped = results[0].0 != gradient(2)
        #expect(isClipped)
    }

    @Test func infinitiesAndInactivePartsAreLeftAlone() throws {
        let clipper = OutputGradientClipper(
            clipping {
                $0.threshold = .absolute; $0.limit = 0.25
            }, parts: parts)
        clipper.isActive[1] = false
        var e = gradient(1)
        e[7] = .infinity
        e[8] = .nan
        let result = try clip(clipper, e)
        let isSame = result.map(\.bitPattern) == e.map(\.bitPattern)
        #expect(isSame)
        #expect(clipper.totals[0].clipped == 0 && clipper.totals[1].values == 0)
    }

    /// All linears share the memory for what was clipped, which is there before the first step.
    @Test func oneGradientHasRoom() throws {
        let clipping = PrecisionChangeTests.configuration { $0.recipe.clipping.scope = .module }
        let plain = PrecisionChangeTests.configuration { $0.recipe.clipping.scope = nil }
        let (clips, doesNot) = (try PrecisionChangeTests.trainer(clipping), try PrecisionChangeTests.trainer(plain))
        let model = clipping.model
        let floats = clipping.training.batch * model.context * max(model.projectedWidth, model.attentionWidth)
        #expect(clips.memoryBytes - doesNot.memoryBytes == 4 * floats)
    }
}
