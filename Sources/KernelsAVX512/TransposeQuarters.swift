import KernelInterface
import _Builtin_intrinsics.intel

/// The quarters of four vectors are transposed as matrices of 4 × 4.
@inline(always)
func transposeQuarters(_ a: Vector, _ b: Vector, _ c: Vector, _ d: Vector) -> (Vector, Vector, Vector, Vector) {
    let (abLow, abHigh) = (_mm512_castps_pd(_mm512_unpacklo_ps(a, b)), _mm512_castps_pd(_mm512_unpackhi_ps(a, b)))
    let (cdLow, cdHigh) = (_mm512_castps_pd(_mm512_unpacklo_ps(c, d)), _mm512_castps_pd(_mm512_unpackhi_ps(c, d)))
    return (
        _mm512_castpd_ps(_mm512_unpacklo_pd(abLow, cdLow)), _mm512_castpd_ps(_mm512_unpackhi_pd(abLow, cdLow)),
        _mm512_castpd_ps(_mm512_unpacklo_pd(abHigh, cdHigh)), _mm512_castpd_ps(_mm512_unpackhi_pd(abHigh, cdHigh))
    )
}
