import Foundation
import Synchronization
import Testing

@testable import Core
@testable import Runs

/// Commands that came between a rescue and the step that was then trained again.
@Suite struct RescueReplayTests {
    /// After 9 steps it is not finite, and modules are raised a few times until it is.
    private static func configuration() -> RunConfiguration {
        var recipe = Recipe(
            "mixed", "for tests", source: "none", fp4: LinearFormats(.nvfp4), fp8: LinearFormats(.fp8),
            fp4Module: GEMMPrecisions(fprop: .fp4, dgrad: .fp8, wgrad: .fp8), attention: .fp8, feedForward: .fp4)
        recipe.base = "zhou2025"
        recipe.schedule.triggers.nonFinite = true
        return RecordedRunTests.configuration {
            $0.recipe = recipe
            $0.run.steps = 20
            $0.run.seed = 3
            $0.run.commands = []
            $0.training.batch = 5
            // The step at which it happens is the same on every machine.
            $0.training.strictFP8 = true
            $0.optimizer.learningRate = 30
            $0.optimizer.minimumLearningRate = 30
            $0.optimizer.clip = 0
            $0.evaluation.every = 0
            $0.health.every = 0
            $0.health.probeEvery = 0
        }
    }

    /// The built-in language, which gives a command while the engine is at work on a step.
    private final class Interrupting: Corpus {
        private let language: any Corpus
        private let place: Int
        private let state = Mutex<(windows: Int, send: (@Sendable () -> Void)?)>((0, nil))

        /// - Parameter place: of the window that is read when the command is given.
        init(_ configuration: RunConfiguration, place: Int) throws {
            language = try CorpusLoader.load(configuration.data, seed: configuration.run.seed)
            self.place = place
        }

        func onPlace(_ send: @escaping @Sendable () -> Void) { state.withLock { $0.send = send } }

        var summary: String { language.summary }
        var vocabularySize: Int { language.vocabularySize }
        var isText: Bool { language.isText }
        var entropyRate: Double? { language.entropyRate }
        func tokenCount(_ split: Split) -> Int { language.tokenCount(split) }

        func fill(
            _ window: UnsafeMutableBufferPointer<Int32>, from split: Split, random: UInt64
        ) throws(UserError) {
            try language.fill(window, from: split, random: random)
            guard split == .training else { return }
            let send = state.withLock { state in
                defer { state.windows += 1 }
                return state.windows == place ? state.send : nil
            }
            send?()
        }
    }

    private static func train(
        _ run: RecordedRun, _ corpus: any Corpus, first: EngineCommand? = nil, during: EngineCommand? = nil
    )
        async throws
    {
        let engine = try run.engine(corpus: corpus)
        if let during { (corpus as? Interrupting)?.onPlace { [weak engine] in engine?.send(during) } }
        if let first { engine.send(first) }
        let recording = Task { await run.record(engine) }
        _ = await engine.run()
        await recording.value
    }

    private static func commands(_ folder: RunFolder) throws -> [RecordedCommand] {
        try RunRecording(reading: folder).commands.filter(\.command.decidesBits)
    }

    private static func rerun(_ folder: RunFolder, _ change: (inout RecordedCommand) -> Void = { _ in }) async throws
        -> Rerun.Result
    {
        let recording = try RunRecording(reading: folder)
        var commands = recording.commands
        for index in commands.indices { change(&commands[index]) }
        let changed = RunRecording(
            folder: folder, manifest: recording.manifest, events: recording.events, commands: commands)
        return try await Rerun(changed, configuration: recording.manifest.configuration).train()
    }

    private static let lowering = "prec layers.1.attn.* fp4"

    @Test func aCommandAfterARescueIsGivenAgainAfterIt() async throws {
        let configuration = Self.configuration()
        let run = try RecordedRunTests.create(configuration)
        try await Self.train(
            run, try Interrupting(configuration, place: 9 * 5), during: try EngineCommand(parsing: Self.lowering))
        let commands = try Self.commands(run.folder)
        #expect(commands.map(\.step) == [9])
        #expect(commands.map(\.rescues) == [1])

        let result = try await Self.rerun(run.folder)
        #expect(result.difference == nil)
        #expect(result.steps >= 10)
        // Given before the rescue, the run would have other bits.
        let early = try await Self.rerun(run.folder) { $0.rescues = nil }
        #expect(early.difference?.hasPrefix("loss of step 10 is ") == true, "\(early)")

        let copy = try RecordedRunTests.interrupted(run.folder, after: 8)
        let resumed = try RecordedRun.resume(copy)
        #expect(resumed.checkpoint?.step == 8)
        try await Self.train(resumed, try CorpusLoader.load(configuration.data, seed: configuration.run.seed))
        let isSame = try RecordedRunTests.Bits(copy) == RecordedRunTests.Bits(run.folder)
        #expect(isSame)
        #expect(try Self.commands(copy).map(\.rescues) == [1])
    }

    /// A checkpoint between the rescue and the step knows of the rescue.
    @Test func aRunThatStopsAfterARescueGoesOnAfterIt() async throws {
        let configuration = Self.configuration()
        let run = try RecordedRunTests.create(configuration)
        try await Self.train(run, try Interrupting(configuration, place: 9 * 5), during: .stop(save: nil))
        let copy = RunFolder(RecordedRunTests.temporaryPath())
        try FileManager.default.copyItem(atPath: run.folder.path, toPath: copy.path)
        let resumed = try RecordedRun.resume(copy)
        #expect(resumed.checkpoint?.step == 9)
        try await Self.train(
            resumed, try CorpusLoader.load(configuration.data, seed: configuration.run.seed),
            first: try EngineCommand(parsing: Self.lowering))
        #expect(try Self.commands(copy).map(\.rescues) == [1])
        let result = try await Self.rerun(copy)
        #expect(result.difference == nil)
        #expect(result.steps >= 10)
    }
}
