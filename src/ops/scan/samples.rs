//! Calls of `scan` from which tests are made, with references in plain loops.

use super::{Scanned, Steps, scan};
use crate::aval::DType;
use crate::error::Result;
use crate::op::{Entry, Sample};
use crate::ops::samples::{Nd, bools, nd, values};
use crate::ops::{activation, elementary, linalg, logic, math, view};
use crate::tensor::Tensor;

inventory::submit! {
    Entry {
        name: "scan",
        module: module_path!(),
        doc: "A loop of a known number of steps over slices of stacked arrays.",
        args: &[],
        result: "Tensor",
        samples,
    }
}

fn all(found: Scanned) -> Vec<Tensor> {
    [found.0, found.1].concat()
}

fn forward(count: usize) -> Steps {
    Steps {
        count,
        reverse: false,
    }
}

/// h = tanh(x_t W + h R + b), all states given: inputs h, x, W, R, b.
fn elman(x: &[Tensor], steps: Steps) -> Result<Vec<Tensor>> {
    let body = |h: &[Tensor], s: &[Tensor]| -> Result<Scanned> {
        let z = math::add(
            &linalg::matmul(&s[0], &x[2])?,
            &linalg::matmul(&h[0], &x[3])?,
        )?;
        let h = elementary::tanh(&math::add(&z, &x[4])?)?;
        Ok((vec![h.clone()], vec![h]))
    };
    Ok(all(scan(steps, &x[..1], &x[1..2], body)?))
}

/// The same in plain loops.
fn elman_by_hand(x: &[Tensor], reverse: bool) -> Vec<Nd> {
    let v: Vec<Nd> = x.iter().map(nd).collect();
    let (batch, units) = (v[0].0[0], v[0].0[1]);
    let (steps, features) = (v[1].0[0], v[1].0[2]);
    let mut h = v[0].1.clone();
    let mut ys = vec![0.0; steps * batch * units];
    for s in 0..steps {
        let t = if reverse { steps - 1 - s } else { s };
        let mut next = vec![0.0; batch * units];
        for b in 0..batch {
            for u in 0..units {
                let mut z = v[4].1[u];
                for f in 0..features {
                    z += v[1].1[(t * batch + b) * features + f] * v[2].1[f * units + u];
                }
                for k in 0..units {
                    z += h[b * units + k] * v[3].1[k * units + u];
                }
                next[b * units + u] = z.tanh();
            }
        }
        h = next;
        ys[t * batch * units..][..batch * units].copy_from_slice(&h);
    }
    vec![(vec![batch, units], h), (vec![steps, batch, units], ys)]
}

fn elman_case(label: &str, count: usize, reverse: bool) -> Sample {
    let (batch, features, units) = (2, 3, 2);
    let inputs = vec![
        values(&[batch, units], -0.8, 0.8, 1),
        values(&[count, batch, features], -0.8, 0.8, 2),
        values(&[features, units], -0.8, 0.8, 3),
        values(&[units, units], -0.8, 0.8, 4),
        values(&[units], -0.8, 0.8, 5),
    ];
    Sample::new(label, inputs, move |x| elman(x, Steps { count, reverse }))
        .reference(move |x| elman_by_hand(x, reverse))
}

/// Two carries, one an integer; a constant that scales elementwise; no output.
fn counted(x: &[Tensor]) -> Result<Vec<Tensor>> {
    let body = |c: &[Tensor], s: &[Tensor]| -> Result<Scanned> {
        let i = c[1].cast(c[0].dtype())?;
        let scaled = math::multiply(&math::multiply(&c[0], &x[2])?, &elementary::exp(&s[0])?)?;
        let next = math::add(&scaled, &i)?;
        let one = Tensor::full(&[], 1.0, DType::I32)?;
        Ok((vec![next, math::add(&c[1], &one)?], vec![]))
    };
    let count = x[1].shape()[0];
    let start = Tensor::full(&[], 0.0, DType::I32)?;
    Ok(all(scan(
        forward(count),
        &[x[0].clone(), start],
        &x[1..2],
        body,
    )?))
}

fn counted_by_hand(x: &[Tensor]) -> Vec<Nd> {
    let v: Vec<Nd> = x.iter().map(nd).collect();
    let (n, steps) = (v[0].1.len(), v[1].0[0]);
    let mut c = v[0].1.clone();
    for t in 0..steps {
        for k in 0..n {
            c[k] = c[k] * v[2].1[k] * v[1].1[t * n + k].exp() + t as f64;
        }
    }
    vec![(v[0].0.clone(), c), (vec![], vec![steps as f64])]
}

/// A masked recurrence whose body holds a scan of its own over the rows of a matrix.
fn nested(x: &[Tensor]) -> Result<Vec<Tensor>> {
    let outer = |c: &[Tensor], s: &[Tensor]| -> Result<Scanned> {
        let inner = |d: &[Tensor], r: &[Tensor]| -> Result<Scanned> {
            let d = elementary::sin(&math::add(&math::multiply(&d[0], &r[0])?, &s[0])?)?;
            Ok((vec![d.clone()], vec![]))
        };
        let rows = x[2].shape()[0];
        let found = scan(forward(rows), c, &x[2..3], inner)?.0;
        let kept = logic::where_(&s[1], &found[0], &c[0])?;
        let y = activation::sigmoid(&math::multiply(&kept, &s[0])?)?;
        Ok((vec![kept], vec![y]))
    };
    let count = x[1].shape()[0];
    Ok(all(scan(
        forward(count),
        &x[..1],
        &[x[1].clone(), x[3].clone()],
        outer,
    )?))
}

fn nested_by_hand(x: &[Tensor]) -> Vec<Nd> {
    let v: Vec<Nd> = x.iter().map(nd).collect();
    let (n, steps) = (v[0].1.len(), v[1].0[0]);
    let (mut c, mut ys) = (v[0].1.clone(), Vec::new());
    for t in 0..steps {
        for k in 0..n {
            let s = v[1].1[t * n + k];
            let d = (0..v[2].0[0]).fold(c[k], |d, r| (d * v[2].1[r * n + k] + s).sin());
            if v[3].1[t] != 0.0 {
                c[k] = d;
            }
            ys.push(1.0 / (1.0 + (-c[k] * s).exp()));
        }
    }
    vec![(v[0].0.clone(), c), (vec![steps, n], ys)]
}

/// A product of matrices that stands transposed in the body, and a carry that only passes through.
fn transposed(x: &[Tensor]) -> Result<Vec<Tensor>> {
    let body = |c: &[Tensor], s: &[Tensor]| -> Result<Scanned> {
        let w = view::permute(&x[2], &[1, 0])?;
        let z = linalg::matmul(&math::multiply(&c[0], &s[0])?, &w)?;
        let z = math::add(&z, &linalg::matmul(&c[0], &x[2])?)?;
        Ok((
            vec![elementary::sin(&z)?, c[1].clone()],
            vec![s[0].clone(), c[1].clone()],
        ))
    };
    let init = [x[0].clone(), x[3].clone()];
    Ok(all(scan(forward(x[1].shape()[0]), &init, &x[1..2], body)?))
}

fn samples() -> Vec<Sample> {
    let wave = |shape: &[usize], salt| values(shape, -0.9, 0.9, salt);
    vec![
        elman_case("forwards", 4, false),
        elman_case("backwards", 3, true),
        elman_case("one step", 1, false),
        elman_case("no step", 0, false),
        Sample::new(
            "integers beside",
            vec![wave(&[3], 1), wave(&[4, 3], 2), wave(&[3], 3)],
            counted,
        )
        .reference(counted_by_hand),
        Sample::new(
            "nested and masked",
            vec![
                wave(&[2], 1),
                wave(&[3, 2], 2),
                wave(&[2, 2], 3),
                bools(&[true, false, true], &[3]),
            ],
            nested,
        )
        .reference(nested_by_hand),
        Sample::new(
            "transposed weight",
            vec![
                wave(&[2, 3], 1),
                wave(&[3, 2, 3], 2),
                wave(&[3, 3], 3),
                wave(&[2], 4),
            ],
            transposed,
        ),
    ]
}
