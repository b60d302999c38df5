//! Graphs as text, for looking and for tests.

use super::fuse::Unit;
use super::ir::{Graph, Source, ValueId};
use std::fmt::Write;

fn name(graph: &Graph, v: ValueId) -> String {
    match &graph.values[v].source {
        Source::Input(i) => format!("input{i}"),
        Source::State(i) => format!("state{i}"),
        Source::Constant(t) if t.size() == 1 => format!("{}", t.item().unwrap_or(f64::NAN)),
        Source::Constant(_) => format!("const{v}"),
        Source::Node(..) => format!("%{v}"),
    }
}

/// One line a node, fused nodes indented under their loop.
pub fn text(graph: &Graph, units: &[Unit]) -> String {
    let mut out = String::new();
    for unit in units {
        let indent = match unit {
            Unit::Cluster(c) => {
                let _ = writeln!(out, "loop over {:?}:", c.domain.as_slice());
                "  "
            }
            Unit::Node(_) => "",
        };
        for &n in unit.nodes() {
            let node = &graph.nodes[n];
            let outs: Vec<String> = node
                .outs
                .iter()
                .map(|&v| format!("{}: {:?}", name(graph, v), graph.values[v].aval))
                .collect();
            let ins: Vec<String> = node.ins.iter().map(|&v| name(graph, v)).collect();
            let _ = writeln!(
                out,
                "{indent}{} = {}({})",
                outs.join(", "),
                node.op.name(),
                ins.join(", ")
            );
        }
    }
    let results: Vec<String> = graph.outputs.iter().map(|&v| name(graph, v)).collect();
    let _ = writeln!(out, "return {}", results.join(", "));
    out
}
