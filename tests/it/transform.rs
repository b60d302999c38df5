//! Tests of transformations made from the registry: for every op x sample, `vmap` equals a loop over the examples, for
//! values and gradients, and `jvp` is the transpose of `vjp`.

use crate::compare::{Nd, moved, nd, noise};
use crate::registry::{over_all_samples, same, text, values};
use rustdl::autodiff::backward;
use rustdl::aval::DType;
use rustdl::batching::{Batching, Value, evaluate};
use rustdl::error::{Error, Result};
use rustdl::op::Sample;
use rustdl::ops::concat;
use rustdl::tensor::Tensor;

const EXAMPLES: usize = 3;
const BATCHING: Batching = Batching {
    size: EXAMPLES,
    different: false,
};

/// Which of the `f64` inputs are sliced.
#[derive(Clone, Copy, Debug)]
enum Which {
    All,
    First,
    Last,
}

fn is_batched(inputs: &[Tensor], which: Which) -> Vec<bool> {
    let floats: Vec<usize> = (0..inputs.len())
        .filter(|&i| inputs[i].dtype() == DType::F64)
        .collect();
    (0..inputs.len())
        .map(|i| match which {
            Which::All => floats.contains(&i),
            Which::First => floats.first() == Some(&i),
            Which::Last => floats.last() == Some(&i),
        })
        .collect()
}

/// The inputs of example `k`: those that are sliced a little different each time.
fn example(inputs: &[Tensor], batched: &[bool], k: usize) -> Vec<Tensor> {
    inputs
        .iter()
        .zip(batched)
        .enumerate()
        .map(|(i, (t, &b))| {
            if b {
                moved(t, &noise(t.size(), 7 + i as u64), 0.001 * k as f64)
            } else {
                t.clone()
            }
        })
        .collect()
}

/// A function traced on placeholders for its `f64` inputs; `None` if it needs their values.
fn traced(s: &Sample) -> Result<Option<(Vec<Tensor>, Vec<Tensor>)>> {
    let symbols: Vec<Tensor> = s
        .inputs
        .iter()
        .map(|t| {
            if t.dtype() == DType::F64 {
                Tensor::placeholder(t.shape(), t.dtype())
            } else {
                Ok(t.clone())
            }
        })
        .collect::<Result<_>>()?;
    match (s.call)(&symbols) {
        Ok(outs) => Ok(Some((symbols, outs))),
        Err(Error::Traced { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

fn seeds(ys: &[Tensor], rows: usize) -> Result<Vec<Tensor>> {
    ys.iter()
        .enumerate()
        .map(|(k, y)| {
            // The same numbers for an example alone and within the batch.
            let n = y.size() / rows;
            let data: Vec<f64> = (0..rows).flat_map(|_| noise(n, 40 + k as u64)).collect();
            Tensor::from_slice(&data, y.shape())?.cast(y.dtype())
        })
        .collect()
}

fn floats(ys: &[Tensor]) -> Vec<Tensor> {
    let is_float = |y: &&Tensor| y.dtype().is_float();
    ys.iter().filter(is_float).cloned().collect()
}

fn gradients(ys: &[Tensor], xs: &[Tensor], rows: usize) -> Result<Vec<Nd>> {
    let ys = floats(ys);
    let found = backward(&ys, Some(&seeds(&ys, rows)?), xs, false)?;
    Ok(found
        .iter()
        .zip(xs)
        .map(|(g, x)| {
            g.as_ref()
                .map_or_else(|| (x.shape().to_vec(), vec![0.0; x.size()]), nd)
        })
        .collect())
}

fn stacked(rows: &[Nd]) -> Nd {
    let mut shape = vec![rows.len()];
    shape.extend(&rows[0].0);
    (shape, rows.iter().flat_map(|r| r.1.clone()).collect())
}

fn vmap_equals_loop(s: &Sample, which: Which) -> std::result::Result<(), String> {
    let batched = is_batched(&s.inputs, which);
    let Some((symbols, outs)) = text(traced(s))? else {
        return Ok(());
    };
    let rows: Vec<Vec<Tensor>> = (0..EXAMPLES)
        .map(|k| example(&s.inputs, &batched, k))
        .collect();
    let mut given = Vec::new();
    let mut leaves = Vec::new();
    let mut which_leaf = Vec::new();
    for (i, p) in symbols.iter().enumerate().filter(|(_, p)| p.is_traced()) {
        let tensor = if batched[i] {
            let column = rows.iter().map(|r| r[i].clone()).collect();
            text(concat::stack(column, 0))?.leaf()
        } else {
            s.inputs[i].leaf()
        };
        leaves.push(tensor.clone());
        which_leaf.push(i);
        let batched = batched[i];
        given.push((p.clone(), Value { tensor, batched }));
    }
    let found = text(evaluate(&outs, &given, BATCHING))?;
    let mut wanted: Vec<Vec<Nd>> = Vec::new();
    let mut wanted_grads: Vec<Vec<Nd>> = Vec::new();
    for row in &rows {
        let own: Vec<Tensor> = row
            .iter()
            .map(|t| {
                if t.dtype() == DType::F64 {
                    t.leaf()
                } else {
                    t.clone()
                }
            })
            .collect();
        let ys = text((s.call)(&own))?;
        wanted.push(values(&ys));
        if s.order > 0 {
            let xs: Vec<Tensor> = which_leaf.iter().map(|&i| own[i].clone()).collect();
            wanted_grads.push(text(gradients(&ys, &xs, 1))?);
        }
    }
    for (j, v) in found.iter().enumerate() {
        let column: Vec<Nd> = wanted.iter().map(|w| w[j].clone()).collect();
        let want = if v.batched {
            stacked(&column)
        } else {
            column[0].clone()
        };
        same(&[nd(&v.tensor)], &[want], 1e-9).map_err(|e| format!("output {j}: {e}"))?;
    }
    if s.order == 0
        || found
            .iter()
            .any(|v| !v.batched && v.tensor.dtype().is_float())
    {
        return Ok(());
    }
    let ys: Vec<Tensor> = found.iter().map(|v| v.tensor.clone()).collect();
    let grads = text(gradients(&ys, &leaves, EXAMPLES))?;
    for (j, g) in grads.iter().enumerate() {
        let column: Vec<Nd> = wanted_grads.iter().map(|w| w[j].clone()).collect();
        let want = if batched[which_leaf[j]] {
            stacked(&column)
        } else {
            let mut sum = vec![0.0; column[0].1.len()];
            for c in &column {
                sum.iter_mut().zip(&c.1).for_each(|(a, b)| *a += b);
            }
            (column[0].0.clone(), sum)
        };
        same(std::slice::from_ref(g), &[want], 1e-8).map_err(|e| format!("gradient {j}: {e}"))?;
    }
    Ok(())
}

#[test]
fn vmap_equals_a_loop_for_every_op() {
    over_all_samples("vmap", |report, name, s| {
        for which in [Which::All, Which::First, Which::Last] {
            report.check(
                name,
                &format!("{which:?} sliced"),
                vmap_equals_loop(s, which),
            );
        }
    });
}

/// <u, J t> and <u^T J, t>.
fn both_products(s: &Sample) -> Result<Option<(f64, f64)>> {
    let xs: Vec<Tensor> = s
        .inputs
        .iter()
        .map(|t| {
            if t.dtype() == DType::F64 {
                t.leaf()
            } else {
                t.clone()
            }
        })
        .collect();
    let leaves: Vec<Tensor> = xs.iter().filter(|t| t.node().is_some()).cloned().collect();
    let ys = floats(&(s.call)(&xs)?);
    let u = seeds(&ys, 1)?;
    let t: Vec<Tensor> = leaves
        .iter()
        .enumerate()
        .map(|(k, x)| Tensor::from_slice(&noise(x.size(), 90 + k as u64), x.shape()))
        .collect::<Result<_>>()?;
    let dot =
        |a: &Tensor, b: &Tensor| -> f64 { nd(a).1.iter().zip(&nd(b).1).map(|(p, q)| p * q).sum() };
    let back = backward(&ys, Some(&u), &leaves, false)?;
    let reverse = back
        .iter()
        .zip(&t)
        .filter_map(|(g, t)| Some(dot(g.as_ref()?, t)))
        .sum();
    let symbols: Vec<Tensor> = ys
        .iter()
        .map(|y| Tensor::placeholder(y.shape(), y.dtype()))
        .collect::<Result<_>>()?;
    let rows = backward(&ys, Some(&symbols), &leaves, true)?;
    let (mut linear, mut along) = (Vec::new(), Vec::new());
    for (g, t) in rows.into_iter().zip(&t) {
        if let Some(g) = g {
            linear.push(g);
            along.push(t.clone());
        }
    }
    if linear.is_empty() {
        return Ok(None);
    }
    let found = backward(&linear, Some(&along), &symbols, false)?;
    let mut forward = 0.0;
    for (d, u) in found.iter().zip(&u) {
        if let Some(d) = d {
            // Rules that give 0 where the cotangent is 0 are linear elsewhere.
            let generic = symbols
                .iter()
                .map(|p| {
                    let data: Vec<f64> = noise(p.size(), 55).iter().map(|v| v + 2.0).collect();
                    let tensor = Tensor::from_slice(&data, p.shape())?.cast(p.dtype())?;
                    let batched = false;
                    Ok((p.clone(), Value { tensor, batched }))
                })
                .collect::<Result<Vec<_>>>()?;
            let d = evaluate(std::slice::from_ref(d), &generic, BATCHING)?.remove(0);
            forward += dot(&d.tensor, u);
        }
    }
    Ok(Some((forward, reverse)))
}

#[test]
fn jvp_is_the_transpose_of_vjp_for_every_op() {
    over_all_samples("jvp", |report, name, s| {
        if s.order == 0 {
            return;
        }
        let outcome = text(both_products(s)).and_then(|found| match found {
            Some((f, r)) if (f - r).abs() > 1e-9 * (1.0 + f.abs() + r.abs()) => {
                Err(format!("forward {f}, reverse {r}"))
            }
            _ => Ok(()),
        });
        report.check(name, "products", outcome);
    });
}
