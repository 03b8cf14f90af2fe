import Foundation
import Testing

@testable import Core

@Suite struct InspectionTests {
    private static func inspections(_ record: TrainingEngineTests.Record) -> [ModuleInspection] {
        record.events.compactMap { if case .inspected(let inspection) = $0 { inspection } else { nil } }
    }

    private static func total(_ histogram: ModuleInspection.Histogram) -> Int {
        histogram.negative.reduce(0, +) + histogram.positive.reduce(0, +)
    }

    @Test func countsTheCodesOfEveryOperand() async throws {
        let configuration = PrecisionChangeTests.configuration {
            $0.run.commands = ["4: inspect layers.1.mlp.up", "8: inspect layers.0.attn.q"]
        }
        let record = try await TrainingEngineTests.record(configuration)
        let plain = try await TrainingEngineTests.record(PrecisionChangeTests.configuration())
        #expect(record.losses == plain.losses)
        let found = Self.inspections(record)
        #expect(found.map(\.module) == [.layer(1, "mlp.up"), .layer(0, "attn.q")])
        #expect(found.map(\.step) == [4, 8])
        let model = configuration.model
        let tokens = configuration.training.batch * model.context
        let up = try #require(found.first)
        #expect(Set(up.histograms.map(\.operand)) == Set(ModuleInspection.Operand.allCases))
        for histogram in up.histograms {
            let size =
                switch histogram.operand {
                case .weight: model.width * model.feedForwardWidth
                case .activation: tokens * model.width
                case .gradient: tokens * model.feedForwardWidth
                }
            #expect(Self.total(histogram) == size)
            #expect(histogram.scales.lowerBound > 0)
            // FP4 in fprop, FP8 backward.
            if histogram.operand == .gradient {
                #expect(histogram.magnitudes.first == 0 && histogram.magnitudes.last == 256)
            } else {
                #expect(histogram.magnitudes == [0, 0.5, 1, 1.5, 2, 3, 4, 6])
                // NVFP4 scales each block of 16 so that its largest value becomes 6.
                #expect(histogram.positive[7] + histogram.negative[7] >= size / 32)
            }
        }
    }

    @Test func theWeightsCodesAreTheReferenceQuantizers() throws {
        let configuration = PrecisionChangeTests.configuration()
        let trainer = try PrecisionChangeTests.trainer(configuration)
        trainer.initializeParameters()
        let module = ModulePath.layer(0, "mlp.down")
        try trainer.inspect(module)
        guard case .inspected(let inspection)? = trainer.news.last else {
            Issue.record("no inspection")
            return
        }
        let histogram = try #require(inspection.histograms.first { $0.operand == .weight })
        let tensor = try #require(trainer.parameters.layout[module.parameter("weight")])
        let weight = MatrixView(
            trainer.parameters.values + tensor.offset, rows: tensor.shape[0], columns: tensor.shape[1])
        let quantized = ReferenceQuantizer(.nvfp4).quantize(weight)
        for (index, magnitude) in histogram.magnitudes.enumerated() where index > 0 {
            let values = zip(quantized.codes.indices, quantized.codes).map { ElementFormat.e2m1.decode(UInt32($1)) }
            #expect(histogram.positive[index] == values.count { Double($0) == magnitude })
            #expect(histogram.negative[index] == values.count { Double($0) == -magnitude })
        }
    }

    @Test func aPausedRunAnswersToo() async throws {
        let plain = try await TrainingEngineTests.record(PrecisionChangeTests.configuration())
        let record = try await TrainingEngineTests.record(PrecisionChangeTests.configuration()) { event, engine in
            switch event {
            case .stepped(let metrics) where metrics.step == 3: engine.send(.pause)
            case .stateChanged(.paused, _): engine.send(.inspect(.layer(0, "mlp.up")))
            case .inspected: engine.send(.resume)
            default: break
            }
        }
        #expect(record.losses == plain.losses)
        #expect(Self.inspections(record).count == 1)
    }

    @Test func modulesInBF16HaveNoCodes() async throws {
        let record = try await TrainingEngineTests.record(
            TrainingEngineTests.configuration { $0.run.commands = ["2: inspect layers.0.mlp.up"] },
            first: [.inspect(ModulePath("nonsense"))])
        #expect(Self.inspections(record).map(\.histograms) == [[]])
        #expect(record.warnings == ["inspect: this model has no module nonsense"])
    }

    /// Norms and times come with the health of the first step and of every fifth.
    @Test func reportsHoldNormsAndTimes() async throws {
        let record = try await TrainingEngineTests.record(
            PrecisionChangeTests.configuration {
                $0.model.tiedEmbeddings = false
                $0.health.every = 5
                $0.health.probeEvery = 6
            })
        let reports = record.events.compactMap { if case .quantized(let report) = $0 { report } else { nil } }
        #expect(reports.map(\.step) == [1, 5, 10])
        let norms = Dictionary(uniqueKeysWithValues: record.steps.map { ($0.step, $0.gradientNorm) })
        for report in reports {
            #expect(try #require(report.memoryBytes) > 1 << 22)
            #expect(report.modules.count == report.modules.count { $0.forwardMilliseconds > 0 })
            #expect(report.modules.count == report.modules.count { $0.backwardMilliseconds > 0 })
            let squares = report.modules.compactMap(\.gradientNorm).reduce(0) { $0 + $1 * $1 }
            let whole = Double(try #require(norms[report.step]))
            // Embedding and norms have the rest.
            #expect(squares > 0.3 * whole * whole && squares < whole * whole * 1.0001)
        }
        for step in record.steps {
            let timing = try #require(step.timing)
            #expect(timing.forward > 0 && timing.backward > 0 && timing.optimizer > 0 && timing.quantize > 0)
            #expect(timing.forward + timing.backward + timing.optimizer <= step.stepMilliseconds)
            #expect(timing.quantize < timing.forward + timing.backward)
        }
        let probes = record.events.compactMap { if case .probed(let report) = $0 { report } else { nil } }
        #expect(!probes.isEmpty)
        for module in probes.flatMap(\.modules) {
            #expect((module.milliseconds ?? 0) > 0 && (module.referenceMilliseconds ?? 0) > 0)
        }
    }

    /// Nor does it raise modules for a low rho, as the probes of a recipe that goes by it do.
    @Test func aProbeOnRequestChangesNothing() async throws {
        func record(_ commands: [String], every: Int) async throws -> TrainingEngineTests.Record {
            try await TrainingEngineTests.record(
                PrecisionChangeTests.configuration {
                    $0.recipe.schedule.triggers.rho = 1e9
                    $0.health.probeEvery = every
                    $0.run.commands = commands
                })
        }
        func probes(_ record: TrainingEngineTests.Record) -> [Int] {
            record.events.compactMap { if case .probed(let report) = $0 { report.step } else { nil } }
        }
        func raises(_ record: TrainingEngineTests.Record) -> Bool {
            record.events.contains { if case .precisionChanged = $0 { true } else { false } }
        }
        let asked = try await record(["3: probe"], every: 0)
        let plain = try await record([], every: 0)
        let scheduled = try await record([], every: 3)
        #expect(probes(asked) == [3] && probes(plain).isEmpty && probes(scheduled).first == 3)
        #expect(!raises(asked) && raises(scheduled))
        #expect(asked.steps.map(\.loss) == plain.steps.map(\.loss))
    }

    @Test func gradientNormsAreThoseOfTheWeights() throws {
        let trainer = try PrecisionChangeTests.trainer(
            PrecisionChangeTests.configuration { $0.model.tiedEmbeddings = false })
        trainer.initializeParameters()
        _ = try trainer.trainStep()
        for module in trainer.healthReport().modules {
            let tensor = try #require(trainer.parameters.layout[module.path.parameter("weight")])
            let squares = (0..<tensor.count).reduce(0.0) {
                $0 + pow(Double(trainer.parameters.gradients[tensor.offset + $1]), 2)
            }
            let norm = try #require(module.gradientNorm)
            #expect(abs(norm - squares.squareRoot()) <= 1e-5 * norm)
        }
    }
}
