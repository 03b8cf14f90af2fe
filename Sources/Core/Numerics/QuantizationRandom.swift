/// What is random in the quantization of one operand: the same for the same seed, step and operand, whoever computes it
/// and in whatever order.
public struct QuantizationRandom: Hashable, Sendable {
    /// Of the generator that stochastic rounding draws from: one for each operand.
    public var key: SIMD2<UInt32>
    /// 128 bits, from the lowest of x to the highest of w, for a Hadamard transform with random signs: set means minus. One
    /// for each GEMM, since both operands must be transformed alike.
    public var signs: SIMD4<UInt32>

    public init(key: SIMD2<UInt32>, signs: SIMD4<UInt32>) {
        self.key = key
        self.signs = signs
    }

    /// - Parameters:
    ///   - operandID: tells the operands of a step apart.
    ///   - operationID: tells the GEMMs of a step apart.
    public init(seed: UInt64, step: UInt64, operandID: UInt32, operationID: UInt32) {
        let rounding = Philox(seed: seed, stream: .rounding).block(step, operandID)
        key = SIMD2(rounding.x, rounding.y)
        signs = Philox(seed: seed, stream: .hadamard).block(step, operationID)
    }

    /// The 16 random bits of element (`row`, `column`), where columns run along the reduction axis.
    ///
    /// A block of the generator serves the eight columns that are 16 apart, so that vectors of 16 columns need no shuffle:
    /// counter words (column / 128 · 16 + column mod 16, row, 0, 0), and half m of the 128 bits for column / 16 mod 8 = m.
    func bits(row: Int, column: Int) -> UInt16 {
        let counter = SIMD4(
            UInt32(truncatingIfNeeded: column / 128 * 16 + column % 16), UInt32(truncatingIfNeeded: row), 0, 0)
        let half = column / 16 % 8
        let word = Philox.block(counter: counter, key: key)[half / 2]
        return UInt16(truncatingIfNeeded: half % 2 == 0 ? word : word >> 16)
    }

    /// Whether column k of a Hadamard transform's group has its sign changed.
    func isNegative(_ k: Int) -> Bool {
        signs[k % 128 / 32] >> UInt32(k % 32) & 1 == 1
    }
}
