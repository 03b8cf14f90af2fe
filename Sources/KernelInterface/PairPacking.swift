public import CProcessor

/// Packs panels of `width` rows: see `PairKernelTable.packPairs`. `width` is a multiple of 4.
@inlinable @inline(always)
public func packPairsBody(
    _ source: ReadRow, _ across: Int, _ along: Int, _ extent: Int, _ depth: Int, _ width: Int, _ panels: WriteRow,
    _ panelStride: Int
) {
    // Blocks along the depth keep the lines that are filled in the cache from one group of rows to the next, or the lines that
    // are read, which may all crowd into a few sets, from one panel to the next.
    let blockDepth = along == 1 ? 128 : 16
    var start = 0
    while start < depth {
        let length = depth &- start < blockDepth ? depth &- start : blockDepth
        var first = 0
        var panel = panels + (start &>> 1) &* width
        while first < extent {
            let block = source + (first &* across &+ start &* along)
            let rows = extent &- first < width ? extent &- first : width
            if along == 1 {
                packPairsTransposing(block, across, rows, length, width, panel)
            } else if across == 1 && rows == width {
                packPairsCopying(block, along, extent &- first, length, width, panel)
            } else {
                packPairsGathering(block, across, along, rows, 0, length, width, panel)
            }
            first &+= width
            panel += panelStride
        }
        start &+= length
    }
}

/// The words of sixteen pairs.
@inlinable @inline(always)
func pairs(_ first: Vector, _ second: Vector) -> Vector {
    let high = unsafeBitCast(bf16(first), to: SIMD16<UInt32>.self)
    let low = unsafeBitCast(bf16(second), to: SIMD16<UInt32>.self)
    return unsafeBitCast(high | low &>> 16, to: Vector.self)
}

/// The words of 32 values that follow one another.
@inlinable @inline(always)
func pairs(_ p: ReadRow) -> Vector {
    let x = load(p, 16)
    let y = load(p + 16, 16)
    return pairs(
        Vector(lowHalf: x.evenHalf, highHalf: y.evenHalf), Vector(lowHalf: x.oddHalf, highHalf: y.oddHalf))
}

/// A block whose source has a contiguous depth: 4 rows × 16 words are transposed in registers.
@inlinable @inline(always)
func packPairsTransposing(
    _ source: ReadRow, _ across: Int, _ rows: Int, _ depth: Int, _ width: Int, _ panel: WriteRow
) {
    let whole = depth & ~31
    var row = 0
    while row < width {
        let valid = rows &- row
        let p = source + (valid > 0 ? row &* across : 0)
        var k = 0
        while k < whole {
            let a = valid > 0 ? pairs(p + k) : Vector()
            let b = valid > 1 ? pairs(p + across + k) : Vector()
            let c = valid > 2 ? pairs(p + 2 &* across + k) : Vector()
            let d = valid > 3 ? pairs(p + 3 &* across + k) : Vector()
            let target = panel + (k &>> 1) &* width + row
            let step = 4 &* width
            storeQuarter(
                a.lowHalf.lowHalf, b.lowHalf.lowHalf, c.lowHalf.lowHalf, d.lowHalf.lowHalf, target, width, 4)
            storeQuarter(
                a.lowHalf.highHalf, b.lowHalf.highHalf, c.lowHalf.highHalf, d.lowHalf.highHalf, target + step, width, 4)
            storeQuarter(
                a.highHalf.lowHalf, b.highHalf.lowHalf, c.highHalf.lowHalf, d.highHalf.lowHalf, target + 2 &* step,
                width, 4)
            storeQuarter(
                a.highHalf.highHalf, b.highHalf.highHalf, c.highHalf.highHalf, d.highHalf.highHalf,
                target + 3 &* step, width, 4)
            k &+= 32
        }
        row &+= 4
    }
    if whole < depth { packPairsGathering(source, across, 1, rows, whole, depth, width, panel) }
}

/// A block whose source is contiguous across the panel.
@inlinable @inline(always)
func packPairsCopying(
    _ source: ReadRow, _ along: Int, _ extent: Int, _ depth: Int, _ width: Int, _ panel: WriteRow
) {
    var from = source
    var to = panel
    var k = 0
    if width < 16 && extent >= 16 {
        // Whole vectors; what a row writes beyond its end the next one overwrites.
        while (depth &- k) &* width >= 32 {
            processor_prefetch(from + 16 &* along)
            processor_prefetch(from + 17 &* along)
            store(pairs(load(from, 16), load(from + along, 16)), to, 16)
            from += 2 &* along
            to += width
            k &+= 2
        }
    }
    while k < depth {
        var column = 0
        while column < width {
            let length = width &- column < 16 ? width &- column : 16
            let second = k &+ 1 < depth ? load(from + along + column, length) : Vector()
            store(pairs(load(from + column, length), second), to + column, length)
            column &+= 16
        }
        from += 2 &* along
        to += width
        k &+= 2
    }
}

/// Part of a block of any source, element by element. Rows from `rows` on become zero.
@inlinable @inline(always)
func packPairsGathering(
    _ source: ReadRow, _ across: Int, _ along: Int, _ rows: Int, _ start: Int, _ depth: Int,
    _ width: Int, _ panel: WriteRow
) {
    var k = start
    while k < depth {
        var row = 0
        while row < width {
            let at = source + (row < rows ? row &* across &+ k &* along : 0)
            let high = row < rows ? bf16(at[0]).bitPattern : 0
            let low = row < rows && k &+ 1 < depth ? bf16(at[along]).bitPattern : 0
            panel[(k &>> 1) &* width &+ row] = Float(bitPattern: high | low &>> 16)
            row &+= 1
        }
        k &+= 2
    }
}
