import KernelInterface

/// Counts the codes of one linear's operands while a pass goes over the model.
///
/// The slow reference quantizer does it, with the pass's own random numbers, so the codes are those that the GEMM
/// multiplies.
final class OperandCapture {
    let module: ModulePath
    private(set) var histograms: [ModuleInspection.Histogram] = []

    init(_ module: ModulePath) {
        self.module = module
    }

    /// - Parameters:
    ///   - view: the operand as the GEMM sees it, the reduction axis as columns.
    ///   - format: nothing is counted for one without scales.
    func take(
        _ operand: ModuleInspection.Operand, _ view: MatrixView, _ format: BlockFormat, _ random: QuantizationRandom
    ) {
        guard format.unscaled == nil, view.rows > 0, view.columns > 0 else { return }
        let quantized = ReferenceQuantizer(format, random: random).quantize(view)
        let grid = CodeGrid(format.element)
        var negative = Array(repeating: 0, count: grid.magnitudes.count)
        var positive = negative
        for code in quantized.codes {
            let place = grid.places[Int(code)]
            if place < 0 { negative[-place - 1] += 1 } else { positive[place] += 1 }
        }
        // Blocks of zeros have no scale.
        let scales = quantized.scales.filter { $0 > 0 && $0.isFinite }
        let histogram = ModuleInspection.Histogram(
            operand: operand, format: format, magnitudes: grid.magnitudes, negative: negative, positive: positive,
            scales: (scales.min() ?? 0)...(scales.max() ?? 0))
        histograms.removeAll { $0.operand == operand }
        histograms.append(histogram)
    }
}

/// The bars of a histogram over an element format's codes.
private struct CodeGrid {
    /// Rising from 0.
    var magnitudes: [Double]
    /// The bar of each code: its index, or −1 − its index for a negative value. NaN counts as zero.
    var places: [Int]

    init(_ format: ElementFormat) {
        let half = 1 << (format.bits - 1)
        let values = (0..<half).map { Double(format.decode(UInt32($0))) }
        let grid: [Double]
        if half <= 16 {
            grid = values
        } else {
            let finite = values.filter { $0 > 0 && $0.isFinite }
            grid = [0] + Set(finite.map { Double(sign: .plus, exponent: $0.exponent, significand: 1) }).sorted()
        }
        magnitudes = grid
        places = (0..<2 * half).map { code in
            let value = values[code % half]
            let place = value.isFinite ? max(0, (grid.firstIndex { $0 > value } ?? grid.count) - 1) : 0
            return code < half || place == 0 ? place : -1 - place
        }
    }
}
