import Foundation
import Testing

@testable import Core
@testable import Runs

@Suite struct RecordedRunTests {
    static func configuration(
        _ change: (inout RunConfiguration) throws -> Void = { _ in }
    ) rethrows -> RunConfiguration {
        var configuration = RunConfiguration()
        configuration.run.steps = 40
        configuration.run.threads = 1
        configuration.run.commands = ["25: prec layers.0.* bf16"]
        configuration.data.languageWords = 200
        configuration.model.layers = 2
        configuration.model.heads = 2
        configuration.model.keyValueHeads = 2
        configuration.model.width = 32
        configuration.model.context = 16
        configuration.training.batch = 4
        configuration.optimizer.warmup = 3
        configuration.evaluation.every = 10
        configuration.evaluation.batches = 1
        configuration.sampling.every = 0
        configuration.health.every = 10
        configuration.health.probeEvery = 20
        configuration.checkpoint.every = 8
        configuration.checkpoint.minutes = 0
        configuration.checkpoint.keepLast = 100
        try change(&configuration)
        return configuration
    }

    static func temporaryPath() -> String {
        FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    }

    static func create(_ configuration: RunConfiguration, in path: String = temporaryPath()) throws -> RecordedRun {
        try RecordedRun.create(RunFolder(path), configuration: configuration, program: "test", created: 1)
    }

    /// Trains to the end; `react` may send commands.
    @discardableResult
    static func train(
        _ run: RecordedRun, react: @escaping @Sendable (TrainingEvent, TrainingEngine) -> Void = { _, _ in }
    ) async throws -> RunSummary {
        let configuration = run.manifest.configuration
        let engine = try run.engine(
            corpus: try CorpusLoader.load(configuration.data, seed: configuration.run.seed))
        let channel = engine.subscribe()
        let recording = Task { await run.record(engine) }
        let training = Task { await engine.run() }
        for await events in channel.batches {
            for event in events { react(event, engine) }
        }
        let summary = await training.value
        await recording.value
        return summary
    }

    /// Pauses after a step, gives commands, and goes on: so they take effect at that step, whoever is fast.
    static func commanding(
        _ step: Int, _ commands: [EngineCommand]
    ) -> @Sendable (TrainingEvent, TrainingEngine) -> Void {
        { event, engine in
            guard case .stateChanged(.paused, step) = event else { return }
            for command in commands { engine.send(command) }
            engine.send(.resume)
        }
    }

    /// Bits of all steps' losses and gradient norms, and of the last checkpoint's weights.
    struct Bits: Hashable {
        var steps: [Int]
        var losses: [UInt32]
        var norms: [UInt32]
        var evaluations: [UInt32]
        var weights: [UInt32]

        init(_ folder: RunFolder) throws {
            let recording = try RunRecording(reading: folder)
            steps = recording.steps.map(\.step)
            losses = recording.steps.map(\.loss.bitPattern)
            norms = recording.steps.map(\.gradientNorm.bitPattern)
            evaluations = recording.evaluations.map(\.validationLoss.bitPattern)
            let last = try #require(try CheckpointFile.list(folder.checkpointsPath).last)
            let file = try SafeTensors.File(last.path)
            weights = try file.names.flatMap { try file.floats($0).map(\.bitPattern) }
        }
    }

    /// The folder as it would be had the process been killed some time after a checkpoint.
    static func interrupted(_ folder: RunFolder, after step: Int, in path: String = temporaryPath()) throws -> RunFolder
    {
        let copy = RunFolder(path)
        try FileManager.default.copyItem(atPath: folder.path, toPath: copy.path)
        for file in try CheckpointFile.list(copy.checkpointsPath) where file.step > step {
            try FileManager.default.removeItem(atPath: file.path)
        }
        try FileManager.default.removeItem(atPath: copy.summaryPath)
        return copy
    }

    @Test func aTensorBoardFileIsWrittenWhileItTrains() async throws {
        let run = try Self.create(
            Self.configuration {
                $0.run.steps = 8
                $0.run.commands = []
            })
        let engine = try run.engine(
            corpus: try CorpusLoader.load(run.manifest.configuration.data, seed: 1), writesTensorBoard: true)
        let recording = Task { await run.record(engine) }
        _ = await engine.run()
        await recording.value
        let names = try FileManager.default.contentsOfDirectory(atPath: run.folder.path)
        let name = try #require(names.first { $0.hasPrefix(TensorBoardWriter.filePrefix) })
        let live = try Data(contentsOf: URL(fileURLWithPath: run.folder.path + "/" + name))
        // What is exported afterwards has the same records behind the header.
        let exported = TensorBoardExport.data(try RunRecording(reading: run.folder))
        #expect(live.count == exported.count)
        #expect(live.range(of: Data("train/loss".utf8)) != nil)
    }

    @Test func aRunIsWrittenDown() async throws {
        let run = try Self.create(Self.configuration())
        let summary = try await Self.train(run)
        let recording = try RunRecording(reading: run.folder)
        #expect(recording.summary == summary)
        #expect(recording.steps.map(\.step) == Array(1...40))
        #expect(recording.evaluations.map(\.step) == [10, 20, 30, 40])
        #expect(recording.commands.isEmpty)
        #expect(recording.manifest.configuration.run.name == run.folder.name)
        #expect(FileManager.default.fileExists(atPath: run.folder.summaryPath))
        let steps = try CheckpointFile.list(run.folder.checkpointsPath).map(\.step)
        #expect(Set(steps).isSuperset(of: [8, 16, 24, 32, 40]))
    }

    @Test(arguments: [0, 8, 16, 24, 32])
    func aRunThatGoesOnHasTheBitsOfOneThatWasNotInterrupted(_ step: Int) async throws {
        let configuration = Self.configuration { $0.run.commands.append("12: pause") }
        let whole = try Self.create(configuration)
        try await Self.train(
            whole,
            react: Self.commanding(
                12, [.setPrecision(try PrecisionAssignment(parsing: "mlp.* backward bf16")), .setLearningRate(5e-4)]))
        let bits = try Bits(whole.folder)
        #expect(bits.steps == Array(1...40))
        let copy = try Self.interrupted(whole.folder, after: step)
        let resumed = try RecordedRun.resume(copy)
        #expect(resumed.checkpoint?.step ?? 0 == (step == 0 ? 0 : step))
        #expect(resumed.commands.count == (step > 12 ? 0 : 2))
        try await Self.train(resumed, react: Self.commanding(12, []))
        let isSame = try Bits(copy) == bits
        #expect(isSame)
        let recording = try RunRecording(reading: copy)
        #expect(recording.commands.filter(\.command.decidesBits).map(\.step) == [12, 12])
    }

    @Test func commandsAfterTheCheckpointMayBeForgotten() async throws {
        let configuration = Self.configuration { $0.run.commands = ["20: pause"] }
        let whole = try Self.create(configuration)
        try await Self.train(whole, react: Self.commanding(20, [.setLearningRate(5e-4)]))
        let plain = try Self.create(Self.configuration { $0.run.commands = [] })
        try await Self.train(plain)
        let copy = try Self.interrupted(whole.folder, after: 16)
        try await Self.train(try RecordedRun.resume(copy, forgets: true), react: Self.commanding(20, []))
        let (resumed, other) = (try Bits(copy), try Bits(plain.folder))
        let isSame = resumed.losses == other.losses && resumed.weights == other.weights
        #expect(isSame)
        #expect(try RunRecording(reading: copy).commands.filter(\.command.decidesBits) == [])
    }

    /// The fork is part of a checkpoint: what is swapped in after an interruption is what would have been.
    @Test func aForkGoesOnToo() async throws {
        let configuration = Self.configuration { $0.run.commands = ["10: pause", "20: pause"] }
        let react: @Sendable (TrainingEvent, TrainingEngine) -> Void = { event, engine in
            switch event {
            case .stateChanged(.paused, 10):
                engine.send(.fork(.setRecipe(.bf16)))
                engine.send(.resume)
            case .stateChanged(.paused, 20):
                engine.send(.swapFork)
                engine.send(.resume)
            default: break
            }
        }
        let whole = try Self.create(configuration)
        try await Self.train(whole, react: react)
        let copy = try Self.interrupted(whole.folder, after: 16)
        let resumed = try RecordedRun.resume(copy)
        #expect(resumed.commands.map(\.command) == [.swapFork])
        try await Self.train(resumed, react: Self.commanding(20, []))
        let isSame = try Bits(copy) == Bits(whole.folder)
        #expect(isSame)
        let changes = try RunRecording(reading: copy).events.compactMap {
            if case .forkChanged(let change) = $0.event { change.kind } else { nil }
        }
        #expect(changes == [.began, .resumed, .swapped])
    }

    @Test func aRunThatGoesOnTwiceIsReadAsOne() async throws {
        let whole = try Self.create(Self.configuration())
        try await Self.train(whole)
        let first = try Self.interrupted(whole.folder, after: 24)
        try await Self.train(try RecordedRun.resume(first))
        let second = try Self.interrupted(first, after: 8)
        try await Self.train(try RecordedRun.resume(second))
        let isSame = try Bits(second) == Bits(whole.folder)
        #expect(isSame)
    }

    @Test func checkpointsThatWerePassedOverAreKeptAside() async throws {
        let whole = try Self.create(Self.configuration())
        try await Self.train(whole)
        let copy = try Self.interrupted(whole.folder, after: 100)
        let resumed = try RecordedRun.resume(copy, step: 16)
        #expect(resumed.checkpoint?.step == 16)
        #expect(try CheckpointFile.list(copy.checkpointsPath).last?.step == 16)
        let aside = try FileManager.default.contentsOfDirectory(atPath: copy.checkpointsPath)
            .filter { $0.hasPrefix("set-aside-1-step-") }
        #expect(aside.contains("set-aside-1-step-00000040.safetensors"))
        try await Self.train(resumed)
        let isSame = try Bits(copy) == Bits(whole.folder)
        #expect(isSame)
    }

    @Test func anUnknownCheckpointIsAnError() async throws {
        let whole = try Self.create(
            Self.configuration {
                $0.run.steps = 8
                $0.run.commands = []
            })
        try await Self.train(whole)
        let copy = try Self.interrupted(whole.folder, after: 100)
        #expect(
            throws: UserError(
                "--checkpoint 5: \(copy.path) has no checkpoint of that step; there are those of 8")
        ) { try RecordedRun.resume(copy, step: 5) }
    }

    @Test func aDamagedCheckpointIsRefusedAndTheNewestGoodOneNamed() async throws {
        let whole = try Self.create(Self.configuration())
        try await Self.train(whole)
        let copy = try Self.interrupted(whole.folder, after: 32)
        let path = copy.checkpointsPath + "/" + CheckpointFile.name(step: 32)
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        try data.dropLast(100).write(to: URL(fileURLWithPath: path))
        let error = try #require(throws: UserError.self) { try RecordedRun.resume(copy) }
        #expect(error.description.contains(path))
        #expect(
            error.description.hasSuffix(
                "the newest good one is of step 30: --checkpoint 30 goes on from it"))
        let resumed = try RecordedRun.resume(copy, step: 30)
        try await Self.train(resumed)
        let isSame = try Bits(copy) == Bits(whole.folder)
        #expect(isSame)
    }

    @Test func aSecondProcessIsRefused() async throws {
        let run = try Self.create(Self.configuration())
        let error = try #require(throws: UserError.self) { try RecordedRun.resume(run.folder) }
        #expect(error.description == "\(run.folder.path) is in use by process \(getpid()): a run has one process")
        #expect(RunLock.holder(of: run.folder) == getpid())
        #expect(RunOverview(run.folder).state == .running)
    }

    @Test func nothingIsOverwritten() async throws {
        let path = Self.temporaryPath()
        _ = try Self.create(Self.configuration(), in: path)
        let error = try #require(throws: UserError.self) { try Self.create(Self.configuration(), in: path) }
        #expect(error.description.hasPrefix("\(path) holds a run already: --resume \(path) goes on with it"))
        let other = Self.temporaryPath()
        try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
        try Data().write(to: URL(fileURLWithPath: other + "/thesis.txt"))
        #expect(
            throws: UserError("\(other) exists and is not an empty folder: name another --name or --run-dir")
        ) { try Self.create(Self.configuration(), in: other) }
    }

    @Test func commandsForStepsThatAreOverAreRefused() async throws {
        let whole = try Self.create(Self.configuration())
        try await Self.train(whole)
        let copy = try Self.interrupted(whole.folder, after: 24)
        #expect(throws: UserError("\"3: lr 1e-4\" is for after step 3, and the run goes on after step 24")) {
            try RecordedRun.resume(copy) { old, _ in
                var new = old
                new.run.commands.append("3: lr 1e-4")
                return new
            }
        }
    }

    @Test func theNewestAndTheBestCheckpointsStay() async throws {
        let run = try Self.create(
            Self.configuration {
                $0.checkpoint.keepLast = 2
                $0.evaluation.every = 10
                $0.checkpoint.keepBest = 2
                $0.checkpoint.every = 7
            })
        try await Self.train(run)
        let recording = try RunRecording(reading: run.folder)
        let best = recording.evaluations.sorted { ($0.validationLoss, $0.step) < ($1.validationLoss, $1.step) }
            .prefix(2).map(\.step)
        let written = recording.events.compactMap {
            if case .checkpointed(let step, _) = $0.event { step } else { nil }
        }
        #expect(Set(written).isSuperset(of: [7, 10, 14, 21, 28, 35, 40]))
        let kept = try CheckpointFile.list(run.folder.checkpointsPath)
        #expect(Set(kept.map(\.step)) == Set(written.suffix(2) + best))
        #expect(kept.filter { best.contains($0.step) }.allSatisfy { $0.validationLoss != nil })
    }

    @Test func timeAloneMakesCheckpointsToo() async throws {
        let run = try Self.create(
            Self.configuration {
                $0.run.steps = 6
                $0.run.commands = []
                $0.checkpoint.every = 0
                $0.checkpoint.keepBest = 0
                $0.checkpoint.minutes = 1e-9
            })
        try await Self.train(run)
        #expect(try CheckpointFile.list(run.folder.checkpointsPath).map(\.step) == Array(1...6))
    }

    @Test func checkpointsAreKeptByNumberAndByLoss() {
        let files = [(8, 2.0), (16, 1.0), (24, nil), (32, 1.5), (40, Double.nan)].map { step, loss in
            CheckpointFile(path: "\(step)", step: step, validationLoss: loss)
        }
        #expect(CheckpointFile.superfluous(files, last: 2, best: 1).map(\.step) == [8, 24])
        #expect(CheckpointFile.superfluous(files, last: 1, best: 0).map(\.step) == [8, 16, 24, 32])
        #expect(CheckpointFile.superfluous(files, last: 1, best: 2).map(\.step) == [8, 24])
    }

    @Test(arguments: ["step-00000040.safetensors", "step-123456789.safetensors"])
    func namesOfCheckpoints(_ name: String) throws {
        let step = try #require(CheckpointFile.step(ofName: name))
        #expect(CheckpointFile.name(step: step) == name)
    }

    @Test(arguments: [
        "step-40.safetensors", "step-00000040.safetensors.12.partial", "set-aside-1-step-00000040.safetensors",
    ])
    func namesThatAreNoCheckpoints(_ name: String) {
        #expect(CheckpointFile.step(ofName: name) == nil)
    }
}
