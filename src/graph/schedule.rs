//! The order of the units: each after those that it reads, and apart from that as traced, or such that
//! less memory is in use.

use super::fuse::Unit;
use super::ir::{Graph, Source};
use crate::op::Kind;
use std::collections::{BinaryHeap, HashSet};

/// Bytes of a result that may be made as early as possible: scalars, such as a learning rate.
const TINY: usize = 64;

/// Which order is wanted.
#[derive(Debug, Clone)]
pub enum Schedule {
    /// As traced: all updates at the end, where equal ones are merged into one pass.
    Traced,
    /// New values of cells as soon as they can be computed and nobody reads the old ones any more, so that a
    /// gradient lives only until its parameter is updated. For each of the graph's updates the number
    /// of the state that it replaces, if the graph reads that.
    EarlyUpdates(Vec<Option<usize>>),
}

/// Kahn's algorithm; among the units that may run, the one whose last node was traced first.
pub(super) fn order(
    graph: &Graph,
    units: Vec<Unit>,
    unit_of: &[usize],
    schedule: &Schedule,
) -> Vec<Unit> {
    let mut next: Vec<HashSet<usize>> = vec![HashSet::new(); units.len()];
    for (u, unit) in units.iter().enumerate() {
        for &n in unit.nodes() {
            for &v in &graph.nodes[n].ins {
                if let Source::Node(p, _) = graph.values[v].source
                    && unit.nodes().binary_search(&p).is_err()
                {
                    next[unit_of[p]].insert(u);
                }
            }
        }
    }
    let mut keys: Vec<usize> = units
        .iter()
        .map(|unit| unit.nodes().last().copied().unwrap_or(0))
        .collect();
    if let Schedule::EarlyUpdates(replaced) = schedule {
        hurry_updates(graph, &units, unit_of, replaced, &mut next, &mut keys);
    }
    let mut waits = vec![0usize; units.len()];
    for &v in next.iter().flatten() {
        waits[v] += 1;
    }
    let key = |u: usize| std::cmp::Reverse((keys[u], u));
    let mut ready: BinaryHeap<_> = (0..units.len())
        .filter(|&u| waits[u] == 0)
        .map(key)
        .collect();
    let mut sequence = Vec::with_capacity(units.len());
    while let Some(std::cmp::Reverse((_, u))) = ready.pop() {
        sequence.push(u);
        for &v in &next[u] {
            waits[v] -= 1;
            if waits[v] == 0 {
                ready.push(key(v));
            }
        }
    }
    assert_eq!(sequence.len(), units.len(), "fusion made a cycle");
    let mut slots: Vec<Option<Unit>> = units.into_iter().map(Some).collect();
    sequence
        .into_iter()
        .filter_map(|u| slots[u].take())
        .collect()
}

/// Puts units that only write cells, and the scalars that they read, before everything else that may
/// run, but after all other readers of the old values.
///
/// A unit for which others wait counts as traced with the last value that they read: the gradient
/// of the loss may share a loop with the update of a metric, traced after all else, and if it waited for its
/// turn, whatever is to be computed again would be computed meanwhile, and kept.
fn hurry_updates(
    graph: &Graph,
    units: &[Unit],
    unit_of: &[usize],
    replaced: &[Option<usize>],
    next: &mut [HashSet<usize>],
    keys: &mut [usize],
) {
    let maker = |v: usize| match graph.values[v].source {
        Source::Node(n, _) => Some(unit_of[n]),
        _ => None,
    };
    // The states that a unit replaces, if nobody reads its results.
    let mut writes: Vec<Vec<usize>> = vec![Vec::new(); units.len()];
    for (&v, &state) in graph.updates.iter().zip(replaced) {
        if let (Some(u), Some(state)) = (maker(v), state)
            && next[u].is_empty()
        {
            writes[u].push(state);
        }
    }
    let mut awaited = vec![0; units.len()];
    for (u, unit) in units.iter().enumerate() {
        for v in unit.nodes().iter().flat_map(|&n| &graph.nodes[n].ins) {
            if let Source::Node(p, _) = graph.values[*v].source
                && unit_of[p] != u
            {
                awaited[unit_of[p]] = p.max(awaited[unit_of[p]]);
            }
        }
    }
    for (key, awaited) in keys.iter_mut().zip(awaited) {
        if awaited > 0 {
            *key = awaited;
        }
    }
    let mut writers: Vec<(usize, usize)> = Vec::new();
    for (u, states) in writes.iter().enumerate() {
        if !states.is_empty() {
            keys[u] = 0;
            writers.extend(states.iter().map(|&s| (s, u)));
        }
    }
    writers.sort_unstable();
    let state_of = aliases(graph);
    for (u, unit) in units.iter().enumerate() {
        let small = |&v: &usize| graph.values[v].aval.bytes() <= TINY;
        let nodes = || unit.nodes().iter().map(|&n| &graph.nodes[n]);
        if nodes().all(|node| node.ins.iter().chain(&node.outs).all(small)) {
            keys[u] = 0;
        }
        if !writes[u].is_empty() {
            continue; // two updates may read each other's old values
        }
        for v in nodes().flat_map(|node| &node.ins) {
            let Some(s) = state_of[*v] else { continue };
            let from = writers.partition_point(|w| w.0 < s);
            for &(_, writer) in writers[from..].iter().take_while(|w| w.0 == s) {
                next[u].insert(writer);
            }
        }
    }
}

/// For each value the state whose memory it may share: itself, or what it views.
fn aliases(graph: &Graph) -> Vec<Option<usize>> {
    let mut state: Vec<Option<usize>> = graph
        .values
        .iter()
        .map(|v| match v.source {
            Source::State(s) => Some(s),
            _ => None,
        })
        .collect();
    for node in &graph.nodes {
        if matches!(node.op.kind(), Kind::View | Kind::Forward) {
            for (i, &out) in node.outs.iter().enumerate() {
                state[out] = state[node.ins[i.min(node.ins.len() - 1)]];
            }
        }
    }
    state
}
