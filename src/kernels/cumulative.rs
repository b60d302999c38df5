//! Running sums, products, extrema and first-order linear recurrences along one axis of `[outer, n, inner]`.

use crate::buffer::Element;
use crate::par::parallel_for;

/// A raw pointer that tasks share; each writes the lines of its own blocks.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);

// SAFETY: every task writes elements that no other task touches.
unsafe impl<T> Sync for Shared<T> {}

impl<T: Copy> Shared<T> {
    /// # Safety
    /// Element `i` must lie inside the array and belong to the calling task alone.
    unsafe fn set(&self, i: usize, v: T) {
        *self.0.add(i) = v;
    }
    /// # Safety
    /// As [`Shared::set`].
    unsafe fn get(&self, i: usize) -> T {
        *self.0.add(i)
    }
}

/// Calls `line(start, step)` for pieces of all lines: `start` is the first element of a run of `width` neighbouring
/// lines, `step` the signed distance from one element of a line to the next.
fn for_lines(
    len: usize,
    n: usize,
    inner: usize,
    reverse: bool,
    f: impl Fn(usize, isize, usize) + Sync,
) {
    if len == 0 || n == 0 {
        return;
    }
    let outer = len / (n * inner);
    let width = inner.min(256);
    let pieces = inner.div_ceil(width);
    let step = if reverse {
        -(inner as isize)
    } else {
        inner as isize
    };
    parallel_for(outer * pieces, len * 4, |task| {
        let (o, p) = (task / pieces, task % pieces);
        let first = if reverse { n - 1 } else { 0 };
        let start = (o * n + first) * inner + p * width;
        f(start, step, width.min(inner - p * width));
    });
}

/// y_i = combine(y_(i-1), x_i), from the other end with `reverse`.
pub fn scan<T: Element>(
    x: &[T],
    n: usize,
    inner: usize,
    reverse: bool,
    y: &mut [T],
    combine: impl Fn(T, T) -> T + Sync,
) {
    assert_eq!(x.len(), y.len());
    let out = Shared(y.as_mut_ptr());
    for_lines(x.len(), n, inner, reverse, |start, step, width| {
        for i in 0..n as isize {
            let row = (start as isize + i * step) as usize;
            for e in row..row + width {
                // SAFETY: these lines belong to this task, and the element before was written by it.
                unsafe {
                    let v = if i == 0 {
                        x[e]
                    } else {
                        combine(out.get((e as isize - step) as usize), x[e])
                    };
                    out.set(e, v);
                }
            }
        }
    });
}

/// The index of the extremum so far (the latest of equal ones); once a NaN has come it stays.
pub fn running_arg<T: Element>(
    x: &[T],
    n: usize,
    inner: usize,
    reverse: bool,
    largest: bool,
    y: &mut [i64],
) {
    assert_eq!(x.len(), y.len());
    let out = Shared(y.as_mut_ptr());
    for_lines(x.len(), n, inner, reverse, |start, step, width| {
        for i in 0..n as isize {
            let row = (start as isize + i * step) as usize;
            let place = |k: isize| if reverse { n as isize - 1 - k } else { k } as i64;
            for e in row..row + width {
                // SAFETY: these lines belong to this task, and the element before was written by it.
                unsafe {
                    let mut best = place(i);
                    if i > 0 {
                        let before = out.get((e as isize - step) as usize);
                        let distance = before - place(i);
                        let old = x[(e as isize + distance as isize * inner as isize) as usize];
                        let old_nan = old.partial_cmp(&old).is_none();
                        let new_nan = x[e].partial_cmp(&x[e]).is_none();
                        let better = new_nan || if largest { x[e] >= old } else { x[e] <= old };
                        if old_nan || !better {
                            best = before;
                        }
                    }
                    out.set(e, best);
                }
            }
        }
    });
}

/// y_i = a_i y_(i-1) + b_i with y_(-1) = 0; from the other end with `reverse`.
pub fn linear<T: Element + std::ops::Add<Output = T> + std::ops::Mul<Output = T>>(
    a: &[T],
    b: &[T],
    n: usize,
    inner: usize,
    reverse: bool,
    y: &mut [T],
) {
    assert!(a.len() == y.len() && b.len() == y.len());
    let out = Shared(y.as_mut_ptr());
    for_lines(b.len(), n, inner, reverse, |start, step, width| {
        for i in 0..n as isize {
            let row = (start as isize + i * step) as usize;
            for e in row..row + width {
                // SAFETY: these lines belong to this task, and the element before was written by it.
                unsafe {
                    let v = if i == 0 {
                        b[e]
                    } else {
                        a[e] * out.get((e as isize - step) as usize) + b[e]
                    };
                    out.set(e, v);
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_and_wide_lines() {
        for (outer, n, inner) in [(1, 5, 1), (2, 3, 4), (2, 4, 300)] {
            let x: Vec<f64> = (0..outer * n * inner)
                .map(|i| ((i * 37) % 11) as f64)
                .collect();
            for reverse in [false, true] {
                let mut y = vec![0.0; x.len()];
                scan(&x, n, inner, reverse, &mut y, |a, b| a + b);
                let mut arg = vec![0; x.len()];
                running_arg(&x, n, inner, reverse, true, &mut arg);
                for o in 0..outer {
                    for c in 0..inner {
                        let at = |k: usize| x[(o * n + k) * inner + c];
                        for k in 0..n {
                            let range = if reverse { k..n } else { 0..k + 1 };
                            let e = (o * n + k) * inner + c;
                            assert_eq!(y[e], range.clone().map(at).sum::<f64>());
                            assert_eq!(at(arg[e] as usize), range.map(at).fold(-1.0, f64::max));
                        }
                    }
                }
            }
        }
    }
}
