//! Max and average pooling over one to three dimensions, vectorised over channels.
//!
//! Max pooling also gives the position of each maximum, so that its gradient is a scatter by
//! these indices and the gradient of that the gather of the same indices. Gradients are computed
//! row by row of the input, each row by one task that adds up what reaches it, so the results are
//! the same bits for any number of threads.

use crate::par::parallel_for;
use crate::simd::{Float, Isa, Kernel, Lanes, dispatch, level, with_level};
use std::ops::Range;

/// The sizes of one pooling: `x [n, input.., c]`, `y [n, output.., c]`.
///
/// `y[o]` reads `x` at `o * stride + tap * dilation - pad` for each tap of the window; positions
/// outside `x` take no part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolShape {
    /// Images.
    pub n: usize,
    /// Depth, height and width of `x`; their product is less than 2^31.
    pub input: [usize; 3],
    /// Channels.
    pub c: usize,
    /// Depth, height and width of `y`.
    pub output: [usize; 3],
    /// Depth, height and width of the window.
    pub window: [usize; 3],
    /// Input positions between neighbouring outputs.
    pub stride: [usize; 3],
    /// Input positions between neighbouring taps.
    pub dilation: [usize; 3],
    /// Positions before the first input position; negative values crop.
    pub pad: [isize; 3],
}

impl PoolShape {
    /// Elements of `x`.
    pub fn x_len(&self) -> usize {
        self.n * self.input.iter().product::<usize>() * self.c
    }
    /// Elements of `y`.
    pub fn y_len(&self) -> usize {
        self.n * self.output.iter().product::<usize>() * self.c
    }

    /// The taps of output `o` along axis `a` that lie inside `x`.
    #[inline(always)]
    fn taps(&self, a: usize, o: usize) -> Range<usize> {
        let at = (o * self.stride[a]) as isize - self.pad[a];
        let before = (-at).max(0) as usize;
        let until = (self.input[a] as isize - at).max(0) as usize;
        let end = until.div_ceil(self.dilation[a]).min(self.window[a]);
        before.div_ceil(self.dilation[a]).min(end)..end
    }

    /// Where tap `k` of output `o` reads.
    #[inline(always)]
    fn at(&self, a: usize, o: usize, k: usize) -> usize {
        (o * self.stride[a] + k * self.dilation[a]).wrapping_add_signed(-self.pad[a])
    }

    /// The output whose tap `k` reads position `i` along axis `a`.
    #[inline(always)]
    fn reader(&self, a: usize, i: usize, k: usize) -> Option<usize> {
        let t = i as isize + self.pad[a] - (k * self.dilation[a]) as isize;
        let t = usize::try_from(t).ok()?;
        (t % self.stride[a] == 0 && t / self.stride[a] < self.output[a]).then(|| t / self.stride[a])
    }

    fn check(&self, x: usize, y: usize) {
        assert!(
            self.stride.iter().chain(&self.dilation).all(|&s| s > 0),
            "zero stride"
        );
        assert_eq!([x, y], [self.x_len(), self.y_len()], "array lengths");
    }
}

/// `y[o, c]` = the largest `x` of the window; NaN if there is one; -inf where the window holds
/// padding only.
///
/// `index` gets the position (depth, height and width flattened, of its image) of the first of the
/// largest, or -1 where there is none.
///
/// # Panics
/// When a slice has another length than `s` says.
pub fn max_pool<T: Float>(s: &PoolShape, x: &[T], y: &mut [T], index: Option<&mut [i32]>) {
    s.check(x.len(), y.len());
    let (x, y) = (x.as_ptr(), y.as_mut_ptr());
    match index {
        Some(index) => {
            assert_eq!(index.len(), s.y_len(), "index length");
            forward(
                s,
                &Max::<T, true> {
                    x,
                    y,
                    index: index.as_mut_ptr(),
                },
            );
        }
        None => forward(
            s,
            &Max::<T, false> {
                x,
                y,
                index: std::ptr::null_mut(),
            },
        ),
    }
}

/// `y[o, c] = x[index[o, c], c]`, 0 where the index is -1: picks what [`max_pool`] picked.
///
/// # Panics
/// When a slice has another length than `s` says.
pub fn max_pool_gather<T: Float>(s: &PoolShape, x: &[T], index: &[i32], y: &mut [T]) {
    s.check(x.len(), y.len());
    assert_eq!(index.len(), s.y_len(), "index length");
    let (x, y) = (x.as_ptr(), y.as_mut_ptr());
    forward(
        s,
        &Gather {
            x,
            y,
            index: index.as_ptr(),
        },
    );
}

/// `dx[i, c] = sum of dy[o, c] over outputs with index[o, c] = i`: the gradient of [`max_pool`].
///
/// # Panics
/// When a slice has another length than `s` says.
pub fn max_pool_scatter<T: Float>(s: &PoolShape, dy: &[T], index: &[i32], dx: &mut [T]) {
    s.check(dx.len(), dy.len());
    assert_eq!(index.len(), s.y_len(), "index length");
    let (dy, dx) = (dy.as_ptr(), dx.as_mut_ptr());
    backward(
        s,
        dx,
        &Scatter {
            dy,
            index: index.as_ptr(),
        },
    );
}

/// `y[o, c]` = the mean of `x` over the window. Padding does not count, or, with
/// `count_padding`, counts as zeros. 0 where the window holds padding only.
///
/// # Panics
/// When a slice has another length than `s` says.
pub fn average_pool<T: Float>(s: &PoolShape, x: &[T], y: &mut [T], count_padding: bool) {
    s.check(x.len(), y.len());
    forward(
        s,
        &Average {
            x: x.as_ptr(),
            y: y.as_mut_ptr(),
            count_padding,
        },
    );
}

/// The gradient (and transpose) of [`average_pool`]: each `dy` spread evenly over its window.
///
/// # Panics
/// When a slice has another length than `s` says.
pub fn average_pool_grad<T: Float>(s: &PoolShape, dy: &[T], dx: &mut [T], count_padding: bool) {
    s.check(dx.len(), dy.len());
    backward(
        s,
        dx.as_mut_ptr(),
        &Spread {
            dy: dy.as_ptr(),
            count_padding,
        },
    );
}

/// What the window of one output does with the elements that it sees.
trait Fold<T: Float>: Sync {
    /// The input.
    fn x(&self) -> *const T;
    /// What is carried from tap to tap: a value, and a position or index.
    unsafe fn begin<L: Lanes<T>>(&self, o: usize, n: usize) -> (L::V, L::V);
    unsafe fn step<L: Lanes<T>>(&self, s: (L::V, L::V), v: L::V, at: usize) -> (L::V, L::V);
    unsafe fn end<L: Lanes<T>>(&self, s: (L::V, L::V), o: usize, n: usize, count: [usize; 2]);
}

struct Max<T, const INDEX: bool> {
    x: *const T,
    y: *mut T,
    index: *mut i32,
}
struct Gather<T> {
    x: *const T,
    y: *mut T,
    index: *const i32,
}
struct Average<T> {
    x: *const T,
    y: *mut T,
    count_padding: bool,
}
// SAFETY: (these three and the two below) tasks read the inputs and write disjoint outputs.
unsafe impl<T: Sync, const INDEX: bool> Sync for Max<T, INDEX> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Gather<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Average<T> {}

impl<T: Float, const INDEX: bool> Fold<T> for Max<T, INDEX> {
    #[inline(always)]
    fn x(&self) -> *const T {
        self.x
    }
    #[inline(always)]
    unsafe fn begin<L: Lanes<T>>(&self, _: usize, _: usize) -> (L::V, L::V) {
        (L::splat(-T::INFINITY), L::from_bits(L::isplat(-1)))
    }
    #[inline(always)]
    unsafe fn step<L: Lanes<T>>(&self, s: (L::V, L::V), v: L::V, at: usize) -> (L::V, L::V) {
        let mut take = L::or(L::gt(v, s.0), L::ne(v, v));
        if INDEX {
            // The first element is taken even if it is -inf.
            take = L::or(take, L::ieq(L::bits(s.1), L::isplat(-1)));
            let at = L::from_bits(L::isplat(at as i64));
            (L::select(take, v, s.0), L::select(take, at, s.1))
        } else {
            (L::select(take, v, s.0), s.1)
        }
    }
    #[inline(always)]
    unsafe fn end<L: Lanes<T>>(&self, s: (L::V, L::V), o: usize, n: usize, _: [usize; 2]) {
        L::store_partial(self.y.add(o), s.0, n);
        if INDEX {
            store_index::<T, L>(self.index.add(o), s.1, n);
        }
    }
}

impl<T: Float> Fold<T> for Gather<T> {
    #[inline(always)]
    fn x(&self) -> *const T {
        self.x
    }
    #[inline(always)]
    unsafe fn begin<L: Lanes<T>>(&self, o: usize, n: usize) -> (L::V, L::V) {
        (L::zero(), load_index::<T, L>(self.index.add(o), n))
    }
    #[inline(always)]
    unsafe fn step<L: Lanes<T>>(&self, s: (L::V, L::V), v: L::V, at: usize) -> (L::V, L::V) {
        let here = L::ieq(L::bits(s.1), L::isplat(at as i64));
        (L::select(here, v, s.0), s.1)
    }
    #[inline(always)]
    unsafe fn end<L: Lanes<T>>(&self, s: (L::V, L::V), o: usize, n: usize, _: [usize; 2]) {
        L::store_partial(self.y.add(o), s.0, n);
    }
}

impl<T: Float> Fold<T> for Average<T> {
    #[inline(always)]
    fn x(&self) -> *const T {
        self.x
    }
    #[inline(always)]
    unsafe fn begin<L: Lanes<T>>(&self, _: usize, _: usize) -> (L::V, L::V) {
        (L::zero(), L::zero())
    }
    #[inline(always)]
    unsafe fn step<L: Lanes<T>>(&self, s: (L::V, L::V), v: L::V, _: usize) -> (L::V, L::V) {
        (L::add(s.0, v), s.1)
    }
    #[inline(always)]
    unsafe fn end<L: Lanes<T>>(&self, s: (L::V, L::V), o: usize, n: usize, count: [usize; 2]) {
        let by = L::splat(divisor(count, self.count_padding));
        L::store_partial(self.y.add(o), L::div(s.0, by), n);
    }
}

/// What the mean is divided by, given the taps inside and all taps of a window.
#[inline(always)]
fn divisor<T: Float>([inside, all]: [usize; 2], count_padding: bool) -> T {
    T::from_f64(if count_padding { all } else { inside.max(1) } as f64)
}

/// Indices as bits of lanes of `T`.
#[inline(always)]
unsafe fn load_index<T: Float, L: Lanes<T>>(p: *const i32, n: usize) -> L::V {
    if size_of::<T>() == size_of::<i32>() {
        return L::load_partial(p.cast(), n);
    }
    let mut wide = [0i64; 64];
    for (i, w) in wide.iter_mut().enumerate().take(n) {
        *w = i64::from(*p.add(i));
    }
    L::load(wide.as_ptr().cast())
}

#[inline(always)]
unsafe fn store_index<T: Float, L: Lanes<T>>(p: *mut i32, v: L::V, n: usize) {
    if size_of::<T>() == size_of::<i32>() {
        return L::store_partial(p.cast(), v, n);
    }
    let mut wide = [0i64; 64];
    L::store(wide.as_mut_ptr().cast(), v);
    for (i, &w) in wide.iter().enumerate().take(n) {
        *p.add(i) = w as i32;
    }
}

/// Cuts `rows` rows into tasks and runs `kernel` for each.
fn over_rows(rows: usize, work: usize, kernel: impl Fn(Range<usize>) + Sync) {
    let tasks = rows.min(32);
    let isa = level();
    parallel_for(tasks, work, |i| {
        let part = rows * i / tasks..rows * (i + 1) / tasks;
        if level() == isa {
            kernel(part)
        } else {
            with_level(isa, || kernel(part))
        }
    });
}

/// Runs `fold` over the windows of all outputs.
fn forward<T: Float, F: Fold<T>>(s: &PoolShape, fold: &F) {
    if s.y_len() == 0 {
        return;
    }
    let work = s.y_len() * s.window.iter().product::<usize>();
    over_rows(s.n * s.output[0] * s.output[1], work, |rows| {
        dispatch(ForwardRows {
            s,
            fold,
            rows,
            element: std::marker::PhantomData,
        });
    });
}

/// Some rows of the output.
struct ForwardRows<'a, T, F> {
    s: &'a PoolShape,
    fold: &'a F,
    rows: Range<usize>,
    element: std::marker::PhantomData<T>,
}

impl<T: Float, F: Fold<T>> Kernel for ForwardRows<'_, T, F> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        for row in self.rows {
            forward_row::<T, T::Simd<I>, F>(self.s, self.fold, row);
        }
    }
}

#[inline(always)]
unsafe fn forward_row<T: Float, L: Lanes<T>, F: Fold<T>>(s: &PoolShape, fold: &F, row: usize) {
    let o = [row / s.output[1] % s.output[0], row % s.output[1]];
    let image = row / (s.output[0] * s.output[1]);
    let x = fold
        .x()
        .add(image * s.input.iter().product::<usize>() * s.c);
    let (d, h) = (s.taps(0, o[0]), s.taps(1, o[1]));
    let all: usize = s.window.iter().product();
    for ow in 0..s.output[2] {
        let w = s.taps(2, ow);
        let to = (row * s.output[2] + ow) * s.c;
        let count = [d.len() * h.len() * w.len(), all];
        let column = if w.is_empty() {
            0
        } else {
            s.at(2, ow, w.start)
        };
        let mut c = 0;
        while c < s.c {
            let n = L::N.min(s.c - c);
            let mut state = fold.begin::<L>(to + c, n);
            for kd in d.clone() {
                for kh in h.clone() {
                    let line = s.at(0, o[0], kd) * s.input[1] + s.at(1, o[1], kh);
                    let mut at = line * s.input[2] + column;
                    for _ in w.clone() {
                        let v = L::load_partial(x.add(at * s.c + c), n);
                        state = fold.step::<L>(state, v, at);
                        at += s.dilation[2];
                    }
                }
            }
            fold.end::<L>(state, to + c, n, count);
            c += L::N;
        }
    }
}

/// What an output gives to an input position that its window covers.
trait Give<T: Float>: Sync {
    /// `n` lanes from element `o` of the output on, for position `at` of the image.
    unsafe fn give<L: Lanes<T>>(&self, o: usize, n: usize, at: usize, count: [usize; 2]) -> L::V;
}

struct Scatter<T> {
    dy: *const T,
    index: *const i32,
}
struct Spread<T> {
    dy: *const T,
    count_padding: bool,
}
// SAFETY: see above.
unsafe impl<T: Sync> Sync for Scatter<T> {}
// SAFETY: see above.
unsafe impl<T: Sync> Sync for Spread<T> {}

impl<T: Float> Give<T> for Scatter<T> {
    #[inline(always)]
    unsafe fn give<L: Lanes<T>>(&self, o: usize, n: usize, at: usize, _: [usize; 2]) -> L::V {
        let index = load_index::<T, L>(self.index.add(o), n);
        let here = L::ieq(L::bits(index), L::isplat(at as i64));
        L::select(here, L::load_partial(self.dy.add(o), n), L::zero())
    }
}

impl<T: Float> Give<T> for Spread<T> {
    #[inline(always)]
    unsafe fn give<L: Lanes<T>>(&self, o: usize, n: usize, _: usize, count: [usize; 2]) -> L::V {
        let by = L::splat(divisor(count, self.count_padding));
        L::div(L::load_partial(self.dy.add(o), n), by)
    }
}

/// The gradient's target, of which every task writes its own rows.
#[derive(Clone, Copy)]
struct Target<T>(*mut T);
// SAFETY: tasks write disjoint rows.
unsafe impl<T: Send> Sync for Target<T> {}

/// `dx = sum of what each output gives`.
fn backward<T: Float, G: Give<T>>(s: &PoolShape, dx: *mut T, give: &G) {
    if s.x_len() == 0 {
        return;
    }
    let target = Target(dx);
    let work = s.x_len() + s.y_len() * s.window.iter().product::<usize>();
    over_rows(s.n * s.input[0] * s.input[1], work, |rows| {
        dispatch(BackwardRows {
            s,
            give,
            target: &target,
            rows,
        });
    });
}

/// Some rows of the input.
struct BackwardRows<'a, T, G> {
    s: &'a PoolShape,
    give: &'a G,
    target: &'a Target<T>,
    rows: Range<usize>,
}

impl<T: Float, G: Give<T>> Kernel for BackwardRows<'_, T, G> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        for row in self.rows {
            backward_row::<T, T::Simd<I>, G>(self.s, self.give, self.target.0, row);
        }
    }
}

#[inline(always)]
unsafe fn backward_row<T: Float, L: Lanes<T>, G: Give<T>>(
    s: &PoolShape,
    give: &G,
    dx: *mut T,
    row: usize,
) {
    let i = [row / s.input[1] % s.input[0], row % s.input[1]];
    let image = row / (s.input[0] * s.input[1]);
    let line = (i[0] * s.input[1] + i[1]) * s.input[2];
    let to = dx.add(row * s.input[2] * s.c);
    for e in 0..s.input[2] * s.c {
        to.add(e).write(T::ZERO);
    }
    let all: usize = s.window.iter().product();
    for kd in 0..s.window[0] {
        let Some(od) = s.reader(0, i[0], kd) else {
            continue;
        };
        for kh in 0..s.window[1] {
            let Some(oh) = s.reader(1, i[1], kh) else {
                continue;
            };
            let lines = s.taps(0, od).len() * s.taps(1, oh).len();
            let from = ((image * s.output[0] + od) * s.output[1] + oh) * s.output[2];
            for ow in 0..s.output[2] {
                let w = s.taps(2, ow);
                let count = [lines * w.len(), all];
                for kw in w {
                    let column = s.at(2, ow, kw);
                    let mut c = 0;
                    while c < s.c {
                        let n = L::N.min(s.c - c);
                        let o = (from + ow) * s.c + c;
                        let p = to.add(column * s.c + c);
                        let given = give.give::<L>(o, n, line + column, count);
                        L::store_partial(p, L::add(L::load_partial(p, n), given), n);
                        c += L::N;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
