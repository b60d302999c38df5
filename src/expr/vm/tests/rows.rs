//! Reductions of rows and columns, and programs built on them.

use super::*;

pub(super) fn softmax(x: Sym) -> Sym {
    let e = (x - x.row_max()).exp();
    e / e.row_sum()
}

/// A standardised row, its mean and its reciprocal deviation.
fn layer_norm(x: &[Sym], cols: usize) -> Vec<(Sym, OutKind)> {
    let n = 1.0 / cols as f64;
    let mean = x[0].row_sum() * n;
    let centred = x[0] - mean;
    let rstd = ((centred * centred).row_sum() * n + 1e-5).rsqrt();
    vec![
        (centred * rstd * x[1] + x[2], OutKind::Full),
        (mean, OutKind::Row),
        (rstd, OutKind::Row),
    ]
}

#[test]
fn row_programs() {
    for dims in [
        vec![1, 1],
        vec![200, 10],
        vec![5, 64],
        vec![3, 300],
        vec![2, 3, 1000],
        vec![3, 5000],
        vec![2, 140_000],
    ] {
        let cols = dims[dims.len() - 1];
        for (ty, tol) in [(Ty::F32, 3e-5), (Ty::F64, 1e-12)] {
            let x = Array::contiguous(ty.dtype(), &dims).noise(4);
            check(
                "softmax",
                &Program::from_fn1(ty, softmax),
                &dims,
                &[&x],
                0,
                tol,
            );
            let log_softmax = Program::from_fn1(ty, |x| {
                let shifted = x - x.row_max();
                shifted - shifted.exp().row_sum().log()
            });
            check("log softmax", &log_softmax, &dims, &[&x], 0, tol);
            let mut strides = vec![0; dims.len()];
            strides[dims.len() - 1] = 1;
            let gamma = Array::new(ty.dtype(), &dims, &strides).noise(5);
            let beta = Array::new(ty.dtype(), &dims, &strides).noise(6);
            let norm = Program::build(&[ty; 3], |x| layer_norm(x, cols));
            check(
                "layer norm",
                &norm,
                &dims,
                &[&x, &gamma, &beta],
                0,
                tol * 10.0,
            );
        }
    }
}

#[test]
fn reductions_of_every_type() {
    for ty in TYPES {
        for op in [ReduceOp::Sum, ReduceOp::Prod, ReduceOp::Max, ReduceOp::Min] {
            let mut b = Builder::new(&[ty]);
            let x = b.load(0);
            let row = b.reduce(op, x);
            let (row_program, col_program) = (
                b.finish(&[(row, OutKind::Row)]),
                b.finish(&[(x, OutKind::Col(op)), (x, OutKind::Full)]),
            );
            for dims in [
                [7, 0],
                [0, 7],
                [5, 1],
                [30, 9],
                [3, 64],
                [140, 65],
                [2, 1030],
                [300, 40],
                [2, 9000],
            ] {
                // Near 1, so that products neither vanish nor overflow.
                let x = Array::contiguous(ty.dtype(), &dims).fill(|i| match ty {
                    Ty::F32 | Ty::F64 => 1.0 + noise(i, 7) * 0.01,
                    _ => values(ty, i),
                });
                let name = format!("{op:?} {ty:?}");
                let tol = if ty == Ty::F32 { 2e-5 } else { 1e-12 };
                check(&name, &row_program, &dims, &[&x], 0, tol);
                check(&name, &col_program, &dims, &[&x], 1, tol);
            }
        }
    }
}

#[test]
fn column_sums_of_many_shapes() {
    let p = Program::build(&[Ty::F32; 2], |x| {
        let y = x[0] * x[1];
        vec![
            (y, OutKind::Col(ReduceOp::Sum)),
            (y, OutKind::Full),
            (y, OutKind::Col(ReduceOp::Max)),
        ]
    });
    for (dims, col_dims) in [
        (vec![1000, 37], 1),
        (vec![3, 50, 20], 1),
        (vec![3, 50, 20], 2),
        (vec![10, 4000], 1),
        (vec![2, 3, 4, 5, 6], 3),
        (vec![9], 0),
        (vec![4000, 3], 1),
    ] {
        let x = Array::contiguous(DType::F32, &dims).noise(1);
        let mut strides = contiguous(&dims);
        strides[0] += 3; // not mergeable
        let y = Array::new(DType::F32, &dims, &strides).noise(2);
        check("column sums", &p, &dims, &[&x, &y], col_dims, 1e-4);
    }
}

#[test]
fn sums_are_accurate() {
    // 2^22 values of 0.1: naive f32 summation errs by 1e-2, pairwise by 1e-6.
    let n = 1 << 22;
    let x = Array::contiguous(DType::F32, &[1, n]).fill(|_| 0.1);
    let p = Program::build(&[Ty::F32], |x| vec![(x[0].row_sum(), OutKind::Row)]);
    let out = Array::new(DType::F32, &[1, n], &[0, 0]);
    run(
        &Loop::new(&p, &[1, n], &[x.operand()], &[out.operand()], 0),
        &[&x],
        &[&out],
    );
    let want = f64::from(0.1f32) * n as f64;
    assert!(
        (out.get(0).to_f64() - want).abs() < 1e-6 * want,
        "{:?}",
        out.get(0)
    );
}
