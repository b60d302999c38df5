//! x86-64 with AVX2 and FMA: vectors of 256 bits.

use super::{Isa, Kernel, Lanes, Level};
use std::arch::x86_64::*;

/// 8 lanes of `f32`, 4 of `f64`; masks are vectors of all-ones or all-zeros lanes.
#[derive(Clone, Copy, Debug)]
pub struct Avx2;

impl Isa for Avx2 {
    const LEVEL: Level = Level::Avx2;

    #[inline(always)]
    unsafe fn mul_wide_u32(a: __m256i, b: __m256i) -> (__m256i, __m256i) {
        // The multiplication takes the even lanes; the odd ones are brought there, and their products back.
        let even = _mm256_mul_epu32(a, b);
        let odd = _mm256_mul_epu32(_mm256_srli_epi64::<32>(a), _mm256_srli_epi64::<32>(b));
        (
            _mm256_blend_epi32::<0xaa>(_mm256_srli_epi64::<32>(even), odd),
            _mm256_blend_epi32::<0xaa>(even, _mm256_slli_epi64::<32>(odd)),
        )
    }

    #[inline(always)]
    unsafe fn store_interleaved(p: *mut f32, v: [__m256; 4]) {
        // 4 x 4 transposes of elements within each half, then the halves.
        let (a, b) = (
            _mm256_unpacklo_ps(v[0], v[1]),
            _mm256_unpacklo_ps(v[2], v[3]),
        );
        let (c, d) = (
            _mm256_unpackhi_ps(v[0], v[1]),
            _mm256_unpackhi_ps(v[2], v[3]),
        );
        let r0 = _mm256_shuffle_ps::<0x44>(a, b);
        let r1 = _mm256_shuffle_ps::<0xee>(a, b);
        let r2 = _mm256_shuffle_ps::<0x44>(c, d);
        let r3 = _mm256_shuffle_ps::<0xee>(c, d);
        _mm256_storeu_ps(p, _mm256_permute2f128_ps::<0x20>(r0, r1));
        _mm256_storeu_ps(p.add(8), _mm256_permute2f128_ps::<0x20>(r2, r3));
        _mm256_storeu_ps(p.add(16), _mm256_permute2f128_ps::<0x31>(r0, r1));
        _mm256_storeu_ps(p.add(24), _mm256_permute2f128_ps::<0x31>(r2, r3));
    }
}

/// 1.5 * 2^52: for `|x| < 2^51` the sum has exponent 52, so its unit in the last place is 1.
const INT_MAGIC: f64 = 6_755_399_441_055_744.0;

/// Runs `k` compiled for this level.
///
/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn enter<K: Kernel>(k: K) -> K::Out {
    k.run::<Avx2>()
}

impl Lanes<f32> for Avx2 {
    type V = __m256;
    type M = __m256;
    type I = __m256i;
    type Wide = Self;
    const N: usize = 8;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        _mm256_set1_ps(x)
    }
    #[inline(always)]
    unsafe fn zero() -> __m256 {
        _mm256_setzero_ps()
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m256 {
        _mm256_loadu_ps(p)
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m256) {
        _mm256_storeu_ps(p, v)
    }
    #[inline(always)]
    unsafe fn load_partial(p: *const f32, n: usize) -> __m256 {
        _mm256_maskload_ps(p, _mm256_castps_si256(<Self as Lanes<f32>>::first_n(n)))
    }
    #[inline(always)]
    unsafe fn store_partial(p: *mut f32, v: __m256, n: usize) {
        // Masked stores take 40 micro-operations on Zen: halves of halves are stored instead.
        if n >= 8 {
            return _mm256_storeu_ps(p, v);
        }
        let (mut p, mut rest) = (p, _mm256_castps256_ps128(v));
        if n & 4 != 0 {
            _mm_storeu_ps(p, rest);
            (p, rest) = (p.add(4), _mm256_extractf128_ps::<1>(v));
        }
        if n & 2 != 0 {
            _mm_storel_pd(p.cast(), _mm_castps_pd(rest));
            (p, rest) = (p.add(2), _mm_movehl_ps(rest, rest));
        }
        if n & 1 != 0 {
            _mm_store_ss(p, rest);
        }
    }

    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        _mm256_add_ps(a, b)
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        _mm256_sub_ps(a, b)
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        _mm256_mul_ps(a, b)
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        _mm256_div_ps(a, b)
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        _mm256_fmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn fnma(a: __m256, b: __m256, c: __m256) -> __m256 {
        _mm256_fnmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn fms(a: __m256, b: __m256, c: __m256) -> __m256 {
        _mm256_fmsub_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn neg(a: __m256) -> __m256 {
        _mm256_xor_ps(a, _mm256_set1_ps(-0.0))
    }
    #[inline(always)]
    unsafe fn abs(a: __m256) -> __m256 {
        _mm256_andnot_ps(_mm256_set1_ps(-0.0), a)
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m256) -> __m256 {
        _mm256_sqrt_ps(a)
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        _mm256_min_ps(a, b)
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        _mm256_max_ps(a, b)
    }
    #[inline(always)]
    unsafe fn floor(a: __m256) -> __m256 {
        _mm256_round_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn ceil(a: __m256) -> __m256 {
        _mm256_round_ps::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn trunc(a: __m256) -> __m256 {
        _mm256_round_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn round_even(a: __m256) -> __m256 {
        _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn scale_pow2(v: __m256, k: __m256) -> __m256 {
        // In two factors, since 2^k alone may overflow or vanish; the first product is exact.
        let limit = _mm256_set1_ps(2.0 * 126.0);
        let k = _mm256_max_ps(<Self as Lanes<f32>>::neg(limit), _mm256_min_ps(limit, k));
        let half = <Self as Lanes<f32>>::floor(_mm256_mul_ps(k, _mm256_set1_ps(0.5)));
        let pow2 = |e: __m256| {
            let biased = <Self as Lanes<f32>>::iadd(
                <Self as Lanes<f32>>::to_int_round(e),
                _mm256_set1_epi32(127),
            );
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        };
        _mm256_mul_ps(_mm256_mul_ps(v, pow2(half)), pow2(_mm256_sub_ps(k, half)))
    }

    #[inline(always)]
    unsafe fn lt(a: __m256, b: __m256) -> __m256 {
        _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn le(a: __m256, b: __m256) -> __m256 {
        _mm256_cmp_ps::<_CMP_LE_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn eq(a: __m256, b: __m256) -> __m256 {
        _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn ne(a: __m256, b: __m256) -> __m256 {
        _mm256_cmp_ps::<_CMP_NEQ_UQ>(a, b)
    }
    #[inline(always)]
    unsafe fn and(a: __m256, b: __m256) -> __m256 {
        _mm256_and_ps(a, b)
    }
    #[inline(always)]
    unsafe fn or(a: __m256, b: __m256) -> __m256 {
        _mm256_or_ps(a, b)
    }
    #[inline(always)]
    unsafe fn not(a: __m256) -> __m256 {
        _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))
    }
    #[inline(always)]
    unsafe fn any(m: __m256) -> bool {
        _mm256_movemask_ps(m) != 0
    }
    #[inline(always)]
    unsafe fn select(m: __m256, a: __m256, b: __m256) -> __m256 {
        _mm256_blendv_ps(b, a, m)
    }
    #[inline(always)]
    unsafe fn first_n(n: usize) -> __m256 {
        let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let n = _mm256_set1_epi32(n.min(8) as i32);
        _mm256_castsi256_ps(_mm256_cmpgt_epi32(n, lane))
    }

    #[inline(always)]
    unsafe fn reduce_sum(v: __m256) -> f32 {
        let r = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let r = _mm_add_ps(r, _mm_movehl_ps(r, r));
        _mm_cvtss_f32(_mm_add_ss(r, _mm_movehdup_ps(r)))
    }
    #[inline(always)]
    unsafe fn reduce_max(v: __m256) -> f32 {
        if <Self as Lanes<f32>>::any(<Self as Lanes<f32>>::ne(v, v)) {
            return f32::NAN;
        }
        let r = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let r = _mm_max_ps(r, _mm_movehl_ps(r, r));
        _mm_cvtss_f32(_mm_max_ss(r, _mm_movehdup_ps(r)))
    }
    #[inline(always)]
    unsafe fn reduce_min(v: __m256) -> f32 {
        if <Self as Lanes<f32>>::any(<Self as Lanes<f32>>::ne(v, v)) {
            return f32::NAN;
        }
        let r = _mm_min_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let r = _mm_min_ps(r, _mm_movehl_ps(r, r));
        _mm_cvtss_f32(_mm_min_ss(r, _mm_movehdup_ps(r)))
    }

    #[inline(always)]
    unsafe fn widen(v: __m256) -> (__m256d, __m256d) {
        let high = _mm256_extractf128_ps::<1>(v);
        (
            _mm256_cvtps_pd(_mm256_castps256_ps128(v)),
            _mm256_cvtps_pd(high),
        )
    }
    #[inline(always)]
    unsafe fn narrow(low: __m256d, high: __m256d) -> __m256 {
        _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low))
    }

    #[inline(always)]
    unsafe fn transpose(src: *const f32, src_stride: isize, dst: *mut f32, dst_stride: isize) {
        // Four columns at a time: two 4 x 4 blocks, one above the other in memory and side by side
        // here, each transposed within its half.
        for c in (0..8).step_by(4) {
            let two = |i: isize| {
                let at = |r: isize| _mm_loadu_ps(src.offset((i + r) * src_stride + c));
                _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(at(0)), at(4))
            };
            let (v0, v1, v2, v3) = (two(0), two(1), two(2), two(3));
            let low01 = _mm256_castps_pd(_mm256_unpacklo_ps(v0, v1));
            let high01 = _mm256_castps_pd(_mm256_unpackhi_ps(v0, v1));
            let low23 = _mm256_castps_pd(_mm256_unpacklo_ps(v2, v3));
            let high23 = _mm256_castps_pd(_mm256_unpackhi_ps(v2, v3));
            let out = |j: isize| dst.offset((c + j) * dst_stride).cast::<f64>();
            _mm256_storeu_pd(out(0), _mm256_unpacklo_pd(low01, low23));
            _mm256_storeu_pd(out(1), _mm256_unpackhi_pd(low01, low23));
            _mm256_storeu_pd(out(2), _mm256_unpacklo_pd(high01, high23));
            _mm256_storeu_pd(out(3), _mm256_unpackhi_pd(high01, high23));
        }
    }

    #[inline(always)]
    unsafe fn to_int_round(v: __m256) -> __m256i {
        _mm256_cvtps_epi32(v)
    }
    #[inline(always)]
    unsafe fn from_int(i: __m256i) -> __m256 {
        _mm256_cvtepi32_ps(i)
    }
    #[inline(always)]
    unsafe fn bits(v: __m256) -> __m256i {
        _mm256_castps_si256(v)
    }
    #[inline(always)]
    unsafe fn from_bits(i: __m256i) -> __m256 {
        _mm256_castsi256_ps(i)
    }
    #[inline(always)]
    unsafe fn isplat(x: i64) -> __m256i {
        _mm256_set1_epi32(x as i32)
    }
    #[inline(always)]
    unsafe fn iadd(a: __m256i, b: __m256i) -> __m256i {
        _mm256_add_epi32(a, b)
    }
    #[inline(always)]
    unsafe fn isub(a: __m256i, b: __m256i) -> __m256i {
        _mm256_sub_epi32(a, b)
    }
    #[inline(always)]
    unsafe fn iand(a: __m256i, b: __m256i) -> __m256i {
        _mm256_and_si256(a, b)
    }
    #[inline(always)]
    unsafe fn ior(a: __m256i, b: __m256i) -> __m256i {
        _mm256_or_si256(a, b)
    }
    #[inline(always)]
    unsafe fn ixor(a: __m256i, b: __m256i) -> __m256i {
        _mm256_xor_si256(a, b)
    }
    #[inline(always)]
    unsafe fn ishl(a: __m256i, k: u32) -> __m256i {
        _mm256_sllv_epi32(a, _mm256_set1_epi32(k as i32))
    }
    #[inline(always)]
    unsafe fn ishr(a: __m256i, k: u32) -> __m256i {
        _mm256_srlv_epi32(a, _mm256_set1_epi32(k as i32))
    }
    #[inline(always)]
    unsafe fn ieq(a: __m256i, b: __m256i) -> __m256 {
        _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b))
    }
    #[inline(always)]
    unsafe fn igt(a: __m256i, b: __m256i) -> __m256 {
        _mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b))
    }
}

impl Lanes<f64> for Avx2 {
    type V = __m256d;
    type M = __m256d;
    type I = __m256i;
    type Wide = Self;
    const N: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f64) -> __m256d {
        _mm256_set1_pd(x)
    }
    #[inline(always)]
    unsafe fn zero() -> __m256d {
        _mm256_setzero_pd()
    }
    #[inline(always)]
    unsafe fn load(p: *const f64) -> __m256d {
        _mm256_loadu_pd(p)
    }
    #[inline(always)]
    unsafe fn store(p: *mut f64, v: __m256d) {
        _mm256_storeu_pd(p, v)
    }
    #[inline(always)]
    unsafe fn load_partial(p: *const f64, n: usize) -> __m256d {
        _mm256_maskload_pd(p, _mm256_castpd_si256(<Self as Lanes<f64>>::first_n(n)))
    }
    #[inline(always)]
    unsafe fn store_partial(p: *mut f64, v: __m256d, n: usize) {
        if n >= 4 {
            return _mm256_storeu_pd(p, v);
        }
        let (mut p, mut rest) = (p, _mm256_castpd256_pd128(v));
        if n & 2 != 0 {
            _mm_storeu_pd(p, rest);
            (p, rest) = (p.add(2), _mm256_extractf128_pd::<1>(v));
        }
        if n & 1 != 0 {
            _mm_store_sd(p, rest);
        }
    }

    #[inline(always)]
    unsafe fn add(a: __m256d, b: __m256d) -> __m256d {
        _mm256_add_pd(a, b)
    }
    #[inline(always)]
    unsafe fn sub(a: __m256d, b: __m256d) -> __m256d {
        _mm256_sub_pd(a, b)
    }
    #[inline(always)]
    unsafe fn mul(a: __m256d, b: __m256d) -> __m256d {
        _mm256_mul_pd(a, b)
    }
    #[inline(always)]
    unsafe fn div(a: __m256d, b: __m256d) -> __m256d {
        _mm256_div_pd(a, b)
    }
    #[inline(always)]
    unsafe fn fma(a: __m256d, b: __m256d, c: __m256d) -> __m256d {
        _mm256_fmadd_pd(a, b, c)
    }
    #[inline(always)]
    unsafe fn fnma(a: __m256d, b: __m256d, c: __m256d) -> __m256d {
        _mm256_fnmadd_pd(a, b, c)
    }
    #[inline(always)]
    unsafe fn fms(a: __m256d, b: __m256d, c: __m256d) -> __m256d {
        _mm256_fmsub_pd(a, b, c)
    }
    #[inline(always)]
    unsafe fn neg(a: __m256d) -> __m256d {
        _mm256_xor_pd(a, _mm256_set1_pd(-0.0))
    }
    #[inline(always)]
    unsafe fn abs(a: __m256d) -> __m256d {
        _mm256_andnot_pd(_mm256_set1_pd(-0.0), a)
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m256d) -> __m256d {
        _mm256_sqrt_pd(a)
    }
    #[inline(always)]
    unsafe fn min(a: __m256d, b: __m256d) -> __m256d {
        _mm256_min_pd(a, b)
    }
    #[inline(always)]
    unsafe fn max(a: __m256d, b: __m256d) -> __m256d {
        _mm256_max_pd(a, b)
    }
    #[inline(always)]
    unsafe fn floor(a: __m256d) -> __m256d {
        _mm256_round_pd::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn ceil(a: __m256d) -> __m256d {
        _mm256_round_pd::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn trunc(a: __m256d) -> __m256d {
        _mm256_round_pd::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn round_even(a: __m256d) -> __m256d {
        _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn scale_pow2(v: __m256d, k: __m256d) -> __m256d {
        // In two factors, since 2^k alone may overflow or vanish; the first product is exact.
        let limit = _mm256_set1_pd(2.0 * 1022.0);
        let k = _mm256_max_pd(<Self as Lanes<f64>>::neg(limit), _mm256_min_pd(limit, k));
        let half = <Self as Lanes<f64>>::floor(_mm256_mul_pd(k, _mm256_set1_pd(0.5)));
        let pow2 = |e: __m256d| {
            let biased = <Self as Lanes<f64>>::iadd(
                <Self as Lanes<f64>>::to_int_round(e),
                _mm256_set1_epi64x(1023),
            );
            _mm256_castsi256_pd(_mm256_slli_epi64::<52>(biased))
        };
        _mm256_mul_pd(_mm256_mul_pd(v, pow2(half)), pow2(_mm256_sub_pd(k, half)))
    }

    #[inline(always)]
    unsafe fn lt(a: __m256d, b: __m256d) -> __m256d {
        _mm256_cmp_pd::<_CMP_LT_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn le(a: __m256d, b: __m256d) -> __m256d {
        _mm256_cmp_pd::<_CMP_LE_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn eq(a: __m256d, b: __m256d) -> __m256d {
        _mm256_cmp_pd::<_CMP_EQ_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn ne(a: __m256d, b: __m256d) -> __m256d {
        _mm256_cmp_pd::<_CMP_NEQ_UQ>(a, b)
    }
    #[inline(always)]
    unsafe fn and(a: __m256d, b: __m256d) -> __m256d {
        _mm256_and_pd(a, b)
    }
    #[inline(always)]
    unsafe fn or(a: __m256d, b: __m256d) -> __m256d {
        _mm256_or_pd(a, b)
    }
    #[inline(always)]
    unsafe fn not(a: __m256d) -> __m256d {
        _mm256_xor_pd(a, _mm256_castsi256_pd(_mm256_set1_epi64x(-1)))
    }
    #[inline(always)]
    unsafe fn any(m: __m256d) -> bool {
        _mm256_movemask_pd(m) != 0
    }
    #[inline(always)]
    unsafe fn select(m: __m256d, a: __m256d, b: __m256d) -> __m256d {
        _mm256_blendv_pd(b, a, m)
    }
    #[inline(always)]
    unsafe fn first_n(n: usize) -> __m256d {
        let lane = _mm256_setr_epi64x(0, 1, 2, 3);
        let n = _mm256_set1_epi64x(n.min(4) as i64);
        _mm256_castsi256_pd(_mm256_cmpgt_epi64(n, lane))
    }

    #[inline(always)]
    unsafe fn reduce_sum(v: __m256d) -> f64 {
        let r = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
        _mm_cvtsd_f64(_mm_add_sd(r, _mm_unpackhi_pd(r, r)))
    }
    #[inline(always)]
    unsafe fn reduce_max(v: __m256d) -> f64 {
        if <Self as Lanes<f64>>::any(<Self as Lanes<f64>>::ne(v, v)) {
            return f64::NAN;
        }
        let r = _mm_max_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
        _mm_cvtsd_f64(_mm_max_sd(r, _mm_unpackhi_pd(r, r)))
    }
    #[inline(always)]
    unsafe fn reduce_min(v: __m256d) -> f64 {
        if <Self as Lanes<f64>>::any(<Self as Lanes<f64>>::ne(v, v)) {
            return f64::NAN;
        }
        let r = _mm_min_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
        _mm_cvtsd_f64(_mm_min_sd(r, _mm_unpackhi_pd(r, r)))
    }

    #[inline(always)]
    unsafe fn widen(v: __m256d) -> (__m256d, __m256d) {
        (v, _mm256_setzero_pd())
    }
    #[inline(always)]
    unsafe fn narrow(low: __m256d, _high: __m256d) -> __m256d {
        low
    }

    #[inline(always)]
    unsafe fn transpose(src: *const f64, src_stride: isize, dst: *mut f64, dst_stride: isize) {
        for c in (0..4).step_by(2) {
            let two = |i: isize| {
                let at = |r: isize| _mm_loadu_pd(src.offset((i + r) * src_stride + c));
                _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(at(0)), at(2))
            };
            let (v0, v1) = (two(0), two(1));
            let out = |j: isize| dst.offset((c + j) * dst_stride);
            _mm256_storeu_pd(out(0), _mm256_unpacklo_pd(v0, v1));
            _mm256_storeu_pd(out(1), _mm256_unpackhi_pd(v0, v1));
        }
    }

    #[inline(always)]
    unsafe fn to_int_round(v: __m256d) -> __m256i {
        // Adding 1.5 * 2^52 leaves the rounded integer in the low bits of the mantissa.
        let magic = _mm256_set1_pd(INT_MAGIC);
        let shifted = _mm256_castpd_si256(_mm256_add_pd(v, magic));
        _mm256_sub_epi64(shifted, _mm256_castpd_si256(magic))
    }
    #[inline(always)]
    unsafe fn from_int(i: __m256i) -> __m256d {
        let magic = _mm256_set1_pd(INT_MAGIC);
        let shifted = _mm256_add_epi64(i, _mm256_castpd_si256(magic));
        _mm256_sub_pd(_mm256_castsi256_pd(shifted), magic)
    }
    #[inline(always)]
    unsafe fn bits(v: __m256d) -> __m256i {
        _mm256_castpd_si256(v)
    }
    #[inline(always)]
    unsafe fn from_bits(i: __m256i) -> __m256d {
        _mm256_castsi256_pd(i)
    }
    #[inline(always)]
    unsafe fn isplat(x: i64) -> __m256i {
        _mm256_set1_epi64x(x)
    }
    #[inline(always)]
    unsafe fn iadd(a: __m256i, b: __m256i) -> __m256i {
        _mm256_add_epi64(a, b)
    }
    #[inline(always)]
    unsafe fn isub(a: __m256i, b: __m256i) -> __m256i {
        _mm256_sub_epi64(a, b)
    }
    #[inline(always)]
    unsafe fn iand(a: __m256i, b: __m256i) -> __m256i {
        _mm256_and_si256(a, b)
    }
    #[inline(always)]
    unsafe fn ior(a: __m256i, b: __m256i) -> __m256i {
        _mm256_or_si256(a, b)
    }
    #[inline(always)]
    unsafe fn ixor(a: __m256i, b: __m256i) -> __m256i {
        _mm256_xor_si256(a, b)
    }
    #[inline(always)]
    unsafe fn ishl(a: __m256i, k: u32) -> __m256i {
        _mm256_sllv_epi64(a, _mm256_set1_epi64x(k as i64))
    }
    #[inline(always)]
    unsafe fn ishr(a: __m256i, k: u32) -> __m256i {
        _mm256_srlv_epi64(a, _mm256_set1_epi64x(k as i64))
    }
    #[inline(always)]
    unsafe fn ieq(a: __m256i, b: __m256i) -> __m256d {
        _mm256_castsi256_pd(_mm256_cmpeq_epi64(a, b))
    }
    #[inline(always)]
    unsafe fn igt(a: __m256i, b: __m256i) -> __m256d {
        _mm256_castsi256_pd(_mm256_cmpgt_epi64(a, b))
    }
}
