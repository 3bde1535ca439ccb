//! LiteRT's builtin kernels alone, as on platforms without XNNPACK.

use planish_core::{Op, OpRef};

use super::{Verdict, float_activations};
use crate::weights::Weight;

/// Without XNNPACK the builtin hybrid kernels are faster than the builtin float ones, except the single-threaded
/// reference code of the transposed convolution; depthwise convolution gains little and loses accuracy.
pub(super) fn quantized(op: OpRef<'_>, weight: Weight) -> Verdict {
    match op.op() {
        Op::TransposeConv(_) => Verdict::WeightOnly("the builtin hybrid kernel is slow reference code"),
        Op::DepthwiseConv2d(_) => Verdict::WeightOnly("the builtin hybrid kernel is no faster than the float one, which is more accurate"),
        Op::FullyConnected(_) | Op::Conv2d(_) | Op::BatchMatmul(_) if float_activations(op, 0) => {
            Verdict::Hybrid("the builtin kernel multiplies int8 weights with activations quantized on the fly")
        }
        _ => super::litert::quantized(op, weight),
    }
}
