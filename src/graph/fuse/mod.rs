//! Fusion: elementwise nodes and reductions become clusters, each of which runs as one loop.
//!
//! A cluster has a *domain*, the shape over which its loop runs. Its members make values of three
//! kinds: *full* (one an element of the domain), *row* (one a row: the trailing axes have size 1)
//! and *column* sums (the leading axes have size 1), which only leave the cluster. Softmax, layer
//! norm, cross-entropy and their gradients need no kernels of their own.

mod regroup;

use super::ir::{Graph, Source, ValueId};
use super::schedule::{self, Schedule};
use crate::aval::{DType, Shape};
use crate::expr::{self, Program, Ty};
use crate::op::Kind;
use std::collections::HashSet;

/// The most nodes in a cluster: more would not fit the registers of the loop machine.
const MOST_NODES: usize = 96;

/// Nodes that run as one loop.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its nodes in topological order.
    pub nodes: Vec<usize>,
    /// The shape over which the loop runs.
    pub domain: Shape,
    /// How many trailing axes of the domain make one row; `None` while no member reduces rows.
    pub row_axes: Option<usize>,
    /// The values that leave the cluster.
    pub outs: Vec<ValueId>,
}

/// A step to be: one loop, or one node that has a kernel or is a view.
#[derive(Debug, Clone)]
pub enum Unit {
    /// A fused loop.
    Cluster(Cluster),
    /// A node on its own.
    Node(usize),
}

impl Unit {
    /// The nodes of the unit.
    pub fn nodes(&self) -> &[usize] {
        match self {
            Unit::Cluster(c) => &c.nodes,
            Unit::Node(n) => std::slice::from_ref(n),
        }
    }
}

/// The way a node can be part of a cluster.
enum Role<'a> {
    /// An elementwise program; its shape.
    Map(&'a Program, Shape),
    /// Reduces the last `axes` axes of `shape`.
    Row { shape: Shape, axes: usize },
    /// Reduces all axes of `shape` but the last.
    Column { shape: Shape },
}

/// `shape` with its last `axes` sizes replaced by 1: that of a row value.
fn row_shape(shape: &[usize], axes: usize) -> Shape {
    let keep = shape.len() - axes.min(shape.len());
    shape
        .iter()
        .enumerate()
        .map(|(i, &n)| if i < keep { n } else { 1 })
        .collect()
}

/// Is a value stored in exactly the type in which it is computed?
fn is_exact(dtype: DType) -> bool {
    Ty::of(dtype).dtype() == dtype
}

struct Fuser<'g> {
    graph: &'g Graph,
    schedule: &'g Schedule,
    readers: Vec<smallvec::SmallVec<[usize; 2]>>,
    clusters: Vec<Cluster>,
    /// Clusters of a node: several when it is cheap and computed again in each.
    home: Vec<Vec<usize>>,
    /// The cluster that hands a node's values to others.
    maker: Vec<Option<usize>>,
    cheap: Vec<bool>,
    results: HashSet<ValueId>,
}

/// Groups the nodes of a graph and puts the groups in an order in which they can run.
pub fn fuse(graph: &Graph, schedule: &Schedule) -> Vec<Unit> {
    let mut f = Fuser {
        graph,
        schedule,
        readers: graph.readers(),
        clusters: Vec::new(),
        home: vec![Vec::new(); graph.nodes.len()],
        maker: vec![None; graph.nodes.len()],
        cheap: Vec::new(),
        results: graph
            .outputs
            .iter()
            .chain(&graph.updates)
            .copied()
            .collect(),
    };
    f.cheap = f.find_cheap();
    for n in (0..graph.nodes.len()).rev() {
        if let Some(role) = f.role(n) {
            f.place(n, &role);
        }
    }
    f.regroup();
    f.units()
}

impl<'g> Fuser<'g> {
    fn role(&self, n: usize) -> Option<Role<'g>> {
        let node = &self.graph.nodes[n];
        let shape = &self.graph.values[*node.ins.first().unwrap_or(&node.outs[0])]
            .aval
            .shape;
        match node.op.kind() {
            Kind::Map(program) => Some(Role::Map(
                program,
                self.graph.values[node.outs[0]].aval.shape.clone(),
            )),
            Kind::Reduce(_, axes) => {
                let rank = shape.len();
                let first = *axes.first()?;
                let contiguous = axes.last()? - first + 1 == axes.len();
                // Axes of size 1 at either end do not change what is reduced.
                let trailing = contiguous && shape[axes.last()? + 1..].iter().all(|&n| n == 1);
                if trailing {
                    return Some(Role::Row {
                        shape: shape.clone(),
                        axes: rank - first,
                    });
                }
                let column = *axes.last()? == rank - 2
                    && contiguous
                    && shape[..first].iter().all(|&n| n == 1);
                column.then(|| Role::Column {
                    shape: shape.clone(),
                })
            }
            _ => None,
        }
    }

    /// Nodes that read nothing but scalars, such as index ranges: computing them again costs less than
    /// keeping them. Random numbers are not among them: ten rounds of Philox take longer than reading
    /// a mask back from memory (measured: 1.3 ns an element against 0.3).
    fn find_cheap(&self) -> Vec<bool> {
        let mut cheap = vec![false; self.graph.nodes.len()];
        for (n, node) in self.graph.nodes.iter().enumerate() {
            let Kind::Map(program) = node.op.kind() else {
                continue;
            };
            if program
                .nodes()
                .iter()
                .any(|n| matches!(n, expr::Node::Random(..)))
            {
                continue;
            }
            let out = &self.graph.values[node.outs[0]].aval;
            cheap[n] = out.size() > 1
                && node.ins.iter().all(|&v| {
                    let value = &self.graph.values[v];
                    value.aval.size() == 1 || matches!(value.source, Source::Node(p, _) if cheap[p] && is_exact(value.aval.dtype))
                });
        }
        cheap
    }

    fn place(&mut self, n: usize, role: &Role) {
        let mut joined = false;
        let mut outside = self.graph.nodes[n]
            .outs
            .iter()
            .any(|v| self.results.contains(v));
        let exact = self.graph.nodes[n]
            .outs
            .iter()
            .all(|&v| is_exact(self.graph.values[v].aval.dtype));
        let mut candidates: Vec<usize> = Vec::new();
        for reader in self.readers_of(n) {
            match self.home[reader].as_slice() {
                [] => outside = true,
                homes => candidates.extend(homes),
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        for &c in &candidates {
            if exact && (self.cheap[n] || !joined) && self.can_join(n, role, c) {
                self.join(n, role, c);
                joined = true;
            } else {
                outside = true;
            }
        }
        if !joined || (self.cheap[n] && outside) {
            self.start(n, role);
        }
    }

    fn readers_of(&self, n: usize) -> Vec<usize> {
        let mut all: Vec<usize> = self.graph.nodes[n]
            .outs
            .iter()
            .flat_map(|&v| self.readers[v].iter().copied())
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn start(&mut self, n: usize, role: &Role) {
        let (domain, row_axes) = match role {
            Role::Map(_, shape) => (shape.clone(), None),
            Role::Row { shape, axes } => (shape.clone(), Some(*axes)),
            Role::Column { shape } => (shape.clone(), Some(1)),
        };
        self.home[n].push(self.clusters.len());
        self.maker[n] = Some(self.clusters.len());
        self.clusters.push(Cluster {
            nodes: vec![n],
            domain,
            row_axes,
            outs: Vec::new(),
        });
    }

    fn join(&mut self, n: usize, role: &Role, c: usize) {
        if let Role::Row { shape, axes } = role {
            self.clusters[c].domain = shape.clone();
            self.clusters[c].row_axes = Some(*axes);
        }
        self.clusters[c].nodes.push(n);
        self.home[n].push(c);
        if !self.cheap[n] {
            self.maker[n] = Some(c);
        }
    }

    fn can_join(&self, n: usize, role: &Role, c: usize) -> bool {
        let cluster = &self.clusters[c];
        if cluster.nodes.len() >= MOST_NODES {
            return false;
        }
        let fits = match role {
            Role::Map(program, shape) => {
                let full = *shape == cluster.domain;
                let row = cluster
                    .row_axes
                    .is_some_and(|axes| *shape == row_shape(&cluster.domain, axes));
                (full || (row && !program.is_positional()))
                    && self.operands_fit(n, &cluster.domain, cluster.row_axes)
            }
            Role::Row { shape, axes } => self.row_fits(cluster, shape, *axes),
            Role::Column { .. } => false,
        };
        fits && (self.cheap[n] || !self.makes_cycle(n, c))
    }

    /// With several axes merged into a row, operands must be full, one a row, or scalar.
    fn operands_fit(&self, n: usize, domain: &[usize], row_axes: Option<usize>) -> bool {
        let Some(axes) = row_axes.filter(|&a| a > 1) else {
            return true;
        };
        let row = row_shape(domain, axes);
        self.graph.nodes[n].ins.iter().all(|&v| {
            let a = &self.graph.values[v].aval;
            a.size() == 1 || a.shape.as_slice() == domain || a.shape == row
        })
    }

    /// Can a reduction of rows of `shape` feed this cluster?
    fn row_fits(&self, cluster: &Cluster, shape: &Shape, axes: usize) -> bool {
        match cluster.row_axes {
            Some(own) => own == axes && cluster.domain == *shape,
            None => {
                // A cluster of full values that reads the row value: its domain is `shape` too. Or one
                // of row values alone, whose domain grows to that of the reduction.
                let members = || cluster.nodes.iter();
                if cluster.domain == *shape {
                    return members().all(|&m| self.operands_fit(m, shape, Some(axes)));
                }
                cluster.domain == row_shape(shape, axes)
                    && members().all(|&m| matches!(self.graph.nodes[m].op.kind(), Kind::Map(p) if !p.is_positional()))
                    && members().all(|&m| self.operands_fit(m, shape, Some(axes)))
            }
        }
    }

    /// Would the cluster wait for itself: is there a path from `n` to it through other units?
    ///
    /// A node may live in several clusters: an edge to it leads into each of them but those that compute
    /// the value again.
    fn makes_cycle(&self, n: usize, c: usize) -> bool {
        let mut seen_nodes = vec![false; self.graph.nodes.len()];
        let mut seen_clusters = vec![false; self.clusters.len()];
        let mut stack: Vec<usize> = vec![n];
        while let Some(k) = stack.pop() {
            // `n` itself counts as a member of the cluster already.
            let inside = |h: usize| self.home[k].contains(&h) || (k == n && h == c);
            let outs = &self.graph.nodes[k].outs;
            for &r in outs.iter().flat_map(|&v| &self.readers[v]) {
                // Even a node younger than the cluster can lead back to it, through an older member of another.
                if self.home[r].is_empty() && !std::mem::replace(&mut seen_nodes[r], true) {
                    stack.push(r);
                }
                for &h in self.home[r].iter().filter(|&&h| !inside(h)) {
                    if h == c {
                        return true;
                    }
                    if !std::mem::replace(&mut seen_clusters[h], true) {
                        stack.extend(&self.clusters[h].nodes);
                    }
                }
            }
        }
        false
    }

    /// Does a value of node `n`, made in cluster `c`, have readers elsewhere?
    fn leaves(&self, v: ValueId, c: usize) -> bool {
        self.results.contains(&v)
            || self.readers[v].iter().any(|&r| {
                let homes = &self.home[r];
                // A reader in another cluster needs the value unless that cluster computes it again.
                let made_there = |h: &usize| match self.graph.values[v].source {
                    Source::Node(n, _) => self.home[n].contains(h),
                    _ => false,
                };
                homes.is_empty() || homes.iter().any(|h| *h != c && !made_there(h))
            })
    }

    /// Units in an order in which every unit runs after those that it reads.
    fn units(mut self) -> Vec<Unit> {
        for c in 0..self.clusters.len() {
            let mut nodes = std::mem::take(&mut self.clusters[c].nodes);
            nodes.sort_unstable();
            let made = nodes.iter().filter(|&&n| self.maker[n] == Some(c));
            let outs = made
                .flat_map(|&n| self.graph.nodes[n].outs.iter().copied())
                .filter(|&v| self.leaves(v, c))
                .collect();
            self.clusters[c].nodes = nodes;
            self.clusters[c].outs = outs;
        }
        let mut unit_of = vec![usize::MAX; self.graph.nodes.len()];
        let mut units: Vec<Unit> = Vec::new();
        for (c, cluster) in self.clusters.into_iter().enumerate() {
            for &n in &cluster.nodes {
                if self.maker[n] == Some(c) {
                    unit_of[n] = c;
                }
            }
            units.push(Unit::Cluster(cluster));
        }
        for n in 0..self.graph.nodes.len() {
            if self.home[n].is_empty() {
                unit_of[n] = units.len();
                units.push(Unit::Node(n));
            }
        }
        schedule::order(self.graph, units, &unit_of, self.schedule)
    }
}
