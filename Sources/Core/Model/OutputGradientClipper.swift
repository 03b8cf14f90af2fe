import KernelInterface

/// Clips and rescales E = dL/dY of a group of linears in front of the quantizer, as `GradientClipping` says:
/// arXiv 2502.11458.
///
/// A threshold comes from earlier passes alone, so that one pass over E finds all sums, and a second one writes the result
/// only if something was clipped. Sums run over blocks of rows in a fixed order: no bit depends on the threads.
final class OutputGradientClipper {
    /// What shares a threshold: some columns of one linear.
    fileprivate struct Unit {
        let part: Int
        let columns: Range<Int>
        /// Beyond it, magnitudes are clipped.
        var threshold = Float.infinity
        var factor: Float = 1
        var isClipped = false
    }

    /// Of one unit's values in one block of rows, or in all of them.
    fileprivate struct Sums {
        var squares = 0.0
        var clippedSquares = 0.0
        var magnitudes = 0.0
        var clippedMagnitudes = 0.0
        var clipped = 0
    }

    /// What clipping did to one linear's E since `clearTotals`.
    struct Totals {
        var values = 0
        var clipped = 0
        /// Σe²: of E, of E clipped, and of E rescaled.
        var squares = 0.0
        var clippedSquares = 0.0
        var rescaledSquares = 0.0
    }

    let clipping: GradientClipping
    private let outputs: Int
    private var units: [Unit] = []
    /// Running root mean square or quantile of each unit; 0 before the first pass.
    private(set) var statistics: [Float]
    private(set) var totals: [Totals]
    /// Parts whose dgrad or wgrad quantizes E; others are left alone.
    var isActive: [Bool]
    private var sums: [Sums] = []
    private var counts: [UInt32] = []

    /// Columns of a block.
    private static let blockColumns = 128

    /// - Parameter parts: the columns of E that belong to each linear.
    init(_ clipping: GradientClipping, parts: [Range<Int>]) {
        self.clipping = clipping
        outputs = parts.last?.upperBound ?? 0
        for (index, columns) in parts.enumerated() {
            let width = clipping.scope == .block ? Self.blockColumns : columns.count
            for start in stride(from: columns.lowerBound, to: columns.upperBound, by: max(1, width)) {
                units.append(Unit(part: index, columns: start..<min(start + width, columns.upperBound)))
            }
        }
        statistics = Array(repeating: 0, count: units.count)
        totals = Array(repeating: Totals(), count: parts.count)
        isActive = Array(repeating: true, count: parts.count)
    }

    func clearTotals() {
        for index in totals.indices { totals[index] = Totals() }
    }

    /// Takes over the statistics of a checkpoint; ignored if they belong to other units.
    func restore(_ statistics: [Float]) {
        if statistics.count == self.statistics.count { self.statistics = statistics }
    }

    /// E with all units clipped and rescaled, until the next call with this context: `e` itself if there was nothing to clip.
    ///
    /// - Parameters:
    ///   - e: [rows, outputs].
    ///   - records: moves the running statistics on, and adds to the totals.
    func clip(_ e: UnsafePointer<Float>, rows: Int, records: Bool, _ compute: ComputeContext) -> UnsafePointer<Float> {
        guard rows > 0 else { return e }
        for index in units.indices { prepare(index) }
        findSums(e, rows: rows, compute)
        var isClipped = false
        for index in units.indices where isActive[units[index].part] {
            var total = Sums()
            for block in 0..<RowBlocks.count(rows) { total.add(sums[block * units.count + index]) }
            decide(index, total)
            isClipped = isClipped || units[index].isClipped
            if records {
                record(index, total, rows: rows)
                if clipping.threshold == .rms {
                    move(index, Float((total.squares / Double(rows * units[index].columns.count)).squareRoot()))
                }
            }
        }
        if records, clipping.threshold == .quantile { findQuantiles(e, rows: rows, compute) }
        guard isClipped else { return e }
        let result = compute.clippedMemory(floats: rows * outputs)
        let kernels = compute.kernels
        compute.pool.run(RowBlocks.count(rows)) { block, _ in
            for row in RowBlocks.rows(of: block, in: rows) {
                for unit in units { unit.write(e + row * outputs, into: result + row * outputs, kernels) }
            }
        }
        return UnsafePointer(result)
    }

    private func prepare(_ index: Int) {
        let statistic = clipping.threshold == .absolute ? 1 : statistics[index]
        let threshold = Float(clipping.limit) * statistic
        units[index].threshold = threshold > 0 && isActive[units[index].part] ? threshold : .infinity
        units[index].isClipped = false
        units[index].factor = 1
    }

    private func findSums(_ e: UnsafePointer<Float>, rows: Int, _ compute: ComputeContext) {
        let count = units.count
        let needed = RowBlocks.count(rows) * count
        let kernels = compute.kernels
        if sums.count < needed { sums = Array(repeating: Sums(), count: needed) }
        sums.withUnsafeMutableBufferPointer { sums in
            nonisolated(unsafe) let sums = sums
            compute.pool.run(RowBlocks.count(rows)) { block, _ in
                for index in 0..<count {
                    var total = Sums()
                    if isActive[units[index].part] {
                        for row in RowBlocks.rows(of: block, in: rows) {
                            units[index].sum(e + row * outputs, &total, kernels)
                        }
                    }
                    sums[block * count + index] = total
                }
            }
        }
    }

    /// Values that are not finite are left as they are, for others to find.
    private func decide(_ index: Int, _ total: Sums) {
        guard total.clipped > 0, total.squares.isFinite else { return }
        units[index].isClipped = true
        let factor =
            switch clipping.rescaling {
            case .off: 1.0
            case .norm: (total.squares / total.clippedSquares).squareRoot()
            case .sum: total.magnitudes / total.clippedMagnitudes
            }
        units[index].factor = factor.isFinite ? Float(factor) : 1
    }

    private func record(_ index: Int, _ total: Sums, rows: Int) {
        let unit = units[index]
        let factor = Double(unit.factor)
        totals[unit.part].values += rows * unit.columns.count
        totals[unit.part].clipped += unit.isClipped ? total.clipped : 0
        totals[unit.part].squares += total.squares
        let clipped = unit.isClipped ? total.clippedSquares : total.squares
        totals[unit.part].clippedSquares += clipped
        totals[unit.part].rescaledSquares += clipped * factor * factor
    }

    private func move(_ index: Int, _ value: Float) {
        guard value.isFinite, value > 0 else { return }
        let old = statistics[index]
        statistics[index] = old == 0 ? value : old + Float(1 - clipping.decay) * (value - old)
    }

    // MARK: Quantiles

    /// Bits of a magnitude that choose its bin: the exponent and 5 bits of the significand, so that a bin is 3 % wide.
    private static let binShift: UInt32 = 18
    private static let bins = 1 << 13

    /// The upper end of the bin in which the quantile lies, for each unit. Counts are integers: the order does not matter.
    private func findQuantiles(_ e: UnsafePointer<Float>, rows: Int, _ compute: ComputeContext) {
        let count = units.count
        if counts.count < count * Self.bins { counts = Array(repeating: 0, count: count * Self.bins) }
        counts.withUnsafeMutableBufferPointer { counts in
            nonisolated(unsafe) let counts = counts
            compute.pool.run(count) { index, _ in
                let histogram = counts.baseAddress! + index * Self.bins
                histogram.update(repeating: 0, count: Self.bins)
                for row in 0..<rows {
                    for column in units[index].columns {
                        histogram[Int(e[row * outputs + column].magnitude.bitPattern >> Self.binShift)] += 1
                    }
                }
            }
        }
        for index in units.indices where isActive[units[index].part] {
            let values = rows * units[index].columns.count
            let wanted = Int((Double(values) * clipping.quantile).rounded(.up))
            var seen = 0
            for bin in 0..<Self.bins {
                seen += Int(counts[index * Self.bins + bin])
                guard seen >= wanted else { continue }
                move(index, Float(bitPattern: UInt32(bin + 1) << Self.binShift))
                break
            }
        }
    }
}

fileprivate extension OutputGradientClipper.Sums {
    mutating func add(_ other: Self) {
        squares += other.squares
        clippedSquares += other.clippedSquares
        magnitudes += other.magnitudes
        clippedMagnitudes += other.clippedMagnitudes
        clipped += other.clipped
    }
}

fileprivate extension OutputGradientClipper.Unit {
    /// Adds the sums of the unit's columns of one row.
    func sum(_ row: UnsafePointer<Float>, _ sums: inout OutputGradientClipper.Sums, _ kernels: any KernelTable) {
        let found = kernels.clippingSums(row + columns.lowerBound, count: columns.count, threshold: threshold)
        sums.squares += Double(found.squares)
        sums.clippedSquares += Double(found.clippedSquares)
        sums.magnitudes += Double(found.magnitudes)
        sums.clippedMagnitudes += Double(found.clippedMagnitudes)
        sums.clipped += found.clipped
    }

    /// The unit's columns of one row, clipped and rescaled.
    func write(
        _ row: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>, _ kernels: any KernelTable
    ) {
        let start = columns.lowerBound
        guard isClipped else {
            (target + start).update(from: row + start, count: columns.count)
            return
        }
        kernels.clip(row + start, into: target + start, count: columns.count, threshold: threshold, factor: factor)
    }
}
