import KernelInterface

/// The kernels of this module's instruction set.
///
/// One source file serves the modules of all instruction sets (the others link to the portable module's): each compiles
/// the shared bodies of KernelInterface for its own.
public struct Kernels: KernelTable {
    public init() {}

    public var tier: KernelTier { kernelTier }

    public func add(_ x: ReadRow, _ y: ReadRow, into z: WriteRow, count: Int) { addBody(x, y, z, count) }

    public func accumulate(_ x: ReadRow, into y: WriteRow, count: Int) { addBody(x, y, y, count) }

    public func axpy(_ factor: Float, _ x: ReadRow, into y: WriteRow, count: Int) { axpyBody(factor, x, y, count) }

    public func scale(_ y: WriteRow, by factor: Float, count: Int) { scaleBody(y, factor, count) }

    public func fill(_ y: WriteRow, with value: Float, count: Int) { fillBody(y, value, count) }

    public func roundToBF16(_ x: ReadRow, into y: WriteRow, count: Int) { roundBody(x, y, count) }

    public func sumOfSquares(_ x: ReadRow, count: Int) -> Float { dotBody(x, x, count) }

    public func dot(_ x: ReadRow, _ y: ReadRow, count: Int) -> Float { dotBody(x, y, count) }

    public func clippingSums(_ x: ReadRow, count: Int, threshold: Float) -> ClippingSums {
        clippingSumsBody(x, threshold, count)
    }

    public func clip(_ x: ReadRow, into y: WriteRow, count: Int, threshold: Float, factor: Float) {
        clipBody(x, y, threshold, factor, count)
    }

    public func gelu(_ x: ReadRow, into y: WriteRow, count: Int) { geluBody(x, y, count) }

    public func geluBackward(_ x: ReadRow, _ dy: ReadRow, into dx: WriteRow, count: Int) {
        geluBackwardBody(x, dy, dx, count)
    }

    public func swiglu(gate: ReadRow, up: ReadRow, into y: WriteRow, count: Int) { swigluBody(gate, up, y, count) }

    public func swigluBackward(gate: ReadRow, up: ReadRow, dy: ReadRow, dGate: WriteRow, dUp: WriteRow, count: Int) {
        swigluBackwardBody(gate, up, dy, dGate, dUp, count)
    }

    public func exp(_ x: ReadRow, into y: WriteRow, count: Int) { expBody(x, y, count) }

    public func tanh(_ x: ReadRow, into y: WriteRow, count: Int) { tanhBody(x, y, count) }

    public func layerNorm(_ x: ReadRow, gain: ReadRow, bias: ReadRow?, into y: WriteRow, count: Int, epsilon: Float)
        -> (mean: Float, rstd: Float)
    {
        layerNormBody(x, gain, bias, y, count, epsilon)
    }

    public func layerNormBackward(
        _ x: ReadRow, gain: ReadRow, dy: ReadRow, mean: Float, rstd: Float, dx: WriteRow, dGain: WriteRow,
        dBias: WriteRow?, count: Int
    ) {
        layerNormBackwardBody(x, gain, dy, mean, rstd, dx, dGain, dBias, count)
    }

    public func rmsNorm(_ x: ReadRow, gain: ReadRow, into y: WriteRow, count: Int, epsilon: Float) -> Float {
        rmsNormBody(x, gain, y, count, epsilon)
    }

    public func rmsNormBackward(
        _ x: ReadRow, gain: ReadRow, dy: ReadRow, rstd: Float, dx: WriteRow, dGain: WriteRow, count: Int
    ) {
        rmsNormBackwardBody(x, gain, dy, rstd, dx, dGain, count)
    }

    public func softmax(_ s: WriteRow, scale: Float, count: Int) -> Float { softmaxBody(s, scale, count) }

    public func softmaxBackward(
        scores s: WriteRow, dP: WriteRow, logSumExp: Float, delta: Float, scale: Float, count: Int
    ) {
        softmaxBackwardBody(s, dP, logSumExp, delta, scale, count)
    }

    public func crossEntropy(_ logits: WriteRow, target: Int, gradientScale: Float, count: Int) -> Float {
        crossEntropyBody(logits, target, gradientScale, count)
    }

    public func crossEntropyLoss(_ logits: ReadRow, target: Int, count: Int) -> Float {
        crossEntropyLossBody(logits, target, count)
    }

    public func rope(_ x: WriteRow, cos: ReadRow, sin: ReadRow, half: Int) { ropeBody(x, cos, sin, half, 1) }

    public func ropeInverse(_ x: WriteRow, cos: ReadRow, sin: ReadRow, half: Int) { ropeBody(x, cos, sin, half, -1) }

    public func adamW(
        _ parameters: WriteRow, gradients: ReadRow, m: WriteRow, v: WriteRow, count: Int, _ step: AdamWStep
    ) {
        adamWBody(parameters, gradients, m, v, count, step, squareRoot: squareRoot)
    }

    public func adamW(
        _ parameters: WriteRow, gradients: ReadRow, m: BF16Row, v: BF16Row, count: Int, _ step: AdamWStep
    ) {
        adamWBody(parameters, gradients, m, v, count, step, squareRoot: squareRoot)
    }

    public var tileRows: Int { registerTileRows }

    public var tileColumns: Int { registerTileColumns }

    public var depthBlock: Int { cacheDepth }

    public func pack(
        _ source: ReadRow, across: Int, along: Int, extent: Int, depth: Int, width: Int, bf16: Bool,
        into panels: WriteRow, panelStride: Int
    ) {
        // The width is a constant in each branch, so that the loops over a panel unroll.
        if width == registerTileRows {
            packBody(source, across, along, extent, depth, registerTileRows, bf16, panels, panelStride)
        } else {
            packBody(source, across, along, extent, depth, registerTileColumns, bf16, panels, panelStride)
        }
    }

    public func multiplyPacked(
        left: ReadRow, leftPanelStride: Int, right: ReadRow, rightPanelStride: Int, rows: Int, columns: Int, depth: Int,
        into c: WriteRow, rowStride: Int, accumulate: Bool, exactProducts: Bool
    ) {
        if exactProducts {
            multiplyPackedBody(
                left: left, leftPanelStride: leftPanelStride, right: right, rightPanelStride: rightPanelStride,
                rows: rows, columns: columns, depth: depth, into: c, rowStride: rowStride, accumulate: accumulate,
                tileRows: registerTileRows, tileColumns: registerTileColumns,
                tile: multiplyExactTile)
        } else {
            multiplyPackedBody(
                left: left, leftPanelStride: leftPanelStride, right: right, rightPanelStride: rightPanelStride,
                rows: rows, columns: columns, depth: depth, into: c, rowStride: rowStride, accumulate: accumulate,
                tileRows: registerTileRows, tileColumns: registerTileColumns,
                tile: multiplyTile)
        }
    }

    public func multiplyAddProbe(rounds: Int, seeds: WriteRow) -> Int { runMultiplyAddProbe(rounds, seeds) }

    public func loadTile(
        _ source: ReadRow, across: Int, along: Int, rows: Int, depth: Int, padded: Int, ahead: Int, into x: WriteRow
    ) { loadTileBody(source, across, along, rows, depth, padded, ahead, x, loadColumns: loadColumns) }

    public func hadamard(_ x: WriteRow, depth: Int, size: Int, signs: SIMD4<UInt32>) {
        hadamardBody(x, depth, size, signs)
    }

    public func magnitudes(_ x: ReadRow, depth: Int, blockLength: Int, into amax: UnsafeMutablePointer<Int32>) -> Int32
    {
        magnitudesBody(x, depth, blockLength, amax)
    }

    public func largestMagnitude(_ source: ReadRow, lines: Int, length: Int, stride: Int) -> Int32 {
        largestMagnitudeBody(source, lines, length, stride)
    }

    public func blockScales(
        _ amax: UnsafePointer<Int32>, count: Int, _ settings: QuantizerSettings, scales: WriteRow, encodes: WriteRow
    ) { blockScalesBody(amax, count, settings, scales, encodes) }

    public func preferFour(
        _ x: ReadRow, depth: Int, _ amax: UnsafePointer<Int32>, _ settings: QuantizerSettings, isSquare: Bool,
        scales: WriteRow, encodes: WriteRow
    ) { preferFourBody(x, depth, amax, settings, isSquare, scales, encodes) }

    public func deviations(_ x: ReadRow, depth: Int, blockLength: Int, _ amax: UnsafeMutablePointer<Int32>) {
        deviationsBody(x, depth, blockLength, amax, squareRoot: squareRoot)
    }

    public func correctScales(
        _ x: ReadRow, depth: Int, size: Int, _ amax: UnsafePointer<Int32>, uniforms: ReadRow,
        _ settings: QuantizerSettings, scales: WriteRow, encodes: WriteRow
    ) { correctScalesBody(x, depth, size, amax, uniforms, settings, scales, encodes) }

    public func followAverage(
        _ x: WriteRow, average: ReadRow, depth: Int, scales: ReadRow, encodes: ReadRow, _ settings: QuantizerSettings
    ) { followAverageBody(x, average, depth, scales, encodes, settings) }

    public func uniforms(key: SIMD2<UInt32>, firstRow: Int, group: Int, into u: WriteRow) {
        uniformsBody(key, firstRow, group, u, philox: philox)
    }

    public func encodeIntegers(
        _ x: ReadRow, depth: Int, valid: Int, chunk: Int, scales: ReadRow, encodes: ReadRow, uniforms: ReadRow?,
        _ settings: QuantizerSettings, bias: Int32, into target: IntegerTarget, totals: UnsafeMutablePointer<Int32>,
        sums: UnsafeMutablePointer<QuantizationSums>, next: NextTile
    ) {
        if let uniforms {
            encodeIntegersBody(
                x, depth, valid, chunk, scales, encodes, uniforms, settings, bias, target, totals, sums, next,
                floor: floor)
        } else {
            encodeIntegersBody(
                x, depth, valid, chunk, scales, encodes, nil, settings, bias, target, totals, sums, next, floor: floor)
        }
    }

    public func encodeFloats(
        _ x: ReadRow, depth: Int, valid: Int, scales: ReadRow, encodes: ReadRow, uniforms: ReadRow?,
        _ settings: QuantizerSettings, dequantizes: Bool, into target: WriteRow, targetStride: Int,
        sums: UnsafeMutablePointer<QuantizationSums>, next: NextTile
    ) {
        if let uniforms {
            encodeFloatsBody(
                x, depth, valid, scales, encodes, uniforms, settings, dequantizes, target, targetStride, sums, next,
                floor: floor)
        } else {
            encodeFloatsBody(
                x, depth, valid, scales, encodes, nil, settings, dequantizes, target, targetStride, sums, next,
                floor: floor)
        }
    }

    public func encodeHalves(
        _ x: ReadRow, depth: Int, valid: Int, scales: ReadRow, encodes: ReadRow, uniforms: ReadRow?,
        _ settings: QuantizerSettings, factor: Float, isDoubled: Bool, into target: UnsafeMutableRawPointer,
        stride: Int,
        sums: UnsafeMutablePointer<QuantizationSums>, next: NextTile
    ) {
        if let uniforms {
            encodeHalvesBody(
                x, depth, valid, scales, encodes, uniforms, settings, factor, isDoubled, target, stride, sums, next,
                floor: floor)
        } else {
            encodeHalvesBody(
                x, depth, valid, scales, encodes, nil, settings, factor, isDoubled, target, stride, sums, next,
                floor: floor)
        }
    }

    public func scatter(
        _ source: ReadRow, sourceStride: Int, count: Int, rows: Int, into target: PanelTarget, factor: Float?
    ) { scatterBody(source, sourceStride, count, rows, target, factor) }

    public func writeRows(
        _ words: UnsafePointer<UInt32>, count: Int, rows: Int, into target: UnsafeMutableRawPointer, rowStride: Int
    ) { writeRowsBody(words, count, rows, target, rowStride, storeColumns: storeColumns) }

    public func corrections(_ totals: UnsafeMutablePointer<Int32>) {
        let raw = UnsafeMutableRawPointer(totals)
        raw.storeBytes(of: integerCorrection(raw.loadUnaligned(as: IntVector.self)), as: IntVector.self)
    }

    public var integerTileRows: Int { registerIntegerRows }

    public var integerTileColumns: Int { registerIntegerColumns }

    public func multiplyIntegers(
        _ panels: ScaledPanels, rows: Int, columns: Int, into c: WriteRow, rowStride: Int, accumulate: Bool
    ) {
        multiplyScaledBody(
            panels, rows: rows, columns: columns, into: c, rowStride: rowStride, accumulate: accumulate,
            tileRows: registerIntegerRows, tileColumns: registerIntegerColumns, tile: multiplyIntegerTile)
    }

    public func integerProbe(rounds: Int, seeds: WriteRow) -> Int { runIntegerProbe(rounds, seeds) }
}
