//! Gather and scatter along one axis of an array seen as `[outer, n, inner]`.
//!
//! Indices are `i64`; negative ones count from the end, and those out of range read as a value of the caller's choice and
//! are dropped when written, so no index ever leaves the memory. Scatter is cut by destination: the order in which
//! contributions are added is that of the indices, whatever the number of threads.

use crate::buffer::{Element, with_scratch};
use crate::par::parallel_for;

/// The array's shape around the axis, and the number of indices for each of its rows.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    /// Product of the sizes before the axis.
    pub outer: usize,
    /// Size of the axis.
    pub n: usize,
    /// Product of the sizes behind the axis.
    pub inner: usize,
    /// Number of indices (the size of the axis on the other side).
    pub m: usize,
    /// One list of indices for all outer and inner positions (`[m]`), or one for each (`[outer, m, inner]`)?
    pub along: bool,
}

/// A raw pointer that tasks share; each writes a part of its own.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);

// SAFETY: every task writes elements that no other task touches.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Elements `start..start + len`.
    ///
    /// # Safety
    /// They must lie inside the array and belong to the calling task alone.
    #[allow(clippy::mut_from_ref)]
    unsafe fn slice(&self, start: usize, len: usize) -> &mut [T] {
        std::slice::from_raw_parts_mut(self.0.add(start), len)
    }
}

/// The index inside `0..n`, or `None` when it is out of range.
#[inline(always)]
fn resolve(i: i64, n: usize) -> Option<usize> {
    let n = n as i64;
    let i = if i < 0 { i + n } else { i };
    (0..n).contains(&i).then_some(i as usize)
}

/// y[o, j, :] = x[o, idx[j], :], or y[o, j, i] = x[o, idx[o, j, i], i] with `along`.
pub fn gather<T: Element>(g: &Geometry, x: &[T], idx: &[i64], missing: T, y: &mut [T]) {
    let rows = g.outer * g.m;
    assert!(x.len() == g.outer * g.n * g.inner && y.len() == rows * g.inner);
    assert_eq!(idx.len(), if g.along { y.len() } else { g.m });
    if y.is_empty() {
        return;
    }
    let per_task = (8192 / g.inner).max(1);
    let out = Shared(y.as_mut_ptr());
    parallel_for(rows.div_ceil(per_task), y.len() * 2, |task| {
        let first = task * per_task;
        let count = per_task.min(rows - first);
        // SAFETY: the rows of a task are its own.
        let part = unsafe { out.slice(first * g.inner, count * g.inner) };
        for (r, row) in part.chunks_exact_mut(g.inner).enumerate() {
            let (o, j) = ((first + r) / g.m, (first + r) % g.m);
            let block = &x[o * g.n * g.inner..(o + 1) * g.n * g.inner];
            if g.along {
                let list = &idx[(first + r) * g.inner..][..g.inner];
                for ((e, &k), i) in row.iter_mut().zip(list).zip(0..) {
                    *e = resolve(k, g.n).map_or(missing, |k| block[k * g.inner + i]);
                }
            } else {
                match resolve(idx[j], g.n) {
                    Some(k) => row.copy_from_slice(&block[k * g.inner..(k + 1) * g.inner]),
                    None => row.fill(missing),
                }
            }
        }
    });
}

/// y[o, idx[j], :] = combine(y[o, idx[j], :], u[o, j, :]) for j = 0, 1, .. in this order. All of `y`
/// begins as `start`; `None`: as what it holds.
pub fn scatter<T: Element>(
    g: &Geometry,
    idx: &[i64],
    u: &[T],
    y: &mut [T],
    start: Option<T>,
    combine: impl Fn(T, T) -> T + Sync,
) {
    assert!(y.len() == g.outer * g.n * g.inner && u.len() == g.outer * g.m * g.inner);
    assert_eq!(idx.len(), if g.along { u.len() } else { g.m });
    let by_rows = !g.along && g.outer * g.inner < 4 * g.m;
    if by_rows && !y.is_empty() {
        return scatter_rows(g, idx, u, y, start, combine);
    }
    if let Some(start) = start {
        y.fill(start);
    }
    match g.along {
        _ if u.is_empty() || y.is_empty() => {}
        true => scatter_along(g, idx, u, y, combine),
        false => scatter_columns(g, idx, u, y, combine),
    }
}

/// The sums of those rows of `u [m, inner]` that have the same index, in the order of their first appearance, as rows
/// 1, 2, .. of `rows [m + 1, inner]`; all else in it is 0. `numbers[k]` is the row of index `k`, 0 where there is none.
pub fn sum_rows<T: Element>(
    g: &Geometry,
    idx: &[i64],
    u: &[T],
    rows: &mut [T],
    numbers: &mut [i32],
    add: impl Fn(T, T) -> T + Sync,
) {
    assert!(numbers.len() == g.n && idx.len() == g.m && rows.len() == (g.m + 1) * g.inner);
    numbers.fill(0);
    with_scratch::<i64, _>(g.m, |places| {
        let mut count = 0;
        for (place, &i) in places.iter_mut().zip(idx) {
            place.write(match resolve(i, g.n) {
                None => i64::MAX, // dropped
                Some(k) => {
                    if numbers[k] == 0 {
                        count += 1;
                        numbers[k] = count;
                    }
                    numbers[k].into()
                }
            });
        }
        // SAFETY: every element was just written.
        let places = unsafe { std::slice::from_raw_parts(places.as_ptr().cast::<i64>(), g.m) };
        let n = count as usize + 1;
        let (used, rest) = rows.split_at_mut(n * g.inner);
        let zero = T::from_f64(0.0);
        scatter(&Geometry { n, ..*g }, places, u, used, Some(zero), add);
        rest.fill(zero);
    });
}

/// `y[i, :] = rows[numbers[i], :]`, for numbers as [`sum_rows`] makes them.
pub fn spread_rows<T: Element>(inner: usize, rows: &[T], numbers: &[i32], y: &mut [T]) {
    let per_task = (8192 / inner.max(1)).max(1);
    let out = Shared(y.as_mut_ptr());
    assert_eq!(y.len(), numbers.len() * inner);
    parallel_for(numbers.len().div_ceil(per_task), y.len() * 2, |task| {
        let first = task * per_task;
        let numbers = &numbers[first..(first + per_task).min(numbers.len())];
        // SAFETY: the rows of a task are its own.
        let part = unsafe { out.slice(first * inner, numbers.len() * inner) };
        for (row, &k) in part.chunks_exact_mut(inner).zip(numbers) {
            row.copy_from_slice(&rows[k as usize * inner..][..inner]);
        }
    });
}

/// With an index for each element: tasks own ranges of the outer axis.
fn scatter_along<T: Element>(
    g: &Geometry,
    idx: &[i64],
    u: &[T],
    y: &mut [T],
    combine: impl Fn(T, T) -> T + Sync,
) {
    let out = Shared(y.as_mut_ptr());
    let block = g.n * g.inner;
    parallel_for(g.outer, u.len() * 4, |o| {
        // SAFETY: one block of the destination for each task.
        let y = unsafe { out.slice(o * block, block) };
        let base = o * g.m * g.inner;
        for e in 0..g.m * g.inner {
            if let Some(k) = resolve(idx[base + e], g.n) {
                let at = k * g.inner + e % g.inner;
                y[at] = combine(y[at], u[base + e]);
            }
        }
    });
}

/// Few indices, wide rows: tasks own pieces of rows and walk all indices.
fn scatter_columns<T: Element>(
    g: &Geometry,
    idx: &[i64],
    u: &[T],
    y: &mut [T],
    combine: impl Fn(T, T) -> T + Sync,
) {
    let piece = g.inner.min(1024);
    let pieces = g.inner.div_ceil(piece);
    let out = Shared(y.as_mut_ptr());
    parallel_for(g.outer * pieces, u.len() * 4, |task| {
        let (o, start) = (task / pieces, task % pieces * piece);
        let len = piece.min(g.inner - start);
        for (j, &i) in idx.iter().enumerate() {
            if let Some(k) = resolve(i, g.n) {
                // SAFETY: this piece of every row of block `o` belongs to this task.
                let row = unsafe { out.slice((o * g.n + k) * g.inner + start, len) };
                let from = &u[(o * g.m + j) * g.inner + start..][..len];
                row.iter_mut()
                    .zip(from)
                    .for_each(|(a, &b)| *a = combine(*a, b));
            }
        }
    });
}

/// Many indices: they are sorted by destination (counting sort, stable), and tasks own ranges of destinations.
fn scatter_rows<T: Element>(
    g: &Geometry,
    idx: &[i64],
    u: &[T],
    y: &mut [T],
    first: Option<T>,
    combine: impl Fn(T, T) -> T + Sync,
) {
    with_scratch::<usize, _>(g.n + 1 + g.m, |scratch| {
        let scratch: &mut [usize] = {
            scratch.iter_mut().for_each(|s| {
                s.write(0);
            });
            // SAFETY: every element was just written.
            unsafe { &mut *(scratch as *mut [std::mem::MaybeUninit<usize>] as *mut [usize]) }
        };
        let (start, order) = scratch.split_at_mut(g.n + 1);
        for &i in idx {
            if let Some(k) = resolve(i, g.n) {
                start[k + 1] += 1;
            }
        }
        for k in 0..g.n {
            start[k + 1] += start[k];
        }
        for (j, &i) in idx.iter().enumerate() {
            if let Some(k) = resolve(i, g.n) {
                order[start[k]] = j;
                start[k] += 1;
            }
        }
        // `start[k]` is now the end of destination k, and the start of k + 1.
        let (start, order): (&[usize], &[usize]) = (start, order);
        let per_task = (4096 / g.inner).max(1);
        let tasks = g.n.div_ceil(per_task);
        let out = Shared(y.as_mut_ptr());
        let touched = if first.is_some() {
            g.outer * g.n * g.inner
        } else {
            0
        };
        parallel_for(g.outer * tasks, (u.len() + touched) * 4, |task| {
            let (o, top) = (task / tasks, task % tasks * per_task);
            for k in top..(top + per_task).min(g.n) {
                let from = if k == 0 { 0 } else { start[k - 1] };
                // SAFETY: each destination row belongs to one task.
                let row = unsafe { out.slice((o * g.n + k) * g.inner, g.inner) };
                if let Some(first) = first {
                    row.fill(first);
                }
                for &j in &order[from..start[k]] {
                    let part = &u[(o * g.m + j) * g.inner..][..g.inner];
                    row.iter_mut()
                        .zip(part)
                        .for_each(|(a, &b)| *a = combine(*a, b));
                }
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(outer: usize, n: usize, inner: usize, m: usize) -> Geometry {
        Geometry {
            outer,
            n,
            inner,
            m,
            along: false,
        }
    }

    #[test]
    fn gather_reads_rows_and_guards_the_ends() {
        let x: Vec<f64> = (0..12).map(f64::from).collect();
        let mut y = vec![0.0; 2 * 4 * 2];
        gather(&geometry(2, 3, 2, 4), &x, &[2, -3, 3, -4], f64::NAN, &mut y);
        assert_eq!(&y[..4], &[4.0, 5.0, 0.0, 1.0]);
        assert!(y[4..8].iter().all(|v| v.is_nan()));
        assert_eq!(&y[8..12], &[10.0, 11.0, 6.0, 7.0]);
    }

    #[test]
    fn rows_that_are_summed_and_spread_are_a_scatter() {
        for (n, inner, m) in [(50, 3, 20), (9, 2, 40), (1000, 130, 77), (4, 1, 0)] {
            let g = geometry(1, n, inner, m);
            let idx: Vec<i64> = (0..m as i64)
                .map(|j| (j * 7 + 3) % (n as i64 + 2) - 1)
                .collect();
            let u: Vec<f64> = (0..m * inner).map(|e| (e as f64 * 0.37).sin()).collect();
            let mut want = vec![0.0; n * inner];
            scatter(&g, &idx, &u, &mut want, Some(0.0), |a, b| a + b);
            let (mut rows, mut numbers) = (vec![f64::NAN; (m + 1) * inner], vec![-1; n]);
            sum_rows(&g, &idx, &u, &mut rows, &mut numbers, |a, b| a + b);
            assert!(rows.iter().all(|x| x.is_finite()));
            let mut y = vec![f64::NAN; n * inner];
            spread_rows(inner, &rows, &numbers, &mut y);
            assert_eq!(y, want, "{n} {inner} {m}");
        }
    }

    #[test]
    fn all_ways_to_scatter_agree() {
        for (outer, n, inner, m) in [(1, 7, 1, 40), (3, 5, 2, 30), (2, 3, 50, 4), (1, 4, 3000, 9)] {
            let g = geometry(outer, n, inner, m);
            let idx: Vec<i64> = (0..m as i64)
                .map(|j| (j * 5 + 3) % (n as i64 + 2) - 1)
                .collect();
            let u: Vec<f64> = (0..outer * m * inner)
                .map(|e| (e as f64 * 0.37).sin())
                .collect();
            let mut want = vec![0.0; outer * n * inner];
            for o in 0..outer {
                for (j, &i) in idx.iter().enumerate() {
                    let k = if i < 0 { i + n as i64 } else { i };
                    if k < n as i64 {
                        for c in 0..inner {
                            want[(o * n + k as usize) * inner + c] += u[(o * m + j) * inner + c];
                        }
                    }
                }
            }
            let mut y = vec![0.0; want.len()];
            scatter_columns(&g, &idx, &u, &mut y, |a: f64, b| a + b);
            assert_eq!(y, want);
            for (start, held) in [(None, 0.0), (Some(0.0), f64::NAN)] {
                let mut y = vec![held; want.len()];
                scatter_rows(&g, &idx, &u, &mut y, start, |a: f64, b| a + b);
                assert_eq!(y, want);
            }
        }
    }
}
