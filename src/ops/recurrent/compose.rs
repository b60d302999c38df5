//! The ops as scans over elementary ops: their definition, and the source of gradients of higher order.

use super::{Config, plus};
use crate::args::Axes;
use crate::error::Result;
use crate::kernels::rnn::Cell;
use crate::ops::scan::{Scanned, Steps, scan};
use crate::ops::{activation, concat, elementary, linalg, logic, math, view};
use crate::tensor::Tensor;

/// `[batch, steps, n]` as `[steps, batch, n]` and back.
fn swapped(x: &Tensor) -> Result<Tensor> {
    view::permute(x, &[1, 0, 2])
}

/// Stacked values in the order of computation from those by time, and back.
fn ordered(x: &Tensor, reverse: bool) -> Result<Tensor> {
    if reverse {
        view::flip(x, Axes::from(0))
    } else {
        Ok(x.clone())
    }
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

/// The new states, and the values kept (the gates, and of a GRU the recurrent part of the candidate), from input and
/// recurrent product.
fn step(cell: Cell, x: &Tensor, a: &Tensor, old: &[Tensor]) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let (xs, products) = (parts(x, cell.gates())?, parts(a, cell.gates())?);
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
        let a = plus(&linalg::matmul(&old[0], recurrent)?, recurrent_bias)?;
        let (mut new, mut kept) = step(config.cell, &plus(&s[0], bias)?, &a, old)?;
        let mut y = new[0].clone();
        if let Some(mask) = s.get(1) {
            for (new, old) in new.iter_mut().zip(old) {
                *new = logic::where_(mask, new, old)?;
            }
            for k in &mut kept {
                *k = logic::where_(mask, k, &zeros(k)?)?;
            }
            y = match config.zero_masked {
                true => logic::where_(mask, &y, &zeros(&y)?)?,
                false => new[0].clone(),
            };
        }
        let (gates, more) = kept.split_at(config.cell.saved());
        let mut ys = vec![y];
        if !gates.is_empty() {
            ys.push(joined(gates)?);
        }
        ys.extend_from_slice(old);
        ys.extend_from_slice(more);
        Ok((new, ys))
    };
    let steps = Steps {
        count: x.shape()[1],
        reverse: config.reverse,
    };
    let (last, stacked) = scan(steps, init, &xs, body)?;
    let mut outs = vec![swapped(&ordered(&stacked[0], config.reverse)?)?];
    outs.extend(last);
    for kept in &stacked[1..] {
        outs.push(swapped(kept)?);
    }
    Ok(outs)
}

/// Gradients of inputs, of recurrent products, and of the states before a step as far as they do not
/// go through the weights, from those of the states after it. `before` are the states before it, and of a GRU the
/// recurrent part of the candidate; `kept` the gates, or of a simple recurrence its output.
fn step_back(
    cell: Cell,
    kept: &[Tensor],
    before: &[Tensor],
    d: &[Tensor],
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
pub(super) fn gradient(config: &Config, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let (recurrent, saved) = (&inputs[0], &inputs[1]);
    let simple = config.cell.saved() == 0;
    let timed = 1 + usize::from(config.cell.keeps_more());
    let before = &inputs[2..2 + timed];
    let at = 2 + timed + usize::from(config.given.mask);
    let (gy, init) = (&inputs[at], &inputs[at + 1..]);

    let mut xs = vec![
        ordered(&swapped(gy)?, config.reverse)?,
        ordered(&swapped(saved)?, simple && config.reverse)?,
    ];
    for b in before {
        xs.push(swapped(b)?);
    }
    if config.given.mask {
        xs.push(over_time(&inputs[at - 1])?);
    }
    let transposed = linalg::swap(recurrent)?;
    let body = |d: &[Tensor], s: &[Tensor]| -> Result<Scanned> {
        let kept = parts(&s[1], config.cell.saved().max(1))?;
        let mask = config.given.mask.then(|| &s[2 + timed]);
        let mut gy = s[0].clone();
        if let Some(mask) = mask.filter(|_| config.zero_masked) {
            gy = logic::where_(mask, &gy, &zeros(&gy)?)?;
        }
        let mut total = d.to_vec();
        total[0] = math::add(&d[0], &gy)?;
        let (mut gates, mut recurrent, mut direct) =
            step_back(config.cell, &kept, &s[2..2 + timed], &total)?;
        if let Some(mask) = mask {
            for g in gates.iter_mut().chain(&mut recurrent) {
                *g = logic::where_(mask, g, &zeros(g)?)?;
            }
            for (new, old) in direct.iter_mut().zip(&total) {
                *new = logic::where_(mask, new, old)?;
            }
        }
        let through = joined(&recurrent)?;
        direct[0] = math::add(&direct[0], &linalg::matmul(&through, &transposed)?)?;
        let mut ys = vec![joined(&gates)?];
        if config.cell == Cell::Gru {
            ys.push(recurrent[2].clone());
        }
        Ok((direct, ys))
    };
    let steps = Steps {
        count: gy.shape()[1],
        reverse: !config.reverse,
    };
    let (first, stacked) = scan(steps, init, &xs, body)?;
    let mut outs = stacked.iter().map(swapped).collect::<Result<Vec<_>>>()?;
    outs.extend(first);
    Ok(outs)
}
