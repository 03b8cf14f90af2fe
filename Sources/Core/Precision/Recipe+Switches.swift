/// The operands of a linear's GEMMs.
public enum LinearOperand: String, Codable, Sendable, CaseIterable {
    /// The input X[tokens, inputs].
    case x
    /// The weight W[outputs, inputs].
    case w
    /// The gradient E = dL/dY[tokens, outputs].
    case e
}

extension GEMMKind {
    /// The left and the right operand.
    public var operands: (a: LinearOperand, b: LinearOperand) {
        switch self {
        case .fprop: (.x, .w)
        case .dgrad: (.e, .w)
        case .wgrad: (.e, .x)
        }
    }
}

/// One operand of one GEMM at one precision: where a recipe has a format.
public struct FormatPlace: Hashable, Sendable {
    public let precision: Precision
    public let gemm: GEMMKind
    public let isLeft: Bool

    public var operand: LinearOperand { isLeft ? gemm.operands.a : gemm.operands.b }

    /// The twelve of them: FP4 and FP8, GEMM by GEMM, the left operand first.
    public static let all: [FormatPlace] = [Precision.fp4, .fp8].flatMap { precision in
        GEMMKind.allCases.flatMap { gemm in
            [true, false].map { FormatPlace(precision: precision, gemm: gemm, isLeft: $0) }
        }
    }
}

extension Recipe {
    /// The format at a place.
    public subscript(_ place: FormatPlace) -> BlockFormat {
        get {
            let formats = place.precision == .fp4 ? fp4[place.gemm] : fp8[place.gemm]
            return place.isLeft ? formats.a : formats.b
        }
        set {
            var formats = place.precision == .fp4 ? fp4[place.gemm] : fp8[place.gemm]
            if place.isLeft { formats.a = newValue } else { formats.b = newValue }
            if place.precision == .fp4 { fp4[place.gemm] = formats } else { fp8[place.gemm] = formats }
        }
    }

    /// Techniques that are options of formats, switched on or off as a whole: for ablations.
    public enum FormatSwitch: String, Sendable, CaseIterable {
        /// Off: all to nearest. On, without any: the operands E.
        case stochasticRounding = "stochastic_rounding"
        /// Off: none. On, without any: 16 with random signs on both operands of wgrad.
        case hadamard
        /// Off: 1 × N instead of N × N. On, without any: N × N instead of 1 × N for the operands W.
        case squareScales = "square_scales"
        /// On, without any: all FP4 formats with E4M3 scales.
        case fourOverSix = "four_over_six"
    }

    /// Whether some format has the technique.
    public func has(_ technique: FormatSwitch) -> Bool {
        FormatPlace.all.contains { technique.isOn(self[$0]) }
    }

    /// Switches a technique. What a recipe has stays as it is when it is switched on; else it is put where the recipe
    /// that this one is based on has it, or if that has none, where `FormatSwitch` says.
    ///
    /// - Throws: `UserError` if no format can have the technique.
    public mutating func set(_ technique: FormatSwitch, _ isOn: Bool) throws(UserError) {
        guard isOn != has(technique) else { return }
        guard isOn else {
            for place in FormatPlace.all { technique.remove(from: &self[place]) }
            return
        }
        let base = (try? Recipe.named(base)).flatMap { $0.has(technique) ? $0 : nil }
        for place in FormatPlace.all where self[place].unscaled == nil {
            var format = self[place]
            technique.put(into: &format, at: place, as: base?[place])
            if (try? format.validate()) != nil { self[place] = format }
        }
        guard has(technique) else {
            throw UserError(
                "recipe.\(technique.rawValue) = true is not possible: no format of the recipe \(name) can have it")
        }
    }
}

extension Recipe.FormatSwitch {
    fileprivate func isOn(_ format: BlockFormat) -> Bool {
        switch self {
        case .stochasticRounding: format.rounding == .stochastic
        case .hadamard: format.hadamard != nil
        case .squareScales: if case .square = format.block { true } else { false }
        case .fourOverSix: format.fourOverSix
        }
    }

    fileprivate func remove(from format: inout BlockFormat) {
        switch self {
        case .stochasticRounding: format.rounding = .nearest
        case .hadamard: format.hadamard = nil
        case .squareScales: if case .square(let size) = format.block { format.block = .vector(size) }
        case .fourOverSix: format.fourOverSix = false
        }
    }

    /// - Parameter model: the format at that place of a recipe that has the technique; nil: the defaults.
    fileprivate func put(into format: inout BlockFormat, at place: FormatPlace, as model: BlockFormat?) {
        if let model, !isOn(model) { return }
        switch self {
        case .stochasticRounding:
            if model != nil || place.operand == .e { format.rounding = .stochastic }
        case .hadamard:
            format.hadamard = model?.hadamard ?? (place.gemm == .wgrad ? .init(size: 16, signs: .random) : nil)
        case .squareScales:
            if place.operand == .w, case .vector(let size) = format.block { format.block = .square(size) }
        case .fourOverSix:
            if place.precision == .fp4, format.scale == .e4m3 { format.fourOverSix = true }
        }
    }
}

extension Recipe {
    /// The name, and whether anything was changed since.
    public var label: String {
        guard let original = try? Recipe.named(name), original != self else { return name }
        return "\(name), changed"
    }

    /// Checks what no key can check alone: modules that the model does not have, Hadamard transforms on one operand only.
    ///
    /// - Throws: `UserError` naming the keys and their values.
    func validate(for model: ModelConfiguration) throws(UserError) {
        for (key, assignments) in [
            ("assignments", assignments), ("phases", schedule.phases.flatMap(\.assignments)),
        ] {
            for assignment in assignments {
                do throws(UserError) {
                    _ = try assignment.pattern.linears(of: model)
                } catch {
                    throw UserError("recipe.\(key) has \"\(assignment)\": \(error)")
                }
            }
        }
        for precision in [Precision.fp4, .fp8] {
            for gemm in GEMMKind.allCases {
                let formats = formats(gemm, precision)
                guard formats.a.hadamard != formats.b.hadamard else { continue }
                let key = "recipe.\(precision.rawValue)_\(gemm.rawValue)_"
                throw UserError(
                    "\(key)\(gemm.operands.a.rawValue) = \"\(formats.a)\" and "
                        + "\(key)\(gemm.operands.b.rawValue) = \"\(formats.b)\" do not go together: "
                        + "both operands of a GEMM have the same Hadamard transform, or none")
            }
        }
    }
}
