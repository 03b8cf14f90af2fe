extension Trainer {
    private static let snapshotFormat = "fp4tui study state 1"

    /// Writes what the next steps depend on, parameters, both moments and the step, to a safetensors file, whole or not at
    /// all.
    ///
    /// - Parameter metadata: of the caller's, given back by `restoreSnapshot`.
    /// - Throws: `UserError` naming the file.
    func saveSnapshot(metadata: [String: String], to path: String) throws {
        let tensors = snapshotBuffers.map { name, values in
            SafeTensors.Output(name: name, shape: [parameters.layout.count], values: values)
        }
        var metadata = metadata
        metadata["format"] = Self.snapshotFormat
        metadata["step"] = String(step)
        try SafeTensors.write(tensors, metadata: metadata, to: path)
    }

    /// Continues from a snapshot of a trainer with the same configuration and data: the following steps have the same bits.
    ///
    /// - Returns: the metadata given to `saveSnapshot`.
    /// - Throws: `UserError` if the file is missing, damaged or of another model.
    func restoreSnapshot(from path: String) throws -> [String: String] {
        let file = try SafeTensors.File(path)
        guard file.metadata["format"] == Self.snapshotFormat, let step = file.metadata["step"].flatMap({ Int($0) }),
            (0...configuration.run.steps).contains(step)
        else { throw UserError("\(path) is no state of a study, or a damaged one") }
        for (name, values) in snapshotBuffers {
            try file.copy(name, shape: [parameters.layout.count], to: values)
        }
        self.step = step
        return file.metadata
    }

    private var snapshotBuffers: [(name: String, values: UnsafeMutablePointer<Float>)] {
        [
            ("parameters", parameters.values), ("first_moments", optimizer.places.first),
            ("second_moments", optimizer.places.second),
        ]
    }
}
