/// Rows are worked on in blocks of a fixed size, so that sums over rows come in the same order for any number of
/// threads: each block has its own partial sums, which are added block by block.
enum RowBlocks {
    static let size = 32

    static func count(_ rows: Int) -> Int { (rows + size - 1) / size }

    static func rows(of block: Int, in rows: Int) -> Range<Int> {
        block * size..<min(rows, (block + 1) * size)
    }
}

/// Partial column sums, one row a block, for the gradients of biases and norms.
struct ColumnSums {
    private let partials: UnsafeMutablePointer<Float>
    private let width: Int
    private let blocks: Int

    init(rows: Int, width: Int, in arena: inout Arena.Layout) {
        self.width = width
        blocks = RowBlocks.count(rows)
        partials = arena.reserve(blocks * width)
    }

    /// The block's sums, set to zero: `width` values.
    func clear(_ block: Int) -> UnsafeMutablePointer<Float> {
        let sums = partials + block * width
        sums.update(repeating: 0, count: width)
        return sums
    }

    /// Adds columns `start..<start + count` of the first `blocks` blocks to `total`.
    func add(
        blocks: Int, from start: Int = 0, count: Int, to total: UnsafeMutablePointer<Float>, _ compute: ComputeContext
    ) {
        for block in 0..<blocks {
            compute.kernels.accumulate(partials + block * width + start, into: total, count: count)
        }
    }
}
