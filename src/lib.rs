//! **rustdl**: deep learning on the CPU.
//!
//! Tensors, reverse-mode automatic differentiation of any order, SIMD kernels and training
//! steps that are traced once and then run without the interpreter.
//!
//! The modules form layers: each may use only those listed above it
//! (`docs/architecture.md` tells why, and `tests/it/layers.rs` checks it).

pub mod aval;
pub mod buffer;
pub mod error;
pub mod expr;
pub mod kernels;
pub mod par;
pub mod simd;
