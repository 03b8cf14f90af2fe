import KernelInterface
import _Builtin_intrinsics.intel

/// 16 rows × 8: target[j][i] = source[i][j], with 16 rows in the target's line.
@inline(always)
func loadColumns(_ source: ReadRow, _ stride: Int, _ target: WriteRow) {
    loadQuarters(source, stride, target)
    loadQuarters(source + 4, stride, target + 64)
}

/// 8 × 16: target[i][j] = source[j][i], with 16 rows in the source's line.
@inline(always)
func storeColumns(_ source: ReadRow, _ target: WriteRow, _ stride: Int) {
    storeQuarters(source, target, stride)
    storeQuarters(source + 64, target + 4, stride)
}

/// 16 rows × 4. Loads put four rows' quarters beside each other, which leaves two shuffles for a vector.
@inline(always)
private func loadQuarters(_ source: ReadRow, _ stride: Int, _ target: WriteRow) {
    @inline(always) func quarter(_ row: Int) -> SIMD4<Float> {
        UnsafeRawPointer(source + row &* stride).loadUnaligned(as: SIMD4<Float>.self)
    }
    @inline(always) func rows(_ row: Int) -> Vector {
        var vector = _mm512_broadcast_f32x4(quarter(row))
        vector = _mm512_mask_broadcast_f32x4(vector, 0x00F0, quarter(row &+ 4))
        vector = _mm512_mask_broadcast_f32x4(vector, 0x0F00, quarter(row &+ 8))
        return _mm512_mask_broadcast_f32x4(vector, 0xF000, quarter(row &+ 12))
    }
    let columns = transposeQuarters(rows(0), rows(1), rows(2), rows(3))
    store(columns.0, target, 16)
    store(columns.1, target + 16, 16)
    store(columns.2, target + 32, 16)
    store(columns.3, target + 48, 16)
}

/// 4 × 16.
@inline(always)
private func storeQuarters(_ source: ReadRow, _ target: WriteRow, _ stride: Int) {
    @inline(always) func put(_ row: Int, _ quarter: SIMD4<Float>) {
        UnsafeMutableRawPointer(target + row &* stride).storeBytes(of: quarter, as: SIMD4<Float>.self)
    }
    @inline(always) func put(_ row: Int, _ rows: Vector) {
        put(row, rows.lowHalf.lowHalf)
        put(row &+ 4, rows.lowHalf.highHalf)
        put(row &+ 8, rows.highHalf.lowHalf)
        put(row &+ 12, rows.highHalf.highHalf)
    }
    let rows = transposeQuarters(
        load(source, 16), load(source + 16, 16), load(source + 32, 16), load(source + 48, 16))
    put(0, rows.0)
    put(1, rows.1)
    put(2, rows.2)
    put(3, rows.3)
}
