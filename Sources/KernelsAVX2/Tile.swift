import CProcessor
import KernelInterface
import _Builtin_intrinsics.intel

let kernelTier = KernelTier.avx2
let registerTileRows = 6
let registerTileColumns = 16
/// With this depth a piece's panels of the left operand stay in the second-level cache, and so does the panel of the right
/// that passes by. Deeper than the first-level cache would like, but every further block reads and writes C once more,
/// which costs more.
let cacheDepth = 512

@inline(always)
func floor(_ x: Vector) -> Vector { integerPart(x) }

@inline(always)
func philox(_ c0: UInt32, _ c1: SIMD16<UInt32>, _ key: SIMD2<UInt32>) -> PhiloxWords { philoxBody(c0, c1, key) }

@inline(always)
func loadColumns(_ source: ReadRow, _ stride: Int, _ target: WriteRow) { loadColumnsBody(source, stride, target) }

@inline(always)
func storeColumns(_ source: ReadRow, _ target: WriteRow, _ stride: Int) { storeColumnsBody(source, target, stride) }

@inline(always)
func squareRoot(_ x: Vector) -> Vector {
    Vector(lowHalf: _mm256_sqrt_ps(x.lowHalf), highHalf: _mm256_sqrt_ps(x.highHalf))
}

/// 6 × 16: 12 accumulators, two vectors of the right panel and one broadcast of the left fill 15 of 16 registers.
@inline(always)
func multiplyTile(
    _ depth: Int, _ left: ReadRow, _ right: ReadRow, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool
) {
    var a0 = SIMD8<Float>(), a1 = SIMD8<Float>()
    var b0 = SIMD8<Float>(), b1 = SIMD8<Float>()
    var c0 = SIMD8<Float>(), c1 = SIMD8<Float>()
    var d0 = SIMD8<Float>(), d1 = SIMD8<Float>()
    var e0 = SIMD8<Float>(), e1 = SIMD8<Float>()
    var f0 = SIMD8<Float>(), f1 = SIMD8<Float>()
    if accumulate {
        var row = UnsafeRawPointer(c)
        a0 = row.loadUnaligned(as: SIMD8<Float>.self)
        a1 = (row + 32).loadUnaligned(as: SIMD8<Float>.self)
        row += rowStride &* 4
        b0 = row.loadUnaligned(as: SIMD8<Float>.self)
        b1 = (row + 32).loadUnaligned(as: SIMD8<Float>.self)
        row += rowStride &* 4
        c0 = row.loadUnaligned(as: SIMD8<Float>.self)
        c1 = (row + 32).loadUnaligned(as: SIMD8<Float>.self)
        row += rowStride &* 4
        d0 = row.loadUnaligned(as: SIMD8<Float>.self)
        d1 = (row + 32).loadUnaligned(as: SIMD8<Float>.self)
        row += rowStride &* 4
        e0 = row.loadUnaligned(as: SIMD8<Float>.self)
        e1 = (row + 32).loadUnaligned(as: SIMD8<Float>.self)
        row += rowStride &* 4
        f0 = row.loadUnaligned(as: SIMD8<Float>.self)
        f1 = (row + 32).loadUnaligned(as: SIMD8<Float>.self)
    }
    var l = left
    var r = UnsafeRawPointer(right)
    var k = 0
    while k < depth {
        // The next panel, which mostly follows this one, on its way from the third-level cache.
        processor_prefetch_far(l + 6 &* depth)
        let r0 = r.loadUnaligned(as: SIMD8<Float>.self)
        let r1 = (r + 32).loadUnaligned(as: SIMD8<Float>.self)
        var x = SIMD8<Float>(repeating: l[0])
        a0 = a0.addingProduct(x, r0)
        a1 = a1.addingProduct(x, r1)
        x = SIMD8<Float>(repeating: l[1])
        b0 = b0.addingProduct(x, r0)
        b1 = b1.addingProduct(x, r1)
        x = SIMD8<Float>(repeating: l[2])
        c0 = c0.addingProduct(x, r0)
        c1 = c1.addingProduct(x, r1)
        x = SIMD8<Float>(repeating: l[3])
        d0 = d0.addingProduct(x, r0)
        d1 = d1.addingProduct(x, r1)
        x = SIMD8<Float>(repeating: l[4])
        e0 = e0.addingProduct(x, r0)
        e1 = e1.addingProduct(x, r1)
        x = SIMD8<Float>(repeating: l[5])
        f0 = f0.addingProduct(x, r0)
        f1 = f1.addingProduct(x, r1)
        l += 6
        r += 64
        k &+= 1
    }
    var row = UnsafeMutableRawPointer(c)
    row.storeBytes(of: a0, as: SIMD8<Float>.self)
    (row + 32).storeBytes(of: a1, as: SIMD8<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: b0, as: SIMD8<Float>.self)
    (row + 32).storeBytes(of: b1, as: SIMD8<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: c0, as: SIMD8<Float>.self)
    (row + 32).storeBytes(of: c1, as: SIMD8<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: d0, as: SIMD8<Float>.self)
    (row + 32).storeBytes(of: d1, as: SIMD8<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: e0, as: SIMD8<Float>.self)
    (row + 32).storeBytes(of: e1, as: SIMD8<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: f0, as: SIMD8<Float>.self)
    (row + 32).storeBytes(of: f1, as: SIMD8<Float>.self)
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
    let x = SIMD8<Float>(repeating: seeds[0])
    let y = SIMD8<Float>(repeating: seeds[1])
    var p0 = SIMD8<Float>(repeating: 0.0)
    var p1 = SIMD8<Float>(repeating: 1.0)
    var p2 = SIMD8<Float>(repeating: 2.0)
    var p3 = SIMD8<Float>(repeating: 3.0)
    var p4 = SIMD8<Float>(repeating: 4.0)
    var p5 = SIMD8<Float>(repeating: 5.0)
    var p6 = SIMD8<Float>(repeating: 6.0)
    var p7 = SIMD8<Float>(repeating: 7.0)
    var p8 = SIMD8<Float>(repeating: 8.0)
    var p9 = SIMD8<Float>(repeating: 9.0)
    var p10 = SIMD8<Float>(repeating: 10.0)
    var p11 = SIMD8<Float>(repeating: 11.0)
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
    return rounds &* 192
}
