//! Reference and fast kernels of planish's operations, and an interpreter for its graphs.

pub mod arch;
pub mod error;
pub mod gemm;
pub mod hybrid;
pub mod interpret;
pub mod reference;
pub mod select;
