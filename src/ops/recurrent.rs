//! Recurrent layers as ops: the recurrence over a whole sequence, and its gradient.
//!
//! `recurrence` gets the inputs times their weights, which is one product for all steps. Its gradient
//! gives the gradients of the gates for all steps; those of the weights are single products of them.
//! Both ops are also written as scans ([`compose`]), from which gradients of higher order come.

mod compose;
mod samples;

use crate::autodiff::backward;
use crate::aval::{Aval, DType, Shape};
use crate::bind::{bind, is_recording, with_recording};
use crate::error::{Error, Result};
use crate::expr::ReduceOp;
use crate::kernels::rnn::{self, Cell, Given, Spec};
use crate::op;
use crate::op::{Avals, Grads, Op, Run, Vjp};
use crate::ops::{concat, linalg, map, reduce, view};
use crate::tensor::Tensor;

/// What both ops know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Config {
    cell: Cell,
    given: Given,
    reverse: bool,
    zero_masked: bool,
}

impl Config {
    fn is_lstm(&self) -> bool {
        self.cell == Cell::Lstm
    }

    fn spec(&self, x: &[usize], units: usize) -> Spec {
        Spec {
            cell: self.cell,
            batch: x[0],
            steps: x[1],
            units,
            reverse: self.reverse,
            zero_masked: self.zero_masked,
        }
    }

    /// Outputs that are kept for the gradient: activations if any, h before each step, and c or the GRU's product.
    fn kept(&self) -> usize {
        1 + usize::from(self.cell.saved() > 0) + usize::from(self.cell.keeps_more())
    }

    /// A number for the forward op with this configuration.
    fn number(&self) -> u64 {
        let bits = [
            self.given.bias,
            self.given.recurrent_bias,
            self.given.mask,
            self.reverse,
            self.zero_masked,
        ];
        let flags = bits.iter().fold(0, |n, &b| n << 1 | u64::from(b));
        1 << 63 | (self.cell as u64) << 8 | flags
    }
}

/// Inputs: x, recurrent weights, h, (c), (bias), (recurrent bias), (mask). Outputs: y, h, (c), and
/// with `keep` what the gradient reads: (activations), h before each step, (c before each step, or of a GRU the
/// recurrent part of the candidate).
#[derive(Debug)]
struct Recurrence {
    config: Config,
    keep: bool,
    lineage: Vec<u64>,
}

impl Recurrence {
    fn new(config: Config, keep: bool) -> Recurrence {
        let plain = config.number();
        let mut lineage = vec![plain];
        if keep {
            lineage.push(plain | 1 << 62);
        }
        Recurrence {
            config,
            keep,
            lineage,
        }
    }

    /// Outputs without what is kept.
    fn results(&self) -> usize {
        2 + usize::from(self.config.is_lstm())
    }
}

impl Op for Recurrence {
    fn name(&self) -> &'static str {
        "recurrence"
    }

    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let (config, dtype) = (&self.config, x[0].dtype);
        let (batch, steps) = (x[0].shape[0], x[0].shape[1]);
        let units = x[1].shape[0];
        let of = |shape: &[usize]| Aval::new(shape, dtype);
        let timed = |n: usize| of(&[batch, steps, n * units]);
        let mut outs: Avals = smallvec::smallvec![timed(1), of(&[batch, units])];
        if config.is_lstm() {
            outs.push(of(&[batch, units]));
        }
        if self.keep {
            if config.cell.saved() > 0 {
                outs.push(timed(config.cell.saved()));
            }
            outs.push(timed(1));
            if config.cell.keeps_more() {
                outs.push(timed(1));
            }
        }
        for a in &outs {
            crate::aval::checked_bytes("recurrence", &a.shape, dtype)?;
        }
        Ok(outs)
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let inputs: Vec<Tensor> = (0..cx.inputs()).map(|i| cx.x(i).clone()).collect();
        let results = self.results();
        let outputs = results + if self.keep { self.config.kept() } else { 0 };
        if (results..outputs).any(|i| cx.g_opt(i).is_some()) {
            return through(cx, |x| compose::forward(&self.config, x));
        }
        let made: Vec<Tensor> = if self.keep {
            (0..outputs).map(|i| cx.y(i)).collect()
        } else {
            bind(Recurrence::new(self.config, true), &refs(&inputs))?.into_vec()
        };
        let config = &self.config;
        let mut operands = vec![inputs[1].clone()];
        let simple = config.cell.saved() == 0;
        operands.extend(simple.then(|| made[0].clone()));
        operands.extend_from_slice(&made[results..]);
        if config.given.mask {
            operands.extend(inputs.last().cloned());
        }
        for i in 0..results {
            operands.push(cx.g(i)?);
        }
        let back = bind(RecurrenceGrad { config: *config }, &refs(&operands))?;
        let (dx, rest) = back.split_first().expect("the gradient of the inputs");
        let (da, states) = match config.cell {
            Cell::Gru => (Some(&rest[0]), &rest[1..]),
            _ => (None, rest),
        };
        let mut grads: Grads = smallvec::smallvec![None; inputs.len()];
        grads[0] = Some(dx.clone());
        if cx.wants(1) {
            // One product over all rows and steps.
            let rows = |t: &Tensor| {
                let n = t.shape()[2];
                view::reshape_to(t, &[t.shape()[0] * t.shape()[1], n])
            };
            let before = linalg::swap(&rows(&operands[2])?)?;
            let to = |g: &Tensor| linalg::matmul(&before, g);
            grads[1] = Some(recurrent_part(
                &rows(dx)?,
                da.map(rows).transpose()?,
                1,
                to,
            )?);
        }
        let mut at = 2;
        for g in states {
            grads[at] = Some(g.clone());
            at += 1;
        }
        let sum = |g: &Tensor| {
            let sum = reduce::reduce(ReduceOp::Sum, g, &[0, 1])?;
            view::reshape_to(&sum, &g.shape()[2..])
        };
        if config.given.bias {
            if cx.wants(at) {
                grads[at] = Some(sum(dx)?);
            }
            at += 1;
        }
        if config.given.recurrent_bias && cx.wants(at) {
            let da = da.map(&sum).transpose()?;
            grads[at] = Some(recurrent_part(&sum(dx)?, da, 0, |g| Ok(g.clone()))?);
        }
        Ok(grads)
    }

    fn run(&self, cx: &mut Run) {
        let units = cx.ins[1].shape()[0];
        let spec = self.config.spec(cx.ins[0].shape(), units);
        rnn::forward(&spec, self.config.given, self.keep, cx.ins, cx.outs);
    }

    /// What is kept of the gates takes the place of what they were computed from; of a simple recurrence, the outputs
    /// if they come in the order of time.
    fn overwrites(&self, i: usize) -> Option<usize> {
        match self.config.cell.saved() {
            0 => (i == 0 && !self.config.reverse).then_some(0),
            _ => (self.keep && i == self.results()).then_some(0),
        }
    }

    fn lineage(&self) -> &[u64] {
        &self.lineage
    }
}

/// Inputs: recurrent weights, activations (of a simple recurrence y), h before each step, (c before each step, or of a
/// GRU the recurrent part of the candidate), (mask), gradients of y, h, (c). Outputs: gradients of x, for a GRU of the
/// recurrent part of the candidate, of the first h and (c).
#[derive(Debug)]
struct RecurrenceGrad {
    config: Config,
}

impl Op for RecurrenceGrad {
    fn name(&self) -> &'static str {
        "recurrence_gradient"
    }

    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let mut gates: Shape = x[2].shape.clone();
        gates[2] = x[0].shape[1];
        let state = Aval::new(&[gates[0], x[0].shape[0]], x[0].dtype);
        let mut outs: Avals = smallvec::smallvec![Aval::new(&gates, x[0].dtype)];
        if self.config.cell == Cell::Gru {
            outs.push(x[2].clone());
        }
        outs.push(state.clone());
        if self.config.is_lstm() {
            outs.push(state);
        }
        Ok(outs)
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        through(cx, |x| compose::gradient(&self.config, x))
    }

    fn run(&self, cx: &mut Run) {
        let units = cx.ins[0].shape()[0];
        let spec = self.config.spec(cx.ins[2].shape(), units);
        rnn::backward(&spec, self.config.given.mask, cx.ins, cx.outs);
    }

    /// The gradients of the gates take the place of what was kept of them (which are by time, as they are; outputs may be
    /// in another order).
    fn overwrites(&self, i: usize) -> Option<usize> {
        let by_time = self.config.cell.saved() > 0 || !self.config.reverse;
        (i == 0 && by_time).then_some(1)
    }
}

/// `f` of the gradient of the recurrent products: `gates`, that of the inputs, but for a GRU's candidate, whose own is
/// `candidate`. The gates lie along `axis` of both.
fn recurrent_part(
    gates: &Tensor,
    candidate: Option<Tensor>,
    axis: usize,
    f: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let Some(candidate) = candidate else {
        return f(gates);
    };
    let others = gates.shape()[axis] - candidate.shape()[axis];
    let parts = vec![f(&view::narrow(gates, axis, 0, others)?)?, f(&candidate)?];
    concat::concatenate(parts, axis as i64)
}

fn refs(tensors: &[Tensor]) -> Vec<&Tensor> {
    tensors.iter().collect()
}

/// The gradients of an op that is the same as `f`, through `f`.
pub(super) fn through(cx: &Vjp, f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Grads> {
    let leaves: Vec<Tensor> = (0..cx.inputs()).map(|i| cx.x(i).leaf()).collect();
    // Recorded even where the gradients themselves are not.
    let outs = with_recording(true, || f(&leaves))?;
    let (mut ys, mut seeds) = (Vec::new(), Vec::new());
    for (i, y) in outs.iter().enumerate() {
        if let Some(g) = cx.g_opt(i).filter(|_| y.node().is_some()) {
            ys.push(y.clone());
            seeds.push(g.clone());
        }
    }
    let wanted: Vec<usize> = (0..leaves.len()).filter(|&i| cx.wants(i)).collect();
    let by: Vec<Tensor> = wanted.iter().map(|&i| leaves[i].clone()).collect();
    let found = backward(&ys, Some(&seeds), &by, is_recording())?;
    let mut grads: Grads = smallvec::smallvec![None; leaves.len()];
    for (i, g) in wanted.into_iter().zip(found) {
        grads[i] = g;
    }
    Ok(grads)
}

fn parse(cell: &str) -> Result<Cell> {
    Ok(match cell {
        "lstm" => Cell::Lstm,
        "gru" => Cell::Gru,
        "tanh" => Cell::Tanh,
        "relu" => Cell::Relu,
        "linear" => Cell::Linear,
        _ => {
            return Err(Error::argument(
                "recurrence",
                format!("cell={cell:?} is not one of lstm, gru, tanh, relu, linear"),
            ));
        }
    })
}

fn expect(name: &str, t: &Tensor, shape: &[usize], dtype: DType) -> Result<()> {
    if t.shape() == shape && t.dtype() == dtype {
        return Ok(());
    }
    Err(Error::shape(
        "recurrence",
        format!(
            "`{name}` is {:?}, but must be {:?}",
            t.aval(),
            Aval::new(shape, dtype)
        ),
    ))
}

op! {
    /// A recurrent layer over a whole sequence, from its inputs times their weights.
    ///
    /// `cell` is `"lstm"` (gates i, f, c, o; states h, c), `"gru"` (gates z, r, h; the reset gate acts
    /// after the product), or the activation of a simple recurrence: `"tanh"`, `"relu"`, `"linear"`.
    /// `x` is `[batch, time, gates units]`, `recurrent_kernel` `[units, gates units]`, each state
    /// `[batch, units]`, biases `[gates units]` (that of the recurrent product differs from the other
    /// only for a GRU), `mask` bool `[batch, time]`: where it is false, states stay as they are.
    ///
    /// Returns the outputs `[batch, time, units]`, in the order in which they were computed, and the
    /// last states. `float32` and `float64`.
    ///
    /// # Errors
    /// `ShapeError`: an array that does not fit; `DTypeError`: another dtype.
    fn recurrence(
        x: &Tensor,
        recurrent_kernel: &Tensor,
        states: Vec<Tensor>,
        cell: String,
        bias: Option<Tensor> = None,
        recurrent_bias: Option<Tensor> = None,
        mask: Option<Tensor> = None,
        go_backwards: bool = false,
        zero_output_for_mask: bool = false,
    ) -> Vec<Tensor> {
        let cell = parse(&cell)?;
        let dtype = x.dtype();
        if dtype != DType::F32 && dtype != DType::F64 {
            return Err(Error::dtype("recurrence", format!("needs float32 or float64, not {dtype}")));
        }
        let (&[batch, time, _], &[units, _]) = (x.shape(), recurrent_kernel.shape()) else {
            return Err(Error::shape("recurrence", format!(
                "`x` must be [batch, time, gates units] and `recurrent_kernel` [units, gates units], not {:?} and {:?}",
                x.shape(), recurrent_kernel.shape(),
            )));
        };
        let wide = cell.gates() * units;
        expect("x", x, &[batch, time, wide], dtype)?;
        expect("recurrent_kernel", recurrent_kernel, &[units, wide], dtype)?;
        if states.len() != 1 + usize::from(cell == Cell::Lstm) {
            return Err(Error::argument("recurrence", format!("{} states for {cell:?}", states.len())));
        }
        for s in &states {
            expect("states", s, &[batch, units], dtype)?;
        }
        for b in bias.iter().chain(&recurrent_bias) {
            expect("bias", b, &[wide], dtype)?;
        }
        if let Some(m) = &mask {
            expect("mask", m, &[batch, time], DType::Bool)?;
        }
        let config = Config {
            cell,
            given: Given { bias: bias.is_some(), recurrent_bias: recurrent_bias.is_some(), mask: mask.is_some() },
            reverse: go_backwards,
            zero_masked: zero_output_for_mask,
        };
        let mut inputs = vec![x.clone(), recurrent_kernel.clone()];
        inputs.extend(states);
        inputs.extend([bias, recurrent_bias, mask].into_iter().flatten());
        // On the tape what the gradient needs is kept at once; in a trace the compiler sees to it.
        let taped = is_recording() && inputs.iter().any(|t| t.node().is_some());
        let keep = taped && !inputs.iter().any(Tensor::is_traced);
        let op = Recurrence::new(config, keep);
        let results = op.results();
        let mut outs = bind(op, &refs(&inputs))?.into_vec();
        outs.truncate(results);
        Ok(outs)
    }
    samples { samples::all() }
}

/// `a + b`, where there is a `b`.
fn plus(a: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    b.map_or_else(|| Ok(a.clone()), |b| map::add(a, b))
}
