//! The layers of rustdl up to its kernels, for benches that are built often; see `Cargo.toml`.
//!
//! Linked without the rest, code may be inlined otherwise than in a wheel: before a figure is
//! quoted, measure the wheel.

#![allow(dead_code, unsafe_op_in_unsafe_fn)]

#[path = "../../src/error.rs"]
pub mod error;

#[path = "../../src/aval.rs"]
pub mod aval;

#[path = "../../src/args.rs"]
pub mod args;
#[path = "../../src/par.rs"]
pub mod par;
#[path = "../../src/simd/mod.rs"]
pub mod simd;

#[path = "../../src/buffer/mod.rs"]
pub mod buffer;

#[path = "../../src/expr/mod.rs"]
pub mod expr;

#[path = "../../src/kernels/mod.rs"]
pub mod kernels;
