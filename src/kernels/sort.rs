//! Stable sorting of rows: the order of the elements of each row of `[rows, n]`, and binary search in sorted lists.

use crate::buffer::{Element, with_scratch};
use crate::par::parallel_for;
use std::cmp::Ordering;

/// A raw pointer that tasks share; each writes rows of its own.
struct Shared<T>(*mut T);

// SAFETY: every task writes elements that no other task touches.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// # Safety
    /// The elements must lie inside the array and belong to the calling task alone.
    #[allow(clippy::mut_from_ref)]
    unsafe fn slice(&self, start: usize, len: usize) -> &mut [T] {
        std::slice::from_raw_parts_mut(self.0.add(start), len)
    }
}

/// The order of numbers with NaN behind all others; -0.0 equals 0.0.
pub fn compare<T: Element>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| {
        let nan = |v: T| v.partial_cmp(&v).is_none();
        nan(a).cmp(&nan(b))
    })
}

/// out[r, j] = the index in row `r` of its j-th element in rising (or falling) order, for the first `k` of each row.
/// Equal elements keep their order; NaN come last in rising order and first in falling order.
pub fn order<T: Element>(x: &[T], n: usize, k: usize, falling: bool, out: &mut [i32]) {
    if out.is_empty() {
        return;
    }
    let rows = x.len() / n;
    assert!(k <= n && out.len() == rows * k);
    let shared = Shared(out.as_mut_ptr());
    let effort = n * (usize::BITS - n.leading_zeros()) as usize * 8;
    parallel_for(rows, rows * effort, |r| {
        let row = &x[r * n..(r + 1) * n];
        // SAFETY: row `r` of the output belongs to this task.
        let out = unsafe { shared.slice(r * k, k) };
        with_scratch::<i32, _>(n, |scratch| {
            for (i, s) in scratch.iter_mut().enumerate() {
                s.write(i as i32);
            }
            // SAFETY: every element was just written.
            let index =
                unsafe { &mut *(scratch as *mut [std::mem::MaybeUninit<i32>] as *mut [i32]) };
            // The index decides between equal elements, so that an unstable sort is a stable one.
            let by = |&a: &i32, &b: &i32| {
                let c = compare(row[a as usize], row[b as usize]);
                if falling { c.reverse() } else { c }.then(a.cmp(&b))
            };
            if k < n {
                index.select_nth_unstable_by(k, by);
            }
            let first = &mut index[..k];
            first.sort_unstable_by(by);
            out.copy_from_slice(first);
        });
    });
}

/// out[i] = how many elements of the rising list are below (`right`: not above) v[i].
pub fn search<T: Element>(list: &[T], v: &[T], right: bool, out: &mut [i32]) {
    for (o, &v) in out.iter_mut().zip(v) {
        let n = list.partition_point(|&e| {
            let c = compare(e, v);
            c == Ordering::Less || (right && c == Ordering::Equal)
        });
        *o = n as i32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_with_nan_last() {
        let x = [2.0f32, f32::NAN, 1.0, 2.0, -0.0, 0.0];
        let mut out = [0; 6];
        order(&x, 6, 6, false, &mut out);
        assert_eq!(out, [4, 5, 2, 0, 3, 1]);
        order(&x, 6, 6, true, &mut out);
        assert_eq!(out, [1, 0, 3, 2, 4, 5]);
        let mut two = [0; 2];
        order(&x, 6, 2, true, &mut two);
        assert_eq!(two, [1, 0]);
    }

    #[test]
    fn search_on_both_sides() {
        let mut out = [0; 3];
        search(&[1, 2, 2, 5], &[2, 0, 9], false, &mut out);
        assert_eq!(out, [1, 0, 4]);
        search(&[1, 2, 2, 5], &[2, 0, 9], true, &mut out);
        assert_eq!(out, [3, 0, 4]);
    }
}
