#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

extension Philox {
    /// Fills a part of a tensor with normal numbers of mean 0 (Box–Muller in double precision, rounded to FP32).
    ///
    /// - Parameters:
    ///   - count: values in the whole tensor.
    ///   - range: the part to fill; starts at an even index.
    ///   - tensor: chooses an independent sequence.
    func fillNormal(
        _ destination: UnsafeMutablePointer<Float>, _ count: Int, _ range: Range<Int>, deviation: Double, tensor: UInt32
    ) {
        for index in stride(from: range.lowerBound, to: range.upperBound, by: 2) {
            let bits = block(UInt64(index / 2), tensor)
            // In (0, 1]: the logarithm must be finite.
            let radius = (-2 * log((Double(bits.x) + 1) * 0x1p-32)).squareRoot() * deviation
            let angle = 2 * Double.pi * (Double(bits.y) + Double(bits.z) * 0x1p-32) * 0x1p-32
            destination[index] = Float(radius * cos(angle))
            if index + 1 < count { destination[index + 1] = Float(radius * sin(angle)) }
        }
    }
}
