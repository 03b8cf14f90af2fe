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
    public let kernels: any KernelTable
    public let pool: WorkerPool
    private var left = PackingBuffer()
    private var right = PackingBuffer()

    /// - Parameters:
    ///   - tier: the instruction set to force; nil for the fastest that runs here. Does not change the bits.
    ///   - threads: lanes that compute; 0 for one per online core. Does not change the bits.
    /// - Throws: `UserError` if this processor cannot run the tier, or if the system does not grant the threads.
    public init(tier: KernelTier? = nil, threads: Int = 0) throws {
        guard (0...1024).contains(threads) else {
            throw UserError("The number of threads is \(threads); expected 0 (one per core) to 1024.")
        }
        kernels = try KernelTier.kernels(tier)
        pool = try WorkerPool(lanes: threads == 0 ? max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) : threads)
    }

    // MARK: Whole multiplications

    /// C = A·B, or C += A·B, in parallel; A is M × K, B is K × N, and either may be a transposed view.
    ///
    /// Every element of C is one chain of fused multiply-adds over k = 0, 1, … K − 1 that starts at zero, or at C when
    /// accumulating: the same bits on every tier and for every number of threads. Every shape is served, empty ones too;
    /// K = 0 gives zeros. C must overlap neither A nor B. Allocates only when an operand is larger than any before.
    /// - Parameters:
    ///   - c: M rows of N floats.
    ///   - rowStride: floats from one row of C to the next.
    public func gemm(
        _ a: MatrixView, _ b: MatrixView, into c: WriteRow, rowStride: Int, accumulate: Bool = false,
        formats: GEMMFormats
    ) {
        precondition(a.columns == b.rows, "A·B needs as many columns in A as rows in B")
        let leftLayout = leftLayout(rows: a.rows, depth: a.columns, format: formats.a.unscaled ?? .bf16)
        let rightLayout = rightLayout(columns: b.columns, depth: b.rows, format: formats.b.unscaled ?? .bf16)
        let packedA = PackedMatrix(leftLayout, in: left.reserve(leftLayout.byteCount))
        let packedB = PackedMatrix(rightLayout, in: right.reserve(rightLayout.byteCount))
        pack(a, into: packedA, b, into: packedB)
        multiply(packedA, packedB, into: c, rowStride: rowStride, accumulate: accumulate)
    }

    /// Packs both operands in one parallel region.
    func pack(_ a: MatrixView, into packedA: PackedMatrix, _ b: MatrixView, into packedB: PackedMatrix) {
        let leftGroup = panelsPerPiece(packedA.layout)
        let rightGroup = panelsPerPiece(packedB.layout)
        let leftPieces = pieces(packedA.layout.panels, leftGroup)
        let rightPieces = pieces(packedB.layout.panels, rightGroup)
        let bytes = packedA.layout.byteCount + packedB.layout.byteCount
        run(leftPieces + rightPieces, isSmall: bytes < ComputeContext.smallPacking) { index, _ in
            if index < leftPieces {
                packPanels(a, into: packedA, index * leftGroup, leftGroup)
            } else {
                packPanels(b.transposed, into: packedB, (index - leftPieces) * rightGroup, rightGroup)
            }
        }
    }

    /// C = A·B, or C += A·B, in parallel, from packed operands: weights need packing once per step only.
    public func multiply(
        _ a: PackedMatrix, _ b: PackedMatrix, into c: WriteRow, rowStride: Int, accumulate: Bool = false
    ) {
        let m = a.layout.extent
        let n = b.layout.extent
        let depth = a.layout.depth
        let blocks = BlockGrid(
            rows: m, columns: n, depth: depth, tileRows: kernels.tileRows, tileColumns: kernels.tileColumns,
            lanes: pool.lanes)
        run(blocks.count, isSmall: m * n * depth < ComputeContext.smallProduct) { index, _ in
            multiply(a, b, blocks[index], depth: depth, into: c, rowStride: rowStride, accumulate: accumulate)
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

    /// About 64 KiB a piece, but a few panels at least: where rows are contiguous they share cache lines.
    private func panelsPerPiece(_ layout: PackedLayout) -> Int {
        max(4, 64 * 1024 / max(1, layout.panelWidth * layout.depth * 4))
    }

    private func pieces(_ count: Int, _ size: Int) -> Int { (count + size - 1) / size }

    // MARK: Serial primitives, for use inside a region of the pool

    /// The layout of a left operand, rows × depth.
    public func leftLayout(rows: Int, depth: Int, format: UnscaledFormat) -> PackedLayout {
        PackedLayout(
            side: .left, format: format, extent: rows, depth: depth, panelWidth: kernels.tileRows,
            depthBlock: kernels.depthBlock)
    }

    /// The layout of a right operand, depth × columns.
    public func rightLayout(columns: Int, depth: Int, format: UnscaledFormat) -> PackedLayout {
        PackedLayout(
            side: .right, format: format, extent: columns, depth: depth, panelWidth: kernels.tileColumns,
            depthBlock: kernels.depthBlock)
    }

    /// Packs a left operand (rows × depth) into memory of the caller's, serially.
    /// - Parameter storage: `leftLayout(rows:depth:format:).byteCount` bytes.
    public func packLeft(_ view: MatrixView, format: UnscaledFormat, into storage: UnsafeMutableRawPointer)
        -> PackedMatrix
    {
        let packed = PackedMatrix(leftLayout(rows: view.rows, depth: view.columns, format: format), in: storage)
        packPanels(view, into: packed, 0, packed.layout.panels)
        return packed
    }

    /// Packs a right operand (depth × columns) into memory of the caller's, serially.
    /// - Parameter storage: `rightLayout(columns:depth:format:).byteCount` bytes.
    public func packRight(_ view: MatrixView, format: UnscaledFormat, into storage: UnsafeMutableRawPointer)
        -> PackedMatrix
    {
        let packed = PackedMatrix(rightLayout(columns: view.columns, depth: view.rows, format: format), in: storage)
        packPanels(view.transposed, into: packed, 0, packed.layout.panels)
        return packed
    }

    /// C[rows, columns] = A·B, or C += A·B, serially, from the first rows of A, the first columns of B and the first `depth`
    /// of both; the same chain of additions as `gemm`.
    public func multiplyPacked(
        _ left: PackedMatrix, _ right: PackedMatrix, rows: Int, columns: Int, depth: Int, into c: WriteRow,
        rowStride: Int, accumulate: Bool = false
    ) {
        precondition(left.layout.side == .left && right.layout.side == .right)
        precondition(rows <= left.layout.extent && columns <= right.layout.extent)
        precondition(depth <= left.layout.depth && depth <= right.layout.depth)
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
            kernels.multiplyPacked(
                left: left.panel(block.row / kernels.tileRows, start: start),
                leftPanelStride: left.layout.panelStride(start),
                right: right.panel(block.column / kernels.tileColumns, start: start),
                rightPanelStride: right.layout.panelStride(start), rows: block.rows, columns: block.columns,
                depth: length, into: corner, rowStride: rowStride, accumulate: accumulate || start > 0,
                exactProducts: exact)
            start += length
        } while start < depth
    }

    /// Packs some panels of an operand given with its reduction axis as columns.
    private func packPanels(_ view: MatrixView, into packed: PackedMatrix, _ first: Int, _ count: Int) {
        let layout = packed.layout
        let row = first * layout.panelWidth
        let extent = min(layout.extent - row, count * layout.panelWidth)
        if extent <= 0 { return }
        var start = 0
        while start < layout.depth {
            let length = layout.blockDepth(start)
            kernels.pack(
                view.base + row * view.rowStride + start * view.columnStride, across: view.rowStride,
                along: view.columnStride, extent: extent, depth: length, width: layout.panelWidth,
                bf16: layout.roundsToBF16, into: packed.panel(first, start: start),
                panelStride: layout.panelStride(start))
            start += length
        }
    }
}

/// Memory that grows to the largest size asked for and keeps it.
private struct PackingBuffer: ~Copyable {
    private var memory = allocateForMatrices(byteCount: 64)
    private var capacity = 64

    mutating func reserve(_ bytes: Int) -> UnsafeMutableRawPointer {
        if bytes > capacity {
            memory.deallocate()
            memory = allocateForMatrices(byteCount: bytes)
            capacity = bytes
        }
        return memory
    }

    deinit { memory.deallocate() }
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

/// The blocks of C that are pieces of a parallel multiplication.
///
/// A block's left panels stay in the second-level cache, for one block of the depth, while the right panels pass by; there are
/// several blocks per lane where the
/// product is large enough, so that no lane waits long for another's last block.
struct BlockGrid {
    struct Block {
        var row: Int
        var column: Int
        var rows: Int
        var columns: Int
    }

    private let rows: Int
    private let columns: Int
    private let blockRows: Int
    private let blockColumns: Int
    private let across: Int
    private let down: Int

    init(rows: Int, columns: Int, depth: Int, tileRows: Int, tileColumns: Int, lanes: Int) {
        self.rows = rows
        self.columns = columns
        let rowTiles = (rows + tileRows - 1) / tileRows
        let columnTiles = (columns + tileColumns - 1) / tileColumns
        var height = max(1, min(rowTiles, 96 / tileRows))
        var width = max(1, min(columnTiles, 512 / tileColumns))
        // Halve the longer side until every lane has pieces, but keep a piece at a few microseconds at least.
        while lanes > 1 {
            let pieces = ((rowTiles + height - 1) / height) * ((columnTiles + width - 1) / width)
            let work = height * tileRows * width * tileColumns * depth
            if pieces >= 6 * lanes || work < 1 << 20 { break }
            if width * tileColumns >= height * tileRows && width > 1 {
                width = (width + 1) / 2
            } else if height > 1 {
                height = (height + 1) / 2
            } else {
                break
            }
        }
        blockRows = height * tileRows
        blockColumns = width * tileColumns
        across = (columns + blockColumns - 1) / blockColumns
        down = (rows + blockRows - 1) / blockRows
    }

    var count: Int { across * down }

    subscript(index: Int) -> Block {
        let row = index / across * blockRows
        let column = index % across * blockColumns
        return Block(
            row: row, column: column, rows: min(blockRows, rows - row), columns: min(blockColumns, columns - column))
    }
}
