//! Reverse-mode differentiation: one walk that serves the eager tape and traced graphs alike.

use crate::bind::with_recording;
use crate::error::{Error, Result};
use crate::op::{Grads, Vjp};
use crate::ops::{assemble, map, view};
use crate::tensor::{Node, Tensor, set_backward, set_scope};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Gradients of `sum_i <seeds_i, ys_i>` with respect to each of `xs`; `None` where `ys` do not
/// depend on it. Seeds default to ones.
///
/// With `create_graph` the gradients stand on the tape themselves, so they can be differentiated
/// again; traced gradients always can.
///
/// ```
/// use rustdl::{autodiff::backward, tensor::Tensor};
/// let x = Tensor::scalar(3.0f64)?.leaf();
/// let y = x.multiply(&x)?;
/// let g = backward(&[y], None, &[x], false)?;
/// assert_eq!(g[0].as_ref().unwrap().item()?, 6.0);
/// # Ok::<(), rustdl::error::Error>(())
/// ```
pub fn backward(
    ys: &[Tensor],
    seeds: Option<&[Tensor]>,
    xs: &[Tensor],
    create_graph: bool,
) -> Result<Vec<Option<Tensor>>> {
    check(ys, seeds, xs)?;
    let outside = set_backward(true);
    let found = with_recording(create_graph, || walk(ys, seeds, xs));
    set_backward(outside);
    found
}

/// Adds the gradients of `ys` to the slots of the leaves that keep one; gives the number of leaves reached.
///
/// # Errors
/// Those of the gradient rules.
pub fn accumulate_in_slots(
    ys: &[Tensor],
    seeds: Option<&[Tensor]>,
    create_graph: bool,
) -> Result<usize> {
    let mut leaves: Vec<Tensor> = Vec::new();
    let mut seen: HashSet<u64> = HashSet::new();
    let mut stack: Vec<Arc<Node>> = ys
        .iter()
        .filter_map(|y| y.node().map(|n| n.0.clone()))
        .collect();
    while let Some(node) = stack.pop() {
        if !seen.insert(node.id) {
            continue;
        }
        if node.op.slot().is_some() {
            leaves.push(Node::output(&node, 0));
        }
        let inputs = node.inputs.iter();
        stack.extend(inputs.filter_map(|t| t.node().map(|n| n.0.clone())));
    }
    leaves.sort_unstable_by_key(Tensor::key);
    let grads = backward(ys, seeds, &leaves, create_graph)?;
    for (leaf, g) in leaves.iter().zip(grads) {
        let (Some(g), Some((node, _))) = (g, leaf.node()) else {
            continue;
        };
        let slot = node.op.slot().expect("leaves were chosen by their slot");
        let g = if create_graph { g } else { g.detach() };
        let old = slot.lock().unwrap_or_else(|e| e.into_inner()).take();
        let sum = match old {
            Some(old) => map::add(&old, &g)?,
            None => g,
        };
        *slot.lock().unwrap_or_else(|e| e.into_inner()) = Some(sum);
    }
    Ok(leaves.len())
}

fn check(ys: &[Tensor], seeds: Option<&[Tensor]>, xs: &[Tensor]) -> Result<()> {
    for x in xs {
        if x.node().is_none() {
            return Err(Error::argument(
                "backward",
                "a tensor to differentiate by is not on the tape; make it a leaf before computing with it",
            ));
        }
    }
    if let Some(seeds) = seeds {
        if seeds.len() != ys.len() {
            return Err(Error::argument(
                "backward",
                format!("{} seeds for {} outputs", seeds.len(), ys.len()),
            ));
        }
        for (s, y) in seeds.iter().zip(ys) {
            if s.shape() != y.shape() {
                return Err(Error::shape(
                    "backward",
                    format!(
                        "a seed of shape {:?} for an output of shape {:?}",
                        s.shape(),
                        y.shape()
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// Nodes from which `ys` were computed and that depend on `xs`, latest first.
fn path(ys: &[Tensor], xs: &[Tensor]) -> Vec<Arc<Node>> {
    let targets: HashSet<u64> = xs.iter().filter_map(|x| x.key().map(|k| k.0)).collect();
    let oldest = targets.iter().copied().min().unwrap_or(u64::MAX);
    let mut seen: HashSet<u64> = HashSet::new();
    let mut found: Vec<Arc<Node>> = Vec::new();
    let mut stack: Vec<Arc<Node>> = ys
        .iter()
        .filter_map(|y| y.node().map(|n| n.0.clone()))
        .collect();
    while let Some(node) = stack.pop() {
        // Inputs are always older than the node, so nothing below the oldest target can matter.
        if node.id < oldest || !seen.insert(node.id) {
            continue;
        }
        stack.extend(
            node.inputs
                .iter()
                .filter_map(|t| t.node().map(|n| n.0.clone())),
        );
        found.push(node);
    }
    found.sort_unstable_by_key(|n| n.id);
    let mut depends = targets;
    found.retain(|n| {
        let needed = depends.contains(&n.id)
            || n.inputs
                .iter()
                .any(|t| t.key().is_some_and(|k| depends.contains(&k.0)));
        if needed {
            depends.insert(n.id);
        }
        needed
    });
    found.reverse();
    found
}

fn walk(ys: &[Tensor], seeds: Option<&[Tensor]>, xs: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
    let nodes = path(ys, xs);
    let on_path: HashSet<u64> = nodes.iter().map(|n| n.id).collect();
    let mut grads: HashMap<(u64, usize), Tensor> = HashMap::new();
    for (i, y) in ys.iter().enumerate() {
        let Some(key) = y.key().filter(|k| on_path.contains(&k.0)) else {
            continue;
        };
        let seed = match seeds {
            Some(s) => s[i].clone(),
            None => Tensor::full(y.shape(), 1.0, y.dtype())?,
        };
        accumulate(&mut grads, key, seed)?;
    }
    let targets: HashSet<(u64, usize)> = xs.iter().filter_map(Tensor::key).collect();
    for node in nodes {
        let outputs: Vec<Option<Tensor>> = (0..node.outputs.len())
            .map(|i| {
                let key = (node.id, i);
                if targets.contains(&key) {
                    grads.get(&key).cloned()
                } else {
                    grads.remove(&key)
                }
            })
            .collect();
        let wanted: Vec<bool> = node
            .inputs
            .iter()
            .map(|t| t.dtype().is_float() && t.key().is_some_and(|k| on_path.contains(&k.0)))
            .collect();
        if outputs.iter().all(Option::is_none) || !wanted.contains(&true) {
            continue;
        }
        // What the gradient computes belongs to the layer too.
        let outside = set_scope(gradient_scope(&node));
        let back = node.op.vjp(&Vjp {
            node: &node,
            grads: &outputs,
            wanted: &wanted,
        });
        set_scope(outside);
        let back: Grads = back?;
        for (x, g) in node.inputs.iter().zip(back) {
            if let (Some(key), Some(g)) = (x.key().filter(|k| on_path.contains(&k.0)), g) {
                debug_assert_eq!(
                    g.shape(),
                    x.shape(),
                    "gradient of {} has another shape",
                    node.op.name()
                );
                accumulate(&mut grads, key, g)?;
            }
        }
    }
    Ok(xs.iter().map(|x| grads.get(&x.key()?).cloned()).collect())
}

fn gradient_scope(node: &Node) -> Option<Arc<str>> {
    node.scope.as_ref().map(|s| {
        if s.ends_with(GRADIENT) {
            s.clone()
        } else {
            format!("{s}{GRADIENT}").into()
        }
    })
}

/// What is added to the path of a layer for nodes of its gradient.
const GRADIENT: &str = " (gradient)";

fn accumulate(
    grads: &mut HashMap<(u64, usize), Tensor>,
    key: (u64, usize),
    g: Tensor,
) -> Result<()> {
    let sum = match grads.remove(&key) {
        Some(old) => match assemble::join(&old, &g)? {
            Some(joined) => joined,
            None => map::add(&old, &g)?,
        },
        None => g,
    };
    grads.insert(key, sum);
    Ok(())
}

/// Sums a gradient over the axes along which its operand was broadcast to get back `shape`.
pub fn unbroadcast(g: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if g.shape() == shape {
        return Ok(g.clone());
    }
    let lead = g.rank() - shape.len();
    let axes: Vec<usize> = (0..g.rank())
        .filter(|&i| i < lead || (shape[i - lead] == 1 && g.shape()[i] != 1))
        .collect();
    let summed = crate::ops::reduce::reduce(crate::expr::ReduceOp::Sum, g, &axes)?;
    view::reshape_to(&summed, shape)
}
