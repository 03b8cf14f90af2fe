/// A setting by its TOML path: what it means, what it takes, and how it is read and written.
///
/// `all` is the one table from which files, `--set`, `fp4tui config` and the reference in the README are made.
public struct ConfigurationKey: Sendable {
    /// `section.name`, in snake case.
    public let path: String
    /// One sentence.
    public let summary: String
    public let domain: ConfigurationDomain
    private let read: (@Sendable (RunConfiguration) -> ConfigurationValue)?
    private let write: @Sendable (inout RunConfiguration, ConfigurationValue) throws(UserError) -> Void

    public var section: String { String(path.prefix { $0 != "." }) }
    public var name: String { String(path.drop { $0 != "." }.dropFirst()) }
    /// Stands for several other keys, and has no value of its own.
    public var isShorthand: Bool { read == nil }

    /// The value in a configuration; nil for a shorthand.
    public func value(in configuration: RunConfiguration) -> ConfigurationValue? {
        read?(configuration)
    }

    init(
        path: String, summary: String, domain: ConfigurationDomain,
        read: (@Sendable (RunConfiguration) -> ConfigurationValue)?,
        write: @escaping @Sendable (inout RunConfiguration, ConfigurationValue) throws(UserError) -> Void
    ) {
        self.path = path
        self.summary = summary
        self.domain = domain
        self.read = read
        self.write = write
    }

    /// - Throws: `UserError` naming key, value and what is expected, if the value is outside the domain.
    public func set(_ value: ConfigurationValue, in configuration: inout RunConfiguration) throws {
        guard let accepted = domain.accept(value) else {
            throw UserError("\(path) = \(value) is not possible: \(domain.objection(to: value))")
        }
        try write(&configuration, accepted)
    }

    /// The key of a path.
    public static func named(_ path: String) -> ConfigurationKey? {
        all.first { $0.path == path }
    }
}

extension ConfigurationKey {
    typealias Target<Value> = any WritableKeyPath<RunConfiguration, Value> & Sendable

    static func integer(
        _ path: String, _ target: Target<Int>, _ range: ClosedRange<Int>, _ summary: String
    ) -> ConfigurationKey {
        ConfigurationKey(path: path, summary: summary, domain: .integer(range)) {
            .integer($0[keyPath: target])
        } write: { configuration, value in
            if case .integer(let integer) = value { configuration[keyPath: target] = integer }
        }
    }

    static func number(
        _ path: String, _ target: Target<Double>, from: ConfigurationDomain.Bound, to: ConfigurationDomain.Bound? = nil,
        _ summary: String
    ) -> ConfigurationKey {
        ConfigurationKey(path: path, summary: summary, domain: .number(from: from, to: to)) {
            .number($0[keyPath: target])
        } write: { configuration, value in
            if case .number(let number) = value { configuration[keyPath: target] = number }
        }
    }

    static func boolean(_ path: String, _ target: Target<Bool>, _ summary: String) -> ConfigurationKey {
        ConfigurationKey(path: path, summary: summary, domain: .boolean) {
            .boolean($0[keyPath: target])
        } write: { configuration, value in
            if case .boolean(let boolean) = value { configuration[keyPath: target] = boolean }
        }
    }

    static func string(
        _ path: String, _ target: Target<String>, choices: [String]? = nil, _ summary: String
    ) -> ConfigurationKey {
        let domain = choices.map(ConfigurationDomain.choice) ?? .string
        return ConfigurationKey(path: path, summary: summary, domain: domain) {
            .string($0[keyPath: target])
        } write: { configuration, value in
            if case .string(let text) = value { configuration[keyPath: target] = text }
        }
    }

    static func strings(_ path: String, _ target: Target<[String]>, _ summary: String) -> ConfigurationKey {
        ConfigurationKey(path: path, summary: summary, domain: .strings) {
            .list($0[keyPath: target].map(ConfigurationValue.string))
        } write: { configuration, value in
            guard case .list(let values) = value else { return }
            configuration[keyPath: target] = values.compactMap {
                if case .string(let text) = $0 { text } else { nil }
            }
        }
    }

    static func choice<Value>(
        _ path: String, _ target: Target<Value>, _ summary: String
    ) -> ConfigurationKey where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
        let names = Value.allCases.map(\.rawValue)
        return ConfigurationKey(path: path, summary: summary, domain: .choice(names)) {
            .string($0[keyPath: target].rawValue)
        } write: { configuration, value in
            if case .string(let name) = value, let choice = Value(rawValue: name) {
                configuration[keyPath: target] = choice
            }
        }
    }

    /// TOML integers are signed, so the seeds that can be written are those up to `Int.max`.
    static func seed(_ path: String, _ target: Target<UInt64>, _ summary: String) -> ConfigurationKey {
        ConfigurationKey(path: path, summary: summary, domain: .integer(0...Int.max)) {
            .integer(Int(clamping: $0[keyPath: target]))
        } write: { configuration, value in
            if case .integer(let integer) = value { configuration[keyPath: target] = UInt64(integer) }
        }
    }

    static func family(_ path: String, _ summary: String) -> ConfigurationKey {
        let names = ModelConfiguration.Family.allCases.map(\.rawValue)
        return ConfigurationKey(path: path, summary: summary, domain: .choice(names), read: nil) {
            if case .string(let name) = $1, let family = ModelConfiguration.Family(rawValue: name) {
                $0.model.adopt(family)
            }
        }
    }

    /// Key and value heads follow the heads as long as there are as many of them.
    static func heads(_ path: String, _ range: ClosedRange<Int>, _ summary: String) -> ConfigurationKey {
        ConfigurationKey(path: path, summary: summary, domain: .integer(range)) {
            .integer($0.model.heads)
        } write: { configuration, value in
            guard case .integer(let heads) = value else { return }
            if configuration.model.keyValueHeads == configuration.model.heads {
                configuration.model.keyValueHeads = heads
            }
            configuration.model.heads = heads
        }
    }
}
