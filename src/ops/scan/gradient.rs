//! The gradient of a scan: a scan the other way round.
//!
//! The body is differentiated once, as a graph. What depends on gradients runs in the backward
//! loop; of the rest, the *primal* values that the backward loop reads are kept by the forward loop,
//! stacked over the steps, unless they are cheap to compute again from others that are kept.

use super::body::{Key, reachable, replay};
use super::hoist::{Hoist, Stacked, Sum};
use super::{Body, Scan, Steps, refs, roles};
use crate::autodiff::backward;
use crate::bind::bind_arc;
use crate::error::Result;
use crate::op::{Grads, Kind, Vjp};
use crate::ops::map;
use crate::tensor::Tensor;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Elementwise values of at most this cost are computed again instead of kept: a few operations
/// take less time than writing and reading an element.
const CHEAP: usize = 6;

/// Where the backward loop finds a stacked operand.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// Input `xs[i]` of the forward scan.
    X(usize),
    /// Stacked output i of the forward scan.
    Y(usize),
    /// The gradient of stacked output i.
    Grad(usize),
}

/// How to compute the gradients of a scan.
pub(super) struct Backward {
    /// For which outputs there are gradients, and of which inputs they are wanted.
    asked: (Vec<bool>, Vec<bool>),
    /// The forward scan that also keeps what is needed; `None`: the scan itself does.
    forward: Option<Arc<Scan>>,
    /// Stacked outputs of the forward scan that stand for [`Hoist::kept`].
    kept: Vec<usize>,
    /// The backward scan.
    scan: Arc<Scan>,
    /// Carries whose gradients are its first carries.
    carries: Vec<usize>,
    /// Sums that are its other carries.
    carried: Vec<Tensor>,
    sources: Vec<Source>,
    /// Constants of the forward scan that it reads.
    constants: Vec<usize>,
    /// For each x the stacked output that is its gradient.
    xs: Vec<Option<usize>>,
    /// Its stacked outputs that are [`Hoist::given`]; some may be gradients of xs as well.
    given: Vec<usize>,
    /// For each constant its gradient.
    sums: Vec<Option<Sum>>,
}

/// The gradients of the inputs of `scan`.
pub(super) fn vjp(scan: &Scan, cx: &Vjp) -> Result<Grads> {
    let body = &scan.body;
    let outs = body.next.len() + body.ys.len();
    let outputs = body.next.iter().chain(&body.ys);
    let seeded = outputs
        .enumerate()
        .map(|(i, t)| cx.g_opt(i).is_some() && t.dtype().is_float())
        .collect();
    let wanted = (0..cx.inputs()).map(|i| cx.wants(i)).collect();
    let back = scan.backward((seeded, wanted))?;
    if back.carries.is_empty() && back.scan.body.ys.is_empty() {
        return Ok(smallvec::smallvec![None; cx.inputs()]);
    }
    let inputs: Vec<Tensor> = (0..cx.inputs()).map(|i| cx.x(i).clone()).collect();
    let made: Vec<Tensor> = match &back.forward {
        Some(forward) => bind_arc(forward.clone(), &refs(&inputs))?.into_vec(),
        None => (0..outs).map(|i| cx.y(i)).collect(),
    };
    let n = body.carries.len();
    let (ys, grad_ys) = (&made[n..], |j: usize| cx.g(n + j));
    let (_, xs, constants) = roles(body, &inputs);

    let mut operands: Vec<Tensor> = Vec::new();
    for &i in &back.carries {
        operands.push(cx.g(i)?);
    }
    for t in &back.carried {
        operands.push(Tensor::full(t.shape(), 0.0, t.dtype())?);
    }
    for source in &back.sources {
        operands.push(match *source {
            Source::X(i) => xs[i].clone(),
            Source::Y(i) => ys[i].clone(),
            Source::Grad(i) => grad_ys(i)?,
        });
    }
    operands.extend(back.constants.iter().map(|&i| constants[i].clone()));
    let results = bind_arc(back.scan.clone(), &refs(&operands))?.into_vec();
    let (finals, stacked) = results.split_at(back.carries.len() + back.carried.len());

    let mut grads: Grads = smallvec::smallvec![None; cx.inputs()];
    for (&i, g) in back.carries.iter().zip(finals) {
        grads[i] = Some(g.clone());
    }
    for (j, found) in back.xs.iter().enumerate() {
        grads[n + j] = found.map(|k| stacked[k].clone());
    }
    let given: Vec<Tensor> = back.given.iter().map(|&k| stacked[k].clone()).collect();
    let available = Stacked {
        steps: scan.steps.count,
        xs,
        kept: back.kept.iter().map(|&k| ys[k].clone()).collect(),
        grads: (0..body.ys.len())
            .map(|j| cx.g_opt(n + j).cloned())
            .collect(),
        given: &given,
        carried: &finals[back.carries.len()..],
    };
    for (k, sum) in back.sums.iter().enumerate() {
        if let Some(sum) = sum {
            grads[n + xs.len() + k] = Some(available.sum(sum)?);
        }
    }
    Ok(grads)
}

impl Scan {
    /// The backward scan for these gradients; made once.
    fn backward(&self, asked: (Vec<bool>, Vec<bool>)) -> Result<Arc<Backward>> {
        let mut known = self.backwards.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(found) = known.iter().find(|b| b.asked == asked) {
            return Ok(found.clone());
        }
        let made = Arc::new(build(self, asked)?);
        known.push(made.clone());
        Ok(made)
    }
}

/// The gradients of one step, as graphs.
struct Differentiated {
    /// Placeholders for the gradients of the carries after the step, where there are any.
    carry_seeds: Vec<Option<Tensor>>,
    /// Placeholders for those of the outputs.
    y_seeds: Vec<Option<Tensor>>,
    /// Gradients of carries, xs, constants.
    inputs: Vec<Option<Tensor>>,
}

/// Differentiates one step. A gradient flows into a carry when there is one of its last value, or
/// when a later step's reaches it, which is found by iteration.
fn differentiate(body: &Body, seeded: &[bool], wanted: &[bool]) -> Result<Differentiated> {
    let n = body.carries.len();
    let symbol = |t: &Tensor| Tensor::placeholder(t.shape(), t.dtype());
    let floats = |t: &Tensor| t.dtype().is_float();
    let carry_symbols = body
        .carries
        .iter()
        .map(symbol)
        .collect::<Result<Vec<_>>>()?;
    let mut y_seeds = Vec::new();
    for (j, y) in body.ys.iter().enumerate() {
        y_seeds.push(if seeded[n + j] {
            Some(symbol(y)?)
        } else {
            None
        });
    }
    let all = body.inputs();
    let targets: Vec<usize> = (0..all.len())
        .filter(|&i| floats(&all[i]) && (i < n || wanted[i]))
        .collect();
    let by: Vec<Tensor> = targets.iter().map(|&i| all[i].clone()).collect();
    let mut active: Vec<bool> = (0..n)
        .map(|i| seeded[i] && floats(&body.carries[i]))
        .collect();
    loop {
        let carries = (0..n)
            .filter(|&i| active[i])
            .map(|i| (&body.next[i], &carry_symbols[i]));
        let ys = body
            .ys
            .iter()
            .zip(&y_seeds)
            .filter_map(|(y, s)| Some((y, s.as_ref()?)));
        let (outs, seeds): (Vec<Tensor>, Vec<Tensor>) = carries
            .chain(ys)
            .filter(|(t, _)| t.is_traced())
            .map(|(t, s)| (t.clone(), s.clone()))
            .unzip();
        let found = backward(&outs, Some(&seeds), &by, false)?;
        let mut inputs = vec![None; all.len()];
        for (&i, g) in targets.iter().zip(found) {
            inputs[i] = g;
        }
        let reached: Vec<bool> = (0..n).map(|i| active[i] || inputs[i].is_some()).collect();
        if reached == active {
            let seed = |(s, on): (Tensor, bool)| on.then_some(s);
            return Ok(Differentiated {
                carry_seeds: carry_symbols.into_iter().zip(active).map(seed).collect(),
                y_seeds,
                inputs,
            });
        }
        active = reached;
    }
}

/// The values below `targets` that depend on one of `seeds`.
fn dependent(targets: &[Tensor], seeds: &[Tensor]) -> HashSet<Key> {
    let mut late: HashSet<Key> = seeds.iter().filter_map(Tensor::key).collect();
    for node in reachable(targets, &late.clone()) {
        if node
            .inputs
            .iter()
            .any(|t| t.key().is_some_and(|k| late.contains(&k)))
        {
            late.extend((0..node.outputs.len()).map(|i| (node.id, i)));
        }
    }
    late
}

fn build(scan: &Scan, asked: (Vec<bool>, Vec<bool>)) -> Result<Backward> {
    let body = &scan.body;
    let n = body.carries.len();
    let d = differentiate(body, &asked.0, &asked.1)?;
    let mut seeds: Vec<Tensor> = d
        .carry_seeds
        .iter()
        .chain(&d.y_seeds)
        .flatten()
        .cloned()
        .collect();
    let found: Vec<Tensor> = d.inputs.iter().flatten().cloned().collect();
    let late = dependent(&found, &seeds);

    let mut hoist = Hoist::new(body, &d.y_seeds, &late);
    let mut sums = Vec::new();
    for g in &d.inputs[n + body.xs.len()..] {
        sums.push(g.as_ref().map(|g| hoist.sum(g)).transpose()?);
    }
    let Hoist {
        kept,
        given,
        carried,
        ..
    } = hoist;

    // The results of the backward loop: gradients of carries, sums; gradients of slices, and what
    // the sums after the loop need.
    let carries: Vec<usize> = (0..n).filter(|&i| d.carry_seeds[i].is_some()).collect();
    let mut symbols: Vec<Tensor> = carries
        .iter()
        .filter_map(|&i| d.carry_seeds[i].clone())
        .collect();
    let mut next = Vec::new();
    for &i in &carries {
        let c = &body.carries[i];
        next.push(match &d.inputs[i] {
            Some(g) => g.clone(),
            None => Tensor::full(c.shape(), 0.0, c.dtype())?,
        });
    }
    for t in &carried {
        let total = Tensor::placeholder(t.shape(), t.dtype())?;
        next.push(map::add(&total, t)?);
        seeds.push(total.clone());
        symbols.push(total);
    }
    // What is both (the gradient of `x + f(w, h)` is that of `x` and of `f`) is stacked once.
    let mut ys: Vec<Tensor> = Vec::new();
    let mut stack = |t: &Tensor| {
        let same = |y: &Tensor| y.key().is_some() && y.key() == t.key();
        ys.iter().position(same).unwrap_or_else(|| {
            ys.push(t.clone());
            ys.len() - 1
        })
    };
    let slices = &d.inputs[n..n + body.xs.len()];
    let xs: Vec<Option<usize>> = slices.iter().map(|g| g.as_ref().map(&mut stack)).collect();
    let given: Vec<usize> = given.iter().map(&mut stack).collect();

    let targets = [&next[..], &ys].concat();
    let late = dependent(&targets, &seeds);
    let cut = Cut::of(body, &targets, &late, &kept);
    let forward_ys = [&body.ys[..], &cut.extra].concat();
    let index = |t: &Tensor| {
        let place = forward_ys.iter().position(|y| y.key() == t.key());
        place.expect("kept by the forward scan")
    };

    // Operands of the backward loop.
    let (mut slices, mut sources, mut instead) = (Vec::new(), Vec::new(), Vec::new());
    for (j, seed) in d.y_seeds.iter().enumerate() {
        if let Some(seed) = seed {
            slices.push(seed.clone());
            sources.push(Source::Grad(j));
        }
    }
    for &i in &cut.xs {
        slices.push(body.xs[i].clone());
        sources.push(Source::X(i));
    }
    for t in &cut.read {
        let symbol = Tensor::placeholder(t.shape(), t.dtype())?;
        instead.push((t.clone(), symbol.clone()));
        slices.push(symbol);
        sources.push(Source::Y(index(t)));
    }
    let results = replay(&targets, &instead)?;
    let (next, ys) = results.split_at(next.len());
    let inner = Body {
        carries: symbols,
        xs: slices,
        constants: cut
            .constants
            .iter()
            .map(|&i| body.constants[i].clone())
            .collect(),
        next: next.to_vec(),
        ys: ys.to_vec(),
    };
    let steps = Steps {
        reverse: !scan.steps.reverse,
        ..scan.steps
    };
    let forward = (!cut.extra.is_empty()).then(|| {
        let mut longer = body.clone();
        longer.ys = forward_ys.clone();
        Arc::new(Scan::new(&scan.lineage, scan.steps, longer))
    });
    Ok(Backward {
        asked,
        forward,
        kept: kept.iter().map(index).collect(),
        scan: Arc::new(Scan::new(&[], steps, inner)),
        carries,
        carried,
        sources,
        constants: cut.constants,
        xs,
        given,
        sums,
    })
}

/// What the backward loop reads of the forward loop.
#[derive(Default)]
struct Cut {
    /// Values that it reads, stacked.
    read: Vec<Tensor>,
    /// Those that the forward scan must give beyond its outputs, and what the sums need of it.
    extra: Vec<Tensor>,
    /// Inputs of the forward scan that it reads.
    xs: Vec<usize>,
    constants: Vec<usize>,
}

impl Cut {
    /// `late` values belong to the backward loop; `kept` are kept anyway.
    fn of(body: &Body, targets: &[Tensor], late: &HashSet<Key>, kept: &[Tensor]) -> Cut {
        let is_late = |t: &Tensor| t.key().is_some_and(|k| late.contains(&k));
        let mut open: BTreeMap<Key, Tensor> = BTreeMap::new();
        let note = |open: &mut BTreeMap<Key, Tensor>, t: &Tensor| {
            if let Some(key) = t.key().filter(|_| t.is_traced() && !is_late(t)) {
                open.insert(key, t.clone());
            }
        };
        for node in reachable(targets, &HashSet::new()) {
            if late.contains(&(node.id, 0)) {
                node.inputs.iter().for_each(|t| note(&mut open, t));
            }
        }
        targets.iter().for_each(|t| note(&mut open, t));
        let mut free: HashSet<Key> = body
            .xs
            .iter()
            .chain(&body.constants)
            .chain(kept)
            .filter_map(Tensor::key)
            .collect();
        free.extend(body.ys.iter().filter_map(Tensor::key));
        let needed: HashSet<Key> = open.keys().copied().chain(free.iter().copied()).collect();
        let place = |list: &[Tensor], t: &Tensor| list.iter().position(|x| x.key() == t.key());
        let mut cut = Cut::default();
        let mut done: HashSet<Key> = HashSet::new();
        // The latest first, since what is computed again needs older values.
        while let Some((key, t)) = open.pop_last() {
            if !done.insert(key) {
                continue;
            }
            if let Some(i) = place(&body.xs, &t) {
                cut.xs.push(i);
            } else if let Some(i) = place(&body.constants, &t) {
                cut.constants.push(i);
            } else if !free.contains(&key) && is_cheap(&t, &needed) {
                let (node, _) = t.node().expect("has a key");
                node.inputs.iter().for_each(|x| note(&mut open, x));
            } else {
                cut.read.push(t);
            }
        }
        let extra = cut
            .read
            .iter()
            .chain(kept)
            .filter(|t| place(&body.ys, t).is_none());
        for t in extra.cloned().collect::<Vec<_>>() {
            if place(&cut.extra, &t).is_none() {
                cut.extra.push(t);
            }
        }
        cut
    }
}

/// Is it better to compute `t` again than to keep it? Views cost nothing; elementwise values little
/// when what they read is there anyway.
fn is_cheap(t: &Tensor, there: &HashSet<Key>) -> bool {
    let Some((node, _)) = t.node() else {
        return false;
    };
    let has = |x: &Tensor| !x.is_traced() || x.key().is_some_and(|k| there.contains(&k));
    match node.op.kind() {
        Kind::View => true,
        Kind::Map(program) => program.cost() <= CHEAP && node.inputs.iter().all(has),
        _ => false,
    }
}
