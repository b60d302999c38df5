//! The kernels over views: which array stands where.

use super::{Backward, Cell, Forward, Spec};
use crate::aval::DType;
use crate::buffer::{View, ViewMut};
use crate::simd::Float;

/// Which of the optional arrays are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// A bias beside the inputs.
    pub bias: bool,
    /// A bias beside the recurrent products.
    pub recurrent_bias: bool,
    /// A mask.
    pub mask: bool,
}

/// What is asked of a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Is there a gradient of the outputs, not only of the last states?
    pub outputs: bool,
    /// Is that of the recurrent weights wanted?
    pub weights: bool,
    /// Are those of the biases?
    pub biases: bool,
}

/// Takes arrays one after another, and checks their sizes.
struct Take<I>(I);

impl<'v, 'a: 'v, I: Iterator<Item = &'v View<'a>>> Take<I> {
    fn next<T>(&mut self, there: bool, elements: usize) -> *const T {
        if !there {
            return std::ptr::null();
        }
        let view = self.0.next().expect("an array for each operand");
        assert_eq!(
            view.shape().iter().product::<usize>(),
            elements,
            "elements of an operand"
        );
        view.ptr().cast()
    }
}

struct Put<I>(I);

impl<'v, 'a: 'v, I: Iterator<Item = &'v mut ViewMut<'a>>> Put<I> {
    fn next<T>(&mut self, there: bool, elements: usize) -> *mut T {
        if !there {
            return std::ptr::null_mut();
        }
        let view = self.0.next().expect("an array for each result");
        assert_eq!(view.size(), elements, "elements of a result");
        view.ptr().cast()
    }
}

/// Runs all steps. Operands: inputs times weights `[batch, steps, G U]`, recurrent weights
/// `[U, G U]`, first h and (LSTM) c `[batch, U]`, and as given the biases `[G U]` and the mask
/// `[batch, steps]`. Results: outputs `[batch, steps, U]`, last h and c; with `keep` what
/// [`backward`] reads: activations `[batch, steps, S U]` if any are kept, `[batch, steps, U]` of an LSTM c before each
/// step, of a GRU the recurrent part of the candidate (or the state after the reset), and h after each step where outputs may be zero instead.
pub fn forward(spec: &Spec, given: Given, keep: bool, ins: &[View], outs: &mut [ViewMut]) {
    match outs[0].dtype() {
        DType::F64 => forward_of::<f64>(spec, given, keep, ins, outs),
        _ => forward_of::<f32>(spec, given, keep, ins, outs),
    }
}

fn forward_of<T: Float>(s: &Spec, given: Given, keep: bool, ins: &[View], outs: &mut [ViewMut]) {
    let (u, gates, is_lstm) = (s.units, s.cell.gates(), s.cell == Cell::Lstm);
    let (rows, state) = (s.batch * s.steps, s.batch * s.units);
    let mut take = Take(ins.iter());
    let mut put = Put(outs.iter_mut());
    let f = Forward::<T> {
        spec: *s,
        x: take.next(true, rows * gates * u),
        recurrent: take.next(true, u * gates * u),
        h0: take.next(true, state),
        c0: take.next(is_lstm, state),
        bias: take.next(given.bias, gates * u),
        recurrent_bias: take.next(given.recurrent_bias, gates * u),
        mask: take.next(given.mask, rows),
        y: put.next(true, rows * u),
        h: put.next(true, state),
        c: put.next(is_lstm, state),
        saved: put.next(keep && s.cell.saved() > 0, rows * s.cell.saved() * u),
        before_c: put.next(keep && is_lstm, rows * u),
        product: put.next(keep && s.cell.keeps_more() && !is_lstm, rows * u),
        states: put.next(keep && s.zero_masked, rows * u),
    };
    // SAFETY: contiguous arrays of these sizes; results never overlap anything.
    unsafe { super::forward::run(&f) }
}

/// Gradients of all steps. Operands: recurrent weights, first h, h after each step `[batch, steps, U]`, the other arrays
/// that the forward pass kept, the mask if there is one, gradients of outputs (if asked from them) and of the last states.
/// Results: gradients of the inputs `[batch, steps, G U]`, for a GRU that of the candidate's recurrent product
/// `[batch, steps, U]` (those of the other gates are the inputs'), of the first states, and as asked of the recurrent
/// weights, the bias, and for a GRU the recurrent bias. The first may lie where the activations are, that of the product
/// where the product is, and of a simple recurrence the first where the outputs' gradient is.
pub fn backward(spec: &Spec, mask: bool, asked: Asked, ins: &[View], outs: &mut [ViewMut]) {
    match outs[0].dtype() {
        DType::F64 => backward_of::<f64>(spec, mask, asked, ins, outs),
        _ => backward_of::<f32>(spec, mask, asked, ins, outs),
    }
}

fn backward_of<T: Float>(s: &Spec, mask: bool, asked: Asked, ins: &[View], outs: &mut [ViewMut]) {
    let (u, gates, is_lstm) = (s.units, s.cell.gates(), s.cell == Cell::Lstm);
    let (rows, state) = (s.batch * s.steps, s.batch * s.units);
    let mut take = Take(ins.iter());
    let mut put = Put(outs.iter_mut());
    let b = Backward::<T> {
        spec: *s,
        recurrent: take.next(true, u * gates * u),
        h0: take.next(true, state),
        states: take.next(true, rows * u),
        saved: take.next(s.cell.saved() > 0, rows * s.cell.saved() * u),
        before_c: take.next(is_lstm, rows * u),
        product: take.next(s.cell.keeps_more() && !is_lstm, rows * u),
        mask: take.next(mask, rows),
        gy: take.next(asked.outputs, rows * u),
        gh: take.next(true, state),
        gc: take.next(is_lstm, state),
        dx: put.next(true, rows * gates * u),
        da: put.next(s.cell.resets_product(), rows * u),
        dh: put.next(true, state),
        dc: put.next(is_lstm, state),
        dw: put.next(asked.weights, u * gates * u),
        db: put.next(asked.biases, gates * u),
        drb: put.next(asked.biases && s.cell.resets_product(), gates * u),
    };
    // SAFETY: contiguous arrays of these sizes; results overlap nothing but what they may.
    unsafe { super::backward::run(&b) }
}
