/// A fork: a second run from the state of the first, in another precision, that takes turns with it on the same batches.
/// It doubles the memory and halves the speed, and leaves no trace in the bits of the run.
extension TrainingEngine {
    /// Begins a fork, in place of an older one.
    func fork(_ command: EngineCommand) {
        do {
            let other = try trainer.fork()
            switch command {
            case .setPrecision(let assignment): try other.set(assignment)
            case .setRecipe(let recipe): try other.set(recipe)
            default: return warn("fork \(command.text): expected a change of precision, prec or recipe")
            }
            other.news.removeAll()
            forked = (other, command.text)
            emit(.forkChanged(ForkChange(kind: .began, step: trainer.step, text: command.text)))
        } catch {
            warn("\(error)")
        }
    }

    func dropFork() {
        guard let forked else { return warn(Self.noFork) }
        self.forked = nil
        emit(.forkChanged(ForkChange(kind: .dropped, step: trainer.step, text: forked.text)))
    }

    /// The run goes on as its fork, and the fork as the run was.
    func swapFork() {
        guard let forked else { return warn(Self.noFork) }
        let old = trainer
        trainer = forked.trainer
        trainer.control.commandsDone = old.control.commandsDone
        self.forked = (old, "\(forked.text), swapped")
        emit(.forkChanged(ForkChange(kind: .swapped, step: trainer.step, text: forked.text)))
        let before = old.control.state
        emit(.precisionChanged(trainer.control.recordSwap(from: before, at: trainer.step)))
        trainer.tellSchedule(from: before.recipe.schedule, nil)
        emitNews()
        let (from, to) = (before.clipping, trainer.control.state.clipping)
        if from != to { emit(.moduleClippingChanged(step: trainer.step, from: from, to: to)) }
    }

    /// Trains the fork up to where the run is.
    ///
    /// - Throws: `UserError` if the data turn out to be bad.
    func trainFork() throws {
        guard let (other, text) = forked else { return }
        while other.step < trainer.step {
            try other.beginPhases()
            other.watchesOscillation = true
            let (result, _) = try timed { try other.trainStep(isCancelled: { mailbox.hasStop }) }
            other.news.removeAll(keepingCapacity: true)
            guard let result else { return }
            if result.isRescued { continue }
            emit(.forkStepped(step: trainer.step, loss: result.loss))
            guard result.isFinite else {
                forked = nil
                return emit(.forkChanged(ForkChange(kind: .diverged, step: trainer.step, text: text)))
            }
        }
    }

    private static var noFork: String { "there is no fork: fork recipe nvfp4 begins one" }
}
