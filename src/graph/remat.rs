//! Recomputation under a memory budget: values of the forward pass that the backward pass reads late are computed again
//! just before, cheap ones first.
//!
//! Level 1 recomputes elementwise nodes, reductions and views from the results of kernels. The next levels cut the
//! forward pass into segments and keep only what crosses their borders (Chen et al. 2016, "Training Deep Nets with
//! Sublinear Memory Cost"): everything else is computed again, kernels included.

use super::ir::{Graph, Node, Source, ValueId};
use crate::expr;
use crate::op::Kind;
use std::collections::HashMap;

/// What is computed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Elementwise nodes other than random numbers, reductions and views.
    Cheap,
    /// All that does not cross one of the borders between so many segments of the forward pass.
    Segments(usize),
}

/// The policies to be tried, the one with the least to compute again first.
pub const POLICIES: [Policy; 14] = [
    Policy::Cheap,
    Policy::Segments(64),
    Policy::Segments(48),
    Policy::Segments(32),
    Policy::Segments(24),
    Policy::Segments(16),
    Policy::Segments(12),
    Policy::Segments(10),
    Policy::Segments(8),
    Policy::Segments(6),
    Policy::Segments(5),
    Policy::Segments(4),
    Policy::Segments(3),
    Policy::Segments(2),
];

/// The graph with late readers reading copies that are computed when they are needed.
pub fn rematerialize(graph: &Graph, policy: Policy) -> Graph {
    let again = chosen(graph, policy);
    let mut out = Graph {
        values: graph.values.clone(),
        outputs: graph.outputs.clone(),
        updates: graph.updates.clone(),
        nodes: Vec::with_capacity(graph.nodes.len() * 3 / 2),
    };
    let mut copies: HashMap<ValueId, ValueId> = HashMap::new();
    for node in &graph.nodes {
        let mut node = node.clone();
        if node.backward {
            for v in &mut node.ins {
                *v = late(graph, &mut out, &again, &mut copies, *v);
            }
        }
        out.push(node);
    }
    out
}

/// The value that a late reader of `v` reads: `v`, or its copy, made now if there is none.
fn late(
    graph: &Graph,
    out: &mut Graph,
    again: &[bool],
    copies: &mut HashMap<ValueId, ValueId>,
    v: ValueId,
) -> ValueId {
    // A chain can be as long as the net: no recursion.
    let mut stack = vec![v];
    while let Some(&top) = stack.last() {
        let node = match graph.values[top].source {
            Source::Node(n, _) if again[n] && !copies.contains_key(&top) => &graph.nodes[n],
            _ => {
                stack.pop();
                continue;
            }
        };
        let missing: Vec<ValueId> = node
            .ins
            .iter()
            .copied()
            .filter(|i| {
                !copies.contains_key(i)
                    && matches!(graph.values[*i].source, Source::Node(n, _) if again[n])
            })
            .collect();
        if missing.is_empty() {
            let mut copy = node.clone();
            for i in &mut copy.ins {
                *i = copies.get(i).copied().unwrap_or(*i);
            }
            for o in &mut copy.outs {
                let mut value = graph.values[*o].clone();
                value.source = Source::Node(0, 0);
                out.values.push(value);
                copies.insert(*o, out.values.len() - 1);
                *o = out.values.len() - 1;
            }
            copy.backward = true;
            out.push(copy);
            stack.pop();
        } else {
            stack.extend(missing);
        }
    }
    copies.get(&v).copied().unwrap_or(v)
}

/// Which nodes late readers compute again.
fn chosen(graph: &Graph, policy: Policy) -> Vec<bool> {
    let forward: Vec<usize> = (0..graph.nodes.len())
        .filter(|&n| !graph.nodes[n].backward)
        .collect();
    let mut again = vec![false; graph.nodes.len()];
    match policy {
        Policy::Cheap => {
            for &n in &forward {
                again[n] = is_cheap(&graph.nodes[n]);
            }
        }
        Policy::Segments(k) => {
            let mut segment = vec![usize::MAX; graph.nodes.len()];
            // Of equal size in bytes: in a convolutional net the first layers hold most of them.
            let total: usize = forward.iter().map(|&n| bytes(graph, n)).sum();
            let mut before = 0;
            for &n in &forward {
                segment[n] = (before as u128 * k as u128 / total.max(1) as u128) as usize;
                before += bytes(graph, n);
            }
            for &n in &forward {
                again[n] = graph.nodes[n].op.is_pure();
            }
            for &n in &forward {
                for &v in &graph.nodes[n].ins {
                    if let Source::Node(p, _) = graph.values[v].source
                        && segment[p] != segment[n]
                        && !is_free(&graph.nodes[p])
                    {
                        again[p] = false;
                    }
                }
            }
        }
    }
    again
}

/// The memory for the results of a node.
fn bytes(graph: &Graph, n: usize) -> usize {
    let node = &graph.nodes[n];
    if is_free(node) {
        return 0;
    }
    let outs = node.outs.iter();
    outs.map(|&v| graph.values[v].aval.bytes()).sum()
}

/// Views cost nothing: a view of a kept value need not be kept.
fn is_free(node: &Node) -> bool {
    node.op.is_pure() && matches!(node.op.kind(), Kind::View | Kind::Forward)
}

fn is_cheap(node: &Node) -> bool {
    let drawn = |p: &expr::Program| {
        p.nodes()
            .iter()
            .any(|n| matches!(n, expr::Node::Random(..)))
    };
    node.op.is_pure()
        && match node.op.kind() {
            Kind::Map(program) => !drawn(program),
            Kind::Reduce(..) | Kind::View | Kind::Forward => true,
            _ => false,
        }
}
