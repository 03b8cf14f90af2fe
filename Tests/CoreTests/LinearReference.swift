import Foundation
import KernelInterface

@testable import Core

/// A matrix of the reference, row-major.
struct Matrix {
    var rows: Int
    var columns: Int
    var values: [Double]

    init(_ rows: Int, _ columns: Int, _ values: [Double]) {
        precondition(values.count == rows * columns)
        (self.rows, self.columns, self.values) = (rows, columns, values)
    }

    init(_ rows: Int, _ columns: Int, of element: (Int, Int) -> Double) {
        self.init(rows, columns, (0..<rows * columns).map { element($0 / columns, $0 % columns) })
    }

    init(_ rows: Int, _ columns: Int, _ values: [Float]) {
        self.init(rows, columns, values.map(Double.init))
    }

    subscript(_ row: Int, _ column: Int) -> Double { values[row * columns + column] }

    var floats: [Float] { values.map { Float($0) } }
    var transposed: Matrix { Matrix(columns, rows) { self[$1, $0] } }

    /// A·Bᵀ
    func times(_ b: Matrix) -> Matrix {
        precondition(columns == b.columns)
        return Matrix(rows, b.rows) { i, j in
            var sum = 0.0
            for k in 0..<columns { sum += values[i * columns + k] * b.values[j * columns + k] }
            return sum
        }
    }

    func filled(to columns: Int) -> Matrix {
        Matrix(rows, columns) { $1 < self.columns ? self[$0, $1] : 0 }
    }

    func cut(to columns: Int) -> Matrix { Matrix(rows, columns) { self[$0, $1] } }
}

/// What a linear computes in each GEMM with each technique: in Double, from the reference quantizer's operands, one plain
/// step after the other.
struct LinearReference {
    var formats: LinearFormats
    /// [tokens, inputs]
    var x: Matrix
    /// [outputs, inputs]
    var w: Matrix
    /// [tokens, outputs]
    var e: Matrix
    /// [outputs, inputs]: for Q-EMA.
    var average: Matrix?
    var random: (GEMMKind) -> GEMMRandom

    private var techniques: LinearTechniques { formats.techniques }

    // MARK: Operands

    private func quantized(_ operand: Matrix, _ format: BlockFormat, _ random: QuantizationRandom) -> QuantizedMatrix {
        ReferenceQuantizer(format, random: random).quantize(operand.floats, columns: operand.columns)
    }

    private func values(_ matrix: QuantizedMatrix) -> Matrix {
        Matrix(matrix.geometry.extent, matrix.geometry.paddedDepth, matrix.dequantized)
    }

    private func product(_ a: Matrix, _ b: Matrix, _ formats: GEMMFormats, _ random: GEMMRandom) -> Matrix {
        values(quantized(a, formats.a, random.a)).times(values(quantized(b, formats.b, random.b)))
    }

    /// H · (signs · x) / √n for each group of a row.
    private func transformed(_ matrix: Matrix, _ format: BlockFormat, _ random: QuantizationRandom) -> Matrix {
        guard format.unscaled == nil, let hadamard = format.hadamard else { return matrix }
        var floats = matrix.filled(to: format.paddedDepth(matrix.columns)).floats
        floats.withUnsafeMutableBufferPointer { HadamardTransform(hadamard, random).apply($0) }
        return Matrix(matrix.rows, format.paddedDepth(matrix.columns), floats)
    }

    /// signs · Hᵀ · y / √n for each group of a row.
    private func undone(_ matrix: Matrix, _ format: BlockFormat, _ random: QuantizationRandom) -> Matrix {
        guard format.unscaled == nil, let hadamard = format.hadamard else { return matrix }
        return Matrix(matrix.rows, matrix.columns) { row, column in
            let (start, j) = (column / hadamard.size * hadamard.size, column % hadamard.size)
            var sum = 0.0
            for i in 0..<hadamard.size { sum += matrix[row, start + i] * ((i & j).nonzeroBitCount % 2 == 0 ? 1 : -1) }
            let isNegative =
                switch hadamard.signs {
                case .none: false
                case .fixed: HadamardTransform.fixedSigns[j % 16] < 0
                case .random: random.isNegative(j)
                }
            return (isNegative ? -sum : sum) / Double(hadamard.size).squareRoot()
        }
    }

    /// x / s of every value, as the quantizer computes it, transformed as the format says; nil for formats without scales.
    private func scaled(_ operand: Matrix, _ format: BlockFormat, _ random: QuantizationRandom) -> Matrix? {
        guard format.unscaled == nil else { return nil }
        let quantized = quantized(operand, format, random)
        let values = transformed(operand, format, random)
        return Matrix(values.rows, values.columns) { row, column in
            let scale = quantized.scales[quantized.geometry.block(row: row, column: column)]
            return scale == 0 ? 0 : Double(Float(values[row, column]) * (1 / scale))
        }
    }

    private static let grid = [0, 0.5, 1, 1.5, 2, 3, 4, 6]

    // MARK: Techniques

    /// Ŵ of fprop: with Q-EMA, of the two neighbours of w / s the one that the average is nearer to.
    private var forwardWeight: Matrix {
        let format = formats.fprop.b
        let plain = values(quantized(w, format, random(.fprop).b))
        guard let average, techniques.weightAverage != nil, format.unscaled == nil else { return plain }
        let y = scaled(w, format, random(.fprop).b)!
        let quantized = quantized(w, format, random(.fprop).b)
        let averages = transformed(average, format, random(.fprop).b)
        return Matrix(y.rows, y.columns) { row, column in
            let scale = Double(quantized.scales[quantized.geometry.block(row: row, column: column)])
            let sign: Double = y[row, column] < 0 ? -1 : 1
            let magnitude = min(abs(y[row, column]), 6)
            let low = Self.grid.last { $0 <= magnitude }!
            let high = Self.grid.first { $0 >= magnitude }!
            let wanted = scale == 0 ? 0 : averages[row, column] / scale * sign
            return (abs(wanted - low) < abs(wanted - high) ? low : high) * sign * scale
        }
    }

    private var outlierRange: ClosedRange<Double>? {
        guard let q = techniques.outlierQuantile else { return nil }
        let sorted = x.values.sorted()
        let rank = Int((q * Double(sorted.count)).rounded(.up))
        return sorted[sorted.count - rank]...sorted[rank - 1]
    }

    /// 1, or what dX is multiplied by.
    private var inputFactors: Matrix? {
        guard techniques.trustMask, let y = scaled(x, formats.fprop.a, random(.fprop).a) else { return nil }
        let maximum = Double(formats.fprop.a.element.maximum)
        return Matrix(y.rows, y.columns) { abs(y[$0, $1]) >= maximum ? 0 : 1 }
    }

    /// 1, or what dW is multiplied by.
    private var weightFactors: Matrix? {
        guard let y = scaled(w, formats.fprop.b, random(.fprop).b) else { return nil }
        let maximum = Double(formats.fprop.b.element.maximum)
        return Matrix(y.rows, y.columns) { row, column in
            let magnitude = abs(y[row, column])
            if techniques.trustMask, magnitude >= maximum { return 0 }
            guard let estimator = techniques.gradientEstimator else { return 1 }
            // The edges belong to either side: f′ is the same there.
            let index = Self.grid.lastIndex { $0 <= magnitude }!
            guard index < 7 else { return 1 / estimator.k }
            let width = Self.grid[index + 1] - Self.grid[index]
            let position = magnitude - Self.grid[index]
            return min(
                pow(abs(2 * position / width - 1), 1 / estimator.k - 1) / estimator.k, estimator.limit)
        }
    }

    /// The gradient of an operand, from that of what was multiplied.
    private func finished(
        _ gradient: Matrix, factors: Matrix?, _ format: BlockFormat, _ random: QuantizationRandom, columns: Int
    ) -> Matrix {
        var result = gradient
        if !techniques.reusesForwardOperands {
            guard factors != nil else { return gradient }
            result = transformed(gradient, format, random)
        }
        if let factors { result = Matrix(result.rows, result.columns) { result[$0, $1] * factors[$0, $1] } }
        return undone(result, format, random).cut(to: columns)
    }

    // MARK: GEMMs

    var y: Matrix {
        let range = outlierRange
        let clamped = range.map { range in
            Matrix(x.rows, x.columns, x.values.map { min(max($0, range.lowerBound), range.upperBound) })
        }
        let a = values(quantized(clamped ?? x, formats.fprop.a, random(.fprop).a))
        let product = a.times(forwardWeight)
        guard let clamped else { return product }
        let outliers = Matrix(
            x.rows, x.columns, zip(x.values, clamped.values).map { bf16(Float($0) - Float($1)) })
        let sparse = outliers.times(Matrix(w.rows, w.columns, w.floats.map { bf16($0) }))
        return Matrix(product.rows, product.columns) { product[$0, $1] + sparse[$0, $1] }
    }

    var dx: Matrix {
        let weight = techniques.reusesForwardOperands ? forwardWeight : w
        let gradient = product(e, weight.transposed, formats.dgrad, random(.dgrad))
        return finished(gradient, factors: inputFactors, formats.fprop.a, random(.fprop).a, columns: x.columns)
    }

    var dw: Matrix {
        let input = techniques.reusesForwardOperands ? values(quantized(x, formats.fprop.a, random(.fprop).a)) : x
        let gradient = product(e.transposed, input.transposed, formats.wgrad, random(.wgrad))
        let hasFactors = techniques.trustMask || techniques.gradientEstimator != nil
        return finished(
            gradient, factors: hasFactors ? weightFactors : nil, formats.fprop.b, random(.fprop).b, columns: w.columns)
    }
}
