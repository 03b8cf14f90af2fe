/// The scale of a block.
struct BlockScale {
    /// s of x̂ = q · s: NaN for a block with an infinity or NaN, 0 for one that becomes all zeros.
    var scale: Float
    /// r of q = round(x · r): 1 / s, or 0.
    var encodeFactor: Float
    /// The E8M0 or E4M3 code that is stored; 0 for FP32 scales.
    var code: UInt8
}

/// How the scale of a block follows from its largest magnitude. All arithmetic is FP32's.
struct BlockScaleRule {
    private let scale: BlockFormat.Scale
    private let maximum: Float
    private let maximumExponent: Int
    private let prescale: Float
    /// What amax is mapped to.
    private let target: Float
    /// E4M3 scales: what the values of the tensor are multiplied with before E4M3 takes the scales of the blocks.
    private let tensorEncodeFactor: Float
    /// E4M3 scales: the FP32 scale of the tensor, NaN if the tensor holds an infinity or NaN.
    let tensorScale: Float

    private static let e4m3 = ElementGrid(.e4m3)

    /// - Parameter tensorAmax: the largest magnitude of the operand; matters for E4M3 scales only.
    init(_ format: BlockFormat, tensorAmax: Float) {
        scale = format.scale
        maximum = format.element.maximum
        maximumExponent = format.element.maximumExponent
        prescale = format.scalePrescale
        target = format.element.maximum * format.scalePrescale
        tensorEncodeFactor = min(target * format.largestBlockScale / tensorAmax, 0x1p126)
        tensorScale = tensorAmax.isFinite ? 1 / tensorEncodeFactor : .nan
    }

    /// - Parameters:
    ///   - amax: largest magnitude of the block; infinity or NaN if it holds one.
    ///   - enlargement: of E4M3 scales: 1, or 1½ to map amax to 4 where 1 maps it to 6.
    func scale(amax: Float, enlargement: Float = 1) -> BlockScale {
        guard amax.isFinite, !(scale == .e4m3 && tensorScale.isNaN) else {
            return BlockScale(scale: .nan, encodeFactor: .nan, code: nanCode)
        }
        guard amax > 0 else { return BlockScale(scale: 0, encodeFactor: 0, code: 0) }
        switch scale {
        case .fp32:
            let s = max(amax / target, 0x1p-126)
            return BlockScale(scale: s, encodeFactor: 1 / s, code: 0)
        case .e8m0Floor:
            return powerOfTwo(code: max(exponentField(amax) - maximumExponent, 0))
        case .e8m0Ceiling:
            let t = amax / maximum
            let isPower = t.bitPattern & 0x7F_FFFF == 0
            return powerOfTwo(code: min(max(exponentField(t) + (isPower ? 0 : 1), 1), Int(E8M0.maximumCode)))
        case .e8m0Nearest:
            return powerOfTwo(code: max(Int(E8M0.encode(amax / maximum)), 1))
        case .e4m3:
            let wanted = amax / target * tensorEncodeFactor * enlargement
            let blockScale = Self.e4m3.nearest(min(wanted, Self.e4m3.maximum))
            let s = blockScale * tensorScale
            // 1 / s would be infinite, or lose bits.
            guard s >= 0x1p-126 else { return BlockScale(scale: 0, encodeFactor: 0, code: 0) }
            return BlockScale(scale: s, encodeFactor: 1 / s, code: Self.e4m3.code(blockScale))
        }
    }

    /// The scale of MS-EDEN: the E4M3 scale of `block` times the group's correction, rounded stochastically. The encode
    /// factor stays, so that the values do.
    func corrected(_ block: BlockScale, by correction: Float, random: UInt16) -> BlockScale {
        guard block.scale.isFinite, block.scale > 0 else { return block }
        let blockScale = ElementFormat.e4m3.decode(UInt32(block.code))
        let rounded = Self.e4m3.stochastic(min(blockScale * correction, Self.e4m3.maximum), random: random)
        let s = rounded * tensorScale
        guard s >= 0x1p-126 else { return BlockScale(scale: 0, encodeFactor: 0, code: 0) }
        return BlockScale(scale: s, encodeFactor: block.encodeFactor, code: Self.e4m3.code(rounded))
    }

    private var nanCode: UInt8 {
        switch scale {
        case .fp32: 0
        case .e8m0Floor, .e8m0Ceiling, .e8m0Nearest: E8M0.nanCode
        case .e4m3: 0x7F
        }
    }

    private func powerOfTwo(code: Int) -> BlockScale {
        let exponent = code - E8M0.exponentBias
        return BlockScale(
            scale: Float(sign: .plus, exponent: exponent, significand: 1) * (1 / prescale),
            encodeFactor: Float(sign: .plus, exponent: -exponent, significand: 1) * prescale,
            code: UInt8(code))
    }

    private func exponentField(_ x: Float) -> Int { Int(x.bitPattern >> 23) }
}

extension BlockFormat {
    /// What amax is mapped to, over the element format's maximum: `prescale`, or for MS-EDEN what has the least squared error
    /// (arXiv 2601.22813).
    var scalePrescale: Float { eden ? 1 / (17 / 16 * 0.93) : prescale }

    /// The largest E4M3 scale that is given to a block. With four-over-six it must be able to grow by 1½: 256 · 1½ is at
    /// most 448, and exact. With MS-EDEN it must be able to grow a little.
    var largestBlockScale: Float { fourOverSix || eden ? 256 : 448 }
}
