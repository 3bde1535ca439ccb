//! LiteRT with XNNPACK, its default on CPUs.

use planish_core::{Op, OpRef};

use super::{Verdict, float_activations};
use crate::fuse_lstm::FuseLstmOptions;
use crate::post_training_quantize::QuantizeOptions;
use crate::weights::Weight;

/// A step of a loop costs XNNPACK some microseconds whatever its size, so that small layers are faster fused, at batch one:
/// the builtin kernel takes the rows of a batch one by one. Quantized, a loop's operators are a noticeable part of the file up
/// to some more inputs and units.
pub(super) fn fused_layers(quantized: Option<&QuantizeOptions>) -> FuseLstmOptions {
    FuseLstmOptions {
        max_fan_in: if quantized.is_some() { 128 } else { 64 },
        single_batch: true,
        min_gate_elements: quantized.map_or(0, |options| options.min_elements),
    }
}

/// XNNPACK has int8-weight kernels for products with per-row or per-image quantized activations, but not for depthwise
/// convolution: the builtin kernel it falls back to is slower than XNNPACK's float one, and cuts the graph in pieces.
/// A `dequantize` of a constant, on the other hand, is unpacked once when the model is loaded.
pub(super) fn quantized(op: OpRef<'_>, weight: Weight) -> Verdict {
    match op.op() {
        Op::FullyConnected(_) if float_activations(op, 0) => {
            Verdict::Hybrid("XNNPACK multiplies int8 weights with activations quantized by row")
        }
        Op::Conv2d(_) if float_activations(op, 0) => Verdict::Hybrid("XNNPACK convolves int8 weights with activations quantized by image"),
        Op::BatchMatmul(_) if weight.operand == 1 && float_activations(op, 0) => {
            Verdict::Hybrid("XNNPACK multiplies int8 weights with activations quantized by row")
        }
        Op::TransposeConv(_) => match op.operand(0).and_then(|shape| shape.constant()) {
            Some(_) => Verdict::Hybrid("XNNPACK convolves int8 weights with activations quantized by image"),
            None => Verdict::WeightOnly("its output shape is no constant, so XNNPACK leaves it to a slow builtin hybrid kernel"),
        },
        Op::DepthwiseConv2d(_) => Verdict::WeightOnly(
            "XNNPACK has no hybrid depthwise kernel; its float kernel on weights unpacked once is faster than the builtin one",
        ),
        Op::EmbeddingLookup(_) => Verdict::Hybrid("rows of the int8 table are dequantized as they are read"),
        Op::Gather(_) => Verdict::Hybrid("rows of the int8 table are dequantized as they are read"),
        Op::Lstm(_)
        | Op::UnidirectionalSequenceLstm(_)
        | Op::BidirectionalSequenceLstm(_)
        | Op::Rnn(_)
        | Op::UnidirectionalSequenceRnn(_)
        | Op::BidirectionalSequenceRnn(_)
        | Op::Svdf(_) => Verdict::Hybrid("the builtin kernel multiplies int8 weights with activations quantized by row"),
        _ => Verdict::WeightOnly("there is no hybrid kernel for it"),
    }
}
