import KernelInterface

let registerIntegerRows = 4
let registerIntegerColumns = 8

/// A column's correction starts the two 16-bit sums of its four-value words, which the tile adds at the end.
/// - Parameter total: Σ of a column's doubled values in a chunk.
@inline(always)
func integerCorrection(_ total: IntVector) -> IntVector {
    let half = (0 &- 6 &* total) & 0xFFFF
    return half | half &<< 16
}

/// 4 × 8 in 16-bit arithmetic, which every machine's vectors have: a word's even and odd bytes are multiplied separately,
/// and 16 bits hold the sum of 224 values, |product| ≤ 24 · 12. At the end of a chunk the sums go to FP32, exactly, and
/// through their scales into C: c = fma(sum, scaleOfRow · scaleOfColumn, c).
@inline(always)
func multiplyIntegerTile(_ panels: ScaledPanels, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool) {
    if panels.depth == 0 {
        if !accumulate { clearTile(c, rowStride, registerIntegerRows, registerIntegerColumns) }
        return
    }
    let stride = panels.leftStride
    var left = UnsafeRawPointer(panels.left)
    var right = panels.right
    var leftScales = panels.leftScales
    var rightScales = panels.rightScales
    var corrections = UnsafeRawPointer(panels.corrections)
    var remaining = panels.depth
    var adds = accumulate
    while remaining > 0 {
        var steps = (remaining < panels.chunk ? remaining &+ 3 : panels.chunk) / 4
        remaining &-= panels.chunk
        var a = corrections.loadUnaligned(as: SIMD16<Int16>.self)
        var b = a, d = a, e = a
        while steps > 0 {
            let words = right.loadUnaligned(as: SIMD16<Int16>.self)
            let even = (words &<< 8) &>> 8
            let odd = words &>> 8
            a = addProducts(a, left, even, odd)
            b = addProducts(b, left + stride, even, odd)
            d = addProducts(d, left + 2 &* stride, even, odd)
            e = addProducts(e, left + 3 &* stride, even, odd)
            left += 4
            right += 32
            steps &-= 1
        }
        let scales = UnsafeRawPointer(rightScales).loadUnaligned(as: SIMD8<Float>.self)
        var row = UnsafeMutableRawPointer(c)
        finishRow(a, leftScales[0], scales, row, adds)
        row += rowStride &* 4
        finishRow(b, leftScales[1], scales, row, adds)
        row += rowStride &* 4
        finishRow(d, leftScales[2], scales, row, adds)
        row += rowStride &* 4
        finishRow(e, leftScales[3], scales, row, adds)
        adds = true
        leftScales += registerIntegerRows
        rightScales += registerIntegerColumns
        corrections += 32
    }
}

@inline(always)
func addProducts(
    _ sum: SIMD16<Int16>, _ left: UnsafeRawPointer, _ even: SIMD16<Int16>, _ odd: SIMD16<Int16>
) -> SIMD16<Int16> {
    let word = SIMD8<Int32>(repeating: left.loadUnaligned(as: Int32.self))
    let bytes = unsafeBitCast(word, to: SIMD16<Int16>.self)
    return sum &+ even &* (bytes & 0xFF) &+ odd &* ((bytes &>> 8) & 0xFF)
}

@inline(always)
func finishRow(
    _ sums: SIMD16<Int16>, _ rowScale: Float, _ scales: SIMD8<Float>, _ row: UnsafeMutableRawPointer, _ adds: Bool
) {
    let pairs = unsafeBitCast(sums, to: SIMD8<Int32>.self)
    let whole = ((pairs &<< 16) &>> 16) &+ (pairs &>> 16)
    // An integer below 2²² in the low bits of 1.5 · 2²³.
    let sum = unsafeBitCast(whole &+ 0x4B40_0000, to: SIMD8<Float>.self) - 12_582_912
    let old = adds ? row.loadUnaligned(as: SIMD8<Float>.self) : SIMD8()
    let scale = SIMD8<Float>(repeating: rowScale) * scales
    row.storeBytes(of: old.addingProduct(sum, scale), as: SIMD8<Float>.self)
}

/// Twelve independent sums of products, as in the tile.
@inline(never)
func runIntegerProbe(_ rounds: Int, _ seeds: WriteRow) -> Int {
    let x = unsafeBitCast(SIMD4<Float>(repeating: seeds[0]), to: SIMD8<Int16>.self)
    let y = unsafeBitCast(SIMD4<Float>(repeating: seeds[1]), to: SIMD8<Int16>.self)
    var p0 = x, p1 = y, p2 = x, p3 = y, p4 = x, p5 = y, p6 = x, p7 = y, p8 = x, p9 = y, p10 = x, p11 = y
    var round = 0
    while round < rounds {
        p0 = p0 &* x &+ y
        p1 = p1 &* x &+ y
        p2 = p2 &* x &+ y
        p3 = p3 &* x &+ y
        p4 = p4 &* x &+ y
        p5 = p5 &* x &+ y
        p6 = p6 &* x &+ y
        p7 = p7 &* x &+ y
        p8 = p8 &* x &+ y
        p9 = p9 &* x &+ y
        p10 = p10 &* x &+ y
        p11 = p11 &* x &+ y
        round &+= 1
    }
    let total = p0 ^ p1 ^ p2 ^ p3 ^ p4 ^ p5
    let other = p6 ^ p7 ^ p8 ^ p9 ^ p10 ^ p11
    let all = unsafeBitCast(total ^ other, to: SIMD4<Float>.self)
    seeds[0] = all[0]
    seeds[1] = all[1]
    return rounds &* 192
}
