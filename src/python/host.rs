//! Ops whose kernel is a Python function: users' own ops in numpy, and printing from inside a compiled step.

use super::edge;
use crate::aval::{Aval, DType};
use crate::bind::bind;
use crate::buffer::{Buffer, View};
use crate::error::{Error, Result};
use crate::kernels::copy;
use crate::op::{Avals, Grads, Op, Run, Vjp};
use crate::tensor::{Array, Tensor};
use pyo3::prelude::*;
use smallvec::SmallVec;
use std::collections::HashSet;
use std::sync::Mutex;

/// Calls Python when it runs.
#[derive(Debug)]
struct HostOp {
    name: &'static str,
    outs: Avals,
    /// From a list of tensors to a list of tensors.
    call: Py<PyAny>,
    /// From (inputs, outputs, gradients of the outputs) to the gradients of the inputs.
    vjp: Option<Py<PyAny>>,
    pure: bool,
}

impl Op for HostOp {
    fn name(&self) -> &'static str {
        self.name
    }
    fn infer(&self, _: &[Aval]) -> Result<Avals> {
        Ok(self.outs.clone())
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let Some(vjp) = &self.vjp else {
            return Err(Error::unsupported(
                self.name,
                "this op of Python has no gradient: give it one with `vjp=`",
            ));
        };
        let xs: Vec<Tensor> = (0..cx.inputs()).map(|i| cx.x(i).clone()).collect();
        let ys: Vec<Tensor> = (0..self.outs.len()).map(|i| cx.y(i)).collect();
        let gs: Vec<Tensor> = (0..self.outs.len())
            .map(|i| cx.g(i))
            .collect::<Result<_>>()?;
        let found: Vec<Option<Tensor>> = Python::attach(|py| {
            let found = vjp.call1(py, (xs, ys, gs)).and_then(|x| x.extract(py));
            found.map_err(|e| edge::from_py(py, self.name, &e))
        })?;
        if found.len() != cx.inputs() {
            return Err(Error::argument(
                self.name,
                format!(
                    "the gradient function gave {} gradients for {} arguments",
                    found.len(),
                    cx.inputs()
                ),
            ));
        }
        for (i, g) in found.iter().enumerate() {
            if let Some(g) = g.as_ref().filter(|g| g.shape() != cx.x(i).shape()) {
                return Err(Error::shape(
                    self.name,
                    format!(
                        "the gradient of argument {i} has shape {:?}, the argument {:?}",
                        g.shape(),
                        cx.x(i).shape()
                    ),
                ));
            }
        }
        Ok(found.into_iter().collect())
    }
    fn run(&self, cx: &mut Run) {
        if let Err(e) = self.call_python(cx) {
            // Kernels cannot fail; an error thrown as a value arrives as that error at the caller.
            std::panic::resume_unwind(Box::new(e));
        }
    }
    fn is_pure(&self) -> bool {
        self.pure
    }
}

impl HostOp {
    fn call_python(&self, cx: &mut Run) -> Result<()> {
        let inputs: Vec<Tensor> = cx.ins.iter().map(owned).collect::<Result<_>>()?;
        let found: Vec<Tensor> = Python::attach(|py| {
            let found = self.call.call1(py, (inputs,)).and_then(|x| x.extract(py));
            found.map_err(|e| edge::from_py(py, self.name, &e))
        })?;
        if found.len() != self.outs.len() {
            return Err(Error::argument(
                self.name,
                format!(
                    "gave {} results instead of {}",
                    found.len(),
                    self.outs.len()
                ),
            ));
        }
        for ((y, want), out) in found.iter().zip(&self.outs).zip(cx.outs.iter_mut()) {
            // (A batched op runs this for one example of many: the shape is that of `outs` still.)
            if y.aval() != want {
                return Err(Error::shape(
                    self.name,
                    format!("gave {:?}, but {want:?} was announced", y.aval()),
                ));
            }
            copy::copy(&y.view()?, out);
        }
        Ok(())
    }
}

/// A copy of what a kernel may read during its call only.
fn owned(v: &View) -> Result<Tensor> {
    let aval = Aval::new(v.shape(), v.dtype());
    let buffer = Buffer::new("host", aval.bytes())?;
    copy::copy(v, &mut buffer.writer(v.dtype(), v.shape()));
    let array = Array::contiguous(buffer, v.shape());
    Ok(Tensor::from_array(aval, array))
}

/// Names live as long as the process, each once.
fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut held = NAMES.lock().unwrap_or_else(|e| e.into_inner());
    let names = held.get_or_insert_with(HashSet::new);
    if let Some(known) = names.get(name) {
        return known;
    }
    let made: &'static str = Box::leak(name.to_string().into_boxed_str());
    names.insert(made);
    made
}

/// Applies a Python function as an op: `call(list of tensors)` gives tensors of the announced shapes and dtypes.
#[pyfunction]
#[pyo3(signature = (name, inputs, outs, call, vjp=None, pure=true))]
fn host_op(
    py: Python<'_>,
    name: &str,
    inputs: Vec<Tensor>,
    outs: Vec<(Vec<usize>, DType)>,
    call: Py<PyAny>,
    vjp: Option<Py<PyAny>>,
    pure: bool,
) -> PyResult<Vec<Tensor>> {
    let op = HostOp {
        name: interned(name),
        outs: outs.iter().map(|(s, d)| Aval::new(s, *d)).collect(),
        call,
        vjp,
        pure,
    };
    edge::call(py, move || {
        let refs: SmallVec<[&Tensor; 3]> = inputs.iter().collect();
        Ok(bind(op, &refs)?.into_vec())
    })
}

/// Adds the functions of this file.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(host_op, m)?)
}
