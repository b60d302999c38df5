//! Activation functions, each one expression. Sources are named with each.

use super::map::Map;
use super::samples::elementwise;
use super::{math, rows, view};
use crate::aval::{DType, normalize_axis};
use crate::bind::bind1;
use crate::error::{Error, Result};
use crate::expr::{Lane, OutKind, Program, Sym, Ty};
use crate::op;
use crate::op::Sample;
use crate::tensor::Tensor;

/// y = f(x) in a floating type.
fn real(name: &'static str, x: &Tensor, f: impl FnOnce(Sym) -> Sym) -> Result<Tensor> {
    let dtype = x.dtype().to_float();
    let program = Program::build(&[Ty::of(x.dtype())], |s| {
        vec![(f(s[0].cast(Ty::of(dtype))), OutKind::Full)]
    });
    bind1(Map::new(name, program, &[dtype]), &[x])
}

/// `if mask { a } else { b }` with a constant.
fn or_constant(mask: Sym, a: Sym, c: f64) -> Sym {
    Sym::select(mask, a, a.constant(c))
}

const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

op! {
    /// The rectifier: y = max(x, 0), with derivative 0 at 0. Of booleans, `int32`.
    fn relu(x: &Tensor) -> Tensor {
        if x.dtype() == DType::Bool {
            return math::cast(x, DType::I32);
        }
        if !x.dtype().is_float() {
            return super::map::unary("relu", x, |b, x| b.un(crate::expr::UnOp::Relu, x));
        }
        real("relu", x, Lane::relu)
    }
    samples { elementwise(relu, |x| x.max(0.0), -3.0, 3.0) }
}
op! {
    /// The rectifier cut at 6: y = min(max(x, 0), 6).
    fn relu6(x: &Tensor) -> Tensor {
        real("relu6", x, |x| {
            let capped = or_constant(x.lt(x.constant(6.0)) | x.is_nan(), x, 6.0);
            capped.relu()
        })
    }
    samples { elementwise(relu6, |x| x.clamp(0.0, 6.0), -9.0, 9.0) }
}
op! {
    /// y = x for x > 0, else `negative_slope` x (Maas, Hannun and Ng 2013).
    fn leaky_relu(x: &Tensor, negative_slope: f64 = 0.2) -> Tensor {
        real("leaky_relu", x, |x| Sym::select(x.gt(x.constant(0.0)), x, x * negative_slope))
    }
    samples { elementwise(|x| leaky_relu(x, 0.2), |x| if x > 0.0 { x } else { 0.2 * x }, -3.0, 3.0) }
}
op! {
    /// y = x for x > 0, else alpha (e^x - 1) (Clevert, Unterthiner and Hochreiter 2015).
    fn elu(x: &Tensor, alpha: f64 = 1.0) -> Tensor {
        real("elu", x, |x| {
            let positive = x.gt(x.constant(0.0));
            // The exponent is kept at 0 where it does not count, lest it overflow.
            let negative = Sym::select(positive, x.constant(0.0), x);
            Sym::select(positive, x, negative.expm1() * alpha)
        })
    }
    samples { elementwise(|x| elu(x, 0.7), |x| if x > 0.0 { x } else { 0.7 * x.exp_m1() }, -3.0, 3.0) }
}
op! {
    /// The self-normalising ELU: y = scale (x for x > 0, else alpha (e^x - 1)) with alpha = 1.6733, scale = 1.0507
    /// (Klambauer et al. 2017).
    fn selu(x: &Tensor) -> Tensor {
        real("selu", x, |x| {
            let positive = x.gt(x.constant(0.0));
            let negative = Sym::select(positive, x.constant(0.0), x);
            Sym::select(positive, x * SELU_SCALE, negative.expm1() * (SELU_ALPHA * SELU_SCALE))
        })
    }
    samples { elementwise(selu, |x| SELU_SCALE * if x > 0.0 { x } else { SELU_ALPHA * x.exp_m1() }, -3.0, 3.0) }
}
op! {
    /// y = max(x, 0) + min(0, alpha (e^(x / alpha) - 1)) (Barron 2017).
    fn celu(x: &Tensor, alpha: f64 = 1.0) -> Tensor {
        if alpha == 0.0 {
            return Err(Error::argument("celu", "alpha must not be 0"));
        }
        real("celu", x, |x| {
            let positive = x.gt(x.constant(0.0));
            let negative = Sym::select(positive, x.constant(0.0), x);
            Sym::select(positive, x, (negative / alpha).expm1() * alpha)
        })
    }
    samples { elementwise(|x| celu(x, 1.4), |x| x.max(0.0) + (1.4 * (x / 1.4).exp_m1()).min(0.0), -3.0, 3.0) }
}
op! {
    /// The Gaussian error linear unit: y = x Phi(x) = x (1 + erf(x / sqrt(2))) / 2, or with `approximate`
    /// y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 (Hendrycks and Gimpel 2016).
    fn gelu(x: &Tensor, approximate: bool = true) -> Tensor {
        real("gelu", x, |x| {
            if approximate {
                // (1 + tanh(z)) / 2 = sigmoid(2 z): fewer operations, and no cancellation below 0.
                let c = (8.0 / std::f64::consts::PI).sqrt();
                x * (x * (x * x * (0.044_715 * c) + c)).sigmoid()
            } else {
                x * 0.5 * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0)
            }
        })
    }
    samples {
        let mut s = elementwise(|x| gelu(x, true), |x| {
            let c = (2.0 / std::f64::consts::PI).sqrt();
            0.5 * x * (1.0 + (c * (x + 0.044715 * x.powi(3))).tanh())
        }, -3.0, 3.0);
        s.extend(elementwise(|x| gelu(x, false), |x| 0.5 * x * crate::expr::special::erfc(-x / 2f64.sqrt()), -3.0, 3.0));
        s
    }
}
op! {
    /// The logistic function: y = 1 / (1 + e^-x).
    fn sigmoid(x: &Tensor) -> Tensor {
        real("sigmoid", x, Lane::sigmoid)
    }
    samples { elementwise(sigmoid, logistic, -6.0, 6.0) }
}
op! {
    /// y = x sigmoid(x), also called swish (Elfwing, Uchibe and Doya 2017).
    fn silu(x: &Tensor) -> Tensor {
        real("silu", x, |x| x * x.sigmoid())
    }
    samples { elementwise(silu, |x| x * logistic(x), -6.0, 6.0) }
}
op! {
    /// y = x sigmoid(x); another name of `silu`.
    fn swish(x: &Tensor) -> Tensor {
        silu(x)
    }
    samples { elementwise(swish, |x| x * logistic(x), -6.0, 6.0) }
}
op! {
    /// y = ln(sigmoid(x)) = -softplus(-x), without overflow.
    fn log_sigmoid(x: &Tensor) -> Tensor {
        real("log_sigmoid", x, |x| -(-x).softplus())
    }
    samples { elementwise(log_sigmoid, |x| logistic(x).ln(), -6.0, 6.0) }
}
op! {
    /// y = ln(1 + e^x), without overflow.
    fn softplus(x: &Tensor) -> Tensor {
        real("softplus", x, |x| x.logaddexp(x.constant(0.0)))
    }
    samples { elementwise(softplus, |x| x.exp().ln_1p(), -6.0, 6.0) }
}
op! {
    /// y = x / (1 + |x|).
    fn softsign(x: &Tensor) -> Tensor {
        real("softsign", x, |x| x / (x.abs() + 1.0))
    }
    samples { elementwise(softsign, |x| x / (1.0 + x.abs()), -3.0, 3.0) }
}
op! {
    /// A sigmoid of straight pieces: y = min(max(x / 6 + 1/2, 0), 1).
    fn hard_sigmoid(x: &Tensor) -> Tensor {
        real("hard_sigmoid", x, |x| {
            let y = x / 6.0 + 0.5;
            y.max(y.constant(0.0)).min(y.constant(1.0))
        })
    }
    samples { elementwise(hard_sigmoid, |x| (x / 6.0 + 0.5).clamp(0.0, 1.0), -5.0, 5.0) }
}
op! {
    /// y = x hard_sigmoid(x), also called hard swish (Howard et al. 2019).
    fn hard_silu(x: &Tensor) -> Tensor {
        real("hard_silu", x, |x| {
            let y = x / 6.0 + 0.5;
            x * y.max(y.constant(0.0)).min(y.constant(1.0))
        })
    }
    samples { elementwise(hard_silu, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0), -5.0, 5.0) }
}
op! {
    /// y = x hard_sigmoid(x); another name of `hard_silu`.
    fn hard_swish(x: &Tensor) -> Tensor {
        hard_silu(x)
    }
    samples { elementwise(hard_swish, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0), -5.0, 5.0) }
}
op! {
    /// y = min(max(x, -1), 1).
    fn hard_tanh(x: &Tensor) -> Tensor {
        real("hard_tanh", x, |x| x.max(x.constant(-1.0)).min(x.constant(1.0)))
    }
    samples { elementwise(hard_tanh, |x| x.clamp(-1.0, 1.0), -3.0, 3.0) }
}
op! {
    /// y = x tanh(softplus(x)) (Misra 2019).
    fn mish(x: &Tensor) -> Tensor {
        real("mish", x, |x| x * x.logaddexp(x.constant(0.0)).tanh())
    }
    samples { elementwise(mish, |x| x * x.exp().ln_1p().tanh(), -6.0, 6.0) }
}
op! {
    /// y = (x + sqrt(x^2 + b)) / 2 (Barron 2021).
    fn squareplus(x: &Tensor, b: f64 = 4.0) -> Tensor {
        real("squareplus", x, |x| (x + (x * x + b).sqrt()) * 0.5)
    }
    samples { elementwise(|x| squareplus(x, 4.0), |x| (x + (x * x + 4.0).sqrt()) / 2.0, -6.0, 6.0) }
}
op! {
    /// y = x where |x| > threshold, else 0.
    fn hard_shrink(x: &Tensor, threshold: f64 = 0.5) -> Tensor {
        real("hard_shrink", x, |x| or_constant(x.abs().gt(x.constant(threshold)), x, 0.0))
    }
    samples { elementwise(|x| hard_shrink(x, 0.5), |x| if x.abs() > 0.5 { x } else { 0.0 }, -3.0, 3.0) }
}
op! {
    /// y = x - threshold for x > threshold, x + threshold for x < -threshold, else 0.
    fn soft_shrink(x: &Tensor, threshold: f64 = 0.5) -> Tensor {
        real("soft_shrink", x, |x| {
            let below = or_constant(x.lt(x.constant(-threshold)), x + threshold, 0.0);
            Sym::select(x.gt(x.constant(threshold)), x - threshold, below)
        })
    }
    samples { elementwise(|x| soft_shrink(x, 0.5), |x| x.signum() * (x.abs() - 0.5).max(0.0), -3.0, 3.0) }
}
op! {
    /// y = x - tanh(x).
    fn tanh_shrink(x: &Tensor) -> Tensor {
        real("tanh_shrink", x, |x| x - x.tanh())
    }
    samples { elementwise(tanh_shrink, |x| x - x.tanh(), -3.0, 3.0) }
}
op! {
    /// y = x for x > threshold, else `default_value`.
    fn threshold(x: &Tensor, threshold: f64, default_value: f64) -> Tensor {
        real("threshold", x, |x| or_constant(x.gt(x.constant(threshold)) | x.is_nan(), x, default_value))
    }
    samples { elementwise(|x| threshold(x, 0.5, -2.0), |x| if x > 0.5 { x } else { -2.0 }, -3.0, 3.0) }
}
op! {
    /// y = 0 for x <= -1, (x + 1)^2 / 4 for -1 < x < 1, x for x >= 1: the smooth counterpart of sparse_sigmoid.
    fn sparse_plus(x: &Tensor) -> Tensor {
        real("sparse_plus", x, |x| {
            let arc = (x + 1.0).square() * 0.25;
            let low = or_constant(x.gt(x.constant(-1.0)) | x.is_nan(), arc, 0.0);
            Sym::select(x.lt(x.constant(1.0)) | x.is_nan(), low, x)
        })
    }
    samples { elementwise(sparse_plus, |x| if x <= -1.0 { 0.0 } else if x < 1.0 { (x + 1.0).powi(2) / 4.0 } else { x }, -3.0, 3.0) }
}
op! {
    /// y = 0 for x <= -1, (x + 1) / 2 between, 1 for x >= 1.
    fn sparse_sigmoid(x: &Tensor) -> Tensor {
        real("sparse_sigmoid", x, |x| {
            let y = x * 0.5 + 0.5;
            y.max(y.constant(0.0)).min(y.constant(1.0))
        })
    }
    samples { elementwise(sparse_sigmoid, |x| ((x + 1.0) / 2.0).clamp(0.0, 1.0), -3.0, 3.0) }
}
op! {
    /// The gated linear unit: y = a sigmoid(b) for the halves a, b of x along `axis` (Dauphin et al. 2016).
    fn glu(x: &Tensor, axis: i64 = -1) -> Tensor {
        let axis = normalize_axis("glu", axis, x.rank())?;
        let n = x.shape()[axis];
        if !n.is_multiple_of(2) {
            return Err(Error::shape("glu", format!("axis {axis} of shape {:?} must have an even size", x.shape())));
        }
        let (a, b) = (view::narrow(x, axis, 0, n / 2)?, view::narrow(x, axis, n / 2, n / 2)?);
        math::multiply(&a, &sigmoid(&b)?)
    }
    samples {
        use super::samples::{at, from_index, values, whole};
        vec![whole("last axis", values(&[2, 6], -2.0, 2.0, 1), |x| glu(x, -1), |x| from_index(&[2, 3], |i| at(x, i) * logistic(at(x, &[i[0], i[1] + 3]))))]
    }
}
op! {
    /// The projection of each row along `axis` onto the probability simplex: y = max(x - tau, 0), with tau such that
    /// sum y = 1 (Martins and Astudillo 2016).
    fn sparsemax(x: &Tensor, axis: i64 = -1) -> Tensor {
        let x = &math::cast(x, x.dtype().to_float())?;
        let axis = normalize_axis("sparsemax", axis, x.rank())?;
        let tau = rows::simplex_threshold(x, axis)?;
        relu(&math::subtract(x, &tau)?)
    }
    samples {
        use super::samples::{grouped, nd, values};
        vec![Sample::new("rows", vec![values(&[3, 5], -1.0, 1.0, 3)], |x| Ok(vec![sparsemax(&x[0], -1)?]))
            .reference(|x| {
                let x = nd(&x[0]);
                // tau by bisection: sum max(x - tau, 0) falls with tau.
                let (_, tau) = grouped(&x, &[1], true, |row| {
                    let (mut lo, mut hi) = (-10.0, 10.0);
                    for _ in 0..100 {
                        let mid = 0.5 * (lo + hi);
                        if row.iter().map(|v: &f64| (v - mid).max(0.0)).sum::<f64>() > 1.0 { lo = mid } else { hi = mid }
                    }
                    hi
                });
                vec![(x.0.clone(), x.1.iter().enumerate().map(|(e, v)| (v - tau[e / 5]).max(0.0)).collect())]
            })]
    }
}
