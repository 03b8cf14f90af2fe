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

    /// A command holds the whole recipe, also where its name is that of a built-in one that has other contents.
    @Test func changedRecipesHaveTheSameBitsAgain() async throws {
        let changed = try Recipe(parsing: "nvfp4:hadamard=false+last_layers=0.5")
        let configuration = try RecordedRunTests.configuration {
            $0.run.steps = 16
            $0.recipe = try Recipe(parsing: "tetrajet:name=\"mine\"+weight_average=0.9")
            $0.run.commands = ["4: recipe quartet:trust_mask=false", "9: pause"]
        }
        let run = try RecordedRunTests.create(configuration)
        try await RecordedRunTests.train(run, react: RecordedRunTests.commanding(9, [.setRecipe(changed)]))
        let recording = try RunRecording(reading: run.folder)
        #expect(recording.manifest.configuration.recipe == configuration.recipe)
        let command = try #require(recording.commands.first { $0.command.decidesBits })
        #expect(command.command == .setRecipe(changed))
        #expect(command.text.hasPrefix("recipe nvfp4:last_layers=0.5+"))
        #expect(try EngineCommand(parsing: command.text) == command.command)
        let result = try await Rerun(recording, configuration: recording.manifest.configuration).train()
        #expect(result.difference == nil)
        #expect(result.steps == 16)
        // The name alone is another run.
        let byName = RunRecording(
            folder: recording.folder, manifest: recording.manifest, events: recording.events,
            commands: recording.commands.map {
                $0.command.decidesBits ? RecordedCommand(step: $0.step, command: .setRecipe(.nvfp4)) : $0
            })
        let other = try await Rerun(byName, configuration: recording.manifest.configuration).train()
        #expect(other.difference?.contains("of step 10 is ") == true, "\(other)")
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
