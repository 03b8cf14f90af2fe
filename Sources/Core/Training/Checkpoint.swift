import Foundation

/// A trained model on disk: a safetensors file with the parameters in FP32, and in its metadata what is needed to run
/// it again.
public struct Checkpoint: Sendable {
    public let path: String
    public let configuration: RunConfiguration
    public let vocabularySize: Int
    /// Tokens are bytes of text.
    public let isText: Bool
    /// Optimizer steps behind the parameters.
    public let step: Int

    private static let format = "fp4tui model 1"

    /// Reads a checkpoint's description.
    ///
    /// - Throws: `UserError` if the file is missing or not a checkpoint of this program.
    public init(path: String) throws {
        try self.init(SafeTensors.File(path))
    }

    private init(_ file: SafeTensors.File) throws {
        path = file.path
        func entry(_ key: String) throws -> String {
            guard let value = file.metadata[key] else {
                throw UserError("\(file.path) was not written by fp4tui: its metadata have no \"\(key)\"")
            }
            return value
        }
        guard try entry("format") == Self.format else {
            throw UserError(
                "\(file.path): metadata \"format\" is \"\(try entry("format"))\", expected \"\(Self.format)\"")
        }
        guard
            let configuration = try? JSONDecoder().decode(
                RunConfiguration.self, from: Data(try entry("configuration").utf8)),
            let vocabularySize = Int(try entry("vocabulary_size")), let step = Int(try entry("step"))
        else { throw UserError("\(file.path): its metadata cannot be understood; another version wrote it") }
        let isText = try entry("is_text") == "true"
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
        // Before memory is asked for: the header may promise what the file does not hold.
        let parameters = configuration.model.approximateParameterCount(vocabularySize: vocabularySize)
        guard 4 * parameters <= Double(file.dataBytes) else {
            throw UserError(
                "\(file.path) holds \(file.dataBytes) bytes of tensors, and the model in its metadata needs "
                    + String(format: "%.0f", 4 * parameters) + ": it is cut short or damaged")
        }
        self.configuration = configuration
        self.vocabularySize = vocabularySize
        self.step = step
        self.isText = isText
    }

    /// Writes a checkpoint whole or not at all.
    ///
    /// - Throws: `UserError` naming the file.
    static func write(
        _ parameters: Parameters, _ configuration: RunConfiguration, vocabularySize: Int, isText: Bool, step: Int,
        to path: String
    ) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let metadata = [
            "format": format,
            "configuration": String(decoding: try encoder.encode(configuration), as: UTF8.self),
            "vocabulary_size": String(vocabularySize), "is_text": String(isText), "step": String(step),
        ]
        let tensors = parameters.layout.tensors.map {
            SafeTensors.Output(name: $0.name, shape: $0.shape, values: parameters.values + $0.offset)
        }
        try SafeTensors.write(tensors, metadata: metadata, to: path)
    }

    /// Copies all parameters to `values`.
    ///
    /// - Throws: `UserError` if a tensor is missing or has another shape.
    func copyParameters(_ layout: ParameterLayout, to values: UnsafeMutablePointer<Float>) throws {
        let file = try SafeTensors.File(path)
        for tensor in layout.tensors {
            try file.copy(tensor.name, shape: tensor.shape, to: values + tensor.offset)
        }
    }
}
