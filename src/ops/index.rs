//! Indexing as numpy does: integers, slices, new axes, ellipsis, integer arrays.

use crate::aval::Shape;
use crate::bind::bind1;
use crate::error::{Error, Result};
use crate::kernels::copy;
use crate::op::{Avals, Op, Run};
use crate::ops::view;
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// One part of an index expression `x[..., i, a:b:c, None]`.
#[derive(Debug, Clone)]
pub enum Index {
    /// One element of an axis; negative counts from the end.
    At(i64),
    /// `start:stop:step`, each optional.
    Slice(Option<i64>, Option<i64>, Option<i64>),
    /// A new axis of size 1.
    NewAxis,
    /// All axes not named otherwise.
    Ellipsis,
    /// Elements chosen by an integer or bool tensor.
    Array(Tensor),
}

/// Start, step and count of a Python slice over an axis of size `n`.
pub fn resolve_slice(
    start: Option<i64>,
    stop: Option<i64>,
    step: Option<i64>,
    n: usize,
) -> Result<(usize, isize, usize)> {
    let step = step.unwrap_or(1);
    let n = n as i64;
    if step == 0 {
        return Err(Error::argument(
            "slice",
            "the step of a slice cannot be zero",
        ));
    }
    let clamp = |v: Option<i64>, default: i64| match v {
        None => default,
        Some(v) => {
            let v = if v < 0 { v.saturating_add(n) } else { v };
            if step > 0 {
                v.clamp(0, n)
            } else {
                v.clamp(-1, n - 1)
            }
        }
    };
    let (start, stop) = if step > 0 {
        (clamp(start, 0), clamp(stop, n))
    } else {
        (clamp(start, n - 1), clamp(stop, -1))
    };
    let span = if step > 0 { stop - start } else { start - stop };
    let count = if span <= 0 {
        0
    } else {
        (span - 1) / step.abs() + 1
    };
    if count == 0 {
        return Ok((0, 1, 0));
    }
    Ok((start as usize, step as isize, count as usize))
}

/// `x[parts]`.
pub fn index(x: &Tensor, parts: &[Index]) -> Result<Tensor> {
    let consumed: usize = parts
        .iter()
        .filter(|p| !matches!(p, Index::NewAxis | Index::Ellipsis))
        .count();
    if consumed > x.rank() {
        return Err(Error::index(
            "tensor",
            format!(
                "{consumed} indices for a tensor of rank {} (shape {:?})",
                x.rank(),
                x.shape()
            ),
        ));
    }
    let mut axes: SmallVec<[(usize, isize, usize); 6]> = SmallVec::new();
    let mut shape = Shape::new();
    let mut open = Some(x.rank() - consumed);
    for part in parts {
        let axis = axes.len();
        match part {
            Index::NewAxis => shape.push(1),
            Index::Ellipsis => {
                let n = open
                    .take()
                    .ok_or_else(|| Error::index("tensor", "an index can have only one Ellipsis"))?;
                for &size in &x.shape()[axis..axis + n] {
                    axes.push((0, 1, size));
                    shape.push(size);
                }
            }
            Index::At(i) => {
                let n = x.shape()[axis] as i64;
                if *i < -n || *i >= n {
                    return Err(Error::index(
                        "tensor",
                        format!(
                            "index {i} is out of range for axis {axis} of size {n} (shape {:?})",
                            x.shape()
                        ),
                    ));
                }
                axes.push((if *i < 0 { i + n } else { *i } as usize, 1, 1));
            }
            Index::Slice(start, stop, step) => {
                let a = resolve_slice(*start, *stop, *step, x.shape()[axis])?;
                axes.push(a);
                shape.push(a.2);
            }
            Index::Array(_) => return Err(Error::unsupported("tensor", "indexing by arrays")),
        }
    }
    for &size in &x.shape()[axes.len()..] {
        axes.push((0, 1, size));
        shape.push(size);
    }
    let y = view::slice_axes(x, &axes)?;
    view::reshape_to(&y, &shape)
}

/// The elements in memory of their own.
#[derive(Debug)]
struct Copy;

impl Op for Copy {
    fn name(&self) -> &'static str {
        "copy"
    }
    fn infer(&self, x: &[crate::aval::Aval]) -> Result<Avals> {
        Ok(x.iter().cloned().collect())
    }
    fn vjp(&self, cx: &crate::op::Vjp) -> Result<crate::op::Grads> {
        Ok(smallvec::smallvec![Some(cx.g(0)?)])
    }
    fn run(&self, cx: &mut Run) {
        copy::copy(&cx.ins[0], &mut cx.outs[0]);
    }
    fn takes_strided(&self, _: usize) -> bool {
        true
    }
}

/// A copy of `x` in memory of its own.
pub fn copied(x: &Tensor) -> Result<Tensor> {
    bind1(Copy, &[x])
}
