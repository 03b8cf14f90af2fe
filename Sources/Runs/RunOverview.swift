import Core
import Foundation

/// A run in a line, found out without reading the whole of it.
public struct RunOverview: Codable, Hashable, Sendable {
    public enum State: String, Codable, Sendable {
        case running, paused, completed, stopped, diverged, failed
        /// The process ended without a word.
        case interrupted
        /// Its files cannot be understood.
        case damaged
    }

    public var name: String
    public var path: String
    public var state: State
    /// Why it is `damaged`.
    public var problem: String?
    public var step: Int
    public var totalSteps: Int
    /// Of the last step, nats per token.
    public var loss: Float?
    /// The newest evaluation, nats per token.
    public var validationLoss: Float?
    public var recipe: String
    /// Theoretical cost of the layers' matrix products as the recipe plans them; BF16 = 1.
    public var cost: Double?
    /// Step of the newest checkpoint.
    public var checkpoint: Int?
    /// Seconds since 1970.
    public var created: Double

    public init(_ folder: RunFolder) {
        name = folder.name
        path = folder.path
        (state, step, totalSteps, recipe, created) = (.damaged, 0, 0, "", 0)
        let manifest: RunManifest
        do {
            manifest = try RunManifest.read(folder)
        } catch {
            problem = error.description
            return
        }
        let configuration = manifest.configuration
        totalSteps = configuration.run.steps
        recipe = configuration.recipe.label
        created = manifest.created
        // The head is not among the layers: its vocabulary doesn't matter here.
        cost = CostModel(configuration.model, vocabularySize: 256).cost(
            of: configuration.recipe, steps: totalSteps, tokensPerStep: configuration.tokensPerStep)
        checkpoint = (try? CheckpointFile.list(folder.checkpointsPath))?.last?.step
        let tail = JSONLines.tail(folder.eventsPath, EventLine.self)
        var isPaused = false
        var outcome: RunSummary.Outcome?
        for line in tail {
            switch line.event {
            case .started: outcome = nil
            case .stepped(let metrics): (step, loss) = (metrics.step, metrics.loss)
            case .evaluated(let evaluation): validationLoss = evaluation.validationLoss
            case .stateChanged(let state, let at):
                isPaused = state == .paused
                step = max(step, at)
            case .finished(let summary):
                outcome = summary.outcome
                (step, loss, validationLoss) = (summary.steps, summary.finalLoss, summary.validationLoss)
            default: break
            }
        }
        if RunLock.holder(of: folder) != nil {
            state = isPaused ? .paused : .running
        } else {
            switch outcome {
            case .completed?: state = .completed
            case .stopped?: state = .stopped
            case .diverged?: state = .diverged
            case .failed?: state = .failed
            case nil: state = .interrupted
            }
        }
    }

    /// The runs in a folder, the newest last.
    ///
    /// - Throws: `UserError` if there is no such folder.
    public static func list(_ root: String) throws(UserError) -> [RunOverview] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: root) else {
            let exists = FileManager.default.fileExists(atPath: root)
            throw UserError(exists ? "\(root) is no folder that can be read" : "there is no folder \(root)")
        }
        return names.sorted().map { RunFolder(root + "/" + $0) }.filter(\.isRun).map(RunOverview.init)
            .sorted { ($0.created, $0.name) < ($1.created, $1.name) }
    }
}

extension JSONLines {
    /// The values at the end of a file, as far as they can be read.
    static func tail<Value: Decodable>(_ path: String, _ type: Value.Type, bytes: Int = 256 << 10) -> [Value] {
        guard let file = FileHandle(forReadingAtPath: path), let end = try? file.seekToEnd() else { return [] }
        let start = end > UInt64(bytes) ? end - UInt64(bytes) : 0
        guard (try? file.seek(toOffset: start)) != nil, let data = try? file.readToEnd() else { return [] }
        var lines = data.split(separator: UInt8(ascii: "\n"))
        if start > 0, !lines.isEmpty { lines.removeFirst() }
        return lines.compactMap { try? LineCoding.value(type, from: Data($0)) }
    }
}
