import Foundation
import Testing

@testable import Core

/// The sensitivity that is measured while a run goes on.
@Suite struct EngineSensitivityTests {
    typealias Record = TrainingEngineTests.Record

    private static func progress(_ record: Record) -> [SensitivityProgress] {
        record.events.compactMap { if case .sensitivityProgress(let progress) = $0 { progress } else { nil } }
    }

    private static func maps(_ record: Record) -> [SensitivityMap] {
        record.events.compactMap { if case .sensitivityMeasured(let map) = $0 { map } else { nil } }
    }

    @Test func itLeavesTheRunAloneAndIsThatOfTheModelWhenAsked() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/model.safetensors"
        let plain = try await TrainingEngineTests.record(ForkTests.configuration([]))
        let configuration = try ForkTests.configuration(["3: save \(path)", "3: sensitivity fp4"])
        let record = try await TrainingEngineTests.record(configuration)
        #expect(record.losses == plain.losses)
        #expect(record.norms == plain.norms)
        #expect(record.evaluations == plain.evaluations)
        #expect(record.warnings.isEmpty)

        let linears = configuration.model.linears.count - 1
        let progress = Self.progress(record)
        #expect(progress.map(\.kind) == [.began] + Array(repeating: .tried, count: linears))
        #expect(progress.map(\.done) == Array(0...linears))
        #expect(progress.allSatisfy { $0.total == linears })
        // The first pass is after step 3, the first trial a step later, and what is left at the end of the run is done then.
        #expect(progress.map(\.step) == (0...linears).map { min(12, 3 + $0) })

        // What the subcommand finds in the saved model.
        let probe = try SensitivityProbe(
            configuration, corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed))
        try probe.load(Checkpoint(path: path))
        let expected = try probe.measure([.fp4], batches: 1)
        #expect(try Self.maps(record) == [#require(expected)])
        #expect(Self.maps(record).first?.step == 3)
    }

    @Test func itIsCancelledByCommandAndByTheEnd() async throws {
        let plain = try await TrainingEngineTests.record(PrecisionChangeTests.configuration())
        let record = try await TrainingEngineTests.record(
            PrecisionChangeTests.configuration {
                $0.run.commands = [
                    "1: sensitivity off", "2: sensitivity", "3: sensitivity fp8", "5: sensitivity off",
                    "6: sensitivity fp8", "8: stop",
                ]
            })
        #expect(record.losses == Array(plain.losses[..<8]))
        #expect(Self.maps(record).isEmpty)
        #expect(
            record.warnings == [
                "sensitivity off: nothing is being measured",
                "the sensitivity is being measured already: sensitivity off cancels that",
            ])
        #expect(
            Self.progress(record).map(\.kind) == [.began, .tried, .tried, .cancelled, .began, .tried, .cancelled])
        #expect(Self.progress(record).map(\.step) == [2, 3, 4, 5, 6, 7, 8])
    }

    @Test func aPausedRunMeasuresWithoutABreak() async throws {
        let plain = try await TrainingEngineTests.record(PrecisionChangeTests.configuration())
        let record = try await TrainingEngineTests.record(PrecisionChangeTests.configuration()) { event, engine in
            switch event {
            case .stepped(let metrics) where metrics.step == 3: engine.send(.pause)
            case .stateChanged(.paused, _): engine.send(.measureSensitivity([.fp8]))
            case .sensitivityMeasured: engine.send(.resume)
            default: break
            }
        }
        #expect(record.losses == plain.losses)
        #expect(Self.maps(record).count == 1)
        #expect(Set(Self.progress(record).map(\.step)).count == 1)
    }

    @Test(arguments: [
        ("sensitivity", "sensitivity fp4,fp8"), ("sensitivity fp8", "sensitivity fp8"),
        ("sensitivity off", "sensitivity off"),
    ])
    func theCommandIsReadBack(_ item: (text: String, written: String)) throws {
        let command = try EngineCommand(parsing: item.text)
        #expect(command.text == item.written)
        #expect(try EngineCommand(parsing: command.text) == command)
        #expect(!command.decidesBits)
        expectUserError(["sensitivity needs precisions", "fp5"]) { _ = try EngineCommand(parsing: "sensitivity fp5") }
        expectUserError(["sensitivity", "fp4,fp4"]) { _ = try EngineCommand(parsing: "sensitivity fp4,fp4") }
    }

    @Test func nothingIsComparedWithALossThatIsNotFinite() async throws {
        let engine = try TrainingEngineTests.engine(PrecisionChangeTests.configuration())
        #expect(
            try await engine.measurePoisonedModel() == [
                "sensitivity: the model's loss is not finite: nothing can be compared with it"
            ])
    }
}

extension TrainingEngine {
    fileprivate func measurePoisonedModel() throws -> [String] {
        let channel = subscribe()
        trainer.initializeParameters()
        trainer.parameters.values.update(repeating: .nan, count: trainer.parameters.layout.count)
        beginMeasurement([.fp4])
        continueMeasurement()
        #expect(measurement == nil)
        return channel.drain().compactMap { if case .warning(_, let message) = $0 { message } else { nil } }
    }
}
