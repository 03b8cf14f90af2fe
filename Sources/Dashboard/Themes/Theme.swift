import Core
import Themes

/// The colours of the roles.
public struct Theme: Sendable, Hashable {
    public enum Colour: Sendable, Hashable {
        case rgb(red: UInt8, green: UInt8, blue: UInt8)
        /// One of the terminal's own colours, 0…15.
        case ansi(UInt8)
        /// The terminal's own foreground or background.
        case standard
    }

    public let name: String
    /// base00…base0F.
    public let palette: [Colour]
    /// Roles that don't take the colour of their slot.
    public let overrides: [Role: Colour]

    init(name: String, palette: [Colour], overrides: [Role: Colour]) {
        self.name = name
        self.palette = palette
        self.overrides = overrides
    }

    public subscript(role: Role) -> Colour {
        overrides[role] ?? palette[role.slot]
    }

    /// The theme where none is asked for.
    public static let standardName = "dark"

    /// Names of the themes within the program.
    public static var names: [String] { Themes.embedded.keys.sorted() }

    /// A theme within the program.
    /// - Throws: `UserError` if there is none of that name.
    public static func named(_ name: String) throws(UserError) -> Theme {
        guard let bytes = Themes.embedded[name] else {
            throw UserError("unknown theme \(name): use \(names.joined(separator: ", ")) or the path of a base16 file")
        }
        return try parse(String(decoding: bytes, as: UTF8.self), source: "\(name).yaml")
    }
}
