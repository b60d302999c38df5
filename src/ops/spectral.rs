//! Orthogonal decompositions: QR, symmetric eigenvalues, singular values, and what follows from them.

use super::samples::{at, from_index, nd, values, whole};
use super::solve::{matrices, real, regular, symmetric, t};
use super::{concat, diagonal, linalg, logic, math, reduce, solve, statistics, view};
use crate::args::{Axes, Ints};
use crate::aval::{Aval, DType, Shape};
use crate::bind::bind;
use crate::error::{Error, Result};
use crate::kernels::decompose::{self as kernel, load, store, with_zeros};
use crate::op;
use crate::op::{Avals, Grads, Op, Run, Sample, Vjp};
use crate::tensor::Tensor;
use smallvec::smallvec;

/// `[.., a, b]` with other sizes of the last axes.
fn resized(x: &Aval, last: &[usize]) -> Aval {
    let mut shape: Shape = x.shape[..x.rank() - 2].into();
    shape.extend_from_slice(last);
    Aval {
        shape,
        dtype: x.dtype,
    }
}

/// Rows and columns of the matrices in the last two axes.
fn extent(shape: &[usize]) -> (usize, usize) {
    (shape[shape.len() - 2], shape[shape.len() - 1])
}

/// The columns of a matrix scaled: X diag(s).
fn scaled(x: &Tensor, s: &Tensor) -> Result<Tensor> {
    math::multiply(x, &view::expand_dims(s, Ints(vec![-2]))?)
}

/// 1 / (x_j - x_i) off the diagonal (0 for equal values), 0 on it.
fn gaps(x: &Tensor) -> Result<Tensor> {
    let d = math::subtract(
        &view::expand_dims(x, Ints(vec![-2]))?,
        &view::expand_dims(x, Ints(vec![-1]))?,
    )?;
    math::divide_no_nan(&Tensor::weak(1.0, x.dtype())?, &d)
}

/// A' = (Q' + Q copyltu(R R'^T - Q'^T Q)) R^-T (Walter and Lehmann 2018), with at least as many rows as columns.
fn qr_gradient(q: &Tensor, r: &Tensor, gq: &Tensor, gr: &Tensor) -> Result<Tensor> {
    let inner = math::subtract(&linalg::matmul(r, &t(gr)?)?, &linalg::matmul(&t(gq)?, q)?)?;
    let mirrored = math::add(
        &diagonal::tril(&inner, 0)?,
        &t(&diagonal::tril(&inner, -1)?)?,
    )?;
    let b = math::add(gq, &linalg::matmul(q, &mirrored)?)?;
    t(&solve::solve_triangular(r, &t(&b)?, false)?)
}

/// Q with orthonormal columns and R upper triangular: A = Q R.
#[derive(Debug)]
struct Qr {
    complete: bool,
}

impl Op for Qr {
    fn name(&self) -> &'static str {
        "qr"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let (m, n) = extent(&x[0].shape);
        let k = if self.complete { m } else { m.min(n) };
        let (q, r) = (resized(&x[0], &[m, k]), resized(&x[0], &[k, n]));
        crate::aval::checked_bytes("qr", &q.shape, q.dtype)?;
        Ok(smallvec![q, r])
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let (m, n) = extent(cx.x(0).shape());
        if self.complete && m > n {
            return Err(Error::unsupported(
                "qr",
                format!(
                    "the gradient of mode=\"complete\" for {m} rows and {n} columns: only the reduced form of matrices with more rows than columns has one"
                ),
            ));
        }
        let (q, r, gq, gr) = (cx.y(0), cx.y(1), cx.g(0)?, cx.g(1)?);
        if m >= n {
            return Ok(smallvec![Some(qr_gradient(&q, &r, &gq, &gr)?)]);
        }
        // A = (B C) with square B = Q R: the rest of the triangle is Q^T C.
        let axis = r.rank() - 1;
        let left = |x: &Tensor| view::narrow(x, axis, 0, m);
        let right = |x: &Tensor| view::narrow(x, axis, m, n - m);
        let c = right(cx.x(0))?;
        let gq = math::add(&gq, &linalg::matmul(&c, &t(&right(&gr)?)?)?)?;
        let first = qr_gradient(&q, &left(&r)?, &gq, &left(&gr)?)?;
        let rest = linalg::matmul(&q, &right(&gr)?)?;
        Ok(smallvec![Some(concat::concatenate(vec![first, rest], -1)?)])
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(
            Qr {
                complete: self.complete,
            },
            x,
            batched,
            size,
        )
    }
    fn run(&self, cx: &mut Run) {
        let (m, n) = extent(cx.ins[0].shape());
        let k = if self.complete { m } else { m.min(n) };
        let [q, r] = &mut cx.outs[..] else {
            unreachable!("two outputs")
        };
        real!(cx.ins[0].dtype(), T => {
            let (q, r) = (q.slice_mut::<T>(), r.slice_mut::<T>());
            for (i, a) in cx.ins[0].slice::<T>().chunks((m * n).max(1)).enumerate() {
                with_zeros(m * n + m * m, |s| {
                    let (f, full) = s.split_at_mut(m * n);
                    load(a, f);
                    kernel::qr(f, m, n, full);
                    for row in 0..m {
                        store(&full[row * m..row * m + k], &mut q[(i * m + row) * k..][..k]);
                    }
                    store(&f[..k * n], &mut r[i * k * n..][..k * n]);
                });
            }
        });
    }
}

op! {
    /// A = Q R with orthonormal columns in Q and R upper triangular, by Householder reflections. `mode`: "reduced"
    /// (Q has min(m, n) columns) or "complete" (Q is square).
    fn qr(x: &Tensor, mode: String = "reduced".to_string()) -> Vec<Tensor> {
        let complete = match mode.as_str() {
            "reduced" => false,
            "complete" => true,
            other => return Err(Error::argument("qr", format!("mode={other:?} is not known. Expected one of {{'reduced', 'complete'}}."))),
        };
        let (a, dtype) = matrices("qr", x, false)?;
        bind(Qr { complete }, &[&a])?.iter().map(|y| math::cast(y, dtype)).collect()
    }
    samples {
        // R^T R = A^T A and Q Q^T A = A, whatever the signs.
        let gram = |label: &str, shape: &[usize]| Sample::new(label, vec![regular(shape, 1)], |x| {
            let f = qr(&x[0], "reduced".into())?;
            Ok(vec![linalg::matmul(&t(&f[1])?, &f[1])?, linalg::matmul(&f[0], &math::square(&f[1])?)?])
        }).reference(|x| {
            let (a, n) = (nd(&x[0]), x[0].shape()[1]);
            let g = from_index(&[n, n], |i| (0..a.0[0]).map(|k| at(&a, &[k, i[0]]) * at(&a, &[k, i[1]])).sum());
            // Gram-Schmidt, with the sign of Householder's R (opposite to the leading element of what is left).
            let (m, mut q, mut r) = (a.0[0], vec![vec![0.0; a.0[0]]; n], vec![vec![0.0; n]; n]);
            for j in 0..n {
                let mut v: Vec<f64> = (0..m).map(|k| at(&a, &[k, j])).collect();
                for i in 0..j {
                    r[i][j] = (0..m).map(|k| q[i][k] * v[k]).sum();
                    (0..m).for_each(|k| v[k] -= r[i][j] * q[i][k]);
                }
                r[j][j] = v.iter().map(|x| x * x).sum::<f64>().sqrt();
                q[j] = v.iter().map(|x| x / r[j][j]).collect();
            }
            // Q |R|^2 changes sign with the columns of Q: the sign that makes R's diagonal of Householder's form.
            let signs: Vec<f64> = (0..n).map(|j| householder_sign(&a, j)).collect();
            let qr2 = from_index(&[m, n], |i| (0..=i[1]).map(|k| signs[k] * q[k][i[0]] * r[k][i[1]].powi(2)).sum());
            vec![g, qr2]
        });
        let wide = Sample::new("wide", vec![regular(&[2, 4], 1)], |x| {
            let f = qr(&x[0], "reduced".into())?;
            Ok(vec![linalg::matmul(&f[0], &math::square(&f[1])?)?])
        });
        vec![gram("square", &[3, 3]), gram("tall", &[4, 2]), wide]
    }
}

/// The sign of R's diagonal element j under Householder's reflections.
fn householder_sign(a: &super::samples::Nd, j: usize) -> f64 {
    let (m, n) = (a.0[0], a.0[1]);
    let (mut f, mut q) = (a.1.clone(), vec![0.0; m * m]);
    kernel::qr(&mut f, m, n, &mut q);
    f[j * n + j].signum()
}

/// Eigenvalues and eigenvectors of symmetric matrices.
#[derive(Debug)]
struct Eigh;

impl Op for Eigh {
    fn name(&self) -> &'static str {
        "eigh"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let (_, n) = extent(&x[0].shape);
        Ok(smallvec![resized(&x[0], &[n]), x[0].clone()])
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        // A' = V (diag(w') + F o (V^T V')) V^T with F_ij = 1 / (w_j - w_i) (Giles 2008).
        let (w, v) = (cx.y(0), cx.y(1));
        let inner = math::multiply(&gaps(&w)?, &linalg::matmul(&t(&v)?, &cx.g(1)?)?)?;
        let inner = math::add(&inner, &diagonal::diag_embed(&cx.g(0)?, 0)?)?;
        let a = linalg::matmul(&linalg::matmul(&v, &inner)?, &t(&v)?)?;
        Ok(smallvec![Some(symmetric(&a)?)])
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(Eigh, x, batched, size)
    }
    fn run(&self, cx: &mut Run) {
        let (_, n) = extent(cx.ins[0].shape());
        let [w, v] = &mut cx.outs[..] else {
            unreachable!("two outputs")
        };
        real!(cx.ins[0].dtype(), T => {
            let (w, v) = (w.slice_mut::<T>(), v.slice_mut::<T>());
            for (i, a) in cx.ins[0].slice::<T>().chunks((n * n).max(1)).enumerate() {
                with_zeros(2 * n * n + n, |s| {
                    let (f, rest) = s.split_at_mut(n * n);
                    let (vectors, numbers) = rest.split_at_mut(n * n);
                    load(a, f);
                    kernel::eigh(f, n, numbers, vectors);
                    store(numbers, &mut w[i * n..][..n]);
                    store(vectors, &mut v[i * n * n..][..n * n]);
                });
            }
        });
    }
}

op! {
    /// The eigenvalues (rising) and the eigenvectors (columns) of symmetric matrices, by Jacobi's method.
    ///
    /// The matrix is taken as symmetric: (A + A^T) / 2. The gradient is not defined where eigenvalues are equal.
    fn eigh(x: &Tensor) -> Vec<Tensor> {
        let (a, dtype) = matrices("eigh", x, true)?;
        bind(Eigh, &[&symmetric(&a)?])?.iter().map(|y| math::cast(y, dtype)).collect()
    }
    samples {
        // V diag(w^2) V^T = A^2, whatever the signs of the vectors.
        vec![Sample::new("square of the matrix", vec![values(&[3, 3], -1.0, 1.0, 2)], |x| {
            let f = eigh(&x[0])?;
            Ok(vec![linalg::matmul(&scaled(&f[1], &math::square(&f[0])?)?, &t(&f[1])?)?, reduce::sum(&f[0], Axes::all(), false)?])
        }).reference(|x| {
            let a = nd(&x[0]);
            let s = from_index(&[3, 3], |i| 0.5 * (at(&a, i) + at(&a, &[i[1], i[0]])));
            vec![from_index(&[3, 3], |i| (0..3).map(|k| at(&s, &[i[0], k]) * at(&s, &[k, i[1]])).sum()), (vec![], vec![(0..3).map(|k| at(&s, &[k, k])).sum()])]
        })]
    }
}

/// U, s, V^T of matrices with at least as many rows as columns.
#[derive(Debug)]
struct Svd {
    full: bool,
}

impl Op for Svd {
    fn name(&self) -> &'static str {
        "svd"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let (m, n) = extent(&x[0].shape);
        let u = resized(&x[0], &[m, if self.full { m } else { n }]);
        crate::aval::checked_bytes("svd", &u.shape, u.dtype)?;
        Ok(smallvec![u, resized(&x[0], &[n]), resized(&x[0], &[n, n])])
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let (m, n) = extent(cx.x(0).shape());
        if self.full && m != n && cx.g_opt(0).is_some() {
            return Err(Error::unsupported(
                "svd",
                "the gradient of U with full_matrices=True; use full_matrices=False",
            ));
        }
        // A' = U (J S + S K + diag(s')) V^T + (1 - U U^T) U' S^-1 V^T, with J = F o (U^T U' - U'^T U), K alike with V,
        // and F_ij = 1 / (s_j^2 - s_i^2) (Townsend 2016).
        let (s, vt) = (cx.y(1), cx.y(2));
        let u = view::narrow(&cx.y(0), cx.y(0).rank() - 1, 0, n)?;
        let f = gaps(&math::square(&s)?)?;
        let skew =
            |a: &Tensor| -> Result<Tensor> { math::multiply(&f, &math::subtract(a, &t(a)?)?) };
        let mut inner = diagonal::diag_embed(&cx.g(1)?, 0)?;
        let mut outside = None;
        if let Some(gu) = cx.g_opt(0) {
            inner = math::add(&inner, &scaled(&skew(&linalg::matmul(&t(&u)?, gu)?)?, &s)?)?;
            if m > n {
                let rest = math::subtract(gu, &linalg::matmul(&u, &linalg::matmul(&t(&u)?, gu)?)?)?;
                outside = Some(scaled(
                    &rest,
                    &math::divide_no_nan(&Tensor::weak(1.0, s.dtype())?, &s)?,
                )?);
            }
        }
        if let Some(gvt) = cx.g_opt(2) {
            let k = skew(&linalg::matmul(&vt, &t(gvt)?)?)?;
            inner = math::add(
                &inner,
                &math::multiply(&view::expand_dims(&s, Ints(vec![-1]))?, &k)?,
            )?;
        }
        let mut left = linalg::matmul(&u, &inner)?;
        if let Some(o) = outside {
            left = math::add(&left, &o)?;
        }
        Ok(smallvec![Some(linalg::matmul(&left, &vt)?)])
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(Svd { full: self.full }, x, batched, size)
    }
    fn run(&self, cx: &mut Run) {
        let (m, n) = extent(cx.ins[0].shape());
        let c = if self.full { m } else { n };
        let [u, s, vt] = &mut cx.outs[..] else {
            unreachable!("three outputs")
        };
        real!(cx.ins[0].dtype(), T => {
            let (u, s, vt) = (u.slice_mut::<T>(), s.slice_mut::<T>(), vt.slice_mut::<T>());
            let count = s.len().checked_div(n).unwrap_or(0);
            let a = cx.ins[0].slice::<T>();
            for i in 0..count {
                with_zeros(m * n + n + n * n + m * c, |scratch| {
                    let (f, rest) = scratch.split_at_mut(m * n);
                    let (numbers, rest) = rest.split_at_mut(n);
                    let (v, wide) = rest.split_at_mut(n * n);
                    load(&a[i * m * n..][..m * n], f);
                    kernel::svd(f, m, n, numbers, v);
                    for r in 0..m {
                        wide[r * c..r * c + n].copy_from_slice(&f[r * n..(r + 1) * n]);
                    }
                    kernel::complete(wide, m, c);
                    store(wide, &mut u[i * m * c..][..m * c]);
                    store(numbers, &mut s[i * n..][..n]);
                    for p in 0..n {
                        for q in 0..n {
                            vt[(i * n + p) * n + q] = v[q * n + p] as T;
                        }
                    }
                });
            }
        });
    }
}

op! {
    /// The singular value decomposition A = U diag(s) V^T: gives [U, s, V^T], or [s] without `compute_uv`.
    ///
    /// s falls. With `full_matrices` U and V^T are square; otherwise they have min(m, n) columns and rows. By one-sided
    /// Jacobi rotations in double precision. The gradient is not defined where singular values are equal.
    fn svd(x: &Tensor, full_matrices: bool = true, compute_uv: bool = true) -> Vec<Tensor> {
        let (a, dtype) = matrices("svd", x, false)?;
        let (m, n) = extent(a.shape());
        let wide = m < n;
        let a = if wide { t(&a)? } else { a };
        let full = full_matrices && compute_uv;
        let f = bind(Svd { full }, &[&a])?;
        let out = |y: &Tensor| math::cast(y, dtype);
        if !compute_uv {
            return Ok(vec![out(&f[1])?]);
        }
        // A^T = U s V^T gives A = V s U^T.
        if wide {
            return Ok(vec![out(&t(&f[2])?)?, out(&f[1])?, out(&t(&f[0])?)?]);
        }
        Ok(vec![out(&f[0])?, out(&f[1])?, out(&f[2])?])
    }
    samples {
        // U diag(s^3) V^T = A A^T A, whatever the signs of the vectors.
        let cube = |label: &str, shape: &[usize]| Sample::new(label, vec![regular(shape, 3)], |x| {
            let f = svd(&x[0], false, true)?;
            let cubes = math::multiply(&f[1], &math::square(&f[1])?)?;
            Ok(vec![linalg::matmul(&scaled(&f[0], &cubes)?, &f[2])?])
        }).reference(|x| {
            let a = nd(&x[0]);
            let (m, n) = (a.0[0], a.0[1]);
            let gram = from_index(&[m, m], |i| (0..n).map(|k| at(&a, &[i[0], k]) * at(&a, &[i[1], k])).sum());
            vec![from_index(&[m, n], |i| (0..m).map(|k| at(&gram, &[i[0], k]) * at(&a, &[k, i[1]])).sum())]
        });
        vec![cube("square", &[3, 3]), cube("tall", &[4, 2]), cube("wide", &[2, 3])]
    }
}

/// Singular values above this share of the largest one count as not zero.
fn significant(s: &Tensor, x: &Tensor, rcond: Option<f64>) -> Result<Tensor> {
    let (m, n) = extent(x.shape());
    let eps = if s.dtype() == DType::F64 {
        f64::EPSILON
    } else {
        f64::from(f32::EPSILON)
    };
    let share = rcond.unwrap_or(eps * m.max(n) as f64);
    let top = reduce::max(s, Axes::from(-1), true)?;
    logic::greater(s, &math::multiply(&top, &Tensor::weak(share, s.dtype())?)?)
}

op! {
    /// The pseudo-inverse of matrices (Moore and Penrose): singular values below `rcond` times the largest count as 0.
    fn pinv(x: &Tensor, rcond: Option<f64> = None) -> Tensor {
        let f = svd(x, false, true)?;
        let kept = significant(&f[1], x, rcond)?;
        let zero = Tensor::weak(0.0, f[1].dtype())?;
        let inverse = math::divide_no_nan(&Tensor::weak(1.0, f[1].dtype())?, &logic::where_(&kept, &f[1], &zero)?)?;
        linalg::matmul(&scaled(&t(&f[2])?, &inverse)?, &t(&f[0])?)
    }
    samples { vec![whole("of a row", values(&[1, 3], 0.5, 1.0, 4), |x| pinv(x, None), |x| { let n: f64 = x.1.iter().map(|v| v * v).sum(); from_index(&[3, 1], |i| x.1[i[0]] / n) })] }
}
op! {
    /// The number of singular values above `tol` (default: by the precision of the dtype), as `int32`.
    fn matrix_rank(x: &Tensor, tol: Option<f64> = None) -> Tensor {
        let s = svd(x, false, false)?.remove(0);
        let kept = match tol {
            Some(v) => logic::greater(&s, &Tensor::weak(v, s.dtype())?)?,
            None => significant(&s, x, None)?,
        };
        reduce::sum(&math::cast(&kept, DType::I32)?, Axes::from(-1), false)
    }
    samples { vec![whole("one dependent row", super::samples::tensor(&[1.0, 2.0, 2.0, 4.0, 0.0, 1.0], &[3, 2]), |x| matrix_rank(x, None), |_| (vec![], vec![2.0])).order(0)] }
}
op! {
    /// The least-squares solution of a x = b: the x of smallest norm that minimises |a x - b|.
    fn lstsq(a: &Tensor, b: &Tensor, rcond: Option<f64> = None) -> Tensor {
        let column = b.rank() + 1 == a.rank();
        let b2 = if column { view::expand_dims(b, Ints(vec![-1]))? } else { b.clone() };
        let x = linalg::matmul(&pinv(a, rcond)?, &b2)?;
        if column { view::drop_axes(&x, &[x.rank() - 1]) } else { Ok(x) }
    }
    samples {
        vec![Sample::new("mean", vec![values(&[3], -1.0, 1.0, 5)], |x| Ok(vec![lstsq(&Tensor::full(&[3, 1], 1.0, DType::F64)?, &x[0], None)?]))
            .reference(|x| vec![(vec![1], vec![nd(&x[0]).1.iter().sum::<f64>() / 3.0])])]
    }
}
op! {
    /// The norm of matrices in two axes: "fro" (Euclidean), "nuc" (sum of the singular values), "1", "-1" (columns),
    /// "inf", "-inf" (rows), "2", "-2" (largest and smallest singular value).
    fn matrix_norm(x: &Tensor, ord: String = "fro".to_string(), axis: Ints = Ints(vec![-2, -1]), keepdims: bool = false) -> Tensor {
        let axes = crate::aval::normalize_axes("norm", Some(&axis.0), x.rank())?;
        if axes.len() != 2 {
            return Err(Error::argument("norm", format!("axis={:?} must name two axes", axis.0)));
        }
        let moved = super::rearrange::moveaxis(x, axis.clone(), Ints(vec![-2, -1]))?;
        let x2 = math::cast(&moved, x.dtype().to_float())?;
        let sums = |of: i64| reduce::sum(&math::abs(&x2)?, Axes::from(of), false);
        let singular = || Ok::<_, Error>(svd(&x2, false, false)?.remove(0));
        let last = || Axes::from(-1);
        let y = match ord.as_str() {
            "fro" => statistics::vector_norm(&x2, 2.0, Axes::from([-2, -1]), false)?,
            "nuc" => reduce::sum(&singular()?, last(), false)?,
            "2" => reduce::max(&singular()?, last(), false)?,
            "-2" => reduce::min(&singular()?, last(), false)?,
            "1" => reduce::max(&sums(-2)?, last(), false)?,
            "-1" => reduce::min(&sums(-2)?, last(), false)?,
            "inf" => reduce::max(&sums(-1)?, last(), false)?,
            "-inf" => reduce::min(&sums(-1)?, last(), false)?,
            other => return Err(Error::argument("norm", format!("ord={other:?} must be fro, nuc, 1, -1, 2, -2, inf or -inf"))),
        };
        if !keepdims {
            return Ok(y);
        }
        let shape: Shape = (0..x.rank()).map(|i| if axes.contains(&i) { 1 } else { x.shape()[i] }).collect();
        view::reshape_to(&y, &shape)
    }
    samples {
        let of = |ord: &'static str, f: fn(&super::samples::Nd) -> f64| whole(ord, values(&[2, 3], -1.0, 1.0, 6), move |x| matrix_norm(x, ord.into(), Ints(vec![-2, -1]), false), move |x| (vec![], vec![f(x)]));
        vec![
            of("fro", |x| x.1.iter().map(|v| v * v).sum::<f64>().sqrt()),
            of("1", |x| (0..3).map(|j| (0..2).map(|i| at(x, &[i, j]).abs()).sum()).fold(0.0, f64::max)),
            of("inf", |x| (0..2).map(|i| (0..3).map(|j| at(x, &[i, j]).abs()).sum()).fold(0.0, f64::max)),
            // The singular values of two rows follow from the quadratic equation of the 2 x 2 Gram matrix.
            of("nuc", |x| { let (p, q) = gram_eigenvalues(x); p.sqrt() + q.sqrt() }),
            of("2", |x| gram_eigenvalues(x).0.sqrt()),
        ]
    }
}

/// The eigenvalues of A A^T for a matrix of two rows, the larger first.
fn gram_eigenvalues(x: &super::samples::Nd) -> (f64, f64) {
    let g = |i: usize, j: usize| {
        (0..x.0[1])
            .map(|k| at(x, &[i, k]) * at(x, &[j, k]))
            .sum::<f64>()
    };
    let (half, det) = (
        0.5 * (g(0, 0) + g(1, 1)),
        g(0, 0) * g(1, 1) - g(0, 1).powi(2),
    );
    let root = (half * half - det).sqrt();
    (half + root, half - root)
}
