//! Where the extremum of a row stands: the op behind argmax and argmin.

use super::samples::{grouped, nd, values};
use super::{math, view};
use crate::aval::{Aval, DType, normalize_axis};
use crate::bind::bind1;
use crate::error::{Error, Result};
use crate::kernels::arg;
use crate::op::{Avals, Op, Run, Sample, one};
use crate::tensor::Tensor;
use crate::with_element;

/// Indices of the extrema along one axis, kept with size 1.
#[derive(Debug)]
struct ArgExtremum {
    name: &'static str,
    axis: usize,
    largest: bool,
}

impl Op for ArgExtremum {
    fn name(&self) -> &'static str {
        self.name
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let mut shape = x[0].shape.clone();
        shape[self.axis] = 1;
        if x[0].shape[self.axis] == 0 && shape.iter().all(|&n| n > 0) {
            return Err(Error::argument(
                self.name,
                format!(
                    "axis {} of shape {:?} is empty",
                    self.axis,
                    x[0].shape.as_slice()
                ),
            ));
        }
        Ok(one(shape, DType::I32))
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(
            ArgExtremum {
                axis: self.axis + 1,
                ..*self
            },
            x,
            batched,
            size,
        )
    }
    fn run(&self, cx: &mut Run) {
        let x = &cx.ins[0];
        let n = x.shape()[self.axis];
        let inner: usize = x.shape()[self.axis + 1..].iter().product();
        let out = cx.outs[0].slice_mut::<i32>();
        with_element!(x.dtype(), T => arg::extremum::<T>(x.slice(), n, inner, self.largest, out));
    }
}

/// argmax or argmin with numpy's arguments.
pub fn arg_extremum(
    name: &'static str,
    x: &Tensor,
    axis: Option<i64>,
    keepdims: bool,
    largest: bool,
) -> Result<Tensor> {
    let Some(axis) = axis else {
        let flat = view::reshape_to(x, &[x.size()])?;
        let y = bind1(
            ArgExtremum {
                name,
                axis: 0,
                largest,
            },
            &[&flat],
        )?;
        let shape: crate::aval::Shape = if keepdims {
            crate::aval::Shape::from_elem(1, x.rank())
        } else {
            crate::aval::Shape::new()
        };
        return view::reshape_to(&y, &shape);
    };
    let axis = normalize_axis(name, axis, x.rank())?;
    let y = bind1(
        ArgExtremum {
            name,
            axis,
            largest,
        },
        &[x],
    )?;
    if keepdims {
        Ok(y)
    } else {
        view::drop_axes(&y, &[axis])
    }
}

/// Samples whose reference looks for the first element that `better` prefers to all before.
pub fn samples(
    f: fn(&Tensor, Option<i64>, bool) -> Result<Tensor>,
    better: fn(&f64, &f64) -> bool,
) -> Vec<Sample> {
    let first = move |g: &[f64]| {
        let mut best = 0;
        for (i, v) in g.iter().enumerate() {
            if better(v, &g[best]) {
                best = i;
            }
        }
        best as f64
    };
    let case = move |label: &str, axis: Option<i64>, axes: &'static [usize], keepdims: bool| {
        // Rounded, so that there are ties.
        let x = math::round(&values(&[3, 7, 4], -2.0, 2.0, 3), 0).expect("a small tensor");
        Sample::new(label, vec![x], move |x| Ok(vec![f(&x[0], axis, keepdims)?]))
            .reference(move |x| vec![grouped(&nd(&x[0]), axes, keepdims, first)])
            .order(0)
    };
    vec![
        case("last axis", Some(-1), &[2], false),
        case("middle axis, kept", Some(1), &[1], true),
        case("all", None, &[0, 1, 2], false),
    ]
}
