//! Rematerialisation: a traced function whose gradient computes its inner values again instead of keeping them.

use crate::autodiff::backward;
use crate::aval::Aval;
use crate::batching::{Batching, Value, evaluate};
use crate::bind::{Outputs, bind, bind1, is_recording, with_recording};
use crate::error::Result;
use crate::op::{Avals, Grads, Kind, Layout, Op, Vjp};
use crate::tensor::{Node, Tensor};
use smallvec::SmallVec;
use std::collections::HashSet;
use std::sync::Arc;

const PLAIN: Batching = Batching {
    size: 1,
    different: false,
};

/// The outputs (first inputs), and the function that made them of the other inputs.
struct Checkpoint {
    /// What the inputs behind the outputs stand for.
    placeholders: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Checkpoint({:?})",
            self.outputs.iter().map(Tensor::key).collect::<Vec<_>>()
        )
    }
}

impl Op for Checkpoint {
    fn name(&self) -> &'static str {
        "checkpoint"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(x[..self.outputs.len()].iter().cloned().collect())
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let n = self.outputs.len();
        let again = is_recording();
        let mut given = Vec::new();
        let mut targets = Vec::new();
        let mut wanted = Vec::new();
        for (i, p) in self.placeholders.iter().enumerate() {
            // Behind a barrier nothing equals what the forward pass computed, so nothing of that is kept.
            let mut tensor = with_recording(true, || bind1(Barrier, &[cx.x(n + i)]))?;
            if cx.wants(n + i) {
                tensor = tensor.leaf();
                targets.push(tensor.clone());
                wanted.push(n + i);
            }
            given.push((
                p.clone(),
                Value {
                    tensor,
                    batched: false,
                },
            ));
        }
        let outputs = with_recording(true, || evaluate(&self.outputs, &given, PLAIN))?;
        let (mut ys, mut seeds) = (Vec::new(), Vec::new());
        for (i, y) in outputs.into_iter().enumerate() {
            if let Some(g) = cx.g_opt(i) {
                ys.push(y.tensor);
                seeds.push(g.clone());
            }
        }
        let found = backward(&ys, Some(&seeds), &targets, again)?;
        let mut grads: Grads = SmallVec::from_elem(None, cx.inputs());
        for (i, g) in wanted.into_iter().zip(found) {
            grads[i] = g;
        }
        Ok(grads)
    }
    fn kind(&self) -> Kind<'_> {
        Kind::Forward
    }
}

/// The identity that no pass looks through.
#[derive(Debug)]
struct Barrier;

impl Op for Barrier {
    fn name(&self) -> &'static str {
        "barrier"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(SmallVec::from_iter([x[0].clone()]))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        Ok(SmallVec::from_iter([Some(cx.g(0)?)]))
    }
    fn kind(&self) -> Kind<'_> {
        Kind::View
    }
    fn view(&self, _: &Aval, strides: &[isize]) -> Option<Layout> {
        Some(Layout {
            strides: strides.into(),
            offset: 0,
        })
    }
    fn is_pure(&self) -> bool {
        false
    }
}

/// What a traced function reads besides its placeholders and could be differentiated by: recorded tensors from outside.
fn captured(placeholders: &[Tensor], outputs: &[Tensor]) -> Vec<Tensor> {
    let mut inside: HashSet<u64> = placeholders
        .iter()
        .filter_map(|p| p.key().map(|k| k.0))
        .collect();
    let oldest = inside.iter().copied().min().unwrap_or(u64::MAX);
    let mut seen: HashSet<u64> = inside.clone();
    let mut nodes: Vec<Arc<Node>> = Vec::new();
    let mut stack: Vec<Arc<Node>> = outputs
        .iter()
        .filter_map(|t| t.node().map(|n| n.0.clone()))
        .collect();
    while let Some(node) = stack.pop() {
        if node.id < oldest || !seen.insert(node.id) {
            continue;
        }
        stack.extend(
            node.inputs
                .iter()
                .filter_map(|t| t.node().map(|n| n.0.clone())),
        );
        nodes.push(node);
    }
    nodes.sort_unstable_by_key(|n| n.id);
    let mut found: Vec<Tensor> = Vec::new();
    let mut known: HashSet<(u64, usize)> = HashSet::new();
    for node in nodes {
        let depends = |t: &Tensor| t.key().is_some_and(|k| inside.contains(&k.0));
        if !node.inputs.iter().any(depends) {
            continue;
        }
        for t in node.inputs.iter().filter(|t| !depends(t)) {
            if let Some(key) = t.key()
                && known.insert(key)
            {
                found.push(t.clone());
            }
        }
        inside.insert(node.id);
    }
    found
}

/// Evaluates a traced function of `placeholders` at `values`; in the backward pass it is evaluated again.
///
/// # Errors
/// Those of its ops.
pub fn checkpoint(
    placeholders: &[Tensor],
    values: &[Tensor],
    outputs: &[Tensor],
) -> Result<Outputs> {
    let from_outside = captured(placeholders, outputs);
    let mut all: Vec<Tensor> = placeholders.to_vec();
    all.extend(from_outside.iter().cloned());
    let mut inputs: Vec<Tensor> = values.to_vec();
    inputs.extend(from_outside);
    let given: Vec<(Tensor, Value)> = all
        .iter()
        .cloned()
        .zip(&inputs)
        .map(|(p, t)| {
            let tensor = t.detach();
            (
                p,
                Value {
                    tensor,
                    batched: false,
                },
            )
        })
        .collect();
    let ys = with_recording(false, || evaluate(outputs, &given, PLAIN))?;
    let ys: Vec<Tensor> = ys.into_iter().map(|v| v.tensor).collect();
    let op = Checkpoint {
        placeholders: all,
        outputs: outputs.to_vec(),
    };
    let refs: Vec<&Tensor> = ys.iter().chain(&inputs).collect();
    bind(op, &refs)
}
