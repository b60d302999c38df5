//! One lane of plain Rust: the level of last resort, and the one that says what the others must do.

use super::{Isa, Kernel, Lanes, Level};

/// Plain Rust, one lane. Without hardware FMA, [`Lanes::fma`] is slow, but right.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

impl Isa for Scalar {
    const LEVEL: Level = Level::Scalar;

    #[inline(always)]
    unsafe fn mul_wide_u32(a: i32, b: i32) -> (i32, i32) {
        let product = u64::from(a as u32) * u64::from(b as u32);
        ((product >> 32) as i32, product as i32)
    }

    #[inline(always)]
    unsafe fn store_interleaved(p: *mut f32, v: [f32; 4]) {
        p.cast::<[f32; 4]>().write_unaligned(v)
    }
}

/// Runs `k` one lane at a time.
///
/// # Safety
/// None: `unsafe` only to have the type of the other levels' doors.
pub(super) unsafe fn enter<K: Kernel>(k: K) -> K::Out {
    k.run::<Scalar>()
}

macro_rules! scalar_lanes {
    ($t:ty, $int:ty, $uint:ty, $half_max:expr) => {
        impl Lanes<$t> for Scalar {
            type V = $t;
            type M = bool;
            type I = $int;
            type Wide = Scalar;
            const N: usize = 1;

            #[inline(always)]
            unsafe fn splat(x: $t) -> $t {
                x
            }
            #[inline(always)]
            unsafe fn zero() -> $t {
                0.0
            }
            #[inline(always)]
            unsafe fn load(p: *const $t) -> $t {
                p.read_unaligned()
            }
            #[inline(always)]
            unsafe fn store(p: *mut $t, v: $t) {
                p.write_unaligned(v)
            }
            #[inline(always)]
            unsafe fn load_partial(p: *const $t, n: usize) -> $t {
                if n == 0 { 0.0 } else { p.read_unaligned() }
            }
            #[inline(always)]
            unsafe fn store_partial(p: *mut $t, v: $t, n: usize) {
                if n > 0 {
                    p.write_unaligned(v)
                }
            }

            #[inline(always)]
            unsafe fn add(a: $t, b: $t) -> $t {
                a + b
            }
            #[inline(always)]
            unsafe fn sub(a: $t, b: $t) -> $t {
                a - b
            }
            #[inline(always)]
            unsafe fn mul(a: $t, b: $t) -> $t {
                a * b
            }
            #[inline(always)]
            unsafe fn div(a: $t, b: $t) -> $t {
                a / b
            }
            #[inline(always)]
            unsafe fn fma(a: $t, b: $t, c: $t) -> $t {
                a.mul_add(b, c)
            }
            #[inline(always)]
            unsafe fn neg(a: $t) -> $t {
                -a
            }
            #[inline(always)]
            unsafe fn abs(a: $t) -> $t {
                a.abs()
            }
            #[inline(always)]
            unsafe fn sqrt(a: $t) -> $t {
                a.sqrt()
            }
            #[inline(always)]
            unsafe fn min(a: $t, b: $t) -> $t {
                if a < b { a } else { b }
            }
            #[inline(always)]
            unsafe fn max(a: $t, b: $t) -> $t {
                if a > b { a } else { b }
            }
            #[inline(always)]
            unsafe fn floor(a: $t) -> $t {
                a.floor()
            }
            #[inline(always)]
            unsafe fn ceil(a: $t) -> $t {
                a.ceil()
            }
            #[inline(always)]
            unsafe fn trunc(a: $t) -> $t {
                a.trunc()
            }
            #[inline(always)]
            unsafe fn round_even(a: $t) -> $t {
                a.round_ties_even()
            }
            #[inline(always)]
            unsafe fn scale_pow2(v: $t, k: $t) -> $t {
                // In two factors, since 2^k alone may overflow or vanish; the first product is exact.
                const MANTISSA: u32 = <$t>::MANTISSA_DIGITS - 1;
                const BIAS: $int = <$t>::MAX_EXP as $int - 1;
                let k = k.clamp(-2.0 * $half_max, 2.0 * $half_max) as $int;
                let half = k >> 1;
                let pow2 = |e: $int| <$t>::from_bits(((e + BIAS) as $uint) << MANTISSA);
                v * pow2(half) * pow2(k - half)
            }

            #[inline(always)]
            unsafe fn lt(a: $t, b: $t) -> bool {
                a < b
            }
            #[inline(always)]
            unsafe fn le(a: $t, b: $t) -> bool {
                a <= b
            }
            #[inline(always)]
            unsafe fn eq(a: $t, b: $t) -> bool {
                a == b
            }
            #[inline(always)]
            unsafe fn ne(a: $t, b: $t) -> bool {
                a != b
            }
            #[inline(always)]
            unsafe fn and(a: bool, b: bool) -> bool {
                a & b
            }
            #[inline(always)]
            unsafe fn or(a: bool, b: bool) -> bool {
                a | b
            }
            #[inline(always)]
            unsafe fn not(a: bool) -> bool {
                !a
            }
            #[inline(always)]
            unsafe fn any(m: bool) -> bool {
                m
            }
            #[inline(always)]
            unsafe fn select(m: bool, a: $t, b: $t) -> $t {
                if m { a } else { b }
            }
            #[inline(always)]
            unsafe fn first_n(n: usize) -> bool {
                n > 0
            }

            #[inline(always)]
            unsafe fn reduce_sum(v: $t) -> $t {
                v
            }
            #[inline(always)]
            unsafe fn reduce_max(v: $t) -> $t {
                v
            }
            #[inline(always)]
            unsafe fn reduce_min(v: $t) -> $t {
                v
            }

            #[inline(always)]
            unsafe fn widen(v: $t) -> (f64, f64) {
                (f64::from(v), 0.0)
            }
            #[inline(always)]
            unsafe fn narrow(low: f64, _high: f64) -> $t {
                low as $t
            }

            #[inline(always)]
            unsafe fn to_int_round(v: $t) -> $int {
                v.round_ties_even() as $int
            }
            #[inline(always)]
            unsafe fn from_int(i: $int) -> $t {
                i as $t
            }
            #[inline(always)]
            unsafe fn bits(v: $t) -> $int {
                v.to_bits() as $int
            }
            #[inline(always)]
            unsafe fn from_bits(i: $int) -> $t {
                <$t>::from_bits(i as $uint)
            }
            #[inline(always)]
            unsafe fn isplat(x: i64) -> $int {
                x as $int
            }
            #[inline(always)]
            unsafe fn iadd(a: $int, b: $int) -> $int {
                a.wrapping_add(b)
            }
            #[inline(always)]
            unsafe fn isub(a: $int, b: $int) -> $int {
                a.wrapping_sub(b)
            }
            #[inline(always)]
            unsafe fn iand(a: $int, b: $int) -> $int {
                a & b
            }
            #[inline(always)]
            unsafe fn ior(a: $int, b: $int) -> $int {
                a | b
            }
            #[inline(always)]
            unsafe fn ixor(a: $int, b: $int) -> $int {
                a ^ b
            }
            #[inline(always)]
            unsafe fn ishl(a: $int, k: u32) -> $int {
                a << k
            }
            #[inline(always)]
            unsafe fn ishr(a: $int, k: u32) -> $int {
                ((a as $uint) >> k) as $int
            }
            #[inline(always)]
            unsafe fn ieq(a: $int, b: $int) -> bool {
                a == b
            }
            #[inline(always)]
            unsafe fn igt(a: $int, b: $int) -> bool {
                a > b
            }
        }
    };
}

scalar_lanes!(f32, i32, u32, 126.0);
scalar_lanes!(f64, i64, u64, 1022.0);
