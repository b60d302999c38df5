//! Diagonals and triangles of matrices.

use super::samples::{at, from_index, values, whole};
use super::{create, logic, math, rearrange, reduce, view};
use crate::args::{Axes, Ints};
use crate::aval::{DType, Shape, normalize_axis};
use crate::error::{Error, Result};
use crate::op;
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// First row, first column and length of the diagonal `offset` of a matrix of `r` rows and `c` columns.
fn extent(r: usize, c: usize, offset: i64) -> (usize, usize, usize) {
    let shift = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    if offset >= 0 {
        (0, shift, r.min(c.saturating_sub(shift)))
    } else {
        (shift, 0, r.saturating_sub(shift).min(c))
    }
}

op! {
    /// The diagonal `offset` of the matrices that `axis1` and `axis2` span; it becomes the last axis.
    fn diagonal(x: &Tensor, offset: i64 = 0, axis1: i64 = 0, axis2: i64 = 1) -> Tensor {
        let (a, b) = (normalize_axis("diagonal", axis1, x.rank())?, normalize_axis("diagonal", axis2, x.rank())?);
        if a == b {
            return Err(Error::argument("diagonal", format!("axis1={axis1} and axis2={axis2} must differ")));
        }
        let x = rearrange::moveaxis(x, Ints(vec![a as i64, b as i64]), Ints(vec![-2, -1]))?;
        let lead = x.rank() - 2;
        let (r, c) = (x.shape()[lead], x.shape()[lead + 1]);
        let (row, column, n) = extent(r, c, offset);
        // In the flattened matrix the diagonal is a slice with step c + 1.
        let mut flat: Shape = x.shape()[..lead].into();
        flat.push(r * c);
        let mut axes: SmallVec<[(usize, isize, usize); 6]> = flat[..lead].iter().map(|&n| (0, 1, n)).collect();
        axes.push(if n == 0 { (0, 1, 0) } else { (row * c + column, c as isize + 1, n) });
        view::slice_axes(&view::reshape_to(&x, &flat)?, &axes)
    }
    samples {
        vec![
            whole("main", values(&[3, 4], -1.0, 1.0, 1), |x| diagonal(x, 0, 0, 1), |x| from_index(&[3], |i| at(x, &[i[0], i[0]]))),
            whole("below, batched", values(&[3, 2, 4], -1.0, 1.0, 1), |x| diagonal(x, -1, 0, 2), |x| from_index(&[2, 2], |i| at(x, &[i[1] + 1, i[0], i[1]]))),
        ]
    }
}

/// Matrices with the elements of the last axis on diagonal `k` and zeros elsewhere.
pub fn diag_embed(v: &Tensor, k: i64) -> Result<Tensor> {
    let lead = v.rank() - 1;
    let n = v.shape()[lead];
    let size = usize::try_from(k.unsigned_abs())
        .ok()
        .and_then(|k| k.checked_add(n))
        .ok_or(Error::Memory {
            op: "diag",
            bytes: u128::MAX,
        })?;
    crate::aval::checked_bytes("diag", &[size, size], v.dtype())?;
    let (row, column, _) = extent(size, size, k);
    let mut shape: Shape = v.shape()[..lead].into();
    let mut axes: SmallVec<[(usize, isize, usize); 6]> = shape.iter().map(|&n| (0, 1, n)).collect();
    shape.push(size * size);
    axes.push((row * size + column, size as isize + 1, n));
    let flat = crate::ops::assemble::unslice(v, &shape, &axes)?;
    shape.pop();
    shape.extend([size, size]);
    view::reshape_to(&flat, &shape)
}

op! {
    /// Of a vector the matrix with it on the diagonal `k`; of a matrix its diagonal `k`.
    fn diag(x: &Tensor, k: i64 = 0) -> Tensor {
        match x.rank() {
            1 => diag_embed(x, k),
            2 => diagonal(x, k, 0, 1),
            _ => Err(Error::shape("diag", format!("x must have rank 1 or 2, not shape {:?}", x.shape()))),
        }
    }
    samples {
        vec![
            whole("vector", values(&[2], -1.0, 1.0, 1), |x| diag(x, 1), |x| from_index(&[3, 3], |i| if i[1] == i[0] + 1 { at(x, &[i[0]]) } else { 0.0 })),
            whole("matrix", values(&[3, 2], -1.0, 1.0, 1), |x| diag(x, 0), |x| from_index(&[2], |i| at(x, &[i[0], i[0]]))),
        ]
    }
}
op! {
    /// The matrix with the flattened elements of `x` on the diagonal `k`.
    fn diagflat(x: &Tensor, k: i64 = 0) -> Tensor {
        diag_embed(&rearrange::ravel(x)?, k)
    }
    samples { vec![whole("matrix", values(&[1, 2], -1.0, 1.0, 1), |x| diagflat(x, -1), |x| from_index(&[3, 3], |i| if i[0] == i[1] + 1 { x.1[i[1]] } else { 0.0 }))] }
}
op! {
    /// The sum of the diagonal `offset` of the matrices that `axis1` and `axis2` span.
    fn trace(x: &Tensor, offset: i64 = 0, axis1: i64 = 0, axis2: i64 = 1) -> Tensor {
        reduce::sum(&diagonal(x, offset, axis1, axis2)?, Axes::from(-1), false)
    }
    samples { vec![whole("matrix", values(&[3, 3], -1.0, 1.0, 1), |x| trace(x, 0, 0, 1), |x| (vec![], vec![(0..3).map(|i| at(x, &[i, i])).sum()]))] }
}

/// Keeps the elements of the last two axes for which `column - row` is at most (or at least) k, others are 0.
fn triangle(name: &'static str, x: &Tensor, k: i64, lower: bool) -> Result<Tensor> {
    if x.rank() < 2 {
        return Err(Error::shape(
            name,
            format!("x must have at least two axes, not shape {:?}", x.shape()),
        ));
    }
    let (r, c) = (x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]);
    let row = view::reshape_to(&create::iota(r, DType::I64)?, &[r, 1])?;
    let limit = math::add(&row, &Tensor::full(&[], k as f64, DType::I64)?)?;
    let column = create::iota(c, DType::I64)?;
    let kept = if lower {
        logic::less_equal(&column, &limit)?
    } else {
        logic::greater_equal(&column, &limit)?
    };
    logic::where_(&kept, x, &Tensor::full(&[], 0.0, x.dtype())?)
}

op! {
    /// The lower triangle of the last two axes: elements above the diagonal `k` are 0.
    fn tril(x: &Tensor, k: i64 = 0) -> Tensor {
        triangle("tril", x, k, true)
    }
    samples { vec![whole("batched", values(&[2, 3, 3], -1.0, 1.0, 1), |x| tril(x, 1), |x| from_index(&x.0, |i| if i[2] <= i[1] + 1 { at(x, i) } else { 0.0 }))] }
}
op! {
    /// The upper triangle of the last two axes: elements below the diagonal `k` are 0.
    fn triu(x: &Tensor, k: i64 = 0) -> Tensor {
        triangle("triu", x, k, false)
    }
    samples { vec![whole("matrix", values(&[3, 4], -1.0, 1.0, 1), |x| triu(x, 0), |x| from_index(&x.0, |i| if i[1] >= i[0] { at(x, i) } else { 0.0 }))] }
}
