//! Random numbers: pure functions of a seed (two unsigned 32-bit integers) and of the place of each element.
//!
//! They are made by the counter-based generator Philox4x32-10 (Salmon et al. 2011) inside expressions, so a mask is
//! recomputed where it is needed again instead of being stored, and no result depends on the number of threads.

use super::samples::{from_index, tensor, values};
use super::{arg, gather, math, sort, view};
use crate::args::Ints;
use crate::aval::{Aval, DType, Shape, checked_bytes, normalize_axis};
use crate::bind::bind1;
use crate::error::{Error, Result};
use crate::expr::{
    BinOp, Builder, CmpOp, Id, OutKind, Program, RandomKind, Ty, UnOp, eval, special,
};
use crate::op;
use crate::op::{Avals, Grads, Kind, Op, Sample, Vjp, one};
use crate::tensor::Tensor;

/// An expression over a shape of its own, to which its operands broadcast.
#[derive(Debug)]
struct Random {
    name: &'static str,
    program: Program,
    shape: Shape,
    dtype: DType,
}

impl Op for Random {
    fn name(&self) -> &'static str {
        self.name
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        checked_bytes(self.name, &self.shape, self.dtype)?;
        for a in x {
            let common = crate::aval::broadcast(self.name, &[&a.shape, &self.shape])?;
            if common != self.shape {
                return Err(Error::shape(
                    self.name,
                    format!(
                        "a parameter of shape {:?} does not broadcast to shape={:?}",
                        a.shape, self.shape
                    ),
                ));
            }
        }
        Ok(one(self.shape.clone(), self.dtype))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        Ok(smallvec::smallvec![None; cx.inputs()])
    }
    fn kind(&self) -> Kind<'_> {
        Kind::Map(&self.program)
    }
}

/// The two words of a seed as scalars.
fn seed_words(op: &'static str, seed: &Tensor) -> Result<[Tensor; 2]> {
    if seed.shape() != [2] || seed.dtype().is_float() {
        return Err(Error::argument(
            op,
            format!(
                "seed must hold two integers (uint32[2]), not {:?}",
                seed.aval()
            ),
        ));
    }
    let word = |i| view::drop_axes(&view::narrow(seed, 0, i, 1)?, &[0]);
    Ok([word(0)?, word(1)?])
}

/// Numbers drawn by an expression of the two words of the seed and of parameters that broadcast to the shape.
fn draw(
    name: &'static str,
    seed: &Tensor,
    shape: &Ints,
    dtype: DType,
    parameters: &[&Tensor],
    f: impl FnOnce(&mut Builder, Id, Id, &[Id]) -> Id,
) -> Result<Tensor> {
    let shape = super::create::shape_of(name, shape)?;
    let [s0, s1] = seed_words(name, seed)?;
    let mut b = Builder::new(&[]);
    let (k0, k1) = (b.operand(Ty::of(s0.dtype())), b.operand(Ty::of(s1.dtype())));
    let ids: Vec<Id> = parameters
        .iter()
        .map(|p| b.operand(Ty::of(p.dtype())))
        .collect();
    let y = f(&mut b, k0, k1, &ids);
    let y = b.cast(y, Ty::of(dtype));
    let program = b.finish(&[(y, OutKind::Full)]);
    let mut inputs = vec![&s0, &s1];
    inputs.extend(parameters);
    bind1(
        Random {
            name,
            program,
            shape,
            dtype,
        },
        &inputs,
    )
}

/// The type in which numbers of this dtype are drawn.
fn real_type(op: &'static str, dtype: DType) -> Result<Ty> {
    if dtype.is_float() {
        return Ok(Ty::of(dtype));
    }
    Err(Error::dtype(
        op,
        format!("dtype must be a floating type, not {dtype}"),
    ))
}

fn uniform(b: &mut Builder, ty: Ty, k0: Id, k1: Id) -> Id {
    let kind = if ty == Ty::F64 {
        RandomKind::UniformF64
    } else {
        RandomKind::UniformF32
    };
    b.random(kind, k0, k1)
}

/// What the references of samples draw with.
const SEED: [u32; 2] = [17, 4_000_000_000];

fn seed() -> Tensor {
    Tensor::from_slice(&SEED, &[2]).expect("a small tensor")
}

/// Element `i` of the uniform numbers of the sample seed.
fn drawn(i: usize) -> f64 {
    eval::random(
        RandomKind::UniformF64,
        SEED[0].into(),
        SEED[1].into(),
        i as u64,
    )
    .to_f64()
}

/// A sample whose reference is a function of the uniform number of each element.
fn sampled(
    f: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
    reference: impl Fn(f64) -> f64 + Send + Sync + 'static,
) -> Vec<Sample> {
    vec![
        Sample::new("matrix", vec![seed()], move |x| Ok(vec![f(&x[0])?]))
            .reference(move |_| vec![from_index(&[5, 7], |i| reference(drawn(7 * i[0] + i[1])))])
            .order(0),
    ]
}

op! {
    /// 32 random bits an element, as `uint32`.
    fn random_bits(seed: &Tensor, shape: Ints) -> Tensor {
        draw("random_bits", seed, &shape, DType::U32, &[], |b, k0, k1, _| b.random(RandomKind::Bits, k0, k1))
    }
    samples {
        vec![Sample::new("list", vec![seed()], |x| Ok(vec![random_bits(&x[0], Ints(vec![9]))?]))
            .reference(|_| vec![from_index(&[9], |i| f64::from(special::philox(SEED[0], SEED[1], i[0] as u64 / 4)[i[0] % 4]))])
            .order(0)]
    }
}
op! {
    /// Numbers spread evenly over [minval, maxval).
    fn random_uniform(seed: &Tensor, shape: Ints, minval: f64 = 0.0, maxval: f64 = 1.0, dtype: DType = DType::F32) -> Tensor {
        let ty = real_type("random_uniform", dtype)?;
        draw("random_uniform", seed, &shape, dtype, &[], |b, k0, k1, _| {
            let u = uniform(b, ty, k0, k1);
            if (minval, maxval) == (0.0, 1.0) {
                return u;
            }
            let (low, span) = (b.real(ty, minval), b.real(ty, maxval - minval));
            let scaled = b.bin(BinOp::Mul, u, span);
            b.bin(BinOp::Add, scaled, low)
        })
    }
    samples {
        let mut s = sampled(|k| random_uniform(k, Ints(vec![5, 7]), 0.0, 1.0, DType::F64), |u| u);
        s.extend(sampled(|k| random_uniform(k, Ints(vec![5, 7]), -2.0, 3.0, DType::F64), |u| 5.0 * u - 2.0));
        s
    }
}
op! {
    /// Numbers of the normal distribution with this mean and deviation.
    fn random_normal(seed: &Tensor, shape: Ints, mean: f64 = 0.0, stddev: f64 = 1.0, dtype: DType = DType::F32) -> Tensor {
        let ty = real_type("random_normal", dtype)?;
        draw("random_normal", seed, &shape, dtype, &[], |b, k0, k1, _| {
            let z = b.random_normal(ty, k0, k1);
            scaled(b, ty, z, mean, stddev)
        })
    }
    samples {
        // The distribution function of the result is the uniform number.
        let phi = |z: f64| 0.5 * special::erfc(-z / 2f64.sqrt());
        let mut s = sampled(move |k| {
            let z = random_normal(k, Ints(vec![5, 7]), 1.0, 2.0, DType::F64)?;
            let cdf = z.to_vec::<f64>()?.into_iter().map(|z| phi((z - 1.0) / 2.0)).collect::<Vec<_>>();
            Tensor::from_slice(&cdf, &[5, 7])
        }, |u| u);
        s.truncate(1);
        s
    }
}

/// mean + stddev z.
fn scaled(b: &mut Builder, ty: Ty, z: Id, mean: f64, stddev: f64) -> Id {
    if (mean, stddev) == (0.0, 1.0) {
        return z;
    }
    let (mean, stddev) = (b.real(ty, mean), b.real(ty, stddev));
    let z = b.bin(BinOp::Mul, z, stddev);
    b.bin(BinOp::Add, z, mean)
}

op! {
    /// Numbers of the normal distribution cut at two deviations from the mean.
    fn random_truncated_normal(seed: &Tensor, shape: Ints, mean: f64 = 0.0, stddev: f64 = 1.0, dtype: DType = DType::F32) -> Tensor {
        let ty = real_type("random_truncated_normal", dtype)?;
        draw("random_truncated_normal", seed, &shape, dtype, &[], |b, k0, k1, _| {
            // sqrt(2) erfinv(v erf(2 / sqrt 2)) for v spread evenly over (-1, 1).
            let ulp = if ty == Ty::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
            let u = uniform(b, ty, k0, k1);
            let (two, offset) = (b.real(ty, 2.0), b.real(ty, 1.0 - ulp / 2.0));
            let v = b.bin(BinOp::Mul, u, two);
            let v = b.bin(BinOp::Sub, v, offset);
            let edge = b.real(ty, special::erf(std::f64::consts::SQRT_2));
            let v = b.bin(BinOp::Mul, v, edge);
            let z = b.un(UnOp::Erfinv, v);
            let root = b.real(ty, std::f64::consts::SQRT_2);
            let z = b.bin(BinOp::Mul, z, root);
            scaled(b, ty, z, mean, stddev)
        })
    }
    samples {
        let c = special::erf(std::f64::consts::SQRT_2);
        sampled(|k| random_truncated_normal(k, Ints(vec![5, 7]), 0.0, 1.0, DType::F64), move |u| 2f64.sqrt() * special::erfinv(c * (2.0 * u - 1.0)))
    }
}
op! {
    /// 1 with probability p, else 0; `p` broadcasts to the shape.
    fn random_bernoulli(seed: &Tensor, p: &Tensor, shape: Ints, dtype: DType = DType::Bool) -> Tensor {
        let p = math::cast(p, p.dtype().to_float())?;
        let ty = Ty::of(p.dtype());
        draw("random_bernoulli", seed, &shape, dtype, &[&p], |b, k0, k1, p| {
            let u = uniform(b, ty, k0, k1);
            b.cmp(CmpOp::Lt, u, p[0])
        })
    }
    samples {
        vec![Sample::new("matrix", vec![seed()], |x| Ok(vec![random_bernoulli(&x[0], &tensor(&[0.3], &[1]), Ints(vec![5, 7]), DType::F64)?]))
            .reference(|_| vec![from_index(&[5, 7], |i| f64::from(u8::from(drawn(7 * i[0] + i[1]) < 0.3)))]).order(0)]
    }
}
op! {
    /// Whole numbers spread evenly over minval..maxval (without maxval).
    fn random_randint(seed: &Tensor, shape: Ints, minval: i64, maxval: i64, dtype: DType = DType::I32) -> Tensor {
        let span = (maxval as i128 - minval as i128) as f64;
        if span <= 0.0 || span > 2f64.powi(53) {
            return Err(Error::argument("random_randint", format!("maxval={maxval} must be above minval={minval}, by at most 2^53")));
        }
        draw("random_randint", seed, &shape, dtype, &[], |b, k0, k1, _| {
            let u = b.random(RandomKind::UniformF64, k0, k1);
            let (span, low) = (b.real(Ty::F64, span), b.constant(crate::expr::Scalar::I64(minval)));
            let scaled = b.bin(BinOp::Mul, u, span);
            let whole = b.cast(scaled, Ty::I64);
            b.bin(BinOp::Add, whole, low)
        })
    }
    samples { sampled(|k| random_randint(k, Ints(vec![5, 7]), -3, 9, DType::I32), |u| (12.0 * u).floor() - 3.0) }
}
op! {
    /// For each row of `logits` (unnormalised log-probabilities, [batch, classes]) `num_samples` classes drawn by their
    /// probabilities, by the Gumbel-max method. Shape [batch, num_samples].
    fn random_categorical(seed: &Tensor, logits: &Tensor, num_samples: i64, dtype: DType = DType::I32) -> Tensor {
        if logits.rank() != 2 {
            return Err(Error::shape("random_categorical", format!("logits must have shape [batch, classes], not {:?}", logits.shape())));
        }
        let (rows, classes) = (logits.shape()[0] as i64, logits.shape()[1] as i64);
        let logits = math::cast(logits, logits.dtype().to_float())?;
        let lifted = view::expand_dims(&logits, Ints(vec![1]))?;
        let scores = draw("random_gumbel", seed, &Ints(vec![rows, num_samples, classes]), logits.dtype(), &[&lifted], |b, k0, k1, p| {
            // -ln(-ln u) with u in (0, 1): u = 0 becomes half a step.
            let ty = b.ty(p[0]);
            let u = uniform(b, ty, k0, k1);
            let tiny = b.real(ty, if ty == Ty::F64 { 2f64.powi(-54) } else { 2f64.powi(-25) });
            let u = b.bin(BinOp::Max, u, tiny);
            let l = b.un(UnOp::Log, u);
            let l = b.un(UnOp::Neg, l);
            let l = b.un(UnOp::Log, l);
            b.bin(BinOp::Sub, p[0], l)
        })?;
        math::cast(&arg::arg_extremum("random_categorical", &scores, Some(-1), false, true)?, dtype)
    }
    samples {
        vec![Sample::new("one certain class", vec![seed()], |x| {
            let logits = tensor(&[f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY, 5.0, f64::NEG_INFINITY, f64::NEG_INFINITY], &[2, 3]);
            Ok(vec![random_categorical(&x[0], &logits, 4, DType::I32)?])
        }).reference(|_| vec![from_index(&[2, 4], |i| if i[0] == 0 { 1.0 } else { 0.0 })]).order(0)]
    }
}
op! {
    /// The numbers 0..n in random order, as `int32`.
    fn random_permutation(seed: &Tensor, n: i64) -> Tensor {
        sort::argsort(&random_uniform(seed, Ints(vec![n]), 0.0, 1.0, DType::F64)?, Some(0))
    }
    samples {
        vec![Sample::new("nine", vec![seed()], |x| Ok(vec![random_permutation(&x[0], 9)?]))
            .reference(|_| {
                let mut order: Vec<usize> = (0..9).collect();
                order.sort_by(|&a, &b| drawn(a).total_cmp(&drawn(b)));
                vec![(vec![9], order.into_iter().map(|i| i as f64).collect())]
            }).order(0)]
    }
}
op! {
    /// The slices of `x` along `axis` in random order.
    fn random_shuffle(seed: &Tensor, x: &Tensor, axis: i64 = 0) -> Tensor {
        let axis = normalize_axis("random_shuffle", axis, x.rank())?;
        let order = random_permutation(seed, x.shape()[axis] as i64)?;
        gather::gather_rows(x, &math::cast(&order, DType::I64)?, axis)
    }
    samples {
        vec![Sample::new("columns", vec![seed(), values(&[2, 6], -1.0, 1.0, 1)], |x| Ok(vec![random_shuffle(&x[0], &x[1], 1)?]))
            .reference(|x| {
                let mut order: Vec<usize> = (0..6).collect();
                order.sort_by(|&a, &b| drawn(a).total_cmp(&drawn(b)));
                let x = super::samples::nd(&x[1]);
                vec![from_index(&[2, 6], |i| super::samples::at(&x, &[i[0], order[i[1]]]))]
            })]
    }
}
op! {
    /// Another seed, made of a seed and a number, for an independent stream.
    fn random_fold_in(seed: &Tensor, data: &Tensor) -> Tensor {
        if data.rank() != 0 || data.dtype().is_float() {
            return Err(Error::argument("random_fold_in", format!("data must be one integer, not {:?}", data.aval())));
        }
        // The number is the key of a second draw, whose seed is the first.
        let data = math::cast(data, DType::I64)?;
        draw("random_fold_in", seed, &Ints(vec![2]), DType::U32, &[&data], |b, k0, k1, d| {
            let first = b.random(RandomKind::Bits, k0, k1);
            let mixed = b.bin(BinOp::Add, first, d[0]);
            let k1 = b.cast(k1, Ty::I64);
            let turned = b.un(UnOp::BitNot, k1);
            b.random(RandomKind::Bits, mixed, turned)
        })
    }
    samples {
        vec![Sample::new("five", vec![seed()], |x| Ok(vec![random_fold_in(&x[0], &Tensor::scalar(5i32)?)?]))
            .reference(|_| {
                let first = |i: usize| special::philox(SEED[0], SEED[1], 0)[i].wrapping_add(5);
                vec![from_index(&[2], |i| f64::from(special::philox(first(i[0]), !SEED[1], 0)[i[0]]))]
            }).order(0)]
    }
}
