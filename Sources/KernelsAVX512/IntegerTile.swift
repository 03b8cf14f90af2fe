import KernelInterface
import _Builtin_intrinsics.intel

let registerIntegerRows = 6
let registerIntegerColumns = 32

/// A column's correction starts its 32-bit sums.
/// - Parameter total: Σ of a column's doubled values in a chunk.
@inline(always)
func integerCorrection(_ total: IntVector) -> IntVector { 0 &- 12 &* total }

/// 6 × 32: 12 sums of integers, 12 tiles of C, two vectors of the right panel and one broadcast of the left fill 27 of 32
/// registers. At the end of a chunk the sums go to FP32, exactly, and through their scales into C:
/// c = fma(sum, scaleOfRow · scaleOfColumn, c).
@inline(always)
func multiplyIntegerTile(_ panels: ScaledPanels, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool) {
    let stride = panels.leftStride
    var left = UnsafeRawPointer(panels.left)
    var right = panels.right
    var leftScales = panels.leftScales
    var rightScales = panels.rightScales
    var corrections = UnsafeRawPointer(panels.corrections)
    var remaining = panels.depth
    var aSum0 = SIMD16<Float>(), aSum1 = SIMD16<Float>()
    var bSum0 = SIMD16<Float>(), bSum1 = SIMD16<Float>()
    var cSum0 = SIMD16<Float>(), cSum1 = SIMD16<Float>()
    var dSum0 = SIMD16<Float>(), dSum1 = SIMD16<Float>()
    var eSum0 = SIMD16<Float>(), eSum1 = SIMD16<Float>()
    var fSum0 = SIMD16<Float>(), fSum1 = SIMD16<Float>()
    if accumulate {
        var row = UnsafeRawPointer(c)
        aSum0 = row.loadUnaligned(as: SIMD16<Float>.self)
        aSum1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        bSum0 = row.loadUnaligned(as: SIMD16<Float>.self)
        bSum1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        cSum0 = row.loadUnaligned(as: SIMD16<Float>.self)
        cSum1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        dSum0 = row.loadUnaligned(as: SIMD16<Float>.self)
        dSum1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        eSum0 = row.loadUnaligned(as: SIMD16<Float>.self)
        eSum1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        fSum0 = row.loadUnaligned(as: SIMD16<Float>.self)
        fSum1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
    }
    while remaining > 0 {
        var steps = (remaining < panels.chunk ? remaining &+ 3 : panels.chunk) / 4
        remaining &-= panels.chunk
        let start0 = corrections.loadUnaligned(as: SIMD8<Int64>.self)
        let start1 = (corrections + 64).loadUnaligned(as: SIMD8<Int64>.self)
        var a0 = start0, a1 = start1
        var b0 = start0, b1 = start1
        var c0 = start0, c1 = start1
        var d0 = start0, d1 = start1
        var e0 = start0, e1 = start1
        var f0 = start0, f1 = start1
        while steps > 0 {
            let r0 = right.loadUnaligned(as: SIMD8<Int64>.self)
            let r1 = (right + 64).loadUnaligned(as: SIMD8<Int64>.self)
            var x = broadcast(left)
            a0 = _mm512_dpbusd_epi32(a0, x, r0)
            a1 = _mm512_dpbusd_epi32(a1, x, r1)
            x = broadcast(left + stride)
            b0 = _mm512_dpbusd_epi32(b0, x, r0)
            b1 = _mm512_dpbusd_epi32(b1, x, r1)
            x = broadcast(left + 2 &* stride)
            c0 = _mm512_dpbusd_epi32(c0, x, r0)
            c1 = _mm512_dpbusd_epi32(c1, x, r1)
            x = broadcast(left + 3 &* stride)
            d0 = _mm512_dpbusd_epi32(d0, x, r0)
            d1 = _mm512_dpbusd_epi32(d1, x, r1)
            x = broadcast(left + 4 &* stride)
            e0 = _mm512_dpbusd_epi32(e0, x, r0)
            e1 = _mm512_dpbusd_epi32(e1, x, r1)
            x = broadcast(left + 5 &* stride)
            f0 = _mm512_dpbusd_epi32(f0, x, r0)
            f1 = _mm512_dpbusd_epi32(f1, x, r1)
            left += 4
            right += 128
            steps &-= 1
        }
        let s0 = UnsafeRawPointer(rightScales).loadUnaligned(as: SIMD16<Float>.self)
        let s1 = UnsafeRawPointer(rightScales + 16).loadUnaligned(as: SIMD16<Float>.self)
        var scale = SIMD16<Float>(repeating: leftScales[0])
        aSum0 = aSum0.addingProduct(_mm512_cvtepi32_ps(a0), scale * s0)
        aSum1 = aSum1.addingProduct(_mm512_cvtepi32_ps(a1), scale * s1)
        scale = SIMD16<Float>(repeating: leftScales[1])
        bSum0 = bSum0.addingProduct(_mm512_cvtepi32_ps(b0), scale * s0)
        bSum1 = bSum1.addingProduct(_mm512_cvtepi32_ps(b1), scale * s1)
        scale = SIMD16<Float>(repeating: leftScales[2])
        cSum0 = cSum0.addingProduct(_mm512_cvtepi32_ps(c0), scale * s0)
        cSum1 = cSum1.addingProduct(_mm512_cvtepi32_ps(c1), scale * s1)
        scale = SIMD16<Float>(repeating: leftScales[3])
        dSum0 = dSum0.addingProduct(_mm512_cvtepi32_ps(d0), scale * s0)
        dSum1 = dSum1.addingProduct(_mm512_cvtepi32_ps(d1), scale * s1)
        scale = SIMD16<Float>(repeating: leftScales[4])
        eSum0 = eSum0.addingProduct(_mm512_cvtepi32_ps(e0), scale * s0)
        eSum1 = eSum1.addingProduct(_mm512_cvtepi32_ps(e1), scale * s1)
        scale = SIMD16<Float>(repeating: leftScales[5])
        fSum0 = fSum0.addingProduct(_mm512_cvtepi32_ps(f0), scale * s0)
        fSum1 = fSum1.addingProduct(_mm512_cvtepi32_ps(f1), scale * s1)
        leftScales += registerIntegerRows
        rightScales += registerIntegerColumns
        corrections += 128
    }
    var row = UnsafeMutableRawPointer(c)
    row.storeBytes(of: aSum0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: aSum1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: bSum0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: bSum1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: cSum0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: cSum1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: dSum0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: dSum1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: eSum0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: eSum1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: fSum0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: fSum1, as: SIMD16<Float>.self)
}

@inline(always)
func broadcast(_ p: UnsafeRawPointer) -> SIMD8<Int64> {
    unsafeBitCast(SIMD16<Int32>(repeating: p.loadUnaligned(as: Int32.self)), to: SIMD8<Int64>.self)
}

/// Twelve independent sums of products, as in the tile.
@inline(never)
func runIntegerProbe(_ rounds: Int, _ seeds: WriteRow) -> Int {
    let x = unsafeBitCast(SIMD16<Float>(repeating: seeds[0]), to: SIMD8<Int64>.self)
    let y = unsafeBitCast(SIMD16<Float>(repeating: seeds[1]), to: SIMD8<Int64>.self)
    var p0 = x, p1 = y, p2 = x, p3 = y, p4 = x, p5 = y, p6 = x, p7 = y, p8 = x, p9 = y, p10 = x, p11 = y
    var round = 0
    while round < rounds {
        p0 = _mm512_dpbusd_epi32(p0, x, y)
        p1 = _mm512_dpbusd_epi32(p1, x, y)
        p2 = _mm512_dpbusd_epi32(p2, x, y)
        p3 = _mm512_dpbusd_epi32(p3, x, y)
        p4 = _mm512_dpbusd_epi32(p4, x, y)
        p5 = _mm512_dpbusd_epi32(p5, x, y)
        p6 = _mm512_dpbusd_epi32(p6, x, y)
        p7 = _mm512_dpbusd_epi32(p7, x, y)
        p8 = _mm512_dpbusd_epi32(p8, x, y)
        p9 = _mm512_dpbusd_epi32(p9, x, y)
        p10 = _mm512_dpbusd_epi32(p10, x, y)
        p11 = _mm512_dpbusd_epi32(p11, x, y)
        round &+= 1
    }
    let total = p0 ^ p1 ^ p2 ^ p3 ^ p4 ^ p5
    let other = p6 ^ p7 ^ p8 ^ p9 ^ p10 ^ p11
    let all = unsafeBitCast(total ^ other, to: SIMD16<Float>.self)
    seeds[0] = all[0]
    seeds[1] = all[1]
    return rounds &* 1536
}
