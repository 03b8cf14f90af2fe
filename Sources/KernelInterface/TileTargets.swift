/// Where the integers of a tile go: four neighbours along the reduction axis share 32 bits, and a vector of 16 rows is
/// written in two halves, since a panel of the right operand may hold 8 columns only.
@frozen
public struct IntegerTarget {
    public var low: UnsafeMutableRawPointer
    /// nil: rows 8 to 15 are not wanted.
    public var high: UnsafeMutableRawPointer?
    /// Bytes from one four values to the next.
    public var stride: Int

    public init(low: UnsafeMutableRawPointer, high: UnsafeMutableRawPointer?, stride: Int) {
        self.low = low
        self.high = high
        self.stride = stride
    }
}

/// Where a value for each of 16 rows goes, again and again along the reduction axis: [panel][…][width].
@frozen
public struct PanelTarget {
    /// Where the first row's panel begins.
    public var panel: WriteRow
    /// Of the first row in it.
    public var column: Int
    /// An even number.
    public var width: Int
    /// Floats from one panel to the next.
    public var panelStride: Int

    public init(panel: WriteRow, column: Int, width: Int, panelStride: Int) {
        self.panel = panel
        self.column = column
        self.width = width
        self.panelStride = panelStride
    }
}

/// Where the pairs of a tile go: the 16 rows lie in one panel or in two.
@frozen
public struct PairTarget {
    /// The first row's place in its panel.
    public var low: WriteRow
    /// Rows in that panel.
    public var lowRows: Int
    /// Where the first row would lie in the next panel; nil: the other rows are not wanted.
    public var high: WriteRow?
    /// Words from one pair of a row to the next.
    public var stride: Int

    public init(low: WriteRow, lowRows: Int, high: WriteRow?, stride: Int) {
        self.low = low
        self.lowRows = lowRows
        self.high = high
        self.stride = stride
    }
}

/// See `KernelTable.scatter`.
@inlinable @inline(always)
public func scatterBody(
    _ source: ReadRow, _ sourceStride: Int, _ count: Int, _ rows: Int, _ target: PanelTarget, _ factor: Float?
) {
    var row = 0
    var column = target.column
    var panel = target.panel
    while row < rows {
        let length = rows &- row < target.width &- column ? rows &- row : target.width &- column
        let from = source + row
        let to = panel + column
        // A loop for each part of a row: a row's parts in turn would make a vector wait for its own pieces.
        if length == 16 {
            scatterPart(from, sourceStride, count, to, target.width) { (x: SIMD16<Float>) in
                if let factor { x * factor } else { x }
            }
        } else {
            var start = 0
            if length & 8 != 0 {
                scatterPart(from, sourceStride, count, to, target.width) { (x: SIMD8<Float>) in
                    if let factor { x * factor } else { x }
                }
                start = 8
            }
            if length & 4 != 0 {
                scatterPart(from + start, sourceStride, count, to + start, target.width) { (x: SIMD4<Float>) in
                    if let factor { x * factor } else { x }
                }
                start &+= 4
            }
            if length & 2 != 0 {
                scatterPart(from + start, sourceStride, count, to + start, target.width) { (x: SIMD2<Float>) in
                    if let factor { x * factor } else { x }
                }
            }
        }
        row &+= length
        column = 0
        panel += target.panelStride
    }
}

@inlinable @inline(always)
func scatterPart<V: SIMD<Float>>(
    _ source: ReadRow, _ sourceStride: Int, _ count: Int, _ target: WriteRow, _ targetStride: Int,
    _ change: (V) -> V
) {
    var from = source
    var to = target
    var row = 0
    while row < count {
        UnsafeMutableRawPointer(to).storeBytes(
            of: change(UnsafeRawPointer(from).loadUnaligned(as: V.self)), as: V.self)
        from += sourceStride
        to += targetStride
        row &+= 1
    }
}

/// Turns a tile of four-value words around: see `KernelTable.writeRows`.
@inlinable @inline(always)
public func writeRowsBody(
    _ words: UnsafePointer<UInt32>, _ count: Int, _ rows: Int, _ target: UnsafeMutableRawPointer, _ rowStride: Int,
    storeColumns: (ReadRow, WriteRow, Int) -> Void
) {
    var k = 0
    if rows == 16 {
        let source = UnsafeRawPointer(words).assumingMemoryBound(to: Float.self)
        let destination = target.assumingMemoryBound(to: Float.self)
        while k &+ 8 <= count {
            storeColumns(source + k &* 16, destination + k, rowStride &>> 2)
            k &+= 8
        }
    }
    while k < count {
        var row = 0
        while row < rows {
            target.storeBytes(of: words[k &* 16 &+ row], toByteOffset: row &* rowStride &+ k &* 4, as: UInt32.self)
            row &+= 1
        }
        k &+= 1
    }
}
