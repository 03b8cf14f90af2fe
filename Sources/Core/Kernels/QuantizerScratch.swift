import KernelInterface

/// Bits of the largest magnitudes of an operand's parts, from the quantizer's first pass.
struct AmaxTables {
    /// One for each strip of 16 rows.
    let strips: UnsafeMutablePointer<Int32>
    /// One for each row.
    let rows: UnsafeMutablePointer<Int32>
    /// [strip][unit]: a unit is as long as a block, or a tile, along the reduction axis.
    let squares: UnsafeMutablePointer<Int32>
    let units: Int

    static func byteCount(rows: Int, depth: Int, unit: Int) -> Int {
        let strips = (rows + 15) / 16
        return strips * (17 + (depth + unit - 1) / unit) * 4
    }

    init(rows: Int, depth: Int, unit: Int, in memory: UnsafeMutableRawPointer) {
        let strips = (rows + 15) / 16
        self.strips = memory.assumingMemoryBound(to: Int32.self)
        self.rows = self.strips + strips
        squares = self.rows + strips * 16
        units = (depth + unit - 1) / unit
    }
}

/// One lane's memory for the tile that it quantizes.
struct QuantizerScratch {
    /// [128][16]
    let tile: WriteRow
    /// [128][16]
    let uniforms: WriteRow
    /// [128][16] words: of four values, or one value in FP16, twice.
    let words: UnsafeMutableRawPointer
    /// [8][16]
    let scales: WriteRow
    let encodes: WriteRow
    private let finiteScales: WriteRow
    let amax: UnsafeMutablePointer<Int32>
    let totals: UnsafeMutablePointer<Int32>
    /// One for each strip of a piece.
    let sums: UnsafeMutablePointer<QuantizationSums>
    /// [128][rows of strips that are packed together]
    let floats: WriteRow

    private static let tileBytes = QuantizerTile.depth * QuantizerTile.rows * 4
    private static let blockBytes = 8 * 16 * 4
    private static let sumBytes = OperandQuantizer.mostRows / QuantizerTile.rows * MemoryLayout<QuantizationSums>.stride
    static let byteCount =
        3 * tileBytes + 5 * blockBytes + sumBytes + QuantizerTile.depth * OperandQuantizer.mostRows * 4

    /// - Parameter memory: `byteCount` bytes, aligned to 64.
    init(in memory: UnsafeMutableRawPointer) {
        var next = memory
        func take(_ bytes: Int) -> UnsafeMutableRawPointer {
            defer { next += bytes }
            return next
        }
        tile = take(Self.tileBytes).assumingMemoryBound(to: Float.self)
        uniforms = take(Self.tileBytes).assumingMemoryBound(to: Float.self)
        words = take(Self.tileBytes)
        scales = take(Self.blockBytes).assumingMemoryBound(to: Float.self)
        encodes = take(Self.blockBytes).assumingMemoryBound(to: Float.self)
        finiteScales = take(Self.blockBytes).assumingMemoryBound(to: Float.self)
        amax = take(Self.blockBytes).assumingMemoryBound(to: Int32.self)
        totals = take(Self.blockBytes).assumingMemoryBound(to: Int32.self)
        sums = take(Self.sumBytes).assumingMemoryBound(to: QuantizationSums.self)
        floats = take(QuantizerTile.depth * OperandQuantizer.mostRows * 4).assumingMemoryBound(to: Float.self)
    }

    /// Prepares scales without NaN for sums that leave out what is not finite.
    func hideScales() {
        for index in 0..<8 * 16 { finiteScales[index] = scales[index].isNaN ? 0 : scales[index] }
    }

    func visibleScales(_ areFinite: Bool) -> WriteRow { areFinite ? scales : finiteScales }
}
