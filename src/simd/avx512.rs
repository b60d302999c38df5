//! x86-64 with AVX-512 F, BW, DQ and VL: vectors of 512 bits.

use super::{Isa, Kernel, Lanes, Level};
use std::arch::x86_64::*;

/// 16 lanes of `f32`, 8 of `f64`; masks are bits of mask registers.
#[derive(Clone, Copy, Debug)]
pub struct Avx512;

impl Isa for Avx512 {
    const LEVEL: Level = Level::Avx512;

    #[inline(always)]
    unsafe fn mul_wide_u32(a: __m512i, b: __m512i) -> (__m512i, __m512i) {
        // The multiplication takes the even lanes; the odd ones are brought there, and their products back.
        let even = _mm512_mul_epu32(a, b);
        let odd = _mm512_mul_epu32(_mm512_srli_epi64::<32>(a), _mm512_srli_epi64::<32>(b));
        const ODD: __mmask16 = 0xaaaa;
        (
            _mm512_mask_blend_epi32(ODD, _mm512_srli_epi64::<32>(even), odd),
            _mm512_mask_blend_epi32(ODD, even, _mm512_slli_epi64::<32>(odd)),
        )
    }

    #[inline(always)]
    unsafe fn store_interleaved(p: *mut f32, v: [__m512; 4]) {
        // 4 x 4 transposes: of elements within each 128 bits, then of the 128-bit quarters.
        let (a, b) = (
            _mm512_unpacklo_ps(v[0], v[1]),
            _mm512_unpacklo_ps(v[2], v[3]),
        );
        let (c, d) = (
            _mm512_unpackhi_ps(v[0], v[1]),
            _mm512_unpackhi_ps(v[2], v[3]),
        );
        let r0 = _mm512_shuffle_ps::<0x44>(a, b);
        let r1 = _mm512_shuffle_ps::<0xee>(a, b);
        let r2 = _mm512_shuffle_ps::<0x44>(c, d);
        let r3 = _mm512_shuffle_ps::<0xee>(c, d);
        let (a, b) = (
            _mm512_shuffle_f32x4::<0x44>(r0, r1),
            _mm512_shuffle_f32x4::<0x44>(r2, r3),
        );
        let (c, d) = (
            _mm512_shuffle_f32x4::<0xee>(r0, r1),
            _mm512_shuffle_f32x4::<0xee>(r2, r3),
        );
        _mm512_storeu_ps(p, _mm512_shuffle_f32x4::<0x88>(a, b));
        _mm512_storeu_ps(p.add(16), _mm512_shuffle_f32x4::<0xdd>(a, b));
        _mm512_storeu_ps(p.add(32), _mm512_shuffle_f32x4::<0x88>(c, d));
        _mm512_storeu_ps(p.add(48), _mm512_shuffle_f32x4::<0xdd>(c, d));
    }
}

/// Runs `k` compiled for this level.
///
/// # Safety
/// The CPU must have AVX-512 F, BW, DQ and VL (hence AVX2 and FMA too).
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn enter<K: Kernel>(k: K) -> K::Out {
    k.run::<Avx512>()
}

impl Lanes<f32> for Avx512 {
    type V = __m512;
    type M = __mmask16;
    type I = __m512i;
    type Wide = Self;
    const N: usize = 16;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        _mm512_set1_ps(x)
    }
    #[inline(always)]
    unsafe fn zero() -> __m512 {
        _mm512_setzero_ps()
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m512 {
        _mm512_loadu_ps(p)
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m512) {
        _mm512_storeu_ps(p, v)
    }
    #[inline(always)]
    unsafe fn load_partial(p: *const f32, n: usize) -> __m512 {
        _mm512_maskz_loadu_ps(<Self as Lanes<f32>>::first_n(n), p)
    }
    #[inline(always)]
    unsafe fn store_partial(p: *mut f32, v: __m512, n: usize) {
        _mm512_mask_storeu_ps(p, <Self as Lanes<f32>>::first_n(n), v)
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        _mm512_add_ps(a, b)
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        _mm512_sub_ps(a, b)
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        _mm512_mul_ps(a, b)
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        _mm512_div_ps(a, b)
    }
    /// The reciprocal from 14 bits by one step of Newton's, and a correction of the quotient by its remainder (Markstein
    /// 1990): 5 operations where a division keeps its unit for 16 cycles. That all ratios are rounded right was tried
    /// on all of them (`ratios_are_rounded_as_divisions`).
    #[inline(always)]
    unsafe fn div_ratio(a: __m512, b: __m512) -> __m512 {
        let r = _mm512_rcp14_ps(b);
        let r = _mm512_fmadd_ps(_mm512_fnmadd_ps(b, r, _mm512_set1_ps(1.0)), r, r);
        let q = _mm512_mul_ps(a, r);
        _mm512_fmadd_ps(_mm512_fnmadd_ps(b, q, a), r, q)
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        _mm512_fmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn fnma(a: __m512, b: __m512, c: __m512) -> __m512 {
        _mm512_fnmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn fms(a: __m512, b: __m512, c: __m512) -> __m512 {
        _mm512_fmsub_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn neg(a: __m512) -> __m512 {
        _mm512_xor_ps(a, _mm512_set1_ps(-0.0))
    }
    #[inline(always)]
    unsafe fn abs(a: __m512) -> __m512 {
        _mm512_andnot_ps(_mm512_set1_ps(-0.0), a)
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m512) -> __m512 {
        _mm512_sqrt_ps(a)
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        _mm512_min_ps(a, b)
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        _mm512_max_ps(a, b)
    }
    #[inline(always)]
    unsafe fn floor(a: __m512) -> __m512 {
        _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn ceil(a: __m512) -> __m512 {
        _mm512_roundscale_ps::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn trunc(a: __m512) -> __m512 {
        _mm512_roundscale_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn round_even(a: __m512) -> __m512 {
        _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn scale_pow2(v: __m512, k: __m512) -> __m512 {
        _mm512_scalef_ps(v, k)
    }

    #[inline(always)]
    unsafe fn lt(a: __m512, b: __m512) -> __mmask16 {
        _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn le(a: __m512, b: __m512) -> __mmask16 {
        _mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn eq(a: __m512, b: __m512) -> __mmask16 {
        _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn ne(a: __m512, b: __m512) -> __mmask16 {
        _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(a, b)
    }
    #[inline(always)]
    unsafe fn and(a: __mmask16, b: __mmask16) -> __mmask16 {
        a & b
    }
    #[inline(always)]
    unsafe fn or(a: __mmask16, b: __mmask16) -> __mmask16 {
        a | b
    }
    #[inline(always)]
    unsafe fn not(a: __mmask16) -> __mmask16 {
        !a
    }
    #[inline(always)]
    unsafe fn any(m: __mmask16) -> bool {
        m != 0
    }
    #[inline(always)]
    unsafe fn select(m: __mmask16, a: __m512, b: __m512) -> __m512 {
        _mm512_mask_blend_ps(m, b, a)
    }
    #[inline(always)]
    unsafe fn first_n(n: usize) -> __mmask16 {
        ((1u32 << n.min(16)) - 1) as __mmask16
    }

    #[inline(always)]
    unsafe fn reduce_sum(v: __m512) -> f32 {
        _mm512_reduce_add_ps(v)
    }
    #[inline(always)]
    unsafe fn reduce_max(v: __m512) -> f32 {
        if <Self as Lanes<f32>>::any(<Self as Lanes<f32>>::ne(v, v)) {
            return f32::NAN;
        }
        _mm512_reduce_max_ps(v)
    }
    #[inline(always)]
    unsafe fn reduce_min(v: __m512) -> f32 {
        if <Self as Lanes<f32>>::any(<Self as Lanes<f32>>::ne(v, v)) {
            return f32::NAN;
        }
        _mm512_reduce_min_ps(v)
    }

    #[inline(always)]
    unsafe fn widen(v: __m512) -> (__m512d, __m512d) {
        let high = _mm512_extractf32x8_ps::<1>(v);
        (
            _mm512_cvtps_pd(_mm512_castps512_ps256(v)),
            _mm512_cvtps_pd(high),
        )
    }
    #[inline(always)]
    unsafe fn narrow(low: __m512d, high: __m512d) -> __m512 {
        let low = _mm512_castps256_ps512(_mm512_cvtpd_ps(low));
        _mm512_insertf32x8::<1>(low, _mm512_cvtpd_ps(high))
    }

    #[inline(always)]
    unsafe fn transpose(src: *const f32, src_stride: isize, dst: *mut f32, dst_stride: isize) {
        // Four columns at a time: four vectors of 4 x 4 blocks, one above the other in memory and
        // side by side here, each transposed within its quarter.
        for c in (0..16).step_by(4) {
            let four = |i: isize| {
                let at = |r: isize| _mm_loadu_ps(src.offset((i + r) * src_stride + c));
                let v = _mm512_castps128_ps512(at(0));
                let v = _mm512_insertf32x4::<1>(v, at(4));
                let v = _mm512_insertf32x4::<2>(v, at(8));
                _mm512_insertf32x4::<3>(v, at(12))
            };
            let (v0, v1, v2, v3) = (four(0), four(1), four(2), four(3));
            let low01 = _mm512_castps_pd(_mm512_unpacklo_ps(v0, v1));
            let high01 = _mm512_castps_pd(_mm512_unpackhi_ps(v0, v1));
            let low23 = _mm512_castps_pd(_mm512_unpacklo_ps(v2, v3));
            let high23 = _mm512_castps_pd(_mm512_unpackhi_ps(v2, v3));
            let out = |j: isize| dst.offset((c + j) * dst_stride).cast::<f64>();
            _mm512_storeu_pd(out(0), _mm512_unpacklo_pd(low01, low23));
            _mm512_storeu_pd(out(1), _mm512_unpackhi_pd(low01, low23));
            _mm512_storeu_pd(out(2), _mm512_unpacklo_pd(high01, high23));
            _mm512_storeu_pd(out(3), _mm512_unpackhi_pd(high01, high23));
        }
    }

    #[inline(always)]
    unsafe fn to_int_round(v: __m512) -> __m512i {
        _mm512_cvtps_epi32(v)
    }
    #[inline(always)]
    unsafe fn from_int(i: __m512i) -> __m512 {
        _mm512_cvtepi32_ps(i)
    }
    #[inline(always)]
    unsafe fn bits(v: __m512) -> __m512i {
        _mm512_castps_si512(v)
    }
    #[inline(always)]
    unsafe fn from_bits(i: __m512i) -> __m512 {
        _mm512_castsi512_ps(i)
    }
    #[inline(always)]
    unsafe fn isplat(x: i64) -> __m512i {
        _mm512_set1_epi32(x as i32)
    }
    #[inline(always)]
    unsafe fn iadd(a: __m512i, b: __m512i) -> __m512i {
        _mm512_add_epi32(a, b)
    }
    #[inline(always)]
    unsafe fn isub(a: __m512i, b: __m512i) -> __m512i {
        _mm512_sub_epi32(a, b)
    }
    #[inline(always)]
    unsafe fn iand(a: __m512i, b: __m512i) -> __m512i {
        _mm512_and_si512(a, b)
    }
    #[inline(always)]
    unsafe fn ior(a: __m512i, b: __m512i) -> __m512i {
        _mm512_or_si512(a, b)
    }
    #[inline(always)]
    unsafe fn ixor(a: __m512i, b: __m512i) -> __m512i {
        _mm512_xor_si512(a, b)
    }
    #[inline(always)]
    unsafe fn ishl(a: __m512i, k: u32) -> __m512i {
        _mm512_sllv_epi32(a, _mm512_set1_epi32(k as i32))
    }
    #[inline(always)]
    unsafe fn ishr(a: __m512i, k: u32) -> __m512i {
        _mm512_srlv_epi32(a, _mm512_set1_epi32(k as i32))
    }
    #[inline(always)]
    unsafe fn ieq(a: __m512i, b: __m512i) -> __mmask16 {
        _mm512_cmpeq_epi32_mask(a, b)
    }
    #[inline(always)]
    unsafe fn igt(a: __m512i, b: __m512i) -> __mmask16 {
        _mm512_cmpgt_epi32_mask(a, b)
    }
}

impl Lanes<f64> for Avx512 {
    type V = __m512d;
    type M = __mmask8;
    type I = __m512i;
    type Wide = Self;
    const N: usize = 8;

    #[inline(always)]
    unsafe fn splat(x: f64) -> __m512d {
        _mm512_set1_pd(x)
    }
    #[inline(always)]
    unsafe fn zero() -> __m512d {
        _mm512_setzero_pd()
    }
    #[inline(always)]
    unsafe fn load(p: *const f64) -> __m512d {
        _mm512_loadu_pd(p)
    }
    #[inline(always)]
    unsafe fn store(p: *mut f64, v: __m512d) {
        _mm512_storeu_pd(p, v)
    }
    #[inline(always)]
    unsafe fn load_partial(p: *const f64, n: usize) -> __m512d {
        _mm512_maskz_loadu_pd(<Self as Lanes<f64>>::first_n(n), p)
    }
    #[inline(always)]
    unsafe fn store_partial(p: *mut f64, v: __m512d, n: usize) {
        _mm512_mask_storeu_pd(p, <Self as Lanes<f64>>::first_n(n), v)
    }

    #[inline(always)]
    unsafe fn add(a: __m512d, b: __m512d) -> __m512d {
        _mm512_add_pd(a, b)
    }
    #[inline(always)]
    unsafe fn sub(a: __m512d, b: __m512d) -> __m512d {
        _mm512_sub_pd(a, b)
    }
    #[inline(always)]
    unsafe fn mul(a: __m512d, b: __m512d) -> __m512d {
        _mm512_mul_pd(a, b)
    }
    #[inline(always)]
    unsafe fn div(a: __m512d, b: __m512d) -> __m512d {
        _mm512_div_pd(a, b)
    }
    #[inline(always)]
    unsafe fn fma(a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        _mm512_fmadd_pd(a, b, c)
    }
    #[inline(always)]
    unsafe fn fnma(a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        _mm512_fnmadd_pd(a, b, c)
    }
    #[inline(always)]
    unsafe fn fms(a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        _mm512_fmsub_pd(a, b, c)
    }
    #[inline(always)]
    unsafe fn neg(a: __m512d) -> __m512d {
        _mm512_xor_pd(a, _mm512_set1_pd(-0.0))
    }
    #[inline(always)]
    unsafe fn abs(a: __m512d) -> __m512d {
        _mm512_andnot_pd(_mm512_set1_pd(-0.0), a)
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m512d) -> __m512d {
        _mm512_sqrt_pd(a)
    }
    #[inline(always)]
    unsafe fn min(a: __m512d, b: __m512d) -> __m512d {
        _mm512_min_pd(a, b)
    }
    #[inline(always)]
    unsafe fn max(a: __m512d, b: __m512d) -> __m512d {
        _mm512_max_pd(a, b)
    }
    #[inline(always)]
    unsafe fn floor(a: __m512d) -> __m512d {
        _mm512_roundscale_pd::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn ceil(a: __m512d) -> __m512d {
        _mm512_roundscale_pd::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn trunc(a: __m512d) -> __m512d {
        _mm512_roundscale_pd::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn round_even(a: __m512d) -> __m512d {
        _mm512_roundscale_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn scale_pow2(v: __m512d, k: __m512d) -> __m512d {
        _mm512_scalef_pd(v, k)
    }

    #[inline(always)]
    unsafe fn lt(a: __m512d, b: __m512d) -> __mmask8 {
        _mm512_cmp_pd_mask::<_CMP_LT_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn le(a: __m512d, b: __m512d) -> __mmask8 {
        _mm512_cmp_pd_mask::<_CMP_LE_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn eq(a: __m512d, b: __m512d) -> __mmask8 {
        _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn ne(a: __m512d, b: __m512d) -> __mmask8 {
        _mm512_cmp_pd_mask::<_CMP_NEQ_UQ>(a, b)
    }
    #[inline(always)]
    unsafe fn and(a: __mmask8, b: __mmask8) -> __mmask8 {
        a & b
    }
    #[inline(always)]
    unsafe fn or(a: __mmask8, b: __mmask8) -> __mmask8 {
        a | b
    }
    #[inline(always)]
    unsafe fn not(a: __mmask8) -> __mmask8 {
        !a
    }
    #[inline(always)]
    unsafe fn any(m: __mmask8) -> bool {
        m != 0
    }
    #[inline(always)]
    unsafe fn select(m: __mmask8, a: __m512d, b: __m512d) -> __m512d {
        _mm512_mask_blend_pd(m, b, a)
    }
    #[inline(always)]
    unsafe fn first_n(n: usize) -> __mmask8 {
        ((1u32 << n.min(8)) - 1) as __mmask8
    }

    #[inline(always)]
    unsafe fn reduce_sum(v: __m512d) -> f64 {
        _mm512_reduce_add_pd(v)
    }
    #[inline(always)]
    unsafe fn reduce_max(v: __m512d) -> f64 {
        if <Self as Lanes<f64>>::any(<Self as Lanes<f64>>::ne(v, v)) {
            return f64::NAN;
        }
        _mm512_reduce_max_pd(v)
    }
    #[inline(always)]
    unsafe fn reduce_min(v: __m512d) -> f64 {
        if <Self as Lanes<f64>>::any(<Self as Lanes<f64>>::ne(v, v)) {
            return f64::NAN;
        }
        _mm512_reduce_min_pd(v)
    }

    #[inline(always)]
    unsafe fn widen(v: __m512d) -> (__m512d, __m512d) {
        (v, _mm512_setzero_pd())
    }
    #[inline(always)]
    unsafe fn narrow(low: __m512d, _high: __m512d) -> __m512d {
        low
    }

    #[inline(always)]
    unsafe fn transpose(src: *const f64, src_stride: isize, dst: *mut f64, dst_stride: isize) {
        for c in (0..8).step_by(2) {
            let four = |i: isize| {
                let at = |r: isize| _mm_loadu_pd(src.offset((i + r) * src_stride + c));
                let v = _mm512_castpd128_pd512(at(0));
                let v = _mm512_insertf64x2::<1>(v, at(2));
                let v = _mm512_insertf64x2::<2>(v, at(4));
                _mm512_insertf64x2::<3>(v, at(6))
            };
            let (v0, v1) = (four(0), four(1));
            let out = |j: isize| dst.offset((c + j) * dst_stride);
            _mm512_storeu_pd(out(0), _mm512_unpacklo_pd(v0, v1));
            _mm512_storeu_pd(out(1), _mm512_unpackhi_pd(v0, v1));
        }
    }

    #[inline(always)]
    unsafe fn to_int_round(v: __m512d) -> __m512i {
        _mm512_cvtpd_epi64(v)
    }
    #[inline(always)]
    unsafe fn from_int(i: __m512i) -> __m512d {
        _mm512_cvtepi64_pd(i)
    }
    #[inline(always)]
    unsafe fn bits(v: __m512d) -> __m512i {
        _mm512_castpd_si512(v)
    }
    #[inline(always)]
    unsafe fn from_bits(i: __m512i) -> __m512d {
        _mm512_castsi512_pd(i)
    }
    #[inline(always)]
    unsafe fn isplat(x: i64) -> __m512i {
        _mm512_set1_epi64(x)
    }
    #[inline(always)]
    unsafe fn iadd(a: __m512i, b: __m512i) -> __m512i {
        _mm512_add_epi64(a, b)
    }
    #[inline(always)]
    unsafe fn isub(a: __m512i, b: __m512i) -> __m512i {
        _mm512_sub_epi64(a, b)
    }
    #[inline(always)]
    unsafe fn iand(a: __m512i, b: __m512i) -> __m512i {
        _mm512_and_si512(a, b)
    }
    #[inline(always)]
    unsafe fn ior(a: __m512i, b: __m512i) -> __m512i {
        _mm512_or_si512(a, b)
    }
    #[inline(always)]
    unsafe fn ixor(a: __m512i, b: __m512i) -> __m512i {
        _mm512_xor_si512(a, b)
    }
    #[inline(always)]
    unsafe fn ishl(a: __m512i, k: u32) -> __m512i {
        _mm512_sllv_epi64(a, _mm512_set1_epi64(k as i64))
    }
    #[inline(always)]
    unsafe fn ishr(a: __m512i, k: u32) -> __m512i {
        _mm512_srlv_epi64(a, _mm512_set1_epi64(k as i64))
    }
    #[inline(always)]
    unsafe fn ieq(a: __m512i, b: __m512i) -> __mmask8 {
        _mm512_cmpeq_epi64_mask(a, b)
    }
    #[inline(always)]
    unsafe fn igt(a: __m512i, b: __m512i) -> __mmask8 {
        _mm512_cmpgt_epi64_mask(a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits of all `a / (a + add)`, for every `step`-th `f32` from 0 to `last`, both ways.
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn compare(add: f32, last: f32, step: u32) {
        let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        for first in (0..=last.to_bits()).step_by(16 * step as usize) {
            let bits = _mm512_add_epi32(_mm512_set1_epi32(first as i32), lanes);
            let a = _mm512_castsi512_ps(bits);
            let b = _mm512_add_ps(a, _mm512_set1_ps(add));
            let (fast, exact) = (<Avx512 as Lanes<f32>>::div_ratio(a, b), _mm512_div_ps(a, b));
            let differ =
                _mm512_cmpneq_epi32_mask(_mm512_castps_si512(fast), _mm512_castps_si512(exact));
            assert_eq!(differ, 0, "near {} / (it + {add})", f32::from_bits(first));
        }
    }

    fn ratios(step: u32) {
        if std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
        {
            // SAFETY: the CPU has the instructions.
            unsafe {
                compare(1.0, 1.0, step);
                compare(2.0, 1e30, step);
            }
        }
    }

    #[test]
    fn ratios_are_rounded_as_divisions_sampled() {
        ratios(4099);
    }

    #[test]
    #[ignore = "all of them: seconds in an optimised build"]
    fn ratios_are_rounded_as_divisions() {
        ratios(1);
    }
}
