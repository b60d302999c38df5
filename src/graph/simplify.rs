//! Merges equal nodes, and nodes of which one gives more than the other. Dead nodes never enter a graph: it is captured from its results.

use super::ir::{Graph, Node, Source, ValueId};
use crate::op::Kind;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The same graph without nodes that compute again what another one computes.
pub fn simplify(graph: Graph) -> Graph {
    let mut renamed: Vec<ValueId> = (0..graph.values.len()).collect();
    let mut known: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut lines: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut out = Graph {
        values: graph.values,
        ..Graph::default()
    };
    for node in graph.nodes {
        let node = Node {
            ins: node.ins.iter().map(|&v| renamed[v]).collect(),
            ..node
        };
        if let Some(same) = forwarded(&out, &node) {
            for (&mine, theirs) in node.outs.iter().zip(same) {
                renamed[mine] = theirs;
            }
            continue;
        }
        let index = out.nodes.len();
        if let Some(&root) = node.op.lineage().first() {
            let relatives = lines.entry(root).or_default();
            if relatives
                .iter()
                .any(|&i| join(&mut out, i, &node, &mut renamed))
            {
                continue;
            }
            relatives.push(index);
        } else if node.op.is_pure() {
            let candidates = known.entry(digest(&node)).or_default();
            if let Some(&twin) = candidates
                .iter()
                .find(|&&i| equal(&out, &out.nodes[i], &node))
            {
                for (&mine, &theirs) in node.outs.iter().zip(&out.nodes[twin].outs) {
                    renamed[mine] = theirs;
                }
                continue;
            }
            candidates.push(index);
        }
        out.push(node);
    }
    out.outputs = graph.outputs.iter().map(|&v| renamed[v]).collect();
    out.updates = graph.updates.iter().map(|&v| renamed[v]).collect();
    out
}

/// If `node` and node `i` compute the same but that one of them gives more ([`crate::op::Op::lineage`]):
/// lets node `i` give all of it.
fn join(graph: &mut Graph, i: usize, node: &Node, renamed: &mut [ValueId]) -> bool {
    let held = &mut graph.nodes[i];
    let (old, new) = (held.op.lineage(), node.op.lineage());
    if held.ins != node.ins || !(old.starts_with(new) || new.starts_with(old)) {
        return false;
    }
    for (&mine, &theirs) in node.outs.iter().zip(&held.outs) {
        renamed[mine] = theirs;
    }
    let shared = held.outs.len();
    if node.outs.len() > shared {
        held.op = node.op.clone();
        for (k, &v) in node.outs.iter().enumerate().skip(shared) {
            held.outs.push(v);
            graph.values[v].source = Source::Node(i, k);
        }
    }
    true
}

/// For a node all of whose outputs are its inputs as they are (x * 1, a cast to the same type): which.
fn forwarded(graph: &Graph, node: &Node) -> Option<Vec<ValueId>> {
    let program = match node.op.kind() {
        Kind::Map(program) => program,
        Kind::Forward => return Some(node.ins[..node.outs.len()].to_vec()),
        _ => return None,
    };
    let outs = program.outs().iter().zip(&node.outs);
    outs.map(|(o, &v)| match program.nodes()[o.node as usize] {
        crate::expr::Node::Load(i) => {
            let x = node.ins[i as usize];
            (graph.values[x].aval == graph.values[v].aval).then_some(x)
        }
        _ => None,
    })
    .collect()
}

/// A hash of what a node computes.
fn digest(node: &Node) -> u64 {
    let mut h = DefaultHasher::new();
    node.ins.hash(&mut h);
    match node.op.kind() {
        Kind::Map(program) => program.hash(&mut h),
        // The debug text of an op holds all its parameters.
        _ => format!("{:?}", node.op).hash(&mut h),
    }
    h.finish()
}

fn equal(graph: &Graph, a: &Node, b: &Node) -> bool {
    if a.ins != b.ins || a.outs.len() != b.outs.len() {
        return false;
    }
    let same_outs = a
        .outs
        .iter()
        .zip(&b.outs)
        .all(|(&x, &y)| graph.values[x].aval == graph.values[y].aval);
    same_outs
        && match (a.op.kind(), b.op.kind()) {
            (Kind::Map(p), Kind::Map(q)) => p == q,
            (Kind::Map(_), _) | (_, Kind::Map(_)) => false,
            _ => format!("{:?}", a.op) == format!("{:?}", b.op),
        }
}
