//! The meaning of each operation, in plain loops.

pub mod matmul;
