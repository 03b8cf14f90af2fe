import KernelInterface
import _Builtin_intrinsics.intel

let halfTileRows = 6
let halfTileColumns = 64

/// 6 × 64: 12 sums of halves, two vectors of the right panel and one broadcast of the left fill 15 of 32 registers. At the
/// end of a chunk the sums go to FP32 and through their scales into C: c = fma(sum, scaleOfRow · scaleOfColumn, c).
@inline(always)
func multiplyHalfTile(_ panels: ScaledPanels, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool) {
    if !accumulate { clearTile(c, rowStride, halfTileRows, halfTileColumns) }
    let stride = panels.leftStride
    var left = UnsafeRawPointer(panels.left)
    var right = panels.right
    var leftScales = panels.leftScales
    var rightScales = panels.rightScales
    var remaining = panels.depth
    while remaining > 0 {
        var steps = remaining < panels.chunk ? remaining : panels.chunk
        remaining &-= panels.chunk
        var a0 = SIMD32<Float16>(), a1 = SIMD32<Float16>()
        var b0 = SIMD32<Float16>(), b1 = SIMD32<Float16>()
        var c0 = SIMD32<Float16>(), c1 = SIMD32<Float16>()
        var d0 = SIMD32<Float16>(), d1 = SIMD32<Float16>()
        var e0 = SIMD32<Float16>(), e1 = SIMD32<Float16>()
        var f0 = SIMD32<Float16>(), f1 = SIMD32<Float16>()
        while steps > 0 {
            let r0 = right.loadUnaligned(as: SIMD32<Float16>.self)
            let r1 = (right + 64).loadUnaligned(as: SIMD32<Float16>.self)
            var x = broadcastHalf(left)
            a0 = _mm512_fmadd_ph(x, r0, a0)
            a1 = _mm512_fmadd_ph(x, r1, a1)
            x = broadcastHalf(left + stride)
            b0 = _mm512_fmadd_ph(x, r0, b0)
            b1 = _mm512_fmadd_ph(x, r1, b1)
            x = broadcastHalf(left + 2 &* stride)
            c0 = _mm512_fmadd_ph(x, r0, c0)
            c1 = _mm512_fmadd_ph(x, r1, c1)
            x = broadcastHalf(left + 3 &* stride)
            d0 = _mm512_fmadd_ph(x, r0, d0)
            d1 = _mm512_fmadd_ph(x, r1, d1)
            x = broadcastHalf(left + 4 &* stride)
            e0 = _mm512_fmadd_ph(x, r0, e0)
            e1 = _mm512_fmadd_ph(x, r1, e1)
            x = broadcastHalf(left + 5 &* stride)
            f0 = _mm512_fmadd_ph(x, r0, f0)
            f1 = _mm512_fmadd_ph(x, r1, f1)
            left += 4
            right += 128
            steps &-= 1
        }
        var row = c
        addChunk(a0, leftScales[0], rightScales, row)
        addChunk(a1, leftScales[0], rightScales + 32, row + 32)
        row += rowStride
        addChunk(b0, leftScales[1], rightScales, row)
        addChunk(b1, leftScales[1], rightScales + 32, row + 32)
        row += rowStride
        addChunk(c0, leftScales[2], rightScales, row)
        addChunk(c1, leftScales[2], rightScales + 32, row + 32)
        row += rowStride
        addChunk(d0, leftScales[3], rightScales, row)
        addChunk(d1, leftScales[3], rightScales + 32, row + 32)
        row += rowStride
        addChunk(e0, leftScales[4], rightScales, row)
        addChunk(e1, leftScales[4], rightScales + 32, row + 32)
        row += rowStride
        addChunk(f0, leftScales[5], rightScales, row)
        addChunk(f1, leftScales[5], rightScales + 32, row + 32)
        leftScales += halfTileRows
        rightScales += halfTileColumns
    }
}

/// A value of the left operand is stored twice, so that 32 bits fill all lanes.
@inline(always)
func broadcastHalf(_ p: UnsafeRawPointer) -> SIMD32<Float16> {
    unsafeBitCast(SIMD16<Int32>(repeating: p.loadUnaligned(as: Int32.self)), to: SIMD32<Float16>.self)
}

/// Adds a chunk's 32 sums to C.
@inline(always)
func addChunk(_ sums: SIMD32<Float16>, _ rowScale: Float, _ scales: ReadRow, _ c: WriteRow) {
    let halves = unsafeBitCast(sums, to: SIMD8<Int64>.self)
    let scale = splat(rowScale)
    let low = _mm512_cvtph_ps(halves.lowHalf)
    let high = _mm512_cvtph_ps(halves.highHalf)
    store(fma(low, scale * load(scales, 16), load(c, 16)), c, 16)
    store(fma(high, scale * load(scales + 16, 16), load(c + 16, 16)), c + 16, 16)
}

/// Twelve independent chains keep both multiply-add units busy.
@inline(never)
func runHalfProbe(_ rounds: Int, _ seeds: WriteRow) -> Int {
    let x = unsafeBitCast(SIMD16<Float>(repeating: seeds[0]), to: SIMD32<Float16>.self)
    let y = unsafeBitCast(SIMD16<Float>(repeating: seeds[1]), to: SIMD32<Float16>.self)
    var p0 = x, p1 = y, p2 = x, p3 = y, p4 = x, p5 = y, p6 = x, p7 = y, p8 = x, p9 = y, p10 = x, p11 = y
    var round = 0
    while round < rounds {
        p0 = _mm512_fmadd_ph(p0, x, y)
        p1 = _mm512_fmadd_ph(p1, x, y)
        p2 = _mm512_fmadd_ph(p2, x, y)
        p3 = _mm512_fmadd_ph(p3, x, y)
        p4 = _mm512_fmadd_ph(p4, x, y)
        p5 = _mm512_fmadd_ph(p5, x, y)
        p6 = _mm512_fmadd_ph(p6, x, y)
        p7 = _mm512_fmadd_ph(p7, x, y)
        p8 = _mm512_fmadd_ph(p8, x, y)
        p9 = _mm512_fmadd_ph(p9, x, y)
        p10 = _mm512_fmadd_ph(p10, x, y)
        p11 = _mm512_fmadd_ph(p11, x, y)
        round &+= 1
    }
    let b0 = unsafeBitCast(p0, to: SIMD8<Int64>.self)
    let b1 = unsafeBitCast(p1, to: SIMD8<Int64>.self)
    let b2 = unsafeBitCast(p2, to: SIMD8<Int64>.self)
    let b3 = unsafeBitCast(p3, to: SIMD8<Int64>.self)
    let b4 = unsafeBitCast(p4, to: SIMD8<Int64>.self)
    let b5 = unsafeBitCast(p5, to: SIMD8<Int64>.self)
    let b6 = unsafeBitCast(p6, to: SIMD8<Int64>.self)
    let b7 = unsafeBitCast(p7, to: SIMD8<Int64>.self)
    let b8 = unsafeBitCast(p8, to: SIMD8<Int64>.self)
    let b9 = unsafeBitCast(p9, to: SIMD8<Int64>.self)
    let b10 = unsafeBitCast(p10, to: SIMD8<Int64>.self)
    let b11 = unsafeBitCast(p11, to: SIMD8<Int64>.self)
    let total = b0 ^ b1 ^ b2 ^ b3 ^ b4 ^ b5
    let other = b6 ^ b7 ^ b8 ^ b9 ^ b10 ^ b11
    let all = unsafeBitCast(total ^ other, to: SIMD16<Float>.self)
    seeds[0] = all[0]
    seeds[1] = all[1]
    return rounds &* 768
}
