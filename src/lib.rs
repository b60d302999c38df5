//! **rustdl**: deep learning on the CPU.
//!
//! Tensors, reverse-mode automatic differentiation of any order, SIMD kernels and training
//! steps that are traced once and then run without the interpreter.
//!
//! The modules form layers: each may use only those listed above it
//! (`docs/architecture.md` tells why, and `tests/it/layers.rs` checks it).

// An empty line ends a layer.
pub mod error;

pub mod aval;

pub mod args;
pub mod par;
pub mod simd;

pub mod buffer;

pub mod expr;

pub mod kernels;

pub mod autodiff;
pub mod batching;
pub mod bind;
pub mod checkpoint;
pub mod op;
pub mod ops;
pub mod tensor;
// The body of a loop (`ops::scan`) is a compiled graph, so the compiler shares the ops' layer.
pub mod graph;

#[doc(hidden)]
pub use inventory;
#[doc(hidden)]
pub use smallvec;

pub mod io;
pub mod train;

#[cfg(feature = "python")]
pub mod python;
