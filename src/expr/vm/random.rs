//! Instructions that depend on the position: the linear index, and counter-based random numbers (Philox4x32-10).

use super::instr::{Cx, Instr, KernelFn, Op, resolve};
use crate::expr::eval;
use crate::expr::ir::RandomKind;
use crate::simd::{Isa, Level};

struct Index;

impl Op for Index {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let dst = std::slice::from_raw_parts_mut(cx.reg::<i64>(ins.dst), cx.len(ins));
        for (i, d) in dst.iter_mut().enumerate() {
            *d = cx.index.wrapping_add(i as u64) as i64;
        }
    }
}

/// Counters that are computed together.
const GROUP: usize = 16;

/// The words of the counters `first..first + 16`, in the order of elements: `[4 * counter + word]`.
#[inline(always)]
fn philox_group(seed0: u32, seed1: u32, first: u64) -> [u32; 4 * GROUP] {
    let (mut c0, mut c1) = ([0u32; GROUP], [0u32; GROUP]);
    let (mut c2, mut c3) = ([0u32; GROUP], [0u32; GROUP]);
    for l in 0..GROUP {
        let counter = first.wrapping_add(l as u64);
        (c0[l], c1[l]) = (counter as u32, (counter >> 32) as u32);
    }
    let (mut k0, mut k1) = (seed0, seed1);
    for _ in 0..10 {
        for l in 0..GROUP {
            let p = u64::from(c0[l]) * 0xD251_1F53;
            let q = u64::from(c2[l]) * 0xCD9E_8D57;
            let (old1, old3) = (c1[l], c3[l]);
            c0[l] = (q >> 32) as u32 ^ old1 ^ k0;
            c1[l] = q as u32;
            c2[l] = (p >> 32) as u32 ^ old3 ^ k1;
            c3[l] = p as u32;
        }
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    let mut words = [0; 4 * GROUP];
    for l in 0..GROUP {
        words[4 * l] = c0[l];
        words[4 * l + 1] = c1[l];
        words[4 * l + 2] = c2[l];
        words[4 * l + 3] = c3[l];
    }
    words
}

/// A random number made of `WORDS` consecutive words.
trait Draw: Copy {
    const WORDS: usize;
    fn draw(words: &[u32; 4 * GROUP], at: usize) -> Self;
}

impl Draw for i64 {
    const WORDS: usize = 1;
    #[inline(always)]
    fn draw(words: &[u32; 4 * GROUP], at: usize) -> i64 {
        words[at].into()
    }
}

impl Draw for f32 {
    const WORDS: usize = 1;
    #[inline(always)]
    fn draw(words: &[u32; 4 * GROUP], at: usize) -> f32 {
        (words[at] >> 8) as i32 as f32 * (1.0 / 16_777_216.0)
    }
}

impl Draw for f64 {
    const WORDS: usize = 2;
    #[inline(always)]
    fn draw(words: &[u32; 4 * GROUP], at: usize) -> f64 {
        let bits = u64::from(words[2 * at + 1]) << 21 | u64::from(words[2 * at]) >> 11;
        bits as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

struct Random<T>(std::marker::PhantomData<T>);

impl<T: Draw> Op for Random<T> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (n, dst) = (cx.len(ins) as u64, cx.reg::<T>(ins.dst));
        let (seed0, seed1) = (cx.reg::<i64>(ins.args[0]), cx.reg::<i64>(ins.args[1]));
        let per_group = (4 * GROUP / T::WORDS) as u64;
        let per_counter = (4 / T::WORDS) as u64;
        let mut done = 0;
        while done < n {
            let index = cx.index.wrapping_add(done);
            // Start at a counter's first element; the first group may begin before `index`.
            let skip = index % per_counter;
            let words = philox_group(*seed0 as u32, *seed1 as u32, index / per_counter);
            let take = (per_group - skip).min(n - done);
            for i in 0..take {
                *dst.add((done + i) as usize) = T::draw(&words, (skip + i) as usize);
            }
            done += take;
        }
    }
}

/// Seeds that differ between elements: one element at a time.
struct RandomEach<const KIND: u8>;

impl<const KIND: u8> Op for RandomEach<KIND> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let step = |i: usize| usize::from(!ins.is_single(i));
        let (seed0, seed1) = (cx.reg::<i64>(ins.args[0]), cx.reg::<i64>(ins.args[1]));
        for i in 0..cx.len(ins) {
            let (a, b, index) = (
                *seed0.add(i * step(0)),
                *seed1.add(i * step(1)),
                cx.index + i as u64,
            );
            match KIND {
                0 => {
                    *cx.reg::<i64>(ins.dst).add(i) =
                        eval::random(RandomKind::Bits, a, b, index).to_f64() as i64
                }
                1 => {
                    *cx.reg::<f32>(ins.dst).add(i) =
                        eval::random(RandomKind::UniformF32, a, b, index).to_f64() as f32
                }
                _ => {
                    *cx.reg::<f64>(ins.dst).add(i) =
                        eval::random(RandomKind::UniformF64, a, b, index).to_f64()
                }
            }
        }
    }
}

/// The code of [`crate::expr::Node::Index`].
pub(super) fn index(level: Level) -> KernelFn {
    resolve::<Index>(level)
}

/// The code of [`crate::expr::Node::Random`]; `single`: both seeds are the same for all elements.
pub(super) fn random(kind: RandomKind, single: bool, level: Level) -> KernelFn {
    match (kind, single) {
        (RandomKind::Bits, true) => resolve::<Random<i64>>(level),
        (RandomKind::UniformF32, true) => resolve::<Random<f32>>(level),
        (RandomKind::UniformF64, true) => resolve::<Random<f64>>(level),
        (RandomKind::Bits, false) => resolve::<RandomEach<0>>(level),
        (RandomKind::UniformF32, false) => resolve::<RandomEach<1>>(level),
        (RandomKind::UniformF64, false) => resolve::<RandomEach<2>>(level),
    }
}
