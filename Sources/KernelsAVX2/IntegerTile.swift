import KernelInterface
import _Builtin_intrinsics.intel

let registerIntegerRows = 6
let registerIntegerColumns = 16

/// A column's correction starts the two 16-bit sums of its four-value words, which the tile adds at the end.
/// - Parameter total: Σ of a column's doubled values in a chunk.
@inline(always)
func integerCorrection(_ total: IntVector) -> IntVector {
    let half = (0 &- 6 &* total) & 0xFFFF
    return half | half &<< 16
}

/// 6 × 16. `maddubs` multiplies unsigned by signed bytes and adds neighbours to 16 bits, which hold the sum of 224 values:
/// |product| ≤ 24 · 12. At the end of a chunk the sums go to FP32, exactly, and through their scales into C:
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
    var aSum0 = SIMD8<Float>(), aSum1 = SIMD8<Float>()
    var bSum0 = SIMD8<Float>(), bSum1 = SIMD8<Float>()
    var cSum0 = SIMD8<Float>(), cSum1 = SIMD8<Float>()
    var dSum0 = SIMD8<Float>(), dSum1 = SIMD8<Float>()
    var eSum0 = SIMD8<Float>(), eSum1 = SIMD8<Float>()
    var fSum0 = SIMD8<Float>(), fSum1 = SIMD8<Float>()
    if accumulate {
        var row = UnsafeRawPointer(c)
        aSum0 = row.loadUnaligned(as: SIMD8<Float>.self)
        aSum1 = (row + 32).loadUnaligned(as: SIMD8<Float>.self)
        row += rowStride &* 4
        bSum0 = row.loadUnaligned(as: SIMD8<Float>.self)
        bSum1 = (row + 32).loadUnaligned(as: SIMD8<Float>.self)
        row += rowStride &* 4
        cSum0 = row.loadUnaligned(as: SIMD8<Float>.self)
        cSum1 = (row + 32).loadUnaligned(as: SIMD8<Float>.self)
        row += rowStride &* 4
        dSum0 = row.loadUnaligned(as: SIMD8<Float>.self)
        dSum1 = (row + 32).loadUnaligned(as: SIMD8<Float>.self)
        row += rowStride &* 4
        eSum0 = row.loadUnaligned(as: SIMD8<Float>.self)
        eSum1 = (row + 32).loadUnaligned(as: SIMD8<Float>.self)
        row += rowStride &* 4
        fSum0 = row.loadUnaligned(as: SIMD8<Float>.self)
        fSum1 = (row + 32).loadUnaligned(as: SIMD8<Float>.self)
    }
    while remaining > 0 {
        var steps = (remaining < panels.chunk ? remaining &+ 3 : panels.chunk) / 4
        remaining &-= panels.chunk
        let start0 = corrections.loadUnaligned(as: SIMD4<Int64>.self)
        let start1 = (corrections + 32).loadUnaligned(as: SIMD4<Int64>.self)
        var a0 = start0, a1 = start1
        var b0 = start0, b1 = start1
        var c0 = start0, c1 = start1
        var d0 = start0, d1 = start1
        var e0 = start0, e1 = start1
        var f0 = start0, f1 = start1
        if steps == 4 {
            // Blocks of 16 spend no time on a loop.
            multiplyStep(left, stride, right, &a0, &a1, &b0, &b1, &c0, &c1, &d0, &d1, &e0, &e1, &f0, &f1)
            multiplyStep(left + 4, stride, right + 64, &a0, &a1, &b0, &b1, &c0, &c1, &d0, &d1, &e0, &e1, &f0, &f1)
            multiplyStep(left + 8, stride, right + 128, &a0, &a1, &b0, &b1, &c0, &c1, &d0, &d1, &e0, &e1, &f0, &f1)
            multiplyStep(left + 12, stride, right + 192, &a0, &a1, &b0, &b1, &c0, &c1, &d0, &d1, &e0, &e1, &f0, &f1)
            left += 16
            right += 256
        } else {
            while steps >= 2 {
                multiplyStep(left, stride, right, &a0, &a1, &b0, &b1, &c0, &c1, &d0, &d1, &e0, &e1, &f0, &f1)
                multiplyStep(left + 4, stride, right + 64, &a0, &a1, &b0, &b1, &c0, &c1, &d0, &d1, &e0, &e1, &f0, &f1)
                left += 8
                right += 128
                steps &-= 2
            }
            if steps == 1 {
                multiplyStep(left, stride, right, &a0, &a1, &b0, &b1, &c0, &c1, &d0, &d1, &e0, &e1, &f0, &f1)
                left += 4
                right += 64
            }
        }
        let s0 = UnsafeRawPointer(rightScales).loadUnaligned(as: SIMD8<Float>.self)
        let s1 = UnsafeRawPointer(rightScales + 8).loadUnaligned(as: SIMD8<Float>.self)
        addChunk(a0, a1, leftScales[0], s0, s1, &aSum0, &aSum1)
        addChunk(b0, b1, leftScales[1], s0, s1, &bSum0, &bSum1)
        addChunk(c0, c1, leftScales[2], s0, s1, &cSum0, &cSum1)
        addChunk(d0, d1, leftScales[3], s0, s1, &dSum0, &dSum1)
        addChunk(e0, e1, leftScales[4], s0, s1, &eSum0, &eSum1)
        addChunk(f0, f1, leftScales[5], s0, s1, &fSum0, &fSum1)
        leftScales += registerIntegerRows
        rightScales += registerIntegerColumns
        corrections += 64
    }
    var row = UnsafeMutableRawPointer(c)
    row.storeBytes(of: aSum0, as: SIMD8<Float>.self)
    (row + 32).storeBytes(of: aSum1, as: SIMD8<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: bSum0, as: SIMD8<Float>.self)
    (row + 32).storeBytes(of: bSum1, as: SIMD8<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: cSum0, as: SIMD8<Float>.self)
    (row + 32).storeBytes(of: cSum1, as: SIMD8<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: dSum0, as: SIMD8<Float>.self)
    (row + 32).storeBytes(of: dSum1, as: SIMD8<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: eSum0, as: SIMD8<Float>.self)
    (row + 32).storeBytes(of: eSum1, as: SIMD8<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: fSum0, as: SIMD8<Float>.self)
    (row + 32).storeBytes(of: fSum1, as: SIMD8<Float>.self)
}

/// Four values of the reduction axis.
@inline(always)
func multiplyStep(
    _ left: UnsafeRawPointer, _ stride: Int, _ right: UnsafeRawPointer, _ a0: inout SIMD4<Int64>,
    _ a1: inout SIMD4<Int64>, _ b0: inout SIMD4<Int64>, _ b1: inout SIMD4<Int64>, _ c0: inout SIMD4<Int64>,
    _ c1: inout SIMD4<Int64>, _ d0: inout SIMD4<Int64>, _ d1: inout SIMD4<Int64>, _ e0: inout SIMD4<Int64>,
    _ e1: inout SIMD4<Int64>, _ f0: inout SIMD4<Int64>, _ f1: inout SIMD4<Int64>
) {
    let r0 = right.loadUnaligned(as: SIMD4<Int64>.self)
    let r1 = (right + 32).loadUnaligned(as: SIMD4<Int64>.self)
    var x = broadcast(left)
    a0 = _mm256_add_epi16(a0, _mm256_maddubs_epi16(x, r0))
    a1 = _mm256_add_epi16(a1, _mm256_maddubs_epi16(x, r1))
    x = broadcast(left + stride)
    b0 = _mm256_add_epi16(b0, _mm256_maddubs_epi16(x, r0))
    b1 = _mm256_add_epi16(b1, _mm256_maddubs_epi16(x, r1))
    x = broadcast(left + 2 &* stride)
    c0 = _mm256_add_epi16(c0, _mm256_maddubs_epi16(x, r0))
    c1 = _mm256_add_epi16(c1, _mm256_maddubs_epi16(x, r1))
    x = broadcast(left + 3 &* stride)
    d0 = _mm256_add_epi16(d0, _mm256_maddubs_epi16(x, r0))
    d1 = _mm256_add_epi16(d1, _mm256_maddubs_epi16(x, r1))
    x = broadcast(left + 4 &* stride)
    e0 = _mm256_add_epi16(e0, _mm256_maddubs_epi16(x, r0))
    e1 = _mm256_add_epi16(e1, _mm256_maddubs_epi16(x, r1))
    x = broadcast(left + 5 &* stride)
    f0 = _mm256_add_epi16(f0, _mm256_maddubs_epi16(x, r0))
    f1 = _mm256_add_epi16(f1, _mm256_maddubs_epi16(x, r1))
}

@inline(always)
func broadcast(_ p: UnsafeRawPointer) -> SIMD4<Int64> {
    unsafeBitCast(SIMD8<Int32>(repeating: p.loadUnaligned(as: Int32.self)), to: SIMD4<Int64>.self)
}

/// Adds a chunk's sums of a row, which are in two 16-bit halves, to its sums in FP32.
@inline(always)
func addChunk(
    _ x0: SIMD4<Int64>, _ x1: SIMD4<Int64>, _ rowScale: Float, _ s0: SIMD8<Float>, _ s1: SIMD8<Float>,
    _ sum0: inout SIMD8<Float>, _ sum1: inout SIMD8<Float>
) {
    let scale = SIMD8<Float>(repeating: rowScale)
    let ones = unsafeBitCast(SIMD16<Int16>(repeating: 1), to: SIMD4<Int64>.self)
    sum0 = sum0.addingProduct(_mm256_cvtepi32_ps(_mm256_madd_epi16(x0, ones)), scale * s0)
    sum1 = sum1.addingProduct(_mm256_cvtepi32_ps(_mm256_madd_epi16(x1, ones)), scale * s1)
}

/// Twelve independent sums of products, as in the tile.
@inline(never)
func runIntegerProbe(_ rounds: Int, _ seeds: WriteRow) -> Int {
    let x = unsafeBitCast(SIMD8<Float>(repeating: seeds[0]), to: SIMD4<Int64>.self)
    let y = unsafeBitCast(SIMD8<Float>(repeating: seeds[1]), to: SIMD4<Int64>.self)
    var p0 = x, p1 = y, p2 = x, p3 = y, p4 = x, p5 = y, p6 = x, p7 = y, p8 = x, p9 = y, p10 = x, p11 = y
    var round = 0
    while round < rounds {
        p0 = _mm256_add_epi16(p0, _mm256_maddubs_epi16(p0, x))
        p1 = _mm256_add_epi16(p1, _mm256_maddubs_epi16(p1, x))
        p2 = _mm256_add_epi16(p2, _mm256_maddubs_epi16(p2, x))
        p3 = _mm256_add_epi16(p3, _mm256_maddubs_epi16(p3, x))
        p4 = _mm256_add_epi16(p4, _mm256_maddubs_epi16(p4, x))
        p5 = _mm256_add_epi16(p5, _mm256_maddubs_epi16(p5, x))
        p6 = _mm256_add_epi16(p6, _mm256_maddubs_epi16(p6, x))
        p7 = _mm256_add_epi16(p7, _mm256_maddubs_epi16(p7, x))
        p8 = _mm256_add_epi16(p8, _mm256_maddubs_epi16(p8, x))
        p9 = _mm256_add_epi16(p9, _mm256_maddubs_epi16(p9, x))
        p10 = _mm256_add_epi16(p10, _mm256_maddubs_epi16(p10, x))
        p11 = _mm256_add_epi16(p11, _mm256_maddubs_epi16(p11, x))
        round &+= 1
    }
    let total = p0 ^ p1 ^ p2 ^ p3 ^ p4 ^ p5
    let other = p6 ^ p7 ^ p8 ^ p9 ^ p10 ^ p11
    let all = unsafeBitCast(total ^ other, to: SIMD8<Float>.self)
    seeds[0] = all[0]
    seeds[1] = all[1]
    return rounds &* 768
}
