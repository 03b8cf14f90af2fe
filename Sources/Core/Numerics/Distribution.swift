#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Distributions to draw test values from: like weights, like gradients, and with heavier tails than either.
public enum Distribution: String, CaseIterable, Sendable {
    /// Normal, of mean 0 and variance 1.
    case gaussian
    /// Laplace, of mean 0 and variance 2.
    case laplace
    /// Student's t with three degrees of freedom: of variance 3, and without a fourth moment.
    case student

    /// Independent values, the same for the same seed.
    public func values(count: Int, seed: UInt64, pool: WorkerPool? = nil) -> [Float] {
        let philox = Philox(seed: seed, stream: .distribution)
        let piece = 65_536
        return Array(unsafeUninitializedCapacity: count) { values, initialized in
            let base = values.baseAddress
            let fill = { (index: Int) in
                for i in index * piece..<min((index + 1) * piece, count) {
                    (base! + i).initialize(to: Float(value(of: philox.block(UInt64(i)))))
                }
            }
            let pieces = (count + piece - 1) / piece
            if let pool {
                pool.run(pieces) { index, _ in fill(index) }
            } else {
                for index in 0..<pieces { fill(index) }
            }
            initialized = count
        }
    }

    private func value(of bits: SIMD4<UInt32>) -> Double {
        switch self {
        case .gaussian: return Self.normals(bits.x, bits.y).0
        case .laplace:
            let magnitude = -log(Self.uniform(bits.x))
            return bits.y & 1 == 0 ? magnitude : -magnitude
        case .student:
            let (a, b) = Self.normals(bits.x, bits.y)
            let (c, d) = Self.normals(bits.z, bits.w)
            return a / ((b * b + c * c + d * d) / 3).squareRoot()
        }
    }

    /// In (0, 1): logarithms are finite.
    private static func uniform(_ bits: UInt32) -> Double { (Double(bits) + 0.5) * 0x1p-32 }

    /// Two independent normal numbers (Box–Muller).
    private static func normals(_ a: UInt32, _ b: UInt32) -> (Double, Double) {
        let radius = (-2 * log(uniform(a))).squareRoot()
        let angle = 2 * Double.pi * uniform(b)
        return (radius * cos(angle), radius * sin(angle))
    }
}
