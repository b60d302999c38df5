//! The VM against the reference interpreter: every operation, dtype, layout, reduction, and random programs.

mod elementwise;
mod lookups;
mod rows;
mod runs;

use super::*;
use crate::expr::eval::{self, Val};
use crate::expr::{
    BinOp, Builder, CmpOp, Lane, OutKind, Program, RandomKind, ReduceOp, Sym, Ty, UnOp,
};
use crate::par;
use crate::simd::{available, with_level};

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
