import Foundation
import KernelInterface
import Testing

@testable import Core

@Suite struct TrainingEngineTests {
    /// A run of a second at most, on the built-in language.
    static func configuration(_ change: (inout RunConfiguration) -> Void = { _ in }) -> RunConfiguration {
        var configuration = RunConfiguration()
        configuration.run.steps = 12
        configuration.run.threads = 1
        configuration.data.languageWords = 200
        configuration.model.layers = 2
        configuration.model.heads = 2
        configuration.model.keyValueHeads = 2
        configuration.model.width = 32
        configuration.model.context = 16
        configuration.training.batch = 5
        configuration.recipe = .bf16
        configuration.optimizer.warmup = 3
        configuration.evaluation.every = 6
        configuration.evaluation.batches = 2
        configuration.sampling.every = 6
        configuration.sampling.tokens = 20
        change(&configuration)
        return configuration
    }

    static func engine(_ configuration: RunConfiguration) throws -> TrainingEngine {
        try TrainingEngine(
            configuration: configuration,
            corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed))
    }

    struct Record {
        var events: [TrainingEvent] = []
        var summary: RunSummary

        var losses: [UInt32] { steps.map(\.loss.bitPattern) }
        var norms: [UInt32] { steps.map(\.gradientNorm.bitPattern) }
        var steps: [StepMetrics] { events.compactMap { if case .stepped(let metrics) = $0 { metrics } else { nil } } }
        var evaluations: [Evaluation] {
            events.compactMap { if case .evaluated(let evaluation) = $0 { evaluation } else { nil } }
        }
        var samples: [TextSample] { events.compactMap { if case .sampled(let sample) = $0 { sample } else { nil } } }
        var warnings: [String] {
            events.compactMap { if case .warning(_, let message) = $0 { message } else { nil } }
        }
    }

    /// Runs to the end; `first` are commands for before the first step, and `react` may send more as events arrive.
    static func record(
        _ configuration: RunConfiguration, first: [EngineCommand] = [],
        react: (TrainingEvent, TrainingEngine) async -> Void = { _, _ in }
    ) async throws -> Record {
        let engine = try engine(configuration)
        for command in first { engine.send(command) }
        let channel = engine.subscribe()
        async let summary = engine.run()
        var events: [TrainingEvent] = []
        for await batch in channel.batches {
            for event in batch {
                events.append(event)
                await react(event, engine)
            }
        }
        return await Record(events: events, summary: summary)
    }

    @Test func eventsTellTheWholeRun() async throws {
        let record = try await Self.record(Self.configuration())
        guard case .started(let run)? = record.events.first, case .finished(let summary)? = record.events.last else {
            Issue.record("a run begins with .started and ends with .finished")
            return
        }
        #expect(run.totalSteps == 12)
        #expect(run.tokensPerStep == 80)
        #expect(run.entropyFloor != nil)
        #expect(record.steps.map(\.step) == Array(1...12))
        #expect(record.steps.map(\.tokens) == (1...12).map { $0 * 80 })
        #expect(record.evaluations.map(\.step) == [6, 12])
        #expect(record.samples.map(\.step) == [6, 12])
        #expect(record.samples.allSatisfy { !$0.text.isEmpty })
        #expect(summary == record.summary)
        #expect(summary.outcome == .completed)
        #expect(summary.steps == 12)
        #expect(summary.validationLoss == record.evaluations.last?.validationLoss)
        #expect(summary.bestValidationLoss == record.evaluations.map(\.validationLoss).min())
        // Learning starts at ln 256 and must get somewhere.
        #expect(abs(record.steps[0].loss - 5.545) < 0.1)
        #expect(record.steps[11].loss < record.steps[0].loss - 0.2)
    }

    @Test func threadsAndReadersDoNotChangeTheBits() async throws {
        for text in ["fp32", "bf16", "fp8", "nvfp4+sr+prescale=16/17", "mxfp4+hadamard=32:random"] {
            let format = try BlockFormat(parsing: text)
            let single = try await Self.record(Self.configuration { $0.recipe = .uniform(format) })
            for threads in [2, 3, 4] {
                let record = try await Self.record(
                    Self.configuration {
                        $0.recipe = .uniform(format)
                        $0.run.threads = threads
                        // Watching more often must not matter.
                        $0.evaluation.every = 1
                        $0.sampling.every = 2
                    })
                #expect(record.losses == single.losses, "\(threads) threads, \(format)")
                #expect(record.norms == single.norms, "\(threads) threads, \(format)")
            }
        }
    }

    @Test func instructionSetsDoNotChangeTheBits() async throws {
        for text in ["bf16", "fp8", "fp4", "nvfp4+sr"] {
            let format = try BlockFormat(parsing: text)
            let best = try await Self.record(
                Self.configuration {
                    $0.recipe = .uniform(format)
                    $0.training.strictFP8 = true
                })
            for tier in KernelTier.available where tier != .portable {
                let record = try await Self.record(
                    Self.configuration {
                        $0.run.kernels = tier.rawValue
                        $0.recipe = .uniform(format)
                        $0.training.strictFP8 = true
                    })
                #expect(record.losses == best.losses, "\(tier), \(format)")
            }
        }
        // Without fused multiply-add in hardware every operation is a library call: three steps are enough.
        let portable = try await Self.record(
            Self.configuration {
                $0.run.kernels = "portable"
                $0.run.steps = 3
                $0.optimizer.decay = .constant
                $0.evaluation.every = 0
                $0.evaluation.batches = 1
                $0.sampling.every = 0
            })
        let reference = try await Self.record(
            Self.configuration {
                $0.run.steps = 3
                $0.optimizer.decay = .constant
            })
        #expect(portable.losses == reference.losses)
    }

    @Test func accumulatedMicroBatchesEqualOneBatch() async throws {
        let whole = try await Self.record(
            Self.configuration {
                $0.training.batch = 6
                $0.recipe = .fp32
            })
        let parts = try await Self.record(
            Self.configuration {
                $0.training.batch = 2
                $0.training.accumulation = 3
                $0.recipe = .fp32
            })
        for (a, b) in zip(whole.steps, parts.steps) { #expect(abs(a.loss - b.loss) < 1e-4) }
        #expect(parts.steps.count == 12)
    }

    @Test func aWarmUpMayOutlastTheRun() async throws {
        let record = try await Self.record(
            Self.configuration {
                $0.run.steps = 3
                $0.optimizer.warmup = 9
            })
        for (metrics, share) in zip(record.steps, [0.1, 0.2, 0.3]) {
            #expect(abs(metrics.learningRate - share * 1e-3) < 1e-9)
        }
        #expect(record.summary.outcome == .completed)
    }

    @Test func seedsDiffer() async throws {
        let one = try await Self.record(Self.configuration())
        let two = try await Self.record(Self.configuration { $0.run.seed = 2 })
        #expect(one.losses != two.losses)
    }

    @Test func pauseStepResumeAndStop() async throws {
        let record = try await Self.record(Self.configuration { $0.run.steps = 1_000_000 }) { event, engine in
            switch event {
            case .stepped(let metrics) where metrics.step == 3: engine.send(.pause)
            case .stateChanged(.paused, let step) where step < 20: engine.send(.step)
            case .stateChanged(.paused, let step) where step < 23:
                engine.send(.step)
                engine.send(.step)
            case .stateChanged(.paused, _): engine.send(.resume)
            case .stateChanged(.running, let step) where step > 0: engine.send(.stop(save: nil))
            default: break
            }
        }
        #expect(record.summary.outcome == .stopped)
        let pauses = record.events.compactMap { event -> Int? in
            if case .stateChanged(.paused, let step) = event { step } else { nil }
        }
        // The first pause comes when the command arrives; from then on one step at a time, then two.
        let first = try #require(pauses.first)
        #expect(first >= 3)
        for (a, b) in zip(pauses, pauses.dropFirst()) { #expect(b - a == (a < 20 ? 1 : 2)) }
        #expect(record.summary.steps >= pauses.last!)
        // A pause leaves no trace in the bits.
        let straight = try await Self.record(
            Self.configuration {
                $0.run.steps = 12
                $0.optimizer.decay = .constant
            })
        let paused = try await Self.record(
            Self.configuration { $0.optimizer.decay = .constant }, first: [.pause]
        ) { event, engine in
            if case .stateChanged(.paused, _) = event { engine.send(.step) }
        }
        #expect(paused.losses == straight.losses)
    }

    @Test func learningRateAndClipChangeWhileItRuns() async throws {
        let configuration = Self.configuration {
            $0.optimizer.decay = .constant
            $0.optimizer.warmup = 0
        }
        let record = try await Self.record(configuration, first: [.pause]) { event, engine in
            guard case .stateChanged(.paused, let step) = event else { return }
            if step == 0 {
                engine.send(.setLearningRate(5e-4))
                engine.send(.setGradientClip(0.01))
                engine.send(.setLearningRate(.nan))
            }
            engine.send(.step)
        }
        let changed = record.events.contains { event in
            if case .learningRateChanged(_, 1e-3, 5e-4) = event { true } else { false }
        }
        #expect(changed)
        #expect(record.warnings.contains { $0.contains("nan") })
        let last = try #require(record.steps.last)
        #expect(last.learningRate == 5e-4)
        #expect(last.isClipped)
        #expect(abs(last.clippedNorm - 0.01) < 1e-6)
    }

    @Test func aRunThatDivergesSaysSoAndKeepsTheLastGoodModel() async throws {
        let record = try await Self.record(
            Self.configuration {
                $0.optimizer.learningRate = 1000
                $0.optimizer.minimumLearningRate = 1000
                $0.optimizer.clip = 0
                $0.run.steps = 200
            })
        #expect(record.summary.outcome == .diverged)
        let last = try #require(record.steps.last)
        #expect(!last.loss.isFinite || !last.gradientNorm.isFinite)
        #expect(record.summary.steps == last.step - 1)
        #expect(
            record.events.contains { event in
                if case .diverged(let step, let message) = event {
                    step == last.step && message.contains("not finite")
                } else {
                    false
                }
            })
    }

    @Test func savedModelsGiveTheSameText() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("model.safetensors").path
        let record = try await Self.record(Self.configuration { $0.run.save = path })
        #expect(record.summary.savedPath == path)
        let checkpoint = try Checkpoint(path: path)
        #expect(checkpoint.step == 12)
        #expect(checkpoint.isText)
        let generator = try TextGenerator(checkpoint, threads: 1, kernels: "auto")
        var tokens: [Int32] = []
        generator.generate(
            try generator.tokens(of: ""), SamplingOptions(tokens: 20, temperature: 0.8, topK: 0, seed: 1), key: 12
        ) {
            tokens.append($0)
            return true
        }
        #expect(generator.text(tokens) == record.samples.last?.text)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["model.safetensors"])

        // A file that another run wrote is not overwritten by a command.
        let before = try Data(contentsOf: URL(fileURLWithPath: path))
        let second = try await Self.record(Self.configuration { $0.run.seed = 3 }) { event, engine in
            if case .stateChanged(.running, 0) = event { engine.send(.save(path)) }
        }
        #expect(second.warnings.contains { $0.contains(path) && $0.contains("not overwritten") })
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
    }

    @Test func aModelThatCannotBeSavedFailsTheRun() async throws {
        let record = try await Self.record(Self.configuration { $0.run.save = "/nonexistent/model.safetensors" })
        #expect(record.summary.outcome == .failed)
        #expect(record.summary.savedPath == nil)
        #expect(record.warnings.contains { $0.contains("/nonexistent/model.safetensors") })
    }

    /// A step of very many micro-batches takes hours; who stops the run doesn't wait for it.
    @Test func aStopDoesNotWaitForAllMicroBatches() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/model.safetensors"
        let record = try await Self.record(Self.configuration { $0.training.accumulation = 1_000_000 }) {
            event, engine in
            if case .stateChanged(.running, 0) = event { engine.send(.stop(save: path)) }
        }
        #expect(record.summary.outcome == .stopped)
        #expect(record.summary.steps == 0)
        #expect(record.steps.isEmpty)
        #expect(try Checkpoint(path: path).step == 0)
    }

    @Test func aCancelledStepLeavesNoTrace() throws {
        let configuration = Self.configuration { $0.training.accumulation = 3 }
        func trainer() throws -> Trainer {
            let trainer = try Trainer(
                configuration, corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed))
            trainer.initializeParameters()
            return trainer
        }
        let (straight, interrupted) = (try trainer(), try trainer())
        for _ in 0..<3 {
            let expected = try #require(try straight.trainStep())
            var questions = 0
            #expect(
                try interrupted.trainStep {
                    questions += 1
                    return questions == 2
                } == nil)
            let found = try #require(try interrupted.trainStep())
            #expect(found.loss.bitPattern == expected.loss.bitPattern)
            #expect(found.gradientNorm.bitPattern == expected.gradientNorm.bitPattern)
        }
        #expect(interrupted.step == 3)
    }

    /// What was learned before the data went bad is not thrown away.
    @Test func dataThatGoBadEndTheRunButNotTheModel() async throws {
        let folder = try TemporaryDirectory()
        let data = try folder.write("data.txt", [UInt8](repeating: 65, count: 1 << 20))
        let path = folder.path + "/model.safetensors"
        let record = try await Self.record(
            Self.configuration {
                $0.data.paths = [data]
                $0.run.steps = 1_000_000
                $0.run.save = path
            }
        ) { event, _ in
            if case .stepped(let metrics) = event, metrics.step == 3 { _ = truncate(data, 100) }
        }
        #expect(record.summary.outcome == .failed)
        #expect(record.warnings.last?.contains("cut short") == true)
        #expect(record.summary.savedPath == path)
        #expect(try Checkpoint(path: path).step == record.summary.steps)
    }

    /// Nobody else's file, however damaged, brings the program down.
    @Test func damagedModelsAreRefused() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/model.safetensors"
        _ = try await Self.record(
            Self.configuration {
                $0.run.save = path
                $0.run.steps = 1
            })
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let length = whole.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = String(decoding: whole[8..<8 + length], as: UTF8.self)
        func load(_ header: String, _ tensors: Data) throws {
            var file = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
            file += Data(header.utf8) + tensors
            try file.write(to: URL(fileURLWithPath: path))
            _ = try TextGenerator(Checkpoint(path: path), threads: 1, kernels: "auto")
        }
        try load(header, whole[(8 + length)...])
        for (found, replacement) in [
            ("\\\"layers\\\":2", "\\\"layers\\\":-1"), ("\\\"layers\\\":2", "\\\"layers\\\":1024"),
            ("\\\"width\\\":32", "\\\"width\\\":0"), ("\\\"width\\\":32", "\\\"width\\\":9223372036854775807"),
            ("\\\"width\\\":32", "\\\"width\\\":65536"), ("\\\"heads\\\":2", "\\\"heads\\\":3"),
            ("\\\"context\\\":16", "\\\"context\\\":1048576"), ("\\\"normEpsilon\\\":", "\\\"normEpsilon\\\":-"),
            ("\"vocabulary_size\":\"256\"", "\"vocabulary_size\":\"-256\""),
            ("\"vocabulary_size\":\"256\"", "\"vocabulary_size\":\"9223372036854775807\""),
            ("\"F32\"", "\"F16\""),
        ] {
            let damaged = header.replacingOccurrences(of: found, with: replacement)
            #expect(damaged != header, "\(found)")
            expectUserError([path]) { try load(damaged, whole[(8 + length)...]) }
        }
        expectUserError([path, "cut short"]) { try load(header, whole[(8 + length)...].dropLast(4)) }
    }
}
