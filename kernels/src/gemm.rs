//! The matrix product, float and hybrid, under fully connected, batch matrix product and convolution.
//!
//! ```text
//! out[r, c] = clamp(bias[c] + Σ_k left[r, k] · weights[c, k])
//! ```
//!
//! Weights are packed once into panels of `NR` columns, then multiplied any number of times by one loop nest:
//!
//! ```text
//! for rows in chunks that stay in the second-level cache        a chunk is where convolution gathers its patches
//!   for panel in panels of the weights                          a panel is read from memory once a chunk
//!     for block in the chunk's rows, MR at a time
//!       tile: MR × NR sums in registers, over the whole depth
//! ```
//!
//! A convolution is the same product: its rows are the patches of the image, its weights (OHWI) already lie as
//! `[filters, height · width · channels]`.
//!
//! # The hybrid product and its distance from the float one
//!
//! The weights are `w = s_w · v + d` with `v` in −127..=127. Each row of the left operand is quantized as it arrives,
//! `x = s_x · (q − z) + e`; the integers are multiplied exactly and the sum is scaled once:
//!
//! ```text
//! ŷ = fma(f32(Σ_k (q_k − z) · v_k) · s_x, s_w, bias)
//! ```
//!
//! With `|d| ≤ E_w` and `|e| ≤ E_x` ([`hybrid`](crate::hybrid) derives both), and `y` the exact sum,
//!
//! ```text
//! y − ŷ = Σ_k x_k · d_k + s_w · Σ_k e_k · v_k + rounding
//! |y − ŷ| ≤ E_w · Σ_k |x_k| + E_x · Σ_k |s_w · v_k| + 2⁻²² · |ŷ − bias| + 2⁻²⁴ · |ŷ|
//! ```
//!
//! The rounding terms are the three of the epilogue: the sum to `f32`, its product with `s_x`, and the fused last step.
//! [`hybrid_bound`] computes the right side.
//!
//! Sums are exact up to a depth of 66 311 (255 · 127 · depth < 2³¹); deeper ones wrap around if they really exceed 32
//! bits. Order of evaluation, and with it every result, is independent of the number of threads.

mod bound;
mod conv;
mod matrix;
mod nest;
mod panels;
mod weights;

pub use crate::arch::{Clamp, RowScale};
pub use bound::hybrid_bound;
pub use conv::Conv2dShape;
pub use matrix::Matrix;
pub use weights::{PackedWeights, Product};
pub(crate) use weights::{pack_float, pack_hybrid};
