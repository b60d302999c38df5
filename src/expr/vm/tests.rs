//! The VM against the reference interpreter: every operation, dtype, layout, reduction, and random programs.

use super::*;
use crate::expr::eval::{self, Val};
use crate::expr::{
    BinOp, Builder, CmpOp, Lane, OutKind, Program, RandomKind, ReduceOp, Sym, Ty, UnOp,
};
use crate::par;
use crate::simd::{available, with_level};
use proptest::prelude::*;

/// An array in memory, with strides in elements and element 0 somewhere inside.
#[derive(Clone)]
struct Array {
    dtype: DType,
    dims: Vec<usize>,
    strides: Vec<isize>,
    offset: usize,
    words: Vec<u64>,
}

impl Array {
    /// Room for every element that `strides` reach from `dims`.
    fn new(dtype: DType, dims: &[usize], strides: &[isize]) -> Array {
        let reach = |sign: isize| -> usize {
            dims.iter()
                .zip(strides)
                .map(|(&d, &s)| {
                    if s * sign > 0 {
                        d.saturating_sub(1) * s.unsigned_abs()
                    } else {
                        0
                    }
                })
                .sum()
        };
        let elements = reach(1) + reach(-1) + 1;
        let words = vec![0; (elements * dtype.size()).div_ceil(8) + 8];
        Array {
            dtype,
            dims: dims.to_vec(),
            strides: strides.to_vec(),
            offset: reach(-1),
            words,
        }
    }

    fn contiguous(dtype: DType, dims: &[usize]) -> Array {
        Array::new(dtype, dims, &contiguous(dims))
    }

    fn operand(&self) -> Operand {
        Operand {
            dtype: self.dtype,
            strides: SmallVec::from_slice(&self.strides),
        }
    }

    fn ptr(&self) -> *mut u8 {
        // SAFETY: the offset lies inside the allocation.
        unsafe {
            self.words
                .as_ptr()
                .cast::<u8>()
                .add(self.offset * self.dtype.size())
                .cast_mut()
        }
    }

    /// The address of an element, given by its linear index.
    fn at(&self, linear: usize) -> *mut u8 {
        self.at_of(&self.dims, linear)
    }

    /// The address of an element, given by its linear index among `dims`.
    fn at_of(&self, dims: &[usize], mut linear: usize) -> *mut u8 {
        let mut offset = 0;
        for (&d, &s) in dims.iter().zip(&self.strides).rev() {
            offset += (linear % d.max(1)) as isize * s;
            linear /= d.max(1);
        }
        self.ptr()
            .wrapping_offset(offset * self.dtype.size() as isize)
    }

    fn get(&self, linear: usize) -> Val {
        self.read(self.at(linear))
    }

    fn read(&self, p: *mut u8) -> Val {
        // SAFETY: `p` points at an element of this dtype.
        unsafe {
            match self.dtype {
                DType::Bool => Val::B(*p != 0),
                DType::U8 => Val::I((*p).into()),
                DType::I8 => Val::I((*p.cast::<i8>()).into()),
                DType::U16 => Val::I((*p.cast::<u16>()).into()),
                DType::I16 => Val::I((*p.cast::<i16>()).into()),
                DType::U32 => Val::I((*p.cast::<u32>()).into()),
                DType::I32 => Val::I((*p.cast::<i32>()).into()),
                DType::U64 | DType::I64 => Val::I(*p.cast::<i64>()),
                DType::F16 => Val::F((*p.cast::<half::f16>()).to_f64()),
                DType::BF16 => Val::F((*p.cast::<half::bf16>()).to_f64()),
                DType::F32 => Val::F((*p.cast::<f32>()).into()),
                DType::F64 => Val::F(*p.cast::<f64>()),
            }
        }
    }

    fn set(&mut self, linear: usize, x: f64) {
        let p = self.at(linear);
        // SAFETY: `p` points at an element of this dtype.
        unsafe {
            match self.dtype {
                DType::Bool => *p = u8::from(x != 0.0),
                DType::U8 => *p = x as u8,
                DType::I8 => *p.cast() = x as i8,
                DType::U16 => *p.cast() = x as u16,
                DType::I16 => *p.cast() = x as i16,
                DType::U32 => *p.cast() = x as u32,
                DType::I32 => *p.cast() = x as i32,
                DType::U64 | DType::I64 => *p.cast() = x as i64,
                DType::F16 => *p.cast() = half::f16::from_f64(x),
                DType::BF16 => *p.cast() = half::bf16::from_f64(x),
                DType::F32 => *p.cast() = x as f32,
                DType::F64 => *p.cast() = x,
            }
        }
    }

    fn fill(mut self, f: impl Fn(usize) -> f64) -> Array {
        for i in 0..self.dims.iter().product() {
            self.set(i, f(i));
        }
        self
    }

    /// Values that vary without pattern in about -3..3.
    fn noise(self, seed: usize) -> Array {
        self.fill(|i| noise(i, seed))
    }
}

fn noise(i: usize, seed: usize) -> f64 {
    let h = (i as u64 + 1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add((seed as u64).wrapping_mul(0xD1B5_4A32_D192_ED03));
    let h = (h ^ (h >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (h >> 40) as f64 / (1u64 << 24) as f64 * 6.0 - 3.0
}

fn run(l: &Loop, ins: &[&Array], outs: &[&Array]) {
    let i: Vec<*const u8> = ins.iter().map(|a| a.ptr().cast_const()).collect();
    let o: Vec<*mut u8> = outs.iter().map(|a| a.ptr()).collect();
    // SAFETY: the arrays have room for every element of their layouts.
    unsafe { l.run(&i, &o) };
}

/// The dims of an output: inner or reduced dimensions have one element.
fn out_dims(dims: &[usize], kind: OutKind, col_dims: usize) -> Vec<usize> {
    let inner = dims.len() - 1;
    dims.iter()
        .enumerate()
        .map(|(i, &d)| match kind {
            OutKind::Row if i == inner => 1,
            OutKind::Col(_) if i < inner && i + col_dims >= inner => 1,
            _ => d,
        })
        .collect()
}

/// Strides of an output over the domain: 0 where it has one element.
fn out_array(dtype: DType, dims: &[usize], kind: OutKind, col_dims: usize) -> Array {
    let own = out_dims(dims, kind, col_dims);
    let mut strides = contiguous(&own);
    strides
        .iter_mut()
        .zip(own.iter().zip(dims))
        .for_each(|(s, (o, d))| *s = if o == d { *s } else { 0 });
    Array::new(dtype, dims, &strides)
}

/// What the interpreter makes of the program, output by output, in the order of the output's own elements.
fn reference(p: &Program, dims: &[usize], ins: &[&Array], col_dims: usize) -> Vec<Vec<Val>> {
    let (outer, cols) = (&dims[..dims.len() - 1], dims[dims.len() - 1]);
    let has_col = p.outs().iter().any(|o| matches!(o.kind, OutKind::Col(_)));
    let col_dims = if has_col { col_dims } else { outer.len() };
    let reduced: usize = outer[outer.len() - col_dims.min(outer.len())..]
        .iter()
        .product();
    let sums: usize = outer[..outer.len() - col_dims.min(outer.len())]
        .iter()
        .product();
    let mut all: Vec<Vec<Val>> = vec![Vec::new(); p.outs().len()];
    for s in 0..sums {
        let input = |i: usize, r: usize, c: usize| {
            let x = ins[i].get((s * reduced + r) * cols + c);
            eval::cast(p.operands()[i], x)
        };
        for (list, more) in all.iter_mut().zip(p.eval_domain(reduced, cols, input)) {
            list.extend(more);
        }
    }
    all
}

/// Compares an output with the reference: integers exactly, floats to `tolerance` (relative, and absolute below 1).
fn compare(what: &str, got: &Array, want: &[Val], own: &[usize], tolerance: f64) {
    for (i, &w) in want.iter().enumerate() {
        let (g, w) = (got.read(got.at_of(own, i)), store(got.dtype, w));
        let same = match (g, w) {
            (Val::F(g), Val::F(w)) => {
                g == w
                    || (g.is_nan() && w.is_nan())
                    || (g - w).abs() <= tolerance * w.abs().max(1.0)
            }
            _ => g == w,
        };
        assert!(
            same,
            "{what}: element {i} of {own:?} is {g:?}, should be {w:?}"
        );
    }
}

/// A reference value as the storage dtype holds it.
fn store(dtype: DType, v: Val) -> Val {
    match dtype {
        DType::F32 => Val::F((v.to_f64() as f32).into()),
        DType::F16 => Val::F(half::f16::from_f32(v.to_f64() as f32).to_f64()),
        DType::BF16 => Val::F(half::bf16::from_f32(v.to_f64() as f32).to_f64()),
        DType::F64 => v,
        DType::Bool => v,
        _ => {
            let Val::I(i) = v else {
                panic!("{v:?} is no integer")
            };
            Val::I(match dtype {
                DType::U8 => (i as u8).into(),
                DType::I8 => (i as i8).into(),
                DType::U16 => (i as u16).into(),
                DType::I16 => (i as i16).into(),
                DType::U32 => (i as u32).into(),
                _ => i,
            })
        }
    }
}

/// Runs `p` over `dims` on every level and compares with the interpreter.
fn check(what: &str, p: &Program, dims: &[usize], ins: &[&Array], col_dims: usize, tolerance: f64) {
    let want = reference(p, dims, ins, col_dims);
    let operands: Vec<Operand> = ins.iter().map(|a| a.operand()).collect();
    for level in available() {
        with_level(level, || {
            let outs: Vec<Array> = (0..p.outs().len())
                .map(|k| out_array(p.out_ty(k).dtype(), dims, p.outs()[k].kind, col_dims))
                .collect();
            let layouts: Vec<Operand> = outs.iter().map(Array::operand).collect();
            let l = Loop::new(p, dims, &operands, &layouts, col_dims);
            run(&l, ins, &outs.iter().collect::<Vec<_>>());
            for (k, out) in outs.iter().enumerate() {
                let own = out_dims(dims, p.outs()[k].kind, col_dims);
                compare(
                    &format!("{what}, {level:?}, output {k}, {dims:?}"),
                    out,
                    &want[k],
                    &own,
                    tolerance,
                );
            }
        });
    }
}

fn tolerance(ty: Ty) -> f64 {
    match ty {
        Ty::F32 => 1e-6,
        _ => 4e-15,
    }
}

/// Special and ordinary values of a type.
fn values(ty: Ty, i: usize) -> f64 {
    const FLOATS: [f64; 18] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        2.5,
        -2.5,
        3.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e-3,
        -7.25,
        0.999,
        12.0,
        -0.3,
        1.5,
    ];
    const INTS: [f64; 12] = [
        0.0,
        1.0,
        -1.0,
        2.0,
        7.0,
        -7.0,
        31.0,
        33.0,
        100.0,
        -100.0,
        2147483647.0,
        -2147483648.0,
    ];
    match ty {
        Ty::Bool => f64::from(u8::from(noise(i, 5) > 0.0)),
        Ty::I32 | Ty::I64 => INTS[(noise(i, 1).abs() * 1e6) as usize % INTS.len()],
        _ => FLOATS[(noise(i, 2).abs() * 1e6) as usize % FLOATS.len()],
    }
}

const TYPES: [Ty; 5] = [Ty::Bool, Ty::I32, Ty::I64, Ty::F32, Ty::F64];

fn lengths() -> impl Iterator<Item = usize> {
    (0..=70).chain([1023, 1024, 1025, 4097])
}

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

fn softmax(x: Sym) -> Sym {
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

#[test]
fn outputs_may_overwrite_operands() {
    // Each output reads what another overwrites.
    let p = Program::build(&[Ty::F32; 2], |x| {
        vec![
            (x[0] + x[1], OutKind::Full),
            (x[0] * x[1] - x[0], OutKind::Full),
        ]
    });
    let swap = Program::build(&[Ty::F32; 2], |x| {
        vec![(x[1], OutKind::Full), (x[0], OutKind::Full)]
    });
    for (p, dims) in [
        (&p, vec![3000]),
        (&swap, vec![3000]),
        (&p, vec![30, 7]),
        (&swap, vec![30, 7]),
    ] {
        let (x, y) = (
            Array::contiguous(DType::F32, &dims).noise(1),
            Array::contiguous(DType::F32, &dims).noise(2),
        );
        let want = reference(p, &dims, &[&x, &y], 0);
        let l = Loop::new(
            p,
            &dims,
            &[x.operand(), y.operand()],
            &[x.operand(), y.operand()],
            0,
        );
        run(&l, &[&x, &y], &[&x, &y]);
        compare("in place", &x, &want[0], &dims, 1e-6);
        compare("in place", &y, &want[1], &dims, 1e-6);
    }
    let dims = [5, 6000];
    let p = Program::from_fn1(Ty::F32, softmax);
    let x = Array::contiguous(DType::F32, &dims).noise(3);
    let want = reference(&p, &dims, &[&x], 0);
    run(
        &Loop::new(&p, &dims, &[x.operand()], &[x.operand()], 0),
        &[&x],
        &[&x],
    );
    compare("softmax in place", &x, &want[0], &dims, 1e-5);
}

#[test]
fn random_numbers_and_indices() {
    for kind in [
        RandomKind::Bits,
        RandomKind::UniformF32,
        RandomKind::UniformF64,
    ] {
        let mut b = Builder::new(&[Ty::I64, Ty::I64]);
        let (s0, s1) = (b.load(0), b.load(1));
        let (r, i) = (b.random(kind, s0, s1), b.index());
        let p = b.finish(&[(r, OutKind::Full), (i, OutKind::Full)]);
        for dims in [vec![1], vec![63], vec![2049], vec![13, 7], vec![5, 1100]] {
            let zeros = vec![0; dims.len()];
            let s0 = Array::new(DType::U32, &dims, &zeros).fill(|_| 4_000_000_000.0);
            let s1 = Array::new(DType::I64, &dims, &zeros).fill(|_| 42.0);
            check("random", &p, &dims, &[&s0, &s1], 0, 0.0);
            let each = Array::contiguous(DType::I64, &dims).fill(|i| (i / 3) as f64);
            check("random, a seed each", &p, &dims, &[&each, &s1], 0, 0.0);
        }
    }
}

#[test]
fn normal_numbers_have_the_right_moments() {
    let mut b = Builder::new(&[Ty::I64]);
    let s = b.load(0);
    let z = b.random_normal(Ty::F32, s, s);
    let p = b.finish(&[(z, OutKind::Full)]);
    let n = 200_000;
    let (seed, out) = (
        Array::new(DType::I64, &[n], &[0]).fill(|_| 7.0),
        Array::contiguous(DType::F32, &[n]),
    );
    run(
        &Loop::new(&p, &[n], &[seed.operand()], &[out.operand()], 0),
        &[&seed],
        &[&out],
    );
    let moment = |k: i32| (0..n).map(|i| out.get(i).to_f64().powi(k)).sum::<f64>() / n as f64;
    let bound = 5.0 / (n as f64).sqrt(); // five deviations of the mean
    assert!(
        moment(1).abs() < bound && (moment(2) - 1.0).abs() < bound * 1.5,
        "{} {}",
        moment(1),
        moment(2)
    );
    assert!(moment(3).abs() < bound * 4.0 && (moment(4) - 3.0).abs() < bound * 10.0);
}

#[test]
fn results_do_not_depend_on_threads() {
    let dims = [700, 300];
    let p = Program::build(&[Ty::F32], |x| {
        vec![
            (softmax(x[0]), OutKind::Full),
            (x[0].row_sum(), OutKind::Row),
            (x[0], OutKind::Col(ReduceOp::Sum)),
        ]
    });
    let long = Program::build(&[Ty::F32], |x| vec![(x[0] / x[0].row_sum(), OutKind::Full)]);
    let x = Array::contiguous(DType::F32, &dims).noise(1);
    let y = Array::contiguous(DType::F32, &[1, 400_000]).noise(2);
    let before = par::threads();
    let mut seen: Vec<Vec<u64>> = Vec::new();
    for threads in [1, 2, 4] {
        par::set_threads(threads);
        let outs = [
            Array::contiguous(DType::F32, &dims),
            Array::new(DType::F32, &dims, &[1, 0]),
            Array::new(DType::F32, &dims, &[0, 1]),
        ];
        let layouts: Vec<Operand> = outs.iter().map(Array::operand).collect();
        run(
            &Loop::new(&p, &dims, &[x.operand()], &layouts, 1),
            &[&x],
            &outs.each_ref(),
        );
        let z = Array::contiguous(DType::F32, &[1, 400_000]);
        run(
            &Loop::new(&long, &[1, 400_000], &[y.operand()], &[z.operand()], 0),
            &[&y],
            &[&z],
        );
        seen.push(
            outs.iter()
                .chain([&z])
                .flat_map(|a| a.words.clone())
                .collect(),
        );
    }
    par::set_threads(before);
    assert!(seen[0] == seen[1] && seen[0] == seen[2]);
}

#[test]
fn segments_run_as_loops_of_their_own() {
    let p = Program::build(&[Ty::F32; 3], |x| {
        vec![
            (x[0] - x[2] * x[1], OutKind::Full),
            (x[1] * 0.0, OutKind::Full),
        ]
    });
    let unit = Operand {
        dtype: DType::F32,
        strides: SmallVec::from_slice(&[1]),
    };
    let zero = Operand {
        dtype: DType::F32,
        strides: SmallVec::from_slice(&[0]),
    };
    let l = Loop::new(
        &p,
        &[1 << 20],
        &[unit.clone(), unit.clone(), zero],
        &[unit.clone(), unit],
        0,
    );
    let rate = Array::contiguous(DType::F32, &[1]).fill(|_| 0.5);
    let arrays: Vec<(Array, Array)> = [0, 1, 17, 1024, 100_000]
        .iter()
        .map(|&n| {
            (
                Array::contiguous(DType::F32, &[n]).noise(1),
                Array::contiguous(DType::F32, &[n]).noise(2),
            )
        })
        .collect();
    let want: Vec<Vec<f64>> = arrays
        .iter()
        .map(|(x, g)| {
            (0..x.dims[0])
                .map(|i| x.get(i).to_f64() - 0.5 * g.get(i).to_f64())
                .collect()
        })
        .collect();
    let pointers: Vec<[*mut u8; 5]> = arrays
        .iter()
        .map(|(x, g)| [x.ptr(), g.ptr(), rate.ptr(), x.ptr(), g.ptr()])
        .collect();
    let segments: Vec<(&[*mut u8], usize)> = pointers
        .iter()
        .zip(&arrays)
        .map(|(p, (x, _))| (p.as_slice(), x.dims[0]))
        .collect();
    // SAFETY: every buffer has as many elements as its segment.
    unsafe { l.run_segments(&segments) };
    for ((x, g), want) in arrays.iter().zip(&want) {
        for (i, w) in want.iter().enumerate() {
            assert!((x.get(i).to_f64() - w).abs() < 1e-6 && g.get(i).to_f64() == 0.0);
        }
    }
}

#[test]
fn fused_equals_unfused_bit_for_bit() {
    let (f, g) = (
        Program::from_fn1(Ty::F32, |x| x * 1.7 + 0.3),
        Program::from_fn1(Ty::F32, |x| (x * x - 0.1) / 3.0),
    );
    let mut b = Builder::new(&[Ty::F32]);
    let x = b.load(0);
    let y = b.inline(&f, &[x])[0];
    let z = b.inline(&g, &[y])[0];
    let fused = b.finish(&[(z, OutKind::Full)]);
    let n = 5000;
    let one = Operand::contiguous(DType::F32, &[n]);
    let x = Array::contiguous(DType::F32, &[n]).noise(1);
    let arrays = [
        Array::contiguous(DType::F32, &[n]),
        Array::contiguous(DType::F32, &[n]),
        Array::contiguous(DType::F32, &[n]),
    ];
    let go = |p: &Program, x: &Array, y: &Array| {
        run(
            &Loop::new(
                p,
                &[n],
                std::slice::from_ref(&one),
                std::slice::from_ref(&one),
                0,
            ),
            &[x],
            &[y],
        );
    };
    go(&f, &x, &arrays[0]);
    go(&g, &arrays[0], &arrays[1]);
    go(&fused, &x, &arrays[2]);
    assert!(arrays[1].words == arrays[2].words);
}

#[test]
fn long_programs_need_no_deep_stack() {
    let p = Program::from_fn1(Ty::F32, |x| {
        (0..20_000).fold(x, |y, i| y * 0.5 + (i % 7) as f64)
    });
    let x = Array::contiguous(DType::F32, &[100]).noise(1);
    std::thread::Builder::new()
        .stack_size(128 << 10)
        .spawn(move || {
            let out = Array::contiguous(DType::F32, &[100]);
            run(
                &Loop::new(&p, &[100], &[x.operand()], &[out.operand()], 0),
                &[&x],
                &[&out],
            );
            assert!(out.get(3).to_f64().is_finite());
        })
        .unwrap()
        .join()
        .unwrap();
}

/// One step of a random program: an opcode number and the distance back to its arguments.
type Step = (u8, usize, usize, usize);

fn random_program(steps: &[Step], ty: Ty, reduces: bool) -> Program {
    let mut b = Builder::new(&[ty, ty, ty]);
    let mut pool = vec![b.load(0), b.load(1), b.load(2)];
    let half = b.real(ty, 0.5);
    for &(op, i, j, k) in steps {
        let pick = |n: usize| pool[n % pool.len()];
        let (x, y, z) = (pick(i), pick(j), pick(k));
        let id = match op % if reduces { 14 } else { 12 } {
            0 => b.bin(BinOp::Add, x, y),
            1 => b.bin(BinOp::Sub, x, y),
            2 => b.bin(BinOp::Mul, x, half),
            3 => b.bin(BinOp::Max, x, y),
            4 => b.bin(BinOp::Min, x, y),
            5 => b.un(UnOp::Abs, x),
            6 => b.un(UnOp::Tanh, x),
            7 => b.un(UnOp::Relu, x),
            8 => b.un(UnOp::Sigmoid, x),
            9 => {
                let mask = b.cmp(CmpOp::Lt, x, y);
                b.select(mask, y, z)
            }
            10 => b.un(UnOp::Neg, x),
            11 => b.un(UnOp::Cos, x),
            12 => b.reduce(ReduceOp::Max, x),
            _ => {
                let t = b.un(UnOp::Tanh, x);
                b.reduce(ReduceOp::Sum, t)
            }
        };
        pool.push(id);
    }
    let last = *pool.last().unwrap();
    let middle = pool[pool.len() / 2];
    b.finish(&[
        (last, OutKind::Full),
        (middle, OutKind::Full),
        (last, OutKind::Col(ReduceOp::Max)),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_programs_agree(
        steps in prop::collection::vec((any::<u8>(), 0usize..40, 0usize..40, 0usize..40), 1..25),
        rows in 1usize..20,
        cols in prop_oneof![1usize..80, 1000usize..1100, 4090usize..4200],
        kinds in prop::array::uniform3(0usize..5),
        reduces in any::<bool>(),
    ) {
        let p = random_program(&steps, Ty::F64, reduces);
        let dims = [rows, cols];
        let (r, c) = (rows as isize, cols as isize);
        let layouts = [[c, 1], [1, 0], [0, 1], [0, 0], [1, r]];
        let ins: Vec<Array> = kinds
            .iter()
            .enumerate()
            .map(|(i, &k)| Array::new(DType::F64, &dims, &layouts[k]).noise(i))
            .collect();
        check("random program", &p, &dims, &ins.iter().collect::<Vec<_>>(), 1, 1e-9);
    }
}
