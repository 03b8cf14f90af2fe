import KernelInterface

/// `ReferenceQuantizer` at work on one operand, tile by tile.
struct QuantizationPass {
    struct Output {
        var codes: UnsafeMutableBufferPointer<UInt8>
        var scales: UnsafeMutableBufferPointer<Float>
        var scaleCodes: UnsafeMutableBufferPointer<UInt8>
        var dequantized: UnsafeMutableBufferPointer<Float>
    }

    private let format: BlockFormat
    private let random: QuantizationRandom
    private let operand: MatrixView
    private let geometry: BlockGeometry
    private let pool: WorkerPool?
    private let tiles: TileGrid
    private let transform: HadamardTransform?
    /// nil for formats without scales.
    private let grid: ElementGrid?
    private let rule: BlockScaleRule
    /// |y| beyond this counts as saturated: rounding of scales alone takes no value there.
    private let saturationLimit: Float
    /// The largest magnitude of each row, or of the one block that is the whole operand.
    private let wideAmax: [Float]

    /// Takes the first pass over the operand where scales depend on more than a tile.
    init(
        _ format: BlockFormat, _ random: QuantizationRandom, _ operand: MatrixView, _ geometry: BlockGeometry,
        _ pool: WorkerPool?
    ) {
        self.format = format
        self.random = random
        self.operand = operand
        self.geometry = geometry
        self.pool = pool
        let hasScales = format.unscaled == nil
        grid = hasScales ? ElementGrid(format.element) : nil
        saturationLimit = Float(Double(format.element.maximum) * (1 + 0x1p-20))
        let transform = hasScales ? format.hadamard.map { HadamardTransform($0, random) } : nil
        self.transform = transform
        let tiles = TileGrid(geometry)
        self.tiles = tiles

        let needsRows = hasScales && format.block == .row
        let needsTensor = hasScales && (format.block == .tensor || format.scale == .e4m3)
        var rowAmax: [Float] = []
        if needsRows || needsTensor {
            rowAmax = Self.rowAmax(operand, geometry, tiles, transform, pool)
        }
        let tensorAmax = rowAmax.reduce(0, Self.larger)
        wideAmax = format.block == .tensor ? [tensorAmax] : rowAmax
        rule = BlockScaleRule(format, tensorAmax: tensorAmax)
    }

    /// The scale of the tensor, for formats with E4M3 scales.
    var tensorScale: Float? { grid != nil && format.scale == .e4m3 ? rule.tensorScale : nil }

    /// - Parameter output: where the result goes; nil for its health alone.
    func run(_ output: Output?) -> QuantizationHealth {
        var parts = Array(repeating: QuantizationHealth(), count: tiles.count)
        parts.withUnsafeMutableBufferPointer { parts in
            Self.forEach(tiles.count, pool) { parts[$0] = quantize(tiles[$0], output) }
        }
        var health = QuantizationHealth()
        for part in parts { health.add(part) }
        health.storedBits = format.storedBits(geometry)
        return health
    }

    // MARK: Tiles

    private func quantize(_ tile: TileGrid.Tile, _ output: Output?) -> QuantizationHealth {
        let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: tile.count)
        defer { values.deallocate() }
        Self.load(tile, of: operand, geometry, transform, values)
        var health = QuantizationHealth()
        health.count = tile.rows.count * tile.columns.clamped(to: 0..<operand.columns).count
        guard let grid else {
            round(tile, values, output, &health)
            return health
        }
        let rows = min(geometry.blockRows, tile.rows.count)
        let columns = min(geometry.blockColumns, tile.columns.count)
        var correction: Float = 1
        for row in stride(from: tile.rows.lowerBound, to: tile.rows.upperBound, by: rows) {
            for column in stride(from: tile.columns.lowerBound, to: tile.columns.upperBound, by: columns) {
                let block = Block(
                    values: values, width: tile.columns.count, corner: (tile.rows.lowerBound, tile.columns.lowerBound),
                    rows: row..<min(row + rows, tile.rows.upperBound),
                    columns: column..<min(column + columns, tile.columns.upperBound))
                if format.eden, let size = format.hadamard?.size, column % size == 0 {
                    correction = self.correction(of: block, group: column..<column + size, grid)
                }
                quantize(block, correction, grid, output, &health)
            }
        }
        return health
    }

    /// Formats without scales.
    private func round(
        _ tile: TileGrid.Tile, _ values: UnsafeMutableBufferPointer<Float>, _ output: Output?,
        _ health: inout QuantizationHealth
    ) {
        for (offset, x) in values.enumerated() {
            let rounded = format.element.nearest(x)
            if let output {
                let (row, column) = offset.quotientAndRemainder(dividingBy: tile.columns.count)
                let index = (tile.rows.lowerBound + row) * geometry.paddedDepth + tile.columns.lowerBound + column
                output.dequantized[index] = rounded
            }
            if x.isFinite {
                health.record(x, rounded)
                if rounded == 0 && x != 0 { health.underflowed += 1 }
            } else {
                health.nonFinite += 1
            }
        }
    }

    // MARK: Blocks

    /// A block, or the part of it that lies in a tile.
    private struct Block {
        /// The tile's values.
        var values: UnsafeMutableBufferPointer<Float>
        /// Values in a row of the tile.
        var width: Int
        /// Row and column of the tile's first value.
        var corner: (row: Int, column: Int)
        var rows: Range<Int>
        var columns: Range<Int>

        func value(_ row: Int, _ column: Int) -> Float {
            values[(row - corner.row) * width + column - corner.column]
        }
    }

    /// - Parameter correction: of MS-EDEN, for the scales of the block's group.
    private func quantize(
        _ block: Block, _ correction: Float, _ grid: ElementGrid, _ output: Output?, _ health: inout QuantizationHealth
    ) {
        let amax =
            switch format.block {
            case .tensor: wideAmax[0]
            case .row: wideAmax[block.rows.lowerBound]
            case .vector, .square: format.usesDeviation ? deviationMagnitude(block) : amax(block)
            }
        var scale = scale(block, amax, grid)
        if format.eden {
            let bits = random.bits(row: block.rows.lowerBound, column: block.columns.lowerBound)
            scale = rule.corrected(scale, by: correction, random: bits)
        }
        let isFinite = !scale.scale.isNaN
        for row in block.rows {
            for column in block.columns {
                let x = block.value(row, column)
                let index = row * geometry.paddedDepth + column
                guard isFinite else {
                    output?.dequantized[index] = .nan
                    if column < operand.columns { health.nonFinite += 1 }
                    continue
                }
                let y = x * scale.encodeFactor
                if y.magnitude > saturationLimit { health.saturated += 1 }
                let limited = min(max(y, -grid.maximum), grid.maximum)
                let q =
                    switch format.rounding {
                    case .nearest: grid.nearest(limited)
                    case .stochastic: grid.stochastic(limited, random: random.bits(row: row, column: column))
                    }
                let dequantized = q == 0 ? 0 : q * scale.scale
                if q == 0 && x != 0 && column < operand.columns { health.underflowed += 1 }
                health.record(x, dequantized)
                if let output {
                    output.codes[index] = grid.code(q)
                    output.dequantized[index] = dequantized
                }
            }
        }
        let isFirstPart =
            block.rows.lowerBound % geometry.blockRows == 0 && block.columns.lowerBound % geometry.blockColumns == 0
        if let output, isFirstPart {
            let index = geometry.block(row: block.rows.lowerBound, column: block.columns.lowerBound)
            output.scales[index] = scale.scale
            if !output.scaleCodes.isEmpty { output.scaleCodes[index] = scale.code }
        }
    }

    private func scale(_ block: Block, _ amax: Float, _ grid: ElementGrid) -> BlockScale {
        let six = rule.scale(amax: amax)
        guard format.fourOverSix, six.scale.isFinite else { return six }
        let four = rule.scale(amax: amax, enlargement: 1.5)
        return squaredError(block, four, grid) < squaredError(block, six, grid) ? four : six
    }

    private func amax(_ block: Block) -> Float {
        var amax: Float = 0
        for row in block.rows {
            for column in block.columns { amax = Self.larger(amax, block.value(row, column)) }
        }
        return amax
    }

    /// 2.92247856 times the standard deviation of a block of one row; amax where the values are all the same, or one is not
    /// finite. Computed on values near 1, so that no square overflows or vanishes.
    private func deviationMagnitude(_ block: Block) -> Float {
        let amax = amax(block)
        guard amax.isFinite, amax > 0 else { return amax }
        let row = block.rows.lowerBound
        let exponent = min(max(amax.bitPattern >> 23, 1), 253)
        let factor = Float(bitPattern: (254 - exponent) << 23)
        let inverseCount = 1 / Float(block.columns.count)
        var sum: Float = 0
        for column in block.columns { sum += block.value(row, column) * factor }
        let mean = sum * inverseCount
        var squares: Float = 0
        for column in block.columns {
            let difference = block.value(row, column) * factor - mean
            squares = squares.addingProduct(difference, difference)
        }
        let deviation = (squares * inverseCount).squareRoot() * 2.922_478_6
        guard deviation > 0 else { return amax }
        return min(deviation * Float(bitPattern: exponent << 23), .greatestFiniteMagnitude)
    }

    /// Σy² / Σ(y · q) over the group of a Hadamard transform in a block's row, where y = x · r and q is y rounded: 1 if there
    /// is no such number.
    private func correction(of block: Block, group: Range<Int>, _ grid: ElementGrid) -> Float {
        let row = block.rows.lowerBound
        var (squares, products): (Float, Float) = (0, 0)
        for start in stride(from: group.lowerBound, to: group.upperBound, by: geometry.blockColumns) {
            var part = block
            part.columns = start..<start + geometry.blockColumns
            let encodeFactor = rule.scale(amax: amax(part)).encodeFactor
            for column in part.columns {
                let y = block.value(row, column) * encodeFactor
                let q = grid.nearest(min(max(y, -grid.maximum), grid.maximum))
                squares = squares.addingProduct(y, y)
                products = products.addingProduct(y, q)
            }
        }
        return products > 0 ? squares / products : 1
    }

    /// Σ(x − q · s)² with rounding to nearest: row by row, each in 16 lanes that take every 16th column and are then added
    /// pairwise, as the vector kernels do.
    private func squaredError(_ block: Block, _ scale: BlockScale, _ grid: ElementGrid) -> Float {
        var total: Float = 0
        for row in block.rows {
            var lanes = splat(0)
            for column in block.columns {
                let x = block.value(row, column)
                let limited = min(max(x * scale.encodeFactor, -grid.maximum), grid.maximum)
                let error = x - grid.nearest(limited) * scale.scale
                lanes[column % 16] = lanes[column % 16].addingProduct(error, error)
            }
            total += sum(lanes)
        }
        return total
    }

    // MARK: Values and magnitudes

    /// The transformed values of a tile, row-major, zeros where the depth is padded.
    private static func load(
        _ tile: TileGrid.Tile, of operand: MatrixView, _ geometry: BlockGeometry, _ transform: HadamardTransform?,
        _ values: UnsafeMutableBufferPointer<Float>
    ) {
        var index = 0
        for row in tile.rows {
            for column in tile.columns {
                let isPadding = column >= operand.columns
                values[index] =
                    isPadding ? 0 : operand.base[row * operand.rowStride + column * operand.columnStride]
                index += 1
            }
        }
        // Every row of a tile is whole groups.
        transform?.apply(values)
    }

    /// The largest magnitude of each row; infinity or NaN if the row holds one.
    private static func rowAmax(
        _ operand: MatrixView, _ geometry: BlockGeometry, _ tiles: TileGrid, _ transform: HadamardTransform?,
        _ pool: WorkerPool?
    ) -> [Float] {
        // Tiles may share rows, so each has a place of its own for its rows.
        var parts = Array(repeating: Float(0), count: geometry.extent * tiles.across)
        parts.withUnsafeMutableBufferPointer { parts in
            forEach(tiles.count, pool) { index in
                let tile = tiles[index]
                let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: tile.count)
                defer { values.deallocate() }
                load(tile, of: operand, geometry, transform, values)
                for row in tile.rows {
                    let start = (row - tile.rows.lowerBound) * tile.columns.count
                    let amax = values[start..<start + tile.columns.count].reduce(0, larger)
                    parts[row * tiles.across + index % tiles.across] = amax
                }
            }
        }
        return (0..<geometry.extent).map { row in
            parts[row * tiles.across..<(row + 1) * tiles.across].reduce(0, larger)
        }
    }

    /// The larger magnitude. NaN counts as larger than infinity, infinity as larger than every number: so are their bits.
    private static func larger(_ a: Float, _ b: Float) -> Float {
        Float(bitPattern: max(a.magnitude.bitPattern, b.magnitude.bitPattern))
    }

    private static func forEach(_ count: Int, _ pool: WorkerPool?, _ body: (Int) -> Void) {
        if let pool {
            pool.run(count) { index, _ in body(index) }
        } else {
            for index in 0..<count { body(index) }
        }
    }
}

extension QuantizationHealth {
    fileprivate mutating func record(_ x: Float, _ dequantized: Float) {
        let (x, dequantized) = (Double(x), Double(dequantized))
        amax = max(amax, Float(x.magnitude))
        squareSum += x * x
        errorSquareSum += (x - dequantized) * (x - dequantized)
        productSum += x * dequantized
    }
}

/// An operand in tiles of some ten thousand values that hold whole blocks, or whole blocks' parts in whole rows.
private struct TileGrid {
    struct Tile {
        var rows: Range<Int>
        var columns: Range<Int>
        var count: Int { rows.count * columns.count }
    }

    /// Tiles beside each other.
    let across: Int
    let count: Int
    private let geometry: BlockGeometry
    private let height: Int

    /// A multiple of every block's and every Hadamard transform's size.
    private static let width = 2048
    private static let values = 32_768

    init(_ geometry: BlockGeometry) {
        self.geometry = geometry
        across = (geometry.paddedDepth + Self.width - 1) / Self.width
        let rows = Self.values / max(1, min(geometry.paddedDepth, Self.width))
        // Wide blocks are as good in parts as whole.
        let blockRows = geometry.blockRows <= 128 ? geometry.blockRows : 1
        height = max(1, rows / blockRows) * blockRows
        count = across * ((geometry.extent + height - 1) / height)
    }

    subscript(index: Int) -> Tile {
        let row = index / across * height
        let column = index % across * Self.width
        return Tile(
            rows: row..<min(row + height, geometry.extent),
            columns: column..<min(column + Self.width, geometry.paddedDepth))
    }
}
