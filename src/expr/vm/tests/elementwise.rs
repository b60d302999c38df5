//! Every operation, dtype and layout of elementwise programs.

use super::*;

#[test]
fn unary_operations() {
    for &op in UnOp::ALL {
        for ty in TYPES.into_iter().filter(|&ty| op.accepts(ty)) {
            let mut b = Builder::new(&[ty]);
            let x = b.load(0);
            let y = b.un(op, x);
            let p = b.finish(&[(y, OutKind::Full)]);
            for n in [1, 5, 16, 33, 300] {
                let x = Array::contiguous(ty.dtype(), &[n]).fill(|i| values(ty, i));
                check(&format!("{op:?} {ty:?}"), &p, &[n], &[&x], 0, tolerance(ty));
            }
        }
    }
}

#[test]
fn binary_operations() {
    for &op in BinOp::ALL {
        for ty in TYPES.into_iter().filter(|&ty| op.accepts(ty)) {
            let mut b = Builder::new(&[ty, ty]);
            let (x, y) = (b.load(0), b.load(1));
            let z = b.bin(op, x, y);
            let p = b.finish(&[(z, OutKind::Full)]);
            let n = 400;
            let (x, y) = (
                Array::contiguous(ty.dtype(), &[n]).fill(|i| values(ty, i)),
                Array::contiguous(ty.dtype(), &[n]).fill(|i| values(ty, i + n)),
            );
            let one = Array::new(ty.dtype(), &[n], &[0]).fill(|_| 3.0);
            let name = format!("{op:?} {ty:?}");
            check(&name, &p, &[n], &[&x, &y], 0, tolerance(ty));
            check(&name, &p, &[n], &[&x, &one], 0, tolerance(ty));
            check(&name, &p, &[n], &[&one, &y], 0, tolerance(ty));
            check(&name, &p, &[n], &[&one, &one], 0, tolerance(ty));
        }
    }
}

#[test]
fn comparisons_selections_and_casts() {
    for ty in TYPES {
        for op in [
            CmpOp::Lt,
            CmpOp::Le,
            CmpOp::Gt,
            CmpOp::Ge,
            CmpOp::Eq,
            CmpOp::Ne,
        ] {
            let mut b = Builder::new(&[ty, ty]);
            let (x, y) = (b.load(0), b.load(1));
            let mask = b.cmp(op, x, y);
            let (z, w) = (b.select(mask, x, y), b.select(mask, y, x));
            let p = b.finish(&[
                (mask, OutKind::Full),
                (z, OutKind::Full),
                (w, OutKind::Full),
            ]);
            let n = 400;
            let x = Array::contiguous(ty.dtype(), &[n]).fill(|i| values(ty, i));
            let y = Array::contiguous(ty.dtype(), &[n]).fill(|i| values(ty, i + n));
            let one = Array::new(ty.dtype(), &[n], &[0]).fill(|_| 1.0);
            check(&format!("{op:?} {ty:?}"), &p, &[n], &[&x, &y], 0, 0.0);
            check(&format!("{op:?} {ty:?}"), &p, &[n], &[&x, &one], 0, 0.0);
            check(&format!("{op:?} {ty:?}"), &p, &[n], &[&one, &x], 0, 0.0);
        }
        for to in TYPES {
            let mut b = Builder::new(&[ty]);
            let x = b.load(0);
            let y = b.cast(x, to);
            let p = b.finish(&[(y, OutKind::Full)]);
            let x = Array::contiguous(ty.dtype(), &[400]).fill(|i| values(ty, i));
            check(&format!("{ty:?} as {to:?}"), &p, &[400], &[&x], 0, 0.0);
        }
    }
}

#[test]
fn all_lengths() {
    let p = Program::from_fn2(Ty::F32, |x, y| (x * y + 1.0).max(x) - y);
    for n in lengths() {
        let (x, y) = (
            Array::contiguous(DType::F32, &[n]).noise(1),
            Array::contiguous(DType::F32, &[n]).noise(2),
        );
        check("lengths", &p, &[n], &[&x, &y], 0, 1e-6);
    }
}

#[test]
fn storage_dtypes_load_and_store() {
    for dtype in DType::ALL {
        let ty = Ty::of(dtype);
        let mut b = Builder::new(&[ty]);
        let x = b.load(0);
        let y = if ty == Ty::Bool {
            b.un(UnOp::Not, x)
        } else {
            b.bin(BinOp::Add, x, x)
        };
        let p = b.finish(&[(y, OutKind::Full)]);
        for (dims, strides) in [
            (vec![100], vec![1]),
            (vec![20, 5], vec![7, 1]),
            (vec![20, 5], vec![1, 20]),
        ] {
            let x = Array::new(dtype, &dims, &strides)
                .fill(|i| if dtype.is_unsigned() { 100.0 } else { 0.0 } + noise(i, 3) * 40.0);
            let want = reference(&p, &dims, &[&x], 0);
            for level in available() {
                with_level(level, || {
                    let y = Array::new(dtype, &dims, &strides);
                    let l = Loop::new(&p, &dims, &[x.operand()], &[y.operand()], 0);
                    run(&l, &[&x], &[&y]);
                    compare(&format!("{dtype:?} {level:?}"), &y, &want[0], &dims, 0.0);
                });
            }
        }
    }
}

#[test]
fn layouts_and_broadcasts() {
    let p = Program::build(&[Ty::F32; 3], |x| {
        vec![
            (x[0] * x[1] - x[2], OutKind::Full),
            (x[1] + x[2], OutKind::Full),
        ]
    });
    let cases: [(&[usize], [&[isize]; 3]); 9] = [
        (&[6, 50], [&[50, 1], &[0, 1], &[1, 0]]),
        (&[50, 3], [&[3, 1], &[0, 1], &[1, 0]]),
        (&[7, 1500], [&[1500, 1], &[0, 1], &[1, 0]]),
        (&[7, 300], [&[300, 1], &[1, 7], &[0, 0]]),
        (&[5, 40], [&[-40, -1], &[80, 2], &[0, -3]]),
        (&[3, 4, 5], [&[20, 5, 1], &[0, 5, 1], &[5, 0, 1]]),
        (&[3, 4, 5], [&[1, 3, 12], &[0, 1, 0], &[4, 1, 0]]),
        (
            &[2, 3, 4, 5],
            [&[60, 20, 5, 1], &[0, 4, 1, 0], &[5, 0, 0, 1]],
        ),
        (&[1, 1, 1], [&[9, 9, 9], &[0, 0, 0], &[1, 1, 1]]),
    ];
    for (dims, strides) in cases {
        let ins: Vec<Array> = strides
            .iter()
            .enumerate()
            .map(|(i, s)| Array::new(DType::F32, dims, s).noise(i))
            .collect();
        check(
            "layouts",
            &p,
            dims,
            &ins.iter().collect::<Vec<_>>(),
            0,
            1e-6,
        );
    }
}

#[test]
fn expressions_of_rows_and_columns_alone() {
    let p = Program::build(&[Ty::F64; 4], |x| {
        let (row, col, one) = (x[1] * x[1] + 1.0, x[2] - 2.0 * 0.5, x[3].abs());
        vec![
            (x[0] * row + col / one, OutKind::Full),
            (row, OutKind::Full),
            (col, OutKind::Full),
            (one, OutKind::Full),
        ]
    });
    for dims in [[40, 6], [5, 700], [3, 2000]] {
        let ins = [
            Array::contiguous(DType::F64, &dims).noise(1),
            Array::new(DType::F64, &dims, &[1, 0]).noise(2),
            Array::new(DType::F64, &dims, &[0, 1]).noise(3),
            Array::new(DType::F64, &dims, &[0, 0]).fill(|_| 1.7),
        ];
        check("classes", &p, &dims, &ins.each_ref(), 0, 1e-14);
    }
}
