import Testing

@testable import Core

/// Linears that share their input run as one GEMM where that changes no bit: the reference runs one for each.
@Suite struct LinearGroupTests {
    @Test(
        arguments: ["bf16", "fp8", "fp4", "mxfp4", "nvfp4", "nvfp4+sr", "fp4-row", "fp4-tensor", "fp4-2d", "nvfp4-2d"],
        [4, 2])
    func partsStayThemselves(text: String, keyValueHeads: Int) throws {
        let format = try BlockFormat(parsing: text)
        var model = ModelConfiguration()
        (model.layers, model.width, model.heads, model.keyValueHeads) = (1, 128, 4, keyValueHeads)
        let compute = try ComputeContext(threads: 2)
        let layout = ParameterLayout(model, vocabularySize: 16)
        let rows = 40
        let (outputs, inputs) = (128 + 2 * model.keyValueWidth, 128)
        let (arena, memory) = try Arena.make { arena in
            (
                parameters: Parameters(layout, in: &arena), x: arena.reserve(rows * inputs, of: Float.self),
                y: arena.reserve(rows * outputs, of: Float.self), e: arena.reserve(rows * outputs, of: Float.self),
                dx: arena.reserve(rows * inputs, of: Float.self), expected: arena.reserve(128 * 384, of: Float.self)
            )
        }
        defer { withExtendedLifetime(arena) {} }
        memory.parameters.initialize(seed: 1, compute: compute)
        let random = Philox(seed: 5, stream: .initialization)
        random.fillNormal(memory.x, rows * inputs, 0..<rows * inputs, deviation: 1, tensor: 1)
        random.fillNormal(memory.e, rows * outputs, 0..<rows * outputs, deviation: 1, tensor: 2)
        let group = LinearGroup(
            ["attn.q", "attn.k", "attn.v"].map { .layer(0, $0) }, memory.parameters,
            plan: PrecisionPlan(uniform: format))
        let pass = QuantizationPassKey(seed: 3, pass: 7)
        group.forward(memory.x, into: memory.y, rows: rows, pass, compute)
        group.backward(memory.e, x: memory.x, into: memory.dx, rows: rows, pass, compute)

        func values(_ p: UnsafePointer<Float>, _ count: Int) -> [UInt32] { (0..<count).map { p[$0].bitPattern } }
        let formats = GEMMFormats(format)
        let x = MatrixView(memory.x, rows: rows, columns: inputs)
        for part in group.parts {
            let tensor = layout.tensors[part.tensor]
            let weight = MatrixView(memory.parameters.values + tensor.offset, rows: part.outputs, columns: inputs)
            compute.gemm(
                x, weight.transposed, into: memory.expected + part.start, rowStride: outputs, formats: formats,
                random: pass.random(part.tensor, 0))
        }
        #expect(values(memory.y, rows * outputs) == values(memory.expected, rows * outputs), "fprop")
        for part in group.parts {
            let tensor = layout.tensors[part.tensor]
            let weight = MatrixView(memory.parameters.values + tensor.offset, rows: part.outputs, columns: inputs)
            let e = MatrixView(memory.e + part.start, rows: rows, columns: part.outputs, rowStride: outputs)
            compute.gemm(
                e, weight, into: memory.expected, rowStride: inputs, accumulate: part.start > 0, formats: formats,
                random: pass.random(part.tensor, 1))
        }
        #expect(values(memory.dx, rows * inputs) == values(memory.expected, rows * inputs), "dgrad")
        for part in group.parts {
            let tensor = layout.tensors[part.tensor]
            let e = MatrixView(memory.e + part.start, rows: rows, columns: part.outputs, rowStride: outputs)
            compute.gemm(
                e.transposed, x, into: memory.expected, rowStride: inputs, formats: formats,
                random: pass.random(part.tensor, 2))
            let gradient = memory.parameters.gradients + tensor.offset
            #expect(values(gradient, tensor.count) == values(memory.expected, tensor.count), "wgrad of \(part.path)")
        }
    }
}
