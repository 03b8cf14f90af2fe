import Core
import Foundation
import TOMLKit

/// TOML, read into assignments of keys.
enum ConfigurationFile {
    /// - Throws: `UserError` naming the file, and for a mistake in it the line and the column.
    static func read(path: String) throws -> [ConfigurationAssignment] {
        try assignments(in: try text(of: path, flag: "--config"), file: path)
    }

    /// A recipe: the keys of the section `recipe` without the section.
    ///
    /// - Throws: `UserError` naming the file, and for a mistake in it the line and the column.
    static func readRecipe(path: String) throws -> [ConfigurationAssignment] {
        let found = try assignments(in: try text(of: path, flag: "--recipe"), file: path, section: "recipe")
        if let key = found.first(where: { $0.path.hasPrefix("recipe.recipe") }) {
            throw UserError("\(key.origin): the keys of a recipe file stand by themselves, without [recipe]")
        }
        guard found.contains(where: { $0.path == "recipe.inherits" }) else {
            throw UserError(
                "--recipe \(path): the recipe to start from is missing, as in inherits = \"nvfp4\"")
        }
        return found
    }

    private static func text(of path: String, flag: String) throws -> String {
        // Not Data(contentsOf:), which refuses pipes: --config <(fp4tui config) is a fine thing to write.
        guard let file = FileHandle(forReadingAtPath: path), let data = try? file.readToEnd() ?? Data() else {
            let reason = FileManager.default.fileExists(atPath: path) ? "cannot be read" : "does not exist"
            throw UserError("\(flag) \(path): the file \(reason)")
        }
        guard let text = String(validating: data, as: UTF8.self), !data.contains(0) else {
            throw UserError("\(flag) \(path): this is not a TOML file: it must be UTF-8 text")
        }
        return text
    }

    /// - Parameters:
    ///   - file: its name, for messages.
    ///   - section: to which all keys belong; nil: they name their sections themselves.
    static func assignments(in text: String, file: String, section: String? = nil) throws -> [ConfigurationAssignment] {
        let positions = TOMLPositions(text)
        func refuse(_ text: String, _ position: TOMLPositions.Position) -> UserError {
            UserError("\(file):\(position.line):\(position.column): \(text)")
        }
        if let (text, position) = positions.mistake { throw refuse(text, position) }
        if let (depth, position) = positions.deepest, depth > longestPath {
            throw refuse("a key of \(depth) parts; keys have two", position)
        }
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            let begin = error.source.begin
            throw refuse(error.description, .init(line: begin.line, column: begin.column))
        }
        var result: [ConfigurationAssignment] = []
        let prefix = section.map { [$0] } ?? []
        collect(table, at: prefix) { path, value in
            let origin =
                positions.position(of: Array(path.dropFirst(prefix.count))).map { "\(file):\($0.line):\($0.column)" }
                ?? file
            let name = path.map(TOMLPositions.written).joined(separator: ".")
            result.append(ConfigurationAssignment(path: name, value: value, origin: origin))
        }
        return result
    }

    /// The parser calls itself for each part of a key.
    private static let longestPath = 1000

    /// The value that a piece of TOML stands for, or nil if it is none.
    static func value(of text: String) -> ConfigurationValue? {
        guard !text.contains(where: \.isNewline), !text.utf8.contains(0),
            TOMLPositions("value = " + text).mistake == nil, let table = try? TOMLTable(string: "value = " + text),
            let value = table["value"]
        else { return nil }
        return converted(value)
    }

    /// Visits the leaves of a table. An empty table is a leaf where a key is expected to be a value.
    private static func collect(
        _ table: TOMLTable, at path: [String], visit: ([String], ConfigurationValue) -> Void
    ) {
        for key in table.keys {
            guard let value = table[key] else { continue }
            let path = path + [key]
            let isKey = ConfigurationKey.named(path.joined(separator: ".")) != nil
            let isSection = ConfigurationKey.all.contains { [$0.section] == path }
            if let inner = value.table, !isKey, isSection || !inner.isEmpty {
                collect(inner, at: path, visit: visit)
            } else {
                visit(path, converted(value))
            }
        }
    }

    private static func converted(_ value: any TOMLValueConvertible) -> ConfigurationValue {
        switch value.type {
        case .bool: value.bool.map(ConfigurationValue.boolean) ?? .other("?")
        case .int: value.int.map(ConfigurationValue.integer) ?? .other("?")
        case .double: value.double.map(ConfigurationValue.number) ?? .other("?")
        case .string: value.string.map(ConfigurationValue.string) ?? .other("?")
        case .array: .list(value.array?.map(converted) ?? [])
        case .table: .other("a table")
        case .date, .time, .dateTime: .other(value.debugDescription)
        }
    }
}
