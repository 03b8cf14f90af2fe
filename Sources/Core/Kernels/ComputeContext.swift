public import KernelInterface

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What computes: the kernels of one instruction set, the threads, and the memory that matrix multiplications pack into.
///
/// To be used from one thread at a time.
public final class ComputeContext {
    /// The instruction set in use.
    public let tier: KernelTier
    public let kernels: any KernelTable
    /// nil: FP8 is not multiplied in FP16.
    let half: (any HalfKernelTable)?
    /// nil: BF16 and FP8 are multiplied in FP32, or FP8 in FP16.
    let pairs: (any PairKernelTable)?
    private let units: GEMMUnits
    public let pool: WorkerPool
    private var left = PackingBuffer()
    private var right = PackingBuffer()
    private var leftTables = PackingBuffer()
    private var rightTables = PackingBuffer()
    private var partials = PackingBuffer()
    private var techniques = PackingBuffer()
    private var clipped = PackingBuffer()
    /// The left operand that linears side by side have in common.
    let sharedInput = KeptOperand()
    /// Where the time of the thread that uses this goes.
    var clock = StepClock()
    private let scratchMemory: UnsafeMutableRawPointer
    /// One for each lane.
    let scratch: [QuantizerScratch]

    /// - Parameters:
    ///   - tier: the instruction set to force; nil for the fastest that runs here. Does not change the bits of FP32, BF16
    ///     and FP4 products.
    ///   - strictFP8: FP8 is dequantized and summed in FP32 also where the processor has FP16 or BF16, and its bits depend on
    ///     no tier either.
    ///   - threads: lanes that compute; 0 for one per online core. Does not change the bits.
    /// - Throws: `UserError` if this processor cannot run the tier, or if the system does not grant the threads.
    public init(tier: KernelTier? = nil, threads: Int = 0, strictFP8: Bool = false) throws {
        guard (0...1024).contains(threads) else {
            throw UserError("The number of threads is \(threads); expected 0 (one per core) to 1024.")
        }
        self.tier = try KernelTier.choose(tier)
        kernels = self.tier.kernels
        half = strictFP8 ? nil : self.tier.halfKernels
        pairs = self.tier.pairKernels
        units = GEMMUnits(half: half != nil, pairs: pairs != nil, scaledPairs: pairs != nil && !strictFP8)
        pool = try WorkerPool(lanes: threads == 0 ? max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) : threads)
        let memory = allocateForMatrices(byteCount: pool.lanes * QuantizerScratch.byteCount)
        scratchMemory = memory
        scratch = (0..<pool.lanes).map { QuantizerScratch(in: memory + $0 * QuantizerScratch.byteCount) }
    }

    deinit { scratchMemory.deallocate() }

    /// Memory for what the techniques of a linear compute besides its products; the same at every call, but for one that
    /// asks for more than any before.
    func techniqueMemory(floats: Int) -> WriteRow {
        techniques.reserve(floats * 4).assumingMemoryBound(to: Float.self)
    }

    /// Memory for a clipped gradient, until the next one; the same at every call, but for one that asks for more than any
    /// before.
    func clippedMemory(floats: Int) -> WriteRow {
        clipped.reserve(floats * 4).assumingMemoryBound(to: Float.self)
    }

    /// Bytes of packed operands and scratch, without what `Transformer.memoryBytes` counts.
    var memoryBytes: Int {
        left.capacity + right.capacity + leftTables.capacity + rightTables.capacity + partials.capacity
            + sharedInput.memoryBytes + pool.lanes * QuantizerScratch.byteCount
    }

    // MARK: Whole multiplications

    /// C = A·B, or C += A·B, in parallel; A is M × K, B is K × N, and either may be a transposed view. Operands are
    /// quantized along the reduction axis as their formats say.
    ///
    /// Every element of C is one chain of fused multiply-adds that starts at zero, or at C when accumulating: over
    /// k = 0, 1, … K − 1, or, if both operands are E2M1, over chunks of K whose integer products are summed exactly
    /// (`KernelTable.multiplyIntegers`), or, if one operand is FP8 and the other FP8 or E2M1, over chunks that are summed
    /// before they are scaled: in FP16 on a processor that multiplies it, but not if both are E5M2
    /// (`HalfKernelTable.multiplyHalves` bounds the difference), or in FP32 on one that multiplies BF16
    /// (`PairKernelTable.multiplyScaledPairs`). But for these the same bits on every tier, as long as no BF16 operand, before
    /// or after rounding, and no product of two is subnormal, and the same for every number of threads. Every shape is
    /// served, empty ones too; K = 0 gives zeros. C must overlap neither A nor B. Allocates only when an operand is larger
    /// than any before.
    /// - Parameters:
    ///   - c: M rows of N floats.
    ///   - rowStride: floats from one row of C to the next.
    ///   - random: of A and of B, for formats that round stochastically or transform with random signs, which must be the
    ///     same for both.
    ///   - averageB: K × N; where B's format has scales, its values are rounded to the neighbour that is nearer to these
    ///     (`LinearTechniques.weightAverage`).
    ///   - health: what quantization did to the operands is added to it; nothing for formats without scales.
    ///   - keptA, keptB: where the operand stays, packed, for the GEMMs that follow. One that is there already is used as it
    ///     is, and its health is added once more.
    ///   - part: whose time the product takes.
    public func gemm(
        _ a: MatrixView, _ b: MatrixView, into c: WriteRow, rowStride: Int, accumulate: Bool = false,
        formats: GEMMFormats, random: GEMMRandom = .none, averageB: MatrixView? = nil,
        health: UnsafeMutablePointer<GEMMHealth>? = nil, keptA: KeptOperand? = nil, keptB: KeptOperand? = nil,
        part: StepPart = .fprop
    ) {
        let leftLayout = leftLayout(rows: a.rows, depth: a.columns, formats)
        let rightLayout = rightLayout(columns: b.columns, depth: b.rows, formats)
        let packed = (
            a: keptA?.place(leftLayout) ?? PackedMatrix(leftLayout, in: left.reserve(leftLayout.byteCount)),
            b: keptB?.place(rightLayout) ?? PackedMatrix(rightLayout, in: right.reserve(rightLayout.byteCount))
        )
        precondition(a.columns == b.rows, "A·B needs as many columns in A as rows in B")
        let isMissing = (
            a: keptA?.holds(leftLayout, formats.a) != true, b: keptB?.holds(rightLayout, formats.b) != true
        )
        var found = GEMMHealth()
        pack(
            isMissing.a ? packer(a, formats.a, into: packed.a, random: random.a, tables: &leftTables) : nil,
            isMissing.b ? rightPacker(b, formats.b, into: packed.b, random: random.b, average: averageB) : nil,
            health: &found)
        if isMissing.a { keptA?.keep(leftLayout, formats.a, found.a) }
        if isMissing.b { keptB?.keep(rightLayout, formats.b, found.b) }
        health?.pointee.a.add(keptA?.health ?? found.a)
        health?.pointee.b.add(keptB?.health ?? found.b)
        clock.mark(.pack)
        multiply(packed.a, packed.b, into: c, rowStride: rowStride, accumulate: accumulate)
        clock.mark(part)
    }

    /// Quantizes and packs A, M × K, as the left operand of a GEMM, in parallel.
    /// - Parameters:
    ///   - packed: has the layout `leftLayout(rows:depth:_:)` for the same formats.
    ///   - health: what quantization did is added to it.
    public func packLeft(
        _ a: MatrixView, _ formats: GEMMFormats, into packed: PackedMatrix, random: QuantizationRandom = .none,
        health: UnsafeMutablePointer<GEMMHealth>? = nil
    ) {
        pack(packer(a, formats.a, into: packed, random: random, tables: &leftTables), nil, health: health)
    }

    /// Quantizes and packs B, K × N, as the right operand of a GEMM, in parallel: weights need it once per step only.
    /// - Parameters:
    ///   - packed: has the layout `rightLayout(columns:depth:_:)` for the same formats.
    ///   - health: what quantization did is added to it.
    public func packRight(
        _ b: MatrixView, _ formats: GEMMFormats, into packed: PackedMatrix, random: QuantizationRandom = .none,
        health: UnsafeMutablePointer<GEMMHealth>? = nil
    ) {
        pack(nil, rightPacker(b, formats.b, into: packed, random: random), health: health)
    }

    /// Quantizes and packs both operands of a GEMM, A·B, in parallel.
    /// - Parameters:
    ///   - packed: have the layouts of the same formats.
    ///   - averageB: as for `gemm`.
    ///   - health: what quantization did is added to it.
    public func packBoth(
        _ a: MatrixView, _ b: MatrixView, _ formats: GEMMFormats, into packed: (a: PackedMatrix, b: PackedMatrix),
        random: GEMMRandom = .none, averageB: MatrixView? = nil, health: UnsafeMutablePointer<GEMMHealth>? = nil
    ) {
        precondition(a.columns == b.rows, "A·B needs as many columns in A as rows in B")
        pack(
            packer(a, formats.a, into: packed.a, random: random.a, tables: &leftTables),
            rightPacker(b, formats.b, into: packed.b, random: random.b, average: averageB), health: health)
    }

    private func rightPacker(
        _ b: MatrixView, _ format: BlockFormat, into packed: PackedMatrix, random: QuantizationRandom,
        average: MatrixView? = nil
    ) -> OperandPacker {
        packer(
            b.transposed, format, into: packed, random: random, average: average?.transposed, tables: &rightTables)
    }

    private func packer(
        _ view: MatrixView, _ format: BlockFormat, into packed: PackedMatrix, random: QuantizationRandom,
        average: MatrixView? = nil, tables: inout PackingBuffer
    ) -> OperandPacker {
        precondition(packed.layout.extent == view.rows && packed.layout.depth == format.paddedDepth(view.columns))
        switch packed.layout.encoding {
        case .unscaled, .pairs: return OperandPacker(view, into: packed, kernels: kernels, pairs: pairs)
        case .dequantized, .integer, .half, .scaledPairs: break
        }
        let quantizer = quantizer(
            view, format, into: packed, random: random, average: average, tables: &tables)
        return OperandPacker(view, into: packed, kernels: kernels, quantizer: quantizer)
    }

    private func quantizer(
        _ view: MatrixView, _ format: BlockFormat, into packed: PackedMatrix, random: QuantizationRandom,
        average: MatrixView?, tables: inout PackingBuffer
    ) -> OperandQuantizer {
        let unit = format.chunk
        let depth = packed.layout.depth
        let magnitudes = AmaxTables.byteCount(rows: view.rows, depth: depth, unit: unit)
        let memory = tables.reserve(format.needsMagnitudes ? magnitudes : 64)
        return OperandQuantizer(
            view, format, into: packed, random: random,
            tables: AmaxTables(rows: view.rows, depth: depth, unit: unit, in: memory), kernels: kernels, pairs: pairs,
            average: average)
    }

    /// A quantizer of an operand with scales that is to stay a matrix of floats, ready for its second pass.
    func rowQuantizer(
        _ view: MatrixView, _ format: BlockFormat, random: QuantizationRandom, average: MatrixView?
    ) -> OperandQuantizer {
        let depth = format.paddedDepth(view.columns)
        let layout = PackedLayout(
            side: .left, encoding: .dequantized, extent: view.rows, depth: depth, panelWidth: QuantizerTile.rows,
            depthBlock: max(depth, 1))
        // Nothing is packed.
        let packed = PackedMatrix(layout, in: left.reserve(64))
        var quantizer = quantizer(view, format, into: packed, random: random, average: average, tables: &leftTables)
        if quantizer.needsMagnitudes {
            pool.run(quantizer.pieces) { index, lane in quantizer.findMagnitudes(piece: index, scratch[lane]) }
            quantizer.useMagnitudes()
        }
        return quantizer
    }

    /// Packs one or both operands, in one parallel region, or in two where scales depend on whole rows or tensors.
    private func pack(_ a: OperandPacker?, _ b: OperandPacker?, health: UnsafeMutablePointer<GEMMHealth>?) {
        var (a, b) = (a, b)
        let bytes = (a?.byteCount ?? 0) + (b?.byteCount ?? 0)
        let isSmall = bytes < ComputeContext.smallPacking
        let firstMagnitudes = a?.magnitudePieces ?? 0
        let magnitudes = firstMagnitudes + (b?.magnitudePieces ?? 0)
        if magnitudes > 0 {
            run(magnitudes, isSmall: isSmall) { index, lane in
                if index < firstMagnitudes {
                    a?.quantizer?.findMagnitudes(piece: index, scratch[lane])
                } else {
                    b?.quantizer?.findMagnitudes(piece: index - firstMagnitudes, scratch[lane])
                }
            }
            a?.useMagnitudes()
            b?.useMagnitudes()
        }
        let firstPieces = a?.pieces ?? 0
        let pieces = firstPieces + (b?.pieces ?? 0)
        let parts = (a: a?.healthParts ?? 0, b: b?.healthParts ?? 0)
        let stride = MemoryLayout<QuantizationHealth>.stride
        let partials = partials.reserve(max(1, parts.a + parts.b) * stride)
            .assumingMemoryBound(to: QuantizationHealth.self)
        run(pieces, isSmall: isSmall) { index, lane in
            if index < firstPieces {
                a?.pack(piece: index, scratch[lane], health: partials)
            } else {
                b?.pack(piece: index - firstPieces, scratch[lane], health: partials + parts.a)
            }
        }
        guard let health else { return }
        for part in 0..<parts.a { health.pointee.a.add(partials[part]) }
        for part in parts.a..<parts.a + parts.b { health.pointee.b.add(partials[part]) }
        health.pointee.a.storedBits += a?.storedBits ?? 0
        health.pointee.b.storedBits += b?.storedBits ?? 0
    }

    /// C = A·B, or C += A·B, in parallel, from packed operands.
    public func multiply(
        _ a: PackedMatrix, _ b: PackedMatrix, into c: WriteRow, rowStride: Int, accumulate: Bool = false
    ) {
        let m = a.layout.extent
        let n = b.layout.extent
        let depth = a.layout.depth
        precondition(a.layout.side == .left && b.layout.side == .right)
        precondition(a.layout.matches(b.layout), "operands must be packed for the same GEMM")
        let isScaled = a.layout.isScaled
        let blocks = BlockGrid(
            rows: m, columns: n, depth: a.layout.isInteger ? depth / 4 : a.layout.words(depth),
            tileRows: a.layout.panelWidth, tileColumns: b.layout.panelWidth, lanes: pool.lanes)
        run(blocks.count, isSmall: m * n * depth < ComputeContext.smallProduct) { index, _ in
            if isScaled {
                multiplyScaled(a, b, blocks[index], into: c, rowStride: rowStride, accumulate: accumulate)
            } else {
                multiply(a, b, blocks[index], depth: depth, into: c, rowStride: rowStride, accumulate: accumulate)
            }
        }
    }

    private func multiplyScaled(
        _ a: PackedMatrix, _ b: PackedMatrix, _ block: BlockGrid.Block, into c: WriteRow, rowStride: Int,
        accumulate: Bool
    ) {
        let (left, right) = (a.layout, b.layout)
        let panel = block.column / right.panelWidth
        let panels = ScaledPanels(
            left: UnsafePointer((a.storage + block.row * left.rowStride).assumingMemoryBound(to: UInt8.self)),
            leftStride: left.rowStride, leftScales: a.scales + block.row * left.chunks,
            right: b.storage + panel * right.codePanelStride, rightStride: right.codePanelStride,
            rightScales: b.scales + panel * right.chunks * right.panelWidth,
            corrections: b.corrections + panel * right.chunks * right.panelWidth, depth: left.depth, chunk: left.chunk)
        let corner = c + block.row * rowStride + block.column
        if let half, left.isHalf {
            half.multiplyHalves(
                panels, rows: block.rows, columns: block.columns, into: corner, rowStride: rowStride,
                accumulate: accumulate)
        } else if let pairs, left.isPairs {
            pairs.multiplyScaledPairs(
                panels, rows: block.rows, columns: block.columns, into: corner, rowStride: rowStride,
                accumulate: accumulate)
        } else {
            kernels.multiplyIntegers(
                panels, rows: block.rows, columns: block.columns, into: corner, rowStride: rowStride,
                accumulate: accumulate)
        }
    }

    /// Below these a parallel region costs more than it saves.
    private static let smallPacking = 64 * 1024
    private static let smallProduct = 256 * 1024

    private func run(_ count: Int, isSmall: Bool, _ body: (_ index: Int, _ lane: Int) -> Void) {
        if isSmall {
            for index in 0..<count { body(index, 0) }
        } else {
            pool.run(count, body)
        }
    }

    // MARK: Serial primitives, for use inside a region of the pool

    /// The layout of a left operand, rows × depth.
    public func leftLayout(rows: Int, depth: Int, format: UnscaledFormat) -> PackedLayout {
        leftLayout(rows: rows, depth: depth, GEMMFormats(BlockFormat(format)))
    }

    /// The layout of a right operand, depth × columns.
    public func rightLayout(columns: Int, depth: Int, format: UnscaledFormat) -> PackedLayout {
        rightLayout(columns: columns, depth: depth, GEMMFormats(BlockFormat(format)))
    }

    /// The layout of A, rows × depth, as the left operand of a GEMM.
    public func leftLayout(rows: Int, depth: Int, _ formats: GEMMFormats) -> PackedLayout {
        layout(.left, extent: rows, depth: depth, formats.a, formats)
    }

    /// The layout of B, depth × columns, as the right operand of a GEMM.
    public func rightLayout(columns: Int, depth: Int, _ formats: GEMMFormats) -> PackedLayout {
        layout(.right, extent: columns, depth: depth, formats.b, formats)
    }

    /// Packed operands of these formats have fewer bits than floats.
    func packsCompactly(_ formats: GEMMFormats) -> Bool {
        if case .float = formats.arithmetic(units) { return false }
        return true
    }

    private func layout(
        _ side: PackedLayout.Side, extent: Int, depth: Int, _ format: BlockFormat, _ formats: GEMMFormats
    ) -> PackedLayout {
        precondition(
            format.chunk == 16 || format.chunk == 32 || format.chunk == 64 || format.chunk == 128,
            "blocks have 16, 32, 64 or 128 values")
        precondition(formats.a.hadamard == formats.b.hadamard, "both operands must be transformed alike")
        let isLeft = side == .left
        let padded = format.paddedDepth(depth)
        let encoding: PackedLayout.Encoding
        let width: Int
        var depthBlock = kernels.depthBlock
        switch formats.arithmetic(units) {
        case .integer(let chunk):
            encoding = .integer(chunk: chunk)
            width = isLeft ? kernels.integerTileRows : kernels.integerTileColumns
        case .half(let chunk, let factors):
            encoding = .half(chunk: chunk, factor: isLeft ? factors.a : factors.b)
            width = (isLeft ? half?.tileRows : half?.tileColumns) ?? 0
        case .pairs:
            encoding = .pairs
            width = (isLeft ? pairs?.tileRows : pairs?.tileColumns) ?? 0
            depthBlock *= 2
        case .scaledPairs(let chunk):
            encoding = .scaledPairs(chunk: chunk)
            width = (isLeft ? pairs?.tileRows : pairs?.tileColumns) ?? 0
            depthBlock = max(128, (padded + 127) / 128 * 128)
        case .float:
            encoding = format.unscaled.map(PackedLayout.Encoding.unscaled) ?? .dequantized
            width = isLeft ? kernels.tileRows : kernels.tileColumns
        }
        return PackedLayout(
            side: side, encoding: encoding, extent: extent, depth: padded, panelWidth: width, depthBlock: depthBlock)
    }

    /// Packs a left operand (rows × depth) into memory of the caller's, serially.
    /// - Parameter storage: `leftLayout(rows:depth:format:).byteCount` bytes.
    public func packLeft(_ view: MatrixView, format: UnscaledFormat, into storage: UnsafeMutableRawPointer)
        -> PackedMatrix
    {
        let packed = PackedMatrix(leftLayout(rows: view.rows, depth: view.columns, format: format), in: storage)
        OperandPacker(view, into: packed, kernels: kernels, pairs: pairs).packAll()
        return packed
    }

    /// Packs a right operand (depth × columns) into memory of the caller's, serially.
    /// - Parameter storage: `rightLayout(columns:depth:format:).byteCount` bytes.
    public func packRight(_ view: MatrixView, format: UnscaledFormat, into storage: UnsafeMutableRawPointer)
        -> PackedMatrix
    {
        let packed = PackedMatrix(rightLayout(columns: view.columns, depth: view.rows, format: format), in: storage)
        OperandPacker(view.transposed, into: packed, kernels: kernels, pairs: pairs).packAll()
        return packed
    }

    /// C[rows, columns] = A·B, or C += A·B, serially, from the first rows of A, the first columns of B and the first `depth`
    /// of both, an even number or the whole depth of A; the same chain of additions as `gemm`.
    public func multiplyPacked(
        _ left: PackedMatrix, _ right: PackedMatrix, rows: Int, columns: Int, depth: Int, into c: WriteRow,
        rowStride: Int, accumulate: Bool = false
    ) {
        precondition(left.layout.side == .left && right.layout.side == .right)
        precondition(rows <= left.layout.extent && columns <= right.layout.extent)
        precondition(depth <= left.layout.depth && depth <= right.layout.depth)
        precondition(depth % 2 == 0 || depth == left.layout.depth, "a pair of values cannot be cut")
        let block = BlockGrid.Block(row: 0, column: 0, rows: rows, columns: columns)
        multiply(left, right, block, depth: depth, into: c, rowStride: rowStride, accumulate: accumulate)
    }

    /// One block of C over the whole depth. From one block of the depth to the next C carries the sum on, which leaves the
    /// chain of additions as it is.
    private func multiply(
        _ left: PackedMatrix, _ right: PackedMatrix, _ block: BlockGrid.Block, depth: Int, into c: WriteRow,
        rowStride: Int, accumulate: Bool
    ) {
        let exact = left.layout.roundsToBF16 && right.layout.roundsToBF16
        let corner = c + block.row * rowStride + block.column
        var start = 0
        // Also once for a depth of zero, which must clear C.
        repeat {
            let length = min(left.layout.depthBlock, depth - start)
            let panels = (
                left: left.panel(block.row / left.layout.panelWidth, start: start),
                right: right.panel(block.column / right.layout.panelWidth, start: start)
            )
            if let pairs, left.layout.isPairs {
                pairs.multiplyPairs(
                    left: panels.left, leftPanelStride: left.layout.panelStride(start), right: panels.right,
                    rightPanelStride: right.layout.panelStride(start), rows: block.rows, columns: block.columns,
                    words: left.layout.words(length), into: corner, rowStride: rowStride,
                    accumulate: accumulate || start > 0)
            } else {
                kernels.multiplyPacked(
                    left: panels.left, leftPanelStride: left.layout.panelStride(start), right: panels.right,
                    rightPanelStride: right.layout.panelStride(start), rows: block.rows, columns: block.columns,
                    depth: length, into: corner, rowStride: rowStride, accumulate: accumulate || start > 0,
                    exactProducts: exact)
            }
            start += length
        } while start < depth
    }
}

/// Memory for large matrices, to be deallocated by the caller: aligned to the cache's lines and, where the system offers
/// them, on huge pages, which spare most of the misses of the address translation.
public func allocateForMatrices(byteCount: Int) -> UnsafeMutableRawPointer {
    let hugePage = 2 << 20
    guard byteCount >= hugePage else { return .allocate(byteCount: max(byteCount, 64), alignment: 64) }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: hugePage)
    #if os(Linux)
    // Advice only: without huge pages everything works as before.
    _ = madvise(memory, byteCount, MADV_HUGEPAGE)
    #endif
    return memory
}
