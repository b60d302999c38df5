//! Calls from which tests are made, with a reference in plain loops.

use super::recurrence;
use crate::op::Sample;
use crate::ops::samples::{Nd, bools, nd, values};
use crate::tensor::Tensor;

/// What is special about a case.
#[derive(Clone, Copy)]
struct Case {
    label: &'static str,
    cell: &'static str,
    batch: usize,
    steps: usize,
    units: usize,
    biases: usize,
    mask: bool,
    reverse: bool,
    zero: bool,
    /// Without the outputs: the last states alone.
    last: bool,
}

impl Case {
    fn gates(&self) -> usize {
        match self.cell {
            "lstm" => 4,
            "gru" | "gru_reset_before" => 3,
            _ => 1,
        }
    }
    fn states(&self) -> usize {
        1 + usize::from(self.cell == "lstm")
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The new states of one unit from inputs and recurrent products of its gates.
fn cell(name: &str, x: &[f64], a: &[f64], old: &[f64]) -> Vec<f64> {
    match name {
        "lstm" => {
            let z = |g: usize| x[g] + a[g];
            let c = sigmoid(z(1)) * old[1] + sigmoid(z(0)) * z(2).tanh();
            vec![sigmoid(z(3)) * c.tanh(), c]
        }
        "gru" => {
            let (z, r) = (sigmoid(x[0] + a[0]), sigmoid(x[1] + a[1]));
            vec![z * old[0] + (1.0 - z) * (x[2] + r * a[2]).tanh()]
        }
        "gru_reset_before" => {
            let z = sigmoid(x[0] + a[0]);
            vec![z * old[0] + (1.0 - z) * (x[2] + a[2]).tanh()]
        }
        "tanh" => vec![(x[0] + a[0]).tanh()],
        "relu" => vec![(x[0] + a[0]).max(0.0)],
        _ => vec![x[0] + a[0]],
    }
}

fn by_hand(case: Case, inputs: &[Tensor]) -> Vec<Nd> {
    let v: Vec<Nd> = inputs.iter().map(nd).collect();
    let (units, gates, states) = (case.units, case.gates(), case.states());
    let wide = gates * units;
    let bias = |k: usize, column: usize| match k < case.biases {
        true => v[2 + states + k].1[column],
        false => 0.0,
    };
    let mut now: Vec<Vec<f64>> = v[2..2 + states].iter().map(|s| s.1.clone()).collect();
    let mut y = vec![0.0; case.batch * case.steps * units];
    for s in 0..case.steps {
        let t = if case.reverse { case.steps - 1 - s } else { s };
        let old = now.clone();
        for b in 0..case.batch {
            let on = !case.mask || v[v.len() - 1].1[b * case.steps + t] != 0.0;
            for u in 0..units {
                let place = b * units + u;
                if on {
                    let input = |column: usize| {
                        v[0].1[(b * case.steps + t) * wide + column] + bias(0, column)
                    };
                    let h = |k: usize| old[0][b * units + k];
                    let product = |h: &dyn Fn(usize) -> f64, column: usize| {
                        let terms = (0..units).map(|k| h(k) * v[1].1[k * wide + column]);
                        terms.sum::<f64>() + bias(1, column)
                    };
                    let reset =
                        |k: usize| h(k) * sigmoid(input(units + k) + product(&h, units + k));
                    let (mut x, mut a) = (Vec::new(), Vec::new());
                    for g in 0..gates {
                        let resets = case.cell == "gru_reset_before" && g == 2;
                        x.push(input(g * units + u));
                        a.push(product(if resets { &reset } else { &h }, g * units + u));
                    }
                    let before: Vec<f64> = old.iter().map(|o| o[place]).collect();
                    for (state, new) in now.iter_mut().zip(cell(case.cell, &x, &a, &before)) {
                        state[place] = new;
                    }
                }
                let output = if on || !case.zero { now[0][place] } else { 0.0 };
                y[(b * case.steps + s) * units + u] = output;
            }
        }
    }
    let mut outs = vec![(vec![case.batch, case.steps, units], y)];
    outs.extend(now.into_iter().map(|s| (vec![case.batch, units], s)));
    outs.split_off(usize::from(case.last))
}

fn sample(case: Case) -> Sample {
    let (b, t, u, wide) = (
        case.batch,
        case.steps,
        case.units,
        case.gates() * case.units,
    );
    let mut inputs = vec![
        values(&[b, t, wide], -0.9, 0.9, 1),
        values(&[u, wide], -0.9, 0.9, 2),
    ];
    for k in 0..case.states() {
        inputs.push(values(&[b, u], -0.9, 0.9, 3 + k as u64));
    }
    for k in 0..case.biases {
        inputs.push(values(&[wide], -0.5, 0.5, 5 + k as u64));
    }
    if case.mask {
        // The second row has a gap; the others end early.
        let keep: Vec<bool> = (0..b * t)
            .map(|i| {
                if i / t == 1 {
                    i % t != 1
                } else {
                    i % t + 1 < t
                }
            })
            .collect();
        inputs.push(bools(&keep, &[b, t]));
    }
    let states = case.states();
    let call = move |x: &[Tensor]| {
        let mut rest = x[2 + states..].iter().cloned();
        let bias = (case.biases > 0).then(|| rest.next()).flatten();
        let recurrent = (case.biases > 1).then(|| rest.next()).flatten();
        let mut outs = recurrence(
            &x[0],
            &x[1],
            x[2..2 + states].to_vec(),
            case.cell.to_string(),
            bias,
            recurrent,
            rest.next(),
            case.reverse,
            case.zero,
        )?;
        Ok(outs.split_off(usize::from(case.last)))
    };
    Sample::new(case.label, inputs, call).reference(move |x| by_hand(case, x))
}

/// All cases.
pub(super) fn all() -> Vec<Sample> {
    let plain = Case {
        label: "lstm",
        cell: "lstm",
        batch: 2,
        steps: 3,
        units: 2,
        biases: 1,
        mask: false,
        reverse: false,
        zero: false,
        last: false,
    };
    let cases = [
        plain,
        Case {
            label: "lstm masked, backwards",
            mask: true,
            reverse: true,
            ..plain
        },
        Case {
            label: "lstm without bias, one step",
            biases: 0,
            steps: 1,
            ..plain
        },
        Case {
            label: "lstm without steps",
            steps: 0,
            ..plain
        },
        Case {
            label: "lstm masked with zeros, backwards, its last states",
            mask: true,
            reverse: true,
            zero: true,
            last: true,
            ..plain
        },
        Case {
            label: "gru",
            cell: "gru",
            biases: 2,
            ..plain
        },
        Case {
            label: "gru masked with zeros",
            cell: "gru",
            biases: 1,
            mask: true,
            zero: true,
            ..plain
        },
        Case {
            label: "gru backwards",
            cell: "gru",
            biases: 0,
            reverse: true,
            ..plain
        },
        Case {
            label: "gru masked, its last state",
            cell: "gru",
            biases: 2,
            mask: true,
            last: true,
            ..plain
        },
        Case {
            label: "gru that resets before the product",
            cell: "gru_reset_before",
            units: 3,
            ..plain
        },
        Case {
            label: "gru that resets before the product, two biases, masked with zeros, backwards",
            cell: "gru_reset_before",
            biases: 2,
            mask: true,
            reverse: true,
            zero: true,
            ..plain
        },
        Case {
            label: "gru that resets before the product, masked, its last state",
            cell: "gru_reset_before",
            biases: 0,
            mask: true,
            last: true,
            ..plain
        },
        Case {
            label: "tanh",
            cell: "tanh",
            units: 3,
            ..plain
        },
        Case {
            label: "relu masked",
            cell: "relu",
            units: 3,
            mask: true,
            ..plain
        },
        Case {
            label: "linear with zeros",
            cell: "linear",
            mask: true,
            zero: true,
            reverse: true,
            ..plain
        },
    ];
    cases.into_iter().map(sample).collect()
}
