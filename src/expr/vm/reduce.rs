//! Instructions that reduce rows and columns.
//!
//! The order of operations is fixed by the shape alone, whatever the block size, the instruction set or the number of
//! threads. A row is summed in 64 lanes (element `i` in lane `i % 64`); every [`SPAN`] elements the lanes are folded by
//! halving into a wide accumulator (`f64` for floats), and every [`CHUNK`] elements that one into the total. Columns are
//! summed row by row, and every [`COL_SPAN`] rows into a wide accumulator. The error is that of pairwise summation.

use super::instr::{Cx, Instr, KernelFn, Op, resolve};
use crate::expr::ir::{ReduceOp, Ty};
use crate::simd::{Float, Isa, Lanes, Level};
use std::marker::PhantomData;

/// Lanes of a row reduction.
const LANES: usize = 64;
/// Elements of a row between two folds of the lanes.
pub(super) const SPAN: usize = 4096;
/// Elements of a row between two additions to the total: the unit of parallel work.
pub(super) const CHUNK: usize = 16 * SPAN;
/// Rows between two additions to the wide accumulator of a column.
pub(super) const COL_SPAN: usize = 128;

/// The state of the reduction of one row.
#[repr(C, align(64))]
struct State<T, W> {
    lanes: [T; LANES],
    chunk: W,
    total: W,
}

/// Bytes to reserve for a state of any type.
pub(super) const STATE_BYTES: usize = size_of::<State<f64, f64>>();
/// Where the total lies in a state, for every type (states are padded alike).
pub(super) fn total_offset(ty: Ty) -> usize {
    match ty {
        Ty::Bool => std::mem::offset_of!(State<u8, u8>, total),
        Ty::I32 => std::mem::offset_of!(State<i32, i32>, total),
        Ty::I64 => std::mem::offset_of!(State<i64, i64>, total),
        Ty::F32 => std::mem::offset_of!(State<f32, f64>, total),
        Ty::F64 => std::mem::offset_of!(State<f64, f64>, total),
    }
}

/// Bytes of a wide accumulator.
pub(super) fn wide_size(ty: Ty) -> usize {
    match ty {
        Ty::F32 => 8,
        other => other.size(),
    }
}

/// A reduction over values of type `T`.
trait Fold<T: Copy>: Sized + 'static {
    type Wide: Copy;
    const IDENTITY: T;
    fn widen(x: T) -> Self::Wide;
    fn narrow(w: Self::Wide) -> T;
    fn fold(a: T, b: T) -> T;
    fn join(a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// Folds `x[0..n]` into the lanes, element `i` into lane `i % 64`.
    unsafe fn lanes<I: Isa>(acc: *mut T, x: *const T, n: usize);
    /// The reduction of `x[0..n]`, folded by halving: what [`Fold::lanes`] over identities and [`halve`] give.
    unsafe fn row<I: Isa>(x: *const T, n: usize) -> T {
        let mut lanes = [Self::IDENTITY; LANES];
        Self::lanes::<I>(lanes.as_mut_ptr(), x, n);
        halve::<T, Self>(&mut lanes)
    }
    /// `acc[c] = fold(acc[c], x[r * cols + c])` for every row `r` in order.
    unsafe fn columns<I: Isa>(acc: *mut T, x: *const T, rows: usize, cols: usize);
}

struct Sum;
struct Prod;
struct Max;
struct Min;

/// The vector form of a reduction of floats.
trait VecFold<T: Float>: 'static {
    /// The lanes of a vector, folded by halving.
    unsafe fn across<L: Lanes<T>>(v: L::V) -> T;
    unsafe fn vec<L: Lanes<T>>(a: L::V, b: L::V) -> L::V;
}

/// Order matters to sums (which the trait halves as we do) and products, not to the largest and smallest.
macro_rules! across {
    (add, $t:ident, $l:ident, $v:ident, $scalar:expr) => {
        $l::reduce_sum($v)
    };
    (max_nan, $t:ident, $l:ident, $v:ident, $scalar:expr) => {
        $l::reduce_max($v)
    };
    (min_nan, $t:ident, $l:ident, $v:ident, $scalar:expr) => {
        $l::reduce_min($v)
    };
    (mul, $t:ident, $l:ident, $v:ident, $scalar:expr) => {{
        let mut lanes = [1.0 as $t; 16];
        $l::store(lanes.as_mut_ptr(), $v);
        let (fold, mut w): (fn($t, $t) -> $t, usize) = ($scalar, $l::N / 2);
        while w > 0 {
            for l in 0..w {
                lanes[l] = fold(lanes[l], lanes[l + w]);
            }
            w /= 2;
        }
        lanes[0]
    }};
}

macro_rules! float_folds {
    ($($t:ident { $($op:ident, $identity:expr, |$a:ident, $b:ident| $scalar:expr, $vec:ident;)* })*) => {$($(
        impl VecFold<$t> for $op {
            #[inline(always)]
            unsafe fn vec<L: Lanes<$t>>(a: L::V, b: L::V) -> L::V { L::$vec(a, b) }
            #[inline(always)]
            unsafe fn across<L: Lanes<$t>>(v: L::V) -> $t { across!($vec, $t, L, v, |$a, $b| $scalar) }
        }
        impl Fold<$t> for $op {
            type Wide = f64;
            const IDENTITY: $t = $identity;
            #[inline(always)]
            fn widen(x: $t) -> f64 { x.into() }
            #[inline(always)]
            fn narrow(w: f64) -> $t { w as $t }
            #[inline(always)]
            fn fold($a: $t, $b: $t) -> $t { $scalar }
            #[inline(always)]
            fn join($a: f64, $b: f64) -> f64 { $scalar }
            #[inline(always)]
            unsafe fn row<I: Isa>(x: *const $t, n: usize) -> $t {
                fold_row::<$t, $op, I>($identity, x, n)
            }
            #[inline(always)]
            unsafe fn lanes<I: Isa>(acc: *mut $t, x: *const $t, n: usize) {
                fold_lanes::<$t, $op, I>(acc, x, n)
            }
            #[inline(always)]
            unsafe fn columns<I: Isa>(acc: *mut $t, x: *const $t, rows: usize, cols: usize) {
                fold_columns::<$t, $op, I>(acc, x, rows, cols)
            }
        }
    )*)*};
}

float_folds! {
    f32 {
        Sum, 0.0, |a, b| a + b, add;
        Prod, 1.0, |a, b| a * b, mul;
        Max, f32::NEG_INFINITY, |a, b| if a.is_nan() | (a > b) { a } else { b }, max_nan;
        Min, f32::INFINITY, |a, b| if a.is_nan() | (a < b) { a } else { b }, min_nan;
    }
    f64 {
        Sum, 0.0, |a, b| a + b, add;
        Prod, 1.0, |a, b| a * b, mul;
        Max, f64::NEG_INFINITY, |a, b| if a.is_nan() | (a > b) { a } else { b }, max_nan;
        Min, f64::INFINITY, |a, b| if a.is_nan() | (a < b) { a } else { b }, min_nan;
    }
}

/// Integers and truth values: order does not matter, so one lane is enough and the compiler vectorises.
macro_rules! int_folds {
    ($($t:ident { $($op:ident, $identity:expr, |$a:ident, $b:ident| $scalar:expr;)* })*) => {$($(
        impl Fold<$t> for $op {
            type Wide = $t;
            const IDENTITY: $t = $identity;
            #[inline(always)]
            fn widen(x: $t) -> $t { x }
            #[inline(always)]
            fn narrow(w: $t) -> $t { w }
            #[inline(always)]
            fn fold($a: $t, $b: $t) -> $t { $scalar }
            #[inline(always)]
            fn join($a: $t, $b: $t) -> $t { $scalar }
            #[inline(always)]
            unsafe fn lanes<I: Isa>(acc: *mut $t, x: *const $t, n: usize) {
                *acc = std::slice::from_raw_parts(x, n).iter().fold(*acc, |$a, &$b| $scalar);
            }
            #[inline(always)]
            unsafe fn columns<I: Isa>(acc: *mut $t, x: *const $t, rows: usize, cols: usize) {
                let acc = std::slice::from_raw_parts_mut(acc, cols);
                for r in 0..rows {
                    let row = std::slice::from_raw_parts(x.add(r * cols), cols);
                    for (slot, &$b) in acc.iter_mut().zip(row) {
                        let $a = *slot;
                        *slot = $scalar;
                    }
                }
            }
        }
    )*)*};
}

int_folds! {
    i32 {
        Sum, 0, |a, b| a.wrapping_add(b);
        Prod, 1, |a, b| a.wrapping_mul(b);
        Max, i32::MIN, |a, b| a.max(b);
        Min, i32::MAX, |a, b| a.min(b);
    }
    i64 {
        Sum, 0, |a, b| a.wrapping_add(b);
        Prod, 1, |a, b| a.wrapping_mul(b);
        Max, i64::MIN, |a, b| a.max(b);
        Min, i64::MAX, |a, b| a.min(b);
    }
    u8 {
        Sum, 0, |a, b| a | b;
        Prod, 1, |a, b| a & b;
        Max, 0, |a, b| a | b;
        Min, 1, |a, b| a & b;
    }
}

/// Four vectors of accumulators at a time go over the whole block.
#[inline(always)]
unsafe fn fold_lanes<T: Float, O: VecFold<T>, I: Isa>(acc: *mut T, x: *const T, n: usize) {
    fold_lanes_by::<T, O, T::Simd<I>>(acc, x, n)
}

#[inline(always)]
unsafe fn fold_lanes_by<T: Float, O: VecFold<T>, L: Lanes<T>>(acc: *mut T, x: *const T, n: usize) {
    let (w, whole) = (L::N, n / LANES * LANES);
    let mut first = 0;
    while first < LANES {
        let p = acc.add(first);
        let mut v = [
            L::load(p),
            L::load(p.add(w)),
            L::load(p.add(2 * w)),
            L::load(p.add(3 * w)),
        ];
        let mut i = first;
        while i < whole {
            v[0] = O::vec::<L>(v[0], L::load(x.add(i)));
            v[1] = O::vec::<L>(v[1], L::load(x.add(i + w)));
            v[2] = O::vec::<L>(v[2], L::load(x.add(i + 2 * w)));
            v[3] = O::vec::<L>(v[3], L::load(x.add(i + 3 * w)));
            i += LANES;
        }
        for (k, v) in v.into_iter().enumerate() {
            let at = i + k * w;
            let mut v = v;
            if at < n {
                let m = (n - at).min(w);
                let folded = O::vec::<L>(v, L::load_partial(x.add(at), m));
                v = L::select(L::first_n(m), folded, v);
            }
            L::store(p.add(k * w), v);
        }
        first += 4 * w;
    }
}

/// A whole row: lanes stay in registers where vectors are long, and short rows fill one vector.
#[inline(always)]
unsafe fn fold_row<T: Float, O: VecFold<T> + Fold<T>, I: Isa>(
    identity: T,
    x: *const T,
    n: usize,
) -> T {
    fold_row_by::<T, O, T::Simd<I>, I>(identity, x, n)
}

#[inline(always)]
unsafe fn fold_row_by<T: Float, O: VecFold<T> + Fold<T>, L: Lanes<T>, I: Isa>(
    identity: T,
    x: *const T,
    n: usize,
) -> T {
    if n <= L::N {
        // The other lanes are identities, so halving starts at this one vector.
        let v = L::select(L::first_n(n), L::load_partial(x, n), L::splat(identity));
        return O::across::<L>(v);
    }
    let mut lanes = [identity; LANES];
    O::lanes::<I>(lanes.as_mut_ptr(), x, n);
    let mut w = LANES / 2;
    while w >= L::N {
        for l in (0..w).step_by(L::N) {
            let p = lanes.as_mut_ptr().add(l);
            L::store(p, O::vec::<L>(L::load(p), L::load(p.add(w))));
        }
        w /= 2;
    }
    O::across::<L>(L::load(lanes.as_ptr()))
}

/// Strips of four vectors stay in registers over all rows.
#[inline(always)]
unsafe fn fold_columns<T: Float, O: VecFold<T>, I: Isa>(
    acc: *mut T,
    x: *const T,
    rows: usize,
    cols: usize,
) {
    fold_columns_by::<T, O, T::Simd<I>>(acc, x, rows, cols)
}

#[inline(always)]
unsafe fn fold_columns_by<T: Float, O: VecFold<T>, L: Lanes<T>>(
    acc: *mut T,
    x: *const T,
    rows: usize,
    cols: usize,
) {
    let w = L::N;
    let mut c = 0;
    while c + 4 * w <= cols {
        let p = acc.add(c);
        let mut v = [
            L::load(p),
            L::load(p.add(w)),
            L::load(p.add(2 * w)),
            L::load(p.add(3 * w)),
        ];
        for r in 0..rows {
            let row = x.add(r * cols + c);
            v[0] = O::vec::<L>(v[0], L::load(row));
            v[1] = O::vec::<L>(v[1], L::load(row.add(w)));
            v[2] = O::vec::<L>(v[2], L::load(row.add(2 * w)));
            v[3] = O::vec::<L>(v[3], L::load(row.add(3 * w)));
        }
        for (k, v) in v.into_iter().enumerate() {
            L::store(p.add(k * w), v);
        }
        c += 4 * w;
    }
    while c < cols {
        let m = w.min(cols - c);
        let mut v = L::load_partial(acc.add(c), m);
        for r in 0..rows {
            v = O::vec::<L>(v, L::load_partial(x.add(r * cols + c), m));
        }
        L::store_partial(acc.add(c), v, m);
        c += w;
    }
}

/// Folds the lanes by halving: lane `l` with lane `l + 32`, then `l + 16`, ...
#[inline(always)]
fn halve<T: Copy, O: Fold<T>>(lanes: &mut [T; LANES]) -> T {
    let mut w = LANES / 2;
    while w > 0 {
        for l in 0..w {
            lanes[l] = O::fold(lanes[l], lanes[l + w]);
        }
        w /= 2;
    }
    lanes[0]
}

/// Reduces each row of the block, which holds whole rows.
struct Rows<T, O>(PhantomData<(T, O)>);

impl<T: Copy, O: Fold<T>> Op for Rows<T, O> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (dst, x) = (cx.reg::<T>(ins.dst), cx.reg::<T>(ins.args[0]).cast_const());
        let cols = cx.cols;
        for r in 0..cx.rows {
            let folded = O::row::<I>(x.add(r * cols), cols);
            *dst.add(r) = O::narrow(O::join(O::widen(O::IDENTITY), O::widen(folded)));
        }
    }
}

/// What is done with the state of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowStep {
    /// Resets the state `dst`.
    Begin,
    /// Folds the block into the state `dst`.
    Block,
    /// Adds what was folded since the last chunk to the total of state `dst`.
    EndChunk,
    /// Adds the wide value at `args[0]` to the total of state `dst`.
    Join,
    /// Writes the total of the state `args[0]` to the register `dst`.
    Finish,
}

struct Begin<T, O>(PhantomData<(T, O)>);
struct Block<T, O>(PhantomData<(T, O)>);
struct EndChunk<T, O>(PhantomData<(T, O)>);
struct Join<T, O>(PhantomData<(T, O)>);
struct Finish<T, O>(PhantomData<(T, O)>);

impl<T: Copy, O: Fold<T>> Op for Begin<T, O> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let identity = O::widen(O::IDENTITY);
        *cx.reg::<State<T, O::Wide>>(ins.dst) = State {
            lanes: [O::IDENTITY; LANES],
            chunk: identity,
            total: identity,
        };
    }
}

#[inline(always)]
fn flush_lanes<T: Copy, O: Fold<T>>(state: &mut State<T, O::Wide>) {
    let folded = halve::<T, O>(&mut state.lanes);
    state.chunk = O::join(state.chunk, O::widen(folded));
    state.lanes = [O::IDENTITY; LANES];
}

impl<T: Copy, O: Fold<T>> Op for Block<T, O> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let state = &mut *cx.reg::<State<T, O::Wide>>(ins.dst);
        O::lanes::<I>(state.lanes.as_mut_ptr(), cx.reg::<T>(ins.args[0]), cx.cols);
        if (cx.col0 + cx.cols).is_multiple_of(SPAN) {
            flush_lanes::<T, O>(state);
        }
    }
}

impl<T: Copy, O: Fold<T>> Op for EndChunk<T, O> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let state = &mut *cx.reg::<State<T, O::Wide>>(ins.dst);
        flush_lanes::<T, O>(state);
        state.total = O::join(state.total, state.chunk);
        state.chunk = O::widen(O::IDENTITY);
    }
}

impl<T: Copy, O: Fold<T>> Op for Join<T, O> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let state = &mut *cx.reg::<State<T, O::Wide>>(ins.dst);
        state.total = O::join(state.total, *cx.reg::<O::Wide>(ins.args[0]));
    }
}

impl<T: Copy, O: Fold<T>> Op for Finish<T, O> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let state = &*cx.reg::<State<T, O::Wide>>(ins.args[0]);
        *cx.reg::<T>(ins.dst) = O::narrow(state.total);
    }
}

/// What is done with the accumulators of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColStep {
    /// Resets `cols` narrow accumulators `dst` and wide ones `args[0]`.
    Begin,
    /// Folds the rows of the block at `args[0]` into the narrow accumulators `dst`.
    Block,
    /// Adds the narrow accumulators `args[0]` to the wide ones `dst` and resets them.
    Flush,
    /// Adds the wide accumulators `args[0]` to the wide ones `dst`.
    Join,
    /// Writes the wide accumulators `args[0]` as values to `dst`.
    Finish,
}

struct ColBegin<T, O>(PhantomData<(T, O)>);
struct ColBlock<T, O>(PhantomData<(T, O)>);
struct ColFlush<T, O>(PhantomData<(T, O)>);
struct ColJoin<T, O>(PhantomData<(T, O)>);
struct ColFinish<T, O>(PhantomData<(T, O)>);

impl<T: Copy, O: Fold<T>> Op for ColBegin<T, O> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (acc, wide) = (cx.reg::<T>(ins.dst), cx.reg::<O::Wide>(ins.args[0]));
        for c in 0..cx.cols {
            acc.add(c).write(O::IDENTITY);
            wide.add(c).write(O::widen(O::IDENTITY));
        }
    }
}

impl<T: Copy, O: Fold<T>> Op for ColBlock<T, O> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        O::columns::<I>(cx.reg(ins.dst), cx.reg::<T>(ins.args[0]), cx.rows, cx.cols);
    }
}

impl<T: Copy, O: Fold<T>> Op for ColFlush<T, O> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (wide, acc) = (cx.reg::<O::Wide>(ins.dst), cx.reg::<T>(ins.args[0]));
        for c in 0..cx.cols {
            *wide.add(c) = O::join(*wide.add(c), O::widen(*acc.add(c)));
            *acc.add(c) = O::IDENTITY;
        }
    }
}

impl<T: Copy, O: Fold<T>> Op for ColJoin<T, O> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (wide, other) = (cx.reg::<O::Wide>(ins.dst), cx.reg::<O::Wide>(ins.args[0]));
        for c in 0..cx.cols {
            *wide.add(c) = O::join(*wide.add(c), *other.add(c));
        }
    }
}

impl<T: Copy, O: Fold<T>> Op for ColFinish<T, O> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (dst, wide) = (cx.reg::<T>(ins.dst), cx.reg::<O::Wide>(ins.args[0]));
        for c in 0..cx.cols {
            *dst.add(c) = O::narrow(*wide.add(c));
        }
    }
}

macro_rules! by_type_and_op {
    ($ty:expr, $op:expr, $level:expr, $kernel:ident) => {{
        macro_rules! ops {
            ($t:ty) => {
                match $op {
                    ReduceOp::Sum => resolve::<$kernel<$t, Sum>>($level),
                    ReduceOp::Prod => resolve::<$kernel<$t, Prod>>($level),
                    ReduceOp::Max => resolve::<$kernel<$t, Max>>($level),
                    ReduceOp::Min => resolve::<$kernel<$t, Min>>($level),
                }
            };
        }
        match $ty {
            Ty::Bool => ops!(u8),
            Ty::I32 => ops!(i32),
            Ty::I64 => ops!(i64),
            Ty::F32 => ops!(f32),
            Ty::F64 => ops!(f64),
        }
    }};
}

/// The code that reduces each whole row of a block to a row value.
pub(super) fn rows(op: ReduceOp, ty: Ty, level: Level) -> KernelFn {
    by_type_and_op!(ty, op, level, Rows)
}

/// The code of a step of a row reduction by blocks.
pub(super) fn row_step(step: RowStep, op: ReduceOp, ty: Ty, level: Level) -> KernelFn {
    match step {
        RowStep::Begin => by_type_and_op!(ty, op, level, Begin),
        RowStep::Block => by_type_and_op!(ty, op, level, Block),
        RowStep::EndChunk => by_type_and_op!(ty, op, level, EndChunk),
        RowStep::Join => by_type_and_op!(ty, op, level, Join),
        RowStep::Finish => by_type_and_op!(ty, op, level, Finish),
    }
}

/// The code of a step of a column reduction.
pub(super) fn col_step(step: ColStep, op: ReduceOp, ty: Ty, level: Level) -> KernelFn {
    match step {
        ColStep::Begin => by_type_and_op!(ty, op, level, ColBegin),
        ColStep::Block => by_type_and_op!(ty, op, level, ColBlock),
        ColStep::Flush => by_type_and_op!(ty, op, level, ColFlush),
        ColStep::Join => by_type_and_op!(ty, op, level, ColJoin),
        ColStep::Finish => by_type_and_op!(ty, op, level, ColFinish),
    }
}
