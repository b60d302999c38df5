//! Gather and scatter: reading rows at indices, and its transpose, adding to them. Their gradients are each other.

use super::samples::{at, from_index, ints, known, nd, tensor, values};
use super::sparse_rows::{SpreadRows, SumRows};
use super::{create, logic, map, math, view};
use crate::args::Ints;
use crate::aval::{Aval, DType, Shape, broadcast, normalize_axis};
use crate::bind::bind1;
use crate::buffer::Element;
use crate::error::{Error, Result};
use crate::kernels::gather::{self, Geometry};
use crate::op;
use crate::op::{Avals, Grads, Op, Run, Sample, Vjp, one};
use crate::tensor::Tensor;
use crate::with_element;
use smallvec::smallvec;
use std::sync::Arc;

/// The axis that is indexed, and whether there is one list of indices or one for each position.
#[derive(Debug, Clone, Copy)]
struct Places {
    axis: usize,
    /// Size of the axis in the large array.
    n: usize,
    along: bool,
}

impl Places {
    /// The sizes for a large array of `n` along the axis and `m` indices; `shape` is that of either side.
    fn geometry(self, shape: &[usize], m: usize) -> Geometry {
        Geometry {
            outer: shape[..self.axis].iter().product(),
            n: self.n,
            inner: shape[self.axis + 1..].iter().product(),
            m,
            along: self.along,
        }
    }
}

/// y = x read at indices along an axis; what is out of range reads as the second field.
#[derive(Debug)]
struct Gather(Places, f64);

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let mut shape = x[0].shape.clone();
        shape[self.0.axis] = if self.0.along {
            x[1].shape[self.0.axis]
        } else {
            x[1].size()
        };
        crate::aval::checked_bytes("gather", &shape, x[0].dtype)?;
        Ok(one(shape, x[0].dtype))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let g = bind1(Scatter(self.0, Combine::Add), &[cx.x(1), &cx.g(0)?])?;
        Ok(smallvec![Some(g), None])
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        let places = Places {
            axis: self.0.axis + 1,
            ..self.0
        };
        let op = || Gather(places, self.1);
        if self.0.along {
            return crate::batching::by_leading_axis(op(), x, batched, size);
        }
        if batched[0] && !batched[1] {
            return Ok(Some(smallvec![bind1(op(), &[&x[0], &x[1]])?]));
        }
        if batched[0] {
            return Ok(None);
        }
        // One array for all: the indices of all examples in one list.
        let all = view::reshape_to(&x[1], &[x[1].size()])?;
        let y = bind1(Gather(self.0, self.1), &[&x[0], &all])?;
        let axis = self.0.axis;
        let mut shape: Shape = y.shape()[..axis].into();
        shape.extend([size, x[1].size() / size.max(1)]);
        shape.extend_from_slice(&y.shape()[axis + 1..]);
        let y = view::reshape_to(&y, &shape)?;
        let mut order: Shape = (0..y.rank()).filter(|&i| i != axis).collect();
        order.insert(0, axis);
        Ok(Some(smallvec![view::permute(&y, &order)?]))
    }
    fn run(&self, cx: &mut Run) {
        let m = cx.outs[0].shape()[self.0.axis];
        let g = self.0.geometry(cx.outs[0].shape(), m);
        let idx = cx.ins[1].slice::<i64>();
        with_element!(cx.ins[0].dtype(), T => gather::gather::<T>(&g, cx.ins[0].slice(), idx, T::from_f64(self.1), cx.outs[0].slice_mut()));
    }
}

/// What becomes of several values for one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// Their sum (for bool: or).
    Add,
    /// Their product (for bool: and).
    Mul,
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

impl Combine {
    fn start(self, dtype: DType) -> f64 {
        match (self, dtype) {
            (Combine::Add, _) => 0.0,
            (Combine::Mul, _) => 1.0,
            (Combine::Max, d) if d.is_float() => f64::NEG_INFINITY,
            (Combine::Min, d) if d.is_float() => f64::INFINITY,
            (Combine::Max, d) => integer_range(d).0,
            (Combine::Min, d) => integer_range(d).1,
        }
    }
}

/// The smallest and the largest number of an integer type (of those that `f64` holds).
fn integer_range(d: DType) -> (f64, f64) {
    match d {
        DType::Bool => (0.0, 1.0),
        d if d.is_unsigned() => (0.0, 2f64.powi(8 * d.size() as i32) - 1.0),
        d => (
            -(2f64.powi(8 * d.size() as i32 - 1)),
            2f64.powi(8 * d.size() as i32 - 1) - 1.0,
        ),
    }
}

/// For each element the product of all others at its place. Zeros are counted apart, so that nothing is divided by them;
/// exact in itself, and differentiable again where no other element is zero.
fn products_of_others(places: Places, idx: &Tensor, u: &Tensor) -> Result<Tensor> {
    let [zero, one] = [0.0, 1.0].map(|v| Tensor::full(&[], v, u.dtype()));
    let (zero, one) = (zero?, one?);
    let is_zero = logic::equal(u, &zero)?;
    let factors = logic::where_(&is_zero, &one, u)?;
    let zeros = math::cast(&is_zero, u.dtype())?;
    let combined = |x: &Tensor, how| {
        bind1(
            Gather(places, 0.0),
            &[&bind1(Scatter(places, how), &[idx, x])?, idx],
        )
    };
    let product = math::divide(&combined(&factors, Combine::Mul)?, &factors)?;
    let other_zeros = math::subtract(&combined(&zeros, Combine::Add)?, &zeros)?;
    logic::where_(&logic::equal(&other_zeros, &zero)?, &product, &zero)
}

/// Zeros (or the neutral value) to which rows are added at indices: the transpose of [`Gather`].
#[derive(Debug)]
struct Scatter(Places, Combine);

impl Op for Scatter {
    fn name(&self) -> &'static str {
        match self.1 {
            Combine::Add => "scatter_add",
            Combine::Mul => "scatter_mul",
            Combine::Max => "scatter_max",
            Combine::Min => "scatter_min",
        }
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let mut shape = x[1].shape.clone();
        shape[self.0.axis] = self.0.n;
        crate::aval::checked_bytes(self.name(), &shape, x[1].dtype)?;
        Ok(one(shape, x[1].dtype))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let (idx, g) = (cx.x(0), cx.g(0)?);
        let back = match self.1 {
            Combine::Add => bind1(Gather(self.0, 0.0), &[&g, idx])?,
            Combine::Max | Combine::Min => {
                // Equal values share the gradient of their place.
                let (u, y) = (cx.x(1), cx.y(0));
                let hit = math::cast(
                    &logic::equal(u, &bind1(Gather(self.0, 0.0), &[&y, idx])?)?,
                    u.dtype(),
                )?;
                let ties = bind1(Scatter(self.0, Combine::Add), &[idx, &hit])?;
                let ties = bind1(Gather(self.0, 0.0), &[&ties, idx])?;
                let g = bind1(Gather(self.0, 0.0), &[&g, idx])?;
                math::divide_no_nan(&math::multiply(&g, &hit)?, &ties)?
            }
            Combine::Mul => {
                let others = products_of_others(self.0, idx, cx.x(1))?;
                math::multiply(&bind1(Gather(self.0, 0.0), &[&g, idx])?, &others)?
            }
        };
        Ok(smallvec![None, Some(back)])
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        let places = Places {
            axis: self.0.axis + 1,
            ..self.0
        };
        if self.0.along {
            return crate::batching::by_leading_axis(Scatter(places, self.1), x, batched, size);
        }
        if batched[0] {
            return Ok(None);
        }
        Ok(Some(smallvec![bind1(
            Scatter(places, self.1),
            &[&x[0], &x[1]]
        )?]))
    }
    fn in_rows(&self, x: &[Aval]) -> Option<[Arc<dyn Op>; 2]> {
        let (places, u) = (self.0, &x[1]);
        // More rows than the sums have, one of zeros included.
        let large = |m: usize, inner: usize| places.n >= 2 * (m + 1) && inner >= 16;
        let suits = self.1 == Combine::Add
            && (places.axis, places.along) == (0, false)
            && matches!(u.dtype, DType::F32 | DType::F64)
            && matches!(u.shape[..], [m, inner] if large(m, inner));
        suits.then(|| {
            let sums: Arc<dyn Op> = Arc::new(SumRows { n: places.n });
            [sums, Arc::new(SpreadRows)]
        })
    }
    fn run(&self, cx: &mut Run) {
        let m = cx.ins[1].shape()[self.0.axis];
        let g = self.0.geometry(cx.ins[1].shape(), m);
        let idx = cx.ins[0].slice::<i64>();
        let dtype = cx.ins[1].dtype();
        let start = self.1.start(dtype);
        macro_rules! go {
            ($($t:ty: $d:ident, $add:expr, $mul:expr;)*) => {
                match dtype {
                    $(DType::$d => {
                        let (u, y) = (cx.ins[1].slice::<$t>(), cx.outs[0].slice_mut::<$t>());
                        let start = Some(<$t as Element>::from_f64(start));
                        match self.1 {
                            Combine::Add => gather::scatter(&g, idx, u, y, start, $add),
                            Combine::Mul => gather::scatter(&g, idx, u, y, start, $mul),
                            Combine::Max => gather::scatter(&g, idx, u, y, start, |a, b| if b > a || b != b { b } else { a }),
                            Combine::Min => gather::scatter(&g, idx, u, y, start, |a, b| if b < a || b != b { b } else { a }),
                        }
                    })*
                }
            };
        }
        go! {
            f32: F32, |a, b| a + b, |a, b| a * b;
            f64: F64, |a, b| a + b, |a, b| a * b;
            half::f16: F16, |a, b| a + b, |a, b| a * b;
            half::bf16: BF16, |a, b| a + b, |a, b| a * b;
            bool: Bool, |a, b| a | b, |a, b| a & b;
            u8: U8, u8::wrapping_add, u8::wrapping_mul;
            u16: U16, u16::wrapping_add, u16::wrapping_mul;
            u32: U32, u32::wrapping_add, u32::wrapping_mul;
            u64: U64, u64::wrapping_add, u64::wrapping_mul;
            i8: I8, i8::wrapping_add, i8::wrapping_mul;
            i16: I16, i16::wrapping_add, i16::wrapping_mul;
            i32: I32, i32::wrapping_add, i32::wrapping_mul;
            i64: I64, i64::wrapping_add, i64::wrapping_mul;
        }
    }
}

/// `x` with rows replaced at indices; the last one wins where an index comes twice.
#[derive(Debug)]
struct ScatterSet(Places);

impl Op for ScatterSet {
    fn name(&self) -> &'static str {
        "scatter_update"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(one(x[0].shape.clone(), x[0].dtype))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let (idx, u, g) = (cx.x(1), cx.x(2), cx.g(0)?);
        let mut grads: Grads = smallvec![None, None, None];
        if cx.wants(0) {
            let zeros = create::full_like_of(u, 0.0, u.dtype())?;
            grads[0] = Some(bind1(ScatterSet(self.0), &[&g, idx, &zeros])?);
        }
        if cx.wants(2) {
            // Only the value that won its place has a gradient: ask each place who won it.
            let m = u.shape()[self.0.axis];
            let mut shape = Shape::from_elem(1, u.rank());
            shape[self.0.axis] = m;
            let number = view::reshape_to(&create::iota(m, DType::I64)?, &shape)?;
            let number = view::broadcast_to_shape(&number, u.shape())?;
            let nobody = create::full_like_of(&g, -1.0, DType::I64)?;
            let winner = bind1(ScatterSet(self.0), &[&nobody, idx, &number])?;
            let won = logic::equal(&bind1(Gather(self.0, -2.0), &[&winner, idx])?, &number)?;
            let back = bind1(Gather(self.0, 0.0), &[&g, idx])?;
            let zero = Tensor::full(&[], 0.0, back.dtype())?;
            grads[2] = Some(logic::where_(&won, &back, &zero)?);
        }
        Ok(grads)
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        let places = Places {
            axis: self.0.axis + 1,
            ..self.0
        };
        if !self.0.along && batched[1] {
            return Ok(None);
        }
        if self.0.along {
            return crate::batching::by_leading_axis(ScatterSet(places), x, batched, size);
        }
        let lead = |i: usize| crate::batching::lead(&x[i], batched[i], size);
        Ok(Some(smallvec![bind1(
            ScatterSet(places),
            &[&lead(0)?, &x[1], &lead(2)?]
        )?]))
    }
    fn run(&self, cx: &mut Run) {
        let m = cx.ins[2].shape()[self.0.axis];
        let g = self.0.geometry(cx.ins[0].shape(), m);
        let idx = cx.ins[1].slice::<i64>();
        with_element!(cx.ins[0].dtype(), T => {
            // In place there is nothing to copy.
            if cx.ins[0].ptr() != cx.outs[0].ptr().cast_const() {
                cx.outs[0].slice_mut::<T>().copy_from_slice(cx.ins[0].slice());
            }
            gather::scatter(&g, idx, cx.ins[2].slice(), cx.outs[0].slice_mut::<T>(), None, |_, b| b);
        });
    }
    fn overwrites(&self, _: usize) -> Option<usize> {
        Some(0)
    }
}

/// Indices as `i64`, refused if they are not integers or, when known, out of range for `n`.
pub fn checked_indices(op: &'static str, idx: &Tensor, n: usize, axis: usize) -> Result<Tensor> {
    if !idx.dtype().is_int() {
        return Err(Error::dtype(
            op,
            format!("indices must be integers, not {}", idx.dtype()),
        ));
    }
    let idx = math::cast(idx, DType::I64)?;
    if !idx.is_traced() {
        let list = crate::bind::contiguous(&idx)?;
        let size = n as i64;
        if let Some(bad) = list
            .view()?
            .slice::<i64>()
            .iter()
            .find(|&&i| i < -size || i >= size)
        {
            return Err(Error::index(
                op,
                format!("index {bad} is out of range for axis {axis} of size {n}"),
            ));
        }
    }
    Ok(idx)
}

/// `x` read at the indices of a tensor of rank 1 (`i64`, in range) along an axis.
pub fn gather_rows(x: &Tensor, idx: &Tensor, axis: usize) -> Result<Tensor> {
    let places = Places {
        axis,
        n: x.shape()[axis],
        along: false,
    };
    bind1(Gather(places, f64::NAN), &[x, idx])
}

/// Rows `u` combined at the indices of a tensor of rank 1 into an array of `n` along the axis.
pub fn scatter_rows(
    idx: &Tensor,
    u: &Tensor,
    axis: usize,
    n: usize,
    how: Combine,
) -> Result<Tensor> {
    bind1(
        Scatter(
            Places {
                axis,
                n,
                along: false,
            },
            how,
        ),
        &[idx, u],
    )
}

/// `x` with the rows at these indices (rank 1, `i64`) replaced by those of `u`.
pub fn set_rows(x: &Tensor, idx: &Tensor, u: &Tensor, axis: usize) -> Result<Tensor> {
    let places = Places {
        axis,
        n: x.shape()[axis],
        along: false,
    };
    bind1(ScatterSet(places), &[x, idx, u])
}

op! {
    /// The elements of `x` at `indices` along `axis` (of the flattened tensor if `None`).
    ///
    /// The axis is replaced by the axes of `indices`. Negative indices count from the end. `mode`: "raise" (default):
    /// an index out of range raises `IndexError`, or, when the indices are not known while a step is traced, reads NaN
    /// (0 for integers); "clip": to the nearest valid index; "wrap": modulo the size; "fill": always NaN or 0.
    fn take(x: &Tensor, indices: &Tensor, axis: Option<i64> = None, mode: String = "raise".to_string()) -> Tensor {
        let flat;
        let (x, axis) = match axis {
            Some(a) => (x, normalize_axis("take", a, x.rank())?),
            None => {
                flat = view::reshape_to(x, &[x.size()])?;
                (&flat, 0)
            }
        };
        let n = x.shape()[axis];
        let idx = match mode.as_str() {
            "raise" => checked_indices("take", indices, n, axis)?,
            "fill" => math::cast(indices, DType::I64)?,
            "clip" | "wrap" if n == 0 && indices.size() > 0 => {
                return Err(Error::index("take", format!("axis {axis} of shape {:?} is empty", x.shape())));
            }
            "clip" => {
                let (lo, hi) = (Tensor::full(&[], 0.0, DType::I64)?, Tensor::full(&[], n.max(1) as f64 - 1.0, DType::I64)?);
                math::clip(&math::cast(indices, DType::I64)?, Some(lo), Some(hi))?
            }
            "wrap" => math::mod_(&math::cast(indices, DType::I64)?, &Tensor::full(&[], n.max(1) as f64, DType::I64)?)?,
            other => return Err(Error::argument("take", format!("mode={other:?} must be \"raise\", \"clip\", \"wrap\" or \"fill\""))),
        };
        let y = gather_rows(x, &view::reshape_to(&idx, &[idx.size()])?, axis)?;
        let mut shape: Shape = x.shape()[..axis].into();
        shape.extend_from_slice(indices.shape());
        shape.extend_from_slice(&x.shape()[axis + 1..]);
        view::reshape_to(&y, &shape)
    }
    samples {
        let i = || ints(&[2, 0, -1, 1, 1, 2], &[2, 3]);
        vec![
            Sample::new("rows", vec![values(&[3, 4], -1.0, 1.0, 1), i()], |x| Ok(vec![take(&x[0], &x[1], Some(0), "raise".into())?]))
                .reference(|x| { let (a, k) = (nd(&x[0]), nd(&x[1])); vec![from_index(&[2, 3, 4], |i| at(&a, &[(at(&k, &i[..2]) as i64).rem_euclid(3) as usize, i[2]]))] }),
            Sample::new("last axis", vec![values(&[2, 3], -1.0, 1.0, 1), i()], |x| Ok(vec![take(&x[0], &x[1], Some(-1), "wrap".into())?]))
                .reference(|x| { let (a, k) = (nd(&x[0]), nd(&x[1])); vec![from_index(&[2, 2, 3], |i| at(&a, &[i[0], (at(&k, &i[1..]) as i64).rem_euclid(3) as usize]))] }),
            known("clip", vec![tensor(&[5.0, 6.0], &[2]), ints(&[-4, 9], &[2])], |x| take(&x[0], &x[1], None, "clip".into()), &[2], &[5.0, 6.0]),
            known("empty", vec![tensor(&[], &[0, 2]), ints(&[], &[0])], |x| take(&x[0], &x[1], Some(0), "raise".into()), &[0, 2], &[]),
        ]
    }
}
op! {
    /// The rows of a table at `indices`: an embedding lookup, `take` along axis 0.
    fn embedding(table: &Tensor, indices: &Tensor) -> Tensor {
        take(table, indices, Some(0), "raise".to_string())
    }
    samples { vec![Sample::new("repeated", vec![values(&[5, 3], -1.0, 1.0, 1), ints(&[4, 0, 4, 4], &[4])], |x| Ok(vec![embedding(&x[0], &x[1])?]))
        .reference(|x| { let (a, k) = (nd(&x[0]), nd(&x[1])); vec![from_index(&[4, 3], |i| at(&a, &[k.1[i[0]] as usize, i[1]]))] })] }
}
op! {
    /// For each position the element along `axis` that `indices` names there; `indices` has x's rank and broadcasts
    /// against it on the other axes. `None`: both flattened.
    fn take_along_axis(x: &Tensor, indices: &Tensor, axis: Option<i64> = Some(-1)) -> Tensor {
        let Some(axis) = axis else {
            let (x, i) = (view::reshape_to(x, &[x.size()])?, view::reshape_to(indices, &[indices.size()])?);
            return take_along_axis(&x, &i, Some(0));
        };
        let axis = normalize_axis("take_along_axis", axis, x.rank())?;
        if indices.rank() != x.rank() {
            return Err(Error::shape("take_along_axis", format!("indices of shape {:?} must have the rank of x, whose shape is {:?}", indices.shape(), x.shape())));
        }
        let idx = checked_indices("take_along_axis", indices, x.shape()[axis], axis)?;
        let (mut a, mut b): (Shape, Shape) = (x.shape().into(), idx.shape().into());
        (a[axis], b[axis]) = (1, 1);
        let common = broadcast("take_along_axis", &[&a, &b])?;
        (a, b) = (common.clone(), common);
        (a[axis], b[axis]) = (x.shape()[axis], idx.shape()[axis]);
        let (x, idx) = (view::broadcast_to_shape(x, &a)?, view::broadcast_to_shape(&idx, &b)?);
        bind1(Gather(Places { axis, n: a[axis], along: true }, f64::NAN), &[&x, &idx])
    }
    samples {
        vec![
            Sample::new("rows", vec![values(&[2, 3], -1.0, 1.0, 1), ints(&[2, 0, -3, 1], &[2, 2])], |x| Ok(vec![take_along_axis(&x[0], &x[1], Some(1))?]))
                .reference(|x| { let (a, k) = (nd(&x[0]), nd(&x[1])); vec![from_index(&[2, 2], |i| at(&a, &[i[0], (at(&k, i) as i64).rem_euclid(3) as usize]))] }),
            Sample::new("broadcast", vec![values(&[3, 2, 2], -1.0, 1.0, 1), ints(&[1, 1, 0, 2], &[4, 1, 1])], |x| Ok(vec![take_along_axis(&x[0], &x[1], Some(0))?]))
                .reference(|x| { let (a, k) = (nd(&x[0]), nd(&x[1])); vec![from_index(&[4, 2, 2], |i| at(&a, &[k.1[i[0]] as usize, i[1], i[2]]))] }),
        ]
    }
}

/// One index of rank 1 for several index columns: `indices` has shape [.., k] over the first k axes of `shape`.
fn linear(op: &'static str, indices: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let k = indices.shape().last().copied().unwrap_or(0);
    if indices.rank() == 0 || k > shape.len() || k == 0 {
        return Err(Error::shape(
            op,
            format!(
                "indices of shape {:?} must have between 1 and {} columns, for a tensor of shape {shape:?}",
                indices.shape(),
                shape.len()
            ),
        ));
    }
    let last = indices.rank() - 1;
    let columns = (0..k).map(|c| view::drop_axes(&view::narrow(indices, last, c, 1)?, &[last]));
    let columns: Vec<Tensor> = columns.collect::<Result<_>>()?;
    linear_index(op, &columns, &shape[..k], 0)
}

/// The row-major index that several (broadcasting) index tensors over adjacent axes of these sizes stand for.
/// `first` is the number of the first of these axes, for messages.
pub fn linear_index(
    op: &'static str,
    columns: &[Tensor],
    sizes: &[usize],
    first: usize,
) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (c, column) in columns.iter().enumerate() {
        let idx = checked_indices(op, column, sizes[c], first + c)?;
        let stride: usize = sizes[c + 1..].iter().product();
        let (n, total) = (sizes[c] as f64, sizes.iter().product::<usize>() as f64);
        // Negative indices count from the end of their own axis; what is out of range stays so in the sum.
        let place = map::unary("index", &idx, |b, i| {
            use crate::expr::{BinOp, CmpOp};
            let ty = b.ty(i);
            let (zero, size, far) = (b.real(ty, 0.0), b.real(ty, n), b.real(ty, total * 4.0));
            let negative = b.cmp(CmpOp::Lt, i, zero);
            let turned = b.bin(BinOp::Add, i, size);
            let i = b.select(negative, turned, i);
            let (low, high) = (b.cmp(CmpOp::Ge, i, zero), b.cmp(CmpOp::Lt, i, size));
            let inside = b.bin(BinOp::And, low, high);
            let stride = b.real(ty, stride as f64);
            let scaled = b.bin(BinOp::Mul, i, stride);
            b.select(inside, scaled, far)
        })?;
        sum = Some(match sum {
            Some(s) => math::add(&s, &place)?,
            None => place,
        });
    }
    sum.ok_or_else(|| Error::argument(op, "needs at least one index"))
}

/// `x` with its first `k` axes merged.
fn merged(x: &Tensor, k: usize) -> Result<Tensor> {
    let mut shape = Shape::from_elem(x.shape()[..k].iter().product(), 1);
    shape.extend_from_slice(&x.shape()[k..]);
    view::reshape_to(x, &shape)
}

/// Updates under the shape `[number of indices, rest..]`, checked.
fn updates(op: &'static str, indices: &Tensor, u: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let k = indices.shape()[indices.rank() - 1];
    let lead = &indices.shape()[..indices.rank() - 1];
    let mut want: Shape = lead.into();
    want.extend_from_slice(&shape[k..]);
    if u.shape() != want.as_slice() {
        return Err(Error::shape(
            op,
            format!(
                "updates must have shape {want:?}, for indices of shape {:?} into {shape:?}, not {:?}",
                indices.shape(),
                u.shape()
            ),
        ));
    }
    let mut flat = Shape::from_elem(lead.iter().product(), 1);
    flat.extend_from_slice(&shape[k..]);
    view::reshape_to(u, &flat)
}

op! {
    /// Zeros of this shape to which `values` are added at `indices` (the last axis of `indices` runs over the first axes of `shape`).
    fn scatter(indices: &Tensor, values: &Tensor, shape: Ints) -> Tensor {
        let shape = create::shape_of("scatter", &shape)?;
        let idx = linear("scatter", indices, &shape)?;
        let k = indices.shape()[indices.rank() - 1];
        let u = updates("scatter", indices, values, &shape)?;
        let n = shape[..k].iter().product();
        let y = scatter_rows(&view::reshape_to(&idx, &[idx.size()])?, &u, 0, n, Combine::Add)?;
        view::reshape_to(&y, &shape)
    }
    samples {
        vec![
            known("twice in one place", vec![ints(&[0, 1, 0, 1, 1, 0], &[3, 2]), tensor(&[1.0, 2.0, 3.0], &[3])], |x| scatter(&x[0], &x[1], Ints(vec![2, 2])), &[2, 2], &[0.0, 3.0, 3.0, 0.0]),
            known("rows", vec![ints(&[1], &[1, 1]), tensor(&[1.0, 2.0], &[1, 2])], |x| scatter(&x[0], &x[1], Ints(vec![2, 2])), &[2, 2], &[0.0, 0.0, 1.0, 2.0]),
        ]
    }
}
op! {
    /// `inputs` with the elements or slices at `indices` replaced by `updates`, or (`reduction` "add", "max", "min", "mul") combined with them.
    fn scatter_update(inputs: &Tensor, indices: &Tensor, updates: &Tensor, reduction: Option<String> = None) -> Tensor {
        let shape = inputs.shape();
        let idx = linear("scatter_update", indices, shape)?;
        let k = indices.shape()[indices.rank() - 1];
        let u = math::cast(&self::updates("scatter_update", indices, updates, shape)?, inputs.dtype())?;
        let idx = view::reshape_to(&idx, &[idx.size()])?;
        let x = merged(inputs, k)?;
        let n = x.shape()[0];
        let at = |how| scatter_rows(&idx, &u, 0, n, how);
        let y = match reduction.as_deref() {
            None => set_rows(&x, &idx, &u, 0)?,
            Some("add") => math::add(&x, &at(Combine::Add)?)?,
            Some("max") => math::maximum(&x, &at(Combine::Max)?)?,
            Some("min") => math::minimum(&x, &at(Combine::Min)?)?,
            Some("mul") => math::multiply(&x, &at(Combine::Mul)?)?,
            Some(other) => return Err(Error::argument("scatter_update", format!("reduction={other:?} must be None, \"add\", \"max\", \"min\" or \"mul\""))),
        };
        view::reshape_to(&y, shape)
    }
    samples {
        let x = || tensor(&[1.0, 2.0, 3.0, 4.0], &[2, 2]);
        let i = || ints(&[0, 1, 1, 0, 0, 1], &[3, 2]);
        let u = || tensor(&[5.0, 6.0, 7.0], &[3]);
        vec![
            known("the last wins", vec![x(), i(), u()], |x| scatter_update(&x[0], &x[1], &x[2], None), &[2, 2], &[1.0, 7.0, 6.0, 4.0]),
            known("add", vec![x(), i(), u()], |x| scatter_update(&x[0], &x[1], &x[2], Some("add".into())), &[2, 2], &[1.0, 14.0, 9.0, 4.0]),
            known("max", vec![x(), i(), u()], |x| scatter_update(&x[0], &x[1], &x[2], Some("max".into())), &[2, 2], &[1.0, 7.0, 6.0, 4.0]),
            known("min", vec![x(), i(), u()], |x| scatter_update(&x[0], &x[1], &x[2], Some("min".into())), &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
            known("mul", vec![x(), i(), u()], |x| scatter_update(&x[0], &x[1], &x[2], Some("mul".into())), &[2, 2], &[1.0, 70.0, 18.0, 4.0]),
        ]
    }
}
op! {
    /// `x` with `updates` added at `indices` along axis 0: x[indices[j]] += updates[j].
    fn scatter_add(x: &Tensor, indices: &Tensor, updates: &Tensor) -> Tensor {
        if x.rank() == 0 {
            return Err(Error::shape("scatter_add", "x must have at least one axis"));
        }
        let columns = view::expand_dims(indices, Ints(vec![-1]))?;
        scatter_update(x, &columns, updates, Some("add".to_string()))
    }
    samples { vec![known("rows", vec![tensor(&[1.0, 2.0, 3.0], &[3]), ints(&[2, -1], &[2]), tensor(&[10.0, 20.0], &[2])], |x| scatter_add(&x[0], &x[1], &x[2]), &[3], &[1.0, 2.0, 33.0])] }
}

/// Rows of `data` combined by segment number; numbers out of range are dropped.
fn segment(
    op: &'static str,
    data: &Tensor,
    ids: &Tensor,
    n: Option<i64>,
    how: Combine,
) -> Result<Tensor> {
    if ids.rank() != 1 || data.rank() == 0 || ids.size() != data.shape()[0] {
        return Err(Error::shape(
            op,
            format!(
                "segment_ids of shape {:?} must have one number for each row of data of shape {:?}",
                ids.shape(),
                data.shape()
            ),
        ));
    }
    let n = match n {
        Some(n) => usize::try_from(n)
            .map_err(|_| Error::argument(op, format!("num_segments={n} must be >= 0")))?,
        None => ids
            .to_vec_i64()?
            .into_iter()
            .max()
            .map_or(0, |m| m.max(-1) + 1) as usize,
    };
    // A negative number would count from the end: it is sent out of range instead.
    let idx = math::cast(ids, DType::I64)?;
    let negative = logic::less(&idx, &Tensor::full(&[], 0.0, DType::I64)?)?;
    let idx = logic::where_(&negative, &Tensor::full(&[], n as f64, DType::I64)?, &idx)?;
    scatter_rows(&idx, data, 0, n, how)
}

op! {
    /// The sum of the rows of each segment: y[s] = sum of data[i] over segment_ids[i] = s; 0 for empty segments.
    ///
    /// `num_segments` must be given while a step is traced.
    fn segment_sum(data: &Tensor, segment_ids: &Tensor, num_segments: Option<i64> = None) -> Tensor {
        segment("segment_sum", data, segment_ids, num_segments, Combine::Add)
    }
    samples { vec![known("rows", vec![tensor(&[1.0, 2.0, 3.0, 4.0], &[4]), ints(&[0, 2, 0, -1], &[4])], |x| segment_sum(&x[0], &x[1], Some(3)), &[3], &[4.0, 0.0, 2.0])] }
}
op! {
    /// The product of the rows of each segment; 1 for empty segments.
    fn segment_prod(data: &Tensor, segment_ids: &Tensor, num_segments: Option<i64> = None) -> Tensor {
        segment("segment_prod", data, segment_ids, num_segments, Combine::Mul)
    }
    samples {
        let case = |label: &str, data: [f64; 4], want: [f64; 2]| {
            known(label, vec![tensor(&data, &[4]), ints(&[0, 1, 0, 0], &[4])], |x| segment_prod(&x[0], &x[1], Some(2)), &[2], &want)
        };
        vec![case("rows", [1.5, 2.0, 3.0, -1.0], [-4.5, 2.0]), case("a zero", [1.5, 2.0, 0.0, -1.0], [0.0, 2.0]).order(1)]
    }
}
op! {
    /// The largest of the rows of each segment; the smallest number of the dtype for empty segments.
    fn segment_max(data: &Tensor, segment_ids: &Tensor, num_segments: Option<i64> = None) -> Tensor {
        segment("segment_max", data, segment_ids, num_segments, Combine::Max)
    }
    samples { vec![known("rows", vec![tensor(&[1.0, 2.0, 3.0], &[3]), ints(&[0, 1, 0], &[3])], |x| segment_max(&x[0], &x[1], None), &[2], &[3.0, 2.0])] }
}
op! {
    /// The smallest of the rows of each segment; the largest number of the dtype for empty segments.
    fn segment_min(data: &Tensor, segment_ids: &Tensor, num_segments: Option<i64> = None) -> Tensor {
        segment("segment_min", data, segment_ids, num_segments, Combine::Min)
    }
    samples { vec![known("rows", vec![tensor(&[1.0, 2.0, 3.0], &[3]), ints(&[0, 1, 0], &[3])], |x| segment_min(&x[0], &x[1], None), &[2], &[1.0, 2.0])] }
}
