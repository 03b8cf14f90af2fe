/// A value that recordings and files hold as the text that a person would type.
public protocol TextCodable: Codable, CustomStringConvertible {
    /// Reads what `description` writes.
    ///
    /// - Throws: `UserError` that says what is wrong and what is expected.
    init(parsing text: String) throws(UserError)
}

extension TextCodable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do {
            try self.init(parsing: text)
        } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
