//! The ops, a family a file. A function defined with [`crate::op!`] in any of these files exists in
//! Rust, in Python, in the documentation and in the tests made from the registry.

pub mod concat;
pub mod conv;
#[cfg(test)]
mod gradcheck;
pub mod index;
pub mod linalg;
pub mod logic;
pub mod map;
pub mod math;
pub mod pool;
pub mod reduce;
pub mod view;
pub mod window;
