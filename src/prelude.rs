//! What nearly every program needs: `use planish::prelude::*`.
//!
//! [`Error`](crate::Error) and [`Result`](crate::Result) are left out: most programs have their own.

pub use planish_core::{
    Changed, Choice, Context, DType, Dim, Graph, Meaning, Model, Op, OpRef, Pass, PassEntry, PassManager, Report, Rule, Shape, Signature,
    Skip, Tensor, Type, Value, ValueInfo, inventory,
};
pub use planish_passes::{
    Balance, FallBackOptions, FallBackToFloat, Granularity, Halves, HybridOptions, PostTrainingQuantize, QuantizeOptions,
    SelectHybridKernels, Target,
};

pub use crate::convert::{ConvertOptions, Converted, convert};
