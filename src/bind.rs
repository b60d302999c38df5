//! The only door: every call of every op goes through [`bind`].
//!
//! - any input without a value: append a node to the graph (**trace**);
//! - otherwise run the kernel now (**eager**), and
//! - if an input stands on a tape, record a node that also holds the values (**tape**).

use crate::aval::{Aval, broadcast_strides, contiguous_strides};
use crate::buffer::{Buffer, View, ViewMut};
use crate::error::{Error, Result};
use crate::expr::{Loop, Operand, Program};
use crate::op::{Avals, Kind, Op, Run};
use crate::tensor::{Array, Node, Output, Tensor};
use smallvec::SmallVec;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Outputs of an op.
pub type Outputs = SmallVec<[Tensor; 1]>;

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

/// Runs `f` with the tape switched on or off for this thread. Tracing is not affected.
pub fn with_recording<R>(on: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(on));
    f()
}

/// Is the tape of this thread on?
pub fn is_recording() -> bool {
    RECORDING.get()
}

/// Applies an op to tensors.
pub fn bind(op: impl Op, inputs: &[&Tensor]) -> Result<Outputs> {
    bind_arc(Arc::new(op), inputs)
}

/// Applies an op with one output.
pub fn bind1(op: impl Op, inputs: &[&Tensor]) -> Result<Tensor> {
    Ok(bind(op, inputs)?.remove(0))
}

/// Applies a shared op to tensors.
pub fn bind_arc(op: Arc<dyn Op>, inputs: &[&Tensor]) -> Result<Outputs> {
    let avals: SmallVec<[Aval; 3]> = inputs.iter().map(|t| t.aval().clone()).collect();
    let outs = op.infer(&avals)?;
    let traced = inputs.iter().any(|t| t.is_traced());
    let taped = traced || (RECORDING.get() && inputs.iter().any(|t| t.node().is_some()));
    let mut arrays: SmallVec<[Option<Array>; 1]> = SmallVec::new();
    if traced {
        arrays.resize(outs.len(), None);
    } else {
        arrays.extend(run_now(op.as_ref(), inputs, &outs)?.into_iter().map(Some));
    }
    if !taped {
        let plain = outs.into_iter().zip(arrays);
        return Ok(plain.map(|(aval, array)| Tensor::from_parts(aval, false, array, None)).collect());
    }
    let outputs = outs.into_iter().zip(arrays).map(|(aval, array)| Output { aval, array }).collect();
    let node = Node::new(op, inputs.iter().map(|&t| t.clone()).collect(), outputs);
    Ok((0..node.outputs.len()).map(|i| Node::output(&node, i)).collect())
}

/// Runs an op on concrete inputs; a panic in a kernel becomes [`Error::Internal`].
fn run_now(op: &dyn Op, inputs: &[&Tensor], outs: &Avals) -> Result<SmallVec<[Array; 1]>> {
    let guarded = catch_unwind(AssertUnwindSafe(|| match op.kind() {
        Kind::View => Ok(SmallVec::from_iter([run_view(op, inputs[0])?])),
        Kind::Map(program) => run_map(op.name(), program, inputs, outs),
        Kind::Reduce(..) | Kind::Opaque => run_kernel(op, inputs, outs),
        Kind::Leaf => Err(Error::internal(op.name(), "a leaf cannot be applied")),
    }));
    guarded.unwrap_or_else(|payload| Err(panic_error(op.name(), payload)))
}

/// What a caught panic says, as an error.
pub fn panic_error(op: &'static str, payload: Box<dyn std::any::Any + Send>) -> Error {
    match payload.downcast::<Error>() {
        Ok(e) => *e, // scratch memory that could not be had is thrown as an error value
        Err(payload) => {
            let text = payload
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_string()))
                .unwrap_or_else(|| "a kernel panicked".to_string());
            Error::internal(op, text)
        }
    }
}

fn allocate(op: &'static str, outs: &Avals) -> Result<SmallVec<[Array; 1]>> {
    outs.iter().map(|a| Ok(Array::contiguous(Buffer::new(op, a.bytes())?, &a.shape))).collect()
}

fn run_view(op: &dyn Op, x: &Tensor) -> Result<Array> {
    let array = x.array().expect("run_now gets concrete inputs");
    let (source, layout) = match op.view(x.aval(), &array.strides) {
        Some(layout) => (array.clone(), layout),
        None => {
            let copy = contiguous(x)?;
            let array = copy.array().expect("a copy is concrete").clone();
            let layout = op
                .view(x.aval(), &array.strides)
                .ok_or_else(|| Error::internal(op.name(), "a view of a contiguous array failed"))?;
            (array, layout)
        }
    };
    let offset = source.offset as isize + layout.offset * x.dtype().size() as isize;
    Ok(Array { buffer: source.buffer, offset: offset as usize, strides: layout.strides })
}

fn run_map(op: &'static str, program: &Program, inputs: &[&Tensor], outs: &Avals) -> Result<SmallVec<[Array; 1]>> {
    let arrays = allocate(op, outs)?;
    let dims = &outs[0].shape;
    let ins: SmallVec<[Operand; 4]> = inputs
        .iter()
        .map(|t| {
            let a = t.array().expect("concrete");
            Operand { dtype: t.dtype(), strides: broadcast_strides(t.shape(), &a.strides, dims) }
        })
        .collect();
    let results: SmallVec<[Operand; 2]> =
        outs.iter().map(|a| Operand { dtype: a.dtype, strides: contiguous_strides(dims) }).collect();
    let body = Loop::new(program, dims, &ins, &results, 0);
    body.run_arrays(
        inputs.iter().map(|t| t.array().expect("concrete").ptr().cast_const()),
        arrays.iter().map(Array::ptr),
    );
    Ok(arrays)
}

fn run_kernel(op: &dyn Op, inputs: &[&Tensor], outs: &Avals) -> Result<SmallVec<[Array; 1]>> {
    let mut held: SmallVec<[Tensor; 3]> = SmallVec::new();
    for (i, &t) in inputs.iter().enumerate() {
        held.push(if op.takes_strided(i) { t.clone() } else { contiguous(t)? });
    }
    let arrays = allocate(op.name(), outs)?;
    let views: SmallVec<[View; 4]> = held.iter().map(Tensor::view).collect::<Result<_>>()?;
    let mut writers: SmallVec<[ViewMut; 2]> =
        outs.iter().zip(&arrays).map(|(aval, array)| array.buffer.writer(aval.dtype, &aval.shape)).collect();
    op.run(&mut Run { ins: &views, outs: &mut writers });
    Ok(arrays)
}

/// The same concrete tensor with row-major strides; itself if it has them. Off the tape.
pub fn contiguous(x: &Tensor) -> Result<Tensor> {
    if x.is_contiguous() || x.is_traced() {
        return Ok(x.clone());
    }
    let outs: Avals = SmallVec::from_iter([x.aval().clone()]);
    let program = Program::identity(x.dtype());
    let mut arrays = run_map("contiguous", &program, &[x], &outs)?;
    Ok(Tensor::from_array(x.aval().clone(), arrays.remove(0)))
}
