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
        return (packed.layout.panels + panelsPerPiece - 1) / panelsPerPiece
    }

    func pack(piece: Int, _ scratch: QuantizerScratch, health: inout QuantizationHealth) {
        if let quantizer {
            quantizer.pack(piece: piece, scratch, health: &health)
        } else {
            packPanels(piece * panelsPerPiece, panelsPerPiece)
        }
    }

    /// Packs an operand without scales, serially.
    func packAll() { packPanels(0, packed.layout.panels) }

    /// About 64 KiB a piece, but a few panels at least: where rows are contiguous they share cache lines.
    private var panelsPerPiece: Int {
        max(4, 64 * 1024 / max(1, packed.layout.panelWidth * packed.layout.depth * 4))
    }

    private func packPanels(_ first: Int, _ count: Int) {
        let layout = packed.layout
        let row = first * layout.panelWidth
        let extent = min(layout.extent - row, count * layout.panelWidth)
        if extent <= 0 { return }
        var start = 0
        while start < layout.depth {
            let length = layout.blockDepth(start)
            let source = view.base + row * view.rowStride + start * view.columnStride
            if let pairs, layout.isPairs {
                pairs.packPairs(
                    source, across: view.rowStride, along: view.columnStride, extent: extent, depth: length,
                    width: layout.panelWidth, into: packed.panel(first, start: start),
                    panelStride: layout.panelStride(start))
            } else {
                kernels.pack(
                    source, across: view.rowStride, along: view.columnStride, extent: extent, depth: length,
                    width: layout.panelWidth, bf16: layout.roundsToBF16, into: packed.panel(first, start: start),
                    panelStride: layout.panelStride(start))
            }
            start += length
        }
    }
}
