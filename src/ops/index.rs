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
///
/// Integer and bool tensors among the parts index as in numpy: they broadcast together, negative indices count from the
/// end, a bool tensor stands for the places where it is true (and must be known while a step is traced), and the axes of
/// the indices come where the first of them stands, or first of all if they are apart.
pub fn index(x: &Tensor, parts: &[Index]) -> Result<Tensor> {
    if parts.iter().any(|p| matches!(p, Index::Array(_))) {
        return advanced::index(x, parts);
    }
    basic(x, parts)
}

/// `x[parts]` without arrays: a view.
fn basic(x: &Tensor, parts: &[Index]) -> Result<Tensor> {
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
            Index::Array(_) => {
                return Err(Error::internal("tensor", "arrays are indexed elsewhere"));
            }
        }
    }
    for &size in &x.shape()[axes.len()..] {
        axes.push((0, 1, size));
        shape.push(size);
    }
    let y = view::slice_axes(x, &axes)?;
    view::reshape_to(&y, &shape)
}

/// Indexing by integer and bool arrays.
mod advanced {
    use super::{Index, basic};
    use crate::aval::{DType, Shape, broadcast};
    use crate::error::{Error, Result};
    use crate::ops::{discrete, gather, view};
    use crate::tensor::Tensor;

    /// The parts with each bool array as the integer arrays of its true places, integers as arrays of rank 0, and the
    /// ellipsis as slices.
    fn normalized(x: &Tensor, parts: &[Index]) -> Result<Vec<Index>> {
        let axes = |p: &Index| match p {
            Index::NewAxis | Index::Ellipsis => 0,
            Index::Array(a) if a.dtype() == DType::Bool => a.rank(),
            _ => 1,
        };
        let consumed: usize = parts.iter().map(axes).sum();
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
        let whole = Index::Slice(None, None, None);
        let (mut out, mut axis, mut open) = (Vec::new(), 0, Some(x.rank() - consumed));
        for part in parts {
            match part {
                Index::Ellipsis => {
                    let n = open.take().ok_or_else(|| {
                        Error::index("tensor", "an index can have only one Ellipsis")
                    })?;
                    out.extend(std::iter::repeat_n(whole.clone(), n));
                    axis += n;
                }
                Index::At(i) => {
                    out.push(Index::Array(Tensor::scalar(*i)?));
                    axis += 1;
                }
                Index::Array(mask) if mask.dtype() == DType::Bool => {
                    let sizes = &x.shape()[axis..axis + mask.rank()];
                    if mask.shape() != sizes {
                        return Err(Error::index(
                            "tensor",
                            format!(
                                "a bool index of shape {:?} for axes {axis}.. of shape {:?}",
                                mask.shape(),
                                x.shape()
                            ),
                        ));
                    }
                    out.extend(discrete::nonzero(mask)?.into_iter().map(Index::Array));
                    axis += mask.rank();
                }
                Index::Array(a) if a.dtype().is_float() => {
                    return Err(Error::index(
                        "tensor",
                        format!("an index must be of integers or bool, not {}", a.dtype()),
                    ));
                }
                other => {
                    axis += axes(other);
                    out.push(other.clone());
                }
            }
        }
        Ok(out)
    }

    pub(super) fn index(x: &Tensor, parts: &[Index]) -> Result<Tensor> {
        let parts = normalized(x, parts)?;
        let is_array = |p: &Index| matches!(p, Index::Array(_));
        // First everything else, with whole axes in place of the arrays.
        let plain: Vec<Index> = parts
            .iter()
            .map(|p| {
                if is_array(p) {
                    Index::Slice(None, None, None)
                } else {
                    p.clone()
                }
            })
            .collect();
        let y = basic(x, &plain)?;
        let places: Vec<usize> = (0..parts.len()).filter(|&i| is_array(&parts[i])).collect();
        let arrays: Vec<Tensor> = parts
            .iter()
            .filter_map(|p| {
                if let Index::Array(a) = p {
                    Some(a.clone())
                } else {
                    None
                }
            })
            .collect();
        let shapes: Vec<&[usize]> = arrays.iter().map(Tensor::shape).collect();
        let common = broadcast("tensor", &shapes).map_err(|_| {
            Error::index(
                "tensor",
                format!("index arrays of shapes {shapes:?} do not broadcast together"),
            )
        })?;
        // Every part that is left stands for one axis of `y`, since integers became arrays.
        let rest: Vec<usize> = (0..y.rank()).filter(|i| !places.contains(i)).collect();
        let front = view::permute(&y, &[&places[..], &rest].concat())?;
        let sizes: Shape = places.iter().map(|&i| y.shape()[i]).collect();
        let linear = gather::linear_index("tensor", &arrays, &sizes, places[0])?;
        let flat = view::reshape_to(
            &view::broadcast_to_shape(&linear, &common)?,
            &[common.iter().product()],
        )?;
        let mut merged = Shape::from_elem(sizes.iter().product(), 1);
        merged.extend(rest.iter().map(|&i| y.shape()[i]));
        let picked = gather::gather_rows(&view::reshape_to(&front, &merged)?, &flat, 0)?;
        let mut shape = common.clone();
        shape.extend(rest.iter().map(|&i| y.shape()[i]));
        let picked = view::reshape_to(&picked, &shape)?;
        let adjacent = places.windows(2).all(|w| w[1] == w[0] + 1);
        if !adjacent || places[0] == 0 {
            return Ok(picked);
        }
        // The axes of the indices go back to where the arrays stood.
        let (n, before) = (common.len(), places[0]);
        let order: Vec<usize> = (n..n + before)
            .chain(0..n)
            .chain(n + before..shape.len())
            .collect();
        view::permute(&picked, &order)
    }
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
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(Copy, x, batched, size)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// x[i, j, k] = 100 i + 10 j + k of shape [2, 3, 4].
    fn numbers() -> Tensor {
        let data: Vec<f64> = (0..24)
            .map(|e| f64::from(100 * (e / 12) + 10 * (e / 4 % 3) + e % 4))
            .collect();
        Tensor::from_slice(&data, &[2, 3, 4]).unwrap()
    }

    fn array(data: &[i32], shape: &[usize]) -> Index {
        Index::Array(Tensor::from_slice(data, shape).unwrap())
    }

    const ALL: Index = Index::Slice(None, None, None);

    fn check(parts: &[Index], shape: &[usize], data: &[f64]) {
        let y = index(&numbers(), parts).unwrap();
        assert_eq!(
            (y.shape(), y.to_vec::<f64>().unwrap().as_slice()),
            (shape, data),
            "{parts:?}"
        );
    }

    #[test]
    fn arrays_as_in_numpy() {
        check(
            &[array(&[1, -2], &[2]), array(&[0, 2], &[2]), Index::At(3)],
            &[2],
            &[103.0, 23.0],
        );
        // Adjacent arrays stay where they stand.
        check(
            &[ALL, array(&[2, 0], &[2]), array(&[1, 1], &[2])],
            &[2, 2],
            &[21.0, 1.0, 121.0, 101.0],
        );
        // Arrays apart move to the front; an integer counts as one of them.
        check(
            &[Index::At(0), ALL, array(&[3, 0], &[2])],
            &[2, 3],
            &[3.0, 13.0, 23.0, 0.0, 10.0, 20.0],
        );
        check(
            &[Index::Ellipsis, array(&[3, 0], &[2, 1]), Index::NewAxis],
            &[2, 3, 2, 1, 1],
            &[
                3.0, 0.0, 13.0, 10.0, 23.0, 20.0, 103.0, 100.0, 113.0, 110.0, 123.0, 120.0,
            ],
        );
        check(&[array(&[], &[0])], &[0, 3, 4], &[]);
    }

    #[test]
    fn masks() {
        let mask = Tensor::from_slice(&[true, false, false, false, false, true], &[2, 3]).unwrap();
        check(
            &[Index::Array(mask), Index::Slice(Some(2), None, None)],
            &[2, 2],
            &[2.0, 3.0, 122.0, 123.0],
        );
    }

    #[test]
    fn wrong_indices_are_errors() {
        for part in [
            array(&[2], &[1]),
            array(&[-3], &[1]),
            Index::Array(Tensor::from_slice(&[true; 3], &[3]).unwrap()),
            Index::Array(Tensor::scalar(0.5f32).unwrap()),
        ] {
            assert!(matches!(
                index(&numbers(), &[part]),
                Err(Error::Index { .. })
            ));
        }
        assert!(index(&numbers(), &[array(&[0, 1], &[2]), array(&[0, 1, 2], &[3])]).is_err());
    }

    #[test]
    fn gradients_add_up_where_an_index_comes_twice() {
        let x = numbers().leaf();
        let y = index(&x, &[array(&[1, 1], &[2]), Index::At(0), Index::At(2)]).unwrap();
        let g = crate::autodiff::backward(&[y], None, &[x], false).unwrap();
        let g = g[0].as_ref().unwrap().to_vec::<f64>().unwrap();
        assert_eq!((g[14], g.iter().sum::<f64>()), (2.0, 2.0));
    }
}
