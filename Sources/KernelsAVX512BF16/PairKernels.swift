import CProcessor
public import KernelInterface

/// The multiplication of pairs of bfloat16 values, on processors with AVX-512 BF16.
public struct PairKernels: PairKernelTable {
    public init() {}

    public var tileRows: Int { 12 }

    public var tileColumns: Int { 32 }

    public func packPairs(
        _ source: ReadRow, across: Int, along: Int, extent: Int, depth: Int, width: Int, into panels: WriteRow,
        panelStride: Int
    ) {
        packPairsBody(source, across, along, extent, depth, width, panels, panelStride)
    }

    public func encodePairs(
        _ x: ReadRow, depth: Int, valid: Int, scales: ReadRow, encodes: ReadRow, uniforms: ReadRow?,
        _ settings: QuantizerSettings, into target: PairTarget, sums: UnsafeMutablePointer<QuantizationSums>,
        next: NextTile
    ) {
        if let uniforms {
            writePairs(x, depth, valid, scales, encodes, uniforms, settings, target, sums, next)
        } else {
            writePairs(x, depth, valid, scales, encodes, nil, settings, target, sums, next)
        }
    }

    public func multiplyPairs(
        left: ReadRow, leftPanelStride: Int, right: ReadRow, rightPanelStride: Int, rows: Int, columns: Int, words: Int,
        into c: WriteRow, rowStride: Int, accumulate: Bool
    ) {
        multiplyPackedBody(
            left: left, leftPanelStride: leftPanelStride, right: right, rightPanelStride: rightPanelStride, rows: rows,
            columns: columns, depth: words, into: c, rowStride: rowStride, accumulate: accumulate, tileRows: 12,
            tileColumns: 32, tile: multiplyPairTile)
    }

    public func multiplyScaledPairs(
        _ panels: ScaledPanels, rows: Int, columns: Int, into c: WriteRow, rowStride: Int, accumulate: Bool
    ) {
        multiplyScaledBody(
            panels, rows: rows, columns: columns, into: c, rowStride: rowStride, accumulate: accumulate, tileRows: 12,
            tileColumns: 32, tile: multiplyScaledPairTile)
    }

    public func pairProbe(rounds: Int, seeds: WriteRow) -> Int { runPairProbe(rounds, seeds) }
}
