/// A counter-based random number generator: Philox 4×32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
/// 3", SC 2011).
///
/// A number depends on the seed, the stream and the counter alone, never on how many were drawn before it. So runs are
/// the same whatever the number of threads, and a resumed run needs no generator state.
public struct Philox: Sendable {
    /// What the random numbers are for. The raw value is part of a run's bits: never renumber.
    public enum Stream: UInt32, Sendable {
        case initialization = 1
        case trainingBatch = 2
        case validationBatch = 3
        case sampling = 4
        case language = 5
        case rounding = 6
        case hadamard = 7
        case distribution = 8
    }

    public let seed: UInt64
    public let stream: Stream

    public init(seed: UInt64, stream: Stream) {
        self.seed = seed
        self.stream = stream
    }

    /// Four independent uniform 32-bit numbers at the counter (`major`, `minor`).
    @inlinable
    public func block(_ major: UInt64, _ minor: UInt32 = 0) -> SIMD4<UInt32> {
        Philox.block(
            counter: SIMD4(
                UInt32(truncatingIfNeeded: major), UInt32(truncatingIfNeeded: major >> 32), minor, stream.rawValue),
            key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
    }

    /// The generator itself, as published: ten rounds over four counter words with two key words.
    @inlinable
    static func block(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var (c0, c1, c2, c3) = (counter.x, counter.y, counter.z, counter.w)
        var (k0, k1) = (key.x, key.y)
        for _ in 0..<10 {
            let p0 = UInt64(c0) &* 0xD251_1F53
            let p1 = UInt64(c2) &* 0xCD9E_8D57
            (c0, c1, c2, c3) = (
                UInt32(truncatingIfNeeded: p1 >> 32) ^ c1 ^ k0, UInt32(truncatingIfNeeded: p1),
                UInt32(truncatingIfNeeded: p0 >> 32) ^ c3 ^ k1, UInt32(truncatingIfNeeded: p0)
            )
            k0 = k0 &+ 0x9E37_79B9
            k1 = k1 &+ 0xBB67_AE85
        }
        return SIMD4(c0, c1, c2, c3)
    }

    /// A uniform 64-bit number.
    @inlinable
    public func bits(_ major: UInt64, _ minor: UInt32 = 0) -> UInt64 {
        let b = block(major, minor)
        return UInt64(b.x) | UInt64(b.y) << 32
    }

    /// A uniform number in [0, 1) with 53 bits.
    @inlinable
    public func uniform(_ major: UInt64, _ minor: UInt32 = 0) -> Double {
        Double(bits(major, minor) >> 11) * 0x1p-53
    }
}
