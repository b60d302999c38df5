//! `scan`: a loop of a known number of steps, whose body is a graph of its own.
//!
//! The body maps carries and slices to new carries and slices. It is traced once and compiled to a
//! plan that runs over slices of the stacked arrays where they lie. The gradient is a scan too, run
//! the other way round ([`gradient`]), so gradients of any order need no further rule.

mod body;
mod gradient;
mod hoist;
mod samples;
#[cfg(test)]
mod tests;

use crate::aval::{Aval, Shape, checked_bytes};
use crate::bind::bind_arc;
use crate::error::{Error, Result};
use crate::graph::Loop;
use crate::op::{Avals, Grads, Op, Run, Vjp};
use crate::tensor::Tensor;
use gradient::Backward;
use smallvec::SmallVec;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

pub(crate) use body::{close, replay};

/// Number of steps and direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// How many.
    pub count: usize,
    /// Begin with the last slice?
    pub reverse: bool,
}

/// A traced body: results of placeholders.
#[derive(Debug, Clone)]
struct Body {
    /// Placeholders of the carries, of the slices, and of what is the same in each step.
    carries: Vec<Tensor>,
    xs: Vec<Tensor>,
    constants: Vec<Tensor>,
    /// New carries.
    next: Vec<Tensor>,
    /// Slices of the stacked outputs.
    ys: Vec<Tensor>,
}

impl Body {
    /// All placeholders.
    fn inputs(&self) -> Vec<Tensor> {
        [&self.carries[..], &self.xs, &self.constants].concat()
    }
}

/// The op. Inputs: first carries, stacked slices, constants; outputs: last carries, stacked slices.
struct Scan {
    /// Names the body: two scans with the same number compute the same.
    id: u64,
    /// Numbers of the scans of which this one computes the outputs and more, and its own.
    lineage: Vec<u64>,
    steps: Steps,
    body: Body,
    compiled: OnceLock<Loop>,
    backwards: Mutex<Vec<Arc<Backward>>>,
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scan({}, {:?})", self.id, self.steps)
    }
}

impl Scan {
    /// A scan that computes the outputs of those in `base` first, and more.
    fn new(base: &[u64], steps: Steps, body: Body) -> Scan {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Scan {
            id,
            lineage: base.iter().copied().chain([id]).collect(),
            steps,
            body,
            compiled: OnceLock::new(),
            backwards: Mutex::new(Vec::new()),
        }
    }

    fn compiled(&self) -> Result<&Loop> {
        if let Some(found) = self.compiled.get() {
            return Ok(found);
        }
        let b = &self.body;
        let made = Loop::new(&b.inputs(), b.xs.len(), &b.next, &b.ys)?;
        Ok(self.compiled.get_or_init(|| made))
    }
}

impl Op for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let (n, count) = (self.body.carries.len(), self.steps.count);
        for (i, (got, want)) in x.iter().zip(self.body.inputs()).enumerate() {
            let mut want = want.aval().clone();
            if (n..n + self.body.xs.len()).contains(&i) {
                want.shape.insert(0, count);
            }
            if *got != want {
                return Err(Error::internal(
                    "scan",
                    format!("input {i} is {got:?}, not {want:?}"),
                ));
            }
        }
        let mut outs: Avals = self.body.next.iter().map(|t| t.aval().clone()).collect();
        for y in &self.body.ys {
            let mut shape: Shape = y.shape().into();
            shape.insert(0, count);
            checked_bytes("scan", &shape, y.dtype())?;
            outs.push(Aval {
                shape,
                dtype: y.dtype(),
            });
        }
        Ok(outs)
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        gradient::vjp(self, cx)
    }

    fn run(&self, cx: &mut Run) {
        let body = self
            .compiled()
            .unwrap_or_else(|e| std::panic::resume_unwind(Box::new(e)));
        body.run(self.steps.count, self.steps.reverse, cx.ins, cx.outs);
    }

    fn lineage(&self) -> &[u64] {
        &self.lineage
    }
}

/// The results of a scan: the carries after the last step, and the stacked outputs.
pub type Scanned = (Vec<Tensor>, Vec<Tensor>);

/// Carries a state along the first axis of `xs`: `body(carries, slices) -> (carries, outputs)` is
/// traced once and run for each of `steps`; the outputs are stacked along a new first axis.
///
/// The body may read tensors from outside; gradients flow to them. With `reverse` the steps go from
/// the last slice to the first, and outputs lie where their slices lay.
///
/// # Errors
/// `ShapeError` when first sizes of `xs` differ from the number of steps, or a carry changes its
/// shape or dtype; whatever the body returns.
pub fn scan(
    steps: Steps,
    init: &[Tensor],
    xs: &[Tensor],
    body: impl FnOnce(&[Tensor], &[Tensor]) -> Result<Scanned>,
) -> Result<Scanned> {
    let carries = init
        .iter()
        .map(|t| Tensor::placeholder(t.shape(), t.dtype()))
        .collect::<Result<Vec<_>>>()?;
    let slices = xs
        .iter()
        .map(slice_placeholder)
        .collect::<Result<Vec<_>>>()?;
    let (next, ys) = body(&carries, &slices)?;
    scan_traced(steps, init, xs, (&carries, &slices), (&next, &ys))
}

/// A placeholder for one slice of a stacked array.
fn slice_placeholder(x: &Tensor) -> Result<Tensor> {
    let Some((_, rest)) = x.shape().split_first() else {
        return Err(Error::shape(
            "scan",
            "a number cannot be cut into slices: `xs` need a first axis",
        ));
    };
    Tensor::placeholder(rest, x.dtype())
}

/// [`scan`] with a body that was traced before: from placeholders (carries, slices) to results.
pub fn scan_traced(
    steps: Steps,
    init: &[Tensor],
    xs: &[Tensor],
    (carries, slices): (&[Tensor], &[Tensor]),
    (next, ys): (&[Tensor], &[Tensor]),
) -> Result<Scanned> {
    check(steps, init, xs, next)?;
    let placeholders = [carries, slices].concat();
    let closed = close(&placeholders, &[next, ys].concat())?;
    let (next, ys) = closed.outputs.split_at(next.len());
    let body = Body {
        carries: carries.to_vec(),
        xs: slices.to_vec(),
        constants: closed.symbols,
        next: next.to_vec(),
        ys: ys.to_vec(),
    };
    let op = Scan::new(&[], steps, body);
    let inputs: Vec<&Tensor> = init.iter().chain(xs).chain(&closed.constants).collect();
    let mut outs: Vec<Tensor> = bind_arc(Arc::new(op), &inputs)?.into_vec();
    let ys = outs.split_off(init.len());
    Ok((outs, ys))
}

fn check(steps: Steps, init: &[Tensor], xs: &[Tensor], next: &[Tensor]) -> Result<()> {
    if let Some(x) = xs.iter().find(|x| x.shape().first() != Some(&steps.count)) {
        return Err(Error::shape(
            "scan",
            format!(
                "`xs` of shape {:?} cannot be cut into {} slices",
                x.shape(),
                steps.count
            ),
        ));
    }
    if init.len() != next.len() {
        return Err(Error::shape(
            "scan",
            format!("the body returns {} carries for {}", next.len(), init.len()),
        ));
    }
    for (i, (before, after)) in init.iter().zip(next).enumerate() {
        if before.aval() != after.aval() {
            return Err(Error::shape(
                "scan",
                format!(
                    "carry {i} is {:?} before a step and {:?} after it; a carry must keep its shape and dtype",
                    before.aval(),
                    after.aval()
                ),
            ));
        }
    }
    Ok(())
}

/// The inputs of a scan's node, by their roles.
fn roles<'a, T>(body: &Body, all: &'a [T]) -> (&'a [T], &'a [T], &'a [T]) {
    let (carries, rest) = all.split_at(body.carries.len());
    let (xs, constants) = rest.split_at(body.xs.len());
    (carries, xs, constants)
}

/// References to tensors.
fn refs(tensors: &[Tensor]) -> SmallVec<[&Tensor; 8]> {
    tensors.iter().collect()
}
