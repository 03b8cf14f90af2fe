@testable import Core

extension Recipe {
    /// One format for all linears of the layers; all else in BF16, or in FP32 if that is the format.
    static func uniform(_ format: BlockFormat) -> Recipe {
        guard format != .fp32 else { return .fp32 }
        var recipe = Recipe.bf16
        do {
            recipe.assignments = [.init(try ModulePattern(parsing: "layers.*"), .format(format))]
        } catch {
            preconditionFailure(error.description)
        }
        return recipe
    }
}
