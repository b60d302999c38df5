//! The only door: every call of every op goes through [`bind`].
//!
//! - any input without a value: append a node to the graph (**trace**);
//! - otherwise run the kernel now (**eager**), and
//! - if an input stands on a tape, record a node that also holds the values (**tape**).

use crate::aval::{Aval, DType, Shape, Strides, broadcast_strides, contiguous_strides};
use crate::buffer::{Buffer, View, ViewMut};
use crate::error::{Error, Result};
use crate::expr::{Builder, Loop, Operand, OutKind, Program, ReduceOp, Ty, cache, vm_run};
use crate::op::{Avals, Kind, Op, Run};
use crate::tensor::{Array, Node, Output, Tensor};
use smallvec::SmallVec;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

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

/// Switches the tape of this thread on or off until told otherwise; gives what it was.
pub fn set_recording(on: bool) -> bool {
    RECORDING.replace(on)
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
        let made = run_now(op.as_ref(), inputs, &outs)?;
        let what = FIND_NANS.load(Ordering::Relaxed);
        if what != 0 && !matches!(op.kind(), Kind::View | Kind::Forward) {
            check_finite(op.as_ref(), inputs, &outs, &made, what)?;
        }
        arrays.extend(made.into_iter().map(Some));
    }
    if !taped {
        let plain = outs.into_iter().zip(arrays);
        return Ok(plain
            .map(|(aval, array)| Tensor::from_parts(aval, false, array, None))
            .collect());
    }
    let outputs = outs
        .into_iter()
        .zip(arrays)
        .map(|(aval, array)| Output { aval, array })
        .collect();
    let node = Node::new(op, inputs.iter().map(|&t| t.clone()).collect(), outputs);
    Ok((0..node.outputs.len())
        .map(|i| Node::output(&node, i))
        .collect())
}

static FIND_NANS: AtomicU8 = AtomicU8::new(0);

/// Makes every op that runs look for NaN (and infinities) in its results.
pub fn find_not_finite(nans: bool, infinities: bool) {
    FIND_NANS.store(
        u8::from(nans) | u8::from(infinities) << 1,
        Ordering::Relaxed,
    );
}

/// An error if an op made NaN or infinities while they are looked for.
#[cold]
fn check_finite(
    op: &dyn Op,
    inputs: &[&Tensor],
    outs: &Avals,
    arrays: &[Array],
    what: u8,
) -> Result<()> {
    let bad = |x: f64| (what & 1 != 0 && x.is_nan()) || (what & 2 != 0 && x.is_infinite());
    for (aval, array) in outs.iter().zip(arrays).filter(|(a, _)| a.dtype.is_float()) {
        let y = Tensor::from_array(aval.clone(), array.clone());
        let Some(first) = y.to_vec::<f64>()?.into_iter().find(|&x| bad(x)) else {
            continue;
        };
        let mut from = "its inputs are finite";
        for x in inputs.iter().filter(|x| x.dtype().is_float()) {
            if x.detach().to_vec::<f64>()?.into_iter().any(bad) {
                from = "an input has it already";
            }
        }
        let place = crate::tensor::scope().map_or_else(String::new, |s| format!(" in layer {s}"));
        let shapes: Vec<String> = inputs.iter().map(|t| format!("{:?}", t.aval())).collect();
        let reason = format!(
            "made {first}{place}: result {aval:?} of inputs ({}); {from}",
            shapes.join(", ")
        );
        return Err(Error::not_finite(op.name(), reason));
    }
    Ok(())
}

/// Runs an op on concrete inputs; a panic in a kernel becomes [`Error::Internal`].
fn run_now(op: &dyn Op, inputs: &[&Tensor], outs: &Avals) -> Result<SmallVec<[Array; 1]>> {
    let guarded = catch_unwind(AssertUnwindSafe(|| match op.kind() {
        Kind::View => Ok(SmallVec::from_iter([run_view(op, inputs[0])?])),
        Kind::Map(program) => run_map(op.name(), program, inputs, outs),
        Kind::Reduce(reduce, axes) => run_reduce(op.name(), reduce, axes, inputs[0], outs),
        Kind::Opaque => run_kernel(op, inputs, outs),
        Kind::Forward => Ok(inputs[..outs.len()]
            .iter()
            .map(|t| t.array().expect("concrete").clone())
            .collect()),
        Kind::Leaf => Err(Error::internal(op.name(), "a leaf cannot be applied")),
    }));
    guarded.unwrap_or_else(|payload| Err(panic_error(op.name(), payload)))
}

static PANIC_IN: Mutex<Option<String>> = Mutex::new(None);
static PANIC_ARMED: AtomicBool = AtomicBool::new(false);

/// For tests: the next kernel of the op with this name panics, as a bug in it would.
pub fn inject_panic(op: Option<&str>) {
    *PANIC_IN.lock().unwrap_or_else(|e| e.into_inner()) = op.map(str::to_string);
    PANIC_ARMED.store(op.is_some(), Ordering::Relaxed);
}

/// Called before each kernel: see [`inject_panic`].
#[inline]
pub(crate) fn before_kernel(op: &'static str) {
    if PANIC_ARMED.load(Ordering::Relaxed) {
        let mut armed = PANIC_IN.lock().unwrap_or_else(|e| e.into_inner());
        if armed.as_deref() == Some(op) {
            *armed = None;
            PANIC_ARMED.store(false, Ordering::Relaxed);
            drop(armed);
            panic!("injected into {op}");
        }
    }
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
    outs.iter()
        .map(|a| Ok(Array::contiguous(Buffer::new(op, a.bytes())?, &a.shape)))
        .collect()
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
    Ok(Array {
        buffer: source.buffer,
        offset: offset as usize,
        strides: layout.strides,
    })
}

fn run_map(
    op: &'static str,
    program: &Program,
    inputs: &[&Tensor],
    outs: &Avals,
) -> Result<SmallVec<[Array; 1]>> {
    let arrays = allocate(op, outs)?;
    let dims = &outs[0].shape;
    let ins: SmallVec<[Operand; 4]> = inputs
        .iter()
        .map(|t| {
            let a = t.array().expect("concrete");
            Operand {
                dtype: t.dtype(),
                strides: broadcast_strides(t.shape(), &a.strides, dims),
            }
        })
        .collect();
    let results: SmallVec<[Operand; 2]> = outs
        .iter()
        .map(|a| Operand {
            dtype: a.dtype,
            strides: contiguous_strides(dims),
        })
        .collect();
    let body = cache::cached(program, dims, &ins, &results, 0);
    let views: SmallVec<[View; 4]> = inputs.iter().map(|t| t.view()).collect::<Result<_>>()?;
    let mut writers: SmallVec<[ViewMut; 2]> = outs
        .iter()
        .zip(&arrays)
        .map(|(aval, array)| array.buffer.writer(aval.dtype, &aval.shape))
        .collect();
    vm_run::run(&body, &views, &mut writers);
    drop(writers);
    Ok(arrays)
}

/// Reduces the trailing axes as rows, others as columns: see `ops::reduce::Reduce`.
fn run_reduce(
    op: &'static str,
    reduce: ReduceOp,
    axes: &[usize],
    x: &Tensor,
    outs: &Avals,
) -> Result<SmallVec<[Array; 1]>> {
    let arrays = allocate(op, outs)?;
    let plan = ReducePlan::new(x.shape(), axes);
    // Trailing axes become one row, which a strided operand may not allow.
    let x = if plan.merges_rows {
        contiguous(x)?
    } else {
        x.clone()
    };
    let strides = plan.order(&x.array().expect("concrete").strides);
    let (body, _) = plan.build(reduce, x.dtype(), strides);
    let mut out = arrays[0].buffer.writer(outs[0].dtype, &outs[0].shape);
    vm_run::run(&body, &[x.view()?], std::slice::from_mut(&mut out));
    Ok(arrays)
}

/// How a reduction is laid out as a loop: `[kept.., reduced.., inner]`, or `[kept.., reduced]` when
/// the trailing axes are reduced.
pub struct ReducePlan {
    /// Axes of the input over which the outer loops run.
    outer: SmallVec<[usize; 6]>,
    /// Sizes of the loop's dimensions.
    dims: SmallVec<[usize; 6]>,
    /// Strides of the output in each dimension.
    out: Strides,
    /// Number of trailing outer dimensions that are reduced (column form).
    columns: usize,
    /// The axis along which the inner dimension steps (the last of a merged row).
    inner: usize,
    /// Must the operand be contiguous because several axes are merged?
    pub merges_rows: bool,
}

impl ReducePlan {
    /// The plan for reducing `axes` (sorted) of an array of this shape.
    pub fn new(shape: &[usize], axes: &[usize]) -> ReducePlan {
        let rank = shape.len();
        let kept_shape: Shape = (0..rank)
            .map(|i| if axes.contains(&i) { 1 } else { shape[i] })
            .collect();
        let out_strides = contiguous_strides(&kept_shape);
        let tail = (0..rank)
            .rev()
            .take_while(|i| axes.contains(i) || shape[*i] == 1)
            .count();
        let rows = tail > 0 && axes.iter().all(|&a| a >= rank - tail);
        let mut order: SmallVec<[usize; 6]> = SmallVec::new();
        let mut plan_dims: SmallVec<[usize; 6]> = SmallVec::new();
        let mut out = Strides::new();
        if rows {
            for i in 0..rank - tail {
                order.push(i);
                plan_dims.push(shape[i]);
                out.push(out_strides[i]);
            }
            plan_dims.push(shape[rank - tail..].iter().product());
            out.push(0);
            let merged = shape[rank - tail..].iter().filter(|&&n| n != 1).count() > 1;
            let inner = (rank - tail..rank)
                .rev()
                .find(|&i| shape[i] != 1)
                .unwrap_or(rank - 1);
            return ReducePlan {
                outer: order,
                inner,
                dims: plan_dims,
                out,
                columns: 0,
                merges_rows: merged,
            };
        }
        let inner = (0..rank)
            .rev()
            .find(|i| !axes.contains(i) && shape[*i] != 1)
            .unwrap_or(rank - 1);
        let kept = (0..rank).filter(|i| !axes.contains(i) && *i != inner);
        for i in kept.chain(axes.iter().copied()).chain([inner]) {
            if i != inner {
                order.push(i);
            }
            plan_dims.push(shape[i]);
            out.push(if axes.contains(&i) { 0 } else { out_strides[i] });
        }
        ReducePlan {
            outer: order,
            inner,
            dims: plan_dims,
            out,
            columns: axes.len(),
            merges_rows: false,
        }
    }

    /// The operand's strides in the order of the loop's dimensions.
    pub fn order(&self, strides: &[isize]) -> Strides {
        let mut s: Strides = self.outer.iter().map(|&a| strides[a]).collect();
        s.push(if self.merges_rows {
            1
        } else {
            strides[self.inner]
        });
        s
    }

    /// The loop that reads an operand with these (ordered) strides.
    pub fn build(&self, reduce: ReduceOp, dtype: DType, strides: Strides) -> (Loop, Program) {
        let mut b = Builder::new(&[Ty::of(dtype)]);
        let x = b.load(0);
        let out = if self.columns > 0 {
            (x, OutKind::Col(reduce))
        } else {
            (b.reduce(reduce, x), OutKind::Row)
        };
        let program = b.finish(&[out]);
        let out = Operand {
            dtype,
            strides: self.out.clone(),
        };
        let body = Loop::new(
            &program,
            &self.dims,
            &[Operand { dtype, strides }],
            &[out],
            self.columns,
        );
        (body, program)
    }
}

fn run_kernel(op: &dyn Op, inputs: &[&Tensor], outs: &Avals) -> Result<SmallVec<[Array; 1]>> {
    let mut held: SmallVec<[Tensor; 3]> = SmallVec::new();
    for (i, &t) in inputs.iter().enumerate() {
        held.push(if op.takes_strided(i) {
            t.clone()
        } else {
            contiguous(t)?
        });
    }
    let arrays = allocate(op.name(), outs)?;
    let views: SmallVec<[View; 4]> = held.iter().map(Tensor::view).collect::<Result<_>>()?;
    let mut writers: SmallVec<[ViewMut; 2]> = outs
        .iter()
        .zip(&arrays)
        .map(|(aval, array)| array.buffer.writer(aval.dtype, &aval.shape))
        .collect();
    before_kernel(op.name());
    op.run(&mut Run {
        ins: &views,
        outs: &mut writers,
    });
    drop(writers);
    Ok(arrays)
}

/// The same concrete tensor with row-major strides; itself if it has them. Off the tape.
pub fn contiguous(x: &Tensor) -> Result<Tensor> {
    if x.is_contiguous() || x.is_traced() {
        return Ok(x.clone());
    }
    let outs: Avals = SmallVec::from_iter([x.aval().clone()]);
    let mut b = Builder::new(&[Ty::of(x.dtype())]);
    let loaded = b.load(0);
    let program = b.finish(&[(loaded, OutKind::Full)]);
    let mut arrays = run_map("contiguous", &program, &[x], &outs)?;
    Ok(Tensor::from_array(x.aval().clone(), arrays.remove(0)))
}
