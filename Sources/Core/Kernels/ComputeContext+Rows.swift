import KernelInterface

/// By what the gradient of an operand is multiplied, element by element, for how the operand was quantized.
struct GradientFactors {
    /// Zero where |x / s| is at least the element format's maximum.
    var masksSaturated: Bool
    /// For E2M1: f′ of the position in an interval of the grid.
    var estimator: LinearTechniques.GradientEstimator?

    /// Of a tile.
    ///
    /// - Parameters:
    ///   - y: x / s; becomes the factors.
    ///   - scratch: as much memory.
    fileprivate func replace(
        _ y: WriteRow, count: Int, _ element: ElementFormat, _ scratch: WriteRow, _ kernels: any KernelTable
    ) {
        let maximum = masksSaturated ? element.maximum : .infinity
        guard let estimator, case .e2m1 = element else {
            for index in 0..<count { y[index] = abs(y[index]) >= maximum ? 0 : 1 }
            return
        }
        // |2x/δ − 1|^(1/k − 1) as an exponential; in the middle, where it is infinite, it is large enough.
        let exponent = Float(1 / estimator.k - 1)
        for index in 0..<count {
            let magnitude = min(abs(y[index]), element.maximum)
            let steps = magnitude < 2 ? 2 * magnitude : magnitude < 4 ? magnitude : magnitude * 0.5
            let position = abs(2 * (steps - steps.rounded(.down)) - 1)
            scratch[index] = exponent * naturalLogarithm(max(position, 0x1p-100))
        }
        kernels.exp(scratch, into: scratch, count: count)
        let (limit, factor) = (Float(estimator.limit), Float(1 / estimator.k))
        for index in 0..<count {
            y[index] = abs(y[index]) >= maximum ? 0 : min(limit, scratch[index] * factor)
        }
    }
}

/// Matrices of floats that the techniques of a linear need besides its products.
extension ComputeContext {
    /// Quantizes and dequantizes a matrix, in parallel: x̂ as the GEMM that has it for an operand would use it. With a Hadamard
    /// transform in the format, of the transformed values.
    /// - Parameters:
    ///   - view: [rows, depth], rows contiguous; the reduction axis is the columns.
    ///   - average: see `gemm`.
    ///   - values: [rows, paddedDepth]; nil: not wanted.
    ///   - factors: [rows, paddedDepth], and the rule for them; nil: not wanted.
    func quantize(
        _ view: MatrixView, _ format: BlockFormat, random: QuantizationRandom, average: MatrixView? = nil,
        into values: WriteRow?, factors: (into: WriteRow, rule: GradientFactors)? = nil
    ) {
        precondition(view.columnStride == 1)
        let depth = format.paddedDepth(view.columns)
        if let unscaled = format.unscaled {
            pool.run(view.rows) { row, _ in
                let source = view.base + row * view.rowStride
                if let values {
                    switch unscaled {
                    case .fp32: (values + row * depth).update(from: source, count: depth)
                    case .bf16: kernels.roundToBF16(source, into: values + row * depth, count: depth)
                    }
                }
                if let factors { kernels.fill(factors.into + row * depth, with: 1, count: depth) }
            }
            return
        }
        let quantizer = rowQuantizer(view, format, random: random, average: average)
        let settings = quantizer.settings
        pool.run((view.rows + 15) / 16) { strip, lane in
            let scratch = scratch[lane]
            let rows = min(16, view.rows - strip * 16)
            var (amax, health) = (Int32(0), QuantizationHealth())
            func write(_ words: UnsafeMutableRawPointer, _ target: WriteRow, _ start: Int) {
                kernels.writeRows(
                    UnsafePointer(words.assumingMemoryBound(to: UInt32.self)), count: quantizer.length(at: start),
                    rows: rows, into: UnsafeMutableRawPointer(target + strip * 16 * depth + start),
                    rowStride: depth * 4)
            }
            for start in stride(from: 0, to: depth, by: QuantizerTile.depth) {
                let length = quantizer.length(at: start)
                let isFinite = quantizer.prepare(strip: strip, start: start, scratch, &amax, &health)
                if let factors {
                    let y = scratch.words.assumingMemoryBound(to: Float.self)
                    for k in 0..<length {
                        let encodes = scratch.encodes + k / settings.blockLength * 16
                        for row in 0..<16 { y[k * 16 + row] = scratch.tile[k * 16 + row] * encodes[row] }
                    }
                    factors.rule.replace(y, count: length * 16, format.element, scratch.floats, kernels)
                    write(scratch.words, factors.into, start)
                }
                guard let values else { continue }
                quantizer.followAverage(strip: strip, start: start, scratch)
                scratch.sums[0] = QuantizationSums()
                kernels.encodeFloats(
                    scratch.tile, depth: length, valid: length, scales: scratch.scales, encodes: scratch.encodes,
                    uniforms: settings.isStochastic ? UnsafePointer(scratch.uniforms) : nil, settings,
                    dequantizes: true, into: scratch.floats, targetStride: 16, sums: scratch.sums,
                    next: NextTile(
                        view.base + strip * 16 * view.rowStride + start + QuantizerTile.depth, across: view.rowStride,
                        along: 1))
                if !isFinite { quantizer.spreadNaN(scratch.floats, stride: 16, length: length, scratch) }
                write(UnsafeMutableRawPointer(scratch.floats), values, start)
            }
        }
    }

    /// Multiplies a gradient by factors, undoes the Hadamard transform, and stores the result or adds it, in parallel.
    /// - Parameters:
    ///   - gradient: [rows, depth], where depth is filled up for the transform.
    ///   - isTransformed: the gradient is that of transformed values. Else its columns from `columns` on are not read, and it
    ///     is transformed for the sake of the factors.
    ///   - factors: [rows, depth]; nil: 1.
    ///   - target: [rows, columns], with `rowStride` floats from one row to the next.
    func finishGradient(
        _ gradient: ReadRow, rows: Int, depth: Int, isTransformed: Bool, factors: ReadRow?,
        hadamard: BlockFormat.Hadamard?, random: QuantizationRandom, into target: WriteRow, columns: Int,
        rowStride: Int, accumulate: Bool
    ) {
        let signs = hadamard.map { random.signs($0.signs) } ?? .zero
        pool.run((rows + 15) / 16) { strip, lane in
            let scratch = scratch[lane]
            let first = strip * 16
            let count = min(16, rows - first)
            for start in stride(from: 0, to: depth, by: QuantizerTile.depth) {
                let length = min(QuantizerTile.depth, depth - start)
                let wanted = max(0, min(length, columns - start))
                kernels.loadTile(
                    gradient + first * depth + start, across: depth, along: 1, rows: count,
                    depth: isTransformed ? length : wanted, padded: length, ahead: QuantizerTile.depth,
                    into: scratch.tile)
                if !isTransformed, let hadamard {
                    kernels.hadamard(scratch.tile, depth: length, size: hadamard.size, signs: signs)
                }
                if let factors {
                    kernels.loadTile(
                        factors + first * depth + start, across: depth, along: 1, rows: count, depth: length,
                        padded: length, ahead: QuantizerTile.depth, into: scratch.uniforms)
                    for index in 0..<length * 16 { scratch.tile[index] *= scratch.uniforms[index] }
                }
                if let hadamard {
                    // The transform without signs is its own inverse.
                    kernels.hadamard(scratch.tile, depth: length, size: hadamard.size, signs: .zero)
                    for k in 0..<length {
                        let place = k % hadamard.size
                        if signs[place / 32] >> UInt32(place % 32) & 1 == 1 {
                            kernels.scale(scratch.tile + k * 16, by: -1, count: 16)
                        }
                    }
                }
                kernels.writeRows(
                    UnsafePointer(UnsafeRawPointer(scratch.tile).assumingMemoryBound(to: UInt32.self)), count: length,
                    rows: count, into: UnsafeMutableRawPointer(scratch.floats), rowStride: QuantizerTile.depth * 4)
                for row in 0..<count {
                    let line = scratch.floats + row * QuantizerTile.depth
                    let destination = target + (first + row) * rowStride + start
                    if accumulate {
                        kernels.accumulate(line, into: destination, count: wanted)
                    } else {
                        destination.update(from: line, count: wanted)
                    }
                }
            }
        }
    }

    // MARK: Outliers

    /// The values of rank n − ⌈q·n⌉ and ⌈q·n⌉ − 1 in ascending order: the quantiles 1 − q and q of x[n]; NaN counts as larger
    /// than infinity, or with a sign as smaller than minus infinity.
    func quantiles(_ x: ReadRow, count: Int, _ q: Double) -> ClosedRange<Float>? {
        guard count > 0 else { return nil }
        let rank = min(count, max(1, Int((q * Double(count)).rounded(.up))))
        let (low, high) = (select(x, count: count, rank: count - rank), select(x, count: count, rank: rank - 1))
        return low <= high ? low...high : nil
    }

    /// The lowest bits of the three digits of a float's bits.
    private static let places: [UInt32] = [21, 10, 0]

    /// The value of a rank, from 0, in ascending order: found digit by digit, from counts that no thread changes.
    private func select(_ x: ReadRow, count: Int, rank: Int) -> Float {
        let block = 1 << 14
        let blocks = (count + block - 1) / block
        var (known, mask, rest) = (UInt32(0), UInt32(0), rank)
        for place in Self.places.indices {
            let shift = Self.places[place]
            let digits = place == 2 ? 1 << 10 : 1 << 11
            for lane in scratch.indices { counts(lane).update(repeating: 0, count: digits) }
            let (prefix, prefixMask) = (known, mask)
            pool.run(blocks) { index, lane in
                let counts = counts(lane)
                for at in index * block..<min(count, (index + 1) * block) {
                    let key = Self.orderedBits(x[at])
                    if key & prefixMask == prefix { counts[Int(key >> shift) & (digits - 1)] += 1 }
                }
            }
            var digit = 0
            while true {
                var total = 0
                for lane in scratch.indices { total += Int(counts(lane)[digit]) }
                if rest < total { break }
                rest -= total
                digit += 1
            }
            known |= UInt32(digit) << shift
            mask |= UInt32(digits - 1) << shift
        }
        return Float(bitPattern: known >> 31 == 1 ? known & 0x7FFF_FFFF : ~known)
    }

    /// A lane's memory for 2048 counts.
    private func counts(_ lane: Int) -> UnsafeMutablePointer<UInt32> {
        scratch[lane].words.assumingMemoryBound(to: UInt32.self)
    }

    /// Bits that ascend as the numbers do.
    private static func orderedBits(_ x: Float) -> UInt32 {
        let bits = x.bitPattern
        return bits >> 31 == 1 ? ~bits : bits | 0x8000_0000
    }

    /// y = x limited to the range, in parallel. NaN stays NaN.
    func clamp(_ x: ReadRow, count: Int, to range: ClosedRange<Float>, into y: WriteRow) {
        let block = 1 << 14
        pool.run((count + block - 1) / block) { index, _ in
            for at in index * block..<min(count, (index + 1) * block) { y[at] = range.limit(x[at]) }
        }
    }

    /// Y += ΔX·Wᵀ, in parallel, where ΔX is what limiting x to the range takes away, most of it zeros: ΔX and W are rounded
    /// to bfloat16, and each element of Y is one chain of fused multiply-adds over the non-zero ones of ΔX.
    /// - Parameters:
    ///   - x: [rows, depth]
    ///   - weight: [outputs, depth]
    ///   - transposed: memory for [depth, outputs].
    ///   - y: [rows, outputs], with `rowStride` floats from one row to the next.
    func addOutliers(
        _ x: ReadRow, rows: Int, depth: Int, beyond range: ClosedRange<Float>, weight: ReadRow, outputs: Int,
        transposed: WriteRow, into y: WriteRow, rowStride: Int
    ) {
        let square = 64
        pool.run((outputs + square - 1) / square) { index, _ in
            let columns = index * square..<min(outputs, (index + 1) * square)
            for start in stride(from: 0, to: depth, by: square) {
                for output in columns {
                    for k in start..<min(depth, start + square) {
                        transposed[k * outputs + output] = bf16(weight[output * depth + k])
                    }
                }
            }
        }
        pool.run(RowBlocks.count(rows)) { block, _ in
            for row in RowBlocks.rows(of: block, in: rows) {
                for k in 0..<depth {
                    let value = x[row * depth + k]
                    let outlier = value - range.limit(value)
                    if outlier == 0 || outlier.isNaN { continue }
                    kernels.axpy(bf16(outlier), transposed + k * outputs, into: y + row * rowStride, count: outputs)
                }
            }
        }
    }
}

extension ClosedRange<Float> {
    /// NaN stays NaN.
    fileprivate func limit(_ x: Float) -> Float {
        x < lowerBound ? lowerBound : x > upperBound ? upperBound : x
    }
}
