//! The graph: values and the nodes that make them, in topological order.

use super::Signature;
use crate::aval::{Aval, DType};
use crate::error::{Error, Result};
use crate::op::{Kind, Op};
use crate::tensor::{Node as Traced, Tensor};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::Arc;

/// Number of a value in [`Graph::values`].
pub type ValueId = usize;

/// Where a value comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Argument number i of each call.
    Input(usize),
    /// Cell number i.
    State(usize),
    /// A tensor that was concrete while tracing.
    Constant(Tensor),
    /// Output `.1` of node `.0`.
    Node(usize, usize),
}

/// A value.
#[derive(Debug, Clone)]
pub struct Value {
    /// Shape and dtype.
    pub aval: Aval,
    /// Where it comes from.
    pub source: Source,
}

/// A call of an op.
#[derive(Debug, Clone)]
pub struct Node {
    /// The op.
    pub op: Arc<dyn Op>,
    /// Values read.
    pub ins: SmallVec<[ValueId; 3]>,
    /// Values made.
    pub outs: SmallVec<[ValueId; 1]>,
    /// The path of the layer that it belongs to.
    pub scope: Option<Arc<str>>,
    /// Was it made by a gradient rule?
    pub backward: bool,
}

/// A captured function.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// All values.
    pub values: Vec<Value>,
    /// All nodes; a node comes after those whose values it reads.
    pub nodes: Vec<Node>,
    /// The results.
    pub outputs: Vec<ValueId>,
    /// New values of cells, in the order of the signature's updates.
    pub updates: Vec<ValueId>,
}

impl Graph {
    /// Everything from which the signature's outputs and updates are computed.
    pub fn capture(signature: &Signature) -> Result<Graph> {
        let mut capture = Capture {
            graph: Graph::default(),
            values: HashMap::new(),
            constants: HashMap::new(),
        };
        for (i, t) in signature.inputs.iter().enumerate() {
            capture.placeholder(t, Source::Input(i))?;
        }
        for (i, (_, t)) in signature.states.iter().enumerate() {
            capture.placeholder(t, Source::State(i))?;
        }
        let targets: Vec<Tensor> = signature
            .outputs
            .iter()
            .chain(signature.updates.iter().map(|u| &u.1))
            .cloned()
            .collect();
        for node in capture.reachable(&targets) {
            capture.node(&node)?;
        }
        let found: Vec<ValueId> = targets
            .iter()
            .map(|t| capture.value(t))
            .collect::<Result<_>>()?;
        let (outputs, updates) = found.split_at(signature.outputs.len());
        capture.graph.outputs = outputs.to_vec();
        capture.graph.updates = updates.to_vec();
        Ok(capture.graph)
    }

    /// Appends a node, whose outputs are values that have no maker yet.
    pub fn push(&mut self, node: Node) {
        let index = self.nodes.len();
        for (i, &v) in node.outs.iter().enumerate() {
            self.values[v].source = Source::Node(index, i);
        }
        self.nodes.push(node);
    }

    /// For each value the nodes that read it.
    pub fn readers(&self) -> Vec<SmallVec<[usize; 2]>> {
        let mut readers = vec![SmallVec::new(); self.values.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            for &v in &node.ins {
                if readers[v].last() != Some(&i) {
                    readers[v].push(i);
                }
            }
        }
        readers
    }
}

struct Capture {
    graph: Graph,
    values: HashMap<(u64, usize), ValueId>,
    constants: HashMap<u64, Vec<ValueId>>,
}

impl Capture {
    fn add(&mut self, aval: &Aval, source: Source) -> ValueId {
        self.graph.values.push(Value {
            aval: aval.clone(),
            source,
        });
        self.graph.values.len() - 1
    }

    fn placeholder(&mut self, t: &Tensor, source: Source) -> Result<()> {
        let Some(key) = t.key().filter(|_| t.is_traced()) else {
            return Err(Error::argument(
                "compile",
                "inputs and states must be placeholders",
            ));
        };
        let id = self.add(t.aval(), source);
        self.values.insert(key, id);
        Ok(())
    }

    /// Traced nodes below `targets` that are not placeholders, oldest first.
    fn reachable(&self, targets: &[Tensor]) -> Vec<Arc<Traced>> {
        let mut seen = std::collections::HashSet::new();
        let mut found = Vec::new();
        let traced = |t: &Tensor| {
            let (node, i) = t.node().filter(|_| t.is_traced())?;
            (!self.values.contains_key(&(node.id, i))).then(|| node.clone())
        };
        let mut stack: Vec<Arc<Traced>> = targets.iter().filter_map(traced).collect();
        while let Some(node) = stack.pop() {
            if !seen.insert(node.id) {
                continue;
            }
            stack.extend(node.inputs.iter().filter_map(traced));
            found.push(node);
        }
        found.sort_unstable_by_key(|n| n.id);
        found
    }

    fn node(&mut self, traced: &Arc<Traced>) -> Result<()> {
        if matches!(traced.op.kind(), Kind::Leaf) {
            let Some(source) = traced.inputs.first() else {
                return Err(Error::traced(
                    "compile",
                    format!(
                        "a traced tensor ({:?}) from another trace is used here; pass it as an argument, or \
                         keep state in a Variable",
                        traced.outputs[0].aval
                    ),
                ));
            };
            let id = self.value(source)?;
            self.values.insert((traced.id, 0), id);
            return Ok(());
        }
        let ins: SmallVec<[ValueId; 3]> = traced
            .inputs
            .iter()
            .map(|t| self.value(t))
            .collect::<Result<_>>()?;
        let index = self.graph.nodes.len();
        let mut outs = SmallVec::new();
        for (i, o) in traced.outputs.iter().enumerate() {
            let id = self.add(&o.aval, Source::Node(index, i));
            self.values.insert((traced.id, i), id);
            outs.push(id);
        }
        self.graph.nodes.push(Node {
            op: traced.op.clone(),
            ins,
            outs,
            scope: traced.scope.clone(),
            backward: traced.backward,
        });
        Ok(())
    }

    fn value(&mut self, t: &Tensor) -> Result<ValueId> {
        if let Some(array) = t.array() {
            // One constant for all handles of the same memory, and for all equal single values.
            let exact = !matches!(t.dtype(), DType::I64 | DType::U64);
            let single = if t.size() == 1 && exact {
                Some(t.item()?.to_bits())
            } else {
                None
            };
            let key = single.unwrap_or(array.ptr() as u64) ^ ((t.size() as u64) << 48);
            let known = self.constants.entry(key).or_default();
            let same = known
                .iter()
                .find(|&&id| match &self.graph.values[id].source {
                    Source::Constant(c) => {
                        let layout = || {
                            c.array().is_some_and(|a| {
                                a.strides == array.strides && a.ptr() == array.ptr()
                            })
                        };
                        let equal = || c.size() == 1 && c.item().ok().map(f64::to_bits) == single;
                        c.aval() == t.aval() && if single.is_some() { equal() } else { layout() }
                    }
                    _ => false,
                });
            if let Some(&id) = same {
                return Ok(id);
            }
            let id = self.graph.values.len();
            known.push(id);
            self.graph.values.push(Value {
                aval: t.aval().clone(),
                source: Source::Constant(t.detach()),
            });
            return Ok(id);
        }
        let key = t
            .key()
            .ok_or_else(|| Error::internal("compile", "a traced tensor without a node"))?;
        self.values
            .get(&key)
            .copied()
            .ok_or_else(|| Error::internal("compile", "a traced tensor was not captured"))
    }
}
