import Foundation

/// All that the next steps depend on, in one file: a run that is resumed has the bits of one that was never interrupted.
extension Trainer {
    /// A second run that takes turns with this one, and what it does otherwise.
    typealias ForkedRun = (trainer: Trainer, text: String)

    /// What a file holds for a run beside configuration and tensors.
    private struct State: Codable {
        var step: Int
        /// nil: none, as in the states of older versions.
        var rescues: Int?
        var peak: Double
        var gradientClip: Double
        var control: PrecisionControl
        var clippingStatistics: [[Float]]
        /// nil between two windows.
        var oscillation: OscillationWindow.State?
    }

    private struct ForkState: Codable {
        var text: String
        var state: State
    }

    /// What was read from a file.
    struct Restored {
        /// The file's, the caller's among them.
        var metadata: [String: String]
        var fork: ForkedRun?
    }

    private static let forkPrefix = "fork."
    private static let notFinite = (positive: "inf", negative: "-inf", nan: "nan")

    /// Writes the state between two steps, whole or not at all: a `Checkpoint` from which a run can be resumed.
    ///
    /// - Parameters:
    ///   - metadata: of the caller's, given back by `restoreState`.
    ///   - validationLoss: of the parameters as they are, if it was measured.
    ///   - fork: a second run beside this one, saved with it.
    /// - Throws: `UserError` naming the file.
    func saveState(
        metadata: [String: String] = [:], validationLoss: Float? = nil, fork: ForkedRun? = nil, to path: String
    ) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: Self.notFinite.positive, negativeInfinity: Self.notFinite.negative,
            nan: Self.notFinite.nan)
        var metadata = metadata
        metadata[Checkpoint.Key.state] = String(decoding: try encoder.encode(state), as: UTF8.self)
        metadata[Checkpoint.Key.fork] = try fork.map {
            String(decoding: try encoder.encode(ForkState(text: $0.text, state: $0.trainer.state)), as: UTF8.self)
        }
        var tensors = trainingTensors(prefix: "")
        if let other = fork?.trainer {
            tensors += Checkpoint.outputs(
                other.parameters, WeightNaming(configuration.model), prefix: Self.forkPrefix)
            tensors += other.trainingTensors(prefix: Self.forkPrefix)
        }
        try Checkpoint.write(
            parameters, configuration, vocabularySize: corpus.vocabularySize, isText: corpus.isText, step: step,
            validationLoss: validationLoss, tensors: tensors, metadata: metadata, to: path)
    }

    private var state: State {
        State(
            step: step, rescues: rescues, peak: schedule.peak, gradientClip: gradientClip, control: control,
            clippingStatistics: transformer.clippingStatistics, oscillation: runningWindow?.state)
    }

    /// The window of the next probe, once it has begun.
    private var runningWindow: OscillationWindow? { oscillation.flatMap { $0.end > step ? $0 : nil } }

    /// Both moments of the optimizer, named as the parameters are here.
    private func moments(prefix: String) -> [(name: String, shape: [Int], values: AdamW.Moment)] {
        let moments = optimizer.moments
        return [("first_moments", moments.first), ("second_moments", moments.second)].flatMap { moment in
            parameters.layout.tensors.map { tensor in
                ("\(prefix)optimizer.\(moment.0).\(tensor.name)", tensor.shape, moment.1[from: tensor.offset])
            }
        }
    }

    /// What training keeps from step to step beside the parameters. Whatever else does belongs here.
    private func trainingTensors(prefix: String) -> [SafeTensors.Output] {
        moments(prefix: prefix).map { moment in
            switch moment.values {
            case .fp32(let values): .init(name: moment.name, shape: moment.shape, values: values)
            case .bf16(let values): .init(name: moment.name, shape: moment.shape, bf16: values)
            }
        }
            + transformer.weightAverages.filter(\.hasBegun).map {
                .init(name: Self.averageName($0.path, prefix: prefix), shape: [$0.count], values: $0.values)
            }
            + (runningWindow?.tensors ?? []).map {
                .init(name: Self.windowName($0.path, prefix: prefix), shape: [$0.count], values: $0.values)
            }
    }

    /// Takes a saved state over, instead of `initializeParameters`.
    ///
    /// - Throws: `UserError` if the file is damaged or belongs to another run: another model, vocabulary, data, seed,
    ///   batch, optimizer or number of steps.
    @discardableResult
    func restoreState(from path: String) throws -> Restored {
        let file = try SafeTensors.File(path)
        let checkpoint = try Checkpoint(verifying: file)
        guard let text = file.metadata[Checkpoint.Key.state] else {
            throw UserError(
                "\(path) is a model, and no saved state: what training needs to go on, such as the optimizer's moments, "
                    + "is not in it")
        }
        try requireSameRun(as: checkpoint)
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: Self.notFinite.positive, negativeInfinity: Self.notFinite.negative,
            nan: Self.notFinite.nan)
        let state = try? decoder.decode(State.self, from: Data(text.utf8))
        let forkText = file.metadata[Checkpoint.Key.fork]
        let forkState = forkText.flatMap { try? decoder.decode(ForkState.self, from: Data($0.utf8)) }
        guard let state, (forkText == nil) == (forkState == nil) else {
            throw UserError("\(path): its metadata cannot be understood; another version wrote it")
        }
        guard state.step == checkpoint.step else {
            throw UserError("\(path): its state is of step \(state.step), and its metadata say \(checkpoint.step)")
        }
        try restore(state, from: checkpoint, file, prefix: "")
        // Commands that were added come after those that are done; with others the steps alone tell.
        if !configuration.run.commands.starts(with: checkpoint.configuration.run.commands) {
            control.commandsDone = try configuration.scheduledCommands().prefix { $0.step < state.step }.count
        }
        var restored = Restored(metadata: file.metadata)
        if let forkState {
            let other = try Trainer(configuration, corpus: corpus, compute: compute)
            try other.restore(forkState.state, from: checkpoint, file, prefix: Self.forkPrefix)
            other.control.commandsDone = control.commandsDone
            restored.fork = (other, forkState.text)
        }
        return restored
    }

    private func requireSameRun(as checkpoint: Checkpoint) throws {
        let path = checkpoint.path
        if checkpoint.vocabularySize != corpus.vocabularySize {
            throw UserError(
                "\(path) is of a run with a vocabulary of \(checkpoint.vocabularySize), and this run's is "
                    + "\(corpus.vocabularySize): they must be equal")
        }
        // Threads, log and files may differ, and what is kept for backward; they decide no bits.
        let sections: Set = ["data", "model", "training", "optimizer"]
        for key in ConfigurationKey.all
        where sections.contains(key.section) && key.path != "training.recompute"
            || ["run.seed", "run.steps"].contains(key.path)
        {
            let (a, b) = (key.value(in: checkpoint.configuration), key.value(in: configuration))
            guard let a, let b, a != b else { continue }
            throw UserError("\(path) is of a run with \(key.path) = \(a), and this run has \(b): they must be equal")
        }
    }

    private func restore(_ state: State, from checkpoint: Checkpoint, _ file: SafeTensors.File, prefix: String) throws {
        guard 0...configuration.run.steps ~= state.step, state.rescues ?? 0 >= 0,
            state.control.isOf(
                configuration.model, steps: configuration.run.steps, tokensPerStep: tokensPerStep,
                commands: checkpoint.configuration.run.commands.count)
        else { throw UserError("\(file.path): the state in its metadata belongs to another run") }
        var current = configuration
        current.recipe = state.control.state.recipe
        do {
            try current.validateKeys()
        } catch {
            throw UserError("\(file.path): the state in its metadata is damaged: \(error)")
        }
        for tensor in checkpoint.naming.tensors(parameters.layout) {
            try tensor.read(file, prefix: prefix, into: parameters.values)
        }
        for moment in moments(prefix: prefix) {
            switch moment.values {
            case .fp32(let values): try file.copy(moment.name, shape: moment.shape, to: values)
            case .bf16(let values): try file.copy(moment.name, type: .bf16, shape: moment.shape, to: values)
            }
        }
        step = state.step
        rescues = state.rescues ?? 0
        schedule.peak = state.peak
        gradientClip = state.gradientClip
        control = state.control
        transformer.apply(control.state.plan(for: configuration.model))
        transformer.restoreClippingStatistics(state.clippingStatistics)
        for average in transformer.weightAverages {
            let name = Self.averageName(average.path, prefix: prefix)
            guard file.shape(name) != nil else { continue }
            let values = UnsafeMutablePointer<Float>.allocate(capacity: average.count)
            defer { values.deallocate() }
            try file.copy(name, shape: [average.count], to: values)
            average.begin(with: values)
        }
        oscillation = nil
        if let saved = state.oscillation {
            let window = try OscillationWindow(transformer)
            let isRight = try window.restore(saved) { path, values, count in
                try file.copy(Self.windowName(path, prefix: prefix), shape: [count], to: values)
            }
            guard isRight else { throw UserError("\(file.path): the state in its metadata belongs to another run") }
            oscillation = window
        }
    }

    /// A second run that goes on from here with the same bits, beside this one: on the same batches and threads.
    ///
    /// - Throws: `UserError` if memory is short.
    func fork() throws -> Trainer {
        let other = try Trainer(configuration, corpus: corpus, compute: compute)
        other.parameters.values.update(from: parameters.values, count: parameters.layout.count)
        for (from, to) in zip(moments(prefix: ""), other.moments(prefix: "")) {
            let count = from.shape.reduce(1, *)
            to.values.bytes(count).copyMemory(from: UnsafeRawBufferPointer(from.values.bytes(count)))
        }
        other.step = step
        other.rescues = rescues
        other.schedule.peak = schedule.peak
        other.gradientClip = gradientClip
        other.control = control
        other.transformer.apply(control.state.plan(for: configuration.model))
        other.transformer.restoreClippingStatistics(transformer.clippingStatistics)
        for (from, to) in zip(transformer.weightAverages, other.transformer.weightAverages) where from.hasBegun {
            to.begin(with: from.values)
        }
        other.oscillation = try runningWindow.map { try OscillationWindow(copying: $0, for: other.transformer) }
        return other
    }

    private static func windowName(_ path: ModulePath, prefix: String) -> String { "\(prefix)oscillation.\(path)" }

    private static func averageName(_ path: ModulePath, prefix: String) -> String { "\(prefix)weight_averages.\(path)" }
}
