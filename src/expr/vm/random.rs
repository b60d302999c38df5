//! Instructions that depend on the position: the linear index, and counter-based random numbers (Philox4x32-10).

use super::instr::{Cx, Instr, KernelFn, Op, resolve};
use crate::expr::eval;
use crate::expr::ir::RandomKind;
use crate::simd::{Isa, Level, philox};

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

/// Elements of a stream.
trait Draw: Sized {
    /// Fills `out` with elements `first ..` of the stream of `key`.
    unsafe fn fill<I: Isa>(key: [u32; 2], first: u64, out: &mut [Self]);
}

impl Draw for i64 {
    #[inline(always)]
    unsafe fn fill<I: Isa>(key: [u32; 2], first: u64, out: &mut [i64]) {
        let mut words = [0u32; 256];
        let mut at = first;
        for out in out.chunks_mut(words.len()) {
            let words = &mut words[..out.len()];
            philox::bits_at::<I>(key, at, words);
            out.iter_mut()
                .zip(words)
                .for_each(|(o, w)| *o = i64::from(*w));
            at = at.wrapping_add(out.len() as u64);
        }
    }
}

impl Draw for f32 {
    #[inline(always)]
    unsafe fn fill<I: Isa>(key: [u32; 2], first: u64, out: &mut [f32]) {
        philox::uniform_f32_at::<I>(key, first, out);
    }
}

impl Draw for f64 {
    #[inline(always)]
    unsafe fn fill<I: Isa>(key: [u32; 2], first: u64, out: &mut [f64]) {
        philox::uniform_f64_at::<I>(key, first, out);
    }
}

struct Random<T>(std::marker::PhantomData<T>);

impl<T: Draw> Op for Random<T> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let out = std::slice::from_raw_parts_mut(cx.reg::<T>(ins.dst), cx.len(ins));
        let key = [0, 1].map(|i: usize| *cx.reg::<i64>(ins.args[i]) as u32);
        T::fill::<I>(key, cx.index, out);
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
