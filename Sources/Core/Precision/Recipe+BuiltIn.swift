extension Recipe {
    /// Operands rounded to BF16, sums in FP32.
    public static let bf16 = Recipe(
        "bf16", "all GEMMs in BF16: what the others are held against", source: "mixed precision as in arXiv 1905.12322",
        fp4: LinearFormats(.fp4), fp8: LinearFormats(.fp8), fp4Module: GEMMPrecisions(.fp4), attention: .bf16,
        feedForward: .bf16)
}
