//! Batching (`vmap`) and evaluation of traced functions: a graph is walked again with other values for its
//! placeholders, which may have one more axis in front.
//!
//! Elementwise ops, reductions and views are batched here by their [`Kind`]; an op with a kernel of its own may bring
//! a rule ([`Op::batch`]). Without one the kernel runs once for each example ([`Batched`]). The gradient of a batched
//! op is the batched gradient rule of the op, so both compose to any depth.

use crate::aval::{Aval, Shape};
use crate::bind::{Outputs, bind, bind_arc};
use crate::buffer::{View, ViewMut};
use crate::error::{Error, Result};
use crate::expr::{BinOp, Builder, Node as Expr, OutKind, Program, ReduceOp, Scalar, Ty};
use crate::op::{Avals, Grads, Kind, Layout, Op, Run, Vjp};
use crate::ops::{reduce, view};
use crate::tensor::{Node, Output, Tensor};
use smallvec::{SmallVec, smallvec};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A value of the function being evaluated, and whether it has the batch axis in front.
#[derive(Debug, Clone)]
pub struct Value {
    /// The value.
    pub tensor: Tensor,
    /// Does its first axis count the examples?
    pub batched: bool,
}

/// What placeholders stand for, by node and output.
type Env = HashMap<(u64, usize), Value>;

/// How a traced function is evaluated again.
#[derive(Debug, Clone, Copy)]
pub struct Batching {
    /// Number of examples.
    pub size: usize,
    /// Does each example draw random numbers of its own? Otherwise all draw the same.
    pub different: bool,
}

/// Evaluates traced tensors with values in place of placeholders; what does not depend on them stays as it is.
///
/// # Errors
/// Those of the ops: shapes and memory.
pub fn evaluate(
    targets: &[Tensor],
    placeholders: &[(Tensor, Value)],
    batching: Batching,
) -> Result<Vec<Value>> {
    let mut env: Env = HashMap::new();
    for (p, value) in placeholders {
        let key = p
            .key()
            .ok_or_else(|| Error::internal("vmap", "a placeholder without a node"))?;
        env.insert(key, value.clone());
    }
    let walk = Walk {
        given: placeholders,
        batching,
    };
    for node in reachable(targets, &env) {
        walk.node(&node, &mut env)?;
    }
    Ok(targets.iter().map(|t| lookup(t, &env)).collect())
}

fn lookup(t: &Tensor, env: &Env) -> Value {
    let known = t.key().and_then(|k| env.get(&k));
    known.cloned().unwrap_or_else(|| Value {
        tensor: t.clone(),
        batched: false,
    })
}

/// The traced nodes below the targets that are younger than some placeholder, oldest first.
fn reachable(targets: &[Tensor], env: &Env) -> Vec<Arc<Node>> {
    let oldest = env.keys().map(|k| k.0).min().unwrap_or(u64::MAX);
    let mut seen: HashSet<u64> = HashSet::new();
    let mut found: Vec<Arc<Node>> = Vec::new();
    let traced = |t: &Tensor| t.node().filter(|_| t.is_traced()).map(|n| n.0.clone());
    let mut stack: Vec<Arc<Node>> = targets.iter().filter_map(traced).collect();
    while let Some(node) = stack.pop() {
        if node.id < oldest || env.contains_key(&(node.id, 0)) || !seen.insert(node.id) {
            continue;
        }
        stack.extend(node.inputs.iter().filter_map(traced));
        found.push(node);
    }
    found.sort_unstable_by_key(|n| n.id);
    found
}

struct Walk<'a> {
    given: &'a [(Tensor, Value)],
    batching: Batching,
}

impl Walk<'_> {
    fn node(&self, node: &Arc<Node>, env: &mut Env) -> Result<()> {
        let depends = node
            .inputs
            .iter()
            .any(|t| t.key().is_some_and(|k| env.contains_key(&k)));
        if !depends {
            return Ok(());
        }
        let ins: SmallVec<[Value; 3]> = node.inputs.iter().map(|t| lookup(t, env)).collect();
        let outs: SmallVec<[Value; 1]> = if matches!(node.op.kind(), Kind::Leaf) {
            smallvec![ins[0].clone()]
        } else {
            self.apply(node, &ins)?
        };
        for (i, value) in outs.into_iter().enumerate() {
            env.insert((node.id, i), value);
        }
        Ok(())
    }

    fn apply(&self, node: &Arc<Node>, ins: &[Value]) -> Result<SmallVec<[Value; 1]>> {
        let draws = self.batching.different && is_random(node.op.as_ref());
        let batched = draws || ins.iter().any(|v| v.batched);
        let outs: Outputs = if batched {
            self.batch(node, ins)?
        } else {
            let tensors: SmallVec<[&Tensor; 3]> = ins.iter().map(|v| &v.tensor).collect();
            bind_arc(node.op.clone(), &tensors)?
        };
        Ok(outs
            .into_iter()
            .map(|tensor| Value { tensor, batched })
            .collect())
    }

    fn batch(&self, node: &Arc<Node>, ins: &[Value]) -> Result<Outputs> {
        let size = self.batching.size;
        let flags: SmallVec<[bool; 3]> = ins.iter().map(|v| v.batched).collect();
        let tensors: SmallVec<[Tensor; 3]> = ins.iter().map(|v| v.tensor.clone()).collect();
        let op = &node.op;
        if let Some(outs) = op.batch(&tensors, &flags, size)? {
            return Ok(outs);
        }
        match op.kind() {
            Kind::Reduce(reduce_op, axes) => {
                let behind: SmallVec<[usize; 6]> = axes.iter().map(|a| a + 1).collect();
                let y = reduce::reduce(reduce_op, &tensors[0], &behind)?;
                Ok(smallvec![y])
            }
            Kind::Map(program) => self.map(node, program, &tensors, &flags),
            Kind::View => {
                let x = lead(&tensors[0], flags[0], size)?;
                let mut all = tensors.clone();
                all[0] = x;
                let mut flags = flags.clone();
                flags[0] = true;
                self.wrapped(node, Form::View, all, flags)
            }
            Kind::Forward => {
                let n = node.outputs.len();
                let (mut all, mut flags) = (tensors.clone(), flags.clone());
                for i in 0..n {
                    all[i] = lead(&all[i], flags[i], size)?;
                    flags[i] = true;
                }
                self.wrapped(node, Form::Forward, all, flags)
            }
            Kind::Opaque => self.wrapped(node, Form::Kernel, tensors, flags),
            Kind::Leaf => Err(Error::internal("vmap", "a leaf cannot be batched")),
        }
    }

    fn map(
        &self,
        node: &Arc<Node>,
        program: &Program,
        tensors: &[Tensor],
        flags: &[bool],
    ) -> Result<Outputs> {
        let rank = node.outputs[0].aval.rank();
        let domain = node.outputs[0].aval.size();
        let random = is_random(node.op.as_ref());
        if random && !self.batching.different {
            return self.each(node, tensors, flags);
        }
        // Operands keep their own axes behind, at the places where they broadcast.
        let mut aligned: SmallVec<[Tensor; 3]> = SmallVec::new();
        for (t, &b) in tensors.iter().zip(flags) {
            aligned.push(if b { align(t, rank)? } else { t.clone() });
        }
        let program = if random {
            program.clone()
        } else {
            index_within(program, domain)
        };
        self.wrapped(node, Form::Map(program), aligned, flags.into())
    }

    /// One call for each example, stacked: for random numbers that all examples share.
    fn each(&self, node: &Arc<Node>, tensors: &[Tensor], flags: &[bool]) -> Result<Outputs> {
        let mut columns: SmallVec<[Vec<Tensor>; 1]> = smallvec![Vec::new(); node.outputs.len()];
        for i in 0..self.batching.size {
            let mut row: SmallVec<[Tensor; 3]> = SmallVec::new();
            for (t, &b) in tensors.iter().zip(flags) {
                row.push(if b {
                    view::drop_axes(&view::narrow(t, 0, i, 1)?, &[0])?
                } else {
                    t.clone()
                });
            }
            let refs: SmallVec<[&Tensor; 3]> = row.iter().collect();
            for (column, y) in columns.iter_mut().zip(bind_arc(node.op.clone(), &refs)?) {
                column.push(y);
            }
        }
        columns
            .into_iter()
            .map(|c| crate::ops::concat::stack(c, 0))
            .collect()
    }

    fn wrapped(
        &self,
        node: &Arc<Node>,
        form: Form,
        inputs: SmallVec<[Tensor; 3]>,
        batched: SmallVec<[bool; 3]>,
    ) -> Result<Outputs> {
        // Rules written as closures may read what was traced with them; pure ops read their operands only.
        let given = if node.op.is_pure() {
            Vec::new()
        } else {
            self.given.to_vec()
        };
        let op = Batched {
            inner: node.op.clone(),
            ins: node.inputs.iter().map(|t| t.aval().clone()).collect(),
            outs: node.outputs.iter().map(|o| o.aval.clone()).collect(),
            batched,
            batching: self.batching,
            form,
            given,
        };
        let refs: SmallVec<[&Tensor; 3]> = inputs.iter().collect();
        bind(op, &refs)
    }
}

fn is_random(op: &dyn Op) -> bool {
    matches!(op.kind(), Kind::Map(p) if p.nodes().iter().any(|n| matches!(n, Expr::Random(..))))
}

/// The index of an element within its example instead of within the batch.
fn index_within(program: &Program, domain: usize) -> Program {
    if !program.is_positional() {
        return program.clone();
    }
    let mut b = Builder::new(program.operands());
    let operands: Vec<_> = (0..program.operands().len()).map(|i| b.load(i)).collect();
    let nodes = program.nodes();
    let map = b.inline_replacing(program, &operands, |b, id| {
        matches!(nodes[id as usize], Expr::Index).then(|| {
            let (index, n) = (
                b.index(),
                b.constant(Scalar::from_f64(Ty::I64, domain as f64)),
            );
            b.bin(BinOp::Rem, index, n)
        })
    });
    let outs: Vec<_> = program
        .outs()
        .iter()
        .map(|o| (map[o.node as usize], OutKind::Full))
        .collect();
    b.finish(&outs)
}

/// `[size, 1.., axes..]` of the given number of axes behind the first.
fn align(x: &Tensor, rank: usize) -> Result<Tensor> {
    let own = &x.shape()[1..];
    let mut shape: Shape = smallvec![x.shape()[0]];
    shape.extend(std::iter::repeat_n(1, rank - own.len()));
    shape.extend_from_slice(own);
    view::reshape_to(x, &shape)
}

/// The tensor with the batch axis in front, repeated without a copy if it has none.
pub fn lead(x: &Tensor, batched: bool, size: usize) -> Result<Tensor> {
    if batched {
        return Ok(x.clone());
    }
    let mut shape: Shape = smallvec![size];
    shape.extend_from_slice(x.shape());
    view::broadcast_to_shape(x, &shape)
}

/// The rule of ops whose leading axes are independent of each other: all operands with the batch axis in front.
pub fn by_leading_axis(
    op: impl Op,
    x: &[Tensor],
    batched: &[bool],
    size: usize,
) -> Result<Option<Outputs>> {
    let all: Vec<Tensor> = x
        .iter()
        .zip(batched)
        .map(|(t, &b)| lead(t, b, size))
        .collect::<Result<_>>()?;
    let refs: Vec<&Tensor> = all.iter().collect();
    bind(op, &refs).map(Some)
}

/// The batch axis merged with the one behind it.
pub fn fold(x: &Tensor) -> Result<Tensor> {
    let s = x.shape();
    let mut shape: Shape = smallvec![s[0] * s[1]];
    shape.extend_from_slice(&s[2..]);
    view::reshape_to(x, &shape)
}

/// The first axis split into the batch axis and the rest.
pub fn unfold(x: &Tensor, size: usize) -> Result<Tensor> {
    let s = x.shape();
    let mut shape: Shape = smallvec![size, s[0] / size.max(1)];
    shape.extend_from_slice(&s[1..]);
    view::reshape_to(x, &shape)
}

/// How a batched op runs.
#[derive(Debug)]
enum Form {
    /// The elementwise program over `[size, domain..]`.
    Map(Program),
    /// The same view of each example.
    View,
    /// The first inputs as they are.
    Forward,
    /// The kernel, once for each example.
    Kernel,
}

/// An op over examples: some inputs have the batch axis in front, all outputs have.
struct Batched {
    inner: Arc<dyn Op>,
    /// Shapes and dtypes of the inputs and outputs of one example.
    ins: SmallVec<[Aval; 3]>,
    outs: Avals,
    batched: SmallVec<[bool; 3]>,
    batching: Batching,
    form: Form,
    given: Vec<(Tensor, Value)>,
}

impl std::fmt::Debug for Batched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Batched({:?}, {:?}, {:?}, {:?})",
            self.inner, self.ins, self.batched, self.batching
        )
    }
}

impl Op for Batched {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn infer(&self, _: &[Aval]) -> Result<Avals> {
        self.outs
            .iter()
            .map(|a| {
                let shape = self.many(a);
                crate::aval::checked_bytes(self.name(), &shape, a.dtype)?;
                Ok(Aval {
                    shape,
                    dtype: a.dtype,
                })
            })
            .collect()
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let mut given: Vec<(Tensor, Value)> = self.given.clone();
        let mut stand_in = |aval: &Aval, tensor: Tensor, batched: bool| -> Result<Tensor> {
            let p = Tensor::placeholder(&aval.shape, aval.dtype)?;
            given.push((p.clone(), Value { tensor, batched }));
            Ok(p)
        };
        let n = cx.inputs();
        let mut inputs: SmallVec<[Tensor; 3]> = SmallVec::new();
        for i in 0..n {
            // Elementwise operands had axes of size 1 put in.
            let value = if self.batched[i] {
                view::reshape_to(cx.x(i), &self.many(&self.ins[i]))?
            } else {
                cx.x(i).clone()
            };
            inputs.push(stand_in(&self.ins[i], value, self.batched[i])?);
        }
        let mut grads: Vec<Option<Tensor>> = Vec::new();
        for (i, aval) in self.outs.iter().enumerate() {
            grads.push(match cx.g_opt(i) {
                Some(g) => Some(stand_in(aval, g.clone(), true)?),
                None => None,
            });
        }
        let outputs: SmallVec<[Output; 1]> = self
            .outs
            .iter()
            .map(|aval| Output {
                aval: aval.clone(),
                array: None,
            })
            .collect();
        let node = Node::new(self.inner.clone(), inputs, outputs);
        for i in 0..node.outputs.len() {
            let value = Value {
                tensor: cx.y(i),
                batched: true,
            };
            given.push((Node::output(&node, i), value));
        }
        let back = self.inner.vjp(&Vjp {
            node: &node,
            grads: &grads,
            wanted: cx.wanted,
        })?;
        let found: Vec<Tensor> = back.iter().flatten().cloned().collect();
        let mut values = evaluate(&found, &given, self.batching)?.into_iter();
        let mut result: Grads = SmallVec::new();
        for (i, g) in back.iter().enumerate() {
            result.push(match g {
                None => None,
                Some(_) => {
                    let v = values.next().expect("one value for each gradient");
                    Some(if self.batched[i] {
                        let g = lead(&v.tensor, v.batched, self.batching.size)?;
                        view::reshape_to(&g, cx.x(i).shape())?
                    } else {
                        self.total(v)?
                    })
                }
            });
        }
        Ok(result)
    }

    fn run(&self, cx: &mut Run) {
        for i in 0..self.batching.size {
            let ins: SmallVec<[View; 4]> = cx
                .ins
                .iter()
                .zip(&self.batched)
                .map(|(v, &b)| if b { v.row(i) } else { *v })
                .collect();
            let mut outs: SmallVec<[ViewMut; 2]> = cx.outs.iter_mut().map(|v| v.row(i)).collect();
            self.inner.run(&mut Run {
                ins: &ins,
                outs: &mut outs,
            });
        }
    }

    fn kind(&self) -> Kind<'_> {
        match &self.form {
            Form::Map(program) => Kind::Map(program),
            Form::View => Kind::View,
            Form::Forward => Kind::Forward,
            Form::Kernel => Kind::Opaque,
        }
    }

    fn view(&self, _: &Aval, strides: &[isize]) -> Option<Layout> {
        let mut layout = self.inner.view(&self.ins[0], &strides[1..])?;
        layout.strides.insert(0, strides[0]);
        Some(layout)
    }

    fn takes_strided(&self, i: usize) -> bool {
        self.inner.takes_strided(i)
    }

    fn is_pure(&self) -> bool {
        self.inner.is_pure()
    }
}

impl Batched {
    /// The shape of a value of all examples.
    fn many(&self, example: &Aval) -> Shape {
        let mut shape: Shape = smallvec![self.batching.size];
        shape.extend_from_slice(&example.shape);
        shape
    }

    /// The gradient of an input that all examples share.
    fn total(&self, v: Value) -> Result<Tensor> {
        if v.batched {
            let sum = reduce::reduce(ReduceOp::Sum, &v.tensor, &[0])?;
            return view::reshape_to(&sum, &v.tensor.shape()[1..]);
        }
        let n = Tensor::full(&[], self.batching.size as f64, v.tensor.dtype())?;
        crate::ops::math::multiply(&v.tensor, &n)
    }
}
