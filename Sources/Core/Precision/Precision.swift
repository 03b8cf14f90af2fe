/// What a person sets a module to. What it means for each GEMM is the recipe's business.
public enum Precision: String, Codable, Sendable, CaseIterable {
    case fp4, fp8, bf16
}
