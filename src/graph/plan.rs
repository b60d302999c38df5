//! From units to steps: every value gets a place, every step its operands, states are updated in
//! place where that is safe.

mod loops;

use super::Signature;
use super::arena::{self, Block};
use super::exec::{Body, Operand, Plan, Root, Step};
use super::fuse::Unit;
use super::ir::{Graph, Source, ValueId};
use super::schedule::Schedule;
use super::state::Cell;
use crate::aval::{Aval, Shape, Strides, contiguous_strides, is_contiguous};
use crate::bind::ReducePlan;
use crate::error::{Error, Result};
use crate::expr::{self, Builder, Loop, OutKind, Ty};
use crate::op::Kind;
use crate::tensor::Tensor;
use std::collections::HashMap;
use std::sync::Arc;

/// Where a value lies: elements from the start of a root.
#[derive(Debug, Clone)]
struct Place {
    root: Root,
    offset: isize,
    strides: Strides,
}

struct Planner<'g> {
    graph: &'g Graph,
    places: Vec<Option<Place>>,
    constants: Vec<Tensor>,
    steps: Vec<Step>,
    blocks: Vec<Block>,
    /// Contiguous copies of strided values.
    copies: HashMap<ValueId, Place>,
    /// Values that are not made, since all who read them look their rows up: the rows and their numbers.
    looked_up: HashMap<ValueId, [ValueId; 2]>,
    cells: Vec<Arc<Cell>>,
}

/// Plans the units of a graph.
pub fn build(
    graph: Graph,
    units: Vec<Unit>,
    signature: &Signature,
    schedule: &Schedule,
) -> Result<Plan> {
    let mut p = Planner {
        graph: &graph,
        places: vec![None; graph.values.len()],
        constants: Vec::new(),
        steps: Vec::new(),
        blocks: Vec::new(),
        copies: HashMap::new(),
        looked_up: HashMap::new(),
        cells: signature.states.iter().map(|s| s.0.clone()).collect(),
    };
    p.place_sources();
    p.keep_old_states(signature);
    let looked_up = super::sparse::looked_up(&graph, &units);
    for unit in &units {
        match unit {
            Unit::Node(n) if looked_up.contains(&graph.nodes[*n].outs[0]) => {
                let node = &graph.nodes[*n];
                p.looked_up.insert(node.outs[0], [node.ins[0], node.ins[1]]);
            }
            Unit::Node(n) => p.node(*n)?,
            Unit::Cluster(c) => p.cluster(c)?,
        }
    }
    p.write_states(signature)?;
    if matches!(schedule, Schedule::Traced) {
        p.steps = super::merge::merge(std::mem::take(&mut p.steps));
    }
    p.finish(signature, &units)
}

impl Planner<'_> {
    fn place_sources(&mut self) {
        for (v, value) in self.graph.values.iter().enumerate() {
            let root = match &value.source {
                Source::Input(i) => Root::Input(*i),
                Source::State(i) => Root::State(*i),
                Source::Constant(t) => {
                    self.constants.push(t.clone());
                    let strides = t.array().map(|a| a.strides.clone()).unwrap_or_default();
                    let root = Root::Constant(self.constants.len() - 1);
                    self.places[v] = Some(Place {
                        root,
                        offset: 0,
                        strides,
                    });
                    continue;
                }
                Source::Node(..) => continue,
            };
            self.places[v] = Some(Place {
                root,
                offset: 0,
                strides: contiguous_strides(&value.aval.shape),
            });
        }
    }

    /// A result that is a cell's old value is copied before the cell is overwritten.
    fn keep_old_states(&mut self, signature: &Signature) {
        for &v in &self.graph.outputs {
            if let Source::State(s) = self.graph.values[v].source
                && signature
                    .updates
                    .iter()
                    .any(|u| Arc::ptr_eq(&u.0, &self.cells[s]))
            {
                let place = self.places[v].clone().expect("sources are placed");
                let copy = self.copy(&self.graph.values[v].aval.clone(), &place);
                self.copies.insert(v, copy);
            }
        }
    }

    fn aval(&self, v: ValueId) -> &Aval {
        &self.graph.values[v].aval
    }

    fn place(&self, v: ValueId) -> Place {
        self.places[v]
            .clone()
            .expect("units run after those that they read")
    }

    /// A new block in the arena, written by the step to come.
    fn allocate(&mut self, aval: &Aval) -> Place {
        let step = self.steps.len();
        self.blocks.push(Block {
            bytes: aval.bytes(),
            first: step,
            last: step,
        });
        Place {
            root: Root::Arena(self.blocks.len() - 1),
            offset: 0,
            strides: contiguous_strides(&aval.shape),
        }
    }

    fn operand(&self, aval: &Aval, place: &Place) -> Operand {
        Operand {
            root: place.root,
            bytes: place.offset * aval.dtype.size() as isize,
            dtype: aval.dtype,
            shape: aval.shape.clone(),
            strides: place.strides.clone(),
        }
    }

    /// Appends a step that copies a value into a new block, in row-major order.
    fn copy(&mut self, aval: &Aval, place: &Place) -> Place {
        let out = self.allocate(aval);
        self.copy_to(aval, place, &out);
        out
    }

    fn copy_to(&mut self, aval: &Aval, from: &Place, to: &Place) {
        let mut b = Builder::new(&[Ty::of(aval.dtype)]);
        let x = b.load(0);
        let program = b.finish(&[(x, OutKind::Full)]);
        let (dims, from_strides, to_strides) = match aval.shape.is_empty() {
            true => (
                Shape::from_elem(1, 1),
                Strides::from_elem(1, 1),
                Strides::from_elem(1, 1),
            ),
            false => (aval.shape.clone(), from.strides.clone(), to.strides.clone()),
        };
        let layout = |strides: Strides| expr::Operand {
            dtype: aval.dtype,
            strides,
        };
        let body = Loop::new(
            &program,
            &dims,
            &[layout(from_strides)],
            &[layout(to_strides)],
            0,
        );
        let ins = vec![self.operand(aval, from)];
        let outs = vec![self.operand(aval, to)];
        self.steps.push(Step {
            name: "copy",
            label: "copy".into(),
            body: Body::Loop(body, program),
            ins,
            outs,
        });
    }

    fn contiguous(&mut self, v: ValueId) -> Place {
        let place = self.place(v);
        let aval = self.aval(v).clone();
        if is_contiguous(&aval.shape, &place.strides) {
            return place;
        }
        if let Some(copy) = self.copies.get(&v) {
            return copy.clone();
        }
        let copy = self.copy(&aval, &place);
        self.copies.insert(v, copy.clone());
        copy
    }

    fn node(&mut self, n: usize) -> Result<()> {
        let node = self.graph.nodes[n].clone();
        match node.op.kind() {
            Kind::View => {
                let (x, out) = (node.ins[0], node.outs[0]);
                let aval = self.aval(x).clone();
                let mut place = self.place(x);
                let layout = match node.op.view(&aval, &place.strides) {
                    Some(l) => l,
                    None => {
                        place = self.contiguous(x);
                        node.op.view(&aval, &place.strides).ok_or_else(|| {
                            Error::internal(node.op.name(), "a view of a contiguous array failed")
                        })?
                    }
                };
                self.places[out] = Some(Place {
                    root: place.root,
                    offset: place.offset + layout.offset,
                    strides: layout.strides,
                });
            }
            Kind::Forward => {
                for (&x, &out) in node.ins.iter().zip(&node.outs) {
                    self.places[out] = Some(self.place(x));
                }
            }
            Kind::Reduce(op, axes) => {
                let (x, out) = (node.ins[0], node.outs[0]);
                let aval = self.aval(x).clone();
                let plan = ReducePlan::new(&aval.shape, axes);
                let place = if plan.merges_rows {
                    self.contiguous(x)
                } else {
                    self.place(x)
                };
                let (body, program) = plan.build(op, aval.dtype, plan.order(&place.strides));
                let out_aval = self.aval(out).clone();
                let result = self.allocate(&out_aval);
                let ins = vec![self.operand(&aval, &place)];
                let outs = vec![self.operand(&out_aval, &result)];
                self.steps.push(Step {
                    name: node.op.name(),
                    label: self.label(&[n]),
                    body: Body::Loop(body, program),
                    ins,
                    outs,
                });
                self.places[out] = Some(result);
            }
            Kind::Leaf => return Err(Error::internal("compile", "a leaf inside a graph")),
            Kind::Map(_) | Kind::Opaque => {
                let mut ins = Vec::new();
                for (i, &v) in node.ins.iter().enumerate() {
                    let place = if node.op.takes_strided(i) {
                        self.place(v)
                    } else {
                        self.contiguous(v)
                    };
                    let aval = self.aval(v).clone();
                    ins.push((aval, place));
                }
                let ins = ins.iter().map(|(a, p)| self.operand(a, p)).collect();
                let mut outs = Vec::new();
                for &v in &node.outs {
                    let aval = self.aval(v).clone();
                    let place = self.allocate(&aval);
                    outs.push(self.operand(&aval, &place));
                    self.places[v] = Some(place);
                }
                self.steps.push(Step {
                    name: node.op.name(),
                    label: self.label(&[n]),
                    body: Body::Kernel(node.op.clone()),
                    ins,
                    outs,
                });
            }
        }
        Ok(())
    }

    /// The names of the nodes' ops, and the layers that they belong to.
    fn label(&self, nodes: &[usize]) -> Arc<str> {
        let mut ops: Vec<&str> = Vec::new();
        let mut scopes: Vec<&str> = Vec::new();
        for &n in nodes {
            let node = &self.graph.nodes[n];
            if !ops.contains(&node.op.name()) {
                ops.push(node.op.name());
            }
            if let Some(s) = node.scope.as_deref()
                && !scopes.contains(&s)
            {
                scopes.push(s);
            }
        }
        let names = ops.join("+");
        match scopes.as_slice() {
            [] => names.into(),
            [one] => format!("{names} @ {one}").into(),
            [first, rest @ ..] => format!("{names} @ {first} and {} more", rest.len()).into(),
        }
    }

    /// New values of cells: written in place by the step that makes them where nobody reads the old
    /// value later, else copied at the end.
    fn write_states(&mut self, signature: &Signature) -> Result<()> {
        let mut pending: Vec<(usize, ValueId)> = Vec::new();
        let mut claimed: Vec<Root> = Vec::new();
        for (i, (cell, _)) in signature.updates.iter().enumerate() {
            let v = self.graph.updates[i];
            let s = match self.cells.iter().position(|c| Arc::ptr_eq(c, cell)) {
                Some(s) => s,
                None => {
                    self.cells.push(cell.clone());
                    self.cells.len() - 1
                }
            };
            let held = cell.lock().aval().clone();
            if held != *self.aval(v) {
                return Err(Error::shape(
                    "assign",
                    format!(
                        "a value {:?} cannot be assigned to a variable {held:?}",
                        self.aval(v)
                    ),
                ));
            }
            if matches!(self.graph.values[v].source, Source::State(own) if own == s) {
                continue;
            }
            let place = self.place(v);
            if !claimed.contains(&place.root) && self.can_write_in_place(&place, v, s) {
                claimed.push(place.root);
                self.redirect(place.root, Root::State(s));
                claimed.push(Root::State(s));
            } else {
                pending.push((s, v));
            }
        }
        // First everything into temporaries, so that cells may exchange their values.
        let mut staged = Vec::new();
        for (s, v) in pending {
            let aval = self.aval(v).clone();
            let mut place = self.place(v);
            if matches!(place.root, Root::State(_)) {
                place = self.copy(&aval, &place);
            }
            staged.push((s, aval, place));
        }
        for (s, aval, place) in staged {
            let to = Place {
                root: Root::State(s),
                offset: 0,
                strides: contiguous_strides(&aval.shape),
            };
            self.copy_to(&aval, &place, &to);
        }
        Ok(())
    }

    fn can_write_in_place(&self, place: &Place, v: ValueId, s: usize) -> bool {
        let aval = self.aval(v);
        let Root::Arena(block) = place.root else {
            return false;
        };
        if place.offset != 0
            || !is_contiguous(&aval.shape, &place.strides)
            || self.blocks[block].bytes != aval.bytes()
        {
            return false;
        }
        let made = self.blocks[block].first;
        let state = Root::State(s);
        self.steps.iter().enumerate().all(|(i, step)| {
            let reads = || step.ins.iter().filter(|o| o.root == state);
            let writes = step.outs.iter().any(|o| o.root == state);
            match i.cmp(&made) {
                _ if writes => false,
                std::cmp::Ordering::Less => true,
                std::cmp::Ordering::Greater => reads().next().is_none(),
                std::cmp::Ordering::Equal => {
                    let out = step.outs.iter().position(|o| o.root == place.root);
                    let mut ins = step.ins.iter().enumerate().filter(|(_, o)| o.root == state);
                    let takes = |i| out.is_some_and(|out| step.may_overwrite(out, i));
                    // A kernel that fails half-way must not leave half a state.
                    (step.is_elementwise() || (0..step.ins.len()).any(takes))
                        && ins.all(|(i, o)| takes(i) && o.bytes == 0 && o.covers(aval))
                }
            }
        })
    }

    fn redirect(&mut self, from: Root, to: Root) {
        for step in &mut self.steps {
            for o in step.ins.iter_mut().chain(&mut step.outs) {
                if o.root == from {
                    o.root = to;
                }
            }
        }
        for place in self
            .places
            .iter_mut()
            .flatten()
            .chain(self.copies.values_mut())
        {
            if place.root == from {
                place.root = to;
            }
        }
    }

    /// First and last use of every block, now that the order of the steps is settled.
    fn measure_lifetimes(&mut self, results: &[Operand]) {
        let end = self.steps.len();
        for b in &mut self.blocks {
            (b.first, b.last) = (end, 0);
        }
        for (i, step) in self.steps.iter().enumerate() {
            for o in step.ins.iter().chain(&step.outs) {
                if let Root::Arena(b) = o.root {
                    self.blocks[b].first = self.blocks[b].first.min(i);
                    self.blocks[b].last = self.blocks[b].last.max(i);
                }
            }
        }
        for o in results {
            if let Root::Arena(b) = o.root {
                self.blocks[b].last = end;
            }
        }
        for b in &mut self.blocks {
            if b.first > b.last {
                b.bytes = 0; // written to a cell instead
                (b.first, b.last) = (0, 0);
            }
        }
    }

    /// Lets steps write their results over operands that die with them: what was just read is in the cache, and a
    /// result elsewhere would have to be fetched first and push something out.
    fn write_over_dying_operands(&mut self, results: &mut [Operand]) {
        for i in 0..self.steps.len() {
            for out in 0..self.steps[i].outs.len() {
                let Some((from, to)) = self.dying_operand(i, out) else {
                    continue;
                };
                self.redirect(Root::Arena(from), Root::Arena(to));
                for o in results.iter_mut().filter(|o| o.root == Root::Arena(from)) {
                    o.root = Root::Arena(to);
                }
                self.blocks[to].last = self.blocks[from].last;
                self.blocks[from] = Block {
                    bytes: 0,
                    first: 0,
                    last: 0,
                };
            }
        }
    }

    /// The block of output `out` of step `i`, and that of an operand in whose place it may lie.
    fn dying_operand(&self, i: usize, out: usize) -> Option<(usize, usize)> {
        let step = &self.steps[i];
        let result = &step.outs[out];
        let Root::Arena(made) = result.root else {
            return None;
        };
        let whole = |o: &Operand, block: usize| {
            let bytes = o.shape.iter().product::<usize>() * o.dtype.size();
            o.bytes == 0 && bytes > 0 && bytes == self.blocks[block].bytes
        };
        let alone = step.outs.iter().filter(|o| o.root == result.root).count() == 1;
        if self.blocks[made].first != i || !alone || !whole(result, made) {
            return None;
        }
        let fits = |o: &Operand| {
            let Root::Arena(block) = o.root else {
                return None;
            };
            let alike = |(j, o): (usize, &Operand)| {
                step.may_overwrite(out, j)
                    && whole(o, block)
                    && o.dtype == result.dtype
                    && o.shape == result.shape
                    && o.strides == result.strides
            };
            let ins = step.ins.iter().enumerate();
            let mut same = ins.filter(|(_, other)| other.root == o.root);
            let written = step.outs.iter().any(|other| other.root == o.root);
            (block != made && !written && self.blocks[block].last == i && same.all(alike))
                .then_some((made, block))
        };
        step.ins.iter().find_map(fits)
    }

    fn finish(mut self, signature: &Signature, units: &[Unit]) -> Result<Plan> {
        let mut results = Vec::new();
        for &v in &self.graph.outputs {
            let place = match self.copies.get(&v) {
                Some(copy) if matches!(self.graph.values[v].source, Source::State(_)) => {
                    copy.clone()
                }
                _ => self.place(v),
            };
            let aval = self.aval(v).clone();
            let place = match place.root {
                // Arguments are gone after the call.
                Root::Input(_) => self.copy(&aval, &place),
                _ => place,
            };
            results.push(self.operand(&aval, &place));
        }
        self.measure_lifetimes(&results);
        self.write_over_dying_operands(&mut results);
        let (offsets, size) = arena::assign(&self.blocks);
        let listing = super::dump::listing(self.graph, units);
        let inputs = signature.inputs.iter().map(|t| t.aval().clone()).collect();
        let updated = signature.updates.iter().map(|u| u.0.clone()).collect();
        let constants = self
            .constants
            .iter()
            .map(|t| t.array().expect("constants are concrete").clone())
            .collect();
        Plan::new(
            inputs, self.cells, updated, constants, self.steps, results, &offsets, size, listing,
        )
    }
}
