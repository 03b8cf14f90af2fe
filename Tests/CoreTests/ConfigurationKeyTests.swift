import Core
import Foundation
import Testing

@Suite struct ConfigurationKeyTests {
    /// The leaves of a value's JSON, by their paths in snake case.
    static func leaves(of value: some Encodable) throws -> [String: String] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        var result: [String: String] = [:]
        func visit(_ value: Any, _ path: String) {
            if let object = value as? [String: Any] {
                for (key, inner) in object { visit(inner, path.isEmpty ? key : "\(path).\(key)") }
            } else {
                result[path] = "\(value)"
            }
        }
        visit(try JSONSerialization.jsonObject(with: encoder.encode(value)), "")
        return result
    }

    /// A value of the domain that differs from another one.
    static func value(of domain: ConfigurationDomain, otherThan value: ConfigurationValue?) -> ConfigurationValue? {
        let candidates: [ConfigurationValue] =
            switch domain {
            case .boolean: [.boolean(true), .boolean(false)]
            case .integer(let range): [.integer(range.lowerBound), .integer(range.lowerBound + 1)]
            case .number: [.number(0.25), .number(0.5)]
            case .choice(let names): names.map(ConfigurationValue.string)
            case .format: [.string("bf16"), .string("nvfp4+4/6")]
            case .precisions: [.string("bf16/fp4/fp4"), .string("fp8")]
            case .assignments: [.list([.string("layers.* fprop,wgrad =nvfp4+sr")])]
            case .phases: [.list([.string("92.5%: mlp.* forward bf16; lm_head fp8")])]
            case .string: [.string("a"), .string("b")]
            case .strings: [.list([.string("a")]), .list([])]
            }
        return candidates.first { $0 != value && domain.accept($0) != nil }
    }

    @Test func everyStoredPropertyHasAKey() throws {
        // A recipe's keys do not follow its properties: `RecipeKeyTests`.
        let stored = Set(try Self.leaves(of: RunConfiguration()).keys.filter { !$0.hasPrefix("recipe.") })
        let keys = ConfigurationKey.all.filter { !$0.isShorthand && $0.section != "recipe" }.map(\.path)
        #expect(Set(keys) == stored)
        #expect(Set(keys).count == keys.count)
    }

    @Test(arguments: ConfigurationKey.all.filter { !$0.isShorthand && $0.section != "recipe" }.map(\.path))
    func aKeySetsItsPropertyAndNoOther(path: String) throws {
        let key = try #require(ConfigurationKey.named(path))
        var configuration = RunConfiguration()
        configuration.model.keyValueHeads = 2
        let before = try Self.leaves(of: configuration)
        let value = try #require(Self.value(of: key.domain, otherThan: key.value(in: configuration)))
        try key.set(value, in: &configuration)
        let after = try Self.leaves(of: configuration)
        #expect(after.keys.filter { before[$0] != after[$0] } == [path])
        #expect(key.value(in: configuration) == value)
    }

    @Test func defaultsAreInsideTheirDomains() {
        for key in ConfigurationKey.all {
            guard let value = key.value(in: RunConfiguration()) else { continue }
            #expect(key.domain.accept(value) == value, "\(key.path)")
            #expect(key.summary.hasSuffix("."), "\(key.path)")
        }
    }

    @Test(arguments: [
        ("run.steps", ConfigurationValue.integer(0)), ("run.steps", .number(5)), ("run.steps", .string("5")),
        ("run.seed", .integer(-1)), ("optimizer.learning_rate", .number(.nan)),
        ("optimizer.learning_rate", .number(.infinity)), ("optimizer.learning_rate", .integer(0)),
        ("optimizer.clip", .number(.infinity)), ("optimizer.clip", .number(-1)), ("optimizer.beta2", .integer(1)),
        ("data.validation_fraction", .integer(0)), ("model.bias", .integer(1)), ("model.norm", .string("batchnorm")),
        ("run.kernels", .string("sse")), ("data.paths", .list([.integer(1)])), ("run.name", .other("1979-05-27")),
        ("run.save", .string("a\0b")),
    ])
    func aValueOutsideIsRefusedByName(path: String, value: ConfigurationValue) throws {
        let key = try #require(ConfigurationKey.named(path))
        var configuration = RunConfiguration()
        #expect(throws: UserError("\(path) = \(value) is not possible: it must be \(key.domain)")) {
            try key.set(value, in: &configuration)
        }
        #expect(configuration == RunConfiguration())
    }

    @Test func anIntegerIsANumberAndAStringAList() throws {
        var configuration = RunConfiguration()
        try configuration.apply([
            .init(path: "optimizer.learning_rate", value: .integer(1), origin: "a"),
            .init(path: "data.paths", value: .string("x"), origin: "b"),
        ])
        #expect(configuration.optimizer.learningRate == 1)
        #expect(configuration.data.paths == ["x"])
    }

    @Test(arguments: [
        ("model.layer", "model.layers"), ("layers", "model.layers"), ("modle.width", "model.width"),
        ("optimizer.lerning_rate", "optimizer.learning_rate"), ("seed", "run.seed"),
    ])
    func anUnknownKeyIsRefusedWithTheNearest(path: String, nearest: String) {
        var configuration = RunConfiguration()
        #expect(throws: UserError("here: there is no key \(path); the nearest is \(nearest)")) {
            try configuration.apply([.init(path: path, value: .integer(1), origin: "here")])
        }
    }

    @Test func aKeyGivenTwiceIsRefused() {
        var configuration = RunConfiguration()
        #expect(throws: UserError("second: run.steps is given twice, as 1 and as 2")) {
            try configuration.apply([
                .init(path: "run.steps", value: .integer(1), origin: "first"),
                .init(path: "run.steps", value: .integer(2), origin: "second"),
            ])
        }
    }

    @Test func aShorthandIsAppliedBeforeTheKeysItSets() throws {
        var configuration = RunConfiguration()
        try configuration.apply([
            .init(path: "model.norm", value: .string("layernorm"), origin: ""),
            .init(path: "model.family", value: .string("llama"), origin: ""),
        ])
        #expect(configuration.model.norm == .layerNorm)
        #expect(configuration.model.position == .rope)
        #expect(configuration.model.activation == .swiglu)
        #expect(!configuration.toml.contains("family"))
    }

    @Test func keyValueHeadsFollowHeadsUntilTheyDiffer() throws {
        var configuration = RunConfiguration()
        try configuration.apply([.init(path: "model.heads", value: .integer(8), origin: "")])
        #expect(configuration.model.keyValueHeads == 8)
        try configuration.apply([.init(path: "model.key_value_heads", value: .integer(2), origin: "")])
        try configuration.apply([.init(path: "model.heads", value: .integer(4), origin: "")])
        #expect(configuration.model.keyValueHeads == 2)
    }

    @Test(arguments: [
        ("", "", 0), ("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("ab", "ba", 2),
    ])
    func editDistance(a: String, b: String, distance: Int) {
        #expect(EditDistance.between(a, b) == distance)
        #expect(EditDistance.between(b, a) == distance)
    }

    @Test(arguments: [
        (ConfigurationValue.string("a\"b\\c\nd\te\u{1}\u{7F}é"), #""a\"b\\c\nd\te\u0001\u007Fé""#),
        (.list([.string("a"), .integer(2)]), #"["a", 2]"#), (.number(1), "1.0"), (.number(1e-8), "1e-08"),
        (.boolean(true), "true"), (.integer(-3), "-3"),
    ])
    func valuesAreWrittenAsTOML(value: ConfigurationValue, text: String) {
        #expect(value.description == text)
    }
}
