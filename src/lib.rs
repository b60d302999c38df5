//! **rustdl**: deep learning on the CPU.
//!
//! Tensors, reverse-mode automatic differentiation of any order, SIMD kernels and training
//! steps that are traced once and then run without the interpreter.
//!
//! The modules form layers: each may use only those listed above it
//! (`docs/architecture.md` tells why, and `tests/it/layers.rs` checks it).

pub mod error;
#[rustfmt::skip] // in the order of the layers, not of the alphabet
pub mod aval;
pub mod args;
pub mod autodiff;
pub mod bind;
pub mod buffer;
pub mod expr;
pub mod graph;
pub mod io;
pub mod kernels;
pub mod op;
pub mod ops;
pub mod par;
#[cfg(feature = "python")]
pub mod python;
pub mod simd;
pub mod tensor;
pub mod train;
