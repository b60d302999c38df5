//! 64-bit Arm with Advanced SIMD (which every such CPU has): vectors of 128 bits.

use super::{Isa, Kernel, Lanes, Level};
use std::arch::aarch64::*;

/// 4 lanes of `f32`, 2 of `f64`; masks are vectors of all-ones or all-zeros lanes.
#[derive(Clone, Copy, Debug)]
pub struct Neon;

impl Isa for Neon {
    const LEVEL: Level = Level::Neon;

    #[inline(always)]
    unsafe fn mul_wide_u32(a: int32x4_t, b: int32x4_t) -> (int32x4_t, int32x4_t) {
        let (a, b) = (vreinterpretq_u32_s32(a), vreinterpretq_u32_s32(b));
        let low = vreinterpretq_u32_u64(vmull_u32(vget_low_u32(a), vget_low_u32(b)));
        let high = vreinterpretq_u32_u64(vmull_high_u32(a, b));
        (
            vreinterpretq_s32_u32(vuzp2q_u32(low, high)),
            vreinterpretq_s32_u32(vuzp1q_u32(low, high)),
        )
    }

    #[inline(always)]
    unsafe fn store_interleaved(p: *mut f32, v: [float32x4_t; 4]) {
        vst4q_f32(p, float32x4x4_t(v[0], v[1], v[2], v[3]));
    }
}

/// Runs `k` compiled for this level.
///
/// # Safety
/// The CPU must have Advanced SIMD.
#[target_feature(enable = "neon")]
pub(super) unsafe fn enter<K: Kernel>(k: K) -> K::Out {
    k.run::<Neon>()
}

impl Lanes<f32> for Neon {
    type V = float32x4_t;
    type M = uint32x4_t;
    type I = int32x4_t;
    type Wide = Self;
    const N: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> float32x4_t {
        vdupq_n_f32(x)
    }
    #[inline(always)]
    unsafe fn zero() -> float32x4_t {
        vdupq_n_f32(0.0)
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> float32x4_t {
        vld1q_f32(p)
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: float32x4_t) {
        vst1q_f32(p, v)
    }
    #[inline(always)]
    unsafe fn load_partial(p: *const f32, n: usize) -> float32x4_t {
        let mut a = [0.0; 4];
        std::ptr::copy_nonoverlapping(p, a.as_mut_ptr(), n.min(4));
        vld1q_f32(a.as_ptr())
    }
    #[inline(always)]
    unsafe fn store_partial(p: *mut f32, v: float32x4_t, n: usize) {
        let mut a = [0.0; 4];
        vst1q_f32(a.as_mut_ptr(), v);
        std::ptr::copy_nonoverlapping(a.as_ptr(), p, n.min(4));
    }

    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        vaddq_f32(a, b)
    }
    #[inline(always)]
    unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        vsubq_f32(a, b)
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        vmulq_f32(a, b)
    }
    #[inline(always)]
    unsafe fn div(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        vdivq_f32(a, b)
    }
    #[inline(always)]
    unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        vfmaq_f32(c, a, b)
    }
    #[inline(always)]
    unsafe fn fnma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        vfmsq_f32(c, a, b)
    }
    #[inline(always)]
    unsafe fn neg(a: float32x4_t) -> float32x4_t {
        vnegq_f32(a)
    }
    #[inline(always)]
    unsafe fn abs(a: float32x4_t) -> float32x4_t {
        vabsq_f32(a)
    }
    #[inline(always)]
    unsafe fn sqrt(a: float32x4_t) -> float32x4_t {
        vsqrtq_f32(a)
    }
    #[inline(always)]
    unsafe fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        vbslq_f32(vcltq_f32(a, b), a, b)
    }
    #[inline(always)]
    unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        vbslq_f32(vcgtq_f32(a, b), a, b)
    }
    #[inline(always)]
    unsafe fn floor(a: float32x4_t) -> float32x4_t {
        vrndmq_f32(a)
    }
    #[inline(always)]
    unsafe fn ceil(a: float32x4_t) -> float32x4_t {
        vrndpq_f32(a)
    }
    #[inline(always)]
    unsafe fn trunc(a: float32x4_t) -> float32x4_t {
        vrndq_f32(a)
    }
    #[inline(always)]
    unsafe fn round_even(a: float32x4_t) -> float32x4_t {
        vrndnq_f32(a)
    }
    #[inline(always)]
    unsafe fn scale_pow2(v: float32x4_t, k: float32x4_t) -> float32x4_t {
        // In two factors, since 2^k alone may overflow or vanish; the first product is exact.
        let limit = vdupq_n_f32(2.0 * 126.0);
        let k = vmaxq_f32(vnegq_f32(limit), vminq_f32(limit, k));
        let half = vrndmq_f32(vmulq_f32(k, vdupq_n_f32(0.5)));
        let pow2 = |e: float32x4_t| {
            let biased = vaddq_s32(<Self as Lanes<f32>>::to_int_round(e), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased))
        };
        vmulq_f32(vmulq_f32(v, pow2(half)), pow2(vsubq_f32(k, half)))
    }

    #[inline(always)]
    unsafe fn lt(a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        vcltq_f32(a, b)
    }
    #[inline(always)]
    unsafe fn le(a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        vcleq_f32(a, b)
    }
    #[inline(always)]
    unsafe fn eq(a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        vceqq_f32(a, b)
    }
    #[inline(always)]
    unsafe fn ne(a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        <Self as Lanes<f32>>::not(vceqq_f32(a, b))
    }
    #[inline(always)]
    unsafe fn and(a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        vandq_u32(a, b)
    }
    #[inline(always)]
    unsafe fn or(a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        vorrq_u32(a, b)
    }
    #[inline(always)]
    unsafe fn not(a: uint32x4_t) -> uint32x4_t {
        veorq_u32(a, vdupq_n_u32(u32::MAX))
    }
    #[inline(always)]
    unsafe fn any(m: uint32x4_t) -> bool {
        vmaxvq_u32(m) != 0
    }
    #[inline(always)]
    unsafe fn select(m: uint32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        vbslq_f32(m, a, b)
    }
    #[inline(always)]
    unsafe fn first_n(n: usize) -> uint32x4_t {
        let lane: [u32; 4] = [0, 1, 2, 3];
        vcltq_u32(vld1q_u32(lane.as_ptr()), vdupq_n_u32(n.min(4) as u32))
    }

    #[inline(always)]
    unsafe fn reduce_sum(v: float32x4_t) -> f32 {
        let r = vadd_f32(vget_low_f32(v), vget_high_f32(v));
        vget_lane_f32::<0>(r) + vget_lane_f32::<1>(r)
    }
    #[inline(always)]
    unsafe fn reduce_max(v: float32x4_t) -> f32 {
        vmaxvq_f32(v)
    }
    #[inline(always)]
    unsafe fn reduce_min(v: float32x4_t) -> f32 {
        vminvq_f32(v)
    }

    #[inline(always)]
    unsafe fn widen(v: float32x4_t) -> (float64x2_t, float64x2_t) {
        (vcvt_f64_f32(vget_low_f32(v)), vcvt_high_f64_f32(v))
    }
    #[inline(always)]
    unsafe fn narrow(low: float64x2_t, high: float64x2_t) -> float32x4_t {
        vcvt_high_f32_f64(vcvt_f32_f64(low), high)
    }

    #[inline(always)]
    unsafe fn to_int_round(v: float32x4_t) -> int32x4_t {
        vcvtnq_s32_f32(v)
    }
    #[inline(always)]
    unsafe fn from_int(i: int32x4_t) -> float32x4_t {
        vcvtq_f32_s32(i)
    }
    #[inline(always)]
    unsafe fn bits(v: float32x4_t) -> int32x4_t {
        vreinterpretq_s32_f32(v)
    }
    #[inline(always)]
    unsafe fn from_bits(i: int32x4_t) -> float32x4_t {
        vreinterpretq_f32_s32(i)
    }
    #[inline(always)]
    unsafe fn isplat(x: i64) -> int32x4_t {
        vdupq_n_s32(x as i32)
    }
    #[inline(always)]
    unsafe fn iadd(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        vaddq_s32(a, b)
    }
    #[inline(always)]
    unsafe fn isub(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        vsubq_s32(a, b)
    }
    #[inline(always)]
    unsafe fn iand(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        vandq_s32(a, b)
    }
    #[inline(always)]
    unsafe fn ior(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        vorrq_s32(a, b)
    }
    #[inline(always)]
    unsafe fn ixor(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        veorq_s32(a, b)
    }
    #[inline(always)]
    unsafe fn ishl(a: int32x4_t, k: u32) -> int32x4_t {
        vshlq_s32(a, vdupq_n_s32(k as i32))
    }
    #[inline(always)]
    unsafe fn ishr(a: int32x4_t, k: u32) -> int32x4_t {
        let r = vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(-(k as i32)));
        vreinterpretq_s32_u32(r)
    }
    #[inline(always)]
    unsafe fn ieq(a: int32x4_t, b: int32x4_t) -> uint32x4_t {
        vceqq_s32(a, b)
    }
    #[inline(always)]
    unsafe fn igt(a: int32x4_t, b: int32x4_t) -> uint32x4_t {
        vcgtq_s32(a, b)
    }
}

impl Lanes<f64> for Neon {
    type V = float64x2_t;
    type M = uint64x2_t;
    type I = int64x2_t;
    type Wide = Self;
    const N: usize = 2;

    #[inline(always)]
    unsafe fn splat(x: f64) -> float64x2_t {
        vdupq_n_f64(x)
    }
    #[inline(always)]
    unsafe fn zero() -> float64x2_t {
        vdupq_n_f64(0.0)
    }
    #[inline(always)]
    unsafe fn load(p: *const f64) -> float64x2_t {
        vld1q_f64(p)
    }
    #[inline(always)]
    unsafe fn store(p: *mut f64, v: float64x2_t) {
        vst1q_f64(p, v)
    }
    #[inline(always)]
    unsafe fn load_partial(p: *const f64, n: usize) -> float64x2_t {
        let mut a = [0.0; 2];
        std::ptr::copy_nonoverlapping(p, a.as_mut_ptr(), n.min(2));
        vld1q_f64(a.as_ptr())
    }
    #[inline(always)]
    unsafe fn store_partial(p: *mut f64, v: float64x2_t, n: usize) {
        let mut a = [0.0; 2];
        vst1q_f64(a.as_mut_ptr(), v);
        std::ptr::copy_nonoverlapping(a.as_ptr(), p, n.min(2));
    }

    #[inline(always)]
    unsafe fn add(a: float64x2_t, b: float64x2_t) -> float64x2_t {
        vaddq_f64(a, b)
    }
    #[inline(always)]
    unsafe fn sub(a: float64x2_t, b: float64x2_t) -> float64x2_t {
        vsubq_f64(a, b)
    }
    #[inline(always)]
    unsafe fn mul(a: float64x2_t, b: float64x2_t) -> float64x2_t {
        vmulq_f64(a, b)
    }
    #[inline(always)]
    unsafe fn div(a: float64x2_t, b: float64x2_t) -> float64x2_t {
        vdivq_f64(a, b)
    }
    #[inline(always)]
    unsafe fn fma(a: float64x2_t, b: float64x2_t, c: float64x2_t) -> float64x2_t {
        vfmaq_f64(c, a, b)
    }
    #[inline(always)]
    unsafe fn fnma(a: float64x2_t, b: float64x2_t, c: float64x2_t) -> float64x2_t {
        vfmsq_f64(c, a, b)
    }
    #[inline(always)]
    unsafe fn neg(a: float64x2_t) -> float64x2_t {
        vnegq_f64(a)
    }
    #[inline(always)]
    unsafe fn abs(a: float64x2_t) -> float64x2_t {
        vabsq_f64(a)
    }
    #[inline(always)]
    unsafe fn sqrt(a: float64x2_t) -> float64x2_t {
        vsqrtq_f64(a)
    }
    #[inline(always)]
    unsafe fn min(a: float64x2_t, b: float64x2_t) -> float64x2_t {
        vbslq_f64(vcltq_f64(a, b), a, b)
    }
    #[inline(always)]
    unsafe fn max(a: float64x2_t, b: float64x2_t) -> float64x2_t {
        vbslq_f64(vcgtq_f64(a, b), a, b)
    }
    #[inline(always)]
    unsafe fn floor(a: float64x2_t) -> float64x2_t {
        vrndmq_f64(a)
    }
    #[inline(always)]
    unsafe fn ceil(a: float64x2_t) -> float64x2_t {
        vrndpq_f64(a)
    }
    #[inline(always)]
    unsafe fn trunc(a: float64x2_t) -> float64x2_t {
        vrndq_f64(a)
    }
    #[inline(always)]
    unsafe fn round_even(a: float64x2_t) -> float64x2_t {
        vrndnq_f64(a)
    }
    #[inline(always)]
    unsafe fn scale_pow2(v: float64x2_t, k: float64x2_t) -> float64x2_t {
        // In two factors, since 2^k alone may overflow or vanish; the first product is exact.
        let limit = vdupq_n_f64(2.0 * 1022.0);
        let k = vmaxq_f64(vnegq_f64(limit), vminq_f64(limit, k));
        let half = vrndmq_f64(vmulq_f64(k, vdupq_n_f64(0.5)));
        let pow2 = |e: float64x2_t| {
            let biased = vaddq_s64(<Self as Lanes<f64>>::to_int_round(e), vdupq_n_s64(1023));
            vreinterpretq_f64_s64(vshlq_n_s64::<52>(biased))
        };
        vmulq_f64(vmulq_f64(v, pow2(half)), pow2(vsubq_f64(k, half)))
    }

    #[inline(always)]
    unsafe fn lt(a: float64x2_t, b: float64x2_t) -> uint64x2_t {
        vcltq_f64(a, b)
    }
    #[inline(always)]
    unsafe fn le(a: float64x2_t, b: float64x2_t) -> uint64x2_t {
        vcleq_f64(a, b)
    }
    #[inline(always)]
    unsafe fn eq(a: float64x2_t, b: float64x2_t) -> uint64x2_t {
        vceqq_f64(a, b)
    }
    #[inline(always)]
    unsafe fn ne(a: float64x2_t, b: float64x2_t) -> uint64x2_t {
        <Self as Lanes<f64>>::not(vceqq_f64(a, b))
    }
    #[inline(always)]
    unsafe fn and(a: uint64x2_t, b: uint64x2_t) -> uint64x2_t {
        vandq_u64(a, b)
    }
    #[inline(always)]
    unsafe fn or(a: uint64x2_t, b: uint64x2_t) -> uint64x2_t {
        vorrq_u64(a, b)
    }
    #[inline(always)]
    unsafe fn not(a: uint64x2_t) -> uint64x2_t {
        veorq_u64(a, vdupq_n_u64(u64::MAX))
    }
    #[inline(always)]
    unsafe fn any(m: uint64x2_t) -> bool {
        vmaxvq_u32(vreinterpretq_u32_u64(m)) != 0
    }
    #[inline(always)]
    unsafe fn select(m: uint64x2_t, a: float64x2_t, b: float64x2_t) -> float64x2_t {
        vbslq_f64(m, a, b)
    }
    #[inline(always)]
    unsafe fn first_n(n: usize) -> uint64x2_t {
        let lane: [u64; 2] = [0, 1];
        vcltq_u64(vld1q_u64(lane.as_ptr()), vdupq_n_u64(n.min(2) as u64))
    }

    #[inline(always)]
    unsafe fn reduce_sum(v: float64x2_t) -> f64 {
        vgetq_lane_f64::<0>(v) + vgetq_lane_f64::<1>(v)
    }
    #[inline(always)]
    unsafe fn reduce_max(v: float64x2_t) -> f64 {
        vmaxvq_f64(v)
    }
    #[inline(always)]
    unsafe fn reduce_min(v: float64x2_t) -> f64 {
        vminvq_f64(v)
    }

    #[inline(always)]
    unsafe fn widen(v: float64x2_t) -> (float64x2_t, float64x2_t) {
        (v, vdupq_n_f64(0.0))
    }
    #[inline(always)]
    unsafe fn narrow(low: float64x2_t, _high: float64x2_t) -> float64x2_t {
        low
    }

    #[inline(always)]
    unsafe fn to_int_round(v: float64x2_t) -> int64x2_t {
        vcvtnq_s64_f64(v)
    }
    #[inline(always)]
    unsafe fn from_int(i: int64x2_t) -> float64x2_t {
        vcvtq_f64_s64(i)
    }
    #[inline(always)]
    unsafe fn bits(v: float64x2_t) -> int64x2_t {
        vreinterpretq_s64_f64(v)
    }
    #[inline(always)]
    unsafe fn from_bits(i: int64x2_t) -> float64x2_t {
        vreinterpretq_f64_s64(i)
    }
    #[inline(always)]
    unsafe fn isplat(x: i64) -> int64x2_t {
        vdupq_n_s64(x)
    }
    #[inline(always)]
    unsafe fn iadd(a: int64x2_t, b: int64x2_t) -> int64x2_t {
        vaddq_s64(a, b)
    }
    #[inline(always)]
    unsafe fn isub(a: int64x2_t, b: int64x2_t) -> int64x2_t {
        vsubq_s64(a, b)
    }
    #[inline(always)]
    unsafe fn iand(a: int64x2_t, b: int64x2_t) -> int64x2_t {
        vandq_s64(a, b)
    }
    #[inline(always)]
    unsafe fn ior(a: int64x2_t, b: int64x2_t) -> int64x2_t {
        vorrq_s64(a, b)
    }
    #[inline(always)]
    unsafe fn ixor(a: int64x2_t, b: int64x2_t) -> int64x2_t {
        veorq_s64(a, b)
    }
    #[inline(always)]
    unsafe fn ishl(a: int64x2_t, k: u32) -> int64x2_t {
        vshlq_s64(a, vdupq_n_s64(k as i64))
    }
    #[inline(always)]
    unsafe fn ishr(a: int64x2_t, k: u32) -> int64x2_t {
        let r = vshlq_u64(vreinterpretq_u64_s64(a), vdupq_n_s64(-(k as i64)));
        vreinterpretq_s64_u64(r)
    }
    #[inline(always)]
    unsafe fn ieq(a: int64x2_t, b: int64x2_t) -> uint64x2_t {
        vceqq_s64(a, b)
    }
    #[inline(always)]
    unsafe fn igt(a: int64x2_t, b: int64x2_t) -> uint64x2_t {
        vcgtq_s64(a, b)
    }
}
