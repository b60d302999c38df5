//! Views: other looks at the same memory (reshape, permute, slice, broadcast), and `pad`.

use crate::args::{Axes, Ints};
use crate::aval::{
    Aval, Shape, broadcast, broadcast_strides, checked_bytes, contiguous_strides, is_contiguous,
    normalize_axes, normalize_axis,
};
use crate::bind::bind1;
use crate::error::{Error, Result};
use crate::op;
use crate::op::{Avals, Grads, Kind, Layout, Op, Vjp, one};
use crate::ops::assemble;
use crate::ops::samples::{at, from_index, values, whole};
use crate::tensor::Tensor;
use smallvec::{SmallVec, smallvec};

/// Another look at the input's elements.
#[derive(Debug)]
enum View {
    /// The same elements in the same order under another shape.
    Reshape(Shape),
    /// Axis `i` of the result is axis `order[i]` of the input.
    Permute(SmallVec<[usize; 6]>),
    /// The input repeated along axes of size 1 and along new leading axes.
    Broadcast(Shape),
    /// For each axis the first index, the step (negative: backwards) and the number of elements.
    Slice(SmallVec<[(usize, isize, usize); 6]>),
}

impl Op for View {
    fn name(&self) -> &'static str {
        match self {
            View::Reshape(_) => "reshape",
            View::Permute(_) => "transpose",
            View::Broadcast(_) => "broadcast_to",
            View::Slice(_) => "slice",
        }
    }

    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let x = &x[0];
        let shape = match self {
            View::Reshape(shape) => shape.clone(),
            View::Permute(order) => order.iter().map(|&i| x.shape[i]).collect(),
            View::Broadcast(shape) => shape.clone(),
            View::Slice(axes) => axes.iter().map(|a| a.2).collect(),
        };
        checked_bytes(self.name(), &shape, x.dtype)?;
        Ok(one(shape, x.dtype))
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let (x, g) = (cx.x(0), cx.g(0)?);
        let grad = match self {
            View::Reshape(_) => reshape_to(&g, x.shape())?,
            View::Permute(order) => {
                let mut inverse: SmallVec<[usize; 6]> = smallvec![0; order.len()];
                for (i, &a) in order.iter().enumerate() {
                    inverse[a] = i;
                }
                permute(&g, &inverse)?
            }
            View::Broadcast(_) => crate::autodiff::unbroadcast(&g, x.shape())?,
            // The elements turned round: turned back.
            View::Slice(axes) if is_flip(x.shape(), axes) => slice_axes(&g, axes)?,
            View::Slice(axes) => assemble::unslice(&g, x.shape(), axes)?,
        };
        Ok(smallvec![Some(grad)])
    }

    fn kind(&self) -> Kind<'_> {
        Kind::View
    }

    fn over_steps(&self, steps: usize) -> Option<std::sync::Arc<dyn Op>> {
        let with_steps = |shape: &Shape| {
            std::iter::once(steps)
                .chain(shape.iter().copied())
                .collect()
        };
        Some(std::sync::Arc::new(match self {
            View::Reshape(shape) => View::Reshape(with_steps(shape)),
            View::Permute(order) => View::Permute(
                std::iter::once(0)
                    .chain(order.iter().map(|i| i + 1))
                    .collect(),
            ),
            View::Slice(axes) => View::Slice(
                std::iter::once((0, 1, steps))
                    .chain(axes.iter().copied())
                    .collect(),
            ),
            // Axes that the input has not would stand before that of the steps.
            View::Broadcast(_) => return None,
        }))
    }

    fn view(&self, x: &Aval, strides: &[isize]) -> Option<Layout> {
        let mut offset = 0;
        let strides = match self {
            View::Reshape(shape) => reshape_strides(&x.shape, strides, shape)?,
            View::Permute(order) => order.iter().map(|&i| strides[i]).collect(),
            View::Broadcast(shape) => broadcast_strides(&x.shape, strides, shape),
            View::Slice(axes) => {
                for (a, s) in axes.iter().zip(strides) {
                    // An empty result has no first element; do not point outside the buffer.
                    if x.size() > 0 && axes.iter().all(|a| a.2 > 0) {
                        offset += a.0 as isize * s;
                    }
                }
                axes.iter().zip(strides).map(|(a, s)| a.1 * s).collect()
            }
        };
        Some(Layout { strides, offset })
    }
}

/// Does a slice read all elements, some axes the other way round?
fn is_flip(shape: &[usize], axes: &[(usize, isize, usize)]) -> bool {
    let whole = |&(start, step, n): &(usize, isize, usize), size: usize| match step {
        -1 => n == size && start + 1 == size,
        _ => (start, step, n) == (0, 1, size),
    };
    axes.iter()
        .zip(shape)
        .all(|(axis, &size)| whole(axis, size))
}

/// Strides for a reshape without a copy: possible when every group of axes that are merged or
/// split is evenly spaced.
fn reshape_strides(
    from: &[usize],
    strides: &[isize],
    to: &[usize],
) -> Option<crate::aval::Strides> {
    if is_contiguous(from, strides) {
        return Some(contiguous_strides(to));
    }
    if from.contains(&0) {
        return Some(contiguous_strides(to));
    }
    let old: SmallVec<[(usize, isize); 6]> = from
        .iter()
        .copied()
        .zip(strides.iter().copied())
        .filter(|d| d.0 != 1)
        .collect();
    let mut out: crate::aval::Strides = smallvec![0; to.len()];
    let (mut i, mut j) = (0, 0);
    while i < old.len() {
        let (mut size, start) = (old[i].0, i);
        let first = j;
        let mut want = 1;
        while j < to.len() && want < size {
            want *= to[j];
            j += 1;
        }
        while want != size {
            if want > size {
                i += 1;
                size *= old.get(i)?.0;
            } else {
                want *= *to.get(j)?;
                j += 1;
            }
        }
        // Axes start..=i of the old array must be evenly spaced.
        for k in start..i {
            if old[k].1 != old[k + 1].1 * old[k + 1].0 as isize {
                return None;
            }
        }
        let mut stride = old[i].1;
        for k in (first..j).rev() {
            out[k] = stride;
            stride *= to[k] as isize;
        }
        i += 1;
    }
    Some(out)
}

/// The same elements under `shape` (same number of elements).
pub fn reshape_to(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    debug_assert_eq!(x.size(), shape.iter().product::<usize>());
    bind1(View::Reshape(shape.into()), &[x])
}

/// Axis `i` of the result is axis `order[i]` of `x`.
pub fn permute(x: &Tensor, order: &[usize]) -> Result<Tensor> {
    if order.iter().enumerate().all(|(i, &a)| i == a) {
        return Ok(x.clone());
    }
    bind1(View::Permute(order.into()), &[x])
}

/// `x` repeated to `shape`, to which it must broadcast.
pub fn broadcast_to_shape(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    let fits = broadcast("broadcast_to", &[x.shape(), shape])?;
    if fits.as_slice() != shape {
        return Err(Error::shape(
            "broadcast_to",
            format!("shape {:?} does not broadcast to {shape:?}", x.shape()),
        ));
    }
    bind1(View::Broadcast(shape.into()), &[x])
}

/// Without axes that have size 1.
pub fn drop_axes(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let shape: Shape = (0..x.rank())
        .filter(|i| !axes.contains(i))
        .map(|i| x.shape()[i])
        .collect();
    reshape_to(x, &shape)
}

/// For each axis `(start, step, count)`; all must lie inside the shape.
pub fn slice_axes(x: &Tensor, axes: &[(usize, isize, usize)]) -> Result<Tensor> {
    if axes.iter().zip(x.shape()).all(|(a, &n)| *a == (0, 1, n)) {
        return Ok(x.clone());
    }
    bind1(View::Slice(axes.into()), &[x])
}

/// Elements `start..start + count` of one axis.
pub fn narrow(x: &Tensor, axis: usize, start: usize, count: usize) -> Result<Tensor> {
    let mut axes: SmallVec<[(usize, isize, usize); 6]> =
        x.shape().iter().map(|&n| (0, 1, n)).collect();
    if start + count > x.shape()[axis] {
        return Err(Error::index(
            "slice",
            format!(
                "{start}..{} is outside axis {axis} of shape {:?}",
                start + count,
                x.shape()
            ),
        ));
    }
    axes[axis] = (start, 1, count);
    slice_axes(x, &axes)
}

op! {
    /// The same elements, in row-major order, under another shape. One size may be -1: it is worked out.
    fn reshape(x: &Tensor, newshape: Ints) -> Tensor {
        let want = &newshape.0;
        let mut known: u128 = 1;
        let mut open = None;
        for (i, &n) in want.iter().enumerate() {
            match n {
                -1 if open.is_none() => open = Some(i),
                n if n >= 0 => known = known.saturating_mul(n as u128),
                _ => return Err(Error::argument("reshape", format!("sizes must be non-negative integers, and one may be -1; received newshape={want:?}"))),
            }
        }
        let mut shape: Shape = want.iter().map(|&n| n.max(0) as usize).collect();
        let size = x.size() as u128;
        let fits = match open {
            Some(i) if known > 0 && size.is_multiple_of(known) => {
                shape[i] = (size / known) as usize;
                true
            }
            Some(_) => false,
            None => known == size,
        };
        if !fits {
            return Err(Error::shape(
                "reshape",
                format!("a tensor of shape {:?} ({size} elements) cannot be reshaped to {want:?}", x.shape()),
            ));
        }
        reshape_to(x, &shape)
    }
    samples {
        vec![whole("one size open", values(&[2, 6], -1.0, 1.0, 1), |x| reshape(x, Ints(vec![3, -1])), |x| (vec![3, 4], x.1.clone()))]
     }
}
op! {
    /// Axes in another order; without `axes` reversed.
    fn transpose(x: &Tensor, axes: Option<Ints> = None) -> Tensor {
        let Some(axes) = axes else {
            let order: Vec<usize> = (0..x.rank()).rev().collect();
            return permute(x, &order);
        };
        let order: Vec<usize> = axes.0.iter().map(|&a| normalize_axis("transpose", a, x.rank())).collect::<Result<_>>()?;
        let mut seen = order.clone();
        seen.sort_unstable();
        if seen.iter().enumerate().any(|(i, &a)| i != a) || seen.len() != x.rank() {
            return Err(Error::argument("transpose", format!("needs a valid permutation of the {} axes of shape {:?}; received axes={:?}", x.rank(), x.shape(), axes.0)));
        }
        permute(x, &order)
    }
    samples {
        vec![
            whole("reversed", values(&[2, 3, 4], -1.0, 1.0, 1), |x| transpose(x, None), |x| from_index(&[4, 3, 2], |i| at(x, &[i[2], i[1], i[0]]))),
            whole("axes", values(&[2, 3, 4], -1.0, 1.0, 1), |x| transpose(x, Some(Ints(vec![1, -1, 0]))), |x| from_index(&[3, 4, 2], |i| at(x, &[i[2], i[0], i[1]]))),
        ]
     }
}
op! {
    /// The tensor repeated along axes of size 1 to `shape`, without copying.
    fn broadcast_to(x: &Tensor, shape: Ints) -> Tensor {
        if let Some(n) = shape.0.iter().find(|&&n| n < 0) {
            return Err(Error::argument("broadcast_to", format!("shape={:?} has the negative size {n}", shape.0)));
        }
        let shape: Shape = shape.0.iter().map(|&n| n as usize).collect();
        broadcast_to_shape(x, &shape)
    }
    samples {
        vec![whole("more axes", values(&[2, 1], -1.0, 1.0, 1), |x| broadcast_to(x, Ints(vec![2, 2, 3])), |x| from_index(&[2, 2, 3], |i| at(x, &[i[1], 0])))]
     }
}
op! {
    /// New axes of size 1 at the positions `axis` of the result.
    fn expand_dims(x: &Tensor, axis: Ints) -> Tensor {
        let rank = x.rank() + axis.0.len();
        let at = normalize_axes("expand_dims", Some(&axis.0), rank)?;
        let mut rest = x.shape().iter().copied();
        let shape: Shape = (0..rank).map(|i| if at.contains(&i) { 1 } else { rest.next().unwrap_or(1) }).collect();
        reshape_to(x, &shape)
    }
    samples {
        vec![whole("both ends", values(&[2, 3], -1.0, 1.0, 1), |x| expand_dims(x, Ints(vec![0, -1])), |x| (vec![1, 2, 3, 1], x.1.clone()))]
     }
}
op! {
    /// Without the axes of size 1, or without those named, which must have size 1.
    fn squeeze(x: &Tensor, axis: Axes = Axes::all()) -> Tensor {
        let axes: Vec<usize> = match axis.as_slice() {
            None => (0..x.rank()).filter(|&i| x.shape()[i] == 1).collect(),
            Some(_) => normalize_axes("squeeze", axis.as_slice(), x.rank())?.to_vec(),
        };
        if let Some(&a) = axes.iter().find(|&&a| x.shape()[a] != 1) {
            return Err(Error::shape("squeeze", format!("axis {a} of shape {:?} has size {}, not 1", x.shape(), x.shape()[a])));
        }
        drop_axes(x, &axes)
    }
    samples {
        vec![whole("all", values(&[1, 2, 1], -1.0, 1.0, 1), |x| squeeze(x, Axes::all()), |x| (vec![2], x.1.clone())),
             whole("one", values(&[1, 2, 1], -1.0, 1.0, 1), |x| squeeze(x, Axes::from(-1)), |x| (vec![1, 2], x.1.clone()))]
     }
}
op! {
    /// The elements in reverse order along `axis` (all axes when `None`).
    fn flip(x: &Tensor, axis: Axes = Axes::all()) -> Tensor {
        let axes = normalize_axes("flip", axis.as_slice(), x.rank())?;
        let slices: SmallVec<[(usize, isize, usize); 6]> = x.shape().iter().enumerate()
            .map(|(i, &n)| if axes.contains(&i) && n > 0 { (n - 1, -1, n) } else { (0, 1, n) })
            .collect();
        slice_axes(x, &slices)
    }
    samples {
        vec![whole("columns", values(&[2, 3], -1.0, 1.0, 1), |x| flip(x, Axes::from(-1)), |x| from_index(&[2, 3], |i| at(x, &[i[0], 2 - i[1]]))),
             whole("all", values(&[2, 3], -1.0, 1.0, 1), |x| flip(x, Axes::all()), |x| from_index(&[2, 3], |i| at(x, &[1 - i[0], 2 - i[1]])))]
     }
}
op! {
    /// Zeros around the tensor: `pad_width[i] = [before, after]` for axis i, flattened.
    fn pad_zeros(x: &Tensor, pad_width: Ints) -> Tensor {
        if pad_width.0.len() != 2 * x.rank() || pad_width.0.iter().any(|&p| p < 0) {
            return Err(Error::argument("pad", format!("pad_width={:?} must hold two sizes >= 0 for each of the {} axes of shape {:?}", pad_width.0, x.rank(), x.shape())));
        }
        let mut shape = Shape::new();
        let mut axes: SmallVec<[(usize, isize, usize); 6]> = SmallVec::new();
        for (i, &n) in x.shape().iter().enumerate() {
            let total = n as i128 + i128::from(pad_width.0[2 * i]) + i128::from(pad_width.0[2 * i + 1]);
            shape.push(usize::try_from(total).map_err(|_| Error::Memory { op: "pad", bytes: total as u128 })?);
            axes.push((pad_width.0[2 * i] as usize, 1, n));
        }
        if shape.as_slice() == x.shape() {
            return Ok(x.clone());
        }
        assemble::unslice(x, &shape, &axes)
    }
    samples {
        vec![whole("corners", values(&[2, 2], -1.0, 1.0, 1), |x| pad_zeros(x, Ints(vec![1, 0, 0, 2])), |x| from_index(&[3, 4], |i| if i[0] >= 1 && i[1] < 2 { at(x, &[i[0] - 1, i[1]]) } else { 0.0 }))]
     }
}
