//! Random numbers by counting: Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random
//! numbers: as easy as 1, 2, 3").
//!
//! A key names a stream of 2^66 words. Block `b` of four words is a keyed bijection of the counter
//! `b`, so any part of a stream can be computed alone, in any order and by any thread, and a number
//! need not be stored to be had again. Streams are the same on every level, bit for bit.
//!
//! Element `i` of a stream of `f32` is made of word `i`, of `f64` of words `2i` and `2i + 1`;
//! normal numbers come in pairs (elements `2j` and `2j + 1`) from the words of both.

use super::math::trig::sin_cos_turns;
use super::{I32, Isa, Kernel, Lanes, dispatch, math_f32, math_f64};

/// Fills `out` with words `first ..` of the stream of `key`.
///
/// ```
/// use rustdl::simd::philox;
/// let (mut all, mut part) = ([0; 20], [0; 7]);
/// philox::bits([1, 2], 0, &mut all);
/// philox::bits([1, 2], 5, &mut part);
/// assert_eq!(part, all[5..12]);
/// ```
pub fn bits(key: [u32; 2], first: u64, out: &mut [u32]) {
    let n = out.len();
    dispatch(Fill::<Bits>::new(key, first, out.as_mut_ptr().cast(), n));
}

/// Fills `out` with elements `first ..` of the stream of `key`, uniform on `[0, 1)`: multiples of
/// 2^-24, from the upper 24 bits of each word.
pub fn uniform_f32(key: [u32; 2], first: u64, out: &mut [f32]) {
    dispatch(Fill::<Uniform>::new(
        key,
        first,
        out.as_mut_ptr(),
        out.len(),
    ));
}

/// Fills `out` with elements `first ..` of the stream of `key`, of the standard normal distribution
/// (Box and Muller 1958): element pairs `sqrt(-2 log u) (cos, sin)(2 pi v)`, `u` from 32 bits, so that
/// the largest magnitude is 6.77.
pub fn normal_f32(key: [u32; 2], first: u64, out: &mut [f32]) {
    dispatch(Fill::<Normal>::new(key, first, out.as_mut_ptr(), out.len()));
}

/// [`uniform_f32`] in double precision: multiples of 2^-53, of the upper 53 bits of each two words.
pub fn uniform_f64(key: [u32; 2], first: u64, out: &mut [f64]) {
    dispatch(Fill64::<Uniform>::new(key, first, out));
}

/// [`normal_f32`] in double precision; `u` has 53 bits, so the largest magnitude is 8.57.
pub fn normal_f64(key: [u32; 2], first: u64, out: &mut [f64]) {
    dispatch(Fill64::<Normal>::new(key, first, out));
}

/// [`bits`], for code that runs at level `I` already.
///
/// # Safety
/// The CPU must have the instruction set `I`.
#[inline(always)]
pub unsafe fn bits_at<I: Isa>(key: [u32; 2], first: u64, out: &mut [u32]) {
    let n = out.len();
    Fill::<Bits>::new(key, first, out.as_mut_ptr().cast(), n).run::<I>();
}

/// [`uniform_f32`], for code that runs at level `I` already.
///
/// # Safety
/// The CPU must have the instruction set `I`.
#[inline(always)]
pub unsafe fn uniform_f32_at<I: Isa>(key: [u32; 2], first: u64, out: &mut [f32]) {
    let n = out.len();
    Fill::<Uniform>::new(key, first, out.as_mut_ptr(), n).run::<I>();
}

/// [`uniform_f64`], for code that runs at level `I` already.
///
/// # Safety
/// The CPU must have the instruction set `I`.
#[inline(always)]
pub unsafe fn uniform_f64_at<I: Isa>(key: [u32; 2], first: u64, out: &mut [f64]) {
    Fill64::<Uniform>::new(key, first, out).run::<I>();
}

/// Ten rounds over the counters `c`, one in each lane.
///
/// # Safety
/// The CPU must have the instruction set `I`.
#[inline(always)]
pub unsafe fn blocks<I: Isa>(key: [u32; 2], mut c: [I32<I>; 4]) -> [I32<I>; 4] {
    const ROUNDS: usize = 10;
    const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
    /// The golden ratio and `sqrt(3) - 1`, of 2^32.
    const KEY_STEPS: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
    let multipliers = [splat::<I>(MULTIPLIERS[0]), splat::<I>(MULTIPLIERS[1])];
    let mut key = key;
    for _ in 0..ROUNDS {
        let (high0, low0) = I::mul_wide_u32(multipliers[0], c[0]);
        let (high1, low1) = I::mul_wide_u32(multipliers[1], c[2]);
        c = [
            xor3::<I>(high1, c[1], splat::<I>(key[0])),
            low1,
            xor3::<I>(high0, c[3], splat::<I>(key[1])),
            low0,
        ];
        key[0] = key[0].wrapping_add(KEY_STEPS[0]);
        key[1] = key[1].wrapping_add(KEY_STEPS[1]);
    }
    c
}

// Functions and not closures, which would be compiled without the instruction set.

#[inline(always)]
unsafe fn splat<I: Isa>(x: u32) -> I32<I> {
    <I as Lanes<f32>>::isplat(i64::from(x))
}

#[inline(always)]
unsafe fn xor3<I: Isa>(a: I32<I>, b: I32<I>, c: I32<I>) -> I32<I> {
    <I as Lanes<f32>>::ixor(<I as Lanes<f32>>::ixor(a, b), c)
}

/// The word as a number in `[0, 1)`: its upper 24 bits times 2^-24.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub unsafe fn uniform_of<L: Lanes<f32>>(word: L::I) -> L::V {
    const UNIT: f32 = 1.0 / (1u32 << 24) as f32;
    L::mul(L::from_int(L::ishr(word, 8)), L::splat(UNIT))
}

/// The 64-bit word as a number in `[0, 1)`: its upper 53 bits times 2^-53.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub unsafe fn uniform64_of<L: Lanes<f64>>(word: L::I) -> L::V {
    // In two parts, since `from_int` takes 51 bits: the upper 26 and the lower 27.
    const UNIT: f64 = 1.0 / (1u64 << 53) as f64;
    const LOW: i64 = (1 << 27) - 1;
    let high = L::from_int(L::ishr(word, 38));
    let low = L::from_int(L::iand(L::ishr(word, 11), L::isplat(LOW)));
    let whole = L::fma(high, L::splat((1u64 << 27) as f64), low);
    L::mul(whole, L::splat(UNIT))
}

/// Two independent normal numbers of two words.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub unsafe fn normal_of<L: Lanes<f32>>(a: L::I, b: L::I) -> (L::V, L::V) {
    // u = (a + 1/2) 2^-32 in (0, 1], put together from halves, since `from_int` takes signed words.
    const HALF_WORD: f32 = 1.0 / 65_536.0;
    let high = L::from_int(L::ishr(a, 16));
    let low = L::from_int(L::iand(a, L::isplat(0xffff)));
    let low = L::mul(L::add(low, L::splat(0.5)), L::splat(HALF_WORD));
    let u = L::mul(L::add(high, low), L::splat(HALF_WORD));
    let radius = L::sqrt(L::mul(L::splat(-2.0), math_f32::log::<L>(u)));
    let (sin, cos) = sin_cos_turns::<f32, L>(uniform_of::<L>(b));
    (L::mul(radius, cos), L::mul(radius, sin))
}

/// Two independent normal numbers of two 64-bit words.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub unsafe fn normal64_of<L: Lanes<f64>>(a: L::I, b: L::I) -> (L::V, L::V) {
    // 1 - [0, 1) is in (0, 1], exactly.
    let u = L::sub(L::splat(1.0), uniform64_of::<L>(a));
    let radius = L::sqrt(L::mul(L::splat(-2.0), math_f64::log::<L>(u)));
    let (sin, cos) = sin_cos_turns::<f64, L>(uniform64_of::<L>(b));
    (L::mul(radius, cos), L::mul(radius, sin))
}

/// What is made of the words of a block.
trait Transform {
    /// Four vectors of 32 bits, of words 0 to 3 of one block in each lane.
    unsafe fn four<I: Isa>(words: [I32<I>; 4]) -> [<I as Lanes<f32>>::V; 4];
}

/// The words themselves.
struct Bits;
/// Uniform on `[0, 1)`.
struct Uniform;
/// Standard normal.
struct Normal;

impl Transform for Bits {
    #[inline(always)]
    unsafe fn four<I: Isa>(words: [I32<I>; 4]) -> [<I as Lanes<f32>>::V; 4] {
        let [a, b, c, d] = words;
        [
            <I as Lanes<f32>>::from_bits(a),
            <I as Lanes<f32>>::from_bits(b),
            <I as Lanes<f32>>::from_bits(c),
            <I as Lanes<f32>>::from_bits(d),
        ]
    }
}

impl Transform for Uniform {
    #[inline(always)]
    unsafe fn four<I: Isa>(words: [I32<I>; 4]) -> [<I as Lanes<f32>>::V; 4] {
        let [a, b, c, d] = words;
        [
            uniform_of::<I>(a),
            uniform_of::<I>(b),
            uniform_of::<I>(c),
            uniform_of::<I>(d),
        ]
    }
}

impl Transform for Normal {
    #[inline(always)]
    unsafe fn four<I: Isa>(words: [I32<I>; 4]) -> [<I as Lanes<f32>>::V; 4] {
        let (a, b) = normal_of::<I>(words[0], words[1]);
        let (c, d) = normal_of::<I>(words[2], words[3]);
        [a, b, c, d]
    }
}

/// The lanes of the widest vector of 32-bit elements.
const MAX_LANES: usize = 16;

/// Counters of `N` blocks from `block` on.
#[inline(always)]
unsafe fn counters<I: Isa>(block: u64) -> [I32<I>; 4] {
    let (mut low, mut high) = ([0u32; MAX_LANES], [0u32; MAX_LANES]);
    for i in 0..<I as Lanes<f32>>::N {
        let counter = block.wrapping_add(i as u64);
        low[i] = counter as u32;
        high[i] = (counter >> 32) as u32;
    }
    let zero = <I as Lanes<f32>>::isplat(0);
    [load_words::<I>(&low), load_words::<I>(&high), zero, zero]
}

#[inline(always)]
unsafe fn load_words<I: Isa>(x: &[u32; MAX_LANES]) -> I32<I> {
    <I as Lanes<f32>>::bits(<I as Lanes<f32>>::load(x.as_ptr().cast()))
}

/// Writes the blocks of `4 N` elements from `block` on: lane by lane, the four words of each.
#[inline(always)]
unsafe fn write_blocks<I: Isa, F: Transform>(key: [u32; 2], block: u64, out: *mut f32) {
    I::store_interleaved(out, F::four::<I>(blocks::<I>(key, counters::<I>(block))));
}

/// Fills `n` elements of 32 bits.
struct Fill<F> {
    key: [u32; 2],
    first: u64,
    out: *mut f32,
    n: usize,
    transform: std::marker::PhantomData<F>,
}

impl<F> Fill<F> {
    fn new(key: [u32; 2], first: u64, out: *mut f32, n: usize) -> Self {
        let transform = std::marker::PhantomData;
        Fill {
            key,
            first,
            out,
            n,
            transform,
        }
    }
}

impl<F: Transform> Kernel for Fill<F> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        let blocks = <I as Lanes<f32>>::N;
        let (mut block, mut skip) = (self.first / 4, (self.first % 4) as usize);
        let mut done = 0;
        while done < self.n {
            let take = (4 * blocks - skip).min(self.n - done);
            if take == 4 * blocks {
                write_blocks::<I, F>(self.key, block, self.out.add(done));
            } else {
                let mut group = [0f32; 4 * MAX_LANES];
                write_blocks::<I, F>(self.key, block, group.as_mut_ptr());
                let from = group.as_ptr().add(skip);
                std::ptr::copy_nonoverlapping(from, self.out.add(done), take);
            }
            done += take;
            skip = 0;
            block = block.wrapping_add(blocks as u64);
        }
    }
}

/// Pairs of `f64` that are made at a time: of one block each.
const PAIRS: usize = 64;

/// What is made of pairs of 64-bit words.
trait Transform64 {
    unsafe fn two<L: Lanes<f64>>(a: L::I, b: L::I) -> (L::V, L::V);
}

impl Transform64 for Uniform {
    #[inline(always)]
    unsafe fn two<L: Lanes<f64>>(a: L::I, b: L::I) -> (L::V, L::V) {
        (uniform64_of::<L>(a), uniform64_of::<L>(b))
    }
}

impl Transform64 for Normal {
    #[inline(always)]
    unsafe fn two<L: Lanes<f64>>(a: L::I, b: L::I) -> (L::V, L::V) {
        normal64_of::<L>(a, b)
    }
}

/// Fills elements of 64 bits.
struct Fill64<'a, F> {
    key: [u32; 2],
    first: u64,
    out: &'a mut [f64],
    transform: std::marker::PhantomData<F>,
}

impl<'a, F> Fill64<'a, F> {
    fn new(key: [u32; 2], first: u64, out: &'a mut [f64]) -> Self {
        let transform = std::marker::PhantomData;
        Fill64 {
            key,
            first,
            out,
            transform,
        }
    }
}

impl<F: Transform64> Kernel for Fill64<'_, F> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        let (mut block, mut skip) = (self.first / 2, (self.first % 2) as usize);
        let mut done = 0;
        while done < self.out.len() {
            let pairs = make_pairs::<I, F>(self.key, block);
            let take = (2 * PAIRS - skip).min(self.out.len() - done);
            for (i, out) in self.out[done..done + take].iter_mut().enumerate() {
                *out = pairs[(i + skip) % 2][(i + skip) / 2];
            }
            done += take;
            skip = 0;
            block = block.wrapping_add(PAIRS as u64);
        }
    }
}

/// The first and the second elements of `PAIRS` blocks.
#[inline(always)]
unsafe fn make_pairs<I: Isa, F: Transform64>(key: [u32; 2], block: u64) -> [[f64; PAIRS]; 2] {
    let mut words = [0u32; 4 * PAIRS];
    Fill::<Bits>::new(
        key,
        block.wrapping_mul(4),
        words.as_mut_ptr().cast(),
        words.len(),
    )
    .run::<I>();
    let mut pairs = [[0f64; PAIRS]; 2];
    for (i, w) in words.chunks_exact(4).enumerate() {
        pairs[0][i] = f64::from_bits(u64::from(w[0]) | u64::from(w[1]) << 32);
        pairs[1][i] = f64::from_bits(u64::from(w[2]) | u64::from(w[3]) << 32);
    }
    for i in (0..PAIRS).step_by(<I as Lanes<f64>>::N) {
        let load =
            |p: &[f64; PAIRS]| <I as Lanes<f64>>::bits(<I as Lanes<f64>>::load(p[i..].as_ptr()));
        let (a, b) = F::two::<I>(load(&pairs[0]), load(&pairs[1]));
        <I as Lanes<f64>>::store(pairs[0][i..].as_mut_ptr(), a);
        <I as Lanes<f64>>::store(pairs[1][i..].as_mut_ptr(), b);
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, Scalar, available, with_level};

    /// The known answers published with Random123.
    #[test]
    fn known_answers() {
        let cases = [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [u32::MAX; 4],
                [u32::MAX; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, answer) in cases {
            // SAFETY: every CPU has the scalar level.
            let got = unsafe { blocks::<Scalar>(key, counter.map(|c: u32| c as i32)) };
            assert_eq!(got.map(|w| w as u32), answer);
        }
        let mut first = [0; 4];
        bits([0, 0], 0, &mut first);
        assert_eq!(first, cases[0].2);
    }

    /// Words `first .. first + n` one block at a time, by the scalar level.
    fn slow(key: [u32; 2], first: u64, n: usize) -> Vec<u32> {
        let word = |i: u64| {
            let block = i / 4;
            let counter = [block as u32 as i32, (block >> 32) as i32, 0, 0];
            // SAFETY: every CPU has the scalar level.
            unsafe { blocks::<Scalar>(key, counter)[(i % 4) as usize] as u32 }
        };
        (0..n as u64).map(|i| word(first + i)).collect()
    }

    #[test]
    fn any_part_on_any_level() {
        let key = [0x1234_5678, 0x9abc_def0];
        for l in available() {
            for first in [
                0,
                1,
                2,
                3,
                4,
                61,
                4 * (u64::from(u32::MAX) - 3) + 1,
                1 << 40,
            ] {
                for n in [0, 1, 3, 4, 5, 63, 64, 65, 200] {
                    let mut out = vec![0; n];
                    with_level(l, || bits(key, first, &mut out));
                    assert_eq!(out, slow(key, first, n), "{l:?} {first} {n}");
                }
            }
        }
    }

    #[test]
    fn floats_agree_on_all_levels_and_in_parts() {
        type Fills = [(fn([u32; 2], u64, &mut [f32]), fn([u32; 2], u64, &mut [f64])); 2];
        let fills: Fills = [(uniform_f32, uniform_f64), (normal_f32, normal_f64)];
        for (single, double) in fills {
            let (mut a, mut b) = (vec![0.0; 1000], vec![0.0; 1000]);
            with_level(Level::Scalar, || single([7, 8], 0, &mut a));
            with_level(Level::Scalar, || double([7, 8], 0, &mut b));
            for l in available() {
                for first in [0, 1, 2, 3, 77] {
                    let (mut c, mut d) = (vec![0.0; 900], vec![0.0; 900]);
                    with_level(l, || single([7, 8], first as u64, &mut c));
                    with_level(l, || double([7, 8], first as u64, &mut d));
                    assert_eq!(c, a[first..first + 900], "{l:?} {first}");
                    assert_eq!(d, b[first..first + 900], "{l:?} {first}");
                }
            }
        }
    }

    #[test]
    fn uniforms_are_the_upper_bits() {
        let mut words = vec![0; 4000];
        bits([3, 4], 0, &mut words);
        let (mut single, mut double) = (vec![0.0; 4000], vec![0.0; 2000]);
        uniform_f32([3, 4], 0, &mut single);
        uniform_f64([3, 4], 0, &mut double);
        for (w, u) in words.iter().zip(&single) {
            assert_eq!(f64::from(*u), f64::from(w >> 8) / f64::powi(2.0, 24));
        }
        for (w, u) in words.chunks(2).zip(&double) {
            let word = u64::from(w[1]) << 32 | u64::from(w[0]);
            assert_eq!(*u, (word >> 11) as f64 / f64::powi(2.0, 53));
        }
    }

    #[test]
    fn normals_are_box_and_mullers() {
        let mut words = vec![0; 8000];
        bits([3, 4], 0, &mut words);
        let (mut single, mut double) = (vec![0.0; 8000], vec![0.0; 4000]);
        normal_f32([3, 4], 0, &mut single);
        normal_f64([3, 4], 0, &mut double);
        let tau = std::f64::consts::TAU;
        for (w, z) in words.chunks(2).zip(single.chunks(2)) {
            let radius = (-2.0 * ((f64::from(w[0]) + 0.5) / f64::powi(2.0, 32)).ln()).sqrt();
            let turn = f64::from(w[1] >> 8) / f64::powi(2.0, 24);
            let want = [radius * (tau * turn).cos(), radius * (tau * turn).sin()];
            for (z, want) in z.iter().zip(want) {
                assert!((f64::from(*z) - want).abs() < 1e-6, "{z} {want}");
            }
        }
        for (w, z) in words.chunks(4).zip(double.chunks(2)) {
            let u = |a: u32, b: u32| {
                ((u64::from(b) << 32 | u64::from(a)) >> 11) as f64 / f64::powi(2.0, 53)
            };
            let (radius, turn) = ((-2.0 * (1.0 - u(w[0], w[1])).ln()).sqrt(), u(w[2], w[3]));
            assert!((z[0] - radius * (tau * turn).cos()).abs() < 1e-14);
            assert!((z[1] - radius * (tau * turn).sin()).abs() < 1e-14);
        }
    }

    #[test]
    fn extreme_words_give_finite_normals() {
        for (a, b) in [
            (0, 0),
            (-1, -1),
            (0, -1),
            (-1, 0),
            (i32::MIN, i32::MIN),
            (i32::MAX, i32::MAX),
        ] {
            // SAFETY: every CPU has the scalar level.
            let (x, y) = unsafe { normal_of::<Scalar>(a, b) };
            assert!(
                x.is_finite() && y.is_finite() && x.hypot(y) < 6.77,
                "{a} {b}: {x} {y}"
            );
            let wide = |w: i32| i64::from(w) << 32 | i64::from(w as u32);
            // SAFETY: as above.
            let (x, y) = unsafe { normal64_of::<Scalar>(wide(a), wide(b)) };
            assert!(
                x.is_finite() && y.is_finite() && x.hypot(y) < 8.6,
                "{a} {b}: {x} {y}"
            );
        }
    }

    /// First four moments of a million of each, within five standard errors.
    #[test]
    fn moments() {
        const N: usize = 1 << 20;
        let moments = |x: &[f32]| {
            [1, 2, 3, 4].map(|p| x.iter().map(|&x| f64::from(x).powi(p)).sum::<f64>() / N as f64)
        };
        let mut x = vec![0.0; N];
        uniform_f32([11, 12], 0, &mut x);
        let m = moments(&x);
        for (p, m) in (1..).zip(m) {
            let (mean, square) = (1.0 / f64::from(p + 1), 1.0 / f64::from(2 * p + 1));
            assert!(
                (m - mean).abs() < 5.0 * ((square - mean * mean) / N as f64).sqrt(),
                "{p}: {m}"
            );
        }
        normal_f32([11, 12], 0, &mut x);
        let m = moments(&x);
        for (m, (mean, variance)) in
            m.into_iter()
                .zip([(0.0, 1.0), (1.0, 2.0), (0.0, 15.0), (3.0, 96.0)])
        {
            assert!(
                (m - mean).abs() < 5.0 * f64::sqrt(variance / N as f64),
                "{m} {mean}"
            );
        }
    }
}
