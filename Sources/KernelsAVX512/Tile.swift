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

@inline(always)
func multiplyTile(
    _ depth: Int, _ left: ReadRow, _ right: ReadRow, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool
) {
    tile12By32(
        depth: depth, left: left, right: right,
        start: { accumulate ? load(c + ($0 &* rowStride &+ 16 &* $1), 16) : Vector() }, multiplyAdd: fma,
        finish: { store($2, c + ($0 &* rowStride &+ 16 &* $1), 16) })
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
