//! Products of tensors besides the matrix product: dot, inner, outer, tensordot, kron, cross.

use super::samples::{at, from_index, nd, values};
use super::{linalg, map, math, reduce, view};
use crate::args::{Axes, Ints};
use crate::aval::{Shape, normalize_axis};
use crate::error::{Error, Result};
use crate::op;
use crate::op::Sample;
use crate::tensor::Tensor;

/// A sample of a function of two tensors.
fn two(
    label: &str,
    a: &[usize],
    b: &[usize],
    f: fn(&Tensor, &Tensor) -> Result<Tensor>,
    shape: &'static [usize],
    reference: impl Fn(&super::samples::Nd, &super::samples::Nd, &[usize]) -> f64
    + Send
    + Sync
    + 'static,
) -> Sample {
    Sample::new(
        label,
        vec![values(a, -1.0, 1.0, 1), values(b, -1.0, 1.0, 2)],
        move |x| Ok(vec![f(&x[0], &x[1])?]),
    )
    .reference(move |x| {
        let (a, b) = (nd(&x[0]), nd(&x[1]));
        vec![from_index(shape, |i| reference(&a, &b, i))]
    })
}

/// The sum over pairs of axes, in the common dtype: a[.., axes_a] b[axes_b, ..].
fn contracted(
    op: &'static str,
    a: &Tensor,
    b: &Tensor,
    axes_a: &[usize],
    axes_b: &[usize],
) -> Result<Tensor> {
    for (&i, &j) in axes_a.iter().zip(axes_b) {
        if a.shape()[i] != b.shape()[j] {
            return Err(Error::shape(
                op,
                format!(
                    "axis {i} of shape {:?} and axis {j} of shape {:?} differ in size",
                    a.shape(),
                    b.shape()
                ),
            ));
        }
    }
    let rest = |x: &Tensor, axes: &[usize]| {
        (0..x.rank())
            .filter(|i| !axes.contains(i))
            .collect::<Vec<_>>()
    };
    let (left, right) = (rest(a, axes_a), rest(b, axes_b));
    let size = |x: &Tensor, axes: &[usize]| axes.iter().map(|&i| x.shape()[i]).product::<usize>();
    let x = view::permute(a, &[&left[..], axes_a].concat())?;
    let y = view::permute(b, &[axes_b, &right[..]].concat())?;
    let (m, k, n) = (size(a, &left), size(a, axes_a), size(b, &right));
    let z = linalg::matmul(
        &view::reshape_to(&x, &[m, k])?,
        &view::reshape_to(&y, &[k, n])?,
    )?;
    let shape: Shape = left
        .iter()
        .map(|&i| a.shape()[i])
        .chain(right.iter().map(|&i| b.shape()[i]))
        .collect();
    math::cast(&view::reshape_to(&z, &shape)?, map::common_dtype(a, b))
}

op! {
    /// The sum of products over pairs of axes: `axes` = n takes the last n axes of x1 and the first n of x2;
    /// otherwise it holds the axes of x1 and then as many of x2.
    fn tensordot(x1: &Tensor, x2: &Tensor, axes: Ints = Ints(vec![2])) -> Tensor {
        let (a, b): (Vec<usize>, Vec<usize>) = match axes.0.as_slice() {
            [n] => {
                let n = usize::try_from(*n).ok().filter(|&n| n <= x1.rank() && n <= x2.rank())
                    .ok_or_else(|| Error::argument("tensordot", format!("axes={n} for tensors of shapes {:?} and {:?}", x1.shape(), x2.shape())))?;
                ((x1.rank() - n..x1.rank()).collect(), (0..n).collect())
            }
            list if list.len() % 2 == 0 => {
                let half = list.len() / 2;
                let of = |l: &[i64], x: &Tensor| l.iter().map(|&i| normalize_axis("tensordot", i, x.rank())).collect::<Result<Vec<_>>>();
                (of(&list[..half], x1)?, of(&list[half..], x2)?)
            }
            list => return Err(Error::argument("tensordot", format!("axes={list:?} must hold as many axes of x1 as of x2"))),
        };
        contracted("tensordot", x1, x2, &a, &b)
    }
    samples {
        vec![
            two("two axes", &[2, 3, 4], &[3, 4, 2], |a, b| tensordot(a, b, Ints(vec![2])), &[2, 2], |a, b, i| (0..12).map(|e| at(a, &[i[0], e / 4, e % 4]) * at(b, &[e / 4, e % 4, i[1]])).sum()),
            two("named", &[2, 3], &[2, 4], |a, b| tensordot(a, b, Ints(vec![0, 0])), &[3, 4], |a, b, i| (0..2).map(|e| at(a, &[e, i[0]]) * at(b, &[e, i[1]])).sum()),
            two("none", &[2], &[3], |a, b| tensordot(a, b, Ints(vec![0])), &[2, 3], |a, b, i| at(a, &i[..1]) * at(b, &i[1..])),
        ]
    }
}
op! {
    /// The sum of products over the last axis of x1 and the last but one of x2 (the only one of a vector); a product
    /// with a scalar.
    fn dot(x1: &Tensor, x2: &Tensor) -> Tensor {
        if x1.rank() == 0 || x2.rank() == 0 {
            return math::multiply(x1, x2);
        }
        let axis = x2.rank().saturating_sub(2);
        contracted("dot", x1, x2, &[x1.rank() - 1], &[axis])
    }
    samples {
        vec![
            two("matrices", &[2, 3], &[3, 4], dot, &[2, 4], |a, b, i| (0..3).map(|k| at(a, &[i[0], k]) * at(b, &[k, i[1]])).sum()),
            two("vectors", &[3], &[3], dot, &[], |a, b, _| (0..3).map(|k| a.1[k] * b.1[k]).sum()),
            two("higher", &[2, 3], &[2, 3, 2], dot, &[2, 2, 2], |a, b, i| (0..3).map(|k| at(a, &[i[0], k]) * at(b, &[i[1], k, i[2]])).sum()),
        ]
    }
}
op! {
    /// The sum of products over the last axes of both.
    fn inner(x1: &Tensor, x2: &Tensor) -> Tensor {
        if x1.rank() == 0 || x2.rank() == 0 {
            return math::multiply(x1, x2);
        }
        let (m, n) = (x1.shape()[x1.rank() - 1], x2.shape()[x2.rank() - 1]);
        if m != n {
            let shapes = format!("shapes {:?} and {:?}", x1.shape(), x2.shape());
            return Err(Error::shape("inner", format!("the last dimensions must be equal, not {m} and {n} ({shapes})")));
        }
        contracted("inner", x1, x2, &[x1.rank() - 1], &[x2.rank() - 1])
    }
    samples { vec![two("matrices", &[2, 3], &[4, 3], inner, &[2, 4], |a, b, i| (0..3).map(|k| at(a, &[i[0], k]) * at(b, &[i[1], k])).sum())] }
}
op! {
    /// All products of an element of x1 with one of x2 (both flattened): z_ij = x1_i x2_j.
    fn outer(x1: &Tensor, x2: &Tensor) -> Tensor {
        math::multiply(&view::reshape_to(x1, &[x1.size(), 1])?, &view::reshape_to(x2, &[1, x2.size()])?)
    }
    samples { vec![two("vectors", &[2], &[3], outer, &[2, 3], |a, b, i| a.1[i[0]] * b.1[i[1]])] }
}
op! {
    /// The sum of the products of all elements (both flattened), in their common dtype.
    fn vdot(x1: &Tensor, x2: &Tensor) -> Tensor {
        if x1.size() != x2.size() {
            return Err(Error::shape("vdot", format!("shapes {:?} and {:?} have different numbers of elements", x1.shape(), x2.shape())));
        }
        let products = math::multiply(&view::reshape_to(x1, &[x1.size()])?, &view::reshape_to(x2, &[x2.size()])?)?;
        math::cast(&reduce::sum(&products, Axes::all(), false)?, products.dtype())
    }
    samples { vec![two("matrices", &[2, 2], &[4], vdot, &[], |a, b, _| (0..4).map(|k| a.1[k] * b.1[k]).sum())] }
}
op! {
    /// The Kronecker product: blocks x1_ij x2; the smaller rank is filled with axes of size 1 in front.
    fn kron(x1: &Tensor, x2: &Tensor) -> Tensor {
        let rank = x1.rank().max(x2.rank());
        let (mut a, mut b, mut full) = (Shape::new(), Shape::new(), Shape::new());
        for d in 0..rank {
            let of = |x: &Tensor| (d + x.rank()).checked_sub(rank).map_or(1, |i| x.shape()[i]);
            a.extend([of(x1), 1]);
            b.extend([1, of(x2)]);
            full.push(of(x1).checked_mul(of(x2)).ok_or(Error::Memory { op: "kron", bytes: u128::MAX })?);
        }
        let z = math::multiply(&view::reshape_to(x1, &a)?, &view::reshape_to(x2, &b)?)?;
        view::reshape_to(&z, &full)
    }
    samples { vec![two("matrices", &[2, 2], &[1, 3], kron, &[2, 6], |a, b, i| at(a, &[i[0], i[1] / 3]) * at(b, &[0, i[1] % 3]))] }
}
op! {
    /// The cross product of vectors of 3 (or 2: then their third component is 0) along `axis` (or along axes of their own).
    ///
    /// The product of two vectors of 2 has one component, and its axis is left out.
    fn cross(x1: &Tensor, x2: &Tensor, axisa: i64 = -1, axisb: i64 = -1, axisc: i64 = -1, axis: Option<i64> = None) -> Tensor {
        let (aa, ab, ac) = axis.map_or((axisa, axisb, axisc), |a| (a, a, a));
        let parts = |x: &Tensor, axis: i64| -> Result<Vec<Tensor>> {
            let axis = normalize_axis("cross", axis, x.rank())?;
            let n = x.shape()[axis];
            if n != 2 && n != 3 {
                return Err(Error::shape("cross", format!("axis {axis} of shape {:?} must have size 2 or 3", x.shape())));
            }
            (0..n).map(|i| view::drop_axes(&view::narrow(x, axis, i, 1)?, &[axis])).collect()
        };
        let (a, b) = (parts(x1, aa)?, parts(x2, ab)?);
        // a_i b_j - a_j b_i; a component that is missing is 0.
        let minor = |i: usize, j: usize| -> Result<Tensor> {
            let term = |p: usize, q: usize| match (a.get(p), b.get(q)) {
                (Some(p), Some(q)) => math::multiply(p, q).map(Some),
                _ => Ok(None),
            };
            match (term(i, j)?, term(j, i)?) {
                (Some(p), Some(q)) => math::subtract(&p, &q),
                (Some(p), None) => Ok(p),
                (None, Some(q)) => math::negative(&q),
                (None, None) => math::multiply(&math::multiply(&a[0], &b[0])?, &Tensor::weak(0.0, a[0].dtype())?),
            }
        };
        if a.len() == 2 && b.len() == 2 {
            return minor(0, 1);
        }
        super::concat::stack(vec![minor(1, 2)?, minor(2, 0)?, minor(0, 1)?], ac)
    }
    samples {
        vec![
            two("space", &[2, 3], &[2, 3], |a, b| cross(a, b, -1, -1, -1, None), &[2, 3], |a, b, i| {
                let (p, q) = ((i[1] + 1) % 3, (i[1] + 2) % 3);
                at(a, &[i[0], p]) * at(b, &[i[0], q]) - at(a, &[i[0], q]) * at(b, &[i[0], p])
            }),
            two("plane", &[2], &[2], |a, b| cross(a, b, -1, -1, -1, None), &[], |a, b, _| a.1[0] * b.1[1] - a.1[1] * b.1[0]),
        ]
    }
}
