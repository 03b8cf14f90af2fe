#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The attention core: causal softmax(Q·Kᵀ/√headWidth)·V for grouped-query heads.
///
/// Works on blocks of queries that stay in the cache and keeps only the log of each softmax's sum, as FlashAttention
/// does (Dao et al., arXiv 2205.14135): backward computes the probabilities again. One task serves one key-value head of
/// one sequence with all query heads that share it, so no two threads add to the same gradient.
struct AttentionCore {
    /// Queries in a block.
    private static let blockRows = 48

    private let heads: Int
    private let keyValueHeads: Int
    private let headWidth: Int
    private let context: Int
    private let scale: Float
    /// Distance between the rows of the q|k|v buffer.
    private let stride: Int
    private let scratch: Scratch

    /// Places for packed operands and blocks of scores, for each lane.
    private struct Scratch {
        let keys: Slots
        let keysTransposed: Slots
        let values: Slots
        let left: Slots
        let right: Slots
        let square: Slots
        let scores: UnsafeMutablePointer<Float>
        let gradients: UnsafeMutablePointer<Float>
        let deltas: UnsafeMutablePointer<Float>
    }

    /// One piece of memory a lane.
    private struct Slots {
        private let base: UnsafeMutablePointer<UInt8>
        private let bytes: Int

        init(_ layouts: [PackedLayout], lanes: Int, in arena: inout Arena.Layout) {
            bytes = (layouts.map(\.byteCount).max()! + 63) & ~63
            base = arena.reserve(lanes * bytes, of: UInt8.self)
        }

        subscript(lane: Int) -> UnsafeMutableRawPointer { UnsafeMutableRawPointer(base + lane * bytes) }
    }

    init(_ model: ModelConfiguration, _ compute: ComputeContext, in arena: inout Arena.Layout) {
        heads = model.heads
        keyValueHeads = model.keyValueHeads
        headWidth = model.headWidth
        context = model.context
        scale = 1 / Float(headWidth).squareRoot()
        stride = model.attentionWidth
        let (headWidth, context) = (headWidth, context)
        let lanes = compute.pool.lanes
        let rows = Self.blockRows
        func slots(_ layouts: (UnscaledFormat) -> [PackedLayout], in arena: inout Arena.Layout) -> Slots {
            Slots(UnscaledFormat.allCases.flatMap(layouts), lanes: lanes, in: &arena)
        }
        func tall(_ format: UnscaledFormat) -> [PackedLayout] {
            [compute.rightLayout(columns: headWidth, depth: context, format: format)]
        }
        func wide(_ format: UnscaledFormat) -> [PackedLayout] {
            [compute.rightLayout(columns: context, depth: headWidth, format: format)]
        }
        scratch = Scratch(
            keys: slots(tall, in: &arena), keysTransposed: slots(wide, in: &arena),
            values: slots({ tall($0) + wide($0) }, in: &arena),
            left: slots({ [compute.leftLayout(rows: rows, depth: headWidth, format: $0)] }, in: &arena),
            right: slots({ [compute.rightLayout(columns: headWidth, depth: rows, format: $0)] }, in: &arena),
            square: slots(
                {
                    [
                        compute.leftLayout(rows: rows, depth: context, format: $0),
                        compute.leftLayout(rows: context, depth: rows, format: $0),
                    ]
                }, in: &arena),
            scores: arena.reserve(lanes * rows * context), gradients: arena.reserve(lanes * rows * context),
            deltas: arena.reserve(lanes * rows))
    }

    /// Attention of `sequences` sequences of `length` tokens.
    ///
    /// - Parameters:
    ///   - qkv: [sequences·length, width + 2·keyValueWidth], queries, keys and values side by side.
    ///   - output: [sequences·length, width], heads side by side.
    ///   - logSums: [sequences, heads, length], logarithm of each softmax's sum.
    func forward(
        _ qkv: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>, logSums: UnsafeMutablePointer<Float>,
        sequences: Int, length: Int, format: UnscaledFormat, _ compute: ComputeContext
    ) {
        let width = heads * headWidth
        let group = heads / keyValueHeads
        compute.pool.run(sequences * keyValueHeads) { task, lane in
            let (sequence, keyHead) = task.quotientAndRemainder(dividingBy: keyValueHeads)
            let base = qkv + sequence * length * stride
            let keys = base + width + keyHead * headWidth
            let values = keys + keyValueHeads * headWidth
            let scores = scratch.scores + lane * Self.blockRows * context
            let packedKeys = compute.packRight(
                headView(keys, length).transposed, format: format, into: scratch.keysTransposed[lane])
            let packedValues = compute.packRight(headView(values, length), format: format, into: scratch.values[lane])
            for head in keyHead * group..<(keyHead + 1) * group {
                let queries = base + head * headWidth
                let logSum = logSums + (sequence * heads + head) * length
                for start in Swift.stride(from: 0, to: length, by: Self.blockRows) {
                    let rows = min(Self.blockRows, length - start)
                    let end = start + rows
                    let packedQueries = compute.packLeft(
                        headView(queries + start * stride, rows), format: format, into: scratch.left[lane])
                    compute.multiplyPacked(
                        packedQueries, packedKeys, rows: rows, columns: end, depth: headWidth, into: scores,
                        rowStride: context)
                    for row in 0..<rows {
                        let visible = start + row + 1
                        let line = scores + row * context
                        logSum[start + row] = compute.kernels.softmax(line, scale: scale, count: visible)
                        (line + visible).update(repeating: 0, count: end - visible)
                    }
                    let probabilities = compute.packLeft(
                        MatrixView(scores, rows: rows, columns: end, rowStride: context), format: format,
                        into: scratch.square[lane])
                    compute.multiplyPacked(
                        probabilities, packedValues, rows: rows, columns: headWidth, depth: end,
                        into: output + (sequence * length + start) * width + head * headWidth, rowStride: width)
                }
            }
        }
    }

    /// Gradients of queries, keys and values, side by side as in `qkv`.
    ///
    /// - Parameters:
    ///   - output, logSums: what `forward` returned.
    ///   - outputGradient: [sequences·length, width].
    ///   - gradient: [sequences·length, width + 2·keyValueWidth], overwritten.
    func backward(
        _ qkv: UnsafePointer<Float>, output: UnsafePointer<Float>, logSums: UnsafePointer<Float>,
        outputGradient: UnsafePointer<Float>, into gradient: UnsafeMutablePointer<Float>, sequences: Int, length: Int,
        format: UnscaledFormat, _ compute: ComputeContext
    ) {
        let width = heads * headWidth
        let group = heads / keyValueHeads
        compute.pool.run(sequences * keyValueHeads) { task, lane in
            let (sequence, keyHead) = task.quotientAndRemainder(dividingBy: keyValueHeads)
            let base = qkv + sequence * length * stride
            let gradientBase = gradient + sequence * length * stride
            let keyOffset = width + keyHead * headWidth
            let valueOffset = keyOffset + keyValueHeads * headWidth
            let scores = scratch.scores + lane * Self.blockRows * context
            let scoreGradients = scratch.gradients + lane * Self.blockRows * context
            let deltas = scratch.deltas + lane * Self.blockRows
            let keys = headView(base + keyOffset, length)
            let values = headView(base + valueOffset, length)
            let keysTransposed = compute.packRight(
                keys.transposed, format: format, into: scratch.keysTransposed[lane])
            let packedKeys = compute.packRight(keys, format: format, into: scratch.keys[lane])
            let valuesTransposed = compute.packRight(values.transposed, format: format, into: scratch.values[lane])
            for row in 0..<length {
                (gradientBase + row * stride + keyOffset).update(repeating: 0, count: headWidth)
                (gradientBase + row * stride + valueOffset).update(repeating: 0, count: headWidth)
            }
            for head in keyHead * group..<(keyHead + 1) * group {
                let logSum = logSums + (sequence * heads + head) * length
                for start in Swift.stride(from: 0, to: length, by: Self.blockRows) {
                    let rows = min(Self.blockRows, length - start)
                    let end = start + rows
                    let queries = headView(base + head * headWidth + start * stride, rows)
                    let at = (sequence * length + start) * width + head * headWidth
                    let outputRows = MatrixView(
                        outputGradient + at, rows: rows, columns: headWidth, rowStride: width)
                    compute.multiplyPacked(
                        compute.packLeft(queries, format: format, into: scratch.left[lane]), keysTransposed,
                        rows: rows, columns: end, depth: headWidth, into: scores, rowStride: context)
                    compute.multiplyPacked(
                        compute.packLeft(outputRows, format: format, into: scratch.left[lane]), valuesTransposed,
                        rows: rows, columns: end, depth: headWidth, into: scoreGradients, rowStride: context)
                    // One after the other: the output comes from memory, and short rows wait for it together.
                    for row in 0..<rows {
                        deltas[row] = compute.kernels.dot(
                            outputGradient + at + row * width, output + at + row * width, count: headWidth)
                    }
                    for row in 0..<rows {
                        let visible = start + row + 1
                        let line = scores + row * context
                        let gradientLine = scoreGradients + row * context
                        compute.kernels.softmaxBackward(
                            scores: line, dP: gradientLine, logSumExp: logSum[start + row], delta: deltas[row],
                            scale: scale,
                            count: visible)
                        (line + visible).update(repeating: 0, count: end - visible)
                        (gradientLine + visible).update(repeating: 0, count: end - visible)
                    }
                    let probabilities = MatrixView(scores, rows: rows, columns: end, rowStride: context)
                    let differences = MatrixView(scoreGradients, rows: rows, columns: end, rowStride: context)
                    compute.multiplyPacked(
                        compute.packLeft(differences, format: format, into: scratch.square[lane]), packedKeys,
                        rows: rows, columns: headWidth, depth: end,
                        into: gradientBase + start * stride + head * headWidth, rowStride: stride)
                    compute.multiplyPacked(
                        compute.packLeft(differences.transposed, format: format, into: scratch.square[lane]),
                        compute.packRight(queries, format: format, into: scratch.right[lane]), rows: end,
                        columns: headWidth, depth: rows, into: gradientBase + keyOffset, rowStride: stride,
                        accumulate: true)
                    compute.multiplyPacked(
                        compute.packLeft(probabilities.transposed, format: format, into: scratch.square[lane]),
                        compute.packRight(outputRows, format: format, into: scratch.right[lane]), rows: end,
                        columns: headWidth, depth: rows, into: gradientBase + valueOffset, rowStride: stride,
                        accumulate: true)
                }
            }
        }
    }

    /// The mean entropy of the attention of all heads and tokens, nats: how far a token's attention is spread. A uniform
    /// softmax over n tokens has ln n.
    ///
    /// - Parameters:
    ///   - qkv, logSums: as `forward` had and left them.
    ///   - partials: [sequences·keyValueHeads], for sums.
    func entropy(
        _ qkv: UnsafePointer<Float>, logSums: UnsafePointer<Float>, partials: UnsafeMutablePointer<Double>,
        sequences: Int, length: Int, format: UnscaledFormat, _ compute: ComputeContext
    ) -> Double {
        let group = heads / keyValueHeads
        compute.pool.run(sequences * keyValueHeads) { task, lane in
            let (sequence, keyHead) = task.quotientAndRemainder(dividingBy: keyValueHeads)
            let base = qkv + sequence * length * stride
            let scores = scratch.scores + lane * Self.blockRows * context
            let keys = compute.packRight(
                headView(base + heads * headWidth + keyHead * headWidth, length).transposed, format: format,
                into: scratch.keysTransposed[lane])
            var sum = 0.0
            for head in keyHead * group..<(keyHead + 1) * group {
                let logSum = logSums + (sequence * heads + head) * length
                for start in Swift.stride(from: 0, to: length, by: Self.blockRows) {
                    let rows = min(Self.blockRows, length - start)
                    let queries = compute.packLeft(
                        headView(base + head * headWidth + start * stride, rows), format: format,
                        into: scratch.left[lane])
                    compute.multiplyPacked(
                        queries, keys, rows: rows, columns: start + rows, depth: headWidth, into: scores,
                        rowStride: context)
                    for row in 0..<rows {
                        sum += Self.entropy(
                            scores + row * context, count: start + row + 1, scale: scale, logSum: logSum[start + row])
                    }
                }
            }
            partials[task] = sum
        }
        var total = 0.0
        for task in 0..<sequences * keyValueHeads { total += partials[task] }
        return total / Double(sequences * heads * length)
    }

    /// −Σ p·ln p of one softmax, whose logarithms are scale·s − logSum.
    private static func entropy(_ s: UnsafePointer<Float>, count: Int, scale: Float, logSum: Float) -> Double {
        var entropy = 0.0
        for index in 0..<count {
            let logarithm = Double(scale * s[index] - logSum)
            entropy -= exp(logarithm) * logarithm
        }
        return entropy
    }

    private func headView(_ base: UnsafePointer<Float>, _ rows: Int) -> MatrixView {
        MatrixView(base, rows: rows, columns: headWidth, rowStride: stride)
    }
}
