public import CProcessor

/// The quantizer works on tiles of 16 rows by up to 128 values along the reduction axis, laid out [k][16]: the lanes of a
/// vector are rows, so that amax, scales, transforms and sums need no work across lanes.
public enum QuantizerTile {
    public static let rows = 16
    public static let depth = 128
}

// MARK: Scales

/// The grid of an element's values, as vectors.
///
/// A loop that rounds makes one of these before it: a vector made twice inside, for a comparison and for what is then
/// chosen, keeps the compiler from seeing a minimum or maximum.
@frozen
public struct ElementGrid {
    /// The bits of 2^(exponent of the smallest normal number).
    @usableFromInline var least: IntVector
    @usableFromInline var mantissaBits: IntVector
    /// Turns the bits of a power of two into those of 1.5 · 2²³ times the grid's spacing there.
    @usableFromInline var toMagic: IntVector
    /// The bits of the largest number.
    @usableFromInline var limit: IntVector
    /// From here on a value saturates: a little more than the maximum is but the rounding of the scale.
    @usableFromInline var saturation: Vector

    @inlinable @inline(always)
    public init(mantissaBits: Int32, minimumExponent: Int32, maximum: Float) {
        least = IntVector(repeating: (minimumExponent &+ 127) &<< 23)
        self.mantissaBits = IntVector(repeating: mantissaBits &<< 23)
        toMagic = IntVector(repeating: (23 &- mantissaBits) &<< 23 &+ 0x40_0000)
        limit = unsafeBitCast(splat(maximum), to: IntVector.self)
        saturation = splat(maximum * (1 + 0x1p-20))
    }

    @inlinable @inline(always)
    public init(_ settings: QuantizerSettings) {
        self.init(
            mantissaBits: settings.mantissaBits, minimumExponent: settings.minimumExponent, maximum: settings.maximum)
    }

    @inlinable @inline(always)
    public static var e2m1: ElementGrid { ElementGrid(mantissaBits: 1, minimumExponent: 0, maximum: 6) }

    /// Also that of block scales.
    @inlinable @inline(always)
    public static var e4m3: ElementGrid { ElementGrid(mantissaBits: 3, minimumExponent: -6, maximum: 448) }

    /// The bits of 2^max(exponent of x, minimum).
    @inlinable @inline(always)
    func exponentBits(_ x: Vector) -> IntVector {
        let bits = unsafeBitCast(x, to: IntVector.self) & 0x7F80_0000
        return least.replacing(with: bits, where: bits .> least)
    }

    /// To the nearest number of the grid, ties to even; `x` must not exceed the largest.
    ///
    /// Adding 1.5 · 2²³ times the grid's spacing at x rounds there.
    @inlinable @inline(always)
    func round(_ x: Vector) -> Vector {
        let magic = unsafeBitCast(exponentBits(x) &+ toMagic, to: Vector.self)
        return (x + magic) - magic
    }

    /// The grid's spacing at x, and its inverse.
    @inlinable @inline(always)
    func spacing(_ x: Vector) -> (spacing: Vector, inverse: Vector) {
        let bits = exponentBits(x) &- mantissaBits
        return (
            unsafeBitCast(bits, to: Vector.self),
            unsafeBitCast(IntVector(repeating: 254 &<< 23) &- bits, to: Vector.self)
        )
    }

    /// Rounds down with the complement of the probability with which it rounds up: the expected value is x.
    /// - Parameter uniform: random numbers in (0, 1).
    @inlinable @inline(always)
    func round(_ x: Vector, _ uniform: Vector, floor: (Vector) -> Vector) -> Vector {
        let bits = unsafeBitCast(x, to: IntVector.self)
        let (spacing, inverse) = spacing(x)
        let magnitude = floor(unsafeBitCast(bits & 0x7FFF_FFFF, to: Vector.self) * inverse + uniform) * spacing
        return unsafeBitCast(
            unsafeBitCast(magnitude, to: IntVector.self) | (bits & IntVector(repeating: Int32.min)), to: Vector.self)
    }
}

/// The integer part of a number from 0 to 2²².
@inlinable @inline(always)
public func integerPart(_ x: Vector) -> Vector {
    let nearest = (x + 8_388_608) - 8_388_608
    return nearest.replacing(with: nearest - 1, where: nearest .> x)
}

/// 2^e for e from −127 to 127.
@inlinable @inline(always)
func powerOfTwo(_ e: IntVector) -> Vector {
    let field = e &+ 127
    // 2^−127 is subnormal.
    let bits = (field &<< 23).replacing(with: IntVector(repeating: 0x40_0000), where: field .== IntVector())
    return unsafeBitCast(bits, to: Vector.self)
}

/// The scales s of 16 blocks and the factors r that values are multiplied by before they are rounded, from the bits of
/// their largest magnitudes. A block of zeros has s = r = 0; one with a value that is not finite has s = NaN, r = 0.
/// - Parameter factor: 1, or 1.5 for the scale that maps amax to 4 rather than 6.
@inlinable @inline(always)
func blockScales(_ amaxBits: IntVector, _ settings: QuantizerSettings, factor: Float = 1)
    -> (scale: Vector, encode: Vector)
{
    let amax = unsafeBitCast(amaxBits, to: Vector.self)
    let least: Float = 0x1p-126
    var scale: Vector
    var encode: Vector
    switch settings.rule {
    case .fp32:
        scale = maximum(splat(least), amax / splat(settings.maximum * settings.prescale))
        encode = 1 / scale
    case .e4m3:
        scale = e4m3Scale(amax, settings, factor: factor) * splat(settings.tensorDecode)
        encode = 1 / scale
        let vanishes = scale .< splat(least)
        scale = scale.replacing(with: Vector(), where: vanishes)
        encode = encode.replacing(with: Vector(), where: vanishes)
    case .e8m0Floor, .e8m0Ceiling, .e8m0Nearest:
        var exponent: IntVector
        if case .e8m0Floor = settings.rule {
            exponent = (amaxBits &>> 23) &- (127 &+ settings.maximumExponent)
            exponent = limit(exponent, -127, 127)
        } else {
            let bits = unsafeBitCast(amax / splat(settings.maximum), to: IntVector.self)
            var up = IntVector(repeating: 0x40_0000)
            if case .e8m0Ceiling = settings.rule { up = IntVector(repeating: 0x7F_FFFF) }
            var code = (bits &+ up) &>> 23
            code = limit(code, 1, 254)
            exponent = code &- 127
        }
        scale = powerOfTwo(exponent) * splat(1 / settings.prescale)
        encode = powerOfTwo(0 &- exponent) * splat(settings.prescale)
    }
    let isZero = amaxBits .== IntVector()
    scale = scale.replacing(with: Vector(), where: isZero)
    encode = encode.replacing(with: Vector(), where: isZero)
    let isFinite = amaxBits .< IntVector(repeating: 0x7F80_0000)
    return (splat(Float.nan).replacing(with: scale, where: isFinite), Vector().replacing(with: encode, where: isFinite))
}

/// The E4M3 scales of 16 blocks, without the tensor's.
@inlinable @inline(always)
func e4m3Scale(_ amax: Vector, _ settings: QuantizerSettings, factor: Float) -> Vector {
    let ideal = (amax / splat(settings.maximum * settings.prescale)) * splat(settings.tensorEncode) * splat(factor)
    return ElementGrid.e4m3.round(ideal.replacing(with: splat(448), where: ideal .> splat(448)))
}

// MARK: One tile

/// Loads a tile: see `KernelTable.loadTile`.
@inlinable @inline(always)
public func loadTileBody(
    _ source: ReadRow, _ across: Int, _ along: Int, _ rows: Int, _ depth: Int, _ padded: Int, _ ahead: Int,
    _ x: WriteRow, loadColumns: (ReadRow, Int, WriteRow) -> Void
) {
    if rows < 16 {
        var at = 0
        while at < padded &* 16 {
            store(Vector(), x + at, 16)
            at &+= 16
        }
    }
    var k = 0
    if across == 1 {
        while k < depth {
            let line = source + k &* along
            if ahead != 0 { processor_prefetch(line + ahead) }
            store(load(line, rows), x + k &* 16, 16)
            k &+= 1
        }
    } else if along == 1 {
        if rows == 16 {
            while k &+ 8 <= depth {
                // A cache line holds 16 values: half of the rows' lines at each of two steps.
                var row = k & 8
                let next = source + (ahead &+ (k &- row))
                let end = row &+ 8
                while ahead != 0 && row < end {
                    processor_prefetch(next + row &* across)
                    row &+= 1
                }
                loadColumns(source + k, across, x + k &* 16)
                k &+= 8
            }
        }
        copyElements(source, across, 1, rows, k, depth, x)
    } else {
        copyElements(source, across, along, rows, 0, depth, x)
    }
    k = depth
    while k < padded {
        store(Vector(), x + k &* 16, 16)
        k &+= 1
    }
}

@inlinable @inline(always)
func copyElements(
    _ source: ReadRow, _ across: Int, _ along: Int, _ rows: Int, _ first: Int, _ depth: Int, _ x: WriteRow
) {
    var k = first
    while k < depth {
        var row = 0
        while row < rows {
            x[k &* 16 &+ row] = source[row &* across &+ k &* along]
            row &+= 1
        }
        k &+= 1
    }
}

/// 16 rows × 8: target[j][i] = source[i][j], with 16 rows in the target's line.
@inlinable @inline(always)
public func loadColumnsBody(_ source: ReadRow, _ stride: Int, _ target: WriteRow) {
    transpose(source, stride, target, 16)
    transpose(source + 8 &* stride, stride, target + 8, 16)
}

/// 8 × 16: target[i][j] = source[j][i], with 16 rows in the source's line.
@inlinable @inline(always)
public func storeColumnsBody(_ source: ReadRow, _ target: WriteRow, _ stride: Int) {
    transpose(source, 16, target, stride)
    transpose(source + 8, 16, target + 8 &* stride, stride)
}

/// 8 × 8: target[j][i] = source[i][j].
@inlinable @inline(always)
func transpose(_ source: ReadRow, _ sourceStride: Int, _ target: WriteRow, _ targetStride: Int) {
    @inline(always) func line(_ i: Int) -> SIMD8<Float> {
        UnsafeRawPointer(source + i &* sourceStride).loadUnaligned(as: SIMD8<Float>.self)
    }
    @inline(always) func low(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> {
        SIMD8(a[0], b[0], a[1], b[1], a[4], b[4], a[5], b[5])
    }
    @inline(always) func high(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> {
        SIMD8(a[2], b[2], a[3], b[3], a[6], b[6], a[7], b[7])
    }
    @inline(always) func lowPairs(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> {
        SIMD8(a[0], a[1], b[0], b[1], a[4], a[5], b[4], b[5])
    }
    @inline(always) func highPairs(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> {
        SIMD8(a[2], a[3], b[2], b[3], a[6], a[7], b[6], b[7])
    }
    @inline(always) func put(_ j: Int, _ a: SIMD4<Float>, _ b: SIMD4<Float>) {
        UnsafeMutableRawPointer(target + j &* targetStride).storeBytes(
            of: SIMD8(lowHalf: a, highHalf: b), as: SIMD8<Float>.self)
    }
    let (a, b, c, d) = (line(0), line(1), line(2), line(3))
    let (e, f, g, h) = (line(4), line(5), line(6), line(7))
    let (abLow, abHigh, cdLow, cdHigh) = (low(a, b), high(a, b), low(c, d), high(c, d))
    let (efLow, efHigh, ghLow, ghHigh) = (low(e, f), high(e, f), low(g, h), high(g, h))
    let (p0, p1, p2, p3) = (
        lowPairs(abLow, cdLow), highPairs(abLow, cdLow), lowPairs(abHigh, cdHigh), highPairs(abHigh, cdHigh)
    )
    let (q0, q1, q2, q3) = (
        lowPairs(efLow, ghLow), highPairs(efLow, ghLow), lowPairs(efHigh, ghHigh), highPairs(efHigh, ghHigh)
    )
    put(0, p0.lowHalf, q0.lowHalf)
    put(1, p1.lowHalf, q1.lowHalf)
    put(2, p2.lowHalf, q2.lowHalf)
    put(3, p3.lowHalf, q3.lowHalf)
    put(4, p0.highHalf, q0.highHalf)
    put(5, p1.highHalf, q1.highHalf)
    put(6, p2.highHalf, q2.highHalf)
    put(7, p3.highHalf, q3.highHalf)
}

/// Transforms a tile: see `KernelTable.hadamard`.
@inlinable @inline(always)
public func hadamardBody(_ x: WriteRow, _ depth: Int, _ size: Int, _ signs: SIMD4<UInt32>) {
    let factor: Float =
        size == 16 ? 0.25 : size == 32 ? 0.176_776_695_296_636_87 : size == 64 ? 0.125 : 0.088_388_347_648_318_45
    var start = 0
    while start < depth {
        let group = x + start &* 16
        // Two levels of butterflies at a time; the first pass turns signs.
        var first = 0
        while first < size {
            let word = first < 32 ? signs.x : first < 64 ? signs.y : first < 96 ? signs.z : signs.w
            let four = word &>> UInt32(truncatingIfNeeded: first & 31)
            butterflies(group + first &* 16, 1, four, 1)
            first &+= 4
        }
        var quarter = 4
        while quarter &* 4 <= size {
            let last = quarter &* 4 == size ? factor : 1
            first = 0
            while first < size {
                var j = first
                while j < first &+ quarter {
                    butterflies(group + j &* 16, quarter, 0, last)
                    j &+= 1
                }
                first &+= quarter &* 4
            }
            quarter &*= 4
        }
        if quarter < size {
            var low = group
            while low < group + quarter &* 16 {
                let high = low + quarter &* 16
                let a = load(low, 16)
                let b = load(high, 16)
                store((a + b) * splat(factor), low, 16)
                store((a - b) * splat(factor), high, 16)
                low += 16
            }
        }
        start &+= size
    }
}

/// Two levels on four vectors.
/// - Parameter signs: a set bit turns the sign of its vector first.
@inlinable @inline(always)
func butterflies(_ x: WriteRow, _ stride: Int, _ signs: UInt32, _ factor: Float) {
    @inline(always) func value(_ index: Int) -> Vector {
        let value = load(x + index &* stride &* 16, 16)
        return (signs &>> UInt32(truncatingIfNeeded: index)) & 1 != 0 ? 0 - value : value
    }
    let (a, b, c, d) = (value(0), value(1), value(2), value(3))
    let (e, f, g, h) = (a + b, a - b, c + d, c - d)
    store((e + g) * splat(factor), x, 16)
    store((f + h) * splat(factor), x + stride &* 16, 16)
    store((e - g) * splat(factor), x + 2 &* stride &* 16, 16)
    store((f - h) * splat(factor), x + 3 &* stride &* 16, 16)
}

/// See `KernelTable.magnitudes`.
@inlinable @inline(always)
public func magnitudesBody(_ x: ReadRow, _ depth: Int, _ blockLength: Int, _ amax: UnsafeMutablePointer<Int32>) -> Int32
{
    var all = IntVector()
    var start = 0
    var target = amax
    while start < depth {
        let end = start &+ blockLength < depth ? start &+ blockLength : depth
        var largest = IntVector()
        var k = start
        while k < end {
            let bits = unsafeBitCast(load(x + k &* 16, 16), to: IntVector.self) & 0x7FFF_FFFF
            largest = largest.replacing(with: bits, where: bits .> largest)
            k &+= 1
        }
        store(unsafeBitCast(largest, to: Vector.self), bitPattern: target)
        all = all.replacing(with: largest, where: largest .> all)
        target += 16
        start = end
    }
    return largest(all)
}

@inlinable @inline(always)
func store(_ vector: Vector, bitPattern p: UnsafeMutablePointer<Int32>) {
    UnsafeMutableRawPointer(p).storeBytes(of: vector, as: Vector.self)
}

/// See `KernelTable.largestMagnitude`.
@inlinable @inline(always)
public func largestMagnitudeBody(_ source: ReadRow, _ lines: Int, _ length: Int, _ stride: Int) -> Int32 {
    var all = IntVector()
    var start = source
    var line = 0
    while line < lines {
        forEachStrip(length) { offset, count in
            let bits = unsafeBitCast(load(start + offset, count), to: IntVector.self) & 0x7FFF_FFFF
            all = all.replacing(with: bits, where: bits .> all)
        }
        start += stride
        line &+= 1
    }
    return largest(all)
}

/// The largest lane.
@inlinable @inline(always)
func largest(_ vector: IntVector) -> Int32 {
    let eight = vector.lowHalf.replacing(with: vector.highHalf, where: vector.highHalf .> vector.lowHalf)
    let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
    let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
    return two.y > two.x ? two.y : two.x
}

/// See `KernelTable.blockScales`.
@inlinable @inline(always)
public func blockScalesBody(
    _ amax: UnsafePointer<Int32>, _ count: Int, _ settings: QuantizerSettings, _ scales: WriteRow, _ encodes: WriteRow
) {
    var at = 0
    while at < count &* 16 {
        let bits = UnsafeRawPointer(amax + at).loadUnaligned(as: IntVector.self)
        let (scale, encode) = blockScales(bits, settings)
        store(scale, scales + at, 16)
        store(encode, encodes + at, 16)
        at &+= 16
    }
}
