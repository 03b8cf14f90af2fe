/// What a cell means. A theme gives each role a colour; layout never names colours.
public enum Role: UInt8, Sendable, Hashable, CaseIterable {
    case background, bar, selection
    case axis, barText, text, emphasis, strong
    case error, clip, warning, ok
    case gradientNorm, loss, title, validation, comparison
    case raw, floor, border, focus
    case fp4, fp8, bf16

    /// The base16 colour, 0…15, that the role takes unless the theme says otherwise.
    public var slot: Int {
        switch self {
        case .background: 0x0
        case .bar: 0x1
        case .selection, .border: 0x2
        case .axis, .raw: 0x3
        case .barText: 0x4
        case .text: 0x5
        case .emphasis: 0x6
        case .strong: 0x7
        case .error: 0x8
        case .clip: 0x9
        case .warning, .fp8: 0xA
        case .ok, .floor: 0xB
        case .gradientNorm: 0xC
        case .loss, .title, .focus, .fp4: 0xD
        case .validation, .bf16: 0xE
        case .comparison: 0xF
        }
    }

    public var name: String { "\(self)" }
}

/// How a cell is emphasised, besides its colour.
public struct Attributes: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    public static let bold = Attributes(rawValue: 1)
    public static let reverse = Attributes(rawValue: 2)
    public static let underline = Attributes(rawValue: 4)
}

public struct Style: Sendable, Hashable {
    public var role: Role
    public var background: Role
    public var attributes: Attributes

    public init(_ role: Role, on background: Role = .background, _ attributes: Attributes = []) {
        self.role = role
        self.background = background
        self.attributes = attributes
    }

    public static let text = Style(.text)
    public static let bar = Style(.barText, on: .bar)
}

/// One place of the screen.
public struct Cell: Sendable, Hashable {
    /// U+0000 in the right half of a wide character.
    public var scalar: Unicode.Scalar
    public var style: Style

    public init(_ scalar: Unicode.Scalar, _ style: Style) {
        self.scalar = scalar
        self.style = style
    }

    public static let continuation: Unicode.Scalar = "\0"
}
