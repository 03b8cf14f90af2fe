/// How far the quantized weights of each linear move over some steps, as fprop sees them, and how far the weights themselves
/// move: arXiv 2502.20853 sums both distances over a window, weight by weight, and calls a weight oscillating whose quantized
/// value moved 16 times as far or more. How long the window is, is ours.
///
/// Rounding is to nearest and signs are fixed, so that only the weights' own change counts, and that of their averages with
/// Q-EMA. With a Hadamard transform in the format, the transformed weights are followed. Of a large linear, some rows stand
/// for all. Memory is taken once: a step allocates nothing.
final class OscillationWindow {
    /// Steps, up to the probe that reports them.
    static let length = 30
    /// Of a linear that are followed at most; one row at least.
    private static let mostWeights = 1 << 14
    /// R of an oscillating weight.
    private static let threshold: Float = 16
    private static let random = QuantizationRandom(seed: 0, step: 0, operandID: 0, operationID: 0)

    /// What a checkpoint holds of it beside `tensors`.
    struct State: Codable {
        struct Linear: Codable {
            var path: ModulePath
            var format: BlockFormat
            var steps: Int
        }

        var end: Int
        var linears: [Linear]
    }

    /// What was found in one linear.
    struct Result {
        /// Σ|ΔŴ| / Σ|ΔW|; nil if nothing moved.
        var ratio: Double?
        /// The share of the weights with a ratio of 16 or more, from 0 to 1.
        var oscillating: Double
        var steps: Int
    }

    private struct Linear {
        let path: ModulePath
        let view: MatrixView
        /// How many rows are followed, and how far apart they are.
        let rows: Int
        let rowStep: Int
        /// Quantized weights, sums of |ΔŴ| and of |ΔW|, and weights: [4, rows, depth of the format].
        let values: UnsafeMutablePointer<Float>
        /// Of W in fprop, rounded to nearest; nil if it has no scales.
        var format: BlockFormat?
        var transform: HadamardTransform?
        var average: WeightAverage?
        var steps = 0

        var count: Int { format.map { rows * $0.paddedDepth(view.columns) } ?? 0 }
    }

    /// The step after which the window is over; 0 before the first one.
    private(set) var end = 0
    private let transformer: Transformer
    private let arena: Arena
    private var linears: [Linear]
    /// Of a whole linear, quantized, and of one of its rows.
    private let quantized: UnsafeMutablePointer<Float>
    private let row: UnsafeMutablePointer<Float>

    /// - Throws: `UserError` if memory is short.
    init(_ transformer: Transformer) throws {
        self.transformer = transformer
        let parameters = transformer.parameters
        let tensors = transformer.model.linears.compactMap { path in
            parameters.layout[path.parameter("weight")].map { (path: path, tensor: $0) }
        }
        /// With the longest transform.
        func depth(_ columns: Int) -> Int { (columns + 127) / 128 * 128 }
        let places: (linears: [Linear], quantized: UnsafeMutablePointer<Float>, row: UnsafeMutablePointer<Float>)
        (arena, places) = try Arena.make { arena in
            let linears = tensors.map { path, tensor in
                let (rows, columns) = (tensor.shape[0], tensor.shape[1])
                let followed = min(rows, max(1, OscillationWindow.mostWeights / depth(columns)))
                return Linear(
                    path: path, view: MatrixView(parameters.values + tensor.offset, rows: rows, columns: columns),
                    rows: followed, rowStep: rows / followed,
                    values: arena.reserve(4 * followed * depth(columns)))
            }
            let largest = tensors.map { $0.tensor.shape[0] * depth($0.tensor.shape[1]) }.max() ?? 0
            let longest = tensors.map { depth($0.tensor.shape[1]) }.max() ?? 0
            return (linears, arena.reserve(largest), arena.reserve(longest))
        }
        (linears, quantized, row) = places
    }

    /// A window that goes on as another one does, for a model with the same parameters.
    ///
    /// - Throws: `UserError` if memory is short.
    convenience init(copying other: OscillationWindow, for transformer: Transformer) throws {
        try self.init(transformer)
        end = other.end
        for index in linears.indices {
            let from = other.linears[index]
            prepare(index, from.format)
            linears[index].steps = from.steps
            linears[index].values.update(from: from.values, count: 4 * from.count)
        }
        findAverages()
    }

    /// Begins a window with the weights as they are.
    ///
    /// - Parameter end: the step after which it is over.
    func begin(until end: Int) {
        self.end = end
        findAverages()
        for index in linears.indices { begin(index) }
    }

    /// To be called once the plan is another: a linear whose weights are quantized in another way begins anew.
    func planChanged() {
        findAverages()
        for index in linears.indices where linears[index].format != format(of: linears[index].path) { begin(index) }
    }

    /// To be called after each step of the optimizer.
    func advance() {
        for index in linears.indices where linears[index].format != nil {
            follow(index)
            linears[index].steps += 1
        }
    }

    /// What was found since the window, or that of a linear, began; of linears with quantized weights.
    var results: [ModulePath: Result] {
        var results: [ModulePath: Result] = [:]
        for linear in linears where linear.steps > 0 {
            let count = linear.count
            var (quantizedPath, path, oscillating) = (0.0, 0.0, 0)
            for index in 0..<count {
                let (q, w) = (linear.values[count + index], linear.values[2 * count + index])
                quantizedPath += Double(q)
                path += Double(w)
                if w > 0, q >= Self.threshold * w { oscillating += 1 }
            }
            let ratio = quantizedPath / path
            results[linear.path] = Result(
                ratio: ratio.isFinite ? ratio : nil, oscillating: Double(oscillating) / Double(max(1, count)),
                steps: linear.steps)
        }
        return results
    }

    // MARK: Steps

    private func format(of path: ModulePath) -> BlockFormat? {
        var format = transformer.plan[path].fprop.b
        guard format.unscaled == nil else { return nil }
        format.rounding = .nearest
        return format
    }

    private func findAverages() {
        let averages = transformer.weightAverages
        for index in linears.indices {
            linears[index].average = averages.first { $0.path == linears[index].path }
        }
    }

    private func prepare(_ index: Int, _ format: BlockFormat?) {
        linears[index].format = format
        linears[index].transform = format?.hadamard.map { HadamardTransform($0, Self.random) }
        linears[index].steps = 0
    }

    private func begin(_ index: Int) {
        prepare(index, format(of: linears[index].path))
        guard linears[index].format != nil else { return }
        // What it moves by from its last place is nothing that counts.
        follow(index)
        let count = linears[index].count
        (linears[index].values + count).update(repeating: 0, count: 2 * count)
    }

    /// Takes a linear's weights as they are, and adds what they moved by.
    private func follow(_ index: Int) {
        let linear = linears[index]
        guard let format = linear.format else { return }
        // One that has not begun will begin with the weights.
        let average = linear.average.flatMap { average in
            average.hasBegun
                ? MatrixView(UnsafePointer(average.values), rows: linear.view.rows, columns: linear.view.columns) : nil
        }
        transformer.compute.quantize(
            linear.view, format, random: Self.random, average: average, into: quantized)
        let (count, depth) = (linear.count, format.paddedDepth(linear.view.columns))
        for followed in 0..<linear.rows {
            let source = followed * linear.rowStep
            load(linear, source, depth: depth)
            let place = linear.values + followed * depth
            let current = quantized + source * depth
            for k in 0..<depth {
                place[count + k] += (current[k] - place[k]).magnitude
                place[2 * count + k] += (row[k] - place[3 * count + k]).magnitude
                place[k] = current[k]
                place[3 * count + k] = row[k]
            }
        }
    }

    /// A row of a linear's weights as the quantizer takes it.
    private func load(_ linear: Linear, _ source: Int, depth: Int) {
        let columns = linear.view.columns
        row.update(from: linear.view.base + source * columns, count: columns)
        (row + columns).update(repeating: 0, count: depth - columns)
        linear.transform?.apply(UnsafeMutableBufferPointer(start: row, count: depth))
    }

    // MARK: Checkpoints

    var state: State {
        State(
            end: end,
            linears: linears.compactMap { linear in
                linear.format.map { State.Linear(path: linear.path, format: $0, steps: linear.steps) }
            })
    }

    /// Quantized weights and both sums of each linear. The weights are in the checkpoint anyway.
    var tensors: [(path: ModulePath, values: UnsafeMutablePointer<Float>, count: Int)] {
        linears.filter { $0.format != nil }.map { ($0.path, $0.values, 3 * $0.count) }
    }

    /// Goes on as a window in a checkpoint, whose parameters the model has already.
    ///
    /// - Parameter read: fills one of `tensors`.
    /// - Returns: false if the state makes no sense for this model.
    func restore(
        _ state: State, read: (ModulePath, UnsafeMutablePointer<Float>, Int) throws -> Void
    ) rethrows -> Bool {
        for index in linears.indices { prepare(index, nil) }
        for saved in state.linears {
            guard let index = linears.firstIndex(where: { $0.path == saved.path }), linears[index].format == nil,
                saved.format.unscaled == nil, 0...Self.length ~= saved.steps
            else { return false }
            prepare(index, saved.format)
            let linear = linears[index]
            try read(linear.path, linear.values, 3 * linear.count)
            linears[index].steps = saved.steps
            let depth = saved.format.paddedDepth(linear.view.columns)
            for followed in 0..<linear.rows {
                load(linear, followed * linear.rowStep, depth: depth)
                (linear.values + 3 * linear.count + followed * depth).update(from: row, count: depth)
            }
        }
        end = state.end
        findAverages()
        return true
    }
}
