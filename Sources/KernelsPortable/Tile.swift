import KernelInterface

let kernelTier = KernelTier.portable
let registerTileRows = 4
let registerTileColumns = 8
/// With this depth a piece's panels of the left operand stay in the second-level cache, and so does the panel of the right
/// that passes by. Deeper than the first-level cache would like, but every further block reads and writes C once more,
/// which costs more.
let cacheDepth = 256

@inline(always)
func floor(_ x: Vector) -> Vector { integerPart(x) }

@inline(always)
func philox(_ c0: UInt32, _ c1: SIMD16<UInt32>, _ key: SIMD2<UInt32>) -> PhiloxWords { philoxBody(c0, c1, key) }

@inline(always)
func loadColumns(_ source: ReadRow, _ stride: Int, _ target: WriteRow) { loadColumnsBody(source, stride, target) }

@inline(always)
func storeColumns(_ source: ReadRow, _ target: WriteRow, _ stride: Int) { storeColumnsBody(source, target, stride) }

@inline(always)
func squareRoot(_ x: Vector) -> Vector { x.squareRoot() }

/// 4 × 8 with fused multiply-adds, which cost a library call each on a processor or in a build without them.
@inline(always)
func multiplyTile(
    _ depth: Int, _ left: ReadRow, _ right: ReadRow, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool
) {
    var a0 = SIMD4<Float>(), a1 = SIMD4<Float>()
    var b0 = SIMD4<Float>(), b1 = SIMD4<Float>()
    var c0 = SIMD4<Float>(), c1 = SIMD4<Float>()
    var d0 = SIMD4<Float>(), d1 = SIMD4<Float>()
    if accumulate {
        var row = UnsafeRawPointer(c)
        a0 = row.loadUnaligned(as: SIMD4<Float>.self)
        a1 = (row + 16).loadUnaligned(as: SIMD4<Float>.self)
        row += rowStride &* 4
        b0 = row.loadUnaligned(as: SIMD4<Float>.self)
        b1 = (row + 16).loadUnaligned(as: SIMD4<Float>.self)
        row += rowStride &* 4
        c0 = row.loadUnaligned(as: SIMD4<Float>.self)
        c1 = (row + 16).loadUnaligned(as: SIMD4<Float>.self)
        row += rowStride &* 4
        d0 = row.loadUnaligned(as: SIMD4<Float>.self)
        d1 = (row + 16).loadUnaligned(as: SIMD4<Float>.self)
    }
    var l = left
    var r = UnsafeRawPointer(right)
    var k = 0
    while k < depth {
        let r0 = r.loadUnaligned(as: SIMD4<Float>.self)
        let r1 = (r + 16).loadUnaligned(as: SIMD4<Float>.self)
        var x = SIMD4<Float>(repeating: l[0])
        a0 = a0.addingProduct(x, r0)
        a1 = a1.addingProduct(x, r1)
        x = SIMD4<Float>(repeating: l[1])
        b0 = b0.addingProduct(x, r0)
        b1 = b1.addingProduct(x, r1)
        x = SIMD4<Float>(repeating: l[2])
        c0 = c0.addingProduct(x, r0)
        c1 = c1.addingProduct(x, r1)
        x = SIMD4<Float>(repeating: l[3])
        d0 = d0.addingProduct(x, r0)
        d1 = d1.addingProduct(x, r1)
        l += 4
        r += 32
        k &+= 1
    }
    var row = UnsafeMutableRawPointer(c)
    row.storeBytes(of: a0, as: SIMD4<Float>.self)
    (row + 16).storeBytes(of: a1, as: SIMD4<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: b0, as: SIMD4<Float>.self)
    (row + 16).storeBytes(of: b1, as: SIMD4<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: c0, as: SIMD4<Float>.self)
    (row + 16).storeBytes(of: c1, as: SIMD4<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: d0, as: SIMD4<Float>.self)
    (row + 16).storeBytes(of: d1, as: SIMD4<Float>.self)
}

/// 4 × 8 with a multiplication and an addition for each product: right when the products are exact.
@inline(always)
func multiplyExactTile(
    _ depth: Int, _ left: ReadRow, _ right: ReadRow, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool
) {
    var a0 = SIMD4<Float>(), a1 = SIMD4<Float>()
    var b0 = SIMD4<Float>(), b1 = SIMD4<Float>()
    var c0 = SIMD4<Float>(), c1 = SIMD4<Float>()
    var d0 = SIMD4<Float>(), d1 = SIMD4<Float>()
    if accumulate {
        var row = UnsafeRawPointer(c)
        a0 = row.loadUnaligned(as: SIMD4<Float>.self)
        a1 = (row + 16).loadUnaligned(as: SIMD4<Float>.self)
        row += rowStride &* 4
        b0 = row.loadUnaligned(as: SIMD4<Float>.self)
        b1 = (row + 16).loadUnaligned(as: SIMD4<Float>.self)
        row += rowStride &* 4
        c0 = row.loadUnaligned(as: SIMD4<Float>.self)
        c1 = (row + 16).loadUnaligned(as: SIMD4<Float>.self)
        row += rowStride &* 4
        d0 = row.loadUnaligned(as: SIMD4<Float>.self)
        d1 = (row + 16).loadUnaligned(as: SIMD4<Float>.self)
    }
    var l = left
    var r = UnsafeRawPointer(right)
    var k = 0
    while k < depth {
        let r0 = r.loadUnaligned(as: SIMD4<Float>.self)
        let r1 = (r + 16).loadUnaligned(as: SIMD4<Float>.self)
        var x = SIMD4<Float>(repeating: l[0])
        a0 = a0 + x * r0
        a1 = a1 + x * r1
        x = SIMD4<Float>(repeating: l[1])
        b0 = b0 + x * r0
        b1 = b1 + x * r1
        x = SIMD4<Float>(repeating: l[2])
        c0 = c0 + x * r0
        c1 = c1 + x * r1
        x = SIMD4<Float>(repeating: l[3])
        d0 = d0 + x * r0
        d1 = d1 + x * r1
        l += 4
        r += 32
        k &+= 1
    }
    var row = UnsafeMutableRawPointer(c)
    row.storeBytes(of: a0, as: SIMD4<Float>.self)
    (row + 16).storeBytes(of: a1, as: SIMD4<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: b0, as: SIMD4<Float>.self)
    (row + 16).storeBytes(of: b1, as: SIMD4<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: c0, as: SIMD4<Float>.self)
    (row + 16).storeBytes(of: c1, as: SIMD4<Float>.self)
    row += rowStride &* 4
    row.storeBytes(of: d0, as: SIMD4<Float>.self)
    (row + 16).storeBytes(of: d1, as: SIMD4<Float>.self)
}

/// Twelve independent chains keep both multiply-add units busy.
@inline(never)
func runMultiplyAddProbe(_ rounds: Int, _ seeds: WriteRow) -> Int {
    let x = SIMD4<Float>(repeating: seeds[0])
    let y = SIMD4<Float>(repeating: seeds[1])
    var p0 = SIMD4<Float>(repeating: 0.0)
    var p1 = SIMD4<Float>(repeating: 1.0)
    var p2 = SIMD4<Float>(repeating: 2.0)
    var p3 = SIMD4<Float>(repeating: 3.0)
    var p4 = SIMD4<Float>(repeating: 4.0)
    var p5 = SIMD4<Float>(repeating: 5.0)
    var p6 = SIMD4<Float>(repeating: 6.0)
    var p7 = SIMD4<Float>(repeating: 7.0)
    var p8 = SIMD4<Float>(repeating: 8.0)
    var p9 = SIMD4<Float>(repeating: 9.0)
    var p10 = SIMD4<Float>(repeating: 10.0)
    var p11 = SIMD4<Float>(repeating: 11.0)
    var round = 0
    while round < rounds {
        p0 = p0 * x + y
        p1 = p1 * x + y
        p2 = p2 * x + y
        p3 = p3 * x + y
        p4 = p4 * x + y
        p5 = p5 * x + y
        p6 = p6 * x + y
        p7 = p7 * x + y
        p8 = p8 * x + y
        p9 = p9 * x + y
        p10 = p10 * x + y
        p11 = p11 * x + y
        round &+= 1
    }
    let total = p0 + p1 + p2 + p3
    let total4 = p4 + p5 + p6 + p7
    let total8 = p8 + p9 + p10 + p11
    let all = total + total4 + total8
    seeds[0] = all[0]
    seeds[1] = all[1]
    return rounds &* 96
}
