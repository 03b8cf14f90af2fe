import CProcessor
import KernelInterface

@inline(always)
func multiplyPairTile(
    _ words: Int, _ left: ReadRow, _ right: ReadRow, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool
) {
    tile12By32(
        depth: words, left: left, right: right,
        start: { accumulate ? load(c + ($0 &* rowStride &+ 16 &* $1), 16) : Vector() },
        multiplyAdd: { processor_dot_bf16($2, $0, $1) },
        finish: { store($2, c + ($0 &* rowStride &+ 16 &* $1), 16) })
}

/// At the end of a chunk its sums go through their scales into C: c = fma(sum, scaleOfRow · scaleOfColumn, c).
@inline(always)
func multiplyScaledPairTile(_ panels: ScaledPanels, _ c: WriteRow, _ rowStride: Int, _ accumulate: Bool) {
    if !accumulate { clearTile(c, rowStride, 12, 32) }
    var left = UnsafeRawPointer(panels.left).assumingMemoryBound(to: Float.self)
    var right = panels.right.assumingMemoryBound(to: Float.self)
    var leftScales = panels.leftScales
    var rightScales = panels.rightScales
    var remaining = panels.depth
    while remaining > 0 {
        let words = (remaining < panels.chunk ? remaining &+ 1 : panels.chunk) / 2
        remaining &-= panels.chunk
        let scales = (load(rightScales, 16), load(rightScales + 16, 16))
        tile12By32(
            depth: words, left: left, right: right, start: { _, _ in Vector() },
            multiplyAdd: { processor_dot_bf16($2, $0, $1) },
            finish: { row, half, sum in
                let target = c + (row &* rowStride &+ 16 &* half)
                let scale = splat(leftScales[row]) * (half == 0 ? scales.0 : scales.1)
                store(fma(sum, scale, load(target, 16)), target, 16)
            })
        left += 12 &* words
        right += 32 &* words
        leftScales += 12
        rightScales += 32
    }
}

/// Twenty-four independent chains, as in the tile, keep both units busy.
@inline(never)
func runPairProbe(_ rounds: Int, _ seeds: WriteRow) -> Int {
    let x = SIMD16<Float>(repeating: seeds[0])
    let y = SIMD16<Float>(repeating: seeds[1])
    var p0 = x, p1 = y, p2 = x, p3 = y, p4 = x, p5 = y, p6 = x, p7 = y, p8 = x, p9 = y, p10 = x, p11 = y
    var q0 = x, q1 = y, q2 = x, q3 = y, q4 = x, q5 = y, q6 = x, q7 = y, q8 = x, q9 = y, q10 = x, q11 = y
    var round = 0
    while round < rounds {
        p0 = processor_dot_bf16(p0, x, y)
        q0 = processor_dot_bf16(q0, x, y)
        p1 = processor_dot_bf16(p1, x, y)
        q1 = processor_dot_bf16(q1, x, y)
        p2 = processor_dot_bf16(p2, x, y)
        q2 = processor_dot_bf16(q2, x, y)
        p3 = processor_dot_bf16(p3, x, y)
        q3 = processor_dot_bf16(q3, x, y)
        p4 = processor_dot_bf16(p4, x, y)
        q4 = processor_dot_bf16(q4, x, y)
        p5 = processor_dot_bf16(p5, x, y)
        q5 = processor_dot_bf16(q5, x, y)
        p6 = processor_dot_bf16(p6, x, y)
        q6 = processor_dot_bf16(q6, x, y)
        p7 = processor_dot_bf16(p7, x, y)
        q7 = processor_dot_bf16(q7, x, y)
        p8 = processor_dot_bf16(p8, x, y)
        q8 = processor_dot_bf16(q8, x, y)
        p9 = processor_dot_bf16(p9, x, y)
        q9 = processor_dot_bf16(q9, x, y)
        p10 = processor_dot_bf16(p10, x, y)
        q10 = processor_dot_bf16(q10, x, y)
        p11 = processor_dot_bf16(p11, x, y)
        q11 = processor_dot_bf16(q11, x, y)
        round &+= 1
    }
    let total = p0 + p1 + p2 + p3 + p4 + p5
    let total6 = p6 + p7 + p8 + p9 + p10 + p11
    let other = q0 + q1 + q2 + q3 + q4 + q5
    let other6 = q6 + q7 + q8 + q9 + q10 + q11
    let all = (total + total6) + (other + other6)
    seeds[0] = all[0]
    seeds[1] = all[1]
    return rounds &* 1536
}
