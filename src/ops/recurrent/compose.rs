//! The ops as scans over elementary ops: their definition, and the source of gradients of higher order.

use super::{Config, plus};
use crate::error::Result;
use crate::expr::ReduceOp;
use crate::kernels::rnn::{Asked, Cell};
use crate::ops::scan::{Scanned, Steps, scan};
use crate::ops::{activation, concat, elementary, linalg, logic, math, reduce, view};
use crate::tensor::Tensor;

/// `[batch, steps, n]` as `[steps, batch, n]` and back.
fn swapped(x: &Tensor) -> Result<Tensor> {
    view::permute(x, &[1, 0, 2])
}

/// The states before each step from those after it, `[batch, steps, units]` by time, and the first.
fn shifted(states: &Tensor, first: &Tensor, reverse: bool) -> Result<Tensor> {
    let &[batch, steps, units] = states.shape() else {
        unreachable!("three axes")
    };
    if steps == 0 {
        return Ok(states.clone());
    }
    let others = view::narrow(states, 1, usize::from(reverse), steps - 1)?;
    let mut parts = vec![view::reshape_to(first, &[batch, 1, units])?, others];
    if reverse {
        parts.swap(0, 1);
    }
    concat::concatenate(parts, 1)
}

/// `[batch, steps, n]` as a matrix.
fn rows(x: &Tensor) -> Result<Tensor> {
    let &[batch, steps, n] = x.shape() else {
        unreachable!("three axes")
    };
    view::reshape_to(x, &[batch * steps, n])
}

/// The sums over batch and steps.
fn column_sums(x: &Tensor) -> Result<Tensor> {
    let sums = reduce::reduce(ReduceOp::Sum, x, &[0, 1])?;
    view::reshape_to(&sums, &x.shape()[2..])
}

/// The mask as `[steps, batch, 1]`.
fn over_time(mask: &Tensor) -> Result<Tensor> {
    let (batch, steps) = (mask.shape()[0], mask.shape()[1]);
    view::reshape_to(&view::permute(mask, &[1, 0])?, &[steps, batch, 1])
}

/// The `n` equal parts of the last axis of a matrix.
fn parts(x: &Tensor, n: usize) -> Result<Vec<Tensor>> {
    let width = x.shape()[1] / n;
    (0..n)
        .map(|i| view::narrow(x, 1, i * width, width))
        .collect()
}

fn joined(parts: &[Tensor]) -> Result<Tensor> {
    concat::concatenate(parts.to_vec(), 1)
}

fn zeros(like: &Tensor) -> Result<Tensor> {
    Tensor::full(like.shape(), 0.0, like.dtype())
}

fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    math::multiply(a, b)
}

/// `s (1 - s)`
fn sigmoid_slope(s: &Tensor) -> Result<Tensor> {
    math::subtract(s, &product(s, s)?)
}

/// `g (1 - t^2)`
fn by_tanh_slope(g: &Tensor, t: &Tensor) -> Result<Tensor> {
    math::subtract(g, &product(g, &product(t, t)?)?)
}

/// The new states, and the values kept (the gates, and of a GRU the recurrent part of the candidate, or the state after the
/// reset), from the input and the states before; `product(h, from, to)` is the recurrent product of gates `from..to`.
fn step(
    cell: Cell,
    x: &Tensor,
    product_of: impl Fn(&Tensor, (usize, usize)) -> Result<Tensor>,
    old: &[Tensor],
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let first = cell.products()[0];
    let xs = parts(x, cell.gates())?;
    let products = parts(&product_of(&old[0], first)?, first.1)?;
    let total = |g: usize| math::add(&xs[g], &products[g]);
    Ok(match cell {
        Cell::Lstm => {
            let (i, f) = (
                activation::sigmoid(&total(0)?)?,
                activation::sigmoid(&total(1)?)?,
            );
            let (g, o) = (
                elementary::tanh(&total(2)?)?,
                activation::sigmoid(&total(3)?)?,
            );
            let c = math::add(&product(&i, &g)?, &product(&f, &old[1])?)?;
            let h = product(&o, &elementary::tanh(&c)?)?;
            (vec![h, c], vec![i, f, g, o])
        }
        Cell::Gru => {
            let (z, r) = (
                activation::sigmoid(&total(0)?)?,
                activation::sigmoid(&total(1)?)?,
            );
            let a = products[2].clone();
            let t = elementary::tanh(&math::add(&xs[2], &product(&r, &a)?)?)?;
            let h = math::add(&t, &product(&z, &math::subtract(&old[0], &t)?)?)?;
            (vec![h], vec![z, r, t, a])
        }
        Cell::GruResetBefore => {
            let (z, r) = (
                activation::sigmoid(&total(0)?)?,
                activation::sigmoid(&total(1)?)?,
            );
            let reset = product(&r, &old[0])?;
            let t = elementary::tanh(&math::add(&xs[2], &product_of(&reset, (2, 3))?)?)?;
            let h = math::add(&t, &product(&z, &math::subtract(&old[0], &t)?)?)?;
            (vec![h], vec![z, r, t, reset])
        }
        Cell::Tanh => (vec![elementary::tanh(&total(0)?)?], vec![]),
        Cell::Relu => (vec![activation::relu(&total(0)?)?], vec![]),
        Cell::Linear => (vec![total(0)?], vec![]),
    })
}

/// What [`super::Recurrence`] with `keep` computes.
pub(super) fn forward(config: &Config, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let states = 1 + usize::from(config.is_lstm());
    let (x, recurrent, init) = (&inputs[0], &inputs[1], &inputs[2..2 + states]);
    let mut rest = inputs[2 + states..].iter();
    let bias = config.given.bias.then(|| rest.next()).flatten();
    let recurrent_bias = config.given.recurrent_bias.then(|| rest.next()).flatten();
    let mask = config.given.mask.then(|| rest.next()).flatten();

    let mut xs = vec![swapped(x)?];
    if let Some(mask) = mask {
        xs.push(over_time(mask)?);
    }
    let body = |old: &[Tensor], s: &[Tensor]| -> Result<Scanned> {
        let product = |h: &Tensor, (from, to): (usize, usize)| {
            let units = recurrent.shape()[0];
            let of = |x: &Tensor, axis| view::narrow(x, axis, from * units, (to - from) * units);
            let bias = recurrent_bias.map(|b| of(b, 0)).transpose()?;
            plus(&linalg::matmul(h, &of(recurrent, 1)?)?, bias.as_ref())
        };
        let (mut new, mut kept) = step(config.cell, &plus(&s[0], bias)?, product, old)?;
        if let Some(mask) = s.get(1) {
            for (new, old) in new.iter_mut().zip(old) {
                *new = logic::where_(mask, new, old)?;
            }
            for k in &mut kept {
                *k = logic::where_(mask, k, &zeros(k)?)?;
            }
        }
        let (gates, more) = kept.split_at(config.cell.saved());
        let mut ys = vec![new[0].clone()];
        if !gates.is_empty() {
            ys.push(joined(gates)?);
        }
        ys.extend_from_slice(&old[1..]);
        ys.extend_from_slice(more);
        if config.zero_masked {
            ys.push(new[0].clone());
            ys[0] = logic::where_(&s[1], &new[0], &zeros(&new[0])?)?;
        }
        Ok((new, ys))
    };
    let steps = Steps {
        count: x.shape()[1],
        reverse: config.reverse,
    };
    let (last, stacked) = scan(steps, init, &xs, body)?;
    let mut outs = vec![swapped(&stacked[0])?];
    outs.extend(last);
    for kept in &stacked[1..] {
        outs.push(swapped(kept)?);
    }
    Ok(outs)
}

/// Gradients of inputs, of the first recurrent product, and of the states before a step as far as they do not
/// go through that, from those of the states after it. `before` are the states before it, and of a GRU what else is kept;
/// `kept` the gates, or of a simple recurrence its output. `back(g, from)` is the gradient of what was multiplied with the
/// weights of the gates from `from` on, from g, those of their products.
fn step_back(
    cell: Cell,
    kept: &[Tensor],
    before: &[Tensor],
    d: &[Tensor],
    back: impl Fn(&Tensor, usize) -> Result<Tensor>,
) -> Result<(Vec<Tensor>, Vec<Tensor>, Vec<Tensor>)> {
    let dh = &d[0];
    Ok(match cell {
        Cell::Lstm => {
            let [i, f, g, o] = kept else {
                unreachable!("four gates")
            };
            let c = math::add(&product(i, g)?, &product(f, &before[1])?)?;
            let t = elementary::tanh(&c)?;
            let dc = math::add(&d[1], &by_tanh_slope(&product(dh, o)?, &t)?)?;
            let gates = vec![
                product(&product(&dc, g)?, &sigmoid_slope(i)?)?,
                product(&product(&dc, &before[1])?, &sigmoid_slope(f)?)?,
                by_tanh_slope(&product(&dc, i)?, g)?,
                product(&product(dh, &t)?, &sigmoid_slope(o)?)?,
            ];
            (gates.clone(), gates, vec![zeros(dh)?, product(&dc, f)?])
        }
        Cell::Gru => {
            let ([z, r, t], a) = (kept, &before[1]) else {
                unreachable!("three gates")
            };
            let dz = product(
                &product(dh, &math::subtract(&before[0], t)?)?,
                &sigmoid_slope(z)?,
            )?;
            let through = math::subtract(dh, &product(dh, z)?)?;
            let dt = by_tanh_slope(&through, t)?;
            let dr = product(&product(&dt, a)?, &sigmoid_slope(r)?)?;
            let recurrent = vec![dz.clone(), dr.clone(), product(&dt, r)?];
            (vec![dz, dr, dt], recurrent, vec![product(dh, z)?])
        }
        Cell::GruResetBefore => {
            let [z, r, t] = kept else {
                unreachable!("three gates")
            };
            let dz = product(
                &product(dh, &math::subtract(&before[0], t)?)?,
                &sigmoid_slope(z)?,
            )?;
            let dt = by_tanh_slope(&math::subtract(dh, &product(dh, z)?)?, t)?;
            let reset = back(&dt, 2)?;
            let dr = product(&product(&reset, &before[0])?, &sigmoid_slope(r)?)?;
            let direct = math::add(&product(dh, z)?, &product(&reset, r)?)?;
            (vec![dz.clone(), dr.clone(), dt], vec![dz, dr], vec![direct])
        }
        Cell::Tanh => {
            let g = by_tanh_slope(dh, &kept[0])?;
            (vec![g.clone()], vec![g], vec![zeros(dh)?])
        }
        Cell::Relu => {
            let on = logic::greater(&kept[0], &zeros(dh)?)?;
            let g = logic::where_(&on, dh, &zeros(dh)?)?;
            (vec![g.clone()], vec![g], vec![zeros(dh)?])
        }
        Cell::Linear => (vec![dh.clone()], vec![dh.clone()], vec![zeros(dh)?]),
    })
}

/// What [`super::RecurrenceGrad`] computes.
pub(super) fn gradient(config: &Config, asked: Asked, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let cell = config.cell;
    let (recurrent, first, states) = (&inputs[0], &inputs[1], &inputs[2]);
    let before = shifted(states, first, config.reverse)?;
    let mut rest = inputs[3..].iter();
    let saved = match cell.saved() {
        0 => states,
        _ => rest.next().expect("activations"),
    };
    // By time: activations, the states before each step, the mask, and the gradients of the outputs.
    let mut xs = vec![swapped(saved)?, swapped(&before)?];
    let more = cell.keeps_more().then(|| rest.next()).flatten();
    if let Some(more) = more {
        xs.push(swapped(more)?);
    }
    let timed = xs.len();
    if config.given.mask {
        xs.push(over_time(rest.next().expect("the mask"))?);
    }
    if asked.outputs {
        xs.push(swapped(rest.next().expect("gradients of the outputs"))?);
    }
    let init = rest.as_slice();
    let back = |g: &Tensor, from: usize| {
        let at = from * recurrent.shape()[0];
        let weights = view::narrow(recurrent, 1, at, g.shape()[1])?;
        linalg::matmul(g, &linalg::swap(&weights)?)
    };
    let body = |d: &[Tensor], s: &[Tensor]| -> Result<Scanned> {
        let kept = parts(&s[0], cell.saved().max(1))?;
        let mask = config.given.mask.then(|| &s[timed]);
        let mut total = d.to_vec();
        if asked.outputs {
            let mut gy = s[s.len() - 1].clone();
            if let Some(mask) = mask.filter(|_| config.zero_masked) {
                gy = logic::where_(mask, &gy, &zeros(&gy)?)?;
            }
            total[0] = math::add(&d[0], &gy)?;
        }
        let (mut gates, mut recurrent, mut direct) =
            step_back(cell, &kept, &s[1..timed], &total, back)?;
        if let Some(mask) = mask {
            for g in gates.iter_mut().chain(&mut recurrent) {
                *g = logic::where_(mask, g, &zeros(g)?)?;
            }
            for (new, old) in direct.iter_mut().zip(&total) {
                *new = logic::where_(mask, new, old)?;
            }
        }
        direct[0] = math::add(&direct[0], &back(&joined(&recurrent)?, 0)?)?;
        let mut ys = vec![joined(&gates)?];
        if cell.resets_product() {
            ys.push(recurrent[2].clone());
        }
        Ok((direct, ys))
    };
    let steps = Steps {
        count: states.shape()[1],
        reverse: !config.reverse,
    };
    let (last, stacked) = scan(steps, init, &xs, body)?;
    let mut outs = stacked.iter().map(swapped).collect::<Result<Vec<_>>>()?;
    // The gradients of all recurrent products, side by side.
    let products = match cell.resets_product() {
        true => {
            let shared = outs[0].shape()[2] - outs[1].shape()[2];
            concat::concatenate(
                vec![view::narrow(&outs[0], 2, 0, shared)?, outs[1].clone()],
                2,
            )?
        }
        false => outs[0].clone(),
    };
    let gates = outs[0].clone();
    outs.extend(last);
    if asked.weights {
        let by = |states: &Tensor, (from, to): (usize, usize)| {
            let units = states.shape()[2];
            let g = view::narrow(&products, 2, from * units, (to - from) * units)?;
            linalg::matmul(&linalg::swap(&rows(states)?)?, &rows(&g)?)
        };
        // A second product is of the states after the reset.
        let multiplied = std::iter::once(&before).chain(more);
        let parts = multiplied.zip(cell.products()).map(|(h, &p)| by(h, p));
        outs.push(joined(&parts.collect::<Result<Vec<_>>>()?)?);
    }
    if asked.biases {
        outs.push(column_sums(&gates)?);
    }
    if asked.biases && cell.resets_product() {
        outs.push(column_sums(&products)?);
    }
    Ok(outs)
}
