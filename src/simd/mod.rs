//! Vectors and vector mathematics, one implementation for each instruction set.
