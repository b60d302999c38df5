//! The body of a loop: a traced function closed over what it reads from outside.

use crate::bind::bind_arc;
use crate::error::{Error, Result};
use crate::op::Kind;
use crate::tensor::{Node, Tensor};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The place of a recorded value: its node and the number of the output.
pub type Key = (u64, usize);

/// Nodes below `targets` up to the values in `stop`, oldest first.
pub fn reachable(targets: &[Tensor], stop: &HashSet<Key>) -> Vec<Arc<Node>> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let inside = |t: &Tensor| {
        let (node, i) = t.node().filter(|_| t.is_traced())?;
        (!stop.contains(&(node.id, i))).then(|| node.clone())
    };
    let mut stack: Vec<Arc<Node>> = targets.iter().filter_map(inside).collect();
    while let Some(node) = stack.pop() {
        if seen.insert(node.id) {
            stack.extend(node.inputs.iter().filter_map(inside));
            found.push(node);
        }
    }
    found.sort_unstable_by_key(|n| n.id);
    found
}

/// The targets computed again from other values in place of those in `instead`.
pub fn replay(targets: &[Tensor], instead: &[(Tensor, Tensor)]) -> Result<Vec<Tensor>> {
    let mut values: HashMap<Key, Tensor> = HashMap::new();
    for (old, new) in instead {
        let key = old
            .key()
            .ok_or_else(|| Error::internal("scan", "a value that was not recorded"))?;
        values.insert(key, new.clone());
    }
    let stop: HashSet<Key> = values.keys().copied().collect();
    let current = |t: &Tensor, values: &HashMap<Key, Tensor>| {
        t.key()
            .and_then(|k| values.get(&k).cloned())
            .unwrap_or_else(|| t.clone())
    };
    for node in reachable(targets, &stop) {
        let touched = node
            .inputs
            .iter()
            .any(|t| t.key().is_some_and(|k| values.contains_key(&k)));
        if !touched {
            continue;
        }
        let inputs: Vec<Tensor> = node.inputs.iter().map(|t| current(t, &values)).collect();
        if matches!(node.op.kind(), Kind::Leaf) {
            values.insert((node.id, 0), inputs[0].clone());
            continue;
        }
        let outs = bind_arc(node.op.clone(), &inputs.iter().collect::<Vec<_>>())?;
        for (i, out) in outs.into_iter().enumerate() {
            values.insert((node.id, i), out);
        }
    }
    Ok(targets.iter().map(|t| current(t, &values)).collect())
}

/// What a body reads from outside: values that do not depend on its placeholders and that are
/// traced or on a tape. Each is replaced by a placeholder of its own.
pub struct Closed {
    /// The results, of placeholders alone.
    pub outputs: Vec<Tensor>,
    /// The values from outside.
    pub constants: Vec<Tensor>,
    /// The placeholders that stand for them.
    pub symbols: Vec<Tensor>,
}

/// Closes a body over what it reads from outside.
pub fn close(placeholders: &[Tensor], outputs: &[Tensor]) -> Result<Closed> {
    let own: HashSet<Key> = placeholders.iter().filter_map(Tensor::key).collect();
    let mut inside = own.clone();
    let mut outside: Vec<Tensor> = Vec::new();
    let mut known: HashSet<Key> = HashSet::new();
    let mut note = |t: &Tensor, inside: &HashSet<Key>| {
        if let Some(key) = t.key()
            && !inside.contains(&key)
            && known.insert(key)
        {
            outside.push(t.clone());
        }
    };
    for node in reachable(outputs, &own) {
        let depends = node
            .inputs
            .iter()
            .any(|t| t.key().is_some_and(|k| inside.contains(&k)));
        if depends {
            inside.extend((0..node.outputs.len()).map(|i| (node.id, i)));
            node.inputs.iter().for_each(|t| note(t, &inside));
        }
    }
    outputs.iter().for_each(|t| note(t, &inside));
    let symbols: Vec<Tensor> = outside
        .iter()
        .map(|t| Tensor::placeholder(t.shape(), t.dtype()))
        .collect::<Result<_>>()?;
    let instead: Vec<(Tensor, Tensor)> = outside
        .iter()
        .cloned()
        .zip(symbols.iter().cloned())
        .collect();
    Ok(Closed {
        outputs: replay(outputs, &instead)?,
        constants: outside,
        symbols,
    })
}
