//! Arrays of mostly zero rows that only elementwise ops read are kept as their other rows: an optimizer that updates a
//! table of embeddings looks up the rows of its gradient ([`crate::op::Op::in_rows`]).

use super::fuse::Unit;
use super::ir::{Graph, Node, Source, Value, ValueId};
use crate::aval::Aval;
use crate::op::{Avals, Kind, Op};
use std::collections::HashSet;
use std::sync::Arc;

/// The same graph with such arrays made in two steps: their rows, and the whole array for whoever needs it.
pub fn by_rows(mut graph: Graph) -> Graph {
    let readers = graph.readers();
    let parts: Vec<_> = graph
        .nodes
        .iter()
        .map(|node| split(&graph, &readers, node))
        .collect();
    if parts.iter().all(Option::is_none) {
        return graph;
    }
    let nodes = std::mem::take(&mut graph.nodes);
    for (node, parts) in nodes.into_iter().zip(parts) {
        let Some(([sums, spread], avals)) = parts else {
            graph.push(node);
            continue;
        };
        let first = graph.values.len();
        graph.values.extend(avals.into_iter().map(|aval| Value {
            aval,
            source: Source::Node(0, 0),
        }));
        let rows = first..graph.values.len();
        graph.push(Node {
            op: sums,
            outs: rows.clone().collect(),
            ..node.clone()
        });
        graph.push(Node {
            op: spread,
            ins: rows.collect(),
            ..node
        });
    }
    graph
}

/// The two ops for a node, and what lies between them, if only elementwise ops of the same shape read its output.
fn split(
    graph: &Graph,
    readers: &[smallvec::SmallVec<[usize; 2]>],
    node: &Node,
) -> Option<([Arc<dyn Op>; 2], Avals)> {
    let aval = |v: ValueId| &graph.values[v].aval;
    let ins: Vec<Aval> = node.ins.iter().map(|&v| aval(v).clone()).collect();
    let ops = node.op.in_rows(&ins)?;
    let out = node.outs[0];
    let elementwise = |&n: &usize| {
        let reader = &graph.nodes[n];
        let same = |&v: &ValueId| aval(v).shape == aval(out).shape;
        matches!(reader.op.kind(), Kind::Map(_)) && reader.outs.iter().all(same)
    };
    let leaves = graph.outputs.contains(&out) || graph.updates.contains(&out);
    let between = ops[0].infer(&ins).ok()?;
    (!leaves && readers[out].iter().all(elementwise)).then_some((ops, between))
}

/// The outputs of [`crate::op::Op::looks_up_rows`] that need not be made: all units that read them are loops over
/// exactly their elements.
pub fn looked_up(graph: &Graph, units: &[Unit]) -> HashSet<ValueId> {
    let wanted = |n: &&Node| n.op.looks_up_rows();
    let mut found: HashSet<ValueId> = (graph.nodes.iter().filter(wanted))
        .map(|n| n.outs[0])
        .collect();
    let mut drop_reads = |nodes: &[usize], keep: &dyn Fn(ValueId) -> bool| {
        for v in nodes.iter().flat_map(|&n| &graph.nodes[n].ins) {
            if !keep(*v) {
                found.remove(v);
            }
        }
    };
    for unit in units {
        match unit {
            Unit::Node(n) => drop_reads(&[*n], &|_| false),
            Unit::Cluster(c) => {
                let elementwise = |&n: &usize| matches!(graph.nodes[n].op.kind(), Kind::Map(_));
                let plain = c.row_axes.is_none() && c.nodes.iter().all(elementwise);
                drop_reads(&c.nodes, &|v| {
                    plain && graph.values[v].aval.shape == c.domain
                });
            }
        }
    }
    for v in graph.outputs.iter().chain(&graph.updates) {
        found.remove(v);
    }
    found
}
