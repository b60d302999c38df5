//! Joining tensors: concatenate and stack.

use crate::aval::{Aval, Shape, contiguous_strides, normalize_axis};
use crate::bind::bind1;
use crate::error::{Error, Result};
use crate::kernels::copy;
use crate::op;
use crate::op::Sample;
use crate::op::{Avals, Grads, Op, Run, Vjp, one};
use crate::ops::samples::{at, from_index, nd, values};
use crate::ops::{math, view};
use crate::tensor::Tensor;

/// Tensors one after another along an axis.
#[derive(Debug)]
pub struct Concatenate {
    axis: usize,
}

impl Op for Concatenate {
    fn name(&self) -> &'static str {
        "concatenate"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let first = &x[0].shape;
        let mut shape: Shape = first.clone();
        shape[self.axis] = 0;
        for a in x {
            let fits = a.rank() == first.len()
                && (0..first.len()).all(|i| i == self.axis || a.shape[i] == first[i]);
            if !fits {
                let all: Vec<String> = x
                    .iter()
                    .map(|a| format!("{:?}", a.shape.as_slice()))
                    .collect();
                return Err(Error::shape(
                    "concatenate",
                    format!(
                        "shapes {} differ in an axis other than {}",
                        all.join(", "),
                        self.axis
                    ),
                ));
            }
            shape[self.axis] = shape[self.axis].saturating_add(a.shape[self.axis]);
        }
        crate::aval::checked_bytes("concatenate", &shape, x[0].dtype)?;
        Ok(one(shape, x[0].dtype))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let g = cx.g(0)?;
        let mut start = 0;
        (0..cx.inputs())
            .map(|i| {
                let n = cx.x(i).shape()[self.axis];
                start += n;
                if cx.wants(i) {
                    view::narrow(&g, self.axis, start - n, n).map(Some)
                } else {
                    Ok(None)
                }
            })
            .collect()
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(
            Concatenate {
                axis: self.axis + 1,
            },
            x,
            batched,
            size,
        )
    }
    fn run(&self, cx: &mut Run) {
        let strides = contiguous_strides(cx.outs[0].shape());
        let mut start = 0;
        for x in cx.ins {
            let region = copy::Region {
                offset: start * strides[self.axis] as usize,
                strides: strides.clone(),
            };
            copy::copy_into(x, &mut cx.outs[0], &region);
            start += x.shape()[self.axis];
        }
    }
    fn takes_strided(&self, _: usize) -> bool {
        true
    }
}

/// Tensors of a common dtype.
pub fn promoted(op: &'static str, xs: &[Tensor]) -> Result<Vec<Tensor>> {
    let Some(first) = xs.first() else {
        return Err(Error::argument(op, "needs at least one tensor"));
    };
    let dtype = xs
        .iter()
        .fold((first.dtype(), first.is_weak()), |d, x| {
            crate::aval::promote_weak(d, (x.dtype(), x.is_weak()))
        })
        .0;
    xs.iter().map(|x| math::cast(x, dtype)).collect()
}

op! {
    /// Joins tensors along an existing axis; the other axes must be equal.
    fn concatenate(xs: Vec<Tensor>, axis: i64 = 0) -> Tensor {
        let xs = promoted("concatenate", &xs)?;
        let axis = normalize_axis("concatenate", axis, xs[0].rank())?;
        if xs.len() == 1 {
            return Ok(xs[0].clone());
        }
        bind1(Concatenate { axis }, &xs.iter().collect::<Vec<_>>())
    }
    samples {
        let case = |label: &str, axis: i64, other: &[usize]| Sample::new(label, vec![values(&[2, 3], -1.0, 1.0, 1), values(other, -1.0, 1.0, 2)], move |x| Ok(vec![concatenate(x.to_vec(), axis)?]))
            .reference(move |x| {
                let (a, b) = (nd(&x[0]), nd(&x[1]));
                let d = if axis == 0 { 0 } else { 1 };
                let mut shape = a.0.clone();
                shape[d] += b.0[d];
                vec![from_index(&shape, |i| if i[d] < a.0[d] { at(&a, i) } else { let mut j = i.to_vec(); j[d] -= a.0[d]; at(&b, &j) })]
            });
        vec![case("rows", 0, &[1, 3]), case("columns", -1, &[2, 2]), case("nothing", 1, &[2, 0])]
     }
}
op! {
    /// Joins tensors of one shape along a new axis.
    fn stack(x: Vec<Tensor>, axis: i64 = 0) -> Tensor {
        let xs = promoted("stack", &x)?;
        let rank = xs[0].rank() + 1;
        let axis = normalize_axis("stack", axis, rank)?;
        let mut shape: Shape = xs[0].shape().into();
        for x in &xs {
            if x.shape() != shape.as_slice() {
                return Err(Error::shape("stack", format!("all tensors must have one shape, not {shape:?} and {:?}", x.shape())));
            }
        }
        shape.insert(axis, 1);
        let parts: Vec<Tensor> = xs.iter().map(|x| view::reshape_to(x, &shape)).collect::<Result<_>>()?;
        concatenate(parts, axis as i64)
    }
    samples {
        vec![Sample::new("last axis", vec![values(&[2, 3], -1.0, 1.0, 1), values(&[2, 3], -1.0, 1.0, 2)], |x| Ok(vec![stack(x.to_vec(), -1)?]))
            .reference(|x| { let p = [nd(&x[0]), nd(&x[1])]; vec![from_index(&[2, 3, 2], |i| at(&p[i[2]], &i[..2]))] })]
     }
}
