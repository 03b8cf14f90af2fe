public import KernelInterface
import _Builtin_intrinsics.intel

/// The multiplication of half-precision values, on processors with AVX-512 FP16.
public struct HalfKernels: HalfKernelTable {
    public init() {}

    public var tileRows: Int { halfTileRows }

    public var tileColumns: Int { halfTileColumns }

    public func multiplyHalves(
        _ panels: ScaledPanels, rows: Int, columns: Int, into c: WriteRow, rowStride: Int, accumulate: Bool
    ) {
        multiplyScaledBody(
            panels, rows: rows, columns: columns, into: c, rowStride: rowStride, accumulate: accumulate,
            tileRows: halfTileRows, tileColumns: halfTileColumns, tile: multiplyHalfTile)
    }

    public func halfProbe(rounds: Int, seeds: WriteRow) -> Int { runHalfProbe(rounds, seeds) }
}
