/// The sensitivity of the linears, measured while the run goes on: on a copy of the model, one trial after each step, or
/// without a break while the run is paused. It leaves no trace in the bits of the run.
extension TrainingEngine {
    func beginMeasurement(_ precisions: [Precision]) {
        guard measurement == nil else {
            return warn("the sensitivity is being measured already: sensitivity off cancels that")
        }
        do {
            measurement = (try trainer.sensitivityTrials(precisions), ContinuousClock.now)
            tellMeasurement(.began)
        } catch {
            warn("\(error)")
        }
    }

    /// One pass.
    func continueMeasurement() {
        guard let trials = measurement?.trials else { return }
        let places = trainer.batch.places
        do {
            _ = try timed { try trials.advance(trainer.sampler, tokens: places.tokens, targets: places.targets) }
        } catch {
            warn("sensitivity: \(error)")
            return cancelMeasurement()
        }
        if trials.done > 0 { tellMeasurement(.tried) }
        guard let map = trials.map else { return }
        measurement = nil
        emit(.sensitivityMeasured(map))
    }

    func cancelMeasurement() {
        guard measurement != nil else { return }
        tellMeasurement(.cancelled)
        measurement = nil
    }

    private func tellMeasurement(_ kind: SensitivityProgress.Kind) {
        guard let measurement else { return }
        let seconds = (ContinuousClock.now - measurement.start) / .seconds(1)
        emit(
            .sensitivityProgress(
                SensitivityProgress(
                    kind: kind, step: trainer.step, done: measurement.trials.done, total: measurement.trials.total,
                    seconds: seconds)))
    }
}

extension Trainer {
    /// On the first batch of the validation sample, with a copy of the parameters as they are now.
    ///
    /// - Throws: `UserError` if memory is short.
    func sensitivityTrials(_ precisions: [Precision]) throws -> SensitivityTrials {
        let recipe = control.state.recipe
        let copy = try Transformer(
            configuration.model, vocabularySize: corpus.vocabularySize, capacity: configuration.training.batch,
            plan: recipe.unquantized.plan(for: configuration.model), compute: compute,
            recomputesLayers: configuration.training.recompute)
        try configuration.requireMemory(memoryBytes + copy.memoryBytes + 4 * parameters.layout.count)
        copy.parameters.values.update(from: parameters.values, count: parameters.layout.count)
        let linears = configuration.model.linears.filter { $0.layer != nil }
        return SensitivityTrials(
            precisions.flatMap { precision in linears.map { ($0, precision) } }, recipe, copy,
            seed: configuration.run.seed, sequences: configuration.training.batch, batches: 1,
            step: step)
    }
}
