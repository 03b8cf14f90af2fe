/// An operand after quantization, in memory: what was made of every value and every block.
///
/// With a Hadamard transform these are the transformed values, and `geometry.paddedDepth` of them in a row.
public struct QuantizedMatrix: Sendable {
    public let format: BlockFormat
    public let geometry: BlockGeometry
    /// [extent, paddedDepth]: the bits of each element in a byte of its own; empty for formats without scales.
    public internal(set) var codes: [UInt8]
    /// [gridRows, gridColumns]: s of x̂ = q · s; empty for formats without scales.
    public internal(set) var scales: [Float]
    /// [gridRows, gridColumns]: the scales as E8M0 or E4M3 codes; empty for FP32 scales.
    ///
    /// E8M0: s = 2^(code − 127) / prescale. E4M3: s = decode(code) · `tensorScale`. A block of zeros has code 0, and s = 0
    /// whatever the code would stand for; a block with an infinity or NaN has the code of NaN.
    public internal(set) var scaleCodes: [UInt8]
    /// The FP32 scale of the whole tensor, which E4M3 scales have; NaN if an infinity or NaN is in the tensor.
    public internal(set) var tensorScale: Float?
    /// [extent, paddedDepth]: x̂ = q · s in FP32; +0 where q is zero, NaN in a block with an infinity or NaN.
    public internal(set) var dequantized: [Float]
    public internal(set) var health: QuantizationHealth

    init(_ format: BlockFormat, _ geometry: BlockGeometry) {
        self.format = format
        self.geometry = geometry
        let hasScales = format.unscaled == nil
        codes = Array(repeating: 0, count: hasScales ? geometry.valueCount : 0)
        scales = Array(repeating: 0, count: hasScales ? geometry.blockCount : 0)
        scaleCodes = Array(repeating: 0, count: hasScales && format.scale != .fp32 ? geometry.blockCount : 0)
        dequantized = Array(repeating: 0, count: geometry.valueCount)
        health = QuantizationHealth()
    }
}
