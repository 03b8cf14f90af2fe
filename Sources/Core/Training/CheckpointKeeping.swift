/// Where a run saves its state by itself.
public struct CheckpointKeeping: Sendable {
    /// A folder that exists.
    public var folder: String
    /// Called on the engine's thread before a state is written, when all events up to it were told. What it returns goes
    /// into the file's metadata.
    public var prepare: @Sendable () -> [String: String]

    public init(folder: String, prepare: @escaping @Sendable () -> [String: String] = { [:] }) {
        self.folder = folder
        self.prepare = prepare
    }
}

/// A checkpoint of a run, as its name and metadata tell.
public struct CheckpointFile: Hashable, Sendable {
    public var path: String
    public var step: Int
    /// At its step, nats per token; nil if the model was not evaluated then.
    public var validationLoss: Double?

    public init(path: String, step: Int, validationLoss: Double?) {
        self.path = path
        self.step = step
        self.validationLoss = validationLoss
    }

    public static func name(step: Int) -> String {
        let digits = String(step)
        return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits + ".safetensors"
    }

    /// nil for a name that `name(step:)` does not give.
    public static func step(ofName name: String) -> Int? {
        guard name.hasPrefix("step-"), name.hasSuffix(".safetensors"),
            let step = Int(name.dropFirst(5).dropLast(12)), step >= 0, self.name(step: step) == name
        else { return nil }
        return step
    }

    /// Those that are not needed any more, if the newest `last` and the best `best` are kept.
    static func superfluous(_ files: [CheckpointFile], last: Int, best: Int) -> [CheckpointFile] {
        let newest = files.sorted { $0.step > $1.step }.prefix(max(1, last))
        let evaluated = files.compactMap { file in file.validationLoss.map { (file, $0) } }
            .filter { $0.1.isFinite }
            .sorted { ($0.1, $0.0.step) < ($1.1, $1.0.step) }
        let kept = Set(newest.map(\.step)).union(evaluated.prefix(max(0, best)).map(\.0.step))
        return files.filter { !kept.contains($0.step) }
    }
}
