//! Two ops in a crate that uses rustdl: an elementwise expression, and a kernel with a gradient of its own.
//!
//! Both are registered like those of rustdl: they run eagerly and in compiled graphs, are differentiated to any order,
//! and appear in `rustdl::op::registry()` with their samples, from which tests are made.

use rustdl::aval::Aval;
use rustdl::bind::bind1;
use rustdl::error::{Error, Result};
use rustdl::expr::{BinOp, UnOp};
use rustdl::op::{Avals, Grads, Op, Run, Sample, Vjp};
use rustdl::ops::map;
use rustdl::tensor::Tensor;

rustdl::op! {
    extern
    /// Snake, x + sin(x)^2 (Ziyin et al. 2020): an expression needs no gradient rule.
    fn snake(x: &Tensor) -> Tensor {
        map::unary("snake", x, |b, x| {
            let s = b.un(UnOp::Sin, x);
            let s2 = b.un(UnOp::Square, s);
            b.bin(BinOp::Add, x, s2)
        })
    }
    samples {
        vec![Sample::new("plain", vec![Tensor::from_slice(&[-1.0f64, 0.5, 2.0], &[3]).expect("a small tensor")], |x| Ok(vec![snake(&x[0])?]))]
    }
}

/// The differences of neighbours in the last axis, y_i = x_(i+1) - x_i, or the transpose of that map.
#[derive(Debug)]
struct Neighbours {
    transposed: bool,
}

impl Op for Neighbours {
    fn name(&self) -> &'static str {
        "neighbours"
    }

    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let mut shape = x[0].shape.clone();
        match shape.last_mut() {
            Some(n) if self.transposed => *n += 1,
            Some(n) if *n > 0 => *n -= 1,
            _ => {
                return Err(Error::shape(
                    "neighbours",
                    "needs a last axis with at least one element",
                ));
            }
        }
        if x[0].dtype != rustdl::aval::DType::F64 {
            return Err(Error::dtype(
                "neighbours",
                format!("computes float64, not {}", x[0].dtype),
            ));
        }
        Ok(rustdl::op::one(shape, x[0].dtype))
    }

    // A linear map: its gradient is the transpose, whose gradient is the map again, so any order is covered.
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let back = Neighbours {
            transposed: !self.transposed,
        };
        Ok(Grads::from_iter([Some(bind1(back, &[&cx.g(0)?])?)]))
    }

    fn run(&self, cx: &mut Run) {
        let x = cx.ins[0].slice::<f64>();
        let (n, m) = (last(cx.ins[0].shape()), last(cx.outs[0].shape()));
        let y = cx.outs[0].slice_mut::<f64>();
        if n == 0 || m == 0 {
            return y.fill(0.0);
        }
        for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(m)) {
            if self.transposed {
                y.fill(0.0);
                for (i, g) in x.iter().enumerate() {
                    y[i] -= g;
                    y[i + 1] += g;
                }
            } else {
                for i in 0..m {
                    y[i] = x[i + 1] - x[i];
                }
            }
        }
    }
}

fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

rustdl::op! {
    extern
    /// The differences of neighbours in the last axis: y_i = x_(i+1) - x_i.
    fn neighbours(x: &Tensor) -> Tensor {
        bind1(Neighbours { transposed: false }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustdl::autodiff::backward;
    use rustdl::graph;

    #[test]
    fn values_gradients_and_compiled_graphs() -> Result<()> {
        let x = Tensor::from_slice(&[1.0f64, 4.0, 9.0, 16.0], &[4])?;
        assert_eq!(neighbours(&x)?.to_vec::<f64>()?, [3.0, 5.0, 7.0]);

        let leaf = x.leaf();
        let y = neighbours(&leaf)?;
        let loss = y.multiply(&y)?;
        let g = backward(&[loss], None, std::slice::from_ref(&leaf), false)?;
        assert_eq!(
            g[0].as_ref().expect("connected").to_vec::<f64>()?,
            [-6.0, -4.0, -4.0, 14.0]
        );

        let symbol = Tensor::placeholder(x.shape(), x.dtype())?;
        let plan = graph::compile(
            std::slice::from_ref(&symbol),
            &[snake(&neighbours(&symbol)?)?],
        )?;
        let got = plan.run(std::slice::from_ref(&x))?[0].to_vec::<f64>()?;
        for (g, d) in got.iter().zip([3.0f64, 5.0, 7.0]) {
            assert!((g - (d + d.sin().powi(2))).abs() < 1e-14);
        }
        Ok(())
    }

    #[test]
    fn both_are_in_the_registry() {
        let names: Vec<&str> = rustdl::op::registry().iter().map(|e| e.name).collect();
        assert!(names.contains(&"snake") && names.contains(&"neighbours"));
    }
}
