/// What a person sets a module to. What it means for each GEMM is the recipe's business.
public enum Precision: String, Codable, Sendable, CaseIterable {
    case fp4, fp8, bf16
}

/// How the operand of a GEMM is encoded.
///
/// Sums are kept in FP32 for every format.
public enum BlockFormat: String, Codable, Sendable, CaseIterable {
    /// FP32 as it is: for checking gradients, not a training precision.
    case fp32
    /// Rounded to bfloat16, to nearest with ties to even; exact in FP32 arithmetic.
    case bf16
}
