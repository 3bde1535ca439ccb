//! What nearly every program needs: `use planish::prelude::*`.

pub use planish_core::{Choice, Graph, Meaning, Model, Op, Pass, PassEntry, PassManager, Report, Rule, Skip, Value, inventory};
pub use planish_passes::{
    Balance, FallBackOptions, FallBackToFloat, Granularity, Halves, HybridOptions, PostTrainingQuantize, QuantizeOptions,
    SelectHybridKernels, Target,
};

pub use crate::convert::{ConvertOptions, Converted, convert};
