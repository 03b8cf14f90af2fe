import Testing

@testable import Dashboard

@Suite struct SeriesTests {
    @Test func columnsHoldEveryValueOnce() {
        var series = Series(capacity: 64)
        for step in 1...500 { series.append(step: step, value: Float(step)) }
        for (lower, upper, count) in [(0, 500, 80), (1, 500, 7), (100, 500, 33), (437, 500, 64), (499, 500, 2)] {
            let columns = series.columns(lower...upper, count: count)
            let values = columns.reduce(0) { $0 + Int($1.count) }
            // Coarse buckets at the left edge may hold a few older steps.
            #expect(values >= upper - max(lower, 1) + 1)
            #expect(values <= upper - max(lower, 1) + 1 + 15)
            #expect(columns.last?.maximum == Float(upper))
            #expect(
                columns.filter { $0.count > 0 }.map(\.maximum).sorted()
                    == columns.filter { $0.count > 0 }.map(\.maximum))
        }
    }

    @Test func exactWhileEverythingFits() {
        var series = Series(capacity: 16)
        for step in 1...10 { series.append(step: step, value: Float(step * step)) }
        let columns = series.columns(1...10, count: 10)
        #expect(columns.map(\.mean) == (1...10).map { Float($0 * $0) })
        #expect(columns.allSatisfy { $0.minimum == $0.maximum })
    }

    @Test func memoryIsBounded() {
        var series = Series(capacity: 256)
        for step in 1...200_000 { series.append(step: step, value: 1) }
        #expect(series.bucketCount <= 256 * 11)
    }

    @Test(arguments: [1, 2, 77, 4096, 99_999, 100_000])
    func spikeStaysVisibleAtEveryZoom(at spike: Int) {
        var series = Series(capacity: 512)
        for step in 1...100_000 { series.append(step: step, value: step == spike ? 50 : 2) }
        for window in [100_000, 50_000, 20_000, 5000, 1000, 200, 20] where 100_000 - window + 1 <= spike {
            let columns = series.columns(100_000 - window + 1...100_000, count: 120)
            #expect(columns.map(\.maximum).max() == 50, "window \(window)")
            #expect(columns.filter { $0.maximum == 50 }.count == 1)
        }
    }

    @Test func nonFiniteValuesAreCountedOnly() {
        var series = Series()
        for (index, value) in [Float(1), .nan, 3, .infinity, -.infinity].enumerated() {
            series.append(step: index, value: value)
        }
        let columns = series.columns(0...4, count: 5)
        #expect(columns.map(\.count) == [1, 0, 1, 0, 0])
        #expect(columns.map(\.nonFinite) == [0, 1, 0, 1, 1])
        #expect(series.nonFinite == 3)
        #expect(series.columns(0...4, count: 1)[0].maximum == 3)
    }

    @Test func oddStepsDoNoHarm() {
        var series = Series(capacity: 8)
        let last = Series.largestStep
        for step in [-5, 3, 3, 2, 1000, 1001, last - 1, last, 7, last + 1, Int.max] {
            series.append(step: step, value: Float(step))
        }
        #expect(series.firstStep == 3)
        #expect(series.lastStep == last)
        #expect(series.columns(0...last, count: 10).reduce(0) { $0 + $1.count } == 5)
        #expect(series.columns(0...2, count: 4).allSatisfy { $0.isEmpty })
        #expect(Series().columns(0...10, count: 3).allSatisfy { $0.isEmpty })
    }
}

@Suite struct AverageTests {
    @Test func agreesWithTheDefinition() throws {
        var average = DebiasedAverage(smoothing: 0.9)
        #expect(average.value == nil)
        average.add(2)
        #expect(average.value == 2)
        average.add(4)
        // (0.1·0.9·2 + 0.1·4) / (1 − 0.81)
        let second = try #require(average.value)
        #expect(abs(second - 0.58 / 0.19) < 1e-12)
        average.add(.nan)
        average.add(.infinity)
        average.add(1)
        // (0.1·0.81·2 + 0.1·0.9·4 + 0.1·1) / (1 − 0.729)
        let third = try #require(average.value)
        #expect(abs(third - 0.622 / 0.271) < 1e-12)
    }

    @Test(arguments: ChartView.smoothings)
    func constantsStay(_ smoothing: Double) throws {
        var average = DebiasedAverage(smoothing: smoothing)
        for _ in 0..<1000 { average.add(3.25) }
        let value = try #require(average.value)
        #expect(abs(value - 3.25) < 1e-9)
    }

    @Test func takesEveryStepAtEverySmoothing() throws {
        let state = DashboardState.running(steps: 400)
        for (index, smoothing) in ChartView.smoothings.enumerated() {
            var expected = 0.0
            for step in 1...400 {
                expected = smoothing * expected + (1 - smoothing) * Double(Script.metrics(step).loss)
            }
            var power = 1.0
            for _ in 0..<400 { power *= smoothing }
            let found = try #require(state.average.averages[index].value ?? (index == 0 ? expected : nil))
            #expect(abs(found - expected / (1 - power)) < 1e-9)
        }
    }
}

@Suite struct AxisTests {
    @Test func logarithmIsTrue() throws {
        let scale = try #require(Scale(minimum: 0.01, maximum: 100, isLogarithmic: true))
        for (value, place) in [(1, 0.5), (0.1, 0.25), (0.01, 0), (100, 1)] {
            let position = try #require(scale.position(value))
            #expect(abs(position - place) < 1e-9)
        }
        #expect(scale.position(0) == nil)
        #expect(scale.position(-1) == nil)
        #expect(scale.position(.nan) == nil)
        #expect(scale.ticks(limit: 5).map(\.label) == ["0.01", "0.1", "1", "10", "100"])
        #expect(Scale(minimum: 0, maximum: 1, isLogarithmic: true) == nil)
    }

    @Test(arguments: [
        (0.0, 1.0), (1.3, 7.1), (-5, 5), (2.1, 2.1001), (0, 0), (1e-9, 2e-9), (3, 3), (1e30, 1e31), (99_999, 100_001),
    ])
    func ticksAreRoundAndInside(_ bounds: (Double, Double)) throws {
        for isLogarithmic in [false, true] where !isLogarithmic || bounds.0 > 0 {
            let scale = try #require(Scale(minimum: bounds.0, maximum: bounds.1, isLogarithmic: isLogarithmic))
            #expect(scale.lower <= bounds.0 && scale.upper >= bounds.1)
            for limit in 1...12 {
                let ticks = scale.ticks(limit: limit)
                #expect(ticks.count <= limit)
                #expect(Set(ticks.map(\.label)).count == ticks.count, "\(ticks.map(\.label))")
                for tick in ticks {
                    let position = try #require(scale.position(tick.value))
                    #expect(position > -1e-6 && position < 1 + 1e-6)
                }
            }
            #expect(scale.ticks(limit: 6).count >= 2)
        }
    }

    @Test func stepLabelsAreExact() {
        #expect(StepAxis.ticks(0...1000, width: 60).map(\.label) == ["0", "200", "400", "600", "800", "1k"])
        #expect(StepAxis.ticks(12_400...12_500, width: 30).map(\.label) == ["12.4k", "12.45k", "12.5k"])
        #expect(StepAxis.ticks(0...1_200_000, width: 40).map(\.label) == ["0", "500k", "1M"])
        #expect(StepAxis.ticks(5...5, width: 40).map(\.label) == ["5"])
        #expect(NumberText.axisCount(1_250_000) == "1.25M")
        #expect(NumberText.axisCount(1_234_567) == "1234567")
    }

    @Test func numbers() {
        #expect(NumberText.fixed(2.14376, 4) == "2.1438")
        #expect(NumberText.fixed(-0.00001, 2) == "0.00")
        #expect(NumberText.fixed(0.05, 1) == "0.1")
        #expect(NumberText.fixed(-12.5, 0) == "-13")
        #expect(NumberText.scientific(2.9e-4) == "2.9e-04")
        #expect(NumberText.scientific(9.99e-5) == "1.0e-04")
        #expect(NumberText.scientific(1e6) == "1.0e+06")
        #expect(NumberText.significant(.nan) == "NaN")
        #expect(NumberText.significant(-.infinity) == "-Inf")
        #expect(NumberText.grouped(1_234_567) == "1,234,567")
        #expect(NumberText.grouped(-123) == "-123")
        #expect(NumberText.short(51_234) == "51.2k")
        #expect(NumberText.short(999_600) == "1.00M")
        #expect(NumberText.short(3072) == "3.07k")
        #expect(NumberText.short(12) == "12")
        #expect(NumberText.bytes(312_000_000) == "298 MiB")
        #expect(NumberText.duration(9667) == "2:41:07")
        #expect(NumberText.duration(273_600) == "3d 04:00:00")
        #expect(NumberText.duration(.nan) == "-:--:--")
    }
}
