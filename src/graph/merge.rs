//! Merges equal elementwise loops over different arrays into one step: the optimizer, written for
//! one parameter, becomes a single pass over all of them.

use super::exec::{Body, Operand, Root, Step};
use crate::expr::Program;
use std::collections::HashMap;

/// What loops must share to be merged: the program, and where their single values lie.
type Key = (Program, Vec<Option<(Root, isize)>>, Vec<crate::aval::DType>);

/// The same steps with loops that differ only in their arrays merged.
pub fn merge(steps: Vec<Step>) -> Vec<Step> {
    let mut groups: HashMap<Key, Vec<usize>> = HashMap::new();
    for (i, step) in steps.iter().enumerate() {
        if let Some(key) = key(step) {
            groups.entry(key).or_default().push(i);
        }
    }
    let mut target: Vec<usize> = (0..steps.len()).collect();
    let mut groups: Vec<Vec<usize>> = groups.into_values().filter(|g| g.len() > 1).collect();
    groups.sort_unstable(); // hash order must not decide anything
    for group in groups {
        let last = group[group.len() - 1];
        let mut members = vec![last];
        for &i in group[..group.len() - 1].iter().rev() {
            if members.iter().all(|&m| independent(&steps[i], &steps[m]))
                && can_wait(&steps, i, last, &target)
            {
                target[i] = last;
                members.push(i);
            }
        }
    }
    gather(steps, &target)
}

/// The number of elements of a step's arrays, if it is one pass over contiguous arrays.
fn elements(step: &Step) -> Option<usize> {
    let n = step.outs.first()?.shape.iter().product();
    let flat = |o: &Operand| o.covers_flat(n);
    let fits = step.outs.iter().all(flat) && step.ins.iter().all(|o| o.is_single() || flat(o));
    (n > 1 && fits).then_some(n)
}

fn key(step: &Step) -> Option<Key> {
    let Body::Loop(_, program) = &step.body else {
        return None;
    };
    if !step.is_elementwise() || program.is_positional() {
        return None;
    }
    elements(step)?;
    let singles = step
        .ins
        .iter()
        .map(|o| o.is_single().then_some((o.root, o.bytes)))
        .collect();
    let dtypes = step.ins.iter().chain(&step.outs).map(|o| o.dtype).collect();
    Some((program.clone(), singles, dtypes))
}

fn overlap(a: &Operand, b: &Operand) -> bool {
    let (a, b) = (a.reach(), b.reach());
    a.0 == b.0 && a.1 < b.2 && b.1 < a.2
}

/// Does neither step write what the other reads or writes?
fn independent(a: &Step, b: &Step) -> bool {
    let clash = |x: &Step, y: &Step| {
        x.outs
            .iter()
            .any(|o| y.ins.iter().chain(&y.outs).any(|p| overlap(o, p)))
    };
    !clash(a, b) && !clash(b, a)
}

/// May step `i` run as late as step `last`? Steps that were merged run at their target.
fn can_wait(steps: &[Step], i: usize, last: usize, target: &[usize]) -> bool {
    (0..steps.len())
        .filter(|&j| j != i && j != last && target[j] > i && j < last)
        .all(|j| independent(&steps[i], &steps[j]))
}

fn gather(steps: Vec<Step>, target: &[usize]) -> Vec<Step> {
    let mut waiting: HashMap<usize, Vec<Step>> = HashMap::new();
    let mut out = Vec::new();
    for (i, step) in steps.into_iter().enumerate() {
        if target[i] != i {
            waiting.entry(target[i]).or_default().push(step);
            continue;
        }
        match waiting.remove(&i) {
            None => out.push(step),
            Some(mut parts) => {
                parts.push(step);
                out.push(join(parts));
            }
        }
    }
    out
}

fn join(parts: Vec<Step>) -> Step {
    let counts: Vec<usize> = parts.iter().map(|s| elements(s).unwrap_or(0)).collect();
    let mut joined: Option<Step> = None;
    for part in parts {
        match &mut joined {
            None => joined = Some(part),
            Some(step) => {
                step.ins.extend(part.ins);
                step.outs.extend(part.outs);
            }
        }
    }
    let step = joined.expect("at least one part");
    let Body::Loop(body, program) = step.body else {
        unreachable!("only loops are merged")
    };
    Step {
        name: step.name,
        label: step.label,
        body: Body::Segments(body, program, counts),
        ins: step.ins,
        outs: step.outs,
    }
}
