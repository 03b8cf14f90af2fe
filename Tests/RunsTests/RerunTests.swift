import Core
import Foundation
import Testing

@testable import Runs

@Suite struct RerunTests {
    private static func recording() async throws -> RunRecording {
        let configuration = RecordedRunTests.configuration {
            $0.run.steps = 24
            $0.run.commands = ["9: pause", "20: prec mlp.* fp8"]
        }
        let run = try RecordedRunTests.create(configuration)
        try await RecordedRunTests.train(
            run,
            react: RecordedRunTests.commanding(
                9, [.setLearningRate(4e-4), .setPrecision(try .init(parsing: "attn.* bf16"))]))
        return try RunRecording(reading: run.folder)
    }

    @Test func aRunHasTheSameBitsAgain() async throws {
        let recording = try await Self.recording()
        let result = try await Rerun(recording, configuration: recording.manifest.configuration).train()
        #expect(result.difference == nil)
        #expect(result.steps == 24)
        #expect(result.evaluations == 2)
        #expect(result.weights > 10_000)
    }

    @Test func aDifferenceIsFound() async throws {
        let recording = try await Self.recording()
        let other = RunRecording(
            folder: recording.folder, manifest: recording.manifest, events: recording.events, commands: [])
        let result = try await Rerun(other, configuration: recording.manifest.configuration).train()
        #expect(result.difference?.hasPrefix("loss of step 10 is ") == true, "\(result)")
    }

    @Test func aRunThatWasStoppedIsTrainedUpToItsLastStep() async throws {
        let recording = try await Self.recording()
        let events = recording.events.filter {
            if case .stepped(let metrics) = $0.event { return metrics.step <= 11 }
            return true
        }
        let part = RunRecording(
            folder: recording.folder, manifest: recording.manifest, events: events, commands: recording.commands)
        let result = try await Rerun(part, configuration: recording.manifest.configuration).train()
        #expect(result.difference == nil)
        #expect(result.steps == 11)
        #expect(result.weights == 0)
    }

    @Test func nothingToCompareIsAnError() async throws {
        let recording = try await Self.recording()
        let empty = RunRecording(folder: recording.folder, manifest: recording.manifest, events: [], commands: [])
        #expect(throws: UserError("\(recording.folder.path) has no step to compare with")) {
            try Rerun(empty, configuration: recording.manifest.configuration)
        }
    }
}
