import KernelInterface

/// Packs one operand of a GEMM piece by piece, and quantizes it if its format has scales.
struct OperandPacker {
    /// The operand with its reduction axis as columns.
    private let view: MatrixView
    private let packed: PackedMatrix
    private let kernels: any KernelTable
    private let pairs: (any PairKernelTable)?
    private(set) var quantizer: OperandQuantizer?

    init(
        _ view: MatrixView, into packed: PackedMatrix, kernels: any KernelTable, pairs: (any PairKernelTable)? = nil,
        quantizer: OperandQuantizer? = nil
    ) {
        self.view = view
        self.packed = packed
        self.kernels = kernels
        self.pairs = pairs
        self.quantizer = quantizer
    }

    var byteCount: Int { packed.layout.byteCount }

    var magnitudePieces: Int {
        guard let quantizer, quantizer.needsMagnitudes else { return 0 }
        return quantizer.pieces
    }

    /// Bits of the quantized operand; 0 if its format has no scales.
    var storedBits: Int { quantizer?.storedBits ?? 0 }

    mutating func useMagnitudes() {
        if quantizer?.needsMagnitudes == true { quantizer?.useMagnitudes() }
    }

    var pieces: Int {
        if let quantizer { return quantizer.pieces }
        return cuts.panels * cuts.depths
    }

    /// Places for what happened to the operand's values.
    var healthParts: Int { quantizer?.strips ?? 0 }

    /// - Parameter health: `healthParts` of the operand; the piece's are written.
    func pack(piece: Int, _ scratch: QuantizerScratch, health: UnsafeMutablePointer<QuantizationHealth>) {
        if let quantizer {
            quantizer.pack(piece: piece, scratch, health: health)
        } else {
            let (depth, panel) = piece.quotientAndRemainder(dividingBy: cuts.panels)
            let (panels, depths) = pieceSize
            packPanels(panel * panels, panels, depth * depths, depths)
        }
    }

    /// Packs an operand without scales, serially.
    func packAll() { packPanels(0, packed.layout.panels, 0, packed.layout.depth) }

    /// Panels and depth of a piece of an operand without scales: long runs of memory, whichever way it lies. Decides no bits.
    private var pieceSize: (panels: Int, depth: Int) {
        let layout = packed.layout
        if view.columnStride == 1 {
            // Rows share cache lines.
            return (max(4, 64 * 1024 / max(1, layout.panelWidth * layout.depth * 4)), layout.depth)
        }
        // A small operand has pieces for several threads, too.
        let depth = layout.extent * layout.depth < 1 << 18 ? 32 : 128
        return (max(1, 384 / layout.panelWidth), depth)
    }

    private var cuts: (panels: Int, depths: Int) {
        let size = pieceSize
        return (
            (packed.layout.panels + size.panels - 1) / size.panels,
            max(1, (packed.layout.depth + size.depth - 1) / max(1, size.depth))
        )
    }

    private func packPanels(_ first: Int, _ count: Int, _ start: Int, _ depth: Int) {
        let layout = packed.layout
        let row = first * layout.panelWidth
        let extent = min(layout.extent - row, count * layout.panelWidth)
        if extent <= 0 { return }
        var start = start
        let end = min(start + depth, layout.depth)
        while start < end {
            let blockStart = start / layout.depthBlock * layout.depthBlock
            let length = min(end, blockStart + layout.depthBlock) - start
            let source = view.base + row * view.rowStride + start * view.columnStride
            let panels = packed.panel(first, start: blockStart) + layout.words(start - blockStart) * layout.panelWidth
            if let pairs, layout.isPairs {
                pairs.packPairs(
                    source, across: view.rowStride, along: view.columnStride, extent: extent, depth: length,
                    width: layout.panelWidth, into: panels, panelStride: layout.panelStride(blockStart))
            } else {
                kernels.pack(
                    source, across: view.rowStride, along: view.columnStride, extent: extent, depth: length,
                    width: layout.panelWidth, bf16: layout.roundsToBF16, into: panels,
                    panelStride: layout.panelStride(blockStart))
            }
            start += length
        }
    }
}
