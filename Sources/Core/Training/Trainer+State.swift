import Foundation

/// All that the next steps depend on, in one file: a run that is resumed has the bits of one that was never interrupted.
extension Trainer {
    private static let stateFormat = "fp4tui state 1"

    /// What the file holds beside the tensors.
    private struct State: Codable {
        var configuration: RunConfiguration
        var vocabularySize: Int
        var step: Int
        var peak: Double
        var gradientClip: Double
        var control: PrecisionControl
        var clippingStatistics: [[Float]]
    }

    /// The named buffers of a state: parameters and both moments of the optimizer. Whatever else keeps values from step to
    /// step belongs here.
    private var stateBuffers: [(name: String, shape: [Int], values: UnsafeMutablePointer<Float>)] {
        let moments = optimizer.moments
        return parameters.layout.tensors.flatMap { tensor in
            [
                ("parameters.\(tensor.name)", tensor.shape, parameters.values + tensor.offset),
                ("first_moments.\(tensor.name)", tensor.shape, moments.first + tensor.offset),
                ("second_moments.\(tensor.name)", tensor.shape, moments.second + tensor.offset),
            ]
        }
    }

    /// Writes the state between two steps, whole or not at all.
    ///
    /// - Parameter metadata: of the caller's, given back by `restoreState`.
    /// - Throws: `UserError` naming the file.
    func saveState(metadata: [String: String] = [:], to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let state = State(
            configuration: configuration, vocabularySize: corpus.vocabularySize, step: step, peak: schedule.peak,
            gradientClip: gradientClip, control: control,
            clippingStatistics: transformer.clippingStatistics)
        var metadata = metadata
        metadata["format"] = Self.stateFormat
        metadata["state"] = String(decoding: try encoder.encode(state), as: UTF8.self)
        var tensors = stateBuffers.map { SafeTensors.Output(name: $0.name, shape: $0.shape, values: $0.values) }
        for average in transformer.weightAverages where average.hasBegun {
            tensors.append(
                SafeTensors.Output(
                    name: Self.averageName(average.path), shape: [average.count], values: average.values))
        }
        try SafeTensors.write(tensors, metadata: metadata, to: path)
    }

    /// Takes a saved state over, instead of `initializeParameters`.
    ///
    /// - Returns: the file's metadata, the caller's among them.
    /// - Throws: `UserError` if the file is damaged or belongs to another run: another model, vocabulary, data, seed,
    ///   batch, optimizer or number of steps.
    @discardableResult
    func restoreState(from path: String) throws -> [String: String] {
        let file = try SafeTensors.File(path)
        guard file.metadata["format"] == Self.stateFormat else {
            throw UserError("\(path) is no saved state: its metadata have no \"format\" \"\(Self.stateFormat)\"")
        }
        guard let state = try? JSONDecoder().decode(State.self, from: Data((file.metadata["state"] ?? "").utf8)) else {
            throw UserError("\(path): its metadata cannot be understood; another version wrote it")
        }
        let saved = state.configuration
        let now = configuration
        if state.vocabularySize != corpus.vocabularySize {
            throw UserError(
                "\(path) is of a run with a vocabulary of \(state.vocabularySize), and this run's is "
                    + "\(corpus.vocabularySize): they must be equal")
        }
        // Threads, log and files may differ; they decide no bits.
        let sections: Set = ["data", "model", "training", "optimizer"]
        for key in ConfigurationKey.all
        where sections.contains(key.section) || ["run.seed", "run.steps"].contains(key.path) {
            let (a, b) = (key.value(in: saved), key.value(in: now))
            guard let a, let b, a != b else { continue }
            throw UserError("\(path) is of a run with \(key.path) = \(a), and this run has \(b): they must be equal")
        }
        for buffer in stateBuffers { try file.copy(buffer.name, shape: buffer.shape, to: buffer.values) }
        step = state.step
        schedule.peak = state.peak
        gradientClip = state.gradientClip
        control = state.control
        if saved.run.commands != now.run.commands {
            let commands = try now.scheduledCommands()
            control.commandsDone = commands.prefix { $0.step < state.step }.count
        }
        transformer.apply(control.state.plan(for: now.model))
        transformer.restoreClippingStatistics(state.clippingStatistics)
        for average in transformer.weightAverages {
            let name = Self.averageName(average.path)
            guard file.names.contains(name) else { continue }
            let values = UnsafeMutablePointer<Float>.allocate(capacity: average.count)
            defer { values.deallocate() }
            try file.copy(name, shape: [average.count], to: values)
            average.begin(with: values)
        }
        return file.metadata
    }

    /// A second run that goes on from here with the same bits, beside this one: on the same batches and threads.
    ///
    /// - Throws: `UserError` if memory is short.
    func fork() throws -> Trainer {
        let other = try Trainer(configuration, corpus: corpus, compute: compute)
        for (from, to) in zip(stateBuffers, other.stateBuffers) {
            to.values.update(from: from.values, count: from.shape.reduce(1, *))
        }
        other.step = step
        other.schedule.peak = schedule.peak
        other.gradientClip = gradientClip
        other.control = control
        other.transformer.apply(control.state.plan(for: configuration.model))
        other.transformer.restoreClippingStatistics(transformer.clippingStatistics)
        for (from, to) in zip(transformer.weightAverages, other.transformer.weightAverages) where from.hasBegun {
            to.begin(with: from.values)
        }
        return other
    }

    private static func averageName(_ path: ModulePath) -> String { "weight_averages.\(path)" }
}
