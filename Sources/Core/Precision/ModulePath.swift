/// The name of a module, as Hugging Face writes paths: `layers.3.mlp.up`.
public struct ModulePath: Hashable, Codable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }

    public static let head = ModulePath("lm_head")

    public static func layer(_ layer: Int, _ module: String) -> ModulePath {
        ModulePath("layers.\(layer).\(module)")
    }

    public func parameter(_ name: String) -> String {
        "\(description).\(name)"
    }

    /// The number of its layer; nil for a module outside the layers.
    public var layer: Int? {
        let parts = description.split(separator: ".")
        return parts.count > 1 && parts[0] == "layers" ? Int(parts[1]) : nil
    }

    /// The module within its layer, such as `mlp.up`; the whole path outside the layers.
    public var name: String {
        layer == nil ? description : description.split(separator: ".").dropFirst(2).joined(separator: ".")
    }

    public init(from decoder: any Decoder) throws {
        description = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension ModelConfiguration {
    /// The linears of a layer, in the order in which a step runs them: `attn.q` … `mlp.down`.
    public var layerLinears: [String] {
        let feedForward = activation == .swiglu ? ["mlp.up", "mlp.gate", "mlp.down"] : ["mlp.up", "mlp.down"]
        return ["attn.q", "attn.k", "attn.v", "attn.o"] + feedForward
    }

    /// All linears, layer by layer, and the head.
    public var linears: [ModulePath] {
        (0..<layers).flatMap { layer in layerLinears.map { ModulePath.layer(layer, $0) } } + [.head]
    }

    /// Inputs and outputs of a linear.
    public func shape(of linear: ModulePath, vocabularySize: Int) -> (inputs: Int, outputs: Int) {
        switch linear.name {
        case "attn.k", "attn.v": (width, keyValueWidth)
        case "mlp.up", "mlp.gate": (width, feedForwardWidth)
        case "mlp.down": (feedForwardWidth, width)
        case "lm_head": (width, vocabularySize)
        default: (width, width)
        }
    }
}
