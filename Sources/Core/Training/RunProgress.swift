import Foundation

/// What a run has come to, apart from the model: goes on where it was when a run is resumed.
struct RunProgress: Codable, Hashable {
    var lastLoss: Float?
    /// The newest.
    private(set) var evaluation: Evaluation?
    private(set) var best: Evaluation?
    /// Seconds in steps.
    var trainingSeconds = 0.0
    /// Steps that took them.
    var timedSteps = 0
    /// Seconds in steps, evaluation, sampling.
    var activeSeconds = 0.0

    static let metadataKey = "progress"

    init() {}

    /// Out of a file's metadata; a file without is of a run that has not come to anything.
    init(metadata: [String: String]) {
        guard let text = metadata[Self.metadataKey],
            let progress = try? JSONDecoder().decode(RunProgress.self, from: Data(text.utf8))
        else { return }
        self = progress
    }

    func metadata() throws -> [String: String] {
        // A loss that is not finite has no JSON.
        var progress = self
        if let loss = lastLoss, !loss.isFinite { progress.lastLoss = nil }
        if let loss = evaluation?.validationLoss, !loss.isFinite { progress.evaluation = nil }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return [Self.metadataKey: String(decoding: try encoder.encode(progress), as: UTF8.self)]
    }

    mutating func take(_ evaluation: Evaluation) {
        self.evaluation = evaluation
        guard evaluation.validationLoss.isFinite else { return }
        if best.map({ evaluation.validationLoss < $0.validationLoss }) ?? true { best = evaluation }
    }
}
