public import CProcessor

/// The lines of the tile that comes next, which a kernel fetches into the cache, one at each step, while it rounds: all of them
/// at once would wait for each other.
@frozen
public struct NextTile {
    public var base: ReadRow?
    /// Floats from one line to the next, and from sixteen lines to the next sixteen.
    public var near: Int
    public var far: Int

    /// - Parameter base: where the tile begins; nil: there is none.
    public init(_ base: ReadRow?, across: Int, along: Int) {
        self.base = base
        // A line has 16 values along the depth, or across the rows.
        (near, far) = along == 1 ? (across, 16) : (along, 16 &* along)
    }

    public static var none: NextTile { NextTile(nil, across: 0, along: 0) }

    @inlinable @inline(always)
    func fetch(_ line: Int) {
        guard let base else { return }
        processor_prefetch(base + ((line & 15) &* near &+ (line &>> 4) &* far))
    }
}

/// Rounds one vector and counts what happens to it.
///
/// - Parameters:
///   - uniform: random numbers for stochastic rounding; nil for rounding to nearest. Callers are compiled for each case, so
///     that their loops hold no branch.
///   - count: 1, or 0 for what doesn't count as underflowed.
@inlinable @inline(always)
func quantize(
    _ x: Vector, _ scale: Vector, _ encode: Vector, _ uniform: ReadRow?, _ count: IntVector,
    _ grid: ElementGrid, _ sums: inout QuantizationSums, floor: (Vector) -> Vector
) -> (q: Vector, dequantized: Vector) {
    let bits = unsafeBitCast(x * encode, to: IntVector.self)
    let magnitude = bits & 0x7FFF_FFFF
    let saturates = unsafeBitCast(magnitude, to: Vector.self) .> grid.saturation
    // Integers order magnitudes as well, and have an instruction for the smaller one whatever it does to NaN.
    let limited = grid.limit.replacing(with: magnitude, where: grid.limit .> magnitude)
    let y = unsafeBitCast(limited | (bits & IntVector(repeating: Int32.min)), to: Vector.self)
    let q =
        if let uniform {
            grid.round(y, load(uniform, 16), floor: floor)
        } else {
            grid.round(y)
        }
    let dequantized = q * scale
    let error = x - dequantized
    sums.squares = fma(x, x, sums.squares)
    sums.squaredErrors = fma(error, error, sums.squaredErrors)
    sums.products = fma(x, dequantized, sums.products)
    sums.saturated = sums.saturated.replacing(with: sums.saturated &+ 1, where: saturates)
    let vanishes = (q .== 0) .& (x .!= 0)
    sums.underflowed = sums.underflowed.replacing(with: sums.underflowed &+ count, where: vanishes)
    return (q, dequantized)
}

@inlinable @inline(always)
func counts(_ k: Int, _ valid: Int) -> IntVector { IntVector(repeating: k < valid ? 1 : 0) }

/// See `KernelTable.encodeIntegers`.
@inlinable @inline(always)
public func encodeIntegersBody(
    _ x: ReadRow, _ depth: Int, _ valid: Int, _ chunk: Int, _ scales: ReadRow, _ encodes: ReadRow, _ uniforms: ReadRow?,
    _ settings: QuantizerSettings, _ bias: Int32, _ target: IntegerTarget,
    _ totals: UnsafeMutablePointer<Int32>, _ sums: UnsafeMutablePointer<QuantizationSums>, _ next: NextTile,
    floor: (Vector) -> Vector
) {
    var sum = sums.pointee
    let grid = ElementGrid.e2m1
    var low = target.low
    var high = target.high
    let isWhole = high == low + 32
    // Adding 1.5 · 2²² leaves halves in the low bits. Two values share it, 128 halves more each, so that no sign borrows
    // from the neighbour.
    let shift = splat(6_291_456 + 0.5 * Float((bias &+ 128) &* 257))
    // The bits of 1.5 · 2²², and the 128 of each byte, whose addition only flipped the highest bit.
    let flipped = IntVector(repeating: 0x4AC0_0000 ^ Int32(bitPattern: 0x8080_8080))
    var start = 0
    var total = totals
    while start < depth {
        let block = start / settings.blockLength &* 16
        let scale = load(scales + block, 16)
        let encode = load(encodes + block, 16)
        let end = start &+ chunk < depth ? start &+ chunk : depth
        var chunkTotal = Vector()
        var k = start
        while k < end {
            @inline(always) func value(_ index: Int) -> Vector {
                let at = (k &+ index) &* 16
                let q = quantize(
                    load(x + at, 16), scale, encode, uniforms.map { $0 + at }, counts(k &+ index, valid), grid, &sum,
                    floor: floor
                ).q
                chunkTotal += q
                next.fetch(k &+ index)
                return q
            }
            @inline(always) func pair(_ first: Vector, _ second: Vector) -> IntVector {
                unsafeBitCast(second * splat(256) + (first + shift), to: IntVector.self)
            }
            let first = pair(value(0), value(1))
            let second = pair(value(2), value(3))
            let word = first ^ (second &<< 16) ^ flipped
            // One whole vector where possible: two halves would halve all vectors that they are made from.
            if isWhole {
                low.storeBytes(of: word, as: IntVector.self)
            } else {
                low.storeBytes(of: word.lowHalf, as: SIMD8<Int32>.self)
                if let upper = high {
                    upper.storeBytes(of: word.highHalf, as: SIMD8<Int32>.self)
                    high = upper + target.stride
                }
            }
            low += target.stride
            k &+= 4
        }
        let doubled = unsafeBitCast(chunkTotal + splat(6_291_456), to: IntVector.self) &- 0x4AC0_0000
        store(unsafeBitCast(doubled, to: Vector.self), bitPattern: total)
        total += 16
        start = end
    }
    sums.pointee = sum
}

/// A vector of rounded values, and of what they stand for.
public typealias RoundedVector = (q: Vector, dequantized: Vector)

/// Rounds a tile, two vectors at a time.
///
/// - Parameter write: takes the place of the first vector along the depth, it and the second, unless the depth ends between them.
@inlinable @inline(always)
func encodeTile(
    _ x: ReadRow, _ depth: Int, _ valid: Int, _ scales: ReadRow, _ encodes: ReadRow, _ uniforms: ReadRow?,
    _ settings: QuantizerSettings, _ sums: UnsafeMutablePointer<QuantizationSums>, _ next: NextTile,
    floor: (Vector) -> Vector, write: (Int, RoundedVector, RoundedVector?) -> Void
) {
    var sum = sums.pointee
    let grid = ElementGrid(settings)
    var start = 0
    while start < depth {
        let block = start / settings.blockLength &* 16
        let scale = load(scales + block, 16)
        let encode = load(encodes + block, 16)
        // The length of a block is even.
        let end = start &+ settings.blockLength < depth ? start &+ settings.blockLength : depth
        @inline(always) func round(_ k: Int) -> RoundedVector {
            next.fetch(k)
            let at = k &* 16
            return quantize(
                load(x + at, 16), scale, encode, uniforms.map { $0 + at }, counts(k, valid), grid, &sum, floor: floor)
        }
        var k = start
        while k &+ 1 < end {
            let first = round(k)
            write(k, first, round(k &+ 1))
            k &+= 2
        }
        if k < end { write(k, round(k), nil) }
        start = end
    }
    sums.pointee = sum
}

/// See `KernelTable.encodeFloats`.
@inlinable @inline(always)
public func encodeFloatsBody(
    _ x: ReadRow, _ depth: Int, _ valid: Int, _ scales: ReadRow, _ encodes: ReadRow, _ uniforms: ReadRow?,
    _ settings: QuantizerSettings, _ dequantizes: Bool, _ target: WriteRow, _ targetStride: Int,
    _ sums: UnsafeMutablePointer<QuantizationSums>, _ next: NextTile,
    floor: (Vector) -> Vector
) {
    encodeTile(x, depth, valid, scales, encodes, uniforms, settings, sums, next, floor: floor) { k, first, second in
        let to = target + k &* targetStride
        store(dequantizes ? first.dequantized : first.q, to, 16)
        if let second { store(dequantizes ? second.dequantized : second.q, to + targetStride, 16) }
    }
}

/// See `PairKernelTable.encodePairs`.
/// - Parameter put: writes two vectors of values that follow one another along the reduction axis, as a given pair.
@inlinable @inline(always)
public func encodePairsBody(
    _ x: ReadRow, _ depth: Int, _ valid: Int, _ scales: ReadRow, _ encodes: ReadRow, _ uniforms: ReadRow?,
    _ settings: QuantizerSettings, _ sums: UnsafeMutablePointer<QuantizationSums>, _ next: NextTile,
    floor: (Vector) -> Vector, put: (Vector, Vector, Int) -> Void
) {
    encodeTile(x, depth, valid, scales, encodes, uniforms, settings, sums, next, floor: floor) { k, first, second in
        put(first.q, second?.q ?? Vector(), k &>> 1)
    }
}

/// See `KernelTable.encodeHalves`.
@inlinable @inline(always)
public func encodeHalvesBody(
    _ x: ReadRow, _ depth: Int, _ valid: Int, _ scales: ReadRow, _ encodes: ReadRow, _ uniforms: ReadRow?,
    _ settings: QuantizerSettings, _ factor: Float, _ isDoubled: Bool, _ target: UnsafeMutableRawPointer,
    _ stride: Int, _ sums: UnsafeMutablePointer<QuantizationSums>, _ next: NextTile,
    floor: (Vector) -> Vector
) {
    @inline(always) func put(_ q: Vector, _ to: UnsafeMutableRawPointer) {
        let halves = halfBits(q * splat(factor))
        if isDoubled {
            to.storeBytes(of: halves | halves &<< 16, as: IntVector.self)
        } else {
            // The even 16-bit lanes.
            to.storeBytes(of: unsafeBitCast(halves, to: SIMD32<Int16>.self).evenHalf, as: SIMD16<Int16>.self)
        }
    }
    encodeTile(x, depth, valid, scales, encodes, uniforms, settings, sums, next, floor: floor) { k, first, second in
        put(first.q, target + k &* stride)
        if let second { put(second.q, target + (k &+ 1) &* stride) }
    }
}

/// The bits of FP16 numbers, in the low half of each lane. Normal numbers must be exact; below, ties go to even.
@inlinable @inline(always)
func halfBits(_ x: Vector) -> IntVector {
    let bits = unsafeBitCast(x, to: IntVector.self)
    let magnitude = bits & 0x7FFF_FFFF
    let normal = (magnitude &- (112 &<< 23)) &>> 13
    // Subnormals are multiples of 2⁻²⁴.
    let scaled = fma(unsafeBitCast(magnitude, to: Vector.self), splat(16_777_216), splat(12_582_912))
    let subnormal = unsafeBitCast(scaled, to: IntVector.self) & 0xFFFF
    let result = normal.replacing(with: subnormal, where: magnitude .< IntVector(repeating: 113 &<< 23))
    return result | ((bits &>> 16) & 0x8000)
}

/// Replaces scales where the one that maps amax to 4 has the smaller squared error: see `KernelTable.preferFour`.
@inlinable @inline(always)
public func preferFourBody(
    _ x: ReadRow, _ depth: Int, _ amax: UnsafePointer<Int32>, _ settings: QuantizerSettings, _ isSquare: Bool,
    _ scales: WriteRow, _ encodes: WriteRow
) {
    var start = 0
    var at = 0
    while start < depth {
        let end = start &+ settings.blockLength < depth ? start &+ settings.blockLength : depth
        let six = (scale: load(scales + at, 16), encode: load(encodes + at, 16))
        let four = blockScales(UnsafeRawPointer(amax + at).loadUnaligned(as: IntVector.self), settings, factor: 1.5)
        var errorOfSix = squaredError(x, start, end, six.scale, six.encode, settings)
        var errorOfFour = squaredError(x, start, end, four.scale, four.encode, settings)
        if isSquare {
            errorOfSix = sumOfRows(errorOfSix)
            errorOfFour = sumOfRows(errorOfFour)
        }
        let isBetter = errorOfFour .< errorOfSix
        store(six.scale.replacing(with: four.scale, where: isBetter), scales + at, 16)
        store(six.encode.replacing(with: four.encode, where: isBetter), encodes + at, 16)
        at &+= 16
        start = end
    }
}

/// Σ (x − x̂)² of a block of every row, in the order in which `sum(Vector)` adds a row's values 16 at a time.
@inlinable @inline(always)
func squaredError(
    _ x: ReadRow, _ start: Int, _ end: Int, _ scale: Vector, _ encode: Vector, _ settings: QuantizerSettings
) -> Vector {
    let grid = ElementGrid(settings)
    @inline(always) func lane(_ j: Int) -> Vector {
        var total = Vector()
        var k = start &+ j
        while k < end {
            let value = load(x + k &* 16, 16)
            var y = value * encode
            y = y.replacing(with: splat(settings.maximum), where: y .> splat(settings.maximum))
            y = y.replacing(with: splat(0 - settings.maximum), where: y .< splat(0 - settings.maximum))
            let error = value - grid.round(y) * scale
            total = fma(error, error, total)
            k &+= 16
        }
        return total
    }
    @inline(always) func pair(_ j: Int) -> Vector { lane(j) + lane(j &+ 8) }
    @inline(always) func four(_ j: Int) -> Vector { pair(j) + pair(j &+ 4) }
    return (four(0) + four(2)) + (four(1) + four(3))
}

/// The lanes added one after the other, in all lanes.
@inlinable @inline(always)
func sumOfRows(_ errors: Vector) -> Vector {
    var total: Float = 0
    var row = 0
    while row < 16 {
        total += errors[row]
        row &+= 1
    }
    return splat(total)
}

/// See `KernelTable.uniforms`.
@inlinable @inline(always)
public func uniformsBody(
    _ key: SIMD2<UInt32>, _ firstRow: Int, _ group: Int, _ u: WriteRow,
    philox: (UInt32, SIMD16<UInt32>, SIMD2<UInt32>) -> PhiloxWords
) {
    let lanes = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    let rows = lanes &+ UInt32(truncatingIfNeeded: firstRow)
    var j = 0
    while j < 16 {
        let words = philox(UInt32(truncatingIfNeeded: group &* 16 &+ j), rows, key)
        storeUniforms(words.0, u + j &* 16)
        storeUniforms(words.1, u + (j &+ 32) &* 16)
        storeUniforms(words.2, u + (j &+ 64) &* 16)
        storeUniforms(words.3, u + (j &+ 96) &* 16)
        j &+= 1
    }
}

/// (n + ½) / 2¹⁶ of the low halves, and 16 rows of the tile further on of the high ones.
@inlinable @inline(always)
func storeUniforms(_ words: SIMD16<UInt32>, _ u: WriteRow) {
    // Bits 8 to 23 of a significand with the exponent of 1, and the half below: in [1, 2).
    let half: UInt32 = 0x3F80_0040
    let low = (words & 0xFFFF) &<< 7 | half
    let high = (words &>> 16) &<< 7 | half
    store(unsafeBitCast(low, to: Vector.self) - 1, u, 16)
    store(unsafeBitCast(high, to: Vector.self) - 1, u + 256, 16)
}

public typealias PhiloxWords = (SIMD16<UInt32>, SIMD16<UInt32>, SIMD16<UInt32>, SIMD16<UInt32>)

/// Philox 4×32-10 (Salmon et al., SC 2011) with the counters (c0, c1, 0, 0).
@inlinable @inline(always)
public func philoxBody(_ c0: UInt32, _ c1: SIMD16<UInt32>, _ key: SIMD2<UInt32>)
    -> PhiloxWords
{
    var (a, b, c, d) = (SIMD16<UInt32>(repeating: c0), c1, SIMD16<UInt32>(), SIMD16<UInt32>())
    var k0 = key.x
    var k1 = key.y
    var round = 0
    while round < 10 {
        let p = multiplyWide(a, 0xD251_1F53)
        let q = multiplyWide(c, 0xCD9E_8D57)
        (a, b, c, d) = (q.high ^ b ^ k0, q.low, p.high ^ d ^ k1, p.low)
        k0 = k0 &+ 0x9E37_79B9
        k1 = k1 &+ 0xBB67_AE85
        round &+= 1
    }
    return (a, b, c, d)
}

@inlinable @inline(always)
func multiplyWide(_ x: SIMD16<UInt32>, _ factor: UInt64) -> (low: SIMD16<UInt32>, high: SIMD16<UInt32>) {
    let pairs = unsafeBitCast(x, to: SIMD8<UInt64>.self)
    let even = (pairs & 0xFFFF_FFFF) &* SIMD8(repeating: factor)
    let odd = (pairs &>> 32) &* SIMD8(repeating: factor)
    let low = (even & 0xFFFF_FFFF) | (odd &<< 32)
    let high = (even &>> 32) | (odd & 0xFFFF_FFFF_0000_0000)
    return (unsafeBitCast(low, to: SIMD16<UInt32>.self), unsafeBitCast(high, to: SIMD16<UInt32>.self))
}
