/// The three matrix products of a linear `Y = X·Wᵀ`, where `E = dL/dY`.
public enum GEMMKind: String, Codable, Sendable, CaseIterable, Comparable {
    /// `Y = X·Wᵀ`, operands X and W; reduces over the inputs.
    case fprop
    /// `dX = E·W`, operands E and W; reduces over the outputs.
    case dgrad
    /// `dW = Eᵀ·X`, operands E and X; reduces over the tokens.
    case wgrad

    /// In the order in which a step runs them.
    public static func < (a: GEMMKind, b: GEMMKind) -> Bool { a.index < b.index }

    /// 0, 1, 2.
    public var index: Int {
        switch self {
        case .fprop: 0
        case .dgrad: 1
        case .wgrad: 2
        }
    }
}
