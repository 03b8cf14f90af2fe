/// What the values of one linear look like in its formats, in the step that is just over.
public struct ModuleInspection: Codable, Sendable, Hashable {
    /// An operand of fprop.
    public enum Operand: String, Codable, Sendable, CaseIterable {
        case weight, activation, gradient
    }

    /// How often each value of the element format's grid occurs in an operand.
    public struct Histogram: Codable, Sendable, Hashable {
        public var operand: Operand
        public var format: BlockFormat
        /// The magnitudes of the grid, rising from 0: 0, 0.5, 1, 1.5, 2, 3, 4, 6 for E2M1. Formats with more than 16
        /// magnitudes are shown by powers of two.
        public var magnitudes: [Double]
        /// Values at or, for powers of two, from each magnitude on: negative ones, then positive ones. Zeros count as
        /// positive.
        public var negative: [Int]
        public var positive: [Int]
        /// The smallest and the largest scale of a block.
        public var scales: ClosedRange<Float>

        public init(
            operand: Operand, format: BlockFormat, magnitudes: [Double], negative: [Int], positive: [Int],
            scales: ClosedRange<Float>
        ) {
            self.operand = operand
            self.format = format
            self.magnitudes = magnitudes
            self.negative = negative
            self.positive = positive
            self.scales = scales
        }
    }

    public var step: Int
    public var module: ModulePath
    /// Of the operands that are quantized.
    public var histograms: [Histogram]

    public init(step: Int, module: ModulePath, histograms: [Histogram]) {
        self.step = step
        self.module = module
        self.histograms = histograms
    }
}
