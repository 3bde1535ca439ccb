//! LiteRT with XNNPACK, its default on CPUs.

use planish_core::{Op, OpRef};

use super::{Verdict, float_activations};
use crate::economy::LARGE;
use crate::fuse_lstm::FuseLstmOptions;
use crate::quantize_options::QuantizeOptions;
use crate::stored_size::stored_size;
use crate::weights::{Weight, all_or_none};

/// A step of a loop costs XNNPACK some microseconds whatever its size, so that small layers are faster fused, at batch one:
/// the builtin kernel takes the rows of a batch one by one. Quantized, a loop's operators are a noticeable part of the file up
/// to some more inputs and units.
pub(super) fn fused_layers(quantized: Option<&QuantizeOptions>) -> FuseLstmOptions {
    FuseLstmOptions {
        max_fan_in: if quantized.is_some() { 128 } else { 64 },
        single_batch: true,
        plain_only: quantized.is_some(),
    }
}

/// Rows from which on a product is bound by arithmetic rather than by reading its weights.
const MANY_ROWS: usize = 16;

/// Taps of a depthwise filter up to which XNNPACK has a float kernel that holds them all in registers (5 by 5). One of 7 by 7 and 64
/// channels takes 16 times as long as the builtin hybrid kernel, one of 5 by 5 half as long.
const MOST_TAPS: usize = 25;

/// Input and output channels, as half their harmonic mean, below which a convolution is narrow.
const NARROW: usize = 32;

/// XNNPACK has int8-weight kernels for products with per-row or per-image quantized activations, but not for depthwise
/// convolution: the builtin kernel it falls back to is slower than XNNPACK's float one, and cuts the graph in pieces.
/// A `dequantize` of a constant, on the other hand, is unpacked once when the model is loaded.
pub(super) fn quantized(op: OpRef<'_>, weight: Weight) -> Verdict {
    match op.op() {
        Op::FullyConnected(_) if float_activations(op, 0) && op.operand(0).is_some_and(|x| x.ty().shape.rank().is_none()) => {
            Verdict::WeightOnly("XNNPACK does not quantize activations of unknown rank")
        }
        Op::FullyConnected(_) if float_activations(op, 0) => {
            Verdict::Hybrid("XNNPACK multiplies int8 weights with activations quantized by row")
        }
        Op::Conv2d(_) if float_activations(op, 0) && is_narrow(op) => Verdict::WeightOnly(
            "it has so few channels that quantizing its input and making its result real takes longer than integer products save",
        ),
        Op::Conv2d(_) if float_activations(op, 0) => Verdict::Hybrid("XNNPACK convolves int8 weights with activations quantized by image"),
        Op::BatchMatmul(_) if weight.operand == 1 && float_activations(op, 0) => {
            Verdict::Hybrid("XNNPACK multiplies int8 weights with activations quantized by row")
        }
        Op::TransposeConv(_) => match op.operand(0).and_then(|shape| shape.constant()) {
            Some(_) => Verdict::Hybrid("XNNPACK convolves int8 weights with activations quantized by image"),
            None => Verdict::WeightOnly("its output shape is no constant, so XNNPACK leaves it to a slow builtin hybrid kernel"),
        },
        Op::DepthwiseConv2d(_) if float_activations(op, 0) && taps(op) > MOST_TAPS => {
            Verdict::Hybrid("XNNPACK's float kernel is slow where a filter has more than 25 taps, and the builtin hybrid one is not")
        }
        Op::DepthwiseConv2d(_) => Verdict::WeightOnly(
            "XNNPACK has no hybrid depthwise kernel; its float kernel on weights unpacked once is faster than the builtin one",
        ),
        Op::EmbeddingLookup(_) => Verdict::Hybrid("rows of the int8 table are dequantized as they are read"),
        Op::Gather(_) => Verdict::Hybrid("rows of the int8 table are dequantized as they are read"),
        Op::Conv3d(_) | Op::Conv3dTranspose(_) if stored_size(op.graph()) < LARGE => {
            Verdict::Float("there is no hybrid kernel for it, and a network of less than 8 MiB gains little")
        }
        cell if all_or_none(cell) => Verdict::Hybrid("the builtin kernel multiplies int8 weights with activations quantized by row"),
        _ => Verdict::WeightOnly("there is no hybrid kernel for it"),
    }
}

/// How many elements of an image a depthwise filter reads at once.
fn taps(op: OpRef<'_>) -> usize {
    let dims = op.operand(1).and_then(|filter| filter.ty().shape.known());
    dims.as_deref()
        .and_then(|dims| dims.as_array())
        .map_or(0, |&[_, height, width, _]| height.saturating_mul(width))
}

/// Whether a pointwise convolution has so few channels that integer arithmetic does not pay.
///
/// Beside the `rows · i · o` products of `i` input and `o` output channels, a hybrid convolution quantizes `rows · i` activations
/// and makes `rows · o` sums real: a part of the products that goes with `1 / i + 1 / o`. Timed beside XNNPACK's float convolution
/// on AVX2, `i · o / (i + o)` decides whatever the number of rows: half as fast at 20, three quarters at 27, as fast at 64 to 80,
/// faster above. Where a CPU multiplies integers some four times as fast as floats (AVX-512-VNNI, Arm's dot products), the same costs
/// let hybrid break even near 30, hence the bound. Few rows are bound by reading the weights, so that integers win there.
fn is_narrow(op: OpRef<'_>) -> bool {
    let Some(&[outputs, 1, 1, inputs]) = op
        .operand(1)
        .and_then(|v| v.ty().shape.known())
        .as_deref()
        .and_then(|dims| dims.as_array())
    else {
        return false;
    };
    let Some([leading @ .., _]) = op.result(0).ty().shape.dims() else {
        return false;
    };
    let rows: usize = leading.iter().fold(1, |rows, d| rows.saturating_mul(d.known().unwrap_or(1)));
    rows >= MANY_ROWS && inputs.saturating_mul(outputs) < NARROW.saturating_mul(inputs.saturating_add(outputs))
}
