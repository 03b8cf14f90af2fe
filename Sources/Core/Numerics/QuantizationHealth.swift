#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What quantization did to an operand: counts and sums, which add up over parts, and the figures that follow from them.
///
/// Sums that the kernels report are added up in FP32 within strips of 16 rows: squares of magnitudes beyond 1e19 or below
/// 1e-19 are lost there, and figures that need them are then nil, or rough.
///
/// With a Hadamard transform all of it is about the transformed values; where the depth was padded for it, `count` and
/// `underflowed` leave the padded positions out.
public struct QuantizationHealth: Codable, Hashable, Sendable {
    /// Values.
    public var count = 0
    /// Values that became NaN, because their block holds an infinity or NaN. They enter none of the fields below but
    /// `storedBits`.
    public var nonFinite = 0
    /// The largest magnitude.
    public var amax: Float = 0
    /// Values beyond the element format's largest once divided by their scale.
    public var saturated = 0
    /// Values that became zero and were none.
    public var underflowed = 0
    /// Σx²
    public var squareSum = 0.0
    /// Σ(x − x̂)²
    public var errorSquareSum = 0.0
    /// Σx·x̂
    public var productSum = 0.0
    /// Bits of all elements and scales.
    public var storedBits = 0

    public init() {}

    public mutating func add(_ other: QuantizationHealth) {
        count += other.count
        nonFinite += other.nonFinite
        amax = max(amax, other.amax)
        saturated += other.saturated
        underflowed += other.underflowed
        squareSum += other.squareSum
        errorSquareSum += other.errorSquareSum
        productSum += other.productSum
        storedBits += other.storedBits
    }

    /// Σ(x − x̂)² / Σx²; nil if there is no signal.
    public var relMSE: Double? { Self.finite(errorSquareSum / squareSum) }

    /// Signal to quantization noise ratio, 10 · log₁₀(Σx² / Σ(x − x̂)²) dB; nil if there is no signal, or no noise.
    public var sqnr: Double? { Self.finite(10 * log10(squareSum / errorSquareSum)) }

    /// Cosine of the angle between x and x̂, as vectors; nil if one of them is zero.
    public var cosine: Double? {
        // Σx̂² from the other three sums.
        let quantizedSquareSum = errorSquareSum - squareSum + 2 * productSum
        return Self.finite(productSum / (squareSum * quantizedSquareSum).squareRoot())
    }

    /// The share of values that saturated, from 0 to 1; nil if there are no values, or all became NaN.
    public var saturation: Double? { Self.finite(Double(saturated) / finiteCount) }

    /// The share of values that underflowed, from 0 to 1; nil if there are no values, or all became NaN.
    public var underflow: Double? { Self.finite(Double(underflowed) / finiteCount) }

    /// Bits that a value takes, scales included; nil if there are no values.
    public var bitsPerValue: Double? { Self.finite(Double(storedBits) / Double(count)) }

    // No difference of integers: a recording may say anything.
    private var finiteCount: Double { Double(count) - Double(nonFinite) }

    private static func finite(_ x: Double) -> Double? { x.isFinite ? x : nil }
}
