//! One query, as when a model writes token by token: two products that read keys and values once, where they lie.

use super::tile::{Finish, Logits, Site, Weigh};
use super::{Operands, Shared, Spec};
use crate::buffer::with_scratch;
use crate::kernels::gemm::{Epilogue, Gemm, gemm};
use crate::par::parallel_for;
use crate::simd::{Float, entry, level};

/// Can [`forward`] do it? Weights are dropped by the general path only.
pub(super) fn suits<T>(s: &Spec, x: &Operands<T>) -> bool {
    s.t == 1 && s.groups() <= super::MAX_ROWS && x.seed.is_none()
}

/// [`super::forward`] for one query: its heads that share keys are the rows of the products.
///
/// # Safety
/// As [`super::forward`], and [`suits`] holds.
pub(super) unsafe fn forward<T: Float>(spec: &Spec, x: &Operands<T>, y: *mut T, lse: *mut T) {
    let s = *spec;
    let (y, lse) = (Shared(y), Shared(lse));
    let bytes = s.b * s.k * s.s * (s.d + s.v) * size_of::<T>();
    parallel_for(s.b * s.k, bytes, |task| {
        let (b, h) = (task / s.k, task % s.k * s.groups());
        // SAFETY: the operands are as `spec` says; these heads of the outputs are the task's own.
        unsafe {
            let (y, lse) = (y.at((b * s.n + h) * s.v), lse.at(b * s.n + h));
            heads(spec, x, b, h, y, lse);
        }
    });
}

/// The query heads from `h` that share a head of keys.
unsafe fn heads<T: Float>(s: &Spec, x: &Operands<T>, b: usize, h: usize, y: *mut T, lse: *mut T) {
    let (rows, level) = (s.groups(), level());
    let (low, mut high) = s.band.keys(0, s.s);
    // A cache that is not full yet ends in keys that are masked for all.
    if let Some(mask) = x.mask {
        let hidden = |j: usize| (0..rows).all(|g| !*mask.at(b, h + g, 0, j));
        while high > low && hidden(high - 1) {
            high -= 1;
        }
    }
    let cols = high - low;
    let shared = h / rows;
    with_scratch::<T, _>(rows * (cols + s.v + 2), |scratch| {
        let scores = scratch.as_mut_ptr().cast::<T>();
        let acc = scores.add(rows * cols);
        let (max, sum) = (acc.add(rows * s.v), acc.add(rows * (s.v + 1)));
        let products = Gemm {
            a_rs: x.query.strides[2],
            a_cs: x.query.feature(),
            b_rs: x.key.feature(),
            b_cs: x.key.step(),
            ..Gemm::new(rows, cols, s.d)
        };
        let (query, key) = (x.query.at(b, 0, h), x.key.at(b, low, shared));
        gemm(&products, query, key, scores, &Epilogue::NONE);
        let site = Site {
            b,
            h,
            i: 0,
            rows,
            j: low,
            cols,
            one_query: true,
        };
        entry::<Weigh<'_, T>>(level)(Weigh {
            logits: &Logits::new(s, x, site),
            s: scores,
            ld: cols,
            max,
            sum,
            acc,
            width: s.v,
            first: true,
        });
        let outputs = Gemm {
            b_rs: x.value.step(),
            b_cs: x.value.feature(),
            ..Gemm::new(rows, s.v, cols)
        };
        let value = x.value.at(b, low, shared);
        gemm(&outputs, scores, value, acc, &Epilogue::NONE);
        entry::<Finish<T>>(level)(Finish {
            rows,
            max,
            sum,
            acc,
            width: s.v,
            y,
            y_rs: s.v as isize,
            lse,
        });
    });
}
