//! Sorting and searching: sort, argsort, top_k, in_top_k, searchsorted, unique.

use super::gather::take_along_axis;
use super::samples::{Nd, at, from_index, ints, known, nd, tensor, values, whole};
use super::{logic, math, rearrange, reduce, view};
use crate::args::{Axes, Ints};
use crate::aval::{Aval, DType, normalize_axis};
use crate::bind::bind1;
use crate::error::{Error, Result};
use crate::kernels::sort;
use crate::op;
use crate::op::{Avals, Op, Run, Sample, one};
use crate::tensor::Tensor;
use crate::with_element;

/// The order of the first `k` elements of each row (last axis).
#[derive(Debug)]
struct Order {
    k: usize,
    falling: bool,
}

impl Op for Order {
    fn name(&self) -> &'static str {
        "argsort"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let mut shape = x[0].shape.clone();
        let n = shape.pop().unwrap_or(1);
        if n > i32::MAX as usize {
            return Err(Error::shape(
                "argsort",
                format!("an axis of size {n} is longer than int32 can count"),
            ));
        }
        shape.push(self.k);
        crate::aval::checked_bytes("argsort", &shape, DType::I32)?;
        Ok(one(shape, DType::I32))
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(Order { ..*self }, x, batched, size)
    }
    fn run(&self, cx: &mut Run) {
        let x = &cx.ins[0];
        let n = x.shape()[x.shape().len() - 1];
        with_element!(x.dtype(), T => sort::order::<T>(x.slice(), n, self.k, self.falling, cx.outs[0].slice_mut()));
    }
}

/// The order along an axis: the axis moved last, sorted, and moved back.
fn order(x: &Tensor, axis: usize, falling: bool) -> Result<Tensor> {
    let (a, last) = (Ints(vec![axis as i64]), Ints(vec![-1]));
    let rows = rearrange::moveaxis(x, a.clone(), last.clone())?;
    let idx = bind1(
        Order {
            k: x.shape()[axis],
            falling,
        },
        &[&rows],
    )?;
    rearrange::moveaxis(&idx, last, a)
}

/// A list of numbers in rising order with the index of each.
fn sorted(x: &Nd, axis: usize, pick: fn(&(f64, usize)) -> f64) -> Nd {
    from_index(&x.0, |i| {
        let mut list: Vec<(f64, usize)> = (0..x.0[axis])
            .map(|k| {
                let mut j = i.to_vec();
                j[axis] = k;
                (at(x, &j), k)
            })
            .collect();
        list.sort_by(|a, b| a.0.total_cmp(&b.0));
        pick(&list[i[axis]])
    })
}

op! {
    /// The indices (`int32`) that put the elements along `axis` in rising order; stable, NaN last. `None`: flattened.
    fn argsort(x: &Tensor, axis: Option<i64> = Some(-1)) -> Tensor {
        match axis {
            Some(a) => {
                if x.rank() == 0 {
                    return Tensor::scalar(0i32);
                }
                order(x, normalize_axis("argsort", a, x.rank())?, false)
            }
            None => order(&view::reshape_to(x, &[x.size()])?, 0, false),
        }
    }
    samples {
        vec![
            whole("last axis", values(&[3, 7], -1.0, 1.0, 1), |x| argsort(x, Some(-1)), |x| sorted(x, 1, |e| e.1 as f64)).order(0),
            known("ties and NaN", vec![tensor(&[1.0, f64::NAN, 0.0, 1.0], &[4])], |x| argsort(&x[0], Some(0)), &[4], &[2.0, 0.0, 3.0, 1.0]).order(0),
        ]
    }
}
op! {
    /// The elements along `axis` in rising order; NaN last. The gradient goes back to where each element came from.
    fn sort(x: &Tensor, axis: i64 = -1) -> Tensor {
        if x.rank() == 0 {
            return Ok(x.clone());
        }
        let axis = normalize_axis("sort", axis, x.rank())?;
        take_along_axis(x, &order(x, axis, false)?, Some(axis as i64))
    }
    samples {
        vec![
            whole("last axis", values(&[3, 7], -1.0, 1.0, 1), |x| sort(x, -1), |x| sorted(x, 1, |e| e.0)),
            whole("first axis", values(&[5, 2], -1.0, 1.0, 1), |x| sort(x, 0), |x| sorted(x, 0, |e| e.0)),
            known("NaN", vec![tensor(&[2.0, f64::NAN, 1.0], &[3])], |x| sort(&x[0], 0), &[3], &[1.0, 2.0, f64::NAN]).order(0),
        ]
    }
}
op! {
    /// The `k` largest elements of each row (last axis) in falling order and their indices (`int32`); of equal elements the
    /// first comes first.
    fn top_k(x: &Tensor, k: i64, sorted: bool = true) -> Vec<Tensor> {
        let _ = sorted; // the sorted order is as good as any
        let n = x.shape().last().copied().ok_or_else(|| Error::shape("top_k", "x must have at least one axis"))?;
        let k = usize::try_from(k).ok().filter(|&k| k <= n)
            .ok_or_else(|| Error::argument("top_k", format!("k={k} must be between 0 and {n}, the size of the last axis of shape {:?}", x.shape())))?;
        let idx = bind1(Order { k, falling: true }, &[x])?;
        Ok(vec![take_along_axis(x, &idx, Some(-1))?, idx])
    }
    samples {
        vec![Sample::new("three of seven", vec![values(&[2, 7], -1.0, 1.0, 1)], |x| top_k(&x[0], 3, true))
            .reference(|x| {
                let x = nd(&x[0]);
                let (v, i) = (sorted(&x, 1, |e| e.0), sorted(&x, 1, |e| e.1 as f64));
                [v, i].map(|a| from_index(&[2, 3], |j| at(&a, &[j[0], 6 - j[1]]))).to_vec()
            })]
    }
}
op! {
    /// For each row of `predictions` whether its element at `targets` is among the `k` largest (ties count for it).
    fn in_top_k(targets: &Tensor, predictions: &Tensor, k: i64) -> Tensor {
        if predictions.rank() != targets.rank() + 1 {
            return Err(Error::shape("in_top_k", format!("predictions of shape {:?} must have one axis more than targets of shape {:?}", predictions.shape(), targets.shape())));
        }
        let columns = view::expand_dims(targets, Ints(vec![-1]))?;
        let score = take_along_axis(predictions, &columns, Some(-1))?;
        let above = reduce::sum(&math::cast(&logic::greater(predictions, &score)?, DType::I32)?, Axes::from(-1), false)?;
        let valid = reduce::all(&super::classify::isfinite(&score)?, Axes::from(-1), false)?;
        logic::logical_and(&logic::less(&above, &Tensor::weak(k as f64, DType::I32)?)?, &valid)
    }
    samples { vec![known("rows", vec![ints(&[1, 0], &[2]), tensor(&[0.1, 0.5, 0.4, 0.2, 0.3, 0.5], &[2, 3])], |x| in_top_k(&x[0], &x[1], 2), &[2], &[1.0, 0.0]).order(0)] }
}

/// Insertion points of values into one rising list.
#[derive(Debug)]
struct Search {
    right: bool,
}

impl Op for Search {
    fn name(&self) -> &'static str {
        "searchsorted"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(one(x[1].shape.clone(), DType::I32))
    }
    fn run(&self, cx: &mut Run) {
        with_element!(cx.ins[0].dtype(), T => sort::search::<T>(cx.ins[0].slice(), cx.ins[1].slice(), self.right, cx.outs[0].slice_mut()));
    }
}

op! {
    /// Where each of `values` would be inserted into the rising list `sorted_sequence` (rank 1) to keep it in order:
    /// before equal elements (`side` "left") or behind them ("right"). `int32`.
    fn searchsorted(sorted_sequence: &Tensor, values: &Tensor, side: String = "left".to_string()) -> Tensor {
        if sorted_sequence.rank() != 1 {
            return Err(Error::shape("searchsorted", format!("sorted_sequence must have rank 1, not shape {:?}", sorted_sequence.shape())));
        }
        if side != "left" && side != "right" {
            return Err(Error::argument("searchsorted", format!("side={side:?} must be \"left\" or \"right\"")));
        }
        let dtype = super::map::common_dtype(sorted_sequence, values);
        bind1(Search { right: side == "right" }, &[&math::cast(sorted_sequence, dtype)?, &math::cast(values, dtype)?])
    }
    samples { vec![
        known("left", vec![tensor(&[1.0, 2.0, 2.0, 5.0], &[4]), tensor(&[2.0, 0.0, 9.0], &[3])], |x| searchsorted(&x[0], &x[1], "left".into()), &[3], &[1.0, 0.0, 4.0]).order(0),
        known("right", vec![tensor(&[1.0, 2.0, 2.0, 5.0], &[4]), tensor(&[2.0, 0.0], &[2, 1])], |x| searchsorted(&x[0], &x[1], "right".into()), &[2, 1], &[3.0, 0.0]).order(0),
    ] }
}
op! {
    /// The number of the bin of each element: how many of the rising `bins` are not above it (`right`: below it).
    fn digitize(x: &Tensor, bins: &Tensor, right: bool = false) -> Tensor {
        searchsorted(bins, x, if right { "left" } else { "right" }.to_string())
    }
    samples { vec![known("edges", vec![tensor(&[0.5, 1.0, 3.5], &[3]), tensor(&[1.0, 2.0, 3.0], &[3])], |x| digitize(&x[0], &x[1], false), &[3], &[0.0, 1.0, 3.0]).order(0)] }
}
op! {
    /// The distinct elements in rising order; with the index of each first occurrence, the index into the result of every
    /// element (in x's shape), and the counts. Needs values, so it cannot be traced.
    fn unique(x: &Tensor) -> Vec<Tensor> {
        let flat = view::reshape_to(&x.detach(), &[x.size()])?;
        let idx = crate::bind::contiguous(&argsort(&flat, Some(0))?)?;
        let order = idx.view()?.slice::<i32>();
        let values = take_along_axis(&flat, &idx, Some(0))?;
        let n = flat.size();
        let same = if n > 1 {
            logic::equal(&view::narrow(&values, 0, 1, n - 1)?, &view::narrow(&values, 0, 0, n - 1)?)?.to_vec::<bool>()?
        } else {
            Vec::new()
        };
        let (mut first, mut counts, mut inverse) = (Vec::<i32>::new(), Vec::<i32>::new(), vec![0i32; n]);
        for (j, &i) in order.iter().enumerate() {
            if j > 0 && same[j - 1] {
                counts[first.len() - 1] += 1;
            } else {
                first.push(i);
                counts.push(1);
            }
            inverse[i as usize] = first.len() as i32 - 1;
        }
        let k = first.len();
        let first = Tensor::from_slice(&first, &[k])?;
        Ok(vec![take_along_axis(&flat, &first, Some(0))?, first.clone(), Tensor::from_slice(&inverse, x.shape())?, Tensor::from_slice(&counts, &[k])?])
    }
    samples {
        vec![Sample::new("repeated", vec![tensor(&[3.0, 1.0, 3.0, 2.0, 1.0, 3.0], &[2, 3])], |x| unique(&x[0]))
            .reference(|_| vec![(vec![3], vec![1.0, 2.0, 3.0]), (vec![3], vec![1.0, 3.0, 0.0]), (vec![2, 3], vec![2.0, 0.0, 2.0, 1.0, 0.0, 2.0]), (vec![3], vec![2.0, 1.0, 3.0])])
            .order(0)]
    }
}
