//! Decompositions of one dense matrix, in double precision and row-major order: LU, Cholesky, QR, symmetric eigenvalues
//! and singular values (by Jacobi's rotations, which are slow for large matrices but accurate to the last digits), and
//! triangular systems.

/// The row-major element (i, j) of a matrix of `n` columns.
macro_rules! at {
    ($a:expr, $n:expr, $i:expr, $j:expr) => {
        $a[($i) * $n + ($j)]
    };
}

use crate::buffer::{Element, with_scratch};

/// Calls `f` with `len` zeros from the scratch memory of this thread.
pub fn with_zeros<R>(len: usize, f: impl FnOnce(&mut [f64]) -> R) -> R {
    with_scratch::<f64, _>(len, |s| {
        s.iter_mut().for_each(|v| {
            v.write(0.0);
        });
        // SAFETY: every element was just written.
        f(unsafe { &mut *(s as *mut [std::mem::MaybeUninit<f64>] as *mut [f64]) })
    })
}

/// Copies numbers into double precision.
pub fn load<T: Element>(from: &[T], to: &mut [f64]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t = f.to_f64());
}

/// Copies numbers out of double precision.
pub fn store<T: Element>(from: &[f64], to: &mut [T]) {
    to.iter_mut()
        .zip(from)
        .for_each(|(t, f)| *t = T::from_f64(*f));
}

/// LU of an m x n matrix with partial pivoting, in place: the unit lower factor below the diagonal, the upper one on and
/// above it. `pivots[k]` is the row exchanged with row k < min(m, n). Returns the sign of the permutation.
pub fn lu(a: &mut [f64], m: usize, n: usize, pivots: &mut [i32]) -> f64 {
    let mut sign = 1.0;
    for k in 0..m.min(n) {
        let mut p = k;
        for i in k + 1..m {
            if at!(a, n, i, k).abs() > at!(a, n, p, k).abs() {
                p = i;
            }
        }
        pivots[k] = p as i32;
        if p != k {
            sign = -sign;
            for j in 0..n {
                a.swap(k * n + j, p * n + j);
            }
        }
        let pivot = at!(a, n, k, k);
        if pivot == 0.0 {
            continue;
        }
        for i in k + 1..m {
            let f = at!(a, n, i, k) / pivot;
            at!(a, n, i, k) = f;
            for j in k + 1..n {
                let u = at!(a, n, k, j);
                at!(a, n, i, j) -= f * u;
            }
        }
    }
    sign
}

/// Solves A X = B in place of B (n x m), given [`lu`]'s factors of A. A singular A gives infinities or NaN.
pub fn lu_solve(f: &[f64], n: usize, pivots: &[i32], b: &mut [f64], m: usize) {
    for k in 0..n {
        let p = pivots[k] as usize;
        if p != k {
            for j in 0..m {
                b.swap(k * m + j, p * m + j);
            }
        }
    }
    triangular(f, n, b, m, true, true);
    triangular(f, n, b, m, false, false);
}

/// Solves T X = B in place of B (n x m) for the lower or upper triangle of T; `unit`: its diagonal is taken as ones.
pub fn triangular(t: &[f64], n: usize, b: &mut [f64], m: usize, lower: bool, unit: bool) {
    for step in 0..n {
        let i = if lower { step } else { n - 1 - step };
        for other in 0..step {
            let k = if lower { other } else { n - 1 - other };
            let f = at!(t, n, i, k);
            if f != 0.0 {
                for j in 0..m {
                    b[i * m + j] -= f * b[k * m + j];
                }
            }
        }
        if !unit {
            let d = at!(t, n, i, i);
            b[i * m..(i + 1) * m].iter_mut().for_each(|v| *v /= d);
        }
    }
}

/// The lower Cholesky factor of a symmetric matrix (its lower triangle is read), in place, zeros above the diagonal.
/// NaN where the matrix is not positive definite.
pub fn cholesky(a: &mut [f64], n: usize) {
    for j in 0..n {
        let mut d = at!(a, n, j, j);
        for k in 0..j {
            d -= at!(a, n, j, k) * at!(a, n, j, k);
        }
        let d = d.sqrt();
        at!(a, n, j, j) = if d > 0.0 { d } else { f64::NAN };
        for i in j + 1..n {
            let mut s = at!(a, n, i, j);
            for k in 0..j {
                s -= at!(a, n, i, k) * at!(a, n, j, k);
            }
            at!(a, n, i, j) = s / at!(a, n, j, j);
            at!(a, n, j, i) = 0.0;
        }
    }
}

/// Householder QR of an m x n matrix: `a` becomes R (zeros below the diagonal), and the m x m matrix `q` the product of
/// the reflections.
pub fn qr(a: &mut [f64], m: usize, n: usize, q: &mut [f64]) {
    q.fill(0.0);
    for i in 0..m {
        at!(q, m, i, i) = 1.0;
    }
    for k in 0..n.min(m.saturating_sub(1)) {
        let norm = (k..m)
            .map(|i| at!(a, n, i, k) * at!(a, n, i, k))
            .sum::<f64>()
            .sqrt();
        if norm == 0.0 {
            continue;
        }
        // v = x + sign(x_k) |x| e_k, whose first component never cancels. It is stored below the diagonal for a moment.
        let head = at!(a, n, k, k);
        let alpha = if head > 0.0 { -norm } else { norm };
        let v0 = head - alpha;
        let square = v0 * v0
            + (k + 1..m)
                .map(|i| at!(a, n, i, k) * at!(a, n, i, k))
                .sum::<f64>();
        for j in k + 1..n {
            let dot = v0 * at!(a, n, k, j)
                + (k + 1..m)
                    .map(|i| at!(a, n, i, k) * at!(a, n, i, j))
                    .sum::<f64>();
            let f = 2.0 * dot / square;
            at!(a, n, k, j) -= f * v0;
            for i in k + 1..m {
                let v = at!(a, n, i, k);
                at!(a, n, i, j) -= f * v;
            }
        }
        for r in 0..m {
            let dot = v0 * at!(q, m, r, k)
                + (k + 1..m)
                    .map(|i| at!(a, n, i, k) * at!(q, m, r, i))
                    .sum::<f64>();
            let f = 2.0 * dot / square;
            at!(q, m, r, k) -= f * v0;
            for i in k + 1..m {
                at!(q, m, r, i) -= f * at!(a, n, i, k);
            }
        }
        at!(a, n, k, k) = alpha;
        for i in k + 1..m {
            at!(a, n, i, k) = 0.0;
        }
    }
}

/// Eigenvalues (rising) and eigenvectors (the columns of `v`) of a symmetric matrix, by cyclic Jacobi rotations.
pub fn eigh(a: &mut [f64], n: usize, w: &mut [f64], v: &mut [f64]) {
    v.fill(0.0);
    for i in 0..n {
        at!(v, n, i, i) = 1.0;
    }
    let total: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..60 {
        let off: f64 = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| at!(a, n, i, j).powi(2))
            .sum();
        if !(off > 1e-32 * total) {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = at!(a, n, p, q);
                if apq == 0.0 {
                    continue;
                }
                let theta = (at!(a, n, q, q) - at!(a, n, p, p)) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (at!(a, n, k, p), at!(a, n, k, q));
                    at!(a, n, k, p) = c * x - s * y;
                    at!(a, n, k, q) = s * x + c * y;
                }
                for k in 0..n {
                    let (x, y) = (at!(a, n, p, k), at!(a, n, q, k));
                    at!(a, n, p, k) = c * x - s * y;
                    at!(a, n, q, k) = s * x + c * y;
                    let (x, y) = (at!(v, n, k, p), at!(v, n, k, q));
                    at!(v, n, k, p) = c * x - s * y;
                    at!(v, n, k, q) = s * x + c * y;
                }
            }
        }
    }
    for i in 0..n {
        w[i] = at!(a, n, i, i);
    }
    sort_columns(w, v, n, n, |x, y| x < y);
}

/// Brings `w` into order together with the columns of `v` (rows x n), by selection.
fn sort_columns(w: &mut [f64], v: &mut [f64], rows: usize, n: usize, before: fn(f64, f64) -> bool) {
    for i in 0..n {
        let mut best = i;
        for j in i + 1..n {
            if before(w[j], w[best]) {
                best = j;
            }
        }
        if best != i {
            w.swap(i, best);
            for r in 0..rows {
                v.swap(r * n + i, r * n + best);
            }
        }
    }
}

/// The thin singular value decomposition of an m x n matrix with m >= n: `a` becomes U (m x n), `s` the singular values
/// (falling), `v` V (n x n, not transposed). One-sided Jacobi (Hestenes). A zero singular value leaves a zero column in U.
pub fn svd(a: &mut [f64], m: usize, n: usize, s: &mut [f64], v: &mut [f64]) {
    v.fill(0.0);
    for i in 0..n {
        at!(v, n, i, i) = 1.0;
    }
    for _ in 0..60 {
        let mut turned = false;
        for p in 0..n {
            for q in p + 1..n {
                let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
                for k in 0..m {
                    let (b, c) = (at!(a, n, k, p), at!(a, n, k, q));
                    x += b * b;
                    y += c * c;
                    z += b * c;
                }
                if !(z.abs() > 1e-16 * (x * y).sqrt()) {
                    continue;
                }
                turned = true;
                let theta = (y - x) / (2.0 * z);
                let t = if theta >= 0.0 { 1.0 } else { -1.0 } / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let d = t * c;
                for k in 0..m {
                    let (b, e) = (at!(a, n, k, p), at!(a, n, k, q));
                    at!(a, n, k, p) = c * b - d * e;
                    at!(a, n, k, q) = d * b + c * e;
                }
                for k in 0..n {
                    let (b, e) = (at!(v, n, k, p), at!(v, n, k, q));
                    at!(v, n, k, p) = c * b - d * e;
                    at!(v, n, k, q) = d * b + c * e;
                }
            }
        }
        if !turned {
            break;
        }
    }
    for j in 0..n {
        s[j] = (0..m).map(|k| at!(a, n, k, j).powi(2)).sum::<f64>().sqrt();
    }
    for i in 0..n {
        let best = (i..n).fold(i, |b, j| if s[j] > s[b] { j } else { b });
        if best != i {
            s.swap(i, best);
            (0..m).for_each(|r| a.swap(r * n + i, r * n + best));
            (0..n).for_each(|r| v.swap(r * n + i, r * n + best));
        }
        let size = s[i];
        for k in 0..m {
            at!(a, n, k, i) = if size > 0.0 {
                at!(a, n, k, i) / size
            } else {
                0.0
            };
        }
    }
}

/// Fills the columns of an m x n matrix that are zero with unit vectors orthogonal to all others.
pub fn complete(u: &mut [f64], m: usize, n: usize) {
    for c in 0..n {
        if (0..m).any(|r| at!(u, n, r, c) != 0.0) {
            continue;
        }
        // Of the axes the one that is farthest from the span of the columns; its distance is at least 1/sqrt(m).
        let outside = |k: usize| 1.0 - (0..n).map(|j| at!(u, n, k, j).powi(2)).sum::<f64>();
        let best = (0..m).fold(0, |b, k| if outside(k) > outside(b) { k } else { b });
        at!(u, n, best, c) = 1.0;
        // Twice, since once leaves rounding errors.
        for _ in 0..2 {
            for j in (0..n).filter(|&j| j != c) {
                let dot: f64 = (0..m).map(|r| at!(u, n, r, j) * at!(u, n, r, c)).sum();
                for r in 0..m {
                    let v = at!(u, n, r, j);
                    at!(u, n, r, c) -= dot * v;
                }
            }
            let norm = (0..m).map(|r| at!(u, n, r, c).powi(2)).sum::<f64>().sqrt();
            (0..m).for_each(|r| at!(u, n, r, c) /= norm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(m: usize, n: usize) -> Vec<f64> {
        (0..m * n)
            .map(|e| ((e * e * 7 + 3 * e + 1) % 23) as f64 / 11.0 - 1.0)
            .collect()
    }

    fn product(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
        (0..m * n)
            .map(|e| (0..k).map(|p| a[e / n * k + p] * b[p * n + e % n]).sum())
            .collect()
    }

    fn transposed(a: &[f64], m: usize, n: usize) -> Vec<f64> {
        (0..m * n).map(|e| a[e % m * n + e / m]).collect()
    }

    fn close(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        assert!(
            a.iter()
                .zip(b)
                .all(|(x, y)| (x - y).abs() < 1e-12 * (1.0 + y.abs())),
            "{a:?} against {b:?}"
        );
    }

    #[test]
    fn lu_solves() {
        for n in [1, 2, 5, 9] {
            let (mut a, x) = (matrix(n, n), matrix(n, 3));
            // The pattern alone is singular for n = 5 and 9.
            (0..n).for_each(|i| a[i * n + i] += 4.0);
            let mut b = product(&a, &x, n, n, 3);
            let (mut f, mut p) = (a.clone(), vec![0; n]);
            lu(&mut f, n, n, &mut p);
            lu_solve(&f, n, &p, &mut b, 3);
            assert!(b.iter().zip(&x).all(|(u, v)| (u - v).abs() < 1e-9));
        }
    }

    #[test]
    fn factors_multiply_to_the_matrix() {
        for (m, n) in [(4, 4), (6, 3), (3, 6), (1, 1)] {
            let a = matrix(m, n);
            let (mut r, mut q) = (a.clone(), vec![0.0; m * m]);
            qr(&mut r, m, n, &mut q);
            close(&product(&q, &r, m, m, n), &a);
            let eye: Vec<f64> = (0..m * m)
                .map(|e| f64::from(u8::from(e / m == e % m)))
                .collect();
            close(&product(&q, &transposed(&q, m, m), m, m, m), &eye);
        }
        let b = matrix(5, 5);
        let a = product(&b, &transposed(&b, 5, 5), 5, 5, 5);
        let a: Vec<f64> = a
            .iter()
            .enumerate()
            .map(|(e, v)| v + f64::from(u8::from(e % 6 == 0)))
            .collect();
        let mut l = a.clone();
        cholesky(&mut l, 5);
        close(&product(&l, &transposed(&l, 5, 5), 5, 5, 5), &a);
        let (mut c, mut w, mut v) = (a.clone(), vec![0.0; 5], vec![0.0; 25]);
        eigh(&mut c, 5, &mut w, &mut v);
        assert!(w.windows(2).all(|p| p[0] <= p[1]));
        let scaled: Vec<f64> = v.iter().enumerate().map(|(e, x)| x * w[e % 5]).collect();
        close(&product(&scaled, &transposed(&v, 5, 5), 5, 5, 5), &a);
    }

    #[test]
    fn singular_values() {
        for (m, n) in [(5, 3), (4, 4), (6, 1)] {
            let a = matrix(m, n);
            let (mut u, mut s, mut v) = (a.clone(), vec![0.0; n], vec![0.0; n * n]);
            svd(&mut u, m, n, &mut s, &mut v);
            assert!(s.windows(2).all(|p| p[0] >= p[1]));
            let us: Vec<f64> = u.iter().enumerate().map(|(e, x)| x * s[e % n]).collect();
            close(&product(&us, &transposed(&v, n, n), m, n, n), &a);
            let mut full = vec![0.0; m * m];
            (0..m).for_each(|r| full[r * m..r * m + n].copy_from_slice(&u[r * n..(r + 1) * n]));
            complete(&mut full, m, m);
            let eye: Vec<f64> = (0..m * m)
                .map(|e| f64::from(u8::from(e / m == e % m)))
                .collect();
            close(&product(&transposed(&full, m, m), &full, m, m, m), &eye);
        }
    }
}
