//! The transpose of slices: tensors put at their places among zeros.
//!
//! The gradient of one slice is its gradient among zeros, and that of several slices of one tensor
//! (the parts of a `split`) the sum of such. Summed one by one, each would write zeros over the whole
//! tensor, and each addition read them again; [`join`] puts all of them into one.

use crate::aval::{Aval, Shape, Strides, checked_bytes, contiguous_strides};
use crate::bind::bind_arc;
use crate::error::Result;
use crate::kernels::copy;
use crate::op::{Avals, Grads, Op, Run, Vjp, one};
use crate::ops::view;
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::any::Any;
use std::sync::Arc;

/// For each axis the first index, the step (negative: backwards) and the number of elements.
type Region = SmallVec<[(usize, isize, usize); 6]>;

/// Zeros of `shape`, with the elements of input `i` in region `i`. Regions do not overlap.
#[derive(Debug)]
struct Assemble {
    shape: Shape,
    regions: Vec<Region>,
}

impl Op for Assemble {
    fn name(&self) -> &'static str {
        "unslice"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        checked_bytes("pad", &self.shape, x[0].dtype)?;
        Ok(one(self.shape.clone(), x[0].dtype))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let g = cx.g(0)?;
        let part = |(i, region): (usize, &Region)| match cx.wants(i) {
            true => view::slice_axes(&g, region).map(Some),
            false => Ok(None),
        };
        self.regions.iter().enumerate().map(part).collect()
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        let mut shape = self.shape.clone();
        shape.insert(0, size);
        let mut regions = self.regions.clone();
        regions.iter_mut().for_each(|r| r.insert(0, (0, 1, size)));
        crate::batching::by_leading_axis(Assemble { shape, regions }, x, batched, size)
    }
    fn run(&self, cx: &mut Run) {
        let strides = contiguous_strides(&self.shape);
        let covered: usize = cx.ins.iter().map(|x| x.size()).sum();
        if covered < cx.outs[0].size() {
            copy::zero(&mut cx.outs[0]);
        }
        for (i, region) in self.regions.iter().enumerate() {
            if cx.ins[i].size() > 0 {
                fill(cx, i, region, &strides);
            }
        }
    }
    fn takes_strided(&self, _: usize) -> bool {
        true
    }
}

/// Copies input `i` to its region. One with negative strides is turned round together with its source.
fn fill(cx: &mut Run, i: usize, region: &Region, strides: &Strides) {
    let x = cx.ins[i];
    let start: isize = region
        .iter()
        .zip(strides)
        .map(|(a, s)| a.0 as isize * s)
        .sum();
    let mut to = copy::Region {
        offset: start as usize,
        strides: region.iter().zip(strides).map(|(a, s)| a.1 * s).collect(),
    };
    let mut from: Strides = x.strides().into();
    let mut shift = 0;
    for axis in 0..from.len() {
        if to.strides[axis] < 0 {
            let last = x.shape()[axis] as isize - 1;
            to.offset = (to.offset as isize + last * to.strides[axis]) as usize;
            to.strides[axis] = -to.strides[axis];
            shift += last * from[axis];
            from[axis] = -from[axis];
        }
    }
    copy::copy_into(&x.shifted(shift, &from), &mut cx.outs[0], &to);
}

/// Zeros of `shape` with the elements of `g` at the places that a slice with `axes` reads.
pub fn unslice(g: &Tensor, shape: &[usize], axes: &[(usize, isize, usize)]) -> Result<Tensor> {
    assemble(&[g], shape.into(), vec![axes.into()])
}

fn assemble(parts: &[&Tensor], shape: Shape, regions: Vec<Region>) -> Result<Tensor> {
    Ok(bind_arc(Arc::new(Assemble { shape, regions }), parts)?.remove(0))
}

/// The sum of two tensors of which each is zero where the other is not, as one; `None` where that is not
/// known of them.
pub(crate) fn join(a: &Tensor, b: &Tensor) -> Result<Option<Tensor>> {
    let (Some((left, 0)), Some((right, 0))) = (a.node(), b.node()) else {
        return Ok(None);
    };
    let known = |op: &'_ Arc<dyn Op>| {
        let op: &dyn Any = &**op;
        op.downcast_ref::<Assemble>()
            .map(|found| (found.shape.clone(), found.regions.clone()))
    };
    let (Some((shape, mut regions)), Some((other, more))) = (known(&left.op), known(&right.op))
    else {
        return Ok(None);
    };
    let apart = |r: &Region| more.iter().all(|s| disjoint(r, s));
    if shape != other || a.dtype() != b.dtype() || !regions.iter().all(apart) {
        return Ok(None);
    }
    regions.extend(more);
    let parts: Vec<&Tensor> = left.inputs.iter().chain(&right.inputs).collect();
    assemble(&parts, shape, regions).map(Some)
}

/// Are they known to share no element: do they lie one after the other along some axis?
fn disjoint(a: &Region, b: &Region) -> bool {
    a.iter().zip(b).any(|(a, b)| {
        let (a_end, b_end) = (a.0 + a.2, b.0 + b.2);
        a.1 == 1 && b.1 == 1 && (a_end <= b.0 || b_end <= a.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::math::multiply;

    /// Parts of a split of a traced tensor become one node; overlapping slices are added.
    #[test]
    fn parts_of_one_tensor_are_joined() {
        let x = Tensor::placeholder(&[2, 6], crate::aval::DType::F32).unwrap();
        let part = |from, n| view::narrow(&x, 1, from, n).unwrap();
        let grad = |parts: &[Tensor]| {
            let y = parts
                .iter()
                .map(|p| multiply(p, p).unwrap())
                .collect::<Vec<_>>();
            let seeds: Vec<Tensor> = y
                .iter()
                .map(|t| Tensor::full(t.shape(), 1.0, t.dtype()).unwrap())
                .collect();
            let found = crate::autodiff::backward(&y, Some(&seeds), std::slice::from_ref(&x), true)
                .unwrap();
            found[0].as_ref().unwrap().node().unwrap().0.op.name()
        };
        assert_eq!(grad(&[part(0, 2), part(4, 2), part(2, 2)]), "unslice");
        assert_eq!(grad(&[part(0, 3), part(2, 2)]), "add");
    }
}
