import KernelInterface

private typealias State = (SIMD8<UInt64>, SIMD8<UInt64>, SIMD8<UInt64>, SIMD8<UInt64>)

/// Philox 4×32-10, as `philoxBody` has it, with even and odd lanes apart: each in the low half of 64 bits. The high halves
/// hold anything, which the multiplication ignores. So a product's halves need no shuffles.
@inline(always)
func philox(_ c0: UInt32, _ c1: SIMD16<UInt32>, _ key: SIMD2<UInt32>) -> PhiloxWords {
    let pairs = unsafeBitCast(c1, to: SIMD8<UInt64>.self)
    var even = (SIMD8(repeating: UInt64(c0)), pairs, SIMD8<UInt64>(), SIMD8<UInt64>())
    var odd = (SIMD8(repeating: UInt64(c0)), pairs &>> 32, SIMD8<UInt64>(), SIMD8<UInt64>())
    var keys = key
    @inline(always) func twoRounds() {
        even = nextRound(even, keys)
        odd = nextRound(odd, keys)
        keys = SIMD2(keys.x &+ 0x9E37_79B9, keys.y &+ 0xBB67_AE85)
        even = nextRound(even, keys)
        odd = nextRound(odd, keys)
        keys = SIMD2(keys.x &+ 0x9E37_79B9, keys.y &+ 0xBB67_AE85)
    }
    // Without a loop, so that the next counters' rounds overlap with these: each waits for the one before it.
    twoRounds()
    twoRounds()
    twoRounds()
    twoRounds()
    twoRounds()
    return (join(even.0, odd.0), join(even.1, odd.1), join(even.2, odd.2), join(even.3, odd.3))
}

@inline(always)
private func nextRound(_ x: State, _ key: SIMD2<UInt32>) -> State {
    let p = (x.0 & 0xFFFF_FFFF) &* SIMD8(repeating: 0xD251_1F53)
    let q = (x.2 & 0xFFFF_FFFF) &* SIMD8(repeating: 0xCD9E_8D57)
    return ((q &>> 32) ^ x.1 ^ UInt64(key.x), q, (p &>> 32) ^ x.3 ^ UInt64(key.y), p)
}

@inline(always)
private func join(_ even: SIMD8<UInt64>, _ odd: SIMD8<UInt64>) -> SIMD16<UInt32> {
    unsafeBitCast((even & 0xFFFF_FFFF) | (odd &<< 32), to: SIMD16<UInt32>.self)
}
