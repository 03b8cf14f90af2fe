/// The orthogonal Hadamard transform of groups of neighbours, with signs in front: x ↦ H·(signs · x) / √n.
struct HadamardTransform {
    let size: Int
    private let signs: [Float]
    private let normalization: Float

    /// NVIDIA's fixed vector of signs (Transformer Engine; arXiv 2509.25149).
    static let fixedSigns: [Float] = [1, 1, 1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1, -1, -1]

    init(_ hadamard: BlockFormat.Hadamard, _ random: QuantizationRandom) {
        size = hadamard.size
        signs = (0..<hadamard.size).map { k in
            switch hadamard.signs {
            case .none: 1
            case .fixed: Self.fixedSigns[k % Self.fixedSigns.count]
            case .random: random.isNegative(k) ? -1 : 1
            }
        }
        normalization = Float(1 / Double(hadamard.size).squareRoot())
    }

    /// Transforms every group of `size` values in place.
    func apply(_ values: UnsafeMutableBufferPointer<Float>) {
        for start in stride(from: 0, to: values.count, by: size) {
            for k in 0..<size { values[start + k] *= signs[k] }
            var half = 1
            while half < size {
                for pair in stride(from: start, to: start + size, by: 2 * half) {
                    for j in pair..<pair + half {
                        let (a, b) = (values[j], values[j + half])
                        values[j] = a + b
                        values[j + half] = a - b
                    }
                }
                half *= 2
            }
            for k in 0..<size { values[start + k] *= normalization }
        }
    }
}
