//! Files: tensors in the safetensors format, written so that a crash never leaves half a file.

pub mod atomic;
pub mod safetensors;
