//! Gradients of what is the same in each step, taken out of the loop.
//!
//! The gradient of a weight is the sum of one contribution a step. Where the contribution is linear
//! in something that can be stacked, the sum over steps is one call after the loop: for `h_t W`
//! one matrix product over all steps and rows instead of one, and an addition of the size of W, a
//! step. What cannot be taken out is added up in a carry.

use super::Body;
use super::body::Key;
use crate::bind::bind_arc;
use crate::error::Result;
use crate::expr::{BinOp, Node, Program, ReduceOp};
use crate::op::{Kind, Op};
use crate::ops::reduce::reduce;
use crate::ops::{map, view};
use crate::tensor::Tensor;
use std::collections::HashSet;
use std::sync::Arc;

/// A value of the body, stacked over the steps.
#[derive(Debug)]
pub(super) enum Stack {
    /// Input `xs[i]` of the forward scan.
    X(usize),
    /// A value kept by the forward scan: number i of [`Hoist::kept`].
    Kept(usize),
    /// The gradient of stacked output i of the forward scan.
    Grad(usize),
    /// A value that the backward scan gives: number i of [`Hoist::given`].
    Given(usize),
    /// An op over all steps of another stack.
    Over(Arc<dyn Op>, Box<Stack>),
}

/// The sum of a value of the body over the steps.
#[derive(Debug)]
pub(super) enum Sum {
    /// Added up in the loop: number i of [`Hoist::carried`].
    Carried(usize),
    /// Both summands are summed.
    Add(Box<Sum>, Box<Sum>),
    /// A linear op of one input, applied to the sum of its input.
    Linear(Arc<dyn Op>, Box<Sum>),
    /// A reduction over the steps too, and the shape of its result.
    Reduce(Vec<usize>, Stack, Vec<usize>),
    /// One call over all steps.
    Whole(Arc<dyn Op>, Vec<Stack>),
}

/// What the loops must provide for the sums.
pub(super) struct Hoist<'b> {
    body: &'b Body,
    /// Gradients of the stacked outputs.
    grads: &'b [Option<Tensor>],
    /// Values that depend on gradients, and so belong to the backward loop.
    late: &'b HashSet<Key>,
    pub kept: Vec<Tensor>,
    pub given: Vec<Tensor>,
    pub carried: Vec<Tensor>,
}

fn position(list: &[Tensor], t: &Tensor) -> Option<usize> {
    list.iter()
        .position(|x| x.key().is_some() && x.key() == t.key())
}

fn note(list: &mut Vec<Tensor>, t: &Tensor) -> usize {
    position(list, t).unwrap_or_else(|| {
        list.push(t.clone());
        list.len() - 1
    })
}

/// Is it `a + b` as it stands, without conversion?
fn is_sum(program: &Program) -> bool {
    let [out] = program.outs() else {
        return false;
    };
    let load = |id: u32| matches!(program.nodes()[id as usize], Node::Load(_));
    match program.nodes()[out.node as usize] {
        Node::Bin(BinOp::Add, a, b) => a != b && load(a) && load(b),
        _ => false,
    }
}

impl<'b> Hoist<'b> {
    pub fn new(body: &'b Body, grads: &'b [Option<Tensor>], late: &'b HashSet<Key>) -> Self {
        Hoist {
            body,
            grads,
            late,
            kept: Vec::new(),
            given: Vec::new(),
            carried: Vec::new(),
        }
    }

    /// How to sum `z` over the steps.
    pub fn sum(&mut self, z: &Tensor) -> Result<Sum> {
        if let Some(found) = self.outside(z)? {
            return Ok(found);
        }
        Ok(Sum::Carried(note(&mut self.carried, z)))
    }

    fn outside(&mut self, z: &Tensor) -> Result<Option<Sum>> {
        let Some((node, 0)) = z.node().filter(|_| z.is_traced()) else {
            return Ok(None);
        };
        let node = node.clone();
        match node.op.kind() {
            Kind::View => {
                let inner = self.sum(&node.inputs[0])?;
                Ok(Some(Sum::Linear(node.op.clone(), Box::new(inner))))
            }
            Kind::Map(program) if is_sum(program) && alike(&node.inputs, z) => {
                let (a, b) = (self.sum(&node.inputs[0])?, self.sum(&node.inputs[1])?);
                Ok(Some(Sum::Add(Box::new(a), Box::new(b))))
            }
            Kind::Reduce(ReduceOp::Sum, axes) => {
                let axes = std::iter::once(0)
                    .chain(axes.iter().map(|a| a + 1))
                    .collect();
                let stack = self.stack(&node.inputs[0])?;
                Ok(stack.map(|s| Sum::Reduce(axes, s, z.shape().to_vec())))
            }
            Kind::Opaque => self.whole(&node.op, &node.inputs),
            _ => Ok(None),
        }
    }

    /// One call over all steps, if the op has such a form (asked of placeholders) and all its
    /// inputs can be stacked.
    fn whole(&mut self, op: &Arc<dyn Op>, inputs: &[Tensor]) -> Result<Option<Sum>> {
        if inputs.iter().any(|t| !self.can_stack(t)) {
            return Ok(None);
        }
        let symbols = inputs
            .iter()
            .map(|t| Tensor::placeholder(&[&[2], t.shape()].concat(), t.dtype()))
            .collect::<Result<Vec<_>>>()?;
        if op.sum_over_steps(&symbols).is_none() {
            return Ok(None);
        }
        let stacks = inputs
            .iter()
            .map(|t| self.stack(t))
            .collect::<Result<Option<Vec<_>>>>()?;
        Ok(stacks.map(|s| Sum::Whole(op.clone(), s)))
    }

    fn can_stack(&self, t: &Tensor) -> bool {
        t.is_traced() && position(&self.body.constants, t).is_none()
    }

    /// Where to find `t` of all steps; notes what the loops must give for it.
    fn stack(&mut self, t: &Tensor) -> Result<Option<Stack>> {
        if !self.can_stack(t) {
            return Ok(None);
        }
        if let Some(i) = position(&self.body.xs, t) {
            return Ok(Some(Stack::X(i)));
        }
        let grad = |g: &Option<Tensor>| g.as_ref().is_some_and(|g| g.key() == t.key());
        if let Some(i) = self.grads.iter().position(grad) {
            return Ok(Some(Stack::Grad(i)));
        }
        if let Some((node, _)) = t.node()
            && matches!(node.op.kind(), Kind::View)
            && node.op.over_steps(1).is_some()
        {
            let (op, input) = (node.op.clone(), node.inputs[0].clone());
            return Ok(self.stack(&input)?.map(|s| Stack::Over(op, Box::new(s))));
        }
        let late = t.key().is_some_and(|k| self.late.contains(&k));
        Ok(Some(match late {
            true => Stack::Given(note(&mut self.given, t)),
            false => Stack::Kept(note(&mut self.kept, t)),
        }))
    }
}

/// Have all tensors the shape and dtype of `z`?
fn alike(tensors: &[Tensor], z: &Tensor) -> bool {
    tensors.len() == 2 && tensors.iter().all(|t| t.aval() == z.aval())
}

/// The stacked values from which sums are made, once the loops have run.
pub(super) struct Stacked<'a> {
    pub steps: usize,
    pub xs: &'a [Tensor],
    pub kept: Vec<Tensor>,
    pub grads: Vec<Option<Tensor>>,
    pub given: &'a [Tensor],
    pub carried: &'a [Tensor],
}

impl Stacked<'_> {
    fn stack(&self, s: &Stack) -> Result<Tensor> {
        Ok(match s {
            Stack::X(i) => self.xs[*i].clone(),
            Stack::Kept(i) => self.kept[*i].clone(),
            Stack::Given(i) => self.given[*i].clone(),
            Stack::Grad(i) => self.grads[*i]
                .clone()
                .expect("a gradient that the body reads"),
            Stack::Over(op, inner) => {
                let over = op.over_steps(self.steps).expect("asked before");
                bind_arc(over, &[&self.stack(inner)?])?.remove(0)
            }
        })
    }

    /// The sum over the steps.
    pub fn sum(&self, sum: &Sum) -> Result<Tensor> {
        match sum {
            Sum::Carried(i) => Ok(self.carried[*i].clone()),
            Sum::Add(a, b) => map::add(&self.sum(a)?, &self.sum(b)?),
            Sum::Linear(op, inner) => Ok(bind_arc(op.clone(), &[&self.sum(inner)?])?.remove(0)),
            Sum::Reduce(axes, s, shape) => {
                view::reshape_to(&reduce(ReduceOp::Sum, &self.stack(s)?, axes)?, shape)
            }
            Sum::Whole(op, inputs) => {
                let stacked = inputs
                    .iter()
                    .map(|s| self.stack(s))
                    .collect::<Result<Vec<_>>>()?;
                op.sum_over_steps(&stacked).expect("asked before")
            }
        }
    }
}
