public import CProcessor

/// A register tile of 12 × 32 for registers of 16 lanes: 24 accumulators, two vectors of the right panel and one broadcast
/// of the left fill 27 of 32 registers.
///
/// - Parameters:
///   - depth: vectors of the panels, [depth][12] and [depth][32] words of 32 bits.
///   - start: what the sum of a row's half begins with.
///   - multiplyAdd: (x, y, sum) to the sum with the products of two words in each lane.
///   - finish: takes the sum of a row's half.
@inlinable @inline(always)
public func tile12By32(
    depth: Int, left: ReadRow, right: ReadRow, start: (_ row: Int, _ half: Int) -> Vector,
    multiplyAdd: (_ x: Vector, _ y: Vector, _ sum: Vector) -> Vector,
    finish: (_ row: Int, _ half: Int, _ sum: Vector) -> Void
) {
    var a0 = start(0, 0), a1 = start(0, 1)
    var b0 = start(1, 0), b1 = start(1, 1)
    var c0 = start(2, 0), c1 = start(2, 1)
    var d0 = start(3, 0), d1 = start(3, 1)
    var e0 = start(4, 0), e1 = start(4, 1)
    var f0 = start(5, 0), f1 = start(5, 1)
    var g0 = start(6, 0), g1 = start(6, 1)
    var h0 = start(7, 0), h1 = start(7, 1)
    var i0 = start(8, 0), i1 = start(8, 1)
    var j0 = start(9, 0), j1 = start(9, 1)
    var k0 = start(10, 0), k1 = start(10, 1)
    var l0 = start(11, 0), l1 = start(11, 1)
    var l = left
    var r = right
    var k = 0
    while k < depth {
        // The next panel, which mostly follows this one, on its way from the third-level cache.
        processor_prefetch_far(l + 12 &* depth)
        let r0 = load(r, 16)
        let r1 = load(r + 16, 16)
        var x = splat(l[0])
        a0 = multiplyAdd(x, r0, a0)
        a1 = multiplyAdd(x, r1, a1)
        x = splat(l[1])
        b0 = multiplyAdd(x, r0, b0)
        b1 = multiplyAdd(x, r1, b1)
        x = splat(l[2])
        c0 = multiplyAdd(x, r0, c0)
        c1 = multiplyAdd(x, r1, c1)
        x = splat(l[3])
        d0 = multiplyAdd(x, r0, d0)
        d1 = multiplyAdd(x, r1, d1)
        x = splat(l[4])
        e0 = multiplyAdd(x, r0, e0)
        e1 = multiplyAdd(x, r1, e1)
        x = splat(l[5])
        f0 = multiplyAdd(x, r0, f0)
        f1 = multiplyAdd(x, r1, f1)
        x = splat(l[6])
        g0 = multiplyAdd(x, r0, g0)
        g1 = multiplyAdd(x, r1, g1)
        x = splat(l[7])
        h0 = multiplyAdd(x, r0, h0)
        h1 = multiplyAdd(x, r1, h1)
        x = splat(l[8])
        i0 = multiplyAdd(x, r0, i0)
        i1 = multiplyAdd(x, r1, i1)
        x = splat(l[9])
        j0 = multiplyAdd(x, r0, j0)
        j1 = multiplyAdd(x, r1, j1)
        x = splat(l[10])
        k0 = multiplyAdd(x, r0, k0)
        k1 = multiplyAdd(x, r1, k1)
        x = splat(l[11])
        l0 = multiplyAdd(x, r0, l0)
        l1 = multiplyAdd(x, r1, l1)
        l += 12
        r += 32
        k &+= 1
    }
    finish(0, 0, a0)
    finish(0, 1, a1)
    finish(1, 0, b0)
    finish(1, 1, b1)
    finish(2, 0, c0)
    finish(2, 1, c1)
    finish(3, 0, d0)
    finish(3, 1, d1)
    finish(4, 0, e0)
    finish(4, 1, e1)
    finish(5, 0, f0)
    finish(5, 1, f1)
    finish(6, 0, g0)
    finish(6, 1, g1)
    finish(7, 0, h0)
    finish(7, 1, h1)
    finish(8, 0, i0)
    finish(8, 1, i1)
    finish(9, 0, j0)
    finish(9, 1, j1)
    finish(10, 0, k0)
    finish(10, 1, k1)
    finish(11, 0, l0)
    finish(11, 1, l1)
}
