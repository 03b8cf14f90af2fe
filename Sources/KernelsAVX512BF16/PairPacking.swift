import CProcessor
import KernelInterface
import _Builtin_intrinsics.intel

/// Packs panels of `width` rows: see `PairKernelTable.packPairs`. `width` is 12 or 32.
@inline(always)
func packPairsBody(
    _ source: ReadRow, _ across: Int, _ along: Int, _ extent: Int, _ depth: Int, _ width: Int, _ panels: WriteRow,
    _ panelStride: Int
) {
    // Blocks along the depth keep the lines that are filled in the cache from one group of rows to the next, or the lines that
    // are read from one panel to the next: few, since those far from each other may crowd into the same sets.
    let blockDepth = along <= 64 ? 128 : 16
    var start = 0
    while start < depth {
        let length = depth &- start < blockDepth ? depth &- start : blockDepth
        var first = 0
        var panel = panels + (start &>> 1) &* width
        while first < extent {
            let block = source + (first &* across &+ start &* along)
            let rows = extent &- first < width ? extent &- first : width
            if along == 1 {
                // What comes next: the next panel's rows, or the first panel's further on.
                let isLast = first &+ width >= extent
                let ahead = isLast ? length &- first &* across : width &* across
                packPairsTransposing(block, across, ahead, rows, length, width, panel)
            } else if across == 1 {
                packPairsCopying(block, along, rows, length, width, panel)
            } else {
                packPairsGathering(block, across, along, rows, length, width, panel)
            }
            first &+= width
            panel += panelStride
        }
        start &+= length
    }
}

/// The lowest `count` lanes; none if it is negative.
@inline(always)
private func lanes(_ count: Int) -> UInt16 {
    if count >= 16 { return 0xFFFF }
    return count > 0 ? (1 &<< UInt16(truncatingIfNeeded: count)) &- 1 : 0
}

/// See `PairKernelTable.encodePairs`.
@inline(always)
func writePairs(
    _ x: ReadRow, _ depth: Int, _ valid: Int, _ scales: ReadRow, _ encodes: ReadRow, _ uniforms: ReadRow?,
    _ settings: QuantizerSettings, _ target: PairTarget, _ sums: UnsafeMutablePointer<QuantizationSums>,
    _ next: NextTile
) {
    let low = lanes(target.lowRows)
    encodePairsBody(
        x, depth, valid, scales, encodes, uniforms, settings, sums, next,
        floor: { _mm512_floor_ps($0) },
        put: { first, second, word in
            let words = processor_bf16_interleaved(first, second)
            _mm512_mask_storeu_ps(target.low + word &* target.stride, low, words)
            if let high = target.high { _mm512_mask_storeu_ps(high + word &* target.stride, ~low, words) }
        })
}

/// A block whose source has a contiguous depth: 4 rows × 16 words are transposed in registers.
@inline(always)
private func packPairsTransposing(
    _ source: ReadRow, _ across: Int, _ ahead: Int, _ rows: Int, _ depth: Int, _ width: Int, _ panel: WriteRow
) {
    var row = 0
    while row < width {
        let valid = rows &- row
        let p = source + (valid > 0 ? row &* across : 0)
        var k = 0
        while k < depth {
            let (low, high) = (lanes(depth &- k), lanes(depth &- k &- 16))
            @inline(always) func words(_ index: Int) -> Vector {
                if index >= valid { return Vector() }
                let at = p + (index &* across &+ k)
                processor_prefetch(at + ahead)
                processor_prefetch(at + (ahead &+ 16))
                return processor_bf16_pairs(_mm512_maskz_loadu_ps(low, at), _mm512_maskz_loadu_ps(high, at + 16))
            }
            let columns = transposeQuarters(words(0), words(1), words(2), words(3))
            let count = (depth &- k &+ 1) &>> 1
            let target = panel + (k &>> 1) &* width + row
            @inline(always) func put(_ quarter: SIMD4<Float>, _ word: Int) {
                if word < count {
                    UnsafeMutableRawPointer(target + word &* width).storeBytes(of: quarter, as: SIMD4<Float>.self)
                }
            }
            @inline(always) func put(_ column: Vector, _ word: Int) {
                put(column.lowHalf.lowHalf, word)
                put(column.lowHalf.highHalf, word &+ 4)
                put(column.highHalf.lowHalf, word &+ 8)
                put(column.highHalf.highHalf, word &+ 12)
            }
            put(columns.0, 0)
            put(columns.1, 1)
            put(columns.2, 2)
            put(columns.3, 3)
            k &+= 32
        }
        row &+= 4
    }
}

/// A block whose source is contiguous across the panel.
@inline(always)
private func packPairsCopying(
    _ source: ReadRow, _ along: Int, _ rows: Int, _ depth: Int, _ width: Int, _ panel: WriteRow
) {
    let (read, readOn) = (lanes(rows), lanes(rows &- 16))
    let (write, writeOn) = (lanes(width), lanes(width &- 16))
    var from = source
    var to = panel
    var k = 0
    while k &+ 2 < depth {
        // A narrow panel's vector reaches into the next pair, which is written afterwards.
        processor_prefetch(from + 16 &* along)
        processor_prefetch(from + 17 &* along)
        store(words(from, along, read), to, 16)
        if width > 16 {
            processor_prefetch(from + (16 &* along &+ 16))
            processor_prefetch(from + (17 &* along &+ 16))
            _mm512_mask_storeu_ps(to + 16, writeOn, words(from + 16, along, readOn))
        }
        from += 2 &* along
        to += width
        k &+= 2
    }
    // The last pair must not reach beyond the block, and may have no second row.
    let second = k &+ 1 < depth ? along : 0
    let mask: UInt16 = second == 0 ? 0 : 0xFFFF
    @inline(always) func last(_ lanes: UInt16, _ column: Int) -> Vector {
        processor_bf16_interleaved(
            _mm512_maskz_loadu_ps(lanes, from + column), _mm512_maskz_loadu_ps(lanes & mask, from + (second &+ column)))
    }
    _mm512_mask_storeu_ps(to, write, last(read, 0))
    if width > 16 { _mm512_mask_storeu_ps(to + 16, writeOn, last(readOn, 16)) }
}

/// The words of two rows.
@inline(always)
private func words(_ source: ReadRow, _ along: Int, _ lanes: UInt16) -> Vector {
    processor_bf16_interleaved(
        _mm512_maskz_loadu_ps(lanes, source), _mm512_maskz_loadu_ps(lanes, source + along))
}

/// A block of any source, element by element. Rows from `rows` on become zero.
@inline(always)
private func packPairsGathering(
    _ source: ReadRow, _ across: Int, _ along: Int, _ rows: Int, _ depth: Int, _ width: Int, _ panel: WriteRow
) {
    @inline(always) func value(_ row: Int, _ k: Int) -> Float {
        if row >= rows || k >= depth { return 0 }
        let x = source[row &* across &+ k &* along]
        // As the processor's instruction has it.
        return x.magnitude < Float.leastNormalMagnitude ? x * 0 : x
    }
    var k = 0
    while k < depth {
        var row = 0
        while row < width {
            let word = bf16(value(row, k)).bitPattern | bf16(value(row, k &+ 1)).bitPattern &>> 16
            panel[(k &>> 1) &* width &+ row] = Float(bitPattern: word)
            row &+= 1
        }
        k &+= 2
    }
}
