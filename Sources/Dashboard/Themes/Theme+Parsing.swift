import Core
import Yams

extension Theme {
    private static let bases = (0..<16).map { "base0" + String($0, radix: 16, uppercase: true) }

    /// Reads a base16 scheme: the form of tinted-theming's builder 0.11 (`palette` with base00…base0F) or the older one
    /// with the bases at the top level. Two things go beyond base16: a colour may be `ansi0`…`ansi15` or `standard`,
    /// the terminal's own; and a map `roles` may give a role a base or a colour of its own.
    /// - Parameter source: the file's name, for messages.
    /// - Throws: `UserError` that names file, line and key.
    public static func parse(_ yaml: String, source: String) throws(UserError) -> Theme {
        let root = try compose(yaml, source)
        guard case .mapping(let top) = root else {
            throw problem(source, root.mark, "is not a map of keys: a base16 scheme is expected")
        }
        if let system = top["system"]?.string, system != "base16" {
            throw problem(source, top["system"]?.mark, "system: found “\(system)”, expected base16")
        }
        var holder = top
        if let palette = top["palette"] {
            guard case .mapping(let mapping) = palette else {
                throw problem(source, palette.mark, "palette: expected a map of base00 to base0F")
            }
            holder = mapping
        }
        var palette: [Colour] = []
        for base in bases {
            guard let node = value(holder, base) else {
                throw problem(source, root.mark, "\(base) is missing: base00 to base0F are expected")
            }
            palette.append(try colour(node, key: base, source))
        }
        var overrides: [Role: Colour] = [:]
        if let roles = top["roles"] {
            guard case .mapping(let mapping) = roles else {
                throw problem(source, roles.mark, "roles: expected a map of roles to colours")
            }
            for (key, node) in mapping {
                let name = key.string ?? ""
                guard let role = Role.allCases.first(where: { $0.name == name }) else {
                    let names = Role.allCases.map(\.name).joined(separator: " ")
                    throw problem(source, key.mark, "roles: unknown role “\(name)”, expected one of \(names)")
                }
                let text = node.scalar?.string.lowercased()
                if let slot = bases.firstIndex(where: { $0.lowercased() == text }) {
                    overrides[role] = palette[slot]
                } else {
                    overrides[role] = try colour(node, key: "roles.\(name)", source)
                }
            }
        }
        let name = top["name"]?.scalar?.string ?? top["scheme"]?.scalar?.string ?? source
        return Theme(name: name, palette: palette, overrides: overrides)
    }

    private static func compose(_ yaml: String, _ source: String) throws(UserError) -> Node {
        do {
            guard let root = try Yams.compose(yaml: yaml) else {
                throw UserError("theme \(source) is empty: a base16 scheme is expected")
            }
            return root
        } catch let error as UserError {
            throw error
        } catch YamlError.scanner(_, let text, let mark, _), YamlError.parser(_, let text, let mark, _),
            YamlError.composer(_, let text, let mark, _)
        {
            throw problem(source, mark, "is not YAML: \(text)")
        } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
            throw problem(source, context.mark, "has a key twice: \(keys.joined(separator: ", "))")
        } catch {
            throw UserError("theme \(source) is not YAML text")
        }
    }

    /// Keys are compared without regard to case: both base0A and base0a are in use.
    private static func value(_ mapping: Node.Mapping, _ key: String) -> Node? {
        mapping[Node(key)] ?? mapping.first { $0.key.string?.lowercased() == key.lowercased() }?.value
    }

    private static func colour(_ node: Node, key: String, _ source: String) throws(UserError) -> Colour {
        let text = node.scalar?.string ?? ""
        if text == "standard" { return .standard }
        if text.hasPrefix("ansi"), let index = UInt8(text.dropFirst(4)), index < 16 { return .ansi(index) }
        let digits = text.hasPrefix("#") ? text.dropFirst() : Substring(text)
        guard digits.utf8.count == 6, digits.allSatisfy(\.isHexDigit), let value = UInt32(digits, radix: 16) else {
            let found = text.isEmpty ? "nothing (a # outside quotes starts a comment)" : "“\(text)”"
            throw problem(source, node.mark, "\(key): found \(found), expected a colour such as \"#1a2b3c\"")
        }
        return .rgb(
            red: UInt8(truncatingIfNeeded: value >> 16), green: UInt8(truncatingIfNeeded: value >> 8),
            blue: UInt8(truncatingIfNeeded: value))
    }

    private static func problem(_ source: String, _ mark: Mark?, _ text: String) -> UserError {
        UserError("theme \(source)\(mark.map { " line \($0.line)" } ?? ""): \(text)")
    }
}
