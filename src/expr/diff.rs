//! Derivatives of elementwise programs: [`Program::vjp`] (reverse mode) and [`Program::jvp`] (forward mode).
//!
//! Both give programs again, made of the same operations, so derivatives of any order exist. At kinks the habits of JAX
//! and Keras hold: `relu'(0) = 0`, `|x|'(0) = 0`, equal arguments of `max` and `min` share the gradient. A branch that
//! `select` did not take contributes exactly zero: where a local derivative can be infinite or NaN (`sqrt` at 0, `log`
//! of a negative number), a zero cotangent stays zero instead of becoming `0 * inf`.

use super::builder::Builder;
use super::ir::{BinOp, CmpOp, Id, Node, OutKind, Program, Ty, UnOp};
use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10};

impl Program {
    /// The vector-Jacobian product: operands are those of `self` followed by one cotangent for each output (of the
    /// output's type); outputs are the cotangents of the wanted operands, in order.
    ///
    /// Operands that are not floats, and outputs that are not, carry no gradient: a wanted one gives zeros of its type.
    /// Only elementwise programs have a derivative here ([`Program::is_elementwise`]); rows and columns belong to ops.
    pub fn vjp(&self, wanted: &[bool]) -> Program {
        debug_assert!(self.is_elementwise(), "vjp of a program with reductions");
        let mut b = Builder::new(&self.operands);
        let inputs: Vec<Id> = (0..self.operands.len()).map(|i| b.load(i)).collect();
        let map = b.inline_nodes(self, &inputs);
        let mut grads: Vec<Option<Id>> = vec![None; self.nodes.len()];
        for out in &self.outs {
            let g = b.operand(self.types[out.node as usize]);
            if b.ty(g).is_float() {
                accumulate(&mut b, &mut grads[out.node as usize], g);
            }
        }
        for i in (0..self.nodes.len()).rev() {
            let Some(g) = grads[i] else { continue };
            pull_back(&mut b, self, &map, i, g, &mut grads);
        }
        let mut outs = Vec::new();
        for (k, &ty) in self.operands.iter().enumerate().filter(|&(k, _)| wanted[k]) {
            let loaded = self.nodes.iter().position(|&n| n == Node::Load(k as u16));
            let g = loaded.and_then(|i| grads[i]);
            outs.push((g.unwrap_or_else(|| b.real(ty, 0.0)), OutKind::Full));
        }
        b.finish(&outs)
    }

    /// The Jacobian-vector product: operands are those of `self` followed by one tangent for each `true` of `moving`
    /// (of the operand's type); outputs are the tangents of the outputs.
    pub fn jvp(&self, moving: &[bool]) -> Program {
        debug_assert!(self.is_elementwise(), "jvp of a program with reductions");
        let mut b = Builder::new(&self.operands);
        let inputs: Vec<Id> = (0..self.operands.len()).map(|i| b.load(i)).collect();
        let map = b.inline_nodes(self, &inputs);
        let mut seeds: Vec<Option<Id>> = vec![None; self.operands.len()];
        for (k, &ty) in self.operands.iter().enumerate().filter(|&(k, _)| moving[k]) {
            let t = b.operand(ty);
            seeds[k] = ty.is_float().then_some(t);
        }
        let mut tangents: Vec<Option<Id>> = Vec::with_capacity(self.nodes.len());
        for i in 0..self.nodes.len() {
            let t = push_forward(&mut b, self, &map, i, &seeds, &tangents);
            tangents.push(t);
        }
        let outs: Vec<(Id, OutKind)> = self
            .outs
            .iter()
            .map(|o| {
                let zero = b.real(self.types[o.node as usize], 0.0);
                (tangents[o.node as usize].unwrap_or(zero), OutKind::Full)
            })
            .collect();
        b.finish(&outs)
    }
}

fn accumulate(b: &mut Builder, slot: &mut Option<Id>, g: Id) {
    *slot = Some(match *slot {
        Some(old) => b.bin(BinOp::Add, old, g),
        None => g,
    });
}

/// Adds to `grads` what the cotangent `g` of node `i` means for the arguments of that node.
fn pull_back(b: &mut Builder, p: &Program, map: &[Id], i: usize, g: Id, grads: &mut [Option<Id>]) {
    let at = |id: Id| map[id as usize];
    let is_float = |id: Id| p.types[id as usize].is_float();
    match p.nodes[i] {
        Node::Un(op, a) if is_float(a) => {
            if let Some(d) = scale_by_un(b, op, at(a), map[i], g) {
                accumulate(b, &mut grads[a as usize], d);
            }
        }
        Node::Bin(op, x, y) if is_float(x) => {
            for (arg, first) in [(x, true), (y, false)] {
                if let Some(d) = scale_by_bin(b, op, at(x), at(y), map[i], g, first) {
                    accumulate(b, &mut grads[arg as usize], d);
                }
            }
        }
        Node::Select(m, x, y) if is_float(x) => {
            let zero = b.real(b.ty(g), 0.0);
            let (gx, gy) = (b.select(at(m), g, zero), b.select(at(m), zero, g));
            accumulate(b, &mut grads[x as usize], gx);
            accumulate(b, &mut grads[y as usize], gy);
        }
        Node::Cast(a, _) if is_float(a) => {
            let d = b.cast(g, p.types[a as usize]);
            accumulate(b, &mut grads[a as usize], d);
        }
        _ => {}
    }
}

/// The tangent of node `i`.
fn push_forward(
    b: &mut Builder,
    p: &Program,
    map: &[Id],
    i: usize,
    seeds: &[Option<Id>],
    tangents: &[Option<Id>],
) -> Option<Id> {
    let at = |id: Id| map[id as usize];
    let tangent = |id: Id| tangents[id as usize];
    match p.nodes[i] {
        Node::Load(k) => seeds[k as usize],
        Node::Un(op, a) => tangent(a).and_then(|t| scale_by_un(b, op, at(a), map[i], t)),
        Node::Bin(op, x, y) => {
            let tx = tangent(x).and_then(|t| scale_by_bin(b, op, at(x), at(y), map[i], t, true));
            let ty = tangent(y).and_then(|t| scale_by_bin(b, op, at(x), at(y), map[i], t, false));
            match (tx, ty) {
                (Some(u), Some(v)) => Some(b.bin(BinOp::Add, u, v)),
                (u, v) => u.or(v),
            }
        }
        Node::Select(m, x, y) => {
            if tangent(x).is_none() && tangent(y).is_none() {
                return None;
            }
            let zero = b.real(p.types[x as usize], 0.0);
            Some(b.select(
                at(m),
                tangent(x).unwrap_or(zero),
                tangent(y).unwrap_or(zero),
            ))
        }
        Node::Cast(a, ty) if ty.is_float() => tangent(a).map(|t| b.cast(t, ty)),
        _ => None,
    }
}

/// Small helpers to write derivative formulas.
struct Calc<'a> {
    b: &'a mut Builder,
    ty: Ty,
}

impl Calc<'_> {
    fn c(&mut self, v: f64) -> Id {
        self.b.real(self.ty, v)
    }
    fn un(&mut self, op: UnOp, a: Id) -> Id {
        self.b.un(op, a)
    }
    fn neg(&mut self, a: Id) -> Id {
        self.b.un(UnOp::Neg, a)
    }
    fn add(&mut self, a: Id, b: Id) -> Id {
        self.b.bin(BinOp::Add, a, b)
    }
    fn sub(&mut self, a: Id, b: Id) -> Id {
        self.b.bin(BinOp::Sub, a, b)
    }
    fn mul(&mut self, a: Id, b: Id) -> Id {
        self.b.bin(BinOp::Mul, a, b)
    }
    fn div(&mut self, a: Id, b: Id) -> Id {
        self.b.bin(BinOp::Div, a, b)
    }
    fn scale(&mut self, a: Id, v: f64) -> Id {
        let c = self.c(v);
        self.mul(a, c)
    }
    /// `1 - a`
    fn one_minus(&mut self, a: Id) -> Id {
        let one = self.c(1.0);
        self.sub(one, a)
    }
    /// `value`, but 0 where the cotangent is 0: guards derivatives that may be infinite or NaN.
    fn guard(&mut self, g: Id, value: Id) -> Id {
        let zero = self.c(0.0);
        let is_zero = self.b.cmp(CmpOp::Eq, g, zero);
        self.b.select(is_zero, zero, value)
    }
    fn guarded_div(&mut self, g: Id, d: Id) -> Id {
        let q = self.div(g, d);
        self.guard(g, q)
    }
}

/// `g` times the derivative of `y = op(x)`; `None` where it is zero everywhere.
fn scale_by_un(b: &mut Builder, op: UnOp, x: Id, y: Id, g: Id) -> Option<Id> {
    let ty = b.ty(x);
    let mut k = Calc { b, ty };
    use UnOp::*;
    Some(match op {
        Neg => k.neg(g),
        Abs => {
            let s = k.un(Sign, x);
            k.mul(g, s)
        }
        Sqrt => {
            let d = k.add(y, y);
            k.guarded_div(g, d)
        }
        // -1/2 x^(-3/2) = -y / (2x)
        Rsqrt => {
            let num = k.mul(g, y);
            let half = k.scale(num, -0.5);
            let q = k.div(half, x);
            k.guard(g, q)
        }
        Exp => k.mul(g, y),
        Expm1 => {
            let e = k.un(Exp, x);
            k.mul(g, e)
        }
        Exp2 => {
            let e = k.scale(y, LN_2);
            k.mul(g, e)
        }
        Log => k.guarded_div(g, x),
        Log1p => {
            let one = k.c(1.0);
            let d = k.add(x, one);
            k.guarded_div(g, d)
        }
        Log2 => {
            let d = k.scale(x, LN_2);
            k.guarded_div(g, d)
        }
        Log10 => {
            let d = k.scale(x, LN_10);
            k.guarded_div(g, d)
        }
        Sin => {
            let c = k.un(Cos, x);
            k.mul(g, c)
        }
        Cos => {
            let s = k.un(Sin, x);
            let p = k.mul(g, s);
            k.neg(p)
        }
        Tan => {
            let (one, square) = (k.c(1.0), k.mul(y, y));
            let d = k.add(one, square);
            k.mul(g, d)
        }
        Asin | Acos => {
            // sqrt((1 - x)(1 + x)) keeps its accuracy near +-1.
            let (one, low) = (k.c(1.0), k.one_minus(x));
            let high = k.add(x, one);
            let p = k.mul(low, high);
            let r = k.un(Sqrt, p);
            let q = k.guarded_div(g, r);
            if op == Asin { q } else { k.neg(q) }
        }
        Atan => {
            let (one, square) = (k.c(1.0), k.mul(x, x));
            let d = k.add(square, one);
            k.div(g, d)
        }
        Sinh => {
            let c = k.un(Cosh, x);
            k.mul(g, c)
        }
        Cosh => {
            let s = k.un(Sinh, x);
            k.mul(g, s)
        }
        Tanh => {
            let square = k.mul(y, y);
            let d = k.one_minus(square);
            k.mul(g, d)
        }
        Asinh => {
            let (one, square) = (k.c(1.0), k.mul(x, x));
            let s = k.add(square, one);
            let r = k.un(Sqrt, s);
            k.div(g, r)
        }
        Acosh => {
            let one = k.c(1.0);
            let (low, high) = (k.sub(x, one), k.add(x, one));
            let p = k.mul(low, high);
            let r = k.un(Sqrt, p);
            k.guarded_div(g, r)
        }
        Atanh => {
            let (one, low) = (k.c(1.0), k.one_minus(x));
            let high = k.add(x, one);
            let p = k.mul(low, high);
            k.guarded_div(g, p)
        }
        Sigmoid => {
            let rest = k.one_minus(y);
            let d = k.mul(y, rest);
            k.mul(g, d)
        }
        Relu => {
            let zero = k.c(0.0);
            let positive = k.b.cmp(CmpOp::Gt, x, zero);
            k.b.select(positive, g, zero)
        }
        Erf | Erfc => {
            let e = gaussian(&mut k, x);
            let d = k.scale(
                e,
                if op == Erf {
                    FRAC_2_SQRT_PI
                } else {
                    -FRAC_2_SQRT_PI
                },
            );
            k.mul(g, d)
        }
        // d erfinv = sqrt(pi)/2 exp(erfinv(x)^2)
        Erfinv => {
            let square = k.mul(y, y);
            let e = k.un(Exp, square);
            let d = k.scale(e, 1.0 / FRAC_2_SQRT_PI);
            let p = k.mul(g, d);
            k.guard(g, p)
        }
        Lgamma => {
            let d = k.un(Digamma, x);
            let p = k.mul(g, d);
            k.guard(g, p)
        }
        Digamma => {
            let one = k.c(1.0);
            let d = k.b.bin(BinOp::Polygamma, one, x);
            let p = k.mul(g, d);
            k.guard(g, p)
        }
        // Rounding to storage precision: straight through, as a cast.
        RoundF16 | RoundBf16 => k.un(op, g),
        Reciprocal | Square => unreachable!("lowered by the builder"),
        Sign | Floor | Ceil | Round | Trunc | IsNan | IsInf | IsFinite | Not | BitNot | WrapU8
        | WrapI8 | WrapU16 | WrapI16 | WrapU32 => return None,
    })
}

/// `exp(-x^2)`
fn gaussian(k: &mut Calc, x: Id) -> Id {
    let square = k.mul(x, x);
    let n = k.neg(square);
    k.un(UnOp::Exp, n)
}

/// `g` times the derivative of `y = op(a, b)` by `a` (`first`) or `b`; `None` where it is zero everywhere.
fn scale_by_bin(
    bld: &mut Builder,
    op: BinOp,
    a: Id,
    b: Id,
    y: Id,
    g: Id,
    first: bool,
) -> Option<Id> {
    let ty = bld.ty(a);
    let mut k = Calc { b: bld, ty };
    use BinOp::*;
    Some(match (op, first) {
        (Add, _) | (Sub, true) => g,
        (Sub, false) => k.neg(g),
        (Mul, true) => k.mul(g, b),
        (Mul, false) => k.mul(g, a),
        (Div, true) => k.div(g, b),
        (Div, false) => {
            let (p, q) = (k.mul(g, y), k.neg(b));
            k.div(p, q)
        }
        (Rem | Fmod, true) => g,
        (Rem | Fmod, false) => {
            // a - b * quotient, the quotient being locally constant
            let ratio = k.div(a, b);
            let quotient = k.un(if op == Rem { UnOp::Floor } else { UnOp::Trunc }, ratio);
            let p = k.mul(g, quotient);
            k.neg(p)
        }
        (Pow, true) => pow_by_base(&mut k, a, b, g),
        (Pow, false) => pow_by_exponent(&mut k, a, b, y, g),
        (Max | Min, _) => {
            let (this, other) = if first { (a, b) } else { (b, a) };
            let wins =
                k.b.cmp(if op == Max { CmpOp::Gt } else { CmpOp::Lt }, this, other);
            let tie = k.b.cmp(CmpOp::Eq, this, other);
            let (zero, half) = (k.c(0.0), k.scale(g, 0.5));
            let rest = k.b.select(tie, half, zero);
            k.b.select(wins, g, rest)
        }
        (Atan2, _) => {
            let (aa, bb) = (k.mul(a, a), k.mul(b, b));
            let d = k.add(aa, bb);
            let num = if first { k.mul(g, b) } else { k.mul(g, a) };
            let q = k.div(num, d);
            let q = k.guard(g, q);
            if first { q } else { k.neg(q) }
        }
        (Hypot, _) => {
            let num = k.mul(g, if first { a } else { b });
            let q = k.div(num, y);
            // At the origin the gradient is 0 (the smallest subgradient).
            let zero = k.c(0.0);
            let origin = k.b.cmp(CmpOp::Eq, y, zero);
            k.b.select(origin, zero, q)
        }
        (LogAddExp, _) => {
            let (this, other) = if first { (a, b) } else { (b, a) };
            let d = k.sub(this, other);
            let s = k.un(UnOp::Sigmoid, d);
            // Equal infinities: their difference is NaN, their share a half.
            let (tie, half) = (k.b.cmp(CmpOp::Eq, a, b), k.c(0.5));
            let share = k.b.select(tie, half, s);
            k.mul(g, share)
        }
        (CopySign, true) => {
            // |a| with the sign of b: the derivative is whether the signs agree.
            let one = k.c(1.0);
            let (sa, sb) = (k.b.bin(CopySign, one, a), k.b.bin(CopySign, one, b));
            let s = k.mul(sa, sb);
            k.mul(g, s)
        }
        (Polygamma, false) => {
            let one = k.c(1.0);
            let next = k.add(a, one);
            let d = k.b.bin(Polygamma, next, b);
            let p = k.mul(g, d);
            k.guard(g, p)
        }
        (CopySign, false)
        | (Polygamma, true)
        | (FloorDiv | NextAfter | And | Or | Xor | Shl | Shr, _) => return None,
    })
}

/// `b a^(b-1)`; 0 where `b` is 0, also at `a = 0`.
fn pow_by_base(k: &mut Calc, a: Id, b: Id, g: Id) -> Id {
    let (one, zero) = (k.c(1.0), k.c(0.0));
    let lower = k.sub(b, one);
    let power = k.b.bin(BinOp::Pow, a, lower);
    let d = k.mul(b, power);
    let p = k.mul(g, d);
    let constant = k.b.cmp(CmpOp::Eq, b, zero);
    let p = k.b.select(constant, zero, p);
    k.guard(g, p)
}

/// `log(a) a^b`; 0 at `a = 0`, where the power is constant for `b > 0`.
fn pow_by_exponent(k: &mut Calc, a: Id, b: Id, y: Id, g: Id) -> Id {
    let (one, zero) = (k.c(1.0), k.c(0.0));
    let at_zero = k.b.cmp(CmpOp::Eq, a, zero);
    let positive = k.b.cmp(CmpOp::Ge, b, zero);
    let flat = k.b.bin(BinOp::And, at_zero, positive);
    let safe = k.b.select(flat, one, a);
    let log = k.un(UnOp::Log, safe);
    let d = k.mul(log, y);
    let p = k.mul(g, d);
    k.guard(g, p)
}

#[cfg(test)]
mod tests {
    use super::super::lane::{Lane, Sym};
    use super::*;

    /// Central difference of output 0 by input `i`.
    fn difference(p: &Program, x: &[f64], i: usize) -> f64 {
        let h = 1e-5 * x[i].abs().max(0.1);
        let at = |v: f64| {
            let mut x = x.to_vec();
            x[i] = v;
            p.eval_f64(&x)[0]
        };
        // Fourth-order stencil: the truncation error is O(h^4).
        (8.0 * (at(x[i] + h) - at(x[i] - h)) - (at(x[i] + 2.0 * h) - at(x[i] - 2.0 * h)))
            / (12.0 * h)
    }

    /// Checks first and second derivatives at `x` against differences, and jvp against vjp.
    fn check(name: &str, p: &Program, x: &[f64]) {
        let n = x.len();
        let vjp = p.vjp(&vec![true; n]);
        let mut with_g = x.to_vec();
        with_g.push(1.0);
        let grads = vjp.eval_f64(&with_g);
        for i in 0..n {
            let want = difference(p, x, i);
            let tolerance = 1e-8 * want.abs().max(1.0);
            assert!(
                (grads[i] - want).abs() < tolerance,
                "{name} at {x:?} by {i}: {} but {want}",
                grads[i]
            );
            let moving: Vec<bool> = (0..n).map(|k| k == i).collect();
            let tangent = p.jvp(&moving).eval_f64(&with_g)[0];
            assert!(
                (tangent - want).abs() < tolerance,
                "{name}: jvp at {x:?} by {i}: {tangent} but {want}"
            );
            // The derivative of the derivative, by every operand.
            let mut only = vec![false; n];
            only[i] = true;
            let first = p.vjp(&only);
            let second = first.vjp(&vec![true; n + 1]);
            let mut inputs = with_g.clone();
            inputs.push(1.0);
            for (j, got) in second.eval_f64(&inputs).into_iter().enumerate() {
                let want = difference(&first, &with_g, j);
                let tolerance = 1e-7 * want.abs().max(1.0);
                assert!(
                    (got - want).abs() < tolerance,
                    "{name} second at {x:?} by {i},{j}: {got} but {want}"
                );
            }
        }
    }

    #[test]
    fn unary_derivatives_are_differences() {
        for &op in UnOp::ALL
            .iter()
            .filter(|op| op.accepts(Ty::F64) && op.result(Ty::F64) == Ty::F64)
        {
            let p = Program::from_fn1(Ty::F64, |x| x.unary(op));
            let points: &[f64] = match op {
                UnOp::Acosh => &[1.3, 2.7],
                UnOp::Asin | UnOp::Acos | UnOp::Atanh | UnOp::Erfinv => &[-0.6, 0.21, 0.83],
                UnOp::Sqrt
                | UnOp::Rsqrt
                | UnOp::Log
                | UnOp::Log2
                | UnOp::Log10
                | UnOp::Lgamma
                | UnOp::Digamma => &[0.4, 1.7, 3.3],
                UnOp::Log1p => &[-0.4, 1.7],
                _ => &[-1.3, 0.4, 2.2],
            };
            points
                .iter()
                .for_each(|&x| check(&format!("{op:?}"), &p, &[x]));
        }
    }

    #[test]
    fn binary_derivatives_are_differences() {
        use BinOp::*;
        for op in [
            Add, Sub, Mul, Div, FloorDiv, Rem, Fmod, Pow, Max, Min, Atan2, Hypot, LogAddExp,
            CopySign,
        ] {
            let p = Program::from_fn2(Ty::F64, |x, y| x.binary(op, y));
            for (x, y) in [(1.3, 0.7), (0.6, 2.2), (3.1, 1.9)] {
                check(&format!("{op:?}"), &p, &[x, y]);
            }
        }
        let p = Program::from_fn1(Ty::F64, |x| x.constant(1.0).polygamma(x));
        check("Polygamma", &p, &[1.4]);
    }

    #[test]
    fn composite_functions() {
        fn gelu(x: Sym) -> Sym {
            x * ((x * 0.5f64.sqrt()).erf() + 1.0) * 0.5
        }
        let p = Program::from_fn1(Ty::F64, gelu);
        [-2.0, -0.3, 0.9]
            .iter()
            .for_each(|&x| check("gelu", &p, &[x]));
        let shared = Program::from_fn2(Ty::F64, |x, y| {
            let t = (x * y).sin();
            t * t + t.exp() / (x + y)
        });
        check("shared", &shared, &[0.4, 1.2]);
        let cast = Program::from_fn1(Ty::F64, |x| x.cast(Ty::F32).cast(Ty::F64) * x);
        check("cast", &cast, &[0.75]);
    }

    #[test]
    fn kinks_follow_jax() {
        let grad = |p: &Program, x: &[f64]| {
            let mut x = x.to_vec();
            x.push(1.0);
            p.vjp(&vec![true; x.len() - 1]).eval_f64(&x)
        };
        assert_eq!(
            grad(&Program::from_fn1(Ty::F64, |x| x.relu()), &[0.0]),
            [0.0]
        );
        assert_eq!(
            grad(&Program::from_fn1(Ty::F64, |x| x.abs()), &[0.0]),
            [0.0]
        );
        assert_eq!(
            grad(&Program::from_fn2(Ty::F64, |x, y| x.max(y)), &[1.0, 1.0]),
            [0.5, 0.5]
        );
        assert_eq!(
            grad(&Program::from_fn2(Ty::F64, |x, y| x.min(y)), &[1.0, 2.0]),
            [1.0, 0.0]
        );
        assert_eq!(
            grad(&Program::from_fn2(Ty::F64, |x, y| x.pow(y)), &[0.0, 2.0]),
            [0.0, 0.0]
        );
        assert_eq!(
            grad(&Program::from_fn2(Ty::F64, |x, y| x.hypot(y)), &[0.0, 0.0]),
            [0.0, 0.0]
        );
    }

    #[test]
    fn branches_not_taken_give_zero() {
        let p = Program::from_fn1(Ty::F64, |x| {
            let zero = x.constant(0.0);
            Sym::select(x.gt(zero), x.sqrt() + x.log(), zero)
        });
        for x in [0.0, -1.0] {
            assert_eq!(p.vjp(&[true]).eval_f64(&[x, 1.0]), [0.0], "at {x}");
        }
    }

    #[test]
    fn integers_and_unused_operands_have_zero_gradient() {
        let p = Program::build(&[Ty::F64, Ty::I32, Ty::F64], |x| {
            vec![(x[0] * x[1].cast(Ty::F64), OutKind::Full)]
        });
        let g = p.vjp(&[true, true, true]);
        assert_eq!(g.eval_f64(&[2.0, 3.0, 5.0, 1.0]), [3.0, 0.0, 0.0]);
        assert_eq!(g.out_ty(1), Ty::I32);
    }
}
