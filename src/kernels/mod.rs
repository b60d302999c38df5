//! Hand-written kernels: slices in, slices out; no `Tensor`, no `Result` (checks live in `infer`).

pub mod arg;
pub mod attention;
pub mod beam;
pub mod conv;
pub mod copy;
pub mod ctc;
pub mod cumulative;
pub mod decompose;
pub mod fft;
pub mod gather;
pub mod gemm;
pub mod matmul;
pub mod pool;
pub mod rnn;
pub mod sort;
