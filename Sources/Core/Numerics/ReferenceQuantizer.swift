/// The definition of what each `BlockFormat` does to an operand: scalar, in FP32 arithmetic, one plain step after the other.
/// The vector kernels give the same bits.
///
/// For a format with scales:
/// 1. Hadamard transform of each row, its depth padded with zeros to a multiple of the transform's size.
/// 2. amax of each block; E4M3 scales need that of the whole operand too.
/// 3. Scale s and encode factor r of each block: `BlockScaleRule`. Where the format says so, from the standard deviation
///    instead of amax, or, with MS-EDEN, s corrected for each group of the transform.
/// 4. y = x · r, limited to ±maximum.
/// 5. q = y rounded to the element format.
/// 6. x̂ = q · s.
///
/// A block with an infinity or NaN becomes NaN, its codes 0; with E4M3 scales, so does the whole operand.
public struct ReferenceQuantizer {
    public let format: BlockFormat
    public let random: QuantizationRandom

    /// - Parameter random: for stochastic rounding and random signs.
    public init(
        _ format: BlockFormat,
        random: QuantizationRandom = QuantizationRandom(seed: 0, step: 0, operandID: 0, operationID: 0)
    ) {
        self.format = format
        self.random = random
    }

    /// - Parameters:
    ///   - operand: [extent, depth], with the reduction axis as columns; any strides.
    ///   - pool: threads that share the work; they do not change the result.
    public func quantize(_ operand: MatrixView, pool: WorkerPool? = nil) -> QuantizedMatrix {
        let geometry = BlockGeometry(format, extent: operand.rows, depth: operand.columns)
        var result = QuantizedMatrix(format, geometry)
        let pass = QuantizationPass(format, random, operand, geometry, pool)
        result.tensorScale = pass.tensorScale
        result.codes.withUnsafeMutableBufferPointer { codes in
            result.scales.withUnsafeMutableBufferPointer { scales in
                result.scaleCodes.withUnsafeMutableBufferPointer { scaleCodes in
                    result.dequantized.withUnsafeMutableBufferPointer { dequantized in
                        let output = QuantizationPass.Output(
                            codes: codes, scales: scales, scaleCodes: scaleCodes, dequantized: dequantized)
                        result.health = pass.run(output)
                    }
                }
            }
        }
        return result
    }

    /// What `quantize` would report, without keeping its result.
    public func health(of operand: MatrixView, pool: WorkerPool? = nil) -> QuantizationHealth {
        let geometry = BlockGeometry(format, extent: operand.rows, depth: operand.columns)
        return QuantizationPass(format, random, operand, geometry, pool).run(nil)
    }
}
