import Foundation

/// A trained model on disk: a safetensors file with the parameters in FP32, named as Hugging Face names them where the
/// model is of a family it knows (`WeightNaming`), and in its metadata what is needed to run it again. The checkpoint of a
/// run's state holds beside them what training needs to go on.
public struct Checkpoint: Sendable {
    public let path: String
    public let configuration: RunConfiguration
    public let vocabularySize: Int
    /// Tokens are bytes of text.
    public let isText: Bool
    /// Optimizer steps behind the parameters.
    public let step: Int
    /// As measured when it was written, nats per token; nil if it wasn't.
    public let validationLoss: Float?
    /// Whether a run can be resumed from it.
    public let isState: Bool
    let naming: WeightNaming

    static let format = "fp4tui checkpoint 2"

    /// Keys of the metadata.
    enum Key {
        static let checkpoint = "checkpoint"
        static let configuration = "configuration"
        static let vocabularySize = "vocabulary_size"
        static let isText = "is_text"
        static let step = "step"
        static let validationLoss = "validation_loss"
        static let weightNames = "weight_names"
        static let state = "state"
        static let fork = "fork"
        /// Of Hugging Face: what the tensors were made with.
        static let format = "format"
    }

    /// Reads a checkpoint's description, at the beginning of the file; whether the rest is whole is not looked at.
    ///
    /// - Throws: `UserError` if the file is missing or not a checkpoint of this program.
    public init(path: String) throws {
        try self.init(SafeTensors.File(path))
    }

    /// Reads the whole file, and finds out whether it is as it was written.
    ///
    /// - Throws: `UserError` with the reason if the file is missing, damaged or not a checkpoint of this program.
    @discardableResult
    public static func verify(_ path: String) throws -> Checkpoint {
        let file = try SafeTensors.File(path)
        let checkpoint = try Checkpoint(verifying: file)
        let layout = ParameterLayout(checkpoint.configuration.model, vocabularySize: checkpoint.vocabularySize)
        for tensor in checkpoint.naming.tensors(layout) { try file.require(tensor.name, .f32, tensor.shape) }
        return checkpoint
    }

    /// What was damaged is told before what it leads to.
    init(verifying file: SafeTensors.File) throws {
        try Self.requireFormat(file)
        try file.verifyChecksum()
        try self.init(file)
    }

    private init(_ file: SafeTensors.File) throws {
        try Self.requireFormat(file)
        path = file.path
        func entry(_ key: String) throws -> String {
            guard let value = file.metadata[key] else {
                throw UserError("\(file.path): its metadata have no \"\(key)\"")
            }
            return value
        }
        let text = Data(try entry(Key.configuration).utf8)
        guard let configuration = RunConfiguration(json: text),
            let vocabularySize = Int(try entry(Key.vocabularySize)), let step = Int(try entry(Key.step)), step >= 0
        else { throw UserError("\(file.path): its metadata cannot be understood; another version wrote it") }
        let isText = try entry(Key.isText) == "true"
        guard isText ? vocabularySize == 256 : (1...65_536).contains(vocabularySize) else {
            throw UserError(
                "\(file.path): its metadata have a vocabulary of \(vocabularySize); expected "
                    + (isText ? "256 for text" : "1 to 65536"))
        }
        do {
            try configuration.validateKeys()
        } catch {
            throw UserError("\(file.path): the configuration in its metadata is damaged: \(error)")
        }
        naming = WeightNaming(configuration.model)
        guard try entry(Key.weightNames) == naming.rawValue else {
            throw UserError(
                "\(file.path): metadata \"\(Key.weightNames)\" is \"\(try entry(Key.weightNames))\", and a model of "
                    + "this shape has \"\(naming.rawValue)\"")
        }
        // Before memory is asked for: the header may promise what the file does not hold.
        let parameters = configuration.model.approximateParameterCount(vocabularySize: vocabularySize)
        guard 4 * parameters <= Double(file.dataBytes) else {
            throw UserError(
                "\(file.path) holds \(file.dataBytes) bytes of tensors, and the model in its metadata needs "
                    + String(format: "%.0f", 4 * parameters) + ": it is cut short or damaged")
        }
        if let text = file.metadata[Key.validationLoss] {
            guard let loss = Float(text) else {
                throw UserError(
                    "\(file.path): metadata \"\(Key.validationLoss)\" is \"\(text)\", and a number is expected")
            }
            validationLoss = loss
        } else {
            validationLoss = nil
        }
        isState = file.metadata[Key.state] != nil
        self.configuration = configuration
        self.vocabularySize = vocabularySize
        self.step = step
        self.isText = isText
    }

    private static func requireFormat(_ file: SafeTensors.File) throws {
        let found = file.metadata[Key.checkpoint]
        guard found != format else { return }
        // What earlier versions wrote had a format of its own here.
        if let old = found ?? file.metadata[Key.format], old.hasPrefix("fp4tui ") {
            throw UserError("\(file.path) is \"\(old)\", of another version; this one reads \"\(format)\"")
        }
        throw UserError("\(file.path) was not written by fp4tui: its metadata have no \"\(Key.checkpoint)\"")
    }

    /// Writes a checkpoint whole or not at all.
    ///
    /// - Parameters:
    ///   - tensors: beside the parameters.
    ///   - metadata: beside the description, which wins where keys are the same.
    /// - Throws: `UserError` naming the file.
    static func write(
        _ parameters: Parameters, _ configuration: RunConfiguration, vocabularySize: Int, isText: Bool, step: Int,
        validationLoss: Float? = nil, tensors: [SafeTensors.Output] = [], metadata: [String: String] = [:],
        to path: String
    ) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let naming = WeightNaming(configuration.model)
        var metadata = metadata
        metadata[Key.checkpoint] = format
        metadata[Key.configuration] = String(decoding: try encoder.encode(configuration), as: UTF8.self)
        metadata[Key.vocabularySize] = String(vocabularySize)
        metadata[Key.isText] = String(isText)
        metadata[Key.step] = String(step)
        metadata[Key.weightNames] = naming.rawValue
        metadata[Key.format] = "pt"
        if let validationLoss { metadata[Key.validationLoss] = "\(validationLoss)" }
        try SafeTensors.write(
            outputs(parameters, naming) + tensors, metadata: metadata, to: path)
    }

    /// The parameters as a checkpoint of this naming holds them.
    static func outputs(_ parameters: Parameters, _ naming: WeightNaming, prefix: String = "") -> [SafeTensors.Output] {
        naming.tensors(parameters.layout).map { $0.output(prefix: prefix, parameters.values) }
    }

    /// Copies all parameters to `values`, from a file that is as it was written.
    ///
    /// - Throws: `UserError` if it is damaged, or if a tensor is missing or has another shape.
    func copyParameters(_ layout: ParameterLayout, to values: UnsafeMutablePointer<Float>) throws {
        let file = try SafeTensors.File(path)
        let now = try Checkpoint(verifying: file)
        for tensor in now.naming.tensors(layout) { try tensor.read(file, prefix: "", into: values) }
    }
}

extension RunConfiguration {
    /// Reads what a checkpoint holds; keys that it lacks have their defaults.
    init?(json: Foundation.Data) {
        if let configuration = try? JSONDecoder().decode(RunConfiguration.self, from: json) {
            self = configuration
            return
        }
        typealias Sections = [String: [String: Any]]
        guard let defaults = try? JSONEncoder().encode(RunConfiguration()),
            let base = try? JSONSerialization.jsonObject(with: defaults) as? Sections,
            let given = try? JSONSerialization.jsonObject(with: json) as? Sections,
            let merged = try? JSONSerialization.data(
                withJSONObject: base.merging(given) { $0.merging($1) { $1 } }),
            let configuration = try? JSONDecoder().decode(RunConfiguration.self, from: merged)
        else { return nil }
        self = configuration
    }
}
