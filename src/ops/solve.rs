//! Linear systems: solve, inverse, determinant, triangular systems, LU and Cholesky factors.

use super::samples::{Nd, at, from_index, nd, values, whole};
use super::{create, diagonal, linalg, logic, math, view};
use crate::args::Ints;
use crate::aval::{Aval, DType, Shape};
use crate::bind::{bind, bind1};
use crate::error::{Error, Result};
use crate::kernels::decompose::{self as kernel, load, store, with_zeros};
use crate::op;
use crate::op::{Avals, Grads, Op, Run, Sample, Vjp, one};
use crate::tensor::Tensor;
use smallvec::smallvec;

/// Runs a block once with `$T` bound to `f32` or `f64`, in which matrices are stored.
macro_rules! real {
    ($dtype:expr, $T:ident => $body:expr) => {
        if $dtype == DType::F64 {
            type $T = f64;
            $body
        } else {
            type $T = f32;
            $body
        }
    };
}
pub(super) use real;

/// Matrices in a type that the kernels take, and the type to which results go back.
pub fn matrices(op: &'static str, x: &Tensor, square: bool) -> Result<(Tensor, DType)> {
    let r = x.rank();
    if r < 2 || (square && x.shape()[r - 1] != x.shape()[r - 2]) {
        let what = if square {
            "square matrices"
        } else {
            "matrices"
        };
        return Err(Error::shape(
            op,
            format!(
                "needs {what} in the last two axes, not shape {:?}",
                x.shape()
            ),
        ));
    }
    let dtype = x.dtype().to_float();
    let wide = if dtype == DType::F64 {
        DType::F64
    } else {
        DType::F32
    };
    Ok((math::cast(x, wide)?, dtype))
}

fn without_last(shape: &[usize], n: usize) -> Shape {
    shape[..shape.len() - n].into()
}

/// The transpose of the last two axes.
pub fn t(x: &Tensor) -> Result<Tensor> {
    linalg::swap(x)
}

/// X with A X = B for square A.
#[derive(Debug)]
struct Solve;

impl Op for Solve {
    fn name(&self) -> &'static str {
        "solve"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(one(x[1].shape.clone(), x[1].dtype))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let b = bind1(Solve, &[&t(cx.x(0))?, &cx.g(0)?])?;
        let a = math::negative(&linalg::matmul(&b, &t(&cx.y(0))?)?)?;
        Ok(smallvec![Some(a), Some(b)])
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(Solve, x, batched, size)
    }
    fn run(&self, cx: &mut Run) {
        let shape = cx.ins[1].shape();
        let (n, m) = (shape[shape.len() - 2], shape[shape.len() - 1]);
        real!(cx.ins[0].dtype(), T => {
            let (a, b, y) = (cx.ins[0].slice::<T>(), cx.ins[1].slice::<T>(), cx.outs[0].slice_mut::<T>());
            let mut pivots = vec![0; n];
            for ((a, b), y) in a.chunks((n * n).max(1)).zip(b.chunks((n * m).max(1))).zip(y.chunks_mut((n * m).max(1))) {
                with_zeros(n * n + n * m, |s| {
                    let (f, r) = s.split_at_mut(n * n);
                    load(a, f);
                    load(b, r);
                    kernel::lu(f, n, n, &mut pivots);
                    kernel::lu_solve(f, n, &pivots, r, m);
                    store(r, y);
                });
            }
        });
    }
}

/// Both operands with equal batch axes.
fn batched(op: &'static str, a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let (ra, rb) = (a.rank(), b.rank());
    if rb < 2 || a.shape()[ra - 1] != b.shape()[rb - 2] {
        return Err(Error::shape(
            op,
            format!(
                "a of shape {:?} and b of shape {:?} do not fit",
                a.shape(),
                b.shape()
            ),
        ));
    }
    let lead = crate::aval::broadcast(op, &[&a.shape()[..ra - 2], &b.shape()[..rb - 2]])?;
    let full = |x: &Tensor| {
        let mut shape = lead.clone();
        shape.extend_from_slice(&x.shape()[x.rank() - 2..]);
        view::broadcast_to_shape(x, &shape)
    };
    Ok((full(a)?, full(b)?))
}

/// Runs a solver on operands of a common type; a right side with one axis less is a column.
fn solved(
    op: &'static str,
    a: &Tensor,
    b: &Tensor,
    run: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let dtype = super::map::common_dtype(a, b).to_float();
    let (a, _) = matrices(op, &math::cast(a, dtype)?, true)?;
    let b = math::cast(b, a.dtype())?;
    let column = b.rank() + 1 == a.rank();
    let b = if column {
        view::expand_dims(&b, Ints(vec![-1]))?
    } else {
        b
    };
    let (a, b) = batched(op, &a, &b)?;
    let y = run(&a, &b)?;
    let y = if column {
        view::drop_axes(&y, &[y.rank() - 1])?
    } else {
        y
    };
    math::cast(&y, dtype)
}

/// Well-conditioned matrices: irregular numbers with a strong diagonal.
pub fn regular(shape: &[usize], salt: u64) -> Tensor {
    let x = values(shape, -1.0, 1.0, salt);
    let (n, c) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let data: Vec<f64> = nd(&x)
        .1
        .into_iter()
        .enumerate()
        .map(|(e, v)| if e / c % n == e % c { v + 2.5 } else { v })
        .collect();
    super::samples::tensor(&data, shape)
}

/// The inverse of one matrix by Gauss and Jordan, for references.
fn inverse(x: &Nd) -> Nd {
    let n = x.0[0];
    let mut a: Vec<Vec<f64>> = (0..n)
        .map(|i| {
            (0..2 * n)
                .map(|j| {
                    if j < n {
                        at(x, &[i, j])
                    } else {
                        f64::from(u8::from(j - n == i))
                    }
                })
                .collect()
        })
        .collect();
    for k in 0..n {
        let p = (k..n)
            .max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs()))
            .unwrap_or(k);
        a.swap(k, p);
        let d = a[k][k];
        a[k].iter_mut().for_each(|v| *v /= d);
        for i in (0..n).filter(|&i| i != k) {
            let (f, row) = (a[i][k], a[k].clone());
            a[i].iter_mut().zip(row).for_each(|(v, r)| *v -= f * r);
        }
    }
    from_index(&[n, n], |i| a[i[0]][n + i[1]])
}

/// The determinant of one matrix by expansion, for references.
fn expansion(a: &[Vec<f64>]) -> f64 {
    if a.is_empty() {
        return 1.0;
    }
    (0..a.len())
        .map(|j| {
            let minor: Vec<Vec<f64>> = a[1..]
                .iter()
                .map(|r| {
                    r.iter()
                        .enumerate()
                        .filter(|(k, _)| *k != j)
                        .map(|(_, v)| *v)
                        .collect()
                })
                .collect();
            if j % 2 == 0 {
                a[0][j] * expansion(&minor)
            } else {
                -a[0][j] * expansion(&minor)
            }
        })
        .sum()
}

fn product(a: &Nd, b: &Nd) -> Nd {
    from_index(&[a.0[0], b.0[1]], |i| {
        (0..a.0[1])
            .map(|k| at(a, &[i[0], k]) * at(b, &[k, i[1]]))
            .sum()
    })
}

op! {
    /// X with a X = b, for square matrices `a` and columns `b` ([.., n, m], or one column [.., n]); batches broadcast.
    ///
    /// By LU with partial pivoting in double precision. A singular matrix gives infinities or NaN.
    fn solve(a: &Tensor, b: &Tensor) -> Tensor {
        solved("solve", a, b, |a, b| bind1(Solve, &[a, b]))
    }
    samples {
        vec![Sample::new("two columns", vec![regular(&[3, 3], 1), values(&[3, 2], -1.0, 1.0, 2)], |x| Ok(vec![solve(&x[0], &x[1])?]))
            .reference(|x| vec![product(&inverse(&nd(&x[0])), &nd(&x[1]))])]
    }
}
op! {
    /// The inverse of square matrices; infinities or NaN for singular ones.
    fn inv(x: &Tensor) -> Tensor {
        let (a, dtype) = matrices("inv", x, true)?;
        let n = a.shape()[a.rank() - 1];
        let eye = view::broadcast_to_shape(&create::eye(n as i64, None, 0, a.dtype())?, a.shape())?;
        math::cast(&bind1(Solve, &[&a, &eye])?, dtype)
    }
    samples { vec![whole("matrix", regular(&[3, 3], 3), inv, inverse)] }
}

/// X with T X = B for a triangle of T.
#[derive(Debug)]
struct Triangular {
    lower: bool,
}

impl Op for Triangular {
    fn name(&self) -> &'static str {
        "solve_triangular"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(one(x[1].shape.clone(), x[1].dtype))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let b = bind1(
            Triangular { lower: !self.lower },
            &[&t(cx.x(0))?, &cx.g(0)?],
        )?;
        let a = math::negative(&linalg::matmul(&b, &t(&cx.y(0))?)?)?;
        let a = if self.lower {
            diagonal::tril(&a, 0)?
        } else {
            diagonal::triu(&a, 0)?
        };
        Ok(smallvec![Some(a), Some(b)])
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(Triangular { lower: self.lower }, x, batched, size)
    }
    fn run(&self, cx: &mut Run) {
        let shape = cx.ins[1].shape();
        let (n, m) = (shape[shape.len() - 2], shape[shape.len() - 1]);
        real!(cx.ins[0].dtype(), T => {
            let (a, b, y) = (cx.ins[0].slice::<T>(), cx.ins[1].slice::<T>(), cx.outs[0].slice_mut::<T>());
            for ((a, b), y) in a.chunks((n * n).max(1)).zip(b.chunks((n * m).max(1))).zip(y.chunks_mut((n * m).max(1))) {
                with_zeros(n * n + n * m, |s| {
                    let (f, r) = s.split_at_mut(n * n);
                    load(a, f);
                    load(b, r);
                    kernel::triangular(f, n, r, m, self.lower, false);
                    store(r, y);
                });
            }
        });
    }
}

op! {
    /// X with a X = b, where only the lower (or upper) triangle of `a` counts.
    fn solve_triangular(a: &Tensor, b: &Tensor, lower: bool = false) -> Tensor {
        solved("solve_triangular", a, b, |a, b| bind1(Triangular { lower }, &[a, b]))
    }
    samples {
        let case = |label: &str, lower: bool| Sample::new(label, vec![regular(&[3, 3], 4), values(&[3, 2], -1.0, 1.0, 5)], move |x| Ok(vec![solve_triangular(&x[0], &x[1], lower)?]))
            .reference(move |x| {
                let a = nd(&x[0]);
                let tri = from_index(&[3, 3], |i| if (lower && i[1] <= i[0]) || (!lower && i[1] >= i[0]) { at(&a, i) } else { 0.0 });
                vec![product(&inverse(&tri), &nd(&x[1]))]
            });
        vec![case("lower", true), case("upper", false)]
    }
}

/// Sign and logarithm of the magnitude of determinants.
#[derive(Debug)]
struct SlogDet;

impl Op for SlogDet {
    fn name(&self) -> &'static str {
        "slogdet"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let a = Aval {
            shape: without_last(&x[0].shape, 2),
            dtype: x[0].dtype,
        };
        Ok(smallvec![a.clone(), a])
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        // d log|det A| = tr(A^-1 dA); the sign is constant.
        let a = cx.x(0);
        let g = view::expand_dims(&cx.g(1)?, Ints(vec![-1, -2]))?;
        Ok(smallvec![Some(math::multiply(&g, &t(&inv(a)?)?)?)])
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(SlogDet, x, batched, size)
    }
    fn run(&self, cx: &mut Run) {
        let shape = cx.ins[0].shape();
        let n = shape[shape.len() - 1];
        let [sign, log] = &mut cx.outs[..] else {
            unreachable!("two outputs")
        };
        real!(cx.ins[0].dtype(), T => {
            let (a, sign, log) = (cx.ins[0].slice::<T>(), sign.slice_mut::<T>(), log.slice_mut::<T>());
            let mut pivots = vec![0; n];
            for (i, (s, l)) in sign.iter_mut().zip(log).enumerate() {
                with_zeros(n * n, |f| {
                    load(&a[i * n * n..(i + 1) * n * n], f);
                    let (mut total, mut signum) = (0.0, kernel::lu(f, n, n, &mut pivots));
                    for k in 0..n {
                        let d = f[k * n + k];
                        total += d.abs().ln();
                        signum *= if d == 0.0 { 0.0 } else { d.signum() };
                    }
                    (*s, *l) = (signum as T, total as T);
                });
            }
        });
    }
}

op! {
    /// The sign and ln|det| of square matrices; (0, -inf) for singular ones.
    fn slogdet(x: &Tensor) -> Vec<Tensor> {
        let (a, dtype) = matrices("slogdet", x, true)?;
        bind(SlogDet, &[&a])?.iter().map(|y| math::cast(y, dtype)).collect()
    }
    samples {
        vec![Sample::new("matrix", vec![regular(&[3, 3], 6)], |x| slogdet(&x[0]))
            .reference(|x| { let d = determinant(&nd(&x[0])); vec![(vec![], vec![d.signum()]), (vec![], vec![d.abs().ln()])] })]
    }
}

fn determinant(x: &Nd) -> f64 {
    let n = x.0[0];
    expansion(
        &(0..n)
            .map(|i| (0..n).map(|j| at(x, &[i, j])).collect())
            .collect::<Vec<_>>(),
    )
}

op! {
    /// ln det of square matrices with a positive determinant; NaN for others.
    fn logdet(x: &Tensor) -> Tensor {
        let parts = slogdet(x)?;
        let positive = logic::greater(&parts[0], &Tensor::weak(0.0, parts[0].dtype())?)?;
        logic::where_(&positive, &parts[1], &Tensor::weak(f64::NAN, parts[1].dtype())?)
    }
    samples {
        vec![Sample::new("definite", vec![regular(&[3, 3], 7)], |x| { let a = linalg::matmul(&t(&x[0])?, &x[0])?; Ok(vec![logdet(&a)?]) })
            .reference(|x| vec![(vec![], vec![determinant(&nd(&x[0])).powi(2).ln()])])]
    }
}
op! {
    /// The determinant of square matrices. Its gradient det(A) A^-T is not defined at singular matrices.
    fn det(x: &Tensor) -> Tensor {
        let parts = slogdet(x)?;
        math::multiply(&parts[0], &parts[1].exp()?)
    }
    samples {
        vec![
            whole("matrix", regular(&[4, 4], 8), det, |x| (vec![], vec![determinant(x)])),
            whole("singular", super::samples::tensor(&[1.0, 2.0, 2.0, 4.0], &[2, 2]), det, |_| (vec![], vec![0.0])).order(0),
        ]
    }
}

/// The LU factors in one matrix, and the row exchanges.
#[derive(Debug)]
struct Lu;

impl Op for Lu {
    fn name(&self) -> &'static str {
        "lu_factor"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let r = x[0].shape.len();
        let mut shape = without_last(&x[0].shape, 1);
        shape[r - 2] = x[0].shape[r - 1].min(x[0].shape[r - 2]);
        let pivots = Aval {
            shape,
            dtype: DType::I32,
        };
        Ok(smallvec![x[0].clone(), pivots])
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(Lu, x, batched, size)
    }
    fn run(&self, cx: &mut Run) {
        let shape = cx.ins[0].shape();
        let (m, n) = (shape[shape.len() - 2], shape[shape.len() - 1]);
        let [lu, pivots] = &mut cx.outs[..] else {
            unreachable!("two outputs")
        };
        real!(cx.ins[0].dtype(), T => {
            let a = cx.ins[0].slice::<T>();
            let (y, p) = (lu.slice_mut::<T>(), pivots.slice_mut::<i32>());
            let (size, steps) = ((m * n).max(1), m.min(n).max(1));
            for ((a, y), p) in a.chunks(size).zip(y.chunks_mut(size)).zip(p.chunks_mut(steps)) {
                with_zeros(m * n, |f| {
                    load(a, f);
                    kernel::lu(f, m, n, p);
                    store(f, y);
                });
            }
        });
    }
}

op! {
    /// The LU decomposition of matrices with partial pivoting: both factors in one matrix (the unit diagonal of the lower
    /// one left out), and for each row k < min(rows, columns) the row with which it was exchanged (`int32`). Without
    /// gradient.
    fn lu_factor(x: &Tensor) -> Vec<Tensor> {
        let (a, dtype) = matrices("lu_factor", x, false)?;
        let y = bind(Lu, &[&a])?;
        Ok(vec![math::cast(&y[0], dtype)?, y[1].clone()])
    }
    samples {
        vec![Sample::new("pivots", vec![super::samples::tensor(&[1.0, 2.0, 4.0, 2.0], &[2, 2])], |x| lu_factor(&x[0]))
            .reference(|_| vec![(vec![2, 2], vec![4.0, 2.0, 0.25, 1.5]), (vec![2], vec![1.0, 1.0])]).order(0),
        Sample::new("tall", vec![super::samples::tensor(&[1.0, 2.0, 4.0, 2.0, 2.0, 4.0], &[3, 2])], |x| lu_factor(&x[0]))
            .reference(|_| vec![(vec![3, 2], vec![4.0, 2.0, 0.5, 3.0, 0.25, 0.5]), (vec![2], vec![1.0, 2.0])]).order(0)]
    }
}

/// The lower Cholesky factor.
#[derive(Debug)]
struct Cholesky;

impl Op for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(one(x[0].shape.clone(), x[0].dtype))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        // P = phi(L^T G), the lower triangle with half of the diagonal; A' = sym(L^-T P L^-1) (Murray 2016).
        let (l, g) = (cx.y(0), cx.g(0)?);
        let p = linalg::matmul(&t(&l)?, &g)?;
        let p = math::multiply(
            &math::add(&diagonal::tril(&p, 0)?, &diagonal::tril(&p, -1)?)?,
            &Tensor::weak(0.5, p.dtype())?,
        )?;
        let up = t(&l)?;
        let left = bind1(Triangular { lower: false }, &[&up, &p])?;
        let s = t(&bind1(Triangular { lower: false }, &[&up, &t(&left)?])?)?;
        let sym = math::multiply(&math::add(&s, &t(&s)?)?, &Tensor::weak(0.5, s.dtype())?)?;
        Ok(smallvec![Some(sym)])
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(Cholesky, x, batched, size)
    }
    fn run(&self, cx: &mut Run) {
        let shape = cx.ins[0].shape();
        let n = shape[shape.len() - 1];
        real!(cx.ins[0].dtype(), T => {
            for (a, y) in cx.ins[0].slice::<T>().chunks((n * n).max(1)).zip(cx.outs[0].slice_mut::<T>().chunks_mut((n * n).max(1))) {
                with_zeros(n * n, |f| {
                    load(a, f);
                    kernel::cholesky(f, n);
                    store(f, y);
                });
            }
        });
    }
}

/// (A + A^T) / 2, so that a symmetric matrix stays one when its elements are moved one by one.
pub fn symmetric(a: &Tensor) -> Result<Tensor> {
    math::multiply(&math::add(a, &t(a)?)?, &Tensor::weak(0.5, a.dtype())?)
}

op! {
    /// The Cholesky factor of symmetric positive definite matrices: A = L L^T with L lower (`upper`: A = U^T U).
    ///
    /// The matrix is taken as symmetric: (A + A^T) / 2. NaN where it is not positive definite.
    fn cholesky(x: &Tensor, upper: bool = false) -> Tensor {
        let (a, dtype) = matrices("cholesky", x, true)?;
        let l = math::cast(&bind1(Cholesky, &[&symmetric(&a)?])?, dtype)?;
        if upper { t(&l) } else { Ok(l) }
    }
    samples {
        // A = B B^T for a lower triangular B with a positive diagonal has B as its factor.
        vec![Sample::new("matrix", vec![regular(&[3, 3], 9)], |x| { let b = diagonal::tril(&x[0], 0)?; Ok(vec![cholesky(&linalg::matmul(&b, &t(&b)?)?, false)?]) })
            .reference(|x| { let b = nd(&x[0]); vec![from_index(&[3, 3], |i| if i[1] <= i[0] { at(&b, i) } else { 0.0 })] })]
    }
}
op! {
    /// The inverse of A given its Cholesky factor (lower, or `upper`).
    fn cholesky_inverse(x: &Tensor, upper: bool = false) -> Tensor {
        let (l, dtype) = matrices("cholesky_inverse", x, true)?;
        let n = l.shape()[l.rank() - 1];
        let eye = view::broadcast_to_shape(&create::eye(n as i64, None, 0, l.dtype())?, l.shape())?;
        let m = bind1(Triangular { lower: !upper }, &[&l, &eye])?;
        let y = if upper { linalg::matmul(&m, &t(&m)?)? } else { linalg::matmul(&t(&m)?, &m)? };
        math::cast(&y, dtype)
    }
    samples {
        vec![whole("matrix", regular(&[3, 3], 10), |x| cholesky_inverse(&diagonal::tril(x, 0)?, false), |x| {
            let l = from_index(&[3, 3], |i| if i[1] <= i[0] { at(x, i) } else { 0.0 });
            let lt = from_index(&[3, 3], |i| at(&l, &[i[1], i[0]]));
            inverse(&product(&l, &lt))
        })]
    }
}
