/// Linears that share their input and lie side by side in the parameter buffer (q, k and v; up and gate), each
/// addressable for precision. `Y = X·Wᵀ + b`, X[tokens, inputs], Y[tokens, outputs].
///
/// Neighbours with the same formats run as one GEMM.
struct LinearGroup {
    struct Part {
        let path: ModulePath
        let outputs: Int
        /// Where the part begins in a row of Y, and in the weight's rows.
        let start: Int
    }

    /// Neighbouring parts with the same formats.
    private struct Run {
        var start: Int
        var outputs: Int
        var formats: LinearFormats
    }

    let parts: [Part]
    let inputs: Int
    let outputs: Int
    private let weight: UnsafeMutablePointer<Float>
    private let weightGradient: UnsafeMutablePointer<Float>
    let bias: UnsafeMutablePointer<Float>?
    let biasGradient: UnsafeMutablePointer<Float>?
    private var runs: [Run] = []

    /// - Parameter tiedTo: the tensor that serves as the weight, if it is not the module's own.
    init(_ paths: [ModulePath], _ parameters: Parameters, plan: PrecisionPlan, tiedTo: String? = nil) {
        let weights = paths.map { parameters.layout[tiedTo ?? $0.parameter("weight")]! }
        var start = 0
        parts = zip(paths, weights).map { path, tensor in
            defer { start += tensor.shape[0] }
            return Part(path: path, outputs: tensor.shape[0], start: start)
        }
        outputs = start
        inputs = weights[0].shape[1]
        weight = parameters.values + weights[0].offset
        weightGradient = parameters.gradients + weights[0].offset
        if let first = parameters.layout[paths[0].parameter("bias")] {
            bias = parameters.values + first.offset
            biasGradient = parameters.gradients + first.offset
        } else {
            bias = nil
            biasGradient = nil
        }
        apply(plan)
    }

    mutating func apply(_ plan: PrecisionPlan) {
        runs.removeAll(keepingCapacity: true)
        for part in parts {
            let formats = plan[part.path]
            if let last = runs.last, last.formats == formats {
                runs[runs.count - 1].outputs += part.outputs
            } else {
                runs.append(Run(start: part.start, outputs: part.outputs, formats: formats))
            }
        }
    }

    /// fprop without the bias: `y = x·Wᵀ`.
    func forward(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, rows: Int, _ compute: ComputeContext) {
        for index in runs.indices {
            let run = runs[index]
            let w = MatrixView(weight + run.start * inputs, rows: run.outputs, columns: inputs)
            compute.gemm(
                MatrixView(x, rows: rows, columns: inputs), w.transposed, into: y + run.start, rowStride: outputs,
                accumulate: false, formats: run.formats.fprop)
        }
    }

    /// dgrad `dx (+)= dy·W` and wgrad `dW += dyᵀ·x`; the bias' gradient is the caller's.
    func backward(
        _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, rows: Int,
        _ compute: ComputeContext
    ) {
        for index in runs.indices {
            let run = runs[index]
            let e = MatrixView(
                dy + run.start, rows: rows, columns: run.outputs, rowStride: outputs)
            let w = MatrixView(weight + run.start * inputs, rows: run.outputs, columns: inputs)
            compute.gemm(e, w, into: dx, rowStride: inputs, accumulate: index > 0, formats: run.formats.dgrad)
            compute.gemm(
                e.transposed, MatrixView(x, rows: rows, columns: inputs),
                into: weightGradient + run.start * inputs, rowStride: inputs, accumulate: true,
                formats: run.formats.wgrad)
        }
    }
}
