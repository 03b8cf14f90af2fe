import KernelInterface

// What the quantizer has to know of formats, and what it says of their values, in the terms of the kernels.

extension QuantizerSettings {
    init(_ format: BlockFormat, _ random: QuantizationRandom) {
        let rule: ScaleRule =
            switch format.scale {
            case .fp32: .fp32
            case .e8m0Floor: .e8m0Floor
            case .e8m0Ceiling: .e8m0Ceiling
            case .e8m0Nearest: .e8m0Nearest
            case .e4m3: .e4m3
            }
        var isStochastic = false
        if case .stochastic = format.rounding { isStochastic = true }
        self.init(
            mantissaBits: Int32(format.element.mantissaBits), minimumExponent: Int32(format.element.minimumExponent),
            maximum: format.element.maximum, maximumExponent: Int32(format.element.maximumExponent), rule: rule,
            prescale: format.scalePrescale, blockLength: format.chunk, isStochastic: isStochastic,
            triesFour: format.fourOverSix, usesDeviation: format.usesDeviation,
            correctedGroup: format.eden ? format.hadamard?.size ?? 0 : 0, key: random.key)
    }
}

extension BlockFormat {
    /// A scale depends on more than its block's part of a row.
    var needsMagnitudes: Bool {
        if case .e4m3 = scale { return true }
        if case .vector = block { return false }
        return true
    }
}

extension QuantizationRandom {
    /// NVIDIA's vector of signs (arXiv 2509.25149), a set bit for each −1, repeated.
    private static let fixed: UInt32 = HadamardTransform.fixedSigns.enumerated().reduce(0) { bits, sign in
        sign.element < 0 ? bits | 1 << UInt32(sign.offset) : bits
    }

    func signs(_ kind: BlockFormat.Hadamard.Signs) -> SIMD4<UInt32> {
        switch kind {
        case .none: .zero
        case .fixed: SIMD4(repeating: Self.fixed | Self.fixed << 16)
        case .random: signs
        }
    }
}

extension QuantizationHealth {
    mutating func add(_ sums: QuantizationSums) {
        for lane in 0..<16 {
            squareSum += Double(sums.squares[lane])
            errorSquareSum += Double(sums.squaredErrors[lane])
            productSum += Double(sums.products[lane])
            saturated += Int(sums.saturated[lane])
            underflowed += Int(sums.underflowed[lane])
        }
    }
}
