/// The name of a module, as Hugging Face writes paths: `layers.3.mlp.up`.
public struct ModulePath: Hashable, Codable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }

    public static func layer(_ layer: Int, _ module: String) -> ModulePath {
        ModulePath("layers.\(layer).\(module)")
    }

    public func parameter(_ name: String) -> String {
        "\(description).\(name)"
    }

    public init(from decoder: any Decoder) throws {
        description = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
