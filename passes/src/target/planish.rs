//! The kernels of this library.

use planish_core::{Op, OpRef};

use super::{Verdict, float_activations};
use crate::weights::Weight;

/// Products have hybrid kernels; everything else runs in float on weights dequantized when they are read.
pub(super) fn quantized(op: OpRef<'_>, _: Weight) -> Verdict {
    match op.op() {
        Op::FullyConnected(_) | Op::Conv2d(_) | Op::BatchMatmul(_) if float_activations(op, 0) => {
            Verdict::Hybrid("a hybrid kernel is registered for it")
        }
        Op::EmbeddingLookup(_) | Op::Gather(_) => Verdict::Hybrid("rows of the int8 table are dequantized as they are read"),
        _ => Verdict::WeightOnly("no hybrid kernel is registered for it"),
    }
}
