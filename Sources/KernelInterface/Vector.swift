public import CProcessor

/// The unit of every vector loop: 16 lanes on every tier, whatever the width of a register, so that sums have the same
/// order everywhere.
///
/// The functions of this module are compiled anew into each instruction-set module. They must stay free of anything that
/// would be called rather than inlined: see `.ci/check-kernel-symbols`.
public typealias Vector = SIMD16<Float>
public typealias IntVector = SIMD16<Int32>

@inlinable @inline(always)
public func splat(_ x: Float) -> Vector { Vector(repeating: x) }

/// a · b + c, rounded once.
@inlinable @inline(always)
public func fma(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector { c.addingProduct(a, b) }

@inlinable @inline(always)
public func fma(_ a: Float, _ b: Float, _ c: Float) -> Float { c.addingProduct(a, b) }

/// Calls the body for the strips of 0..<count: of 16 elements, and one shorter strip at the end.
@inlinable @inline(always)
public func forEachStrip(_ count: Int, _ body: (_ offset: Int, _ length: Int) -> Void) {
    var offset = 0
    while offset &+ 16 <= count {
        body(offset, 16)
        offset &+= 16
    }
    if offset < count { body(offset, count &- offset) }
}

/// The first `length` elements, and `filler` in the other lanes.
@inlinable @inline(always)
public func load(_ p: ReadRow, _ length: Int, filler: Float = 0) -> Vector {
    if length == 16 { return UnsafeRawPointer(p).loadUnaligned(as: Vector.self) }
    return processor_load_first(p, length, splat(filler))
}

/// Writes the first `length` lanes.
@inlinable @inline(always)
public func store(_ vector: Vector, _ p: WriteRow, _ length: Int) {
    if length == 16 {
        UnsafeMutableRawPointer(p).storeBytes(of: vector, as: Vector.self)
    } else {
        processor_store_first(vector, p, length)
    }
}

/// The filler in the lanes from `length` on.
@inlinable @inline(always)
public func keep(_ vector: Vector, _ length: Int, filler: Float = 0) -> Vector {
    if length == 16 { return vector }
    let lanes = IntVector(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    return vector.replacing(with: filler, where: lanes .>= IntVector(repeating: Int32(truncatingIfNeeded: length)))
}

/// The lanes added pairwise in a fixed order: i with i + 8, then i + 4, i + 2, i + 1.
@inlinable @inline(always)
public func sum(_ vector: Vector) -> Float {
    let eight = vector.lowHalf + vector.highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
}

/// The lanes added from the first to the last.
@inlinable @inline(always)
public func sumInOrder(_ vector: Vector) -> Float {
    var total = vector[0]
    for lane in 1..<16 { total += vector[lane] }
    return total
}

@inlinable @inline(always)
public func sumInOrder(_ vector: IntVector) -> Int32 {
    var total = vector[0]
    for lane in 1..<16 { total &+= vector[lane] }
    return total
}

/// The larger of both in every lane; `a` where `b` is NaN.
@inlinable @inline(always)
public func maximum(_ a: Vector, _ b: Vector) -> Vector { a.replacing(with: b, where: b .> a) }

/// x limited to low...high; NaN stays NaN.
@inlinable @inline(always)
public func limit(_ x: Vector, _ low: Float, _ high: Float) -> Vector {
    let below = x.replacing(with: splat(low), where: x .< splat(low))
    return below.replacing(with: splat(high), where: below .> splat(high))
}

/// x limited to low...high.
@inlinable @inline(always)
public func limit(_ x: IntVector, _ low: Int32, _ high: Int32) -> IntVector {
    let (least, most) = (IntVector(repeating: low), IntVector(repeating: high))
    let below = x.replacing(with: least, where: least .> x)
    return below.replacing(with: most, where: below .> most)
}

/// The largest lane; lanes that are NaN may be ignored.
@inlinable @inline(always)
public func largest(_ vector: Vector) -> Float {
    let eight = vector.lowHalf.replacing(with: vector.highHalf, where: vector.highHalf .> vector.lowHalf)
    let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
    let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
    return two.y > two.x ? two.y : two.x
}

/// To nearest bfloat16, ties to even; NaN stays NaN.
@inlinable @inline(always)
public func bf16(_ x: Vector) -> Vector {
    let bits = unsafeBitCast(x, to: SIMD16<UInt32>.self)
    let rounded = (bits &+ 0x7FFF &+ ((bits &>> 16) & 1)) & 0xFFFF_0000
    // A NaN could round to infinity or zero: set the quiet bit, which survives the cut.
    let quiet = (bits | 0x40_0000) & 0xFFFF_0000
    return unsafeBitCast(rounded.replacing(with: quiet, where: x .!= x), to: Vector.self)
}

@inlinable @inline(always)
public func bf16(_ x: Float) -> Float {
    let bits = x.bitPattern
    if x != x { return Float(bitPattern: (bits | 0x40_0000) & 0xFFFF_0000) }
    return Float(bitPattern: (bits &+ 0x7FFF &+ ((bits &>> 16) & 1)) & 0xFFFF_0000)
}

/// eˣ to about one unit in the last place: 2ⁿ · p(r) with n = round(x / ln 2), |r| ≤ ln 2 / 2 and p the minimax
/// polynomial of Cephes' expf. Overflows to infinity, underflows through the subnormals to zero.
@inlinable @inline(always)
public func exp(_ x: Vector) -> Vector {
    let limited = limit(x, -104, 89)
    // Adding 1.5 · 2²³ leaves the nearest integer in the low bits.
    let shift = splat(12_582_912)
    let shifted = fma(limited, splat(1.442_695_04), shift)
    let n = shifted - shift
    let r = fma(n, splat(2.121_944_4e-4), fma(n, splat(-0.693_359_375), limited))
    var p = fma(splat(1.987_569_15e-4), r, splat(1.398_199_95e-3))
    p = fma(p, r, splat(8.333_451_9e-3))
    p = fma(p, r, splat(4.166_579_6e-2))
    p = fma(p, r, splat(1.666_666_55e-1))
    p = fma(p, r, splat(5.000_000_1e-1))
    p = fma(p, r * r, r) + 1
    // 2ⁿ in two factors, since n goes beyond the exponents of normal numbers on both sides.
    let exponent = unsafeBitCast(shifted, to: IntVector.self) &- 0x4B40_0000
    let half = exponent &>> 1
    let first = unsafeBitCast((half &+ 127) &<< 23, to: Vector.self)
    let second = unsafeBitCast((exponent &- half &+ 127) &<< 23, to: Vector.self)
    return p * first * second
}

/// tanh x: Cephes' odd polynomial near zero, 1 − 2 / (e²ˣ + 1) elsewhere.
@inlinable @inline(always)
public func tanh(_ x: Vector) -> Vector {
    let square = x * x
    var p = fma(splat(-5.704_988_7e-3), square, splat(2.063_908_9e-2))
    p = fma(p, square, splat(-5.373_971_6e-2))
    p = fma(p, square, splat(1.333_144_2e-1))
    p = fma(p, square, splat(-3.333_328e-1))
    let near = fma(p * square, x, x)
    let far = 1 - 2 / (exp(x + x) + 1)
    return near.replacing(with: far, where: square .> splat(0.390_625))
}

/// Natural logarithm of a positive number to about one unit in the last place, after Cephes' logf. ln 0 = −∞; infinity
/// and NaN are returned as they are, and so is NaN for a negative number.
@inlinable @inline(always)
public func naturalLogarithm(_ x: Float) -> Float {
    if x != x || x == Float.infinity { return x }
    if x < 0 { return Float.nan }
    if x == 0 { return -Float.infinity }
    // A subnormal is scaled into the normal numbers first.
    let isSubnormal = x < Float.leastNormalMagnitude
    let bits = (isSubnormal ? x * 8_388_608 : x).bitPattern
    var exponent = Int32(truncatingIfNeeded: bits &>> 23) &- 126 &- (isSubnormal ? 23 : 0)
    var mantissa = Float(bitPattern: bits & 0x7F_FFFF | 0x3F00_0000)
    if mantissa < 0.707_106_77 {
        exponent &-= 1
        mantissa += mantissa
    }
    let f = mantissa - 1
    let square = f * f
    var p = fma(7.037_683_6e-2, f, -1.151_461e-1)
    p = fma(p, f, 1.167_699_9e-1)
    p = fma(p, f, -1.242_014_1e-1)
    p = fma(p, f, 1.424_932_3e-1)
    p = fma(p, f, -1.666_805_7e-1)
    p = fma(p, f, 2.000_071_5e-1)
    p = fma(p, f, -2.499_999_4e-1)
    p = fma(p, f, 3.333_333_1e-1)
    let n = Float(exponent)
    let low = fma(n, -2.121_944_4e-4, p * f * square)
    return fma(n, 0.693_359_375, f + fma(-0.5, square, low))
}
