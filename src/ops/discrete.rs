//! Integers and what is counted with them: one-hot vectors, counts, histograms, divisors, places of elements.

use super::samples::{bools, ints, known, nd, tensor, values};
use super::{create, gather, logic, map, math, reduce, sort, view};
use crate::args::{Axes, Ints};
use crate::aval::{Aval, DType, Shape, normalize_axis};
use crate::bind::bind1;
use crate::error::{Error, Result};
use crate::expr::BinOp;
use crate::op;
use crate::op::{Avals, Op, Run, Sample, one};
use crate::tensor::Tensor;
use smallvec::SmallVec;

op! {
    /// 1 at the class of each element along a new axis, 0 elsewhere; classes out of range give zeros.
    fn one_hot(x: &Tensor, num_classes: i64, axis: i64 = -1, dtype: DType = DType::F32) -> Tensor {
        let classes = create::shape_of("one_hot", &Ints(vec![num_classes]))?[0];
        if x.dtype().is_float() {
            return Err(Error::dtype("one_hot", format!("classes must be integers, not {}", x.dtype())));
        }
        let axis = normalize_axis("one_hot", axis, x.rank() + 1)?;
        let mut column: Shape = x.shape().into();
        column.insert(axis, 1);
        let mut shape = Shape::from_elem(1, x.rank() + 1);
        shape[axis] = classes;
        let numbers = view::reshape_to(&create::iota(classes, DType::I32)?, &shape)?;
        math::cast(&logic::equal(&view::reshape_to(x, &column)?, &numbers)?, dtype)
    }
    samples { vec![
        known("last axis", vec![ints(&[1, -1, 2], &[3])], |x| one_hot(&x[0], 3, -1, DType::F64), &[3, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]).order(0),
        known("first axis", vec![ints(&[1, 0], &[2])], |x| one_hot(&x[0], 2, 0, DType::F64), &[2, 2], &[0.0, 1.0, 1.0, 0.0]).order(0),
    ] }
}
op! {
    /// 1 at each class that occurs in a row of `x` ([batch, k], or one row), 0 elsewhere.
    fn multi_hot(x: &Tensor, num_classes: i64, axis: i64 = -1, dtype: DType = DType::F32) -> Tensor {
        let hot = one_hot(x, num_classes, axis, dtype)?;
        // The classes of a row stand along axis 1, or the only one; the new axis may have moved it.
        let new = normalize_axis("multi_hot", axis, x.rank() + 1)?;
        let list = usize::from(x.rank() > 1);
        let place = if new <= list { list + 1 } else { list };
        if hot.shape()[place] == 0 {
            return reduce::sum(&hot, Axes::from(place as i64), false);
        }
        reduce::max(&hot, Axes::from(place as i64), false)
    }
    samples { vec![known("rows", vec![ints(&[0, 2, 1, 1], &[2, 2])], |x| multi_hot(&x[0], 3, -1, DType::F64), &[2, 3], &[1.0, 0.0, 1.0, 0.0, 1.0, 0.0]).order(0)] }
}
op! {
    /// The places of the elements that are not 0: for each axis the indices (`int64`), in row-major order.
    ///
    /// The number of places depends on the values, so this cannot be traced.
    fn nonzero(x: &Tensor) -> Vec<Tensor> {
        let truth = super::classify::truth(&x.detach())?;
        truth.view()?;
        let truth = crate::bind::contiguous(&truth)?;
        let list = truth.view()?;
        let found: Vec<usize> = list.slice::<bool>().iter().enumerate().filter(|(_, t)| **t).map(|(i, _)| i).collect();
        let mut step = x.size();
        x.shape().iter().map(|&n| {
            step /= n.max(1);
            let column: Vec<i64> = found.iter().map(|&e| (e / step.max(1) % n) as i64).collect();
            Tensor::from_slice(&column, &[found.len()])
        }).collect()
    }
    samples { vec![Sample::new("matrix", vec![tensor(&[0.0, 2.0, 3.0, 0.0], &[2, 2])], |x| nonzero(&x[0]))
        .reference(|_| vec![(vec![2], vec![0.0, 1.0]), (vec![2], vec![1.0, 0.0])]).order(0)] }
}
op! {
    /// The multi-indices of flat indices into an array of this shape: for each axis a tensor like `indices`.
    fn unravel_index(indices: &Tensor, shape: Ints) -> Vec<Tensor> {
        let shape = create::shape_of("unravel_index", &shape)?;
        crate::aval::checked_bytes("unravel_index", &shape, DType::Bool)?;
        let total: usize = shape.iter().product();
        let flat = gather::checked_indices("unravel_index", indices, total, 0)?;
        let mut step = total as f64;
        shape.iter().map(|&n| {
            step /= n.max(1) as f64;
            let y = map::unary("unravel_index", &flat, |b, i| {
                let ty = b.ty(i);
                // A negative index counts from the end: the remainder by the whole size turns it round.
                let (total, step, n) = (b.real(ty, total.max(1) as f64), b.real(ty, step), b.real(ty, n as f64));
                let i = b.bin(BinOp::Rem, i, total);
                let i = b.bin(BinOp::FloorDiv, i, step);
                b.bin(BinOp::Rem, i, n)
            })?;
            math::cast(&y, indices.dtype())
        }).collect()
    }
    samples { vec![Sample::new("matrix", vec![ints(&[5, 0, -2], &[3])], |x| unravel_index(&x[0], Ints(vec![2, 3])))
        .reference(|_| vec![(vec![3], vec![1.0, 0.0, 1.0]), (vec![3], vec![2.0, 0.0, 1.0])]).order(0)] }
}
op! {
    /// How often each of the numbers 0, 1, .. occurs in `x` (rank 1, or the rows of rank 2), or the sum of the `weights` there.
    ///
    /// The result has max(x) + 1 entries, at least `minlength`; traced it has `minlength`, and larger numbers are left out.
    fn bincount(x: &Tensor, weights: Option<Tensor> = None, minlength: i64 = 0) -> Tensor {
        if x.rank() == 0 || x.rank() > 2 || !x.dtype().is_int() {
            return Err(Error::argument("bincount", format!("x must hold integers and have rank 1 or 2, not {:?}", x.aval())));
        }
        let least = create::shape_of("bincount", &Ints(vec![minlength]))?[0];
        let n = if x.is_traced() {
            if least == 0 {
                return Err(Error::traced("bincount", "the number of entries depends on the values of x; give minlength while a step is compiled"));
            }
            least
        } else {
            let list = x.to_vec_i64()?;
            if let Some(bad) = list.iter().find(|&&v| v < 0) {
                return Err(Error::argument("bincount", format!("x holds {bad}, but only numbers >= 0 can be counted")));
            }
            list.iter().max().map_or(0, |&m| m as usize + 1).max(least)
        };
        let w = match weights {
            Some(w) if w.shape() == x.shape() => w,
            Some(w) => return Err(Error::shape("bincount", format!("weights of shape {:?} must have the shape of x, {:?}", w.shape(), x.shape()))),
            None => Tensor::full(x.shape(), 1.0, DType::I32)?,
        };
        // Rows of rank 2 are counted side by side: row r fills r n .. (r + 1) n.
        let columns = x.shape()[x.rank() - 1];
        let rows = x.size() / columns.max(1);
        let size = rows.checked_mul(n).ok_or(Error::Memory { op: "bincount", bytes: u128::MAX })?;
        let start = create::generate("bincount", &[rows, 1], DType::I64, |r| (r * n) as f64)?;
        let flat = view::reshape_to(&math::cast(x, DType::I64)?, &[rows, columns])?;
        let inside = logic::less(&flat, &Tensor::full(&[], n as f64, DType::I64)?)?;
        let place = logic::where_(&inside, &math::add(&flat, &start)?, &Tensor::full(&[], size as f64, DType::I64)?)?;
        let (place, w) = (view::reshape_to(&place, &[x.size()])?, view::reshape_to(&w, &[x.size()])?);
        let y = gather::scatter_rows(&place, &w, 0, size, gather::Combine::Add)?;
        let mut shape: Shape = x.shape()[..x.rank() - 1].into();
        shape.push(n);
        view::reshape_to(&y, &shape)
    }
    samples { vec![
        known("counts", vec![ints(&[1, 3, 1], &[3])], |x| bincount(&x[0], None, 0), &[4], &[0.0, 2.0, 0.0, 1.0]).order(0),
        known("weights", vec![ints(&[1, 3, 1], &[3]), tensor(&[0.5, 2.0, 1.0], &[3])], |x| bincount(&x[0], Some(x[1].clone()), 5), &[5], &[0.0, 1.5, 0.0, 2.0, 0.0]),
        known("rows", vec![ints(&[1, 0, 1, 1], &[2, 2])], |x| bincount(&x[0], None, 2), &[2, 2], &[1.0, 1.0, 0.0, 2.0]).order(0),
    ] }
}
op! {
    /// How many elements fall into each of `bins` equal parts of `range` (default: from the smallest to the largest), and
    /// the edges of the parts. The last part includes its upper edge; counts are floats, as in Keras.
    fn histogram(x: &Tensor, bins: i64 = 10, range: Option<Vec<f64>> = None) -> Vec<Tensor> {
        if bins < 1 {
            return Err(Error::argument("histogram", format!("bins={bins} must be at least 1")));
        }
        let flat = math::cast(&super::rearrange::ravel(x)?, x.dtype().to_float())?;
        let edge = |v: f64| Tensor::full(&[], v, flat.dtype());
        let (low, high) = match range.as_deref() {
            Some([a, b]) if a <= b => (edge(*a)?, edge(*b)?),
            Some(other) => return Err(Error::argument("histogram", format!("range={other:?} must be two numbers in rising order"))),
            None if flat.size() == 0 => (edge(0.0)?, edge(1.0)?),
            None => (reduce::min(&flat, Axes::all(), false)?, reduce::max(&flat, Axes::all(), false)?),
        };
        // A range of length 0 is widened by half on both sides, as numpy does.
        let equal = logic::equal(&low, &high)?;
        let half = Tensor::weak(0.5, flat.dtype())?;
        let low = logic::where_(&equal, &math::subtract(&low, &half)?, &low)?;
        let high = logic::where_(&equal, &math::add(&high, &half)?, &high)?;
        let edges = create::linspace(&low, &high, bins + 1, true, Some(flat.dtype()), 0)?;
        let place = sort::searchsorted(&edges, &flat, "right".to_string())?;
        let one = Tensor::weak(1.0, DType::I32)?;
        let last = logic::equal(&flat, &high)?;
        let place = logic::where_(&last, &Tensor::full(&[], bins as f64, DType::I32)?, &place)?;
        // Elements outside the range have place 0 or bins + 1, which are cut off.
        let place = math::subtract(&place, &one)?;
        let number = math::add(&place, &one)?;
        let wide = gather::scatter_rows(&math::cast(&number, DType::I64)?, &Tensor::full(&[flat.size()], 1.0, DType::I32)?, 0, bins as usize + 2, gather::Combine::Add)?;
        let counts = math::cast(&view::narrow(&wide, 0, 1, bins as usize)?, flat.dtype())?;
        Ok(vec![counts, edges])
    }
    samples { vec![Sample::new("three bins", vec![tensor(&[0.0, 0.4, 1.0, 2.5, 3.0, 3.0], &[2, 3])], |x| histogram(&x[0], 3, None))
        .reference(|_| vec![(vec![3], vec![2.0, 1.0, 3.0]), (vec![4], vec![0.0, 1.0, 2.0, 3.0])]).order(0)] }
}

/// Greatest common divisors of pairs of integers.
#[derive(Debug)]
struct Gcd;

impl Op for Gcd {
    fn name(&self) -> &'static str {
        "gcd"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(one(x[0].shape.clone(), x[0].dtype))
    }
    fn run(&self, cx: &mut Run) {
        let (a, b) = (cx.ins[0].slice::<i64>(), cx.ins[1].slice::<i64>());
        for ((y, &a), &b) in cx.outs[0].slice_mut::<i64>().iter_mut().zip(a).zip(b) {
            let (mut p, mut q) = (a.unsigned_abs(), b.unsigned_abs());
            while q != 0 {
                (p, q) = (q, p % q);
            }
            *y = p as i64;
        }
    }
}

op! {
    /// The greatest common divisor of each pair of integers; gcd(0, 0) = 0.
    fn gcd(x1: &Tensor, x2: &Tensor) -> Tensor {
        let dtype = map::common_dtype(x1, x2);
        if !dtype.is_int() {
            return Err(Error::dtype("gcd", format!("needs integers, not {} and {}", x1.dtype(), x2.dtype())));
        }
        let shape = crate::aval::broadcast("gcd", &[x1.shape(), x2.shape()])?;
        crate::aval::checked_bytes("gcd", &shape, DType::I64)?;
        let wide = |x: &Tensor| view::broadcast_to_shape(&math::cast(x, DType::I64)?, &shape);
        math::cast(&bind1(Gcd, &[&wide(x1)?, &wide(x2)?])?, dtype)
    }
    samples { vec![known("pairs", vec![ints(&[12, -8, 0], &[3]), ints(&[18, 12, 5], &[3])], |x| gcd(&x[0], &x[1]), &[3], &[6.0, 4.0, 5.0]).order(0)] }
}
op! {
    /// The least common multiple of each pair of integers; 0 if either is 0.
    fn lcm(x1: &Tensor, x2: &Tensor) -> Tensor {
        let divisor = gcd(x1, x2)?;
        // Integers divided by 0 give 0, which is right for lcm(0, 0).
        let quotient = math::floor_divide(&math::abs(x1)?, &divisor)?;
        math::multiply(&quotient, &math::abs(x2)?)
    }
    samples { vec![known("pairs", vec![ints(&[4, -6, 0], &[3]), ints(&[6, 4, 5], &[3])], |x| lcm(&x[0], &x[1]), &[3], &[12.0, 12.0, 0.0]).order(0)] }
}

/// Refuses a block of this shape that is larger than `x`, and a start that is not one integer for each axis.
fn check_block(op: &'static str, x: &Tensor, start: &Tensor, shape: &[usize]) -> Result<()> {
    let rank = x.rank();
    if start.shape() != [rank]
        || start.dtype().is_float()
        || shape.len() != rank
        || shape.iter().zip(x.shape()).any(|(a, b)| a > b)
    {
        return Err(Error::argument(
            op,
            format!(
                "a block of shape {shape:?} at start_indices {:?} does not fit a tensor of shape {:?}",
                start.aval(),
                x.shape()
            ),
        ));
    }
    Ok(())
}

/// The flat index of each element of a block of this shape that starts at `start` (clamped so that the block fits).
fn block_index(op: &'static str, x: &Tensor, start: &Tensor, shape: &[usize]) -> Result<Tensor> {
    check_block(op, x, start, shape)?;
    let rank = x.rank();
    let start = math::cast(start, DType::I64)?;
    let mut sum = Tensor::full(&[], 0.0, DType::I64)?;
    let mut stride = x.size();
    for d in 0..rank {
        stride /= x.shape()[d].max(1);
        let first = view::drop_axes(&view::narrow(&start, 0, d, 1)?, &[0])?;
        let most = Tensor::full(&[], (x.shape()[d] - shape[d]) as f64, DType::I64)?;
        let first = math::clip(
            &first,
            Some(Tensor::full(&[], 0.0, DType::I64)?),
            Some(most),
        )?;
        let mut axis = Shape::from_elem(1, rank);
        axis[d] = shape[d];
        let steps = view::reshape_to(&create::iota(shape[d], DType::I64)?, &axis)?;
        let place = math::multiply(
            &math::add(&steps, &first)?,
            &Tensor::full(&[], stride as f64, DType::I64)?,
        )?;
        sum = math::add(&sum, &place)?;
    }
    let flat: usize = shape.iter().product();
    view::reshape_to(&view::broadcast_to_shape(&sum, shape)?, &[flat])
}

/// The only axis along which a block is smaller than `x`, if there is just one.
fn narrow_axis(x: &[usize], block: &[usize]) -> Option<usize> {
    let mut smaller = (0..x.len()).filter(|&d| x[d] != block[d]);
    smaller.next().filter(|_| smaller.next().is_none())
}

/// The positions along an axis of a block that starts at `start` (checked, clamped so that the block fits).
fn axis_index(x: &Tensor, start: &Tensor, axis: usize, count: usize) -> Result<Tensor> {
    let number = |n: usize| Tensor::full(&[], n as f64, DType::I64);
    let first = math::cast(&view::narrow(start, 0, axis, 1)?, DType::I64)?;
    let most = number(x.shape()[axis] - count)?;
    let first = math::clip(&first, Some(number(0)?), Some(most))?;
    math::add(&create::iota(count, DType::I64)?, &first)
}

/// The start of a block when it is known.
fn known_start(
    start: &Tensor,
    x: &Tensor,
    shape: &[usize],
) -> Result<Option<SmallVec<[(usize, isize, usize); 6]>>> {
    if start.is_traced()
        || start.size() != x.rank()
        || start.rank() != 1
        || shape.len() != x.rank()
        || start.dtype().is_float()
    {
        return Ok(None);
    }
    if shape.iter().zip(x.shape()).any(|(a, b)| a > b) {
        return Ok(None);
    }
    let list = start.to_vec_i64()?;
    Ok(Some(
        list.iter()
            .zip(shape)
            .zip(x.shape())
            .map(|((&s, &n), &size)| (s.clamp(0, (size - n) as i64) as usize, 1, n))
            .collect(),
    ))
}

op! {
    /// The block of this shape that starts at `start_indices` (one index an axis), moved inside if it would not fit.
    fn slice(x: &Tensor, start_indices: &Tensor, shape: Ints) -> Tensor {
        let mut sizes = shape.0.clone();
        // -1 stands for all that follows a known start.
        if sizes.len() == x.rank() && sizes.contains(&-1) {
            let start = start_indices.to_vec_i64()?;
            for (i, n) in sizes.iter_mut().enumerate().filter(|(_, n)| **n == -1) {
                *n = x.shape()[i] as i64 - start.get(i).copied().unwrap_or(0).clamp(0, x.shape()[i] as i64);
            }
        }
        let shape = create::shape_of("slice", &Ints(sizes))?;
        if let Some(axes) = known_start(start_indices, x, &shape)? {
            return view::slice_axes(x, &axes);
        }
        let index = block_index("slice", x, start_indices, &shape)?;
        let y = gather::gather_rows(&view::reshape_to(x, &[x.size()])?, &index, 0)?;
        view::reshape_to(&y, &shape)
    }
    samples {
        vec![Sample::new("inside", vec![values(&[3, 4], -1.0, 1.0, 1), ints(&[1, 2], &[2])], |x| Ok(vec![slice(&x[0], &x[1], Ints(vec![2, 2]))?]))
            .reference(|x| { let x = nd(&x[0]); vec![super::samples::from_index(&[2, 2], |i| super::samples::at(&x, &[i[0] + 1, i[1] + 2]))] })]
    }
}
op! {
    /// `x` with the block that starts at `start_indices` replaced by `updates`, moved inside if it would not fit.
    fn slice_update(x: &Tensor, start_indices: &Tensor, updates: &Tensor) -> Tensor {
        check_block("slice_update", x, start_indices, updates.shape())?;
        let u = math::cast(updates, x.dtype())?;
        if u.shape() == x.shape() {
            return Ok(u);
        }
        if let Some(axis) = narrow_axis(x.shape(), u.shape()) {
            return gather::set_rows(x, &axis_index(x, start_indices, axis, u.shape()[axis])?, &u, axis);
        }
        let index = block_index("slice_update", x, start_indices, u.shape())?;
        let y = gather::set_rows(&view::reshape_to(x, &[x.size()])?, &index, &view::reshape_to(&u, &[u.size()])?, 0)?;
        view::reshape_to(&y, x.shape())
    }
    samples {
        vec![Sample::new("inside", vec![values(&[3, 4], -1.0, 1.0, 1), ints(&[1, 2], &[2]), values(&[2, 1], -1.0, 1.0, 2)], |x| Ok(vec![slice_update(&x[0], &x[1], &x[2])?]))
            .reference(|x| {
                let (a, u) = (nd(&x[0]), nd(&x[2]));
                vec![super::samples::from_index(&[3, 4], |i| if i[0] >= 1 && i[1] == 2 { super::samples::at(&u, &[i[0] - 1, 0]) } else { super::samples::at(&a, i) })]
            }),
            // The start 9 is moved to 2, the last at which two of four rows fit.
            Sample::new("rows", vec![values(&[2, 4, 3], -1.0, 1.0, 1), ints(&[0, 9, 0], &[3]), values(&[2, 2, 3], -1.0, 1.0, 2)], |x| Ok(vec![slice_update(&x[0], &x[1], &x[2])?]))
            .reference(|x| {
                let (a, u) = (nd(&x[0]), nd(&x[2]));
                vec![super::samples::from_index(&[2, 4, 3], |i| if i[1] >= 2 { super::samples::at(&u, &[i[0], i[1] - 2, i[2]]) } else { super::samples::at(&a, i) })]
            })]
    }
}
op! {
    /// Where `condition` (bool) picks the first tensor of a list whose condition holds, else `default`.
    fn select(condlist: Vec<Tensor>, choicelist: Vec<Tensor>, default: &Tensor) -> Tensor {
        if condlist.len() != choicelist.len() {
            return Err(Error::argument("select", format!("{} conditions for {} choices", condlist.len(), choicelist.len())));
        }
        let mut y = default.clone();
        for (c, x) in condlist.iter().zip(&choicelist).rev() {
            y = logic::where_(c, x, &y)?;
        }
        Ok(y)
    }
    samples {
        vec![Sample::new("two conditions", vec![bools(&[true, false, false], &[3]), bools(&[true, true, false], &[3]), values(&[3], -1.0, 1.0, 1), values(&[3], -1.0, 1.0, 2)],
            |x| Ok(vec![select(x[..2].to_vec(), x[2..].to_vec(), &Tensor::scalar(9.0)?)?]))
            .reference(|x| vec![(vec![3], vec![nd(&x[2]).1[0], nd(&x[3]).1[1], 9.0])])]
    }
}
