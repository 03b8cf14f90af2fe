extension Recipe {
    /// Operands rounded to BF16, sums in FP32.
    public static let bf16 = Recipe(
        "bf16", "all GEMMs in BF16: what the others are held against", source: "mixed precision as in arXiv 1905.12322",
        fp4: LinearFormats(.fp4), fp8: LinearFormats(.fp8), fp4Module: GEMMPrecisions(.fp4), attention: .bf16,
        feedForward: .bf16)
}

extension Recipe {
    /// The recipes that come with the program.
    public static let builtIn: [Recipe] = [.bf16]

    /// - Throws: `UserError` that names the nearest one, if there is no recipe of this name.
    public static func named(_ name: String) throws(UserError) -> Recipe {
        if let recipe = builtIn.first(where: { $0.name == name }) { return recipe }
        let nearest = EditDistance.nearest(to: name, among: builtIn.map(\.name)) ?? "none"
        throw UserError("there is no recipe \"\(name)\"; the nearest is \"\(nearest)\"")
    }
}
