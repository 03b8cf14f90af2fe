public import CProcessor

/// Packs panels of `width` rows: see `KernelTable.pack`. `width` is even.
@inlinable @inline(always)
public func packBody(
    _ source: ReadRow, _ across: Int, _ along: Int, _ extent: Int, _ depth: Int, _ width: Int, _ rounds: Bool,
    _ panels: WriteRow, _ panelStride: Int
) {
    if along == 1 {
        var first = 0
        var panel = panels
        while first < extent {
            // Blocks along the depth keep the lines that are being filled in the cache from one group of rows to the next.
            var start = 0
            while start < depth {
                let length = depth &- start < 64 ? depth &- start : 64
                let block = source + (first &* across &+ start)
                // What comes next: the same rows further on, or the next panel's first block.
                let isLast = start &+ length >= depth
                let ahead = isLast ? (width &* across &- start) : length
                packTransposing(
                    block, across, ahead, extent &- first, length, width, rounds, panel + start &* width)
                start &+= length
            }
            first &+= width
            panel += panelStride
        }
    } else if across == 1 {
        // Blocks along the depth keep the lines of the source in the cache from one panel to the next: few, since those far
        // from each other may crowd into the same sets.
        let blockDepth = along <= 64 ? 64 : 16
        var start = 0
        while start < depth {
            let length = depth &- start < blockDepth ? depth &- start : blockDepth
            var first = 0
            var panel = panels + start &* width
            while first < extent {
                packCopying(source + start &* along + first, along, extent &- first, length, width, rounds, panel)
                first &+= width
                panel += panelStride
            }
            start &+= length
        }
    } else {
        var first = 0
        var panel = panels
        while first < extent {
            packGathering(source + first &* across, across, along, extent &- first, depth, width, rounds, panel)
            first &+= width
            panel += panelStride
        }
    }
}

/// A block of a panel whose source has a contiguous depth: blocks of 4 rows × 16 are transposed in registers.
@inlinable @inline(always)
func packTransposing(
    _ source: ReadRow, _ across: Int, _ ahead: Int, _ extent: Int, _ depth: Int, _ width: Int, _ rounds: Bool,
    _ panel: WriteRow
) {
    var row = 0
    while row < width {
        let valid = extent &- row
        let p = source + (valid > 0 ? row &* across : 0)
        let lanes = width &- row < 4 ? 2 : 4
        var k = 0
        while k &+ 16 <= depth {
            let next = p + (k &+ ahead)
            processor_prefetch(next)
            processor_prefetch(next + across)
            processor_prefetch(next + 2 &* across)
            processor_prefetch(next + 3 &* across)
            var a = valid > 0 ? load(p + k, 16) : Vector()
            var b = valid > 1 ? load(p + across + k, 16) : Vector()
            var c = valid > 2 && lanes == 4 ? load(p + 2 &* across + k, 16) : Vector()
            var d = valid > 3 && lanes == 4 ? load(p + 3 &* across + k, 16) : Vector()
            if rounds {
                a = bf16(a)
                b = bf16(b)
                c = bf16(c)
                d = bf16(d)
            }
            let target = panel + k &* width + row
            let step = 4 &* width
            storeQuarter(
                a.lowHalf.lowHalf, b.lowHalf.lowHalf, c.lowHalf.lowHalf, d.lowHalf.lowHalf, target, width, lanes)
            storeQuarter(
                a.lowHalf.highHalf, b.lowHalf.highHalf, c.lowHalf.highHalf, d.lowHalf.highHalf, target + step, width,
                lanes)
            storeQuarter(
                a.highHalf.lowHalf, b.highHalf.lowHalf, c.highHalf.lowHalf, d.highHalf.lowHalf, target + 2 &* step,
                width, lanes)
            storeQuarter(
                a.highHalf.highHalf, b.highHalf.highHalf, c.highHalf.highHalf, d.highHalf.highHalf,
                target + 3 &* step, width, lanes)
            k &+= 16
        }
        while k < depth {
            var lane = 0
            while lane < lanes {
                let x = valid > lane ? p[lane &* across &+ k] : 0
                panel[k &* width &+ row &+ lane] = rounds ? bf16(x) : x
                lane &+= 1
            }
            k &+= 1
        }
        row &+= 4
    }
}

/// Transposes four rows of four and writes the columns, or the first two elements of each.
@inlinable @inline(always)
func storeQuarter(
    _ a: SIMD4<Float>, _ b: SIMD4<Float>, _ c: SIMD4<Float>, _ d: SIMD4<Float>, _ target: WriteRow, _ width: Int,
    _ lanes: Int
) {
    storeColumn(SIMD4(a.x, b.x, c.x, d.x), target, lanes)
    storeColumn(SIMD4(a.y, b.y, c.y, d.y), target + width, lanes)
    storeColumn(SIMD4(a.z, b.z, c.z, d.z), target + 2 &* width, lanes)
    storeColumn(SIMD4(a.w, b.w, c.w, d.w), target + 3 &* width, lanes)
}

@inlinable @inline(always)
func storeColumn(_ column: SIMD4<Float>, _ target: WriteRow, _ lanes: Int) {
    let raw = UnsafeMutableRawPointer(target)
    if lanes == 4 {
        raw.storeBytes(of: column, as: SIMD4<Float>.self)
    } else {
        raw.storeBytes(of: column.lowHalf, as: SIMD2<Float>.self)
    }
}

/// A block of a panel whose source is contiguous across the panel.
@inlinable @inline(always)
func packCopying(
    _ source: ReadRow, _ along: Int, _ extent: Int, _ depth: Int, _ width: Int, _ rounds: Bool, _ panel: WriteRow
) {
    if extent < width {
        packGathering(source, 1, along, extent, depth, width, rounds, panel)
        return
    }
    var from = source
    var to = panel
    var k = 0
    if width < 16 && extent >= 16 {
        // Whole vectors; what a row writes beyond its end the next one overwrites.
        while (depth &- k) &* width >= 16 {
            processor_prefetch(from + 16 &* along)
            let x = load(from, 16)
            store(rounds ? bf16(x) : x, to, 16)
            from += along
            to += width
            k &+= 1
        }
    }
    while k < depth {
        var column = 0
        processor_prefetch(from + 16 &* along)
        processor_prefetch(from + (16 &* along &+ width &- 1))
        while column < width {
            let length = width &- column < 16 ? width &- column : 16
            let x = load(from + column, length)
            store(rounds ? bf16(x) : x, to + column, length)
            column &+= 16
        }
        from += along
        to += width
        k &+= 1
    }
}

/// A block of a panel of any source, element by element.
@inlinable @inline(always)
func packGathering(
    _ source: ReadRow, _ across: Int, _ along: Int, _ extent: Int, _ depth: Int, _ width: Int, _ rounds: Bool,
    _ panel: WriteRow
) {
    var k = 0
    while k < depth {
        var row = 0
        while row < width {
            let x = row < extent ? source[row &* across &+ k &* along] : 0
            panel[k &* width &+ row] = rounds ? bf16(x) : x
            row &+= 1
        }
        k &+= 1
    }
}
