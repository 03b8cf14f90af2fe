extension BlockFormat: CustomStringConvertible, RawRepresentable, Codable, CaseIterable {
    /// The formats with a short name.
    public static let named: [(name: String, format: BlockFormat)] = [
        ("fp32", .fp32), ("bf16", .bf16), ("fp8", .fp8), ("mxfp8", .mxfp8), ("fp4", .fp4), ("mxfp4", .mxfp4),
        ("nvfp4", .nvfp4),
    ]

    public static var allCases: [BlockFormat] { named.map(\.format) }

    public init?(rawValue: String) {
        guard let entry = Self.named.first(where: { $0.name == rawValue }) else { return nil }
        self = entry.format
    }

    public var rawValue: String { Self.named.first { $0.format == self }?.name ?? "\(element.rawValue)" }

    public var description: String { rawValue }

    public static func == (a: BlockFormat, b: BlockFormat) -> Bool {
        a.element == b.element && a.block == b.block && a.scale == b.scale && a.rounding == b.rounding
            && a.prescale == b.prescale && a.fourOverSix == b.fourOverSix && a.hadamard == b.hadamard
    }
}
