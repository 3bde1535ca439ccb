//! Optimization passes: quantization, fusion, folding and lowering, one a file.
//!
//! Every pass is registered and can be used alone; order lives in the pipelines of [`pipelines`].

mod add_zero_bias;
mod affine;
mod canonicalize_matmul;
mod dimensions;
mod fall_back_to_float;
mod fold_batch_norm;
mod fold_constants;
mod fuse_activation;
mod fuse_bias;
mod hoist_projections;
mod loops;
mod lower_batch_norm;
mod lower_einsum;
mod lower_fill;
mod lower_tensor_lists;
mod matching;
mod post_training_quantize;
mod remove_identities;
mod select_hybrid_kernels;
mod share_operations;
mod simplify_loops;
pub mod pipelines;
pub mod target;
pub mod weights;

pub use add_zero_bias::AddZeroBias;
pub use canonicalize_matmul::CanonicalizeMatmul;
pub use fall_back_to_float::{FallBackOptions, FallBackToFloat};
pub use fold_batch_norm::FoldBatchNorm;
pub use fold_constants::FoldConstants;
pub use fuse_activation::FuseActivation;
pub use fuse_bias::FuseBias;
pub use hoist_projections::HoistProjections;
pub use lower_batch_norm::LowerBatchNorm;
pub use lower_einsum::LowerEinsum;
pub use lower_fill::LowerFill;
pub use lower_tensor_lists::LowerTensorLists;
pub use post_training_quantize::{Granularity, PostTrainingQuantize, QuantizeOptions};
pub use remove_identities::RemoveIdentities;
pub use select_hybrid_kernels::{HybridOptions, SelectHybridKernels};
pub use share_operations::ShareOperations;
pub use simplify_loops::SimplifyLoops;
pub use target::Target;
