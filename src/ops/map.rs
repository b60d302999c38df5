//! Elementwise ops: the mechanism. An op is a [`Program`] over operands that broadcast.
//!
//! [`unary`], [`unary_float`], [`binary`], [`compare`] and [`apply`] are what the families in
//! `math.rs`, `logic.rs` and `activation.rs` are written with.

use crate::autodiff::unbroadcast;
use crate::aval::{Aval, DType, broadcast, promote_weak};
use crate::bind::{bind, bind1};
use crate::error::{Error, Result};
use crate::expr::{Builder, CmpOp, Id, Node, OutKind, Program, Scalar, Ty, UnOp};
use crate::op::{Avals, Grads, Kind, Op, Vjp};
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// An elementwise op with any number of inputs and outputs.
#[derive(Debug)]
pub struct Map {
    name: &'static str,
    program: Arc<Program>,
    dtypes: SmallVec<[DType; 2]>,
}

impl Map {
    /// An op of this name; `dtypes` are those in which the outputs are stored.
    pub fn new(name: &'static str, program: Program, dtypes: &[DType]) -> Map {
        debug_assert_eq!(program.outs().len(), dtypes.len());
        Map {
            name,
            program: Arc::new(program),
            dtypes: dtypes.into(),
        }
    }
}

impl Op for Map {
    fn name(&self) -> &'static str {
        self.name
    }

    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let shapes: SmallVec<[&[usize]; 3]> = x.iter().map(|a| a.shape.as_slice()).collect();
        let shape = broadcast(self.name, &shapes)?;
        // The product of broadcast shapes can overflow although each operand is small.
        for &dtype in &self.dtypes {
            crate::aval::checked_bytes(self.name, &shape, dtype)?;
        }
        Ok(self
            .dtypes
            .iter()
            .map(|&dtype| Aval {
                shape: shape.clone(),
                dtype,
            })
            .collect())
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let n = cx.inputs();
        let mut grads: Grads = smallvec::smallvec![None; n];
        let wanted: Vec<bool> = (0..n).map(|i| cx.wants(i)).collect();
        let back = read_outputs(&self.program, &self.program.vjp(&wanted));
        let mut inputs: SmallVec<[Tensor; 6]> = (0..n).map(|i| cx.x(i).clone()).collect();
        inputs.extend((0..self.dtypes.len()).map(|i| cx.y(i)));
        for i in 0..self.dtypes.len() {
            inputs.push(if self.dtypes[i].is_float() {
                cx.g(i)?
            } else {
                inputs[n + i].clone()
            });
        }
        let targets: SmallVec<[usize; 3]> = (0..n).filter(|&i| wanted[i]).collect();
        let dtypes: SmallVec<[DType; 3]> = targets.iter().map(|&i| cx.x(i).dtype()).collect();
        let outs = apply_pruned(gradient_of(self.name), &back, &inputs, &dtypes)?;
        for (&i, g) in targets.iter().zip(outs) {
            // A gradient that reads no operand is one number, and one that x was broadcast for is larger than x.
            let shape = cx.x(i).shape();
            let common = broadcast("gradient", &[g.shape(), shape])?;
            let g = crate::ops::view::broadcast_to_shape(&g, &common)?;
            let g = unbroadcast(&g, shape)?;
            grads[i] = Some(g);
        }
        Ok(grads)
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Map(&self.program)
    }
}

/// The name of the gradient of an op, also of its gradients; made once for each op.
fn gradient_of(name: &'static str) -> &'static str {
    static NAMES: Mutex<BTreeMap<&str, &str>> = Mutex::new(BTreeMap::new());
    if name.starts_with("gradient of ") {
        return name;
    }
    let mut names = NAMES.lock().unwrap_or_else(|e| e.into_inner());
    names
        .entry(name)
        .or_insert_with(|| format!("gradient of {name}").leak())
}

/// A gradient (over x.. and g..) as a program over x.., y.. and g..: where it computes again what the
/// forward program computed, it reads the result. So `exp`, `tanh` or `sigmoid` keep y, not x, and a
/// rectifier needs nothing but its output.
fn read_outputs(forward: &Program, back: &Program) -> Program {
    let (n, m) = (forward.operands().len(), forward.outs().len());
    let mut both = Builder::new(back.operands());
    let loads: Vec<Id> = (0..back.operands().len()).map(|i| both.load(i)).collect();
    let ys = both.inline(forward, &loads[..n]);
    let gs = both.inline(back, &loads);
    let outs: Vec<(Id, OutKind)> = gs
        .iter()
        .chain(&ys)
        .map(|&id| (id, OutKind::Full))
        .collect();
    let joined = both.finish(&outs);
    let y_nodes: Vec<Id> = joined.outs()[gs.len()..].iter().map(|o| o.node).collect();
    let nodes = joined.nodes();
    let zero = |id: Id| matches!(nodes[id as usize], Node::Const(c) if c.to_f64() == 0.0);

    let mut types: Vec<Ty> = forward.operands().to_vec();
    types.extend((0..m).map(|i| forward.out_ty(i)));
    types.extend(&back.operands()[n..]);
    let mut b = Builder::new(&types);
    let operands: Vec<Id> = (0..n)
        .chain(n + m..types.len())
        .map(|i| b.load(i))
        .collect();
    let map = b.inline_replacing(&joined, &operands, |b, id| {
        let worth = |y: Id| !matches!(nodes[y as usize], Node::Load(_) | Node::Const(_));
        if let Some(k) = y_nodes.iter().position(|&y| y == id && worth(y)) {
            return Some(b.load(n + k));
        }
        // x > 0 is y > 0 for y = max(x, 0).
        if let Node::Cmp(CmpOp::Gt, x, bound) = nodes[id as usize]
            && zero(bound)
            && let Some(k) = y_nodes
                .iter()
                .position(|&y| nodes[y as usize] == Node::Un(UnOp::Relu, x))
        {
            let (y, zero) = (b.load(n + k), b.real(forward.out_ty(k), 0.0));
            return Some(b.cmp(CmpOp::Gt, y, zero));
        }
        None
    });
    let outs: Vec<(Id, OutKind)> = joined.outs()[..gs.len()]
        .iter()
        .map(|o| (map[o.node as usize], OutKind::Full))
        .collect();
    b.finish(&outs)
}

/// Applies a program whose operands are these tensors.
pub fn apply(
    name: &'static str,
    program: Program,
    inputs: &[&Tensor],
    dtypes: &[DType],
) -> Result<Vec<Tensor>> {
    Ok(bind(Map::new(name, program, dtypes), inputs)?.into_vec())
}

/// Applies a program after leaving out operands that it does not read, so that nothing is kept
/// alive for a gradient that does not need it; outputs that just are an operand are that operand.
fn apply_pruned(
    name: &'static str,
    program: &Program,
    inputs: &[Tensor],
    dtypes: &[DType],
) -> Result<Vec<Tensor>> {
    let mut used = vec![false; inputs.len()];
    for node in program.nodes() {
        if let Node::Load(i) = node {
            used[*i as usize] = true;
        }
    }
    let kept: Vec<usize> = (0..inputs.len()).filter(|&i| used[i]).collect();
    let passed: Vec<Option<usize>> = program
        .outs()
        .iter()
        .zip(dtypes)
        .map(|(o, &d)| match program.nodes()[o.node as usize] {
            Node::Load(i) if inputs[i as usize].dtype() == d => Some(i as usize),
            _ => None,
        })
        .collect();
    if passed.iter().all(Option::is_some) {
        return Ok(passed
            .iter()
            .flatten()
            .map(|&i| inputs[i].clone())
            .collect());
    }
    let mut b = Builder::new(&[]);
    let mut map = vec![0 as Id; inputs.len()];
    for &i in &kept {
        map[i] = b.operand(program.operands()[i]);
    }
    let outs: Vec<(Id, OutKind)> = b
        .inline(program, &map)
        .into_iter()
        .map(|id| (id, OutKind::Full))
        .collect();
    let kept_inputs: Vec<&Tensor> = kept.iter().map(|&i| &inputs[i]).collect();
    if kept_inputs.is_empty() {
        // A constant gradient: one element, broadcast by the caller.
        return (0..outs.len())
            .map(|k| {
                let v = program.eval_f64(&vec![0.0; inputs.len()])[k];
                Tensor::full(&[], v, dtypes[k])
            })
            .collect();
    }
    apply(name, b.finish(&outs), &kept_inputs, dtypes)
}

/// y = f(x), computed and stored in x's dtype.
pub fn unary(
    name: &'static str,
    x: &Tensor,
    f: impl FnOnce(&mut Builder, Id) -> Id,
) -> Result<Tensor> {
    unary_as(name, x, x.dtype(), f)
}

/// y = f(x) for real functions: integers are computed in `f32`.
pub fn unary_float(
    name: &'static str,
    x: &Tensor,
    f: impl FnOnce(&mut Builder, Id) -> Id,
) -> Result<Tensor> {
    unary_as(name, x, x.dtype().to_float(), f)
}

/// y = f(x) where f gets x in the compute type of `dtype` and y is stored as `dtype`.
pub fn unary_as(
    name: &'static str,
    x: &Tensor,
    dtype: DType,
    f: impl FnOnce(&mut Builder, Id) -> Id,
) -> Result<Tensor> {
    let mut b = Builder::new(&[Ty::of(x.dtype())]);
    let loaded = b.load(0);
    let arg = b.cast(loaded, Ty::of(dtype));
    let y = f(&mut b, arg);
    let y = b.cast(y, Ty::of(dtype));
    bind1(
        Map::new(name, b.finish(&[(y, OutKind::Full)]), &[dtype]),
        &[x],
    )
}

/// y = f(x) of type bool, where f gets x in its own compute type.
pub fn predicate(
    name: &'static str,
    x: &Tensor,
    f: impl FnOnce(&mut Builder, Id) -> Id,
) -> Result<Tensor> {
    let mut b = Builder::new(&[Ty::of(x.dtype())]);
    let arg = b.load(0);
    let y = f(&mut b, arg);
    bind1(
        Map::new(name, b.finish(&[(y, OutKind::Full)]), &[DType::Bool]),
        &[x],
    )
}

/// The dtype in which two operands meet.
pub fn common_dtype(a: &Tensor, b: &Tensor) -> DType {
    promote_weak((a.dtype(), a.is_weak()), (b.dtype(), b.is_weak())).0
}

/// A weak scalar (a Python number) becomes a constant of the program instead of an operand.
fn as_constant(t: &Tensor, ty: Ty) -> Option<Scalar> {
    if t.rank() != 0 || t.node().is_some() || !t.is_weak() {
        return None;
    }
    t.item().ok().map(|v| Scalar::from_f64(ty, v))
}

/// z = f(x1, x2) with numpy broadcasting, both converted to `compute` and the result stored as `out`.
pub fn binary_as(
    name: &'static str,
    x1: &Tensor,
    x2: &Tensor,
    compute: DType,
    out: DType,
    f: impl FnOnce(&mut Builder, Id, Id) -> Id,
) -> Result<Tensor> {
    let ty = Ty::of(compute);
    let mut b = Builder::new(&[]);
    let mut inputs: SmallVec<[&Tensor; 2]> = SmallVec::new();
    let mut ids: SmallVec<[Id; 2]> = SmallVec::new();
    let both_constant = as_constant(x1, ty).is_some() && as_constant(x2, ty).is_some();
    for (i, t) in [x1, x2].into_iter().enumerate() {
        let id = match as_constant(t, ty) {
            Some(c) if !(both_constant && i == 0) => b.constant(c),
            _ => {
                let id = b.operand(Ty::of(t.dtype()));
                inputs.push(t);
                b.cast(id, ty)
            }
        };
        ids.push(id);
    }
    let y = f(&mut b, ids[0], ids[1]);
    let y = b.cast(y, Ty::of(out));
    bind1(
        Map::new(name, b.finish(&[(y, OutKind::Full)]), &[out]),
        &inputs,
    )
}

/// z = f(x1, x2) in the dtype to which both promote.
pub fn binary(
    name: &'static str,
    x1: &Tensor,
    x2: &Tensor,
    f: impl FnOnce(&mut Builder, Id, Id) -> Id,
) -> Result<Tensor> {
    let dtype = common_dtype(x1, x2);
    let y = binary_as(name, x1, x2, dtype, dtype, f)?;
    Ok(if x1.is_weak() && x2.is_weak() && !y.is_traced() {
        y.into_weak()
    } else {
        y
    })
}

/// z = f(x1, x2) in a floating type: integers and booleans become `f32`.
pub fn binary_float(
    name: &'static str,
    x1: &Tensor,
    x2: &Tensor,
    f: impl FnOnce(&mut Builder, Id, Id) -> Id,
) -> Result<Tensor> {
    let dtype = common_dtype(x1, x2).to_float();
    binary_as(name, x1, x2, dtype, dtype, f)
}

/// A comparison: operands promote, the result is bool.
pub fn compare(
    name: &'static str,
    x1: &Tensor,
    x2: &Tensor,
    f: impl FnOnce(&mut Builder, Id, Id) -> Id,
) -> Result<Tensor> {
    binary_as(name, x1, x2, common_dtype(x1, x2), DType::Bool, f)
}

/// Refuses operands that are not floating point.
pub fn require_float(op: &'static str, x: &Tensor) -> Result<()> {
    if x.dtype().is_float() {
        return Ok(());
    }
    Err(Error::dtype(
        op,
        format!(
            "needs a floating point tensor, not {}; convert it with cast(x, \"float32\")",
            x.dtype()
        ),
    ))
}

pub use super::math::add;
