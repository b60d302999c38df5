//! Second thoughts about large clusters, which are bound by memory: those that read the same array
//! become one loop, and values that are cheap to compute again are not stored.
//!
//! Both keep the number of passes over memory down where fusion node by node cannot see it. Batch
//! norm's gradient sums `dy` and `dy * x` (two column sums, one loop), and needs the normalised
//! input, which it computes again from the convolution's output instead of reading a stored copy.

use super::{Fuser, MOST_NODES, Role, is_exact};
use crate::expr;
use crate::graph::ir::{Source, ValueId};
use crate::graph::schedule::Schedule;
use std::collections::HashSet;

/// Elements of the smallest domain that counts as large: smaller arrays stay in the caches.
const LARGE: usize = 16 << 10;
/// Most work of a value that is computed again rather than read back, in vector instructions per
/// element. A vector from memory takes about as long as a dozen of them.
const CHEAP: usize = 12;

/// Nodes to compute again in a cluster, and the large values that they read besides those which the
/// cluster reads already.
struct Recomputation {
    nodes: Vec<usize>,
    reads: Vec<ValueId>,
}

impl Fuser<'_> {
    /// Merges large clusters that read the same arrays, then computes cheap values again.
    pub(super) fn regroup(&mut self) {
        self.merge_siblings();
        self.recompute();
        self.drop_empty();
    }

    fn merge_siblings(&mut self) {
        let large: Vec<usize> = (0..self.clusters.len())
            .filter(|&c| self.is_large(c))
            .collect();
        for (i, &a) in large.iter().enumerate() {
            for &b in &large[i + 1..] {
                if self.are_siblings(a, b) && !self.has_path(a, b) && !self.has_path(b, a) {
                    self.merge(a, b);
                }
            }
        }
    }

    fn is_large(&self, c: usize) -> bool {
        self.clusters[c].domain.iter().product::<usize>() >= LARGE
    }

    /// May `a` and `b` be one loop, as far as shapes say, and do they have a large array in common?
    fn are_siblings(&self, a: usize, b: usize) -> bool {
        let (x, y) = (&self.clusters[a], &self.clusters[b]);
        if x.nodes.is_empty() || y.nodes.is_empty() || x.domain != y.domain {
            return false;
        }
        if matches!(self.schedule, Schedule::EarlyUpdates(_)) && self.is_late(a) != self.is_late(b)
        {
            return false; // what is computed again would be computed early, and kept
        }
        let axes = match (x.row_axes, y.row_axes) {
            (Some(m), Some(n)) if m != n => return false,
            (m, n) => m.or(n),
        };
        let members = || x.nodes.iter().chain(&y.nodes);
        x.nodes.len() + y.nodes.len() <= MOST_NODES
            && members().all(|&n| self.operands_fit(n, &x.domain, axes))
            && self.share_an_array(a, b)
    }

    /// Does cluster `c` belong to the backward pass?
    fn is_late(&self, c: usize) -> bool {
        let mut nodes = self.clusters[c].nodes.iter();
        nodes.any(|&n| self.graph.nodes[n].backward)
    }

    fn share_an_array(&self, a: usize, b: usize) -> bool {
        let touched = |c: usize| -> HashSet<ValueId> {
            let made = self.clusters[c].nodes.iter();
            let made = made.flat_map(|&n| self.graph.nodes[n].outs.iter().copied());
            let made = made.filter(|&v| self.is_full(v, c));
            made.chain(self.large_reads(c)).collect()
        };
        !touched(a).is_disjoint(&touched(b))
    }

    fn is_full(&self, v: ValueId, c: usize) -> bool {
        self.graph.values[v].aval.shape == self.clusters[c].domain
    }

    /// The values of the domain's shape that cluster `c` reads from outside.
    fn large_reads(&self, c: usize) -> HashSet<ValueId> {
        let cluster = &self.clusters[c];
        let made_here = |v: ValueId| matches!(self.graph.values[v].source, Source::Node(n, _) if cluster.nodes.contains(&n));
        let ins = cluster.nodes.iter().flat_map(|&n| &self.graph.nodes[n].ins);
        ins.copied()
            .filter(|&v| self.is_full(v, c) && !made_here(v))
            .collect()
    }

    /// Must something else run after cluster `a` and before cluster `b`?
    ///
    /// That is a path through other units, or a column sum of `a`, which is there only when all of
    /// `a` has run, read in `b`.
    fn has_path(&self, a: usize, b: usize) -> bool {
        let mut seen_nodes = vec![false; self.graph.nodes.len()];
        let mut seen_clusters = vec![false; self.clusters.len()];
        seen_clusters[a] = true;
        let mut stack = self.clusters[a].nodes.clone();
        while let Some(k) = stack.pop() {
            let from_a = self.home[k].contains(&a);
            if from_a && self.maker[k] != Some(a) {
                continue;
            }
            let column = matches!(self.role(k), Some(Role::Column { .. }));
            let outs = &self.graph.nodes[k].outs;
            for &r in outs.iter().flat_map(|&v| &self.readers[v]) {
                if self.home[r].is_empty() && !std::mem::replace(&mut seen_nodes[r], true) {
                    stack.push(r);
                }
                for &h in self.home[r].iter().filter(|h| !self.home[k].contains(h)) {
                    if h == b {
                        if !from_a || column {
                            return true;
                        }
                    } else if !std::mem::replace(&mut seen_clusters[h], true) {
                        let made = self.clusters[h].nodes.iter();
                        stack.extend(made.filter(|&&n| self.maker[n] == Some(h)));
                    }
                }
            }
        }
        false
    }

    /// Moves the nodes of cluster `b` into `a`.
    fn merge(&mut self, a: usize, b: usize) {
        let moved = std::mem::take(&mut self.clusters[b].nodes);
        let axes = self.clusters[b].row_axes;
        self.clusters[a].row_axes = self.clusters[a].row_axes.or(axes);
        for n in moved {
            self.home[n].retain(|&h| h != b);
            if !self.home[n].contains(&a) {
                self.home[n].push(a);
                self.clusters[a].nodes.push(n);
            }
            if self.maker[n] == Some(b) {
                self.maker[n] = Some(a);
            }
        }
    }

    /// Computes values again in the clusters that read them, those traced first first: what they no
    /// longer read, later ones need not find stored.
    fn recompute(&mut self) {
        let mut order: Vec<usize> = (0..self.clusters.len())
            .filter(|&c| self.is_large(c) && !self.clusters[c].nodes.is_empty())
            .collect();
        order.sort_by_key(|&c| self.clusters[c].nodes.iter().max().copied());
        for c in order {
            while let Some(found) = self.find_recomputation(c) {
                for n in found.nodes {
                    self.clusters[c].nodes.push(n);
                    self.home[n].push(c);
                }
            }
        }
    }

    /// A value that cluster `c` reads and had better compute: because it then reads one array less,
    /// or because nobody need store the value any more.
    fn find_recomputation(&self, c: usize) -> Option<Recomputation> {
        let reads = self.large_reads(c);
        let mut candidates: Vec<ValueId> = reads.iter().copied().collect();
        candidates.sort_unstable();
        candidates.into_iter().find_map(|v| {
            let Source::Node(n, _) = self.graph.values[v].source else {
                return None;
            };
            let pays = |r: &Recomputation| match r.reads.len() {
                0 => true,
                1 => self.only_reader_elsewhere(v, n, c),
                _ => false,
            };
            [false, true]
                .into_iter()
                .filter_map(|deep| self.closure(c, v, &reads, deep))
                .find(pays)
        })
    }

    /// Is `c` the only cluster for which the value `v` of node `n` is stored?
    fn only_reader_elsewhere(&self, v: ValueId, n: usize, c: usize) -> bool {
        let knows = |h: &usize| *h == c || self.home[n].contains(h);
        !self.results.contains(&v)
            && self.readers[v]
                .iter()
                .all(|&r| !self.home[r].is_empty() && self.home[r].iter().all(knows))
    }

    /// What cluster `c` must compute to have `v`, stopping at values that it reads anyway and at
    /// stored ones; if `deep`, at stored ones only where they cannot be computed cheaply.
    fn closure(
        &self,
        c: usize,
        v: ValueId,
        known: &HashSet<ValueId>,
        deep: bool,
    ) -> Option<Recomputation> {
        let cluster = &self.clusters[c];
        let mut found = Recomputation {
            nodes: Vec::new(),
            reads: Vec::new(),
        };
        let (mut stack, mut work) = (vec![v], 0);
        while let Some(u) = stack.pop() {
            let full = self.is_full(u, c);
            let Source::Node(n, _) = self.graph.values[u].source else {
                if full && !known.contains(&u) {
                    found.reads.push(u);
                }
                continue;
            };
            let here = cluster.nodes.contains(&n) || found.nodes.contains(&n);
            if here || (u != v && known.contains(&u)) {
                continue;
            }
            let stored =
                self.home[n].is_empty() || self.maker[n].is_some_and(|m| self.leaves(u, m));
            let cost = self.cost_of_repeating(n, c).filter(|cost| {
                work + cost <= CHEAP && cluster.nodes.len() + found.nodes.len() < MOST_NODES
            });
            match cost {
                Some(cost) if u == v || deep || !stored => {
                    work += cost;
                    found.nodes.push(n);
                    stack.extend(&self.graph.nodes[n].ins);
                }
                _ if u == v || (!stored && (full || self.maker[n].is_none())) => return None,
                // A small value, such as a column or one number a row, may be stored for this.
                _ if full => found.reads.push(u),
                _ => {}
            }
        }
        found.reads.sort_unstable();
        found.reads.dedup();
        Some(found)
    }

    /// Vector instructions for an element of node `n`, if cluster `c` can compute it.
    fn cost_of_repeating(&self, n: usize, c: usize) -> Option<usize> {
        let cluster = &self.clusters[c];
        let Some(Role::Map(program, shape)) = self.role(n) else {
            return None;
        };
        let outs = &self.graph.nodes[n].outs;
        let exact = outs
            .iter()
            .all(|&v| is_exact(self.graph.values[v].aval.dtype));
        let random = |n: &expr::Node| matches!(n, expr::Node::Random(..));
        let fits = shape == cluster.domain
            && exact
            && !program.nodes().iter().any(random)
            && !self.home[n].is_empty()
            && self.operands_fit(n, &cluster.domain, cluster.row_axes);
        fits.then(|| program.cost())
    }

    /// Renumbers the clusters that still have nodes.
    fn drop_empty(&mut self) {
        let mut number = Vec::with_capacity(self.clusters.len());
        let mut kept = 0;
        for cluster in &self.clusters {
            number.push(kept);
            kept += usize::from(!cluster.nodes.is_empty());
        }
        self.clusters.retain(|c| !c.nodes.is_empty());
        self.home.iter_mut().flatten().for_each(|h| *h = number[*h]);
        self.maker
            .iter_mut()
            .flatten()
            .for_each(|m| *m = number[*m]);
    }
}
