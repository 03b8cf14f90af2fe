import KernelInterface

/// Quantizes and packs one operand of a GEMM, piece by piece.
///
/// Each value of the source is read once where a block's scale depends on nothing beyond the block's row, and twice
/// where it depends on a whole row, a square or the tensor: then `findMagnitudes` goes first. A tile of 16 rows × 128
/// values stays in the first-level cache from loading to packing. The reference is `ReferenceQuantizer`, to the bit.
struct OperandQuantizer {
    /// The rows of a piece, at most: a multiple of 16 and of the width of every panel of floats.
    static let mostRows = 96

    /// Strips of 16 rows in a piece.
    private let pieceStrips: Int
    /// Strips that fill whole panels of floats: they are packed while they lie in the first-level cache.
    private let floatStrips: Int

    let kernels: any KernelTable
    private let pairs: (any PairKernelTable)?
    /// The operand with its reduction axis as columns.
    let view: MatrixView
    /// Of the operand's values, with the same shape: they are rounded to the neighbour that is nearer to it.
    private let average: MatrixView?
    private let format: BlockFormat
    private let packed: PackedMatrix
    private let random: QuantizationRandom
    private let tables: AmaxTables
    private(set) var settings: QuantizerSettings
    private var tensorAmax: Int32 = 0

    init(
        _ view: MatrixView, _ format: BlockFormat, into packed: PackedMatrix, random: QuantizationRandom,
        tables: AmaxTables, kernels: any KernelTable, pairs: (any PairKernelTable)? = nil, average: MatrixView? = nil
    ) {
        self.view = view
        self.average = average
        self.format = format
        self.packed = packed
        self.random = random
        self.tables = tables
        self.kernels = kernels
        self.pairs = pairs
        settings = QuantizerSettings(format, random)
        var strips = 1
        while strips * QuantizerTile.rows % packed.layout.panelWidth != 0 { strips += 1 }
        floatStrips = strips
        // A small operand has pieces for several threads, too.
        pieceStrips = view.rows <= 4 * Self.mostRows ? strips : Self.mostRows / QuantizerTile.rows
        precondition(strips * QuantizerTile.rows <= Self.mostRows, "the scratch has room for whole panels")
        if case .dequantized = packed.layout.encoding {
            precondition(pieceStrips % floatStrips == 0, "floats are packed by whole panels")
        }
    }

    var layout: PackedLayout { packed.layout }
    /// Rows of the packed operand, whole panels.
    private var paddedRows: Int { layout.panels * layout.panelWidth }

    var pieces: Int { (strips + pieceStrips - 1) / pieceStrips }

    /// Strips of 16 rows, those that only fill the last panel among them.
    var strips: Int { (paddedRows + QuantizerTile.rows - 1) / QuantizerTile.rows }

    var needsMagnitudes: Bool { format.needsMagnitudes }

    var storedBits: Int { format.storedBits(BlockGeometry(format, extent: view.rows, depth: view.columns)) }

    // MARK: First pass

    func findMagnitudes(piece: Int, _ scratch: QuantizerScratch) {
        if onlyLargestCounts {
            findLargest(piece: piece)
            return
        }
        for strip in piece * pieceStrips..<(piece + 1) * pieceStrips {
            let rows = min(QuantizerTile.rows, view.rows - strip * QuantizerTile.rows)
            if rows <= 0 { break }
            let rowAmax = tables.rows + strip * 16
            for row in 0..<16 { rowAmax[row] = 0 }
            var stripAmax: Int32 = 0
            for start in stride(from: 0, to: layout.depth, by: QuantizerTile.depth) {
                let length = load(
                    view, strip: strip, rows: rows, start: start, ahead: QuantizerTile.depth * view.columnStride,
                    into: scratch.tile)
                let largest = kernels.magnitudes(
                    scratch.tile, depth: length, blockLength: settings.blockLength, into: scratch.amax)
                stripAmax = max(stripAmax, largest)
                if case .vector = format.block { continue }
                let blocks = (length + settings.blockLength - 1) / settings.blockLength
                for block in 0..<blocks {
                    var blockAmax: Int32 = 0
                    for row in 0..<16 {
                        let magnitude = scratch.amax[block * 16 + row]
                        rowAmax[row] = max(rowAmax[row], magnitude)
                        blockAmax = max(blockAmax, magnitude)
                    }
                    tables.squares[strip * tables.units + start / settings.blockLength + block] = blockAmax
                }
            }
            tables.strips[strip] = stripAmax
        }
    }

    /// Nothing but the tensor's largest magnitude is asked for, and the source's values are not transformed.
    private var onlyLargestCounts: Bool {
        if format.hadamard != nil || (view.rowStride != 1 && view.columnStride != 1) { return false }
        switch format.block {
        case .vector, .tensor: return true
        case .row, .square: return false
        }
    }

    /// Reads a piece's share of the source as it lies in memory. The first of the piece's strips takes the magnitude.
    private func findLargest(piece: Int) {
        let strips = (view.rows + 15) / 16
        let first = piece * pieceStrips
        if first >= strips { return }
        for strip in first..<min(first + pieceStrips, strips) { tables.strips[strip] = 0 }
        let isRow = view.columnStride == 1
        let (lines, length) = isRow ? (view.rows, view.columns) : (view.columns, view.rows)
        let stride = isRow ? view.rowStride : view.columnStride
        let shares = (strips + pieceStrips - 1) / pieceStrips
        let (start, end) = (lines * piece / shares, lines * (piece + 1) / shares)
        tables.strips[first] = kernels.largestMagnitude(
            view.base + start * stride, lines: end - start, length: length, stride: stride)
    }

    /// To be called between the passes.
    mutating func useMagnitudes() {
        var largest: Int32 = 0
        for strip in 0..<(view.rows + 15) / 16 { largest = max(largest, tables.strips[strip]) }
        tensorAmax = largest
        let bound = settings.maximum * settings.prescale * format.largestBlockScale
        settings.tensorEncode = min(bound / Float(bitPattern: UInt32(bitPattern: largest)), 0x1p126)
        settings.tensorDecode = 1 / settings.tensorEncode
    }

    /// Values of the tile at `start` along the reduction axis.
    func length(at start: Int) -> Int { min(QuantizerTile.depth, layout.depth - start) }

    /// - Parameters:
    ///   - view: the operand, or its average.
    ///   - ahead: the distance to where the next tile begins.
    /// - Returns: values along the reduction axis.
    private func load(
        _ view: MatrixView, strip: Int, rows: Int, start: Int, ahead: Int, into tile: WriteRow
    ) -> Int {
        let length = length(at: start)
        let source = rows > 0 ? view.base + strip * 16 * view.rowStride + start * view.columnStride : view.base
        kernels.loadTile(
            source, across: view.rowStride, along: view.columnStride, rows: rows,
            depth: min(length, view.columns - start), padded: (length + 3) / 4 * 4, ahead: ahead,
            into: tile)
        if let hadamard = format.hadamard {
            kernels.hadamard(tile, depth: length, size: hadamard.size, signs: random.signs(hadamard.signs))
        }
        return length
    }

    /// The second pass takes a piece's strips one after the other, then goes on along the reduction axis.
    private func nextTile(strip: Int, start: Int) -> NextTile {
        let index = strip % pieceStrips
        let isLast = index == pieceStrips - 1 || (strip + 1) * QuantizerTile.rows >= view.rows
        let (row, column) = isLast ? (strip - index, start + QuantizerTile.depth) : (strip + 1, start)
        return NextTile(
            view.base + row * QuantizerTile.rows * view.rowStride + column * view.columnStride, across: view.rowStride,
            along: view.columnStride)
    }

    // MARK: Second pass

    /// - Parameter health: what happened to the piece's values, for each strip of the operand: sums come in an order that
    ///   depends on no piece.
    func pack(piece: Int, _ scratch: QuantizerScratch, health: UnsafeMutablePointer<QuantizationHealth>) {
        var found = QuantizationHealth()
        for index in 0..<pieceStrips { scratch.sums[index] = QuantizationSums() }
        let firstStrip = piece * pieceStrips
        var amax: Int32 = 0
        for start in stride(from: 0, to: layout.depth, by: QuantizerTile.depth) {
            let length = length(at: start)
            for index in 0..<pieceStrips {
                let strip = firstStrip + index
                if strip * 16 >= paddedRows { break }
                let isFinite = prepare(strip: strip, start: start, scratch, &amax, &found)
                followAverage(strip: strip, start: start, scratch)
                encode(strip: strip, index: index, start: start, length: length, isFinite: isFinite, scratch)
                switch layout.encoding {
                case .dequantized:
                    if (index + 1) % floatStrips == 0 || (strip + 1) * 16 >= paddedRows {
                        packFloats(strip: strip / floatStrips * floatStrips, start: start, length: length, scratch)
                    }
                case .unscaled, .pairs, .scaledPairs, .integer, .half: break
                }
            }
        }
        let rows = max(0, min(pieceStrips * QuantizerTile.rows, view.rows - firstStrip * 16))
        found.count = rows * view.columns
        found.amax = Float(bitPattern: UInt32(bitPattern: amax))
        for index in 0..<min(pieceStrips, strips - firstStrip) {
            health[firstStrip + index] = index == 0 ? found : QuantizationHealth()
            health[firstStrip + index].add(scratch.sums[index])
        }
    }

    /// Loads a tile and finds its scales; all that is left to do is to round.
    ///
    /// - Parameter amax: bits of the largest finite magnitude so far.
    /// - Returns: whether all scales are finite.
    func prepare(
        strip: Int, start: Int, _ scratch: QuantizerScratch, _ amax: inout Int32,
        _ health: inout QuantizationHealth
    ) -> Bool {
        let rows = max(0, min(16, view.rows - strip * 16))
        let length = load(
            view, strip: strip, rows: rows, start: start, ahead: 0, into: scratch.tile)
        let blocks = (length + settings.blockLength - 1) / settings.blockLength
        let largest = findBlockMagnitudes(strip: strip, start: start, length: length, blocks: blocks, scratch)
        if settings.usesDeviation {
            kernels.deviations(scratch.tile, depth: length, blockLength: settings.blockLength, scratch.amax)
        }
        kernels.blockScales(scratch.amax, count: blocks, settings, scales: scratch.scales, encodes: scratch.encodes)
        if settings.triesFour {
            var isSquare = false
            if case .square = format.block { isSquare = true }
            kernels.preferFour(
                scratch.tile, depth: length, scratch.amax, settings, isSquare: isSquare, scales: scratch.scales,
                encodes: scratch.encodes)
        }
        if settings.isStochastic || settings.correctedGroup > 0 {
            kernels.uniforms(
                key: settings.key, firstRow: strip * 16, group: start / QuantizerTile.depth, into: scratch.uniforms)
        }
        if settings.correctedGroup > 0 {
            kernels.correctScales(
                scratch.tile, depth: length, size: settings.correctedGroup, scratch.amax, uniforms: scratch.uniforms,
                settings, scales: scratch.scales, encodes: scratch.encodes)
        }
        if largest < 0x7F80_0000 {
            amax = max(amax, largest)
            return true
        }
        amax = max(amax, silence(rows: rows, start: start, length: length, scratch, &health))
        return false
    }

    /// Where there is an average, replaces the prepared tile's values.
    func followAverage(strip: Int, start: Int, _ scratch: QuantizerScratch) {
        guard let average else { return }
        let tile = scratch.words.assumingMemoryBound(to: Float.self)
        let rows = max(0, min(16, average.rows - strip * 16))
        let length = load(
            average, strip: strip, rows: rows, start: start, ahead: QuantizerTile.rows * average.rowStride, into: tile)
        kernels.followAverage(
            scratch.tile, average: tile, depth: length, scales: scratch.scales, encodes: scratch.encodes, settings)
    }

    /// The magnitudes that decide the scales of a tile's blocks, [block][16].
    /// - Returns: the largest.
    private func findBlockMagnitudes(
        strip: Int, start: Int, length: Int, blocks: Int, _ scratch: QuantizerScratch
    ) -> Int32 {
        var largest: Int32 = 0
        switch format.block {
        case .vector:
            largest = kernels.magnitudes(
                scratch.tile, depth: length, blockLength: settings.blockLength, into: scratch.amax)
        case .tensor:
            largest = tensorAmax
            for lane in 0..<16 { scratch.amax[lane] = tensorAmax }
        case .row:
            for lane in 0..<16 {
                scratch.amax[lane] = strip * 16 < view.rows ? tables.rows[strip * 16 + lane] : 0
                largest = max(largest, scratch.amax[lane])
            }
        case .square(let size):
            let strips = size / 16
            let first = strip / strips * strips
            let end = min(first + strips, (view.rows + 15) / 16)
            for block in 0..<blocks {
                var magnitude: Int32 = 0
                for other in first..<max(first, end) {
                    magnitude = max(
                        magnitude, tables.squares[other * tables.units + start / settings.blockLength + block])
                }
                for lane in 0..<16 { scratch.amax[block * 16 + lane] = magnitude }
                largest = max(largest, magnitude)
            }
        }
        if case .e4m3 = format.scale, tensorAmax >= 0x7F80_0000 {
            for lane in 0..<blocks * 16 { scratch.amax[lane] = tensorAmax }
            largest = tensorAmax
        }
        return largest
    }

    /// Clears the values of blocks that hold an infinity or NaN. Their scales stay NaN.
    /// - Returns: the largest magnitude of all other blocks.
    private func silence(
        rows: Int, start: Int, length: Int, _ scratch: QuantizerScratch, _ health: inout QuantizationHealth
    ) -> Int32 {
        var largest: Int32 = 0
        for first in stride(from: 0, to: length, by: settings.blockLength) {
            let end = min(length, first + settings.blockLength)
            for row in 0..<16 {
                let magnitude = scratch.amax[first / settings.blockLength * 16 + row]
                if magnitude < 0x7F80_0000 {
                    largest = max(largest, magnitude)
                } else {
                    for k in first..<end { scratch.tile[k * 16 + row] = 0 }
                    if row < rows { health.nonFinite += max(0, min(end, view.columns - start) - first) }
                }
            }
        }
        return largest
    }

    private func encode(
        strip: Int, index: Int, start: Int, length: Int, isFinite: Bool, _ scratch: QuantizerScratch
    ) {
        let uniforms = settings.isStochastic ? UnsafePointer(scratch.uniforms) : nil
        let sums = scratch.sums + index
        let next = nextTile(strip: strip, start: start)
        let valid = view.columns - start
        // NaN · 0 would make the sums NaN.
        if !isFinite { scratch.hideScales() }
        let scales = scratch.visibleScales(isFinite)
        let isLeft = layout.side == .left
        switch layout.encoding {
        case .scaledPairs:
            pairs?.encodePairs(
                scratch.tile, depth: length, valid: valid, scales: scales, encodes: scratch.encodes, uniforms: uniforms,
                settings, into: pairTarget(strip: strip, start: start), sums: sums, next: next)
            writeScales(strip: strip, start: start, length: length, factor: 1, scratch)
        case .dequantized, .unscaled, .pairs:
            let target = scratch.floats + index % floatStrips * 16
            kernels.encodeFloats(
                scratch.tile, depth: length, valid: valid, scales: scales, encodes: scratch.encodes, uniforms: uniforms,
                settings, dequantizes: true, into: target, targetStride: floatStrips * 16, sums: sums,
                next: next)
            if !isFinite {
                spreadNaN(target, stride: floatStrips * 16, length: length, scratch)
            }
        case .integer:
            kernels.encodeIntegers(
                scratch.tile, depth: (length + 3) / 4 * 4, valid: valid, chunk: layout.chunk, scales: scales,
                encodes: scratch.encodes, uniforms: uniforms, settings, bias: isLeft ? 12 : 0,
                into: isLeft
                    ? IntegerTarget(low: scratch.words, high: scratch.words + 32, stride: 64)
                    : rightTarget(strip: strip, start: start),
                totals: scratch.totals, sums: sums, next: next)
            if isLeft {
                writeRows(strip: strip, count: (length + 3) / 4, offset: start, scratch)
            } else {
                for chunk in 0..<(length + layout.chunk - 1) / layout.chunk {
                    kernels.corrections(scratch.totals + chunk * 16)
                }
            }
            // Values are doubled.
            writeScales(strip: strip, start: start, length: length, factor: 0.5, scratch)
        case .half(_, let factor):
            kernels.encodeHalves(
                scratch.tile, depth: length, valid: valid, scales: scales, encodes: scratch.encodes, uniforms: uniforms,
                settings, factor: factor, isDoubled: isLeft,
                into: isLeft ? scratch.words : rightTarget(strip: strip, start: start).low,
                stride: isLeft ? 64 : layout.panelWidth * 2, sums: sums, next: next)
            if isLeft { writeRows(strip: strip, count: length, offset: 4 * start, scratch) }
            writeScales(strip: strip, start: start, length: length, factor: 1 / factor, scratch)
        }
    }

    /// Sets the floats of blocks that have NaN for their scale.
    func spreadNaN(_ target: WriteRow, stride: Int, length: Int, _ scratch: QuantizerScratch) {
        for k in 0..<length {
            for row in 0..<16 where scratch.scales[k / settings.blockLength * 16 + row].isNaN {
                target[k * stride + row] = .nan
            }
        }
    }

    private func writeRows(strip: Int, count: Int, offset: Int, _ scratch: QuantizerScratch) {
        kernels.writeRows(
            UnsafePointer(scratch.words.assumingMemoryBound(to: UInt32.self)), count: count,
            rows: min(16, paddedRows - strip * 16), into: packed.storage + strip * 16 * layout.rowStride + offset,
            rowStride: layout.rowStride)
    }

    /// Scales, times a factor, and corrections, whose rows lie in one panel or several.
    private func writeScales(strip: Int, start: Int, length: Int, factor: Float, _ scratch: QuantizerScratch) {
        let chunks = (length + layout.chunk - 1) / layout.chunk
        let rows = min(QuantizerTile.rows, paddedRows - strip * QuantizerTile.rows)
        let (panel, column) = (strip * QuantizerTile.rows).quotientAndRemainder(dividingBy: layout.panelWidth)
        func target(_ base: WriteRow, _ chunk: Int) -> PanelTarget {
            PanelTarget(
                panel: base + (panel * layout.chunks + start / layout.chunk + chunk) * layout.panelWidth,
                column: column, width: layout.panelWidth, panelStride: layout.chunks * layout.panelWidth)
        }
        if layout.chunk == settings.blockLength {
            kernels.scatter(
                scratch.scales, sourceStride: 16, count: chunks, rows: rows, into: target(packed.scales, 0),
                factor: factor)
        } else {
            let repeats = settings.blockLength / layout.chunk
            for chunk in stride(from: 0, to: chunks, by: repeats) {
                kernels.scatter(
                    scratch.scales + chunk / repeats * 16, sourceStride: 0, count: min(repeats, chunks - chunk),
                    rows: rows, into: target(packed.scales, chunk), factor: factor)
            }
        }
        if layout.isInteger && layout.side == .right {
            let words = { (p: UnsafeMutablePointer<Int32>) in
                UnsafeMutableRawPointer(p).assumingMemoryBound(to: Float.self)
            }
            kernels.scatter(
                words(scratch.totals), sourceStride: 16, count: chunks, rows: rows,
                into: target(words(packed.corrections), 0), factor: nil)
        }
    }

    private func pairTarget(strip: Int, start: Int) -> PairTarget {
        let (panel, column) = (strip * QuantizerTile.rows).quotientAndRemainder(dividingBy: layout.panelWidth)
        let words = layout.words(start) * layout.panelWidth
        let count = min(QuantizerTile.rows, layout.panelWidth - column)
        return PairTarget(
            low: packed.panel(panel, start: 0) + words + column, lowRows: count,
            high: count < QuantizerTile.rows && panel + 1 < layout.panels
                ? packed.panel(panel + 1, start: 0) + words - count : nil, stride: layout.panelWidth)
    }

    private func rightTarget(strip: Int, start: Int) -> IntegerTarget {
        func address(_ row: Int) -> UnsafeMutableRawPointer? {
            let (panel, column) = row.quotientAndRemainder(dividingBy: layout.panelWidth)
            if panel >= layout.panels { return nil }
            return packed.storage + panel * layout.codePanelStride + layout.panelBytes(start)
                + column * (layout.isHalf ? 2 : 4)
        }
        return IntegerTarget(
            low: address(strip * 16) ?? packed.storage, high: address(strip * 16 + 8), stride: layout.panelWidth * 4)
    }

    /// - Parameter strip: the first of `floatStrips`.
    private func packFloats(strip: Int, start: Int, length: Int, _ scratch: QuantizerScratch) {
        let blockStart = start / layout.depthBlock * layout.depthBlock
        let first = strip * QuantizerTile.rows
        let extent = min(floatStrips * QuantizerTile.rows, layout.extent - first)
        let panel =
            packed.panel(first / layout.panelWidth, start: blockStart)
            + layout.words(start - blockStart) * layout.panelWidth
        kernels.pack(
            scratch.floats, across: 1, along: floatStrips * 16, extent: extent, depth: length,
            width: layout.panelWidth, bf16: false, into: panel, panelStride: layout.panelStride(blockStart))
    }
}
