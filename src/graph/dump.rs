//! Graphs as text, for looking and for tests.

use super::fuse::Unit;
use super::ir::{Graph, Source, ValueId};
use std::fmt::Write;
use std::sync::Arc;

/// One node as words.
#[derive(Debug, Clone)]
pub struct Line {
    /// Number of the loop or kernel that it is part of.
    pub unit: usize,
    /// The shape over which the loop runs; empty for a kernel or view on its own.
    pub domain: Option<Vec<usize>>,
    /// The op.
    pub op: &'static str,
    /// The path of the layer that it belongs to.
    pub scope: Option<Arc<str>>,
    /// Names of the values read.
    pub ins: Vec<String>,
    /// Names, and shapes with dtypes, of the values made.
    pub outs: Vec<(String, String)>,
}

/// A graph, node by node in the order of execution.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// The nodes.
    pub lines: Vec<Line>,
    /// Names of the results.
    pub results: Vec<String>,
}

fn name(graph: &Graph, v: ValueId) -> String {
    match &graph.values[v].source {
        Source::Input(i) => format!("input{i}"),
        Source::State(i) => format!("state{i}"),
        Source::Constant(t) if t.size() == 1 => format!("{}", t.item().unwrap_or(f64::NAN)),
        Source::Constant(_) => format!("const{v}"),
        Source::Node(..) => format!("%{v}"),
    }
}

/// A graph whose nodes were grouped into units.
pub fn listing(graph: &Graph, units: &[Unit]) -> Listing {
    let mut lines = Vec::new();
    for (i, unit) in units.iter().enumerate() {
        let domain = match unit {
            Unit::Cluster(c) => Some(c.domain.to_vec()),
            Unit::Node(_) => None,
        };
        for &n in unit.nodes() {
            let node = &graph.nodes[n];
            lines.push(Line {
                unit: i,
                domain: domain.clone(),
                op: node.op.name(),
                scope: node.scope.clone(),
                ins: node.ins.iter().map(|&v| name(graph, v)).collect(),
                outs: node
                    .outs
                    .iter()
                    .map(|&v| (name(graph, v), format!("{:?}", graph.values[v].aval)))
                    .collect(),
            });
        }
    }
    Listing {
        lines,
        results: graph.outputs.iter().map(|&v| name(graph, v)).collect(),
    }
}

impl Listing {
    /// One line a node, fused nodes indented under their loop, the path of the layer behind it.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut unit = usize::MAX;
        for line in &self.lines {
            if let Some(domain) = line.domain.as_ref().filter(|_| line.unit != unit) {
                let _ = writeln!(out, "loop over {domain:?}:");
            }
            unit = line.unit;
            let indent = if line.domain.is_some() { "  " } else { "" };
            let outs: Vec<String> = line.outs.iter().map(|(n, a)| format!("{n}: {a}")).collect();
            let _ = write!(
                out,
                "{indent}{} = {}({})",
                outs.join(", "),
                line.op,
                line.ins.join(", ")
            );
            let _ = match &line.scope {
                Some(s) => writeln!(out, "  # {s}"),
                None => writeln!(out),
            };
        }
        let _ = writeln!(out, "return {}", self.results.join(", "));
        out
    }
}
