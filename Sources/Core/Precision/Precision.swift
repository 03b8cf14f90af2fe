/// What a person sets a module to. What it means for each GEMM is the recipe's business.
public enum Precision: String, Codable, Sendable, CaseIterable, Comparable {
    case fp4, fp8, bf16

    /// The precision that an operand's format belongs to. FP32, which is for checking numerics, counts as BF16.
    public init(_ format: BlockFormat) {
        switch format.element {
        case .e2m1: self = .fp4
        case .e4m3, .e5m2: self = .fp8
        case .bf16, .fp32: self = .bf16
        }
    }

    /// 4, 8 or 16.
    public var bits: Int {
        switch self {
        case .fp4: 4
        case .fp8: 8
        case .bf16: 16
        }
    }

    public static func < (a: Precision, b: Precision) -> Bool { a.bits < b.bits }

    /// The next wider one; BF16 has none.
    public var raised: Precision? {
        switch self {
        case .fp4: .fp8
        case .fp8: .bf16
        case .bf16: nil
        }
    }
}

/// The precision of each GEMM of a linear.
public struct GEMMPrecisions: Hashable, Codable, Sendable, CustomStringConvertible {
    public var fprop: Precision
    public var dgrad: Precision
    public var wgrad: Precision

    public init(fprop: Precision, dgrad: Precision, wgrad: Precision) {
        self.fprop = fprop
        self.dgrad = dgrad
        self.wgrad = wgrad
    }

    public init(_ all: Precision) {
        self.init(fprop: all, dgrad: all, wgrad: all)
    }

    public subscript(_ gemm: GEMMKind) -> Precision {
        get {
            switch gemm {
            case .fprop: fprop
            case .dgrad: dgrad
            case .wgrad: wgrad
            }
        }
        set {
            switch gemm {
            case .fprop: fprop = newValue
            case .dgrad: dgrad = newValue
            case .wgrad: wgrad = newValue
            }
        }
    }

    /// `fp4`, or where the GEMMs differ `fp4/fp8/fp8`: fprop, dgrad, wgrad.
    public var description: String {
        fprop == dgrad && dgrad == wgrad
            ? fprop.rawValue : "\(fprop.rawValue)/\(dgrad.rawValue)/\(wgrad.rawValue)"
    }

    /// Reads what `description` writes.
    ///
    /// - Throws: `UserError` that says what is wrong and what is expected.
    public init(parsing text: String) throws(UserError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Precision(rawValue: String($0)) }
        switch (parts.count, parts.compactMap { $0 }) {
        case (1, let found) where found.count == 1: self.init(found[0])
        case (3, let found) where found.count == 3: self.init(fprop: found[0], dgrad: found[1], wgrad: found[2])
        default:
            throw UserError(
                "\"\(text)\" is no precision; expected fp4, fp8 or bf16, or three of them for fprop, dgrad and wgrad as in "
                    + "fp4/fp8/fp8")
        }
    }
}
