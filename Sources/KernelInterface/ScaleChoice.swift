/// What replaces scales or values between the search for magnitudes and rounding: see `KernelTable`.

/// See `KernelTable.deviations`.
@inlinable @inline(always)
public func deviationsBody(
    _ x: ReadRow, _ depth: Int, _ blockLength: Int, _ amax: UnsafeMutablePointer<Int32>,
    squareRoot: (Vector) -> Vector
) {
    var start = 0
    var target = amax
    while start < depth {
        let end = start &+ blockLength < depth ? start &+ blockLength : depth
        let bits = UnsafeRawPointer(target).loadUnaligned(as: IntVector.self)
        // Powers of two that bring the largest values near 1, so that no square overflows or vanishes.
        let exponent = limit(bits &>> 23, 1, 253)
        let factor = unsafeBitCast((254 &- exponent) &<< 23, to: Vector.self)
        let inverseCount = splat(1 / Float(end &- start))
        var total = Vector()
        var k = start
        while k < end {
            total += load(x + k &* 16, 16) * factor
            k &+= 1
        }
        let mean = total * inverseCount
        var squares = Vector()
        k = start
        while k < end {
            let difference = load(x + k &* 16, 16) * factor - mean
            squares = fma(difference, difference, squares)
            k &+= 1
        }
        let deviation = squareRoot(squares * inverseCount) * splat(2.922_478_6)
        let magnitude = deviation * unsafeBitCast(exponent &<< 23, to: Vector.self)
        var result = unsafeBitCast(magnitude, to: IntVector.self)
        result = limit(result, Int32.min, 0x7F7F_FFFF)
        let stays = (deviation .<= Vector()) .| (bits .>= IntVector(repeating: 0x7F80_0000))
        store(unsafeBitCast(result.replacing(with: bits, where: stays), to: Vector.self), bitPattern: target)
        target += 16
        start = end
    }
}

/// See `KernelTable.correctScales`.
@inlinable @inline(always)
public func correctScalesBody(
    _ x: ReadRow, _ depth: Int, _ size: Int, _ amax: UnsafePointer<Int32>, _ uniforms: ReadRow,
    _ settings: QuantizerSettings, _ scales: WriteRow, _ encodes: WriteRow
) {
    let limit = splat(settings.maximum)
    let grid = ElementGrid(settings)
    var start = 0
    while start < depth {
        var squares = Vector()
        var products = Vector()
        var k = start
        while k < start &+ size {
            let y = load(x + k &* 16, 16) * load(encodes + k / settings.blockLength &* 16, 16)
            var limited = y.replacing(with: limit, where: y .> limit)
            limited = limited.replacing(with: 0 - limit, where: limited .< 0 - limit)
            squares = fma(y, y, squares)
            products = fma(y, grid.round(limited), products)
            k &+= 1
        }
        let correction = splat(1).replacing(with: squares / products, where: products .> Vector())
        k = start
        while k < start &+ size {
            let at = k / settings.blockLength &* 16
            let scale = load(scales + at, 16)
            let magnitude = unsafeBitCast(
                UnsafeRawPointer(amax + at).loadUnaligned(as: IntVector.self), to: Vector.self)
            var ideal = e4m3Scale(magnitude, settings, factor: 1) * correction
            ideal = ideal.replacing(with: splat(448), where: ideal .> splat(448))
            var result = ElementGrid.e4m3.round(ideal, load(uniforms + k &* 16, 16), floor: integerPart)
            result = result.replacing(with: splat(448), where: result .> splat(448)) * splat(settings.tensorDecode)
            let vanishes = result .< splat(0x1p-126)
            result = result.replacing(with: Vector(), where: vanishes)
            // Zero and NaN stay.
            let counts = scale .> Vector()
            store(scale.replacing(with: result, where: counts), scales + at, 16)
            store(load(encodes + at, 16).replacing(with: Vector(), where: counts .& vanishes), encodes + at, 16)
            k &+= settings.blockLength
        }
        start &+= size
    }
}

/// See `KernelTable.followAverage`.
@inlinable @inline(always)
public func followAverageBody(
    _ x: WriteRow, _ average: ReadRow, _ depth: Int, _ scales: ReadRow, _ encodes: ReadRow,
    _ settings: QuantizerSettings
) {
    let largest = splat(settings.maximum)
    let signBit = IntVector(repeating: Int32.min)
    let grid = ElementGrid(settings)
    var k = 0
    while k < depth {
        let block = k / settings.blockLength &* 16
        let encode = load(encodes + block, 16)
        let value = load(x + k &* 16, 16)
        let sign = unsafeBitCast(value, to: IntVector.self) & signBit
        let y = unsafeBitCast(unsafeBitCast(value * encode, to: IntVector.self) & 0x7FFF_FFFF, to: Vector.self)
        let magnitude = y.replacing(with: largest, where: y .> largest)
        let (spacing, inverse) = grid.spacing(magnitude)
        let steps = magnitude * inverse
        let whole = integerPart(steps)
        let low = whole * spacing
        let high = low.replacing(with: low + spacing, where: whole .< steps)
        let scaled = load(average + k &* 16, 16) * encode
        var chosen = unsafeBitCast(unsafeBitCast(scaled, to: IntVector.self) ^ sign, to: Vector.self)
        chosen = chosen.replacing(with: low, where: chosen .< low)
        chosen = chosen.replacing(with: high, where: chosen .> high)
        let result = chosen * load(scales + block, 16)
        let signed = unsafeBitCast(unsafeBitCast(result, to: IntVector.self) | sign, to: Vector.self)
        store(value.replacing(with: signed, where: encode .> Vector()), x + k &* 16, 16)
        k &+= 1
    }
}
