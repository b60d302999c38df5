//! Recurrent layers as ops: the recurrence over a whole sequence, and its gradient.
//!
//! `recurrence` gets the inputs times their weights, which is one product for all steps. Its gradient
//! gives the gradients of the gates for all steps; those of the weights are single products of them.
//! Both ops are also written as scans ([`compose`]), from which gradients of higher order come.

mod compose;
mod samples;

use crate::args::Axes;
use crate::autodiff::backward;
use crate::aval::{Aval, DType, Shape};
use crate::bind::{bind, is_recording, with_recording};
use crate::error::{Error, Result};
use crate::kernels::rnn::{self, Asked, Cell, Given, Spec};
use crate::op;
use crate::op::{Avals, Grads, Op, Run, Vjp};
use crate::ops::{map, view};
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

    /// The kernel's sizes, from those of an array `[batch, steps, ..]`.
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

    /// The sizes, in units, of the outputs `[batch, steps, ..]` that are kept for the gradient.
    fn kept(&self) -> impl Iterator<Item = usize> {
        let (saved, more) = (self.cell.saved(), usize::from(self.cell.keeps_more()));
        let sizes = [saved, more, usize::from(self.zero_masked)];
        sizes.into_iter().filter(|&n| n > 0)
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

/// Inputs: x, recurrent weights, h, (c), (bias), (recurrent bias), (mask). Outputs: y by the time of its input, h, (c), and
/// with `keep` what the gradient reads besides: (activations), (c before each step, or of a GRU the recurrent part of the
/// candidate or the state after the reset), (h after each step, where y has zeros for masked ones).
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
            outs.extend(config.kept().map(timed));
        }
        for a in &outs {
            crate::aval::checked_bytes("recurrence", &a.shape, dtype)?;
        }
        Ok(outs)
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let inputs: Vec<Tensor> = (0..cx.inputs()).map(|i| cx.x(i).clone()).collect();
        let results = self.results();
        let outputs = cx.outputs();
        if (results..outputs).any(|i| cx.g_opt(i).is_some()) {
            return through(cx, |x| compose::forward(&self.config, x));
        }
        let made: Vec<Tensor> = if self.keep {
            (0..outputs).map(|i| cx.y(i)).collect()
        } else {
            bind(Recurrence::new(self.config, true), &refs(&inputs))?.into_vec()
        };
        let (config, states) = (self.config, results - 1);
        let given = config.given;
        let biases = 2 + states;
        let has_bias = biases..biases + usize::from(given.bias) + usize::from(given.recurrent_bias);
        let asked = Asked {
            outputs: cx.g_opt(0).is_some(),
            weights: cx.wants(1),
            biases: has_bias.clone().any(|i| cx.wants(i)),
        };
        let mut kept = made[results..].to_vec();
        let after = match config.zero_masked {
            true => kept.pop().expect("the states"),
            false => made[0].clone(),
        };
        let mut operands = vec![inputs[1].clone(), inputs[2].clone(), after];
        operands.extend(kept);
        operands.extend(given.mask.then(|| inputs[inputs.len() - 1].clone()));
        for i in usize::from(!asked.outputs)..results {
            operands.push(cx.g(i)?);
        }
        let mut back = bind(RecurrenceGrad { config, asked }, &refs(&operands))?.into_iter();
        let mut grads: Grads = smallvec::smallvec![None; inputs.len()];
        grads[0] = back.next();
        if config.cell.resets_product() {
            back.next();
        }
        for i in 0..states {
            grads[2 + i] = back.next();
        }
        if asked.weights {
            grads[1] = back.next();
        }
        let sums: Vec<Tensor> = back.collect();
        if given.bias {
            grads[biases] = sums.first().cloned();
        }
        if given.recurrent_bias {
            grads[has_bias.end - 1] = sums.last().cloned();
        }
        Ok(grads)
    }

    fn run(&self, cx: &mut Run) {
        let units = cx.ins[1].shape()[0];
        let spec = self.config.spec(cx.ins[0].shape(), units);
        rnn::forward(&spec, self.config.given, self.keep, cx.ins, cx.outs);
    }

    /// What is kept of the gates takes the place of what they were computed from; of a simple recurrence, the outputs.
    fn overwrites(&self, i: usize) -> Option<usize> {
        match self.config.cell.saved() {
            0 => (i == 0).then_some(0),
            _ => (self.keep && i == self.results()).then_some(0),
        }
    }

    fn lineage(&self) -> &[u64] {
        &self.lineage
    }
}

/// Inputs: recurrent weights, first h, h after each step, (activations), (c before each step, or of a GRU the recurrent part
/// of the candidate), (mask), gradients of (y), h, (c). Outputs: gradients of x, for a GRU of the recurrent part of the
/// candidate, of the first h and (c), (of the recurrent weights), (of the bias, and for a GRU of the recurrent bias). "A GRU" is one that resets after the product; one that resets before
/// it keeps the states after the reset, and has no gradients of its own for the recurrent part of the candidate.
#[derive(Debug)]
struct RecurrenceGrad {
    config: Config,
    asked: Asked,
}

impl Op for RecurrenceGrad {
    fn name(&self) -> &'static str {
        "recurrence_gradient"
    }

    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let (weights, first, states) = (&x[0], &x[1], &x[2]);
        let mut gates: Shape = states.shape.clone();
        gates[2] = weights.shape[1];
        let bias = Aval::new(&gates[2..], weights.dtype);
        let resets = self.config.cell.resets_product();
        let mut outs: Avals = smallvec::smallvec![Aval::new(&gates, weights.dtype)];
        outs.extend(resets.then(|| states.clone()));
        outs.push(first.clone());
        outs.extend(self.config.is_lstm().then(|| first.clone()));
        outs.extend(self.asked.weights.then(|| weights.clone()));
        outs.extend(self.asked.biases.then(|| bias.clone()));
        outs.extend((self.asked.biases && resets).then_some(bias));
        Ok(outs)
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        through(cx, |x| compose::gradient(&self.config, self.asked, x))
    }

    fn run(&self, cx: &mut Run) {
        let units = cx.ins[0].shape()[0];
        let spec = self.config.spec(cx.ins[2].shape(), units);
        rnn::backward(&spec, self.config.given.mask, self.asked, cx.ins, cx.outs);
    }

    /// The gradients of the gates, and of the product that a GRU resets, take the place of what was kept of them; of a
    /// simple recurrence, that of the outputs' gradients.
    fn overwrites(&self, i: usize) -> Option<usize> {
        match (i, self.config.cell.saved()) {
            (0, 0) => self
                .asked
                .outputs
                .then_some(3 + usize::from(self.config.given.mask)),
            (0, _) => Some(3),
            (1, _) => self.config.cell.resets_product().then_some(4),
            _ => None,
        }
    }
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
        "gru_reset_before" => Cell::GruResetBefore,
        "tanh" => Cell::Tanh,
        "relu" => Cell::Relu,
        "linear" => Cell::Linear,
        _ => {
            return Err(Error::argument(
                "recurrence",
                format!(
                    "cell={cell:?} is not one of lstm, gru, gru_reset_before, tanh, relu, linear"
                ),
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
    /// after the product), `"gru_reset_before"` (before it), or the activation of a simple recurrence: `"tanh"`, `"relu"`, `"linear"`.
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
            zero_masked: zero_output_for_mask && mask.is_some(),
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
        if go_backwards {
            outs[0] = view::flip(&outs[0], Axes::from(1))?;
        }
        Ok(outs)
    }
    samples { samples::all() }
}

/// `a + b`, where there is a `b`.
fn plus(a: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    b.map_or_else(|| Ok(a.clone()), |b| map::add(a, b))
}
