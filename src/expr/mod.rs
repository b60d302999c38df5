//! The expression language: everything elementwise or row-wise is a [`Program`].
//!
//! - [`ir`]: types, operations, nodes, programs;
//! - [`builder`]: makes programs, shares and simplifies, and fuses by inlining;
//! - [`lane`]: the formula language of op authors;
//! - [`diff`]: derivatives, which are programs again;
//! - [`eval`]: the scalar reference interpreter;
//! - [`vm`]: runs a program over blocks that stay in the first-level cache.

pub mod builder;
pub mod cache;
pub mod diff;
pub mod eval;
pub mod ir;
pub mod lane;
pub mod special;
pub mod vm;
pub mod vm_run;

pub use builder::Builder;
pub use ir::{
    BinOp, CmpOp, Id, Node, Out, OutKind, Program, RandomKind, ReduceOp, Scalar, Ty, UnOp,
};
pub use lane::{Lane, Sym};
pub use vm::{Lookup, Loop, Operand};
