import KernelInterface

/// Quantizes and packs one operand of a GEMM, piece by piece.
///
/// Each value of the source is read once where a block's scale depends on nothing beyond the block's row, and twice
/// where it depends on a whole row, a square or the tensor: then `findMagnitudes` goes first. A tile of 16 rows × 128
/// values stays in the first-level cache from loading to packing. The reference is `ReferenceQuantizer`, to the bit.
struct OperandQuantizer {
    /// A multiple of 16 and of the width of every panel of floats.
    static let pieceRows = 96
    static let pieceStrips = pieceRows / QuantizerTile.rows

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
    }

    var layout: PackedLayout { packed.layout }
    /// Rows of the packed operand, whole panels.
    private var paddedRows: Int { layout.panels * layout.panelWidth }

    var pieces: Int { (paddedRows + Self.pieceRows - 1) / Self.pieceRows }

    var needsMagnitudes: Bool { format.needsMagnitudes }

    var storedBits: Int { format.storedBits(BlockGeometry(format, extent: view.rows, depth: view.columns)) }

    // MARK: First pass

    func findMagnitudes(piece: Int, _ scratch: QuantizerScratch) {
        if onlyLargestCounts {
            findLargest(piece: piece)
            return
        }
        for strip in piece * Self.pieceStrips..<(piece + 1) * Self.pieceStrips {
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
        let first = piece * Self.pieceStrips
        if first >= strips { return }
        for strip in first..<min(first + Self.pieceStrips, strips) { tables.strips[strip] = 0 }
        let isRow = view.columnStride == 1
        let (lines, length) = isRow ? (view.rows, view.columns) : (view.columns, view.rows)
        let stride = isRow ? view.rowStride : view.columnStride
        let shares = (strips + Self.pieceStrips - 1) / Self.pieceStrips
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
    private func distanceToNext(_ view: MatrixView, strip: Int) -> Int {
        let index = strip % Self.pieceStrips
        let isLast = index == Self.pieceStrips - 1 || (strip + 1) * QuantizerTile.rows >= view.rows
        return isLast
            ? QuantizerTile.depth * view.columnStride - index * QuantizerTile.rows * view.rowStride
            : QuantizerTile.rows * view.rowStride
    }

    // MARK: Second pass

    /// - Parameter health: what happened to the piece's values is added to it.
    func pack(piece: Int, _ scratch: QuantizerScratch, health: inout QuantizationHealth) {
        for index in 0..<Self.pieceStrips { scratch.sums[index] = QuantizationSums() }
        let firstStrip = piece * Self.pieceStrips
        var amax: Int32 = 0
        for start in stride(from: 0, to: layout.depth, by: QuantizerTile.depth) {
            let length = length(at: start)
            for index in 0..<Self.pieceStrips {
                let strip = firstStrip + index
                if strip * 16 >= paddedRows { break }
                let isFinite = prepare(strip: strip, start: start, scratch, &amax, &health)
                followAverage(strip: strip, start: start, scratch)
                encode(strip: strip, index: index, start: start, length: length, isFinite: isFinite, scratch)
            }
            switch layout.encoding {
            case .dequantized, .scaledPairs: packFloats(piece: piece, start: start, length: length, scratch)
            case .unscaled, .pairs, .integer, .half: break
            }
        }
        let rows = max(0, min(Self.pieceRows, view.rows - firstStrip * 16))
        health.count += rows * view.columns
        health.amax = max(health.amax, Float(bitPattern: UInt32(bitPattern: amax)))
        for index in 0..<Self.pieceStrips { health.add(scratch.sums[index]) }
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
            view, strip: strip, rows: rows, start: start, ahead: distanceToNext(view, strip: strip), into: scratch.tile)
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
            average, strip: strip, rows: rows, start: start, ahead: distanceToNext(average, strip: strip), into: tile)
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
        let valid = view.columns - start
        // NaN · 0 would make the sums NaN.
        if !isFinite { scratch.hideScales() }
        let scales = scratch.visibleScales(isFinite)
        let isLeft = layout.side == .left
        switch layout.encoding {
        case .dequantized, .unscaled, .pairs, .scaledPairs:
            let target = scratch.floats + index * 16
            kernels.encodeFloats(
                scratch.tile, depth: length, valid: valid, scales: scales, encodes: scratch.encodes, uniforms: uniforms,
                settings, dequantizes: !layout.isScaled, into: target, targetStride: Self.pieceRows, sums: sums)
            if layout.isScaled {
                writeScales(strip: strip, start: start, length: length, factor: 1, scratch)
            } else if !isFinite {
                spreadNaN(target, length: length, scratch)
            }
        case .integer:
            kernels.encodeIntegers(
                scratch.tile, depth: (length + 3) / 4 * 4, valid: valid, chunk: layout.chunk, scales: scales,
                encodes: scratch.encodes, uniforms: uniforms, settings, bias: isLeft ? 12 : 0,
                into: isLeft
                    ? IntegerTarget(low: scratch.words, high: scratch.words + 32, stride: 64)
                    : rightTarget(strip: strip, start: start),
                totals: scratch.totals, sums: sums)
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
                stride: isLeft ? 64 : layout.panelWidth * 2, sums: sums)
            if isLeft { writeRows(strip: strip, count: length, offset: 4 * start, scratch) }
            writeScales(strip: strip, start: start, length: length, factor: 1 / factor, scratch)
        }
    }

    /// Sets the floats of blocks that have NaN for their scale.
    func spreadNaN(_ target: WriteRow, stride: Int = Self.pieceRows, length: Int, _ scratch: QuantizerScratch) {
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
        let hasCorrections = layout.isInteger && layout.side == .right
        let rows = min(16, paddedRows - strip * 16)
        var row = 0
        while row < rows {
            let (panel, column) = (strip * 16 + row).quotientAndRemainder(dividingBy: layout.panelWidth)
            let count = min(rows - row, layout.panelWidth - column)
            var at = (panel * layout.chunks + start / layout.chunk) * layout.panelWidth + column
            for chunk in 0..<chunks {
                let block = chunk * layout.chunk / settings.blockLength * 16 + row
                Self.copy(scratch.scales + block, to: packed.scales + at, count: count, times: factor)
                if hasCorrections {
                    Self.copy(scratch.totals + (chunk * 16 + row), to: packed.corrections + at, count: count)
                }
                at += layout.panelWidth
            }
            row += count
        }
    }

    // A panel's part of 16 rows is so short that vectors of a fixed length beat any loop. The parts are even, as the widths of
    // all panels are.

    private static func copy(_ source: ReadRow, to target: WriteRow, count: Int, times factor: Float) {
        var index = 0
        while index + 8 <= count {
            let x = UnsafeRawPointer(source + index).loadUnaligned(as: SIMD8<Float>.self) * factor
            UnsafeMutableRawPointer(target + index).storeBytes(of: x, as: SIMD8<Float>.self)
            index += 8
        }
        while index + 2 <= count {
            let x = UnsafeRawPointer(source + index).loadUnaligned(as: SIMD2<Float>.self) * factor
            UnsafeMutableRawPointer(target + index).storeBytes(of: x, as: SIMD2<Float>.self)
            index += 2
        }
    }

    private static func copy(_ source: UnsafePointer<Int32>, to target: UnsafeMutablePointer<Int32>, count: Int) {
        var index = 0
        while index + 8 <= count {
            let x = UnsafeRawPointer(source + index).loadUnaligned(as: SIMD8<Int32>.self)
            UnsafeMutableRawPointer(target + index).storeBytes(of: x, as: SIMD8<Int32>.self)
            index += 8
        }
        while index + 2 <= count {
            let x = UnsafeRawPointer(source + index).loadUnaligned(as: SIMD2<Int32>.self)
            UnsafeMutableRawPointer(target + index).storeBytes(of: x, as: SIMD2<Int32>.self)
            index += 2
        }
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

    private func packFloats(piece: Int, start: Int, length: Int, _ scratch: QuantizerScratch) {
        let blockStart = start / layout.depthBlock * layout.depthBlock
        let first = piece * Self.pieceRows
        let extent = min(Self.pieceRows, layout.extent - first)
        let panel =
            packed.panel(first / layout.panelWidth, start: blockStart)
            + layout.words(start - blockStart) * layout.panelWidth
        if let pairs, layout.isPairs {
            pairs.packPairs(
                scratch.floats, across: 1, along: Self.pieceRows, extent: extent, depth: length,
                width: layout.panelWidth, into: panel, panelStride: layout.panelStride(blockStart))
        } else {
            kernels.pack(
                scratch.floats, across: 1, along: Self.pieceRows, extent: extent, depth: length,
                width: layout.panelWidth, bf16: false, into: panel, panelStride: layout.panelStride(blockStart))
        }
    }
}

extension QuantizerSettings {
    init(_ format: BlockFormat, _ random: QuantizationRandom) {
        let rule: ScaleRule =
            switch format.scale {
            case .fp32: .fp32
            case .e8m0Floor: .e8m0Floor
            case .e8m0Ceiling: .e8m0Ceiling
            case .e8m0Nearest: .e8m0Nearest
            case .e4m3: .e4m3
            }
        var isStochastic = false
        if case .stochastic = format.rounding { isStochastic = true }
        self.init(
            mantissaBits: Int32(format.element.mantissaBits), minimumExponent: Int32(format.element.minimumExponent),
            maximum: format.element.maximum, maximumExponent: Int32(format.element.maximumExponent), rule: rule,
            prescale: format.scalePrescale, blockLength: format.chunk, isStochastic: isStochastic,
            triesFour: format.fourOverSix, usesDeviation: format.usesDeviation,
            correctedGroup: format.eden ? format.hadamard?.size ?? 0 : 0, key: random.key)
    }
}

extension BlockFormat {
    /// A scale depends on more than its block's part of a row.
    var needsMagnitudes: Bool {
        if case .e4m3 = scale { return true }
        if case .vector = block { return false }
        return true
    }
}

extension QuantizationRandom {
    /// NVIDIA's vector of signs (arXiv 2509.25149), a set bit for each −1, repeated.
    private static let fixed: UInt32 = HadamardTransform.fixedSigns.enumerated().reduce(0) { bits, sign in
        sign.element < 0 ? bits | 1 << UInt32(sign.offset) : bits
    }

    func signs(_ kind: BlockFormat.Hadamard.Signs) -> SIMD4<UInt32> {
        switch kind {
        case .none: .zero
        case .fixed: SIMD4(repeating: Self.fixed | Self.fixed << 16)
        case .random: signs
        }
    }
}

extension QuantizationHealth {
    mutating func add(_ sums: QuantizationSums) {
        for lane in 0..<16 {
            squareSum += Double(sums.squares[lane])
            errorSquareSum += Double(sums.squaredErrors[lane])
            productSum += Double(sums.products[lane])
            saturated += Int(sums.saturated[lane])
            underflowed += Int(sums.underflowed[lane])
        }
    }
}
