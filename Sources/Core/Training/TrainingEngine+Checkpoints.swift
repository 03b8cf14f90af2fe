import Foundation

/// Checkpoints that a run writes by itself. A state is taken between two steps, when evaluation and sample of its step are
/// done and before the commands and phases that follow it.
extension TrainingEngine {
    /// By steps, by time, or because the model was never better.
    var isCheckpointDue: Bool {
        guard keeping != nil, trainer.step > lastCheckpoint.step else { return false }
        let checkpoint = trainer.configuration.checkpoint
        if checkpoint.every > 0, trainer.step % checkpoint.every == 0 { return true }
        if checkpoint.keepBest > 0, let best = progress.best, best.step == trainer.step { return true }
        let age = (ContinuousClock.now - lastCheckpoint.time) / .seconds(1)
        return checkpoint.minutes > 0 && age >= 60 * checkpoint.minutes
    }

    /// Of the parameters as they are; nil if it was not measured.
    var validationLossNow: Float? {
        progress.evaluation.flatMap { $0.step == trainer.step ? $0.validationLoss : nil }
    }

    /// So that nothing is lost however the run ends.
    func lastCheckpointOfRun() {
        if keeping != nil, trainer.step > lastCheckpoint.step { checkpoint() }
    }

    func checkpoint() {
        guard let keeping else { return }
        let before = lastCheckpoint.step
        // Also after a failure: a full disk is not asked again with every step.
        lastCheckpoint.time = ContinuousClock.now
        let path = keeping.folder + "/" + CheckpointFile.name(step: trainer.step)
        do {
            let metadata = keeping.prepare().merging(try progress.metadata()) { a, _ in a }
            try trainer.saveState(
                metadata: metadata, validationLoss: validationLossNow, fork: forked, to: path)
            lastCheckpoint.step = trainer.step
            emit(.checkpointed(step: trainer.step, path: path))
            try prune(keeping.folder)
        } catch {
            let rest = before >= 0 ? "the checkpoint of step \(before) is whole" : "there is no checkpoint yet"
            warn("\(error); the run goes on, and \(rest)")
        }
    }

    /// Removes what is not to be kept any more.
    private func prune(_ folder: String) throws {
        let checkpoint = trainer.configuration.checkpoint
        let files = try CheckpointFile.list(folder)
        for file in CheckpointFile.superfluous(files, last: checkpoint.keepLast, best: checkpoint.keepBest) {
            try? FileManager.default.removeItem(atPath: file.path)
        }
    }
}

extension CheckpointFile {
    /// The checkpoints in a folder, the oldest first; none if there is no such folder.
    ///
    /// - Throws: `UserError` if the folder cannot be read.
    public static func list(_ folder: String) throws -> [CheckpointFile] {
        guard FileManager.default.fileExists(atPath: folder) else { return [] }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw UserError("\(folder): the folder cannot be read")
        }
        return names.compactMap { name in
            guard let step = step(ofName: name) else { return nil }
            let path = folder + "/" + name
            let metadata = try? SafeTensors.metadata(of: path)
            return CheckpointFile(
                path: path, step: step, validationLoss: metadata?[Checkpoint.Key.validationLoss].flatMap(Double.init))
        }
        .sorted { $0.step < $1.step }
    }
}
