//! The one place an op is defined: [`Op`], and the registry from which tests, the Python functions
//! and the documentation are made.

use crate::aval::{Aval, Shape, Strides};
use crate::buffer::{View, ViewMut};
use crate::error::{Error, Result};
use crate::expr::{Program, ReduceOp};
use crate::tensor::{Node, Tensor};
use smallvec::SmallVec;
use std::any::Any;
use std::fmt::Debug;

/// Abstract values of an op's outputs.
pub type Avals = SmallVec<[Aval; 1]>;
/// Gradients with respect to an op's inputs; `None` where there is none.
pub type Grads = SmallVec<[Option<Tensor>; 3]>;

/// All that a graph pass may know of an op. Passes match on this, never on a name.
#[derive(Debug)]
pub enum Kind<'a> {
    /// A kernel of its own.
    Opaque,
    /// Elementwise over inputs that broadcast to the output's shape.
    Map(&'a Program),
    /// A reduction that keeps the reduced axes with size 1; the axes are sorted.
    Reduce(ReduceOp, &'a [usize]),
    /// Another look at the input's memory ([`Op::view`]).
    View,
    /// Output `i` is input `i` as it is: only the gradient is of its own.
    Forward,
    /// An input of the graph, or a tensor with respect to which gradients are taken.
    Leaf,
}

/// Another look at an array: strides and the offset of its first element, in elements.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Strides of the view.
    pub strides: Strides,
    /// Offset of its first element from the input's first element.
    pub offset: isize,
}

/// An operation: what it makes of shapes, how to run it, and its gradient.
pub trait Op: Any + Debug + Send + Sync {
    /// The name: that of the Rust function, the Python function and the node in a dump.
    fn name(&self) -> &'static str;

    /// Shapes and dtypes of the outputs. The only source of shape and dtype errors: whatever
    /// passes here, [`Op::run`] can do.
    fn infer(&self, x: &[Aval]) -> Result<Avals>;

    /// Gradients of the inputs from those of the outputs, in public ops, so that the rule serves
    /// eager, compiled and higher-order gradients alike.
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let _ = cx;
        Err(Error::unsupported(self.name(), "this op has no gradient"))
    }

    /// Computes the outputs. Never fails: [`Op::infer`] has checked everything.
    /// Not called for [`Kind::Map`], [`Kind::Reduce`], [`Kind::View`] and [`Kind::Forward`].
    fn run(&self, cx: &mut Run) {
        let _ = cx;
        unreachable!("{} is run by the engine", self.name())
    }

    /// What a graph pass may know of it.
    fn kind(&self) -> Kind<'_> {
        Kind::Opaque
    }

    /// For [`Kind::View`]: the layout of the output over the input's memory, or `None` when these
    /// strides do not allow it and the input must be copied first.
    fn view(&self, x: &Aval, strides: &[isize]) -> Option<Layout> {
        let _ = (x, strides);
        None
    }

    /// May input `i` be handed to [`Op::run`] with any strides? Otherwise it is made contiguous.
    fn takes_strided(&self, i: usize) -> bool {
        let _ = i;
        false
    }

    /// The op with one more input: a number for each index of the output's last axis, which is added to the output,
    /// and what is not positive made zero if `relu`; where the kernel does that as it goes. It is only run, never
    /// differentiated.
    fn with_bias(&self, x: &[Aval], relu: bool) -> Option<std::sync::Arc<dyn Op>> {
        let _ = (x, relu);
        None
    }

    /// The input in whose memory output `i` may lie, if it has its shape and nobody reads it later: [`Op::run`] then
    /// gets both at one address.
    fn overwrites(&self, i: usize) -> Option<usize> {
        let _ = i;
        None
    }

    /// For an op most of whose output's rows are zeros: an op on the same inputs that computes the other rows (after one
    /// of zeros) and for each row its number among them, and the op that makes the whole output of these two.
    fn in_rows(&self, x: &[Aval]) -> Option<[std::sync::Arc<dyn Op>; 2]> {
        let _ = x;
        None
    }

    /// Is row `i` of the output, which has two axes, always row `x[1][i]` of `x[0]`? Then a loop may look its rows up
    /// there, and the op need not run.
    fn looks_up_rows(&self) -> bool {
        false
    }

    /// The op on inputs some of which have one more axis in front, of this size, over which it is to be repeated
    /// (`vmap`); every output has that axis. `None`: there is no rule, and the kernel runs once for each example.
    /// Not asked of [`Kind::Map`], [`Kind::Reduce`] and [`Kind::View`], which need no rule.
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        let _ = (x, batched, size);
        Ok(None)
    }

    /// Where the gradient of a leaf is added up, for leaves that keep one.
    fn slot(&self) -> Option<&crate::tensor::Slot> {
        None
    }

    /// Is the result a function of the inputs alone (so that equal calls may be merged)?
    fn is_pure(&self) -> bool {
        true
    }

    /// For an op that computes all outputs of another and then more (those that a gradient needs):
    /// the numbers of the ops of that kind, each before those that extend it, its own last. Of two
    /// calls with the same inputs, one lineage being the start of the other, one suffices.
    fn lineage(&self) -> &[u64] {
        &[]
    }

    /// The same op over inputs and output with one more leading axis of this size, if it is an op of
    /// one input that treats each slice alike.
    fn over_steps(&self, steps: usize) -> Option<std::sync::Arc<dyn Op>> {
        let _ = steps;
        None
    }

    /// The sum of the op's only output over all steps, from inputs stacked along a new leading axis,
    /// where one call does it.
    fn sum_over_steps(&self, stacked: &[Tensor]) -> Option<Result<Tensor>> {
        let _ = stacked;
        None
    }
}

/// What a kernel is handed: input views and outputs to fill.
pub struct Run<'r, 'a> {
    /// The inputs; contiguous unless [`Op::takes_strided`] said otherwise.
    pub ins: &'r [View<'a>],
    /// The outputs, contiguous, holding anything.
    pub outs: &'r mut [ViewMut<'a>],
}

/// What a gradient rule may read.
pub struct Vjp<'a> {
    pub(crate) node: &'a std::sync::Arc<Node>,
    pub(crate) grads: &'a [Option<Tensor>],
    pub(crate) wanted: &'a [bool],
}

impl Vjp<'_> {
    /// Input `i` of the op.
    pub fn x(&self, i: usize) -> &Tensor {
        &self.node.inputs[i]
    }
    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.node.inputs.len()
    }
    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.node.outputs.len()
    }
    /// Output `i` of the op.
    pub fn y(&self, i: usize) -> Tensor {
        Node::output(self.node, i)
    }
    /// Gradient of output `i`; zeros where nothing flowed back.
    pub fn g(&self, i: usize) -> Result<Tensor> {
        match &self.grads[i] {
            Some(g) => Ok(g.clone()),
            None => {
                let a = &self.node.outputs[i].aval;
                Tensor::full(&a.shape, 0.0, a.dtype)
            }
        }
    }
    /// Gradient of output `i`, if any flowed back.
    pub fn g_opt(&self, i: usize) -> Option<&Tensor> {
        self.grads[i].as_ref()
    }
    /// Is the gradient of input `i` asked for? A rule may skip the others.
    pub fn wants(&self, i: usize) -> bool {
        self.wanted[i]
    }
}

/// A function of tensors, as a test calls it.
pub type SampleFn = Box<dyn Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync>;
/// An independent reference in `f64`: shape and elements of every output.
pub type ReferenceFn = Box<dyn Fn(&[Tensor]) -> Vec<(Vec<usize>, Vec<f64>)> + Send + Sync>;

/// A call of an op from which tests are made: its value against a reference, gradients of first
/// and second order against finite differences, eager against compiled, on each ISA.
pub struct Sample {
    /// What is special about it.
    pub label: String,
    /// The inputs; those of type `f64` are differentiated.
    pub inputs: Vec<Tensor>,
    /// The call.
    pub call: SampleFn,
    /// The reference; `None`: the evaluation of the op's expression in `f64`.
    pub reference: Option<ReferenceFn>,
    /// The highest order of gradients to check: 0, 1 or 2.
    pub order: u8,
}

impl Sample {
    /// A sample whose gradients are checked to second order.
    pub fn new(
        label: impl Into<String>,
        inputs: Vec<Tensor>,
        call: impl Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static,
    ) -> Self {
        Sample {
            label: label.into(),
            inputs,
            call: Box::new(call),
            reference: None,
            order: 2,
        }
    }
    /// Adds a reference in `f64`.
    pub fn reference(
        mut self,
        f: impl Fn(&[Tensor]) -> Vec<(Vec<usize>, Vec<f64>)> + Send + Sync + 'static,
    ) -> Self {
        self.reference = Some(Box::new(f));
        self
    }
    /// Checks gradients up to this order only.
    pub fn order(mut self, order: u8) -> Self {
        self.order = order;
        self
    }
}

/// One registered function.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its family: the file it stands in.
    pub module: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    /// Its arguments: `(name, type, default)`.
    pub args: &'static [(&'static str, &'static str, &'static str)],
    /// Type of its result.
    pub result: &'static str,
    /// The calls from which tests are made.
    pub samples: fn() -> Vec<Sample>,
}

inventory::collect!(Entry);

/// All registered functions, by name.
pub fn registry() -> Vec<&'static Entry> {
    let mut all: Vec<_> = inventory::iter::<Entry>.into_iter().collect();
    all.sort_by_key(|e| e.name);
    all
}

/// Defines a public function once: emits the Rust function, the `Tensor` method when the first
/// argument is a `&Tensor`, the Python function, and the registry entry.
///
/// ```ignore
/// op! {
///     /// The square of each element: y = x^2.
///     fn square(x: &Tensor) -> Tensor {
///         map(..)
///     }
///     samples { vec![Sample::new("plain", vec![..], |x| Ok(vec![square(&x[0])?]))] }
/// }
/// ```
#[macro_export]
macro_rules! op {
    // In a crate that uses rustdl: without the method, which only this crate can add to `Tensor`.
    (extern $(#[doc = $doc:literal])* fn $name:ident($($rest:tt)*) -> $ret:ty $body:block $(samples $samples:block)?) => {
        $crate::op!(@function $(#[doc = $doc])* fn $name($($rest)*) -> $ret $body $(samples $samples)?);
    };
    // With the method `Tensor::name`.
    ($(#[doc = $doc:literal])* fn $name:ident($x:ident : &Tensor $(, $arg:ident : $(& $rty:ident)? $($vty:ident $(<$g:ty>)?)? $(= $default:expr)?)* $(,)?) -> $ret:ty $body:block
     $(samples $samples:block)?) => {
        impl $crate::tensor::Tensor {
            $(#[doc = $doc])*
            #[allow(clippy::too_many_arguments)]
            pub fn $name(&self $(, $arg: $(& $rty)? $($vty $(<$g>)?)?)*) -> $crate::error::Result<$ret> {
                self::$name(self $(, $arg)*)
            }
        }
        $crate::op!(@function $(#[doc = $doc])* fn $name($x: &Tensor $(, $arg: $(& $rty)? $($vty $(<$g>)?)? $(= $default)?)*) -> $ret $body $(samples $samples)?);
    };
    ($(#[doc = $doc:literal])* fn $name:ident($($rest:tt)*) -> $ret:ty $body:block $(samples $samples:block)?) => {
        $crate::op!(@function $(#[doc = $doc])* fn $name($($rest)*) -> $ret $body $(samples $samples)?);
    };
    (@function $(#[doc = $doc:literal])* fn $name:ident($($arg:ident : $(& $rty:ident)? $($vty:ident $(<$g:ty>)?)? $(= $default:expr)?),* $(,)?) -> $ret:ty $body:block
     $(samples $samples:block)?) => {
        $(#[doc = $doc])*
        #[allow(clippy::too_many_arguments)]
        pub fn $name($($arg: $(& $rty)? $($vty $(<$g>)?)?),*) -> $crate::error::Result<$ret> $body

        $crate::inventory::submit! {
            $crate::op::Entry {
                name: stringify!($name),
                module: module_path!(),
                doc: concat!($($doc, "\n"),*),
                args: &[$((
                    stringify!($arg),
                    stringify!($($rty)? $($vty $(<$g>)?)?),
                    stringify!($($default)?),
                )),*],
                result: stringify!($ret),
                samples: || -> Vec<$crate::op::Sample> {
                    #[allow(unused_mut, unused_assignments)]
                    let mut s = Vec::new();
                    $(s = $samples;)?
                    s
                },
            }
        }

        #[cfg(feature = "python")]
        const _: () = {
        mod binding {
            // Not `super::*`: pyo3 makes a module of the function's name, which would be ambiguous.
            #[allow(unused_imports)]
            use $crate::{args::*, aval::DType, tensor::Tensor};
            use pyo3::prelude::*;
            $(#[doc = $doc])*
            #[pyfunction]
            #[pyo3(signature = ($($arg $(= $default)?),*))]
            #[allow(clippy::too_many_arguments)]
            fn $name(py: Python<'_>, $($arg: $($rty)? $($vty $(<$g>)?)?),*) -> PyResult<$ret> {
                $crate::python::edge::call(py, move || {
                    $($(let $arg: &$rty = &$arg;)?)*
                    super::$name($($arg),*)
                })
            }
            $crate::inventory::submit! {
                $crate::python::edge::Function(|m| m.add_function(pyo3::wrap_pyfunction!($name, m)?))
            }
        }
        };
    };
}

/// Output shape and layout used by view ops' `infer`.
pub fn one(shape: Shape, dtype: crate::aval::DType) -> Avals {
    smallvec::smallvec![Aval { shape, dtype }]
}
