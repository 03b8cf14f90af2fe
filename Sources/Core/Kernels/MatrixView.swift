public import KernelInterface

/// A matrix of floats somewhere in memory: element (i, j) lies at base[i · rowStride + j · columnStride]. Does not own the
/// memory.
public struct MatrixView {
    public var base: ReadRow
    public var rows: Int
    public var columns: Int
    /// Floats from one row to the next.
    public var rowStride: Int
    /// Floats from one column to the next.
    public var columnStride: Int

    public init(_ base: ReadRow, rows: Int, columns: Int, rowStride: Int, columnStride: Int = 1) {
        self.base = base
        self.rows = rows
        self.columns = columns
        self.rowStride = rowStride
        self.columnStride = columnStride
    }

    /// A matrix whose rows follow one another without gaps.
    public init(_ base: ReadRow, rows: Int, columns: Int) {
        self.init(base, rows: rows, columns: columns, rowStride: columns)
    }

    /// The same memory with rows and columns exchanged.
    public var transposed: MatrixView {
        MatrixView(base, rows: columns, columns: rows, rowStride: columnStride, columnStride: rowStride)
    }
}
