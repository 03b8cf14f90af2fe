/// Measures what the linears of a model cost in a recipe's formats and in BF16, quantization inside: what is left of the
/// theoretical cost of `CostModel` on this machine.
///
/// Both take turns, so that a change of the processor's clock or a noisy neighbour meets both; the ratio is the median of
/// the ratios of turns that follow one another.
public struct LinearCostBenchmark {
    /// One GEMM that some linears of a model have in common: same shape, same formats.
    public struct Entry: Codable, Hashable, Sendable {
        /// The linears' names within a layer, such as `attn.q`.
        public var modules: [String]
        /// Linears in all layers.
        public var count: Int
        public var gemm: GEMMKind
        /// Of the linear.
        public var inputs: Int
        public var outputs: Int
        public var formats: GEMMFormats
        public var precision: Precision { formats.widest }
        public var theoreticalCost: Double { precision.relativeCost }
    }

    public struct Result: Codable, Hashable, Sendable {
        public var entry: Entry
        /// Of one GEMM at the tokens of a micro-batch.
        public var milliseconds: Double
        public var bf16Milliseconds: Double
        /// The time in the recipe's formats over that in BF16.
        public var ratio: Double
    }

    public let context: ComputeContext
    /// Of a micro-batch.
    public let tokens: Int

    public init(context: ComputeContext, tokens: Int) {
        self.context = context
        self.tokens = tokens
    }

    /// The distinct GEMMs of the linears of a model's layers.
    public static func entries(_ model: ModelConfiguration, _ plan: PrecisionPlan) -> [Entry] {
        var entries: [Entry] = []
        for path in model.linears where path != .head {
            // The head alone depends on the vocabulary.
            let shape = model.shape(of: path, vocabularySize: 1)
            for gemm in GEMMKind.allCases {
                let formats = plan[path][gemm]
                let same = entries.firstIndex {
                    $0.gemm == gemm && $0.inputs == shape.inputs && $0.outputs == shape.outputs && $0.formats == formats
                }
                if let same {
                    entries[same].count += 1
                    if !entries[same].modules.contains(path.name) { entries[same].modules.append(path.name) }
                } else {
                    entries.append(
                        Entry(
                            modules: [path.name], count: 1, gemm: gemm, inputs: shape.inputs, outputs: shape.outputs,
                            formats: formats))
                }
            }
        }
        return entries
    }

    /// - Parameter seconds: about how long to measure.
    public func measure(_ entry: Entry, seconds: Double) -> Result {
        let x = uniformNumbers(tokens * entry.inputs, seed: 1)
        let w = uniformNumbers(entry.outputs * entry.inputs, seed: 2)
        let e = uniformNumbers(tokens * entry.outputs, seed: 3)
        let viewX = MatrixView(x, rows: tokens, columns: entry.inputs)
        let viewW = MatrixView(w, rows: entry.outputs, columns: entry.inputs)
        let viewE = MatrixView(e, rows: tokens, columns: entry.outputs)
        let (a, b) =
            switch entry.gemm {
            case .fprop: (viewX, viewW.transposed)
            case .dgrad: (viewE, viewW)
            case .wgrad: (viewE.transposed, viewX)
            }
        let c = uniformNumbers(a.rows * b.columns, seed: 4)
        defer { [x, w, e, c].forEach { $0.deallocate() } }
        let random = GEMMRandom(
            a: QuantizationRandom(seed: 1, step: 0, operandID: 0, operationID: 0),
            b: QuantizationRandom(seed: 1, step: 0, operandID: 1, operationID: 0))
        func time(_ formats: GEMMFormats) -> Double {
            let start = monotonicNanoseconds()
            context.gemm(a, b, into: c, rowStride: b.columns, formats: formats, random: random)
            return Double(monotonicNanoseconds() - start) / 1e6
        }
        let bf16 = GEMMFormats(.bf16)
        // Memory for packing is granted in the first call.
        _ = (time(entry.formats), time(bf16))
        var turns: [(own: Double, bf16: Double)] = []
        let start = monotonicNanoseconds()
        repeat {
            // By turns the one and the other is first.
            if turns.count.isMultiple(of: 2) {
                turns.append((own: time(entry.formats), bf16: time(bf16)))
            } else {
                let other = time(bf16)
                turns.append((own: time(entry.formats), bf16: other))
            }
        } while Double(monotonicNanoseconds() - start) < seconds * 1e9 || turns.count < 5
        return Result(
            entry: entry, milliseconds: median(turns.map(\.own)), bf16Milliseconds: median(turns.map(\.bf16)),
            ratio: entry.formats == bf16 ? 1 : median(turns.map { $0.own / $0.bf16 }))
    }

    /// The time of all linears of a model over that in BF16.
    public static func ratio(of results: [Result]) -> Double {
        let bf16 = results.reduce(0) { $0 + Double($1.entry.count) * $1.bf16Milliseconds }
        return results.reduce(0) { $0 + Double($1.entry.count) * $1.bf16Milliseconds * $1.ratio } / bf16
    }
}
