//! The ops, a family a file. A function defined with [`crate::op!`] in any of these files exists in
//! Rust, in Python, in the documentation and in the tests made from the registry.

pub mod activation;
pub mod arg;
pub mod assemble;
pub mod attention;
pub mod classify;
pub mod concat;
pub mod conv;
mod conv_samples;
pub mod create;
pub mod ctc;
pub mod cumulative;
pub mod diagonal;
pub mod discrete;
pub mod einsum;
pub mod elementary;
pub mod fft;
pub mod gather;
#[cfg(test)]
mod gradcheck;
pub mod index;
pub mod linalg;
pub mod logic;
pub mod map;
pub mod math;
pub mod pad;
pub mod pool;
pub mod products;
pub mod random;
pub mod rearrange;
pub mod recurrent;
pub mod reduce;
pub mod rows;
pub mod samples;
pub mod scan;
pub mod solve;
pub mod sort;
mod sparse_rows;
pub mod spectral;
pub mod statistics;
pub mod view;
pub mod while_loop;
pub mod window;
