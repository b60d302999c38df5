//! Elements in other places: split, tile, repeat, roll, rotate, move and swap axes, flips, stacks.

use super::samples::{from_index, values, whole};
use super::{concat, create, view};
use crate::args::{Axes, Ints};
use crate::aval::{DType, Shape, broadcast, normalize_axes, normalize_axis};
use crate::error::{Error, Result};
use crate::op;
use crate::op::Sample;
use crate::ops::samples::{at, nd};
use crate::tensor::Tensor;

/// The parts of `x` between cut points along an axis; points beyond the end give empty parts.
fn split_at(x: &Tensor, points: &[i64], axis: usize) -> Result<Vec<Tensor>> {
    let n = x.shape()[axis];
    let place = |p: i64| {
        if p < 0 {
            (p + n as i64).max(0) as usize
        } else {
            (p as usize).min(n)
        }
    };
    let mut starts = vec![0];
    starts.extend(points.iter().map(|&p| place(p)));
    let ends = starts
        .iter()
        .skip(1)
        .copied()
        .chain([n])
        .collect::<Vec<_>>();
    starts
        .iter()
        .zip(ends)
        .map(|(&a, b)| view::narrow(x, axis, a, b.saturating_sub(a)))
        .collect()
}

op! {
    /// Parts of `x` along `axis`: into so many equal ones, or between the positions given.
    fn split(x: &Tensor, indices_or_sections: Ints, axis: i64 = 0, sections: bool = true) -> Vec<Tensor> {
        let axis = normalize_axis("split", axis, x.rank())?;
        let n = x.shape()[axis];
        match indices_or_sections.0.as_slice() {
            [parts] if sections => {
                if *parts <= 0 || n as i64 % parts != 0 {
                    return Err(Error::shape("split", format!("axis {axis} of shape {:?} cannot be split into {parts} equal parts", x.shape())));
                }
                let each = n / *parts as usize;
                (0..*parts as usize).map(|i| view::narrow(x, axis, i * each, each)).collect()
            }
            points => split_at(x, points, axis),
        }
    }
    samples {
        vec![
            Sample::new("equal parts", vec![values(&[2, 6], -1.0, 1.0, 1)], |x| split(&x[0], Ints(vec![3]), 1, true))
                .reference(|x| { let x = nd(&x[0]); (0..3).map(|p| from_index(&[2, 2], |i| at(&x, &[i[0], i[1] + 2 * p]))).collect() }),
            Sample::new("positions", vec![values(&[5], -1.0, 1.0, 1)], |x| split(&x[0], Ints(vec![1, 3]), 0, false))
                .reference(|x| { let x = nd(&x[0]); [(0, 1), (1, 3), (3, 5)].map(|(a, b)| from_index(&[b - a], |i| at(&x, &[i[0] + a]))).to_vec() }),
        ]
    }
}
op! {
    /// So many parts of `x` along `axis`, of equal size or, the first ones, one longer.
    fn array_split(x: &Tensor, indices_or_sections: Ints, axis: i64 = 0, sections: bool = true) -> Vec<Tensor> {
        let axis = normalize_axis("array_split", axis, x.rank())?;
        match indices_or_sections.0.as_slice() {
            [parts] if sections => {
                let n = x.shape()[axis] as i64;
                if *parts <= 0 {
                    return Err(Error::argument("array_split", format!("the number of parts must be positive, not {parts}")));
                }
                let points: Vec<i64> = (1..*parts).map(|i| i * (n / parts) + i.min(n % parts)).collect();
                split_at(x, &points, axis)
            }
            points => split_at(x, points, axis),
        }
    }
    samples {
        vec![Sample::new("uneven", vec![values(&[5], -1.0, 1.0, 1)], |x| array_split(&x[0], Ints(vec![3]), 0, true))
            .reference(|x| { let x = nd(&x[0]); [(0, 2), (2, 4), (4, 5)].map(|(a, b)| from_index(&[b - a], |i| at(&x, &[i[0] + a]))).to_vec() })]
    }
}
op! {
    /// The slices of `x` along `axis`, without that axis.
    fn unstack(x: &Tensor, num: Option<i64> = None, axis: i64 = 0) -> Vec<Tensor> {
        let axis = normalize_axis("unstack", axis, x.rank())?;
        let n = x.shape()[axis];
        if let Some(k) = num.filter(|&k| k != n as i64) {
            return Err(Error::argument("unstack", format!("num={k}, but axis {axis} of shape {:?} has size {n}", x.shape())));
        }
        (0..n).map(|i| view::drop_axes(&view::narrow(x, axis, i, 1)?, &[axis])).collect()
    }
    samples {
        vec![Sample::new("columns", vec![values(&[2, 3], -1.0, 1.0, 1)], |x| unstack(&x[0], None, 1))
            .reference(|x| { let x = nd(&x[0]); (0..3).map(|j| from_index(&[2], |i| at(&x, &[i[0], j]))).collect() })]
    }
}
op! {
    /// `x` repeated as a whole: `repeats[i]` times along axis i (aligned at the right, as numpy).
    fn tile(x: &Tensor, repeats: Ints) -> Tensor {
        let times = create::shape_of("tile", &repeats)?;
        let rank = times.len().max(x.rank());
        // Each axis n becomes [repeats, n], of which the first is broadcast and both are merged.
        let (mut apart, mut wide, mut merged) = (Shape::new(), Shape::new(), Shape::new());
        for i in 0..rank {
            let n = (i + x.rank()).checked_sub(rank).map_or(1, |j| x.shape()[j]);
            let r = (i + times.len()).checked_sub(rank).map_or(1, |j| times[j]);
            apart.extend([1, n]);
            wide.extend([r, n]);
            merged.push(r.checked_mul(n).ok_or(Error::Memory { op: "tile", bytes: u128::MAX })?);
        }
        crate::aval::checked_bytes("tile", &merged, x.dtype())?;
        view::reshape_to(&view::broadcast_to_shape(&view::reshape_to(x, &apart)?, &wide)?, &merged)
    }
    samples {
        vec![
            whole("more axes", values(&[2, 3], -1.0, 1.0, 1), |x| tile(x, Ints(vec![2, 1, 3])), |x| from_index(&[2, 2, 9], |i| at(x, &[i[1], i[2] % 3]))),
            whole("fewer axes", values(&[2, 3], -1.0, 1.0, 1), |x| tile(x, Ints(vec![2])), |x| from_index(&[2, 6], |i| at(x, &[i[0], i[1] % 3]))),
        ]
    }
}
op! {
    /// Each element repeated along `axis` (flattened if `None`): so many times, or as often as `repeats` says for each index.
    fn repeat(x: &Tensor, repeats: Ints, axis: Option<i64> = None) -> Tensor {
        let flat;
        let (x, axis) = match axis {
            Some(a) => (x, normalize_axis("repeat", a, x.rank())?),
            None => {
                flat = view::reshape_to(x, &[x.size()])?;
                (&flat, 0)
            }
        };
        let counts = create::shape_of("repeat", &repeats)?;
        let n = x.shape()[axis];
        if counts.len() == 1 {
            let mut apart: Shape = x.shape().into();
            apart.insert(axis + 1, 1);
            let mut wide = apart.clone();
            wide[axis + 1] = counts[0];
            let mut merged: Shape = x.shape().into();
            merged[axis] = n.checked_mul(counts[0]).ok_or(Error::Memory { op: "repeat", bytes: u128::MAX })?;
            crate::aval::checked_bytes("repeat", &merged, x.dtype())?;
            return view::reshape_to(&view::broadcast_to_shape(&view::reshape_to(x, &apart)?, &wide)?, &merged);
        }
        if counts.len() != n {
            return Err(Error::shape("repeat", format!("{} repeats for axis {axis} of shape {:?}", counts.len(), x.shape())));
        }
        let total = counts.iter().try_fold(0usize, |a, &b| a.checked_add(b));
        let total = total.ok_or(Error::Memory { op: "repeat", bytes: u128::MAX })?;
        crate::aval::checked_bytes("repeat", &[total], DType::I64)?;
        let source: Vec<i64> = counts.iter().enumerate().flat_map(|(i, &c)| std::iter::repeat_n(i as i64, c)).collect();
        super::gather::gather_rows(x, &Tensor::from_slice(&source, &[total])?, axis)
    }
    samples {
        vec![
            whole("one count", values(&[2, 3], -1.0, 1.0, 1), |x| repeat(x, Ints(vec![2]), Some(1)), |x| from_index(&[2, 6], |i| at(x, &[i[0], i[1] / 2]))),
            whole("flat", values(&[2, 2], -1.0, 1.0, 1), |x| repeat(x, Ints(vec![3]), None), |x| from_index(&[12], |i| at(x, &[i[0] / 6, i[0] / 3 % 2]))),
            whole("counts", values(&[3], -1.0, 1.0, 1), |x| repeat(x, Ints(vec![2, 0, 1]), Some(0)), |x| from_index(&[3], |i| at(x, &[[0, 0, 2][i[0]]]))),
        ]
    }
}

/// Elements shifted cyclically along one axis.
fn roll_axis(x: &Tensor, shift: i64, axis: usize) -> Result<Tensor> {
    let n = x.shape()[axis];
    let s = if n == 0 {
        0
    } else {
        shift.rem_euclid(n as i64) as usize
    };
    if s == 0 {
        return Ok(x.clone());
    }
    let (head, tail) = (
        view::narrow(x, axis, 0, n - s)?,
        view::narrow(x, axis, n - s, s)?,
    );
    concat::concatenate(vec![tail, head], axis as i64)
}

op! {
    /// Elements shifted cyclically by `shift` along `axis`: what leaves at the end comes in at the start. `None`: flattened.
    fn roll(x: &Tensor, shift: Ints, axis: Option<Ints> = None) -> Tensor {
        let Some(axis) = axis else {
            let total = shift.0.iter().sum();
            let flat = view::reshape_to(x, &[x.size()])?;
            return view::reshape_to(&roll_axis(&flat, total, 0)?, x.shape());
        };
        if shift.0.len() != axis.0.len() && shift.0.len() != 1 && axis.0.len() != 1 {
            return Err(Error::argument("roll", format!("shift={:?} and axis={:?} differ in length", shift.0, axis.0)));
        }
        let mut y = x.clone();
        for i in 0..shift.0.len().max(axis.0.len()) {
            let a = normalize_axis("roll", axis.0[i.min(axis.0.len() - 1)], x.rank())?;
            y = roll_axis(&y, shift.0[i.min(shift.0.len() - 1)], a)?;
        }
        Ok(y)
    }
    samples {
        vec![
            whole("axis", values(&[2, 5], -1.0, 1.0, 1), |x| roll(x, Ints(vec![-2]), Some(Ints(vec![1]))), |x| from_index(&[2, 5], |i| at(x, &[i[0], (i[1] + 2) % 5]))),
            whole("flat", values(&[2, 2], -1.0, 1.0, 1), |x| roll(x, Ints(vec![1]), None), |x| from_index(&[2, 2], |i| { let e = (2 * i[0] + i[1] + 3) % 4; at(x, &[e / 2, e % 2]) })),
        ]
    }
}
op! {
    /// The plane of two axes turned by `k` quarter turns, from the first axis towards the second.
    fn rot90(array: &Tensor, k: i64 = 1, axes: Ints = Ints(vec![0, 1])) -> Tensor {
        let planes = normalize_axes("rot90", Some(&axes.0), array.rank())?;
        if planes.len() != 2 {
            return Err(Error::argument("rot90", format!("axes={:?} must name two axes of shape {:?}", axes.0, array.shape())));
        }
        let (a, b) = (normalize_axis("rot90", axes.0[0], array.rank())?, normalize_axis("rot90", axes.0[1], array.rank())?);
        let turn = |x: &Tensor, i: usize| view::flip(x, Axes::from(i as i64));
        match k.rem_euclid(4) {
            0 => Ok(array.clone()),
            1 => turn(&swapaxes(array, a as i64, b as i64)?, a),
            2 => turn(&turn(array, a)?, b),
            _ => swapaxes(&turn(array, a)?, a as i64, b as i64),
        }
    }
    samples {
        vec![
            whole("once", values(&[2, 3], -1.0, 1.0, 1), |x| rot90(x, 1, Ints(vec![0, 1])), |x| from_index(&[3, 2], |i| at(x, &[i[1], 2 - i[0]]))),
            whole("three times", values(&[2, 3], -1.0, 1.0, 1), |x| rot90(x, -1, Ints(vec![0, 1])), |x| from_index(&[3, 2], |i| at(x, &[1 - i[1], i[0]]))),
        ]
    }
}
op! {
    /// Axes `source` moved to the positions `destination`; the others keep their order.
    fn moveaxis(x: &Tensor, source: Ints, destination: Ints) -> Tensor {
        let rank = x.rank();
        let from: Vec<usize> = source.0.iter().map(|&a| normalize_axis("moveaxis", a, rank)).collect::<Result<_>>()?;
        let to: Vec<usize> = destination.0.iter().map(|&a| normalize_axis("moveaxis", a, rank)).collect::<Result<_>>()?;
        let distinct = |v: &[usize]| v.iter().enumerate().all(|(i, a)| !v[..i].contains(a));
        if from.len() != to.len() || !distinct(&from) || !distinct(&to) {
            return Err(Error::argument("moveaxis", format!("source={:?} and destination={:?} must name as many distinct axes", source.0, destination.0)));
        }
        let mut rest = (0..rank).filter(|i| !from.contains(i));
        let order: Vec<usize> = (0..rank)
            .map(|i| match to.iter().position(|&t| t == i) {
                Some(k) => from[k],
                None => rest.next().unwrap_or(0),
            })
            .collect();
        view::permute(x, &order)
    }
    samples { vec![whole("first to last", values(&[2, 3, 4], -1.0, 1.0, 1), |x| moveaxis(x, Ints(vec![0]), Ints(vec![-1])), |x| from_index(&[3, 4, 2], |i| at(x, &[i[2], i[0], i[1]])))] }
}
op! {
    /// Two axes exchanged.
    fn swapaxes(x: &Tensor, axis1: i64, axis2: i64) -> Tensor {
        let (a, b) = (normalize_axis("swapaxes", axis1, x.rank())?, normalize_axis("swapaxes", axis2, x.rank())?);
        let mut order: Vec<usize> = (0..x.rank()).collect();
        order.swap(a, b);
        view::permute(x, &order)
    }
    samples { vec![whole("outer", values(&[2, 3, 4], -1.0, 1.0, 1), |x| swapaxes(x, 0, 2), |x| from_index(&[4, 3, 2], |i| at(x, &[i[2], i[1], i[0]])))] }
}
op! {
    /// The elements in row-major order as a tensor of rank 1.
    fn ravel(x: &Tensor) -> Tensor {
        view::reshape_to(x, &[x.size()])
    }
    samples { vec![whole("matrix", values(&[2, 3], -1.0, 1.0, 1), ravel, |x| (vec![6], x.1.clone()))] }
}
op! {
    /// The columns in reverse order (axis 1).
    fn fliplr(x: &Tensor) -> Tensor {
        view::flip(x, Axes::from(1))
    }
    samples { vec![whole("matrix", values(&[2, 3], -1.0, 1.0, 1), fliplr, |x| from_index(&[2, 3], |i| at(x, &[i[0], 2 - i[1]])))] }
}
op! {
    /// The rows in reverse order (axis 0).
    fn flipud(x: &Tensor) -> Tensor {
        view::flip(x, Axes::from(0))
    }
    samples { vec![whole("matrix", values(&[2, 3], -1.0, 1.0, 1), flipud, |x| from_index(&[2, 3], |i| at(x, &[1 - i[0], i[1]])))] }
}
op! {
    /// `x2` after `x1` along `axis`; both flattened if it is `None`.
    fn append(x1: &Tensor, x2: &Tensor, axis: Option<i64> = None) -> Tensor {
        match axis {
            Some(a) => concat::concatenate(vec![x1.clone(), x2.clone()], a),
            None => concat::concatenate(vec![ravel(x1)?, ravel(x2)?], 0),
        }
    }
    samples {
        vec![Sample::new("flat", vec![values(&[2, 2], -1.0, 1.0, 1), values(&[3], -1.0, 1.0, 2)], |x| Ok(vec![append(&x[0], &x[1], None)?]))
            .reference(|x| vec![(vec![7], [nd(&x[0]).1, nd(&x[1]).1].concat())])]
    }
}

/// `x` with axes of size 1 in front (`before`) until it has this rank.
fn at_least(x: &Tensor, rank: usize) -> Result<Tensor> {
    let mut shape: Shape = x.shape().into();
    while shape.len() < rank {
        shape.insert(0, 1);
    }
    view::reshape_to(x, &shape)
}

op! {
    /// Tensors one below the other: joined along axis 0; rank 1 counts as a row.
    fn vstack(xs: Vec<Tensor>) -> Tensor {
        concat::concatenate(xs.iter().map(|x| at_least(x, 2)).collect::<Result<_>>()?, 0)
    }
    samples {
        vec![Sample::new("rows", vec![values(&[2], -1.0, 1.0, 1), values(&[2], -1.0, 1.0, 2)], |x| Ok(vec![vstack(x.to_vec())?]))
            .reference(|x| vec![(vec![2, 2], [nd(&x[0]).1, nd(&x[1]).1].concat())])]
    }
}
op! {
    /// Tensors side by side: joined along axis 1, or axis 0 if they have rank 1.
    fn hstack(xs: Vec<Tensor>) -> Tensor {
        let xs: Vec<Tensor> = xs.iter().map(|x| at_least(x, 1)).collect::<Result<_>>()?;
        let axis = i64::from(xs.first().is_some_and(|x| x.rank() > 1));
        concat::concatenate(xs, axis)
    }
    samples {
        vec![Sample::new("matrices", vec![values(&[2, 1], -1.0, 1.0, 1), values(&[2, 2], -1.0, 1.0, 2)], |x| Ok(vec![hstack(x.to_vec())?]))
            .reference(|x| { let (a, b) = (nd(&x[0]), nd(&x[1])); vec![from_index(&[2, 3], |i| if i[1] < 1 { at(&a, i) } else { at(&b, &[i[0], i[1] - 1]) })] })]
    }
}
op! {
    /// Tensors behind each other: joined along axis 2.
    fn dstack(xs: Vec<Tensor>) -> Tensor {
        let deep = |x: &Tensor| {
            let x = at_least(x, 2)?;
            if x.rank() > 2 { Ok(x) } else { view::expand_dims(&x, Ints(vec![2])) }
        };
        concat::concatenate(xs.iter().map(deep).collect::<Result<_>>()?, 2)
    }
    samples {
        vec![Sample::new("rows", vec![values(&[2], -1.0, 1.0, 1), values(&[2], -1.0, 1.0, 2)], |x| Ok(vec![dstack(x.to_vec())?]))
            .reference(|x| { let p = [nd(&x[0]), nd(&x[1])]; vec![from_index(&[1, 2, 2], |i| at(&p[i[2]], &[i[1]]))] })]
    }
}
op! {
    /// Grids of coordinates: output k repeats vector k along all other axes. `indexing` "xy" exchanges the first two axes.
    fn meshgrid(xs: Vec<Tensor>, indexing: String = "xy".to_string()) -> Vec<Tensor> {
        if indexing != "xy" && indexing != "ij" {
            return Err(Error::argument("meshgrid", format!("indexing={indexing:?} must be \"xy\" or \"ij\"")));
        }
        let rank = xs.len();
        let place = |i: usize| if indexing == "xy" && rank > 1 && i < 2 { 1 - i } else { i };
        let flat: Vec<Tensor> = xs.iter().map(ravel).collect::<Result<_>>()?;
        let shapes: Vec<Shape> = (0..rank).map(|i| {
            let mut s = Shape::from_elem(1, rank);
            s[place(i)] = flat[i].size();
            s
        }).collect();
        let all: Vec<&[usize]> = shapes.iter().map(Shape::as_slice).collect();
        let full = broadcast("meshgrid", &all)?;
        flat.iter().zip(&shapes).map(|(x, s)| view::broadcast_to_shape(&view::reshape_to(x, s)?, &full)).collect()
    }
    samples {
        vec![Sample::new("xy", vec![values(&[2], -1.0, 1.0, 1), values(&[3], -1.0, 1.0, 2)], |x| meshgrid(x.to_vec(), "xy".into()))
            .reference(|x| { let (a, b) = (nd(&x[0]), nd(&x[1])); vec![from_index(&[3, 2], |i| at(&a, &[i[1]])), from_index(&[3, 2], |i| at(&b, &[i[0]]))] })]
    }
}
op! {
    /// Differences of neighbours along `axis`, taken `n` times: y_i = x_(i+1) - x_i.
    fn diff(a: &Tensor, n: i64 = 1, axis: i64 = -1) -> Tensor {
        let axis = normalize_axis("diff", axis, a.rank())?;
        let mut y = a.clone();
        for _ in 0..n.max(0) {
            let size = y.shape()[axis];
            if size == 0 {
                break;
            }
            let (next, this) = (view::narrow(&y, axis, 1, size - 1)?, view::narrow(&y, axis, 0, size - 1)?);
            y = if y.dtype() == DType::Bool { super::logic::not_equal(&next, &this)? } else { super::math::subtract(&next, &this)? };
        }
        Ok(y)
    }
    samples {
        vec![
            whole("once", values(&[2, 4], -1.0, 1.0, 1), |x| diff(x, 1, -1), |x| from_index(&[2, 3], |i| at(x, &[i[0], i[1] + 1]) - at(x, i))),
            whole("twice, first axis", values(&[4], -1.0, 1.0, 1), |x| diff(x, 2, 0), |x| from_index(&[2], |i| at(x, &[i[0] + 2]) - 2.0 * at(x, &[i[0] + 1]) + at(x, i))),
        ]
    }
}
