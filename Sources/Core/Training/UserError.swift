/// A mistake that a user can mend: one clear sentence that names the file, key or flag, the value found and the value
/// expected. The program prints it and exits with code 2.
public struct UserError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
