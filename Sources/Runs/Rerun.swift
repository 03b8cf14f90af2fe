import Core
import Foundation

/// A recorded run that is trained again, to see whether it has the same bits.
public struct Rerun {
    public struct Result: Codable, Hashable, Sendable {
        /// Steps, evaluations and weights that were compared.
        public var steps = 0
        public var evaluations = 0
        public var weights = 0
        /// The first that differs; nil if none does.
        public var difference: String?

        public var isSame: Bool { difference == nil }
    }

    public let engine: TrainingEngine
    private let recording: RunRecording
    private let steps: [Int: StepMetrics]
    private let lastStep: Int
    private let savedPath: String

    /// - Parameter configuration: the run's own, but for what decides no bits.
    /// - Throws: `UserError` if there is nothing to compare, or the run cannot begin.
    public init(_ recording: RunRecording, configuration: RunConfiguration) throws {
        self.recording = recording
        // A step that is not finite was not applied.
        let finite = recording.steps.filter { $0.loss.isFinite && $0.gradientNorm.isFinite }
        steps = Dictionary(finite.map { ($0.step, $0) }) { $1 }
        guard let first = recording.steps.first, let last = finite.last else {
            throw UserError("\(recording.folder.path) has no step to compare with")
        }
        guard first.step == 1 else {
            throw UserError(
                "\(recording.folder.path) began at step \(first.step - 1), from a state of another run: only a run from "
                    + "its start can be trained again")
        }
        lastStep = last.step
        savedPath =
            FileManager.default.temporaryDirectory.appendingPathComponent("fp4tui-rerun-\(UUID().uuidString)").path
        var configuration = configuration
        configuration.run.save = ""
        var commands = recording.commands.filter(\.command.decidesBits)
        commands.append(RecordedCommand(step: lastStep, command: .stop(save: savedPath)))
        // What only pauses, writes or stops would do so again.
        configuration.run.commands = try configuration.run.commands.filter {
            try configuration.scheduledCommand($0).command.decidesBits
        }
        engine = try TrainingEngine(
            configuration: configuration,
            corpus: try CorpusLoader.load(configuration.data, seed: configuration.run.seed), recorded: commands)
    }

    /// - Parameters:
    ///   - progress: told the step that is done, and how many there are.
    ///   - working: told how far an evaluation is that takes long.
    /// - Throws: `UserError` if the run fails, or its checkpoint cannot be read.
    public func train(
        progress: (_ step: Int, _ of: Int) -> Void = { _, _ in }, working: (WorkProgress) -> Void = { _ in }
    ) async throws -> Result {
        defer { try? FileManager.default.removeItem(atPath: savedPath) }
        let evaluations = Dictionary(recording.evaluations.map { ($0.step, $0) }) { $1 }
        var result = Result()
        var warning: String?
        let channel = engine.subscribe()
        let training = Task { [engine] in await engine.run() }
        for await events in channel.batches {
            for event in events {
                guard result.isSame else { continue }
                switch event {
                case .stepped(let metrics):
                    if let was = steps[metrics.step] {
                        result.difference = Self.difference(metrics, was)
                        result.steps += 1
                        progress(metrics.step, lastStep)
                    }
                case .evaluated(let evaluation):
                    if let was = evaluations[evaluation.step] {
                        if was.validationLoss.bitPattern != evaluation.validationLoss.bitPattern {
                            result.difference =
                                "validation loss of step \(evaluation.step) is \(evaluation.validationLoss), and was "
                                + "\(was.validationLoss)"
                        }
                        result.evaluations += 1
                    }
                case .working(let progress): working(progress)
                case .warning(_, let message): warning = message
                default: break
                }
                if !result.isSame { engine.send(.stop(save: nil)) }
            }
        }
        let summary = await training.value
        if summary.outcome == .failed { throw UserError(warning ?? "the run failed") }
        if result.isSame, summary.steps == lastStep { try compareWeights(&result) }
        return result
    }

    private static func difference(_ metrics: StepMetrics, _ was: StepMetrics) -> String? {
        let figures: [(String, Float, Float)] = [
            ("loss", metrics.loss, was.loss), ("gradient norm", metrics.gradientNorm, was.gradientNorm),
            ("clipped gradient norm", metrics.clippedNorm, was.clippedNorm),
            ("learning rate", Float(metrics.learningRate), Float(was.learningRate)),
        ]
        return figures.first { $1.bitPattern != $2.bitPattern }
            .map { "\($0) of step \(metrics.step) is \($1), and was \($2)" }
    }

    /// With the checkpoint of the last step, if there is one.
    private func compareWeights(_ result: inout Result) throws {
        let checkpoints = try CheckpointFile.list(recording.folder.checkpointsPath)
        guard let checkpoint = checkpoints.first(where: { $0.step == lastStep }),
            FileManager.default.fileExists(atPath: savedPath)
        else { return }
        let (new, old) = (try SafeTensors.File(savedPath), try SafeTensors.File(checkpoint.path))
        let names = Set(old.names)
        for name in new.names where names.contains(name) {
            let (a, b) = (try new.floats(name), try old.floats(name))
            guard a.count == b.count, zip(a, b).allSatisfy({ $0.bitPattern == $1.bitPattern }) else {
                result.difference = "weights of \(name) after step \(lastStep) differ from those of \(checkpoint.path)"
                return
            }
            result.weights += a.count
        }
    }
}
