//! Positions of extrema along one axis of an array seen as `[outer, n, inner]`.

use crate::buffer::Element;
use crate::par::parallel_for;

/// A raw pointer that tasks share; each writes rows of its own.
struct Shared(*mut i32);

// SAFETY: every task writes elements that no other task touches.
unsafe impl Sync for Shared {}

impl Shared {
    /// # Safety
    /// Element `i` must lie inside the array and belong to the calling task alone.
    unsafe fn set(&self, i: usize, v: i32) {
        *self.0.add(i) = v;
    }
}

/// out[o, i] = the first k at which x[o, k, i] is largest (or smallest); a NaN counts as more extreme than anything.
pub fn extremum<T: Element>(x: &[T], n: usize, inner: usize, largest: bool, out: &mut [i32]) {
    if out.is_empty() {
        return;
    }
    assert_eq!(x.len(), out.len() * n);
    let better = |a: T, b: T| {
        let b_nan = b.partial_cmp(&b).is_none();
        let a_nan = a.partial_cmp(&a).is_none();
        !b_nan && (a_nan || if largest { a > b } else { a < b })
    };
    let (count, shared) = (out.len(), Shared(out.as_mut_ptr()));
    let per_task = (16384 / n.max(1)).max(1);
    parallel_for(count.div_ceil(per_task), x.len() * 2, |task| {
        for e in task * per_task..((task + 1) * per_task).min(count) {
            let base = e / inner * n * inner + e % inner;
            let mut best = 0;
            for k in 1..n {
                if better(x[base + k * inner], x[base + best * inner]) {
                    best = k;
                }
            }
            // SAFETY: element `e` belongs to this task.
            unsafe { shared.set(e, best as i32) };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_and_nan() {
        let x = [1.0f32, 3.0, 3.0, f32::NAN, 2.0, f32::NAN];
        let mut out = [0; 2];
        extremum(&x, 3, 1, true, &mut out);
        assert_eq!(out, [1, 0]);
        extremum(&x, 3, 1, false, &mut out);
        assert_eq!(out, [0, 0]);
        let mut out = [0; 3];
        extremum(&[1i64, 5, 2, 4, 5, 1], 2, 3, true, &mut out);
        assert_eq!(out, [1, 0, 0]);
    }
}
