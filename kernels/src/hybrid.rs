//! The arithmetic of dynamic-range ("hybrid") quantization: int8 weights, activations quantized as they arrive.
//!
//! Everywhere `real = scale · (stored − zero_point)`. `rne` rounds to nearest, ties to even; `haz` to nearest, ties away
//! from zero.
//!
//! **Weights**, per channel or per tensor, as TensorFlow's converter does it, in double precision ([`weight_scales`];
//! [`planish_core::quantize`] stores them):
//!
//! ```text
//! a = max |w|, at least 5·10⁻⁷      scale = a / 127      v = clamp(haz(w / scale), −127, 127)      zero point 0
//! |w − scale · v| ≤ scale / 2 + 127 · scale · 2⁻²⁴                                                      (1)
//! ```
//!
//! The last term is there because files hold the scale as `f32`. No weight is clamped, since `|w| / scale ≤ 127`.
//!
//! Weights that meet what convolutions made and a rectifier made positive are rounded in balance
//! ([`Rounding::Balanced`](planish_core::attr::Rounding)): some that are between a quarter and half a step from the nearest
//! integer go to the next one on their other side, so that a channel's errors sum to almost nothing. For these
//!
//! ```text
//! |w − scale · v| ≤ 3 · scale / 4 + 127 · scale · 2⁻²⁴                                                  (1b)
//! ```
//!
//! **Activations**, one row at a time. `min` and `max` are those of the row, extended to hold 0.
//!
//! The builtin kernels of TensorFlow Lite, symmetric ([`quantize_row_symmetric`]):
//!
//! ```text
//! r = max(|min|, |max|)      scale = r / 127      q = clamp(haz(x · (127 / r)), −127, 127)      zero point 0
//! ```
//!
//! The builtin kernels, asymmetric ([`quantize_row_asymmetric`]); scale and zero point in double precision:
//!
//! ```text
//! scale = (max − min) / 255      zero_point = haz of −128 − min / scale or of 127 − max / scale, from the end nearer to 0
//! q = clamp(haz(zero_point + x · (1 / scale)), −128, 127)
//! ```
//!
//! XNNPACK's rows, "qd8", in single precision ([`quantize_row_qd8`]):
//!
//! ```text
//! i = 255 / (max − min)      scale = 1 / i      zero_point = rne of −128 − min · i or of 127 − max · i, the same way
//! q = clamp(rne(x · i) + zero_point, −128, 127)
//! ```
//!
//! For each of the three,
//!
//! ```text
//! |x − scale · (q − zero_point)| ≤ scale / 2 + 255 · scale · 2⁻²¹                                       (2)
//! ```
//!
//! Rounding to the grid costs half a step. Clamping costs no more, since rounding the zero point moves each end of the
//! range by at most half a step and what lies beyond is less than half a step away. The last term covers eight
//! roundings in single precision (the range, its quotient, the product with each end, the sum with the zero point, the
//! product with `x`, the reciprocal, the product that gives the real value back), each of at most 2⁻²⁴ of 255 steps.
//! Zero is exact: `0 · i = 0`, so it is stored as the zero point. (2) holds for rows whose range is at least 10⁻³⁵; the
//! steps of a narrower one are too small for single precision, and a row may move by twice its range.
//!
//! **Operations** that are linear in the input and in the weight: products, convolutions, look-ups. With `d = w − s · v` the
//! residual of a weight and `e` that of an activation, result `j` is a sum over the weights that it reads, and moves by
//!
//! ```text
//! Σ w · x − Σ (s · v) · (x − e) = Σ d · x + Σ (s · v) · e
//! |y_j − ŷ_j| ≤ Σ |d| · |x| + Σ |s · v| · E_x + float_j                                                 (3)
//! ```
//!
//! where `E_x`, the right side of (2), is that of the row or image that `x` is quantized with; weight-only operations do
//! without the second term. Both sums are the operation itself, on magnitudes: of the residuals and the input, and of the
//! stored weights and `E_x`. A zero that pads an image is exact and adds nothing; a clamp behind the sum brings results
//! no farther apart. A sum of `n` products in single precision is off by at most `n · 2⁻²⁴` of the sum of its magnitudes,
//! and the epilogue rounds a few times more:
//!
//! ```text
//! float_j = (n + 8) · 2⁻²⁴ · (Σ |w| · |x| + Σ |s · v| · (|x| + E_x))
//! ```
//!
//! Neither of the first two terms is slack. With `x = X · sign(d)` the weight term is attained exactly, and with weights on
//! the grid and each activation half a step from it, to the side of its weight's sign, the other one is.

use planish_core::attr::Rounding;

mod activations;
mod weights;

pub use crate::arch::RowScale;
pub(crate) use activations::quantize_row_biased;
pub use activations::{
    quantize_row_asymmetric, quantize_row_qd8, quantize_row_symmetric, row_scale_asymmetric, row_scale_qd8, row_scale_symmetric,
};
pub use weights::{Channels, NonFinite, weight_peaks, weight_scales};

/// The right side of (1) or (1b): how far a weight may be from what is stored for it.
pub fn weight_error(scale: f64, rounding: Rounding) -> f64 {
    let steps = match rounding {
        Rounding::Nearest => 0.5,
        Rounding::Balanced => 0.75,
    };
    scale * (steps + 127.0 / f64::from(1u32 << 24))
}

/// The right side of (2): how far an activation may be from what is stored for it.
pub fn activation_error(scale: f64) -> f64 {
    scale * (0.5 + 255.0 / f64::from(1u32 << 21))
}
