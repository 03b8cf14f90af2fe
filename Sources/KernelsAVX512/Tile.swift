import CProcessor
import KernelInterface
import _Builtin_intrinsics.intel

let kernelTier = KernelTier.avx512
let registerTileRows = 12
let registerTileColumns = 32
/// With this depth a piece's panels of the left operand stay in the second-level cache, and so does the panel of the right
/// that passes by. Deeper than the first-level cache would like, but every further block reads and writes C once more,
/// which costs more.
let cacheDepth = 1024

@inline(always)
func squareRoot(_ x: Vector) -> Vector { _mm512_sqrt_ps(x) }

@inline(always)
func floor(_ x: Vector) -> Vector { _mm512_floor_ps(x) }

/// 12 × 32: 24 accumulators, two vectors of the right panel and one broadcast of the left fill 27 of 32 registers.
@inline(always)
func multiplyTile(
    _ depth: Int, _ left: ReadRow, _ right: ReadRow, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool
) {
    var a0 = SIMD16<Float>(), a1 = SIMD16<Float>()
    var b0 = SIMD16<Float>(), b1 = SIMD16<Float>()
    var c0 = SIMD16<Float>(), c1 = SIMD16<Float>()
    var d0 = SIMD16<Float>(), d1 = SIMD16<Float>()
    var e0 = SIMD16<Float>(), e1 = SIMD16<Float>()
    var f0 = SIMD16<Float>(), f1 = SIMD16<Float>()
    var g0 = SIMD16<Float>(), g1 = SIMD16<Float>()
    var h0 = SIMD16<Float>(), h1 = SIMD16<Float>()
    var i0 = SIMD16<Float>(), i1 = SIMD16<Float>()
    var j0 = SIMD16<Float>(), j1 = SIMD16<Float>()
    var k0 = SIMD16<Float>(), k1 = SIMD16<Float>()
    var l0 = SIMD16<Float>(), l1 = SIMD16<Float>()
    if accumulate {
        var row = UnsafeRawPointer(c)
        a0 = row.loadUnaligned(as: SIMD16<Float>.self)
        a1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        b0 = row.loadUnaligned(as: SIMD16<Float>.self)
        b1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        c0 = row.loadUnaligned(as: SIMD16<Float>.self)
        c1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        d0 = row.loadUnaligned(as: SIMD16<Float>.self)
        d1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        e0 = row.loadUnaligned(as: SIMD16<Float>.self)
        e1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        f0 = row.loadUnaligned(as: SIMD16<Float>.self)
        f1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        g0 = row.loadUnaligned(as: SIMD16<Float>.self)
        g1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        h0 = row.loadUnaligned(as: SIMD16<Float>.self)
        h1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        i0 = row.loadUnaligned(as: SIMD16<Float>.self)
        i1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        j0 = row.loadUnaligned(as: SIMD16<Float>.self)
        j1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        k0 = row.loadUnaligned(as: SIMD16<Float>.self)
        k1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
        row += rowStride &* 4
        l0 = row.loadUnaligned(as: SIMD16<Float>.self)
        l1 = (row + 64).loadUnaligned(as: SIMD16<Float>.self)
    }
    var l = left
    var r = UnsafeRawPointer(right)
    var k = 0
    while k < depth {
        // The next panel, which mostly follows this one, on its way from the third-level cache.
        processor_prefetch_far(l + 12 &* depth)
        let r0 = r.loadUnaligned(as: SIMD16<Float>.self)
        let r1 = (r + 64).loadUnaligned(as: SIMD16<Float>.self)
        var x = SIMD16<Float>(repeating: l[0])
        a0 = a0.addingProduct(x, r0)
        a1 = a1.addingProduct(x, r1)
        x = SIMD16<Float>(repeating: l[1])
        b0 = b0.addingProduct(x, r0)
        b1 = b1.addingProduct(x, r1)
        x = SIMD16<Float>(repeating: l[2])
        c0 = c0.addingProduct(x, r0)
        c1 = c1.addingProduct(x, r1)
        x = SIMD16<Float>(repeating: l[3])
        d0 = d0.addingProduct(x, r0)
        d1 = d1.addingProduct(x, r1)
        x = SIMD16<Float>(repeating: l[4])
        e0 = e0.addingProduct(x, r0)
        e1 = e1.addingProduct(x, r1)
        x = SIMD16<Float>(repeating: l[5])
        f0 = f0.addingProduct(x, r0)
        f1 = f1.addingProduct(x, r1)
        x = SIMD16<Float>(repeating: l[6])
        g0 = g0.addingProduct(x, r0)
        g1 = g1.addingProduct(x, r1)
        x = SIMD16<Float>(repeating: l[7])
        h0 = h0.addingProduct(x, r0)
        h1 = h1.addingProduct(x, r1)
        x = SIMD16<Float>(repeating: l[8])
        i0 = i0.addingProduct(x, r0)
        i1 = i1.addingProduct(x, r1)
        x = SIMD16<Float>(repeating: l[9])
        j0 = j0.addingProduct(x, r0)
        j1 = j1.addingProduct(x, r1)
        x = SIMD16<Float>(repeating: l[10])
        k0 = k0.addingProduct(x, r0)
        k1 = k1.addingProduct(x, r1)
        x = SIMD16<Float>(repeating: l[11])
        l0 = l0.addingProduct(x, r0)
        l1 = l1.addingProduct(x, r1)
        l += 12
        r += 128
        k &+= 1
    }
    var row = UnsafeMutableRawPointer(c)
    row.storeBytes(of: a0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: a1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: b0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: b1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: c0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: c1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: d0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: d1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: e0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: e1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: f0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: f1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: g0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: g1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: h0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: h1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: i0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: i1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: j0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: j1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: k0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: k1, as: SIMD16<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: l0, as: SIMD16<Float>.self)
    (row + 64).storeBytes(of: l1, as: SIMD16<Float>.self)
}

/// A fused multiply-add is as fast as a multiplication: there is nothing to gain from exact products.
@inline(always)
func multiplyExactTile(
    _ depth: Int, _ left: ReadRow, _ right: ReadRow, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool
) {
    multiplyTile(depth, left, right, c, rowStride, accumulate)
}

/// Twelve independent chains keep both multiply-add units busy.
@inline(never)
func runMultiplyAddProbe(_ rounds: Int, _ seeds: WriteRow) -> Int {
    let x = SIMD16<Float>(repeating: seeds[0])
    let y = SIMD16<Float>(repeating: seeds[1])
    var p0 = SIMD16<Float>(repeating: 0.0)
    var p1 = SIMD16<Float>(repeating: 1.0)
    var p2 = SIMD16<Float>(repeating: 2.0)
    var p3 = SIMD16<Float>(repeating: 3.0)
    var p4 = SIMD16<Float>(repeating: 4.0)
    var p5 = SIMD16<Float>(repeating: 5.0)
    var p6 = SIMD16<Float>(repeating: 6.0)
    var p7 = SIMD16<Float>(repeating: 7.0)
    var p8 = SIMD16<Float>(repeating: 8.0)
    var p9 = SIMD16<Float>(repeating: 9.0)
    var p10 = SIMD16<Float>(repeating: 10.0)
    var p11 = SIMD16<Float>(repeating: 11.0)
    var round = 0
    while round < rounds {
        p0 = p0.addingProduct(x, y)
        p1 = p1.addingProduct(x, y)
        p2 = p2.addingProduct(x, y)
        p3 = p3.addingProduct(x, y)
        p4 = p4.addingProduct(x, y)
        p5 = p5.addingProduct(x, y)
        p6 = p6.addingProduct(x, y)
        p7 = p7.addingProduct(x, y)
        p8 = p8.addingProduct(x, y)
        p9 = p9.addingProduct(x, y)
        p10 = p10.addingProduct(x, y)
        p11 = p11.addingProduct(x, y)
        round &+= 1
    }
    let total = p0 + p1 + p2 + p3
    let total4 = p4 + p5 + p6 + p7
    let total8 = p8 + p9 + p10 + p11
    let all = total + total4 + total8
    seeds[0] = all[0]
    seeds[1] = all[1]
    return rounds &* 384
}
