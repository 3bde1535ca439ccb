//! The proven distance of the hybrid product from the exact one.

use planish_core::attr::Rounding;

use crate::hybrid::{activation_error, weight_error};

/// An upper bound of `|y − ŷ|` for one output of weights rounded to nearest: `row` are the real activations, `weights` the stored weights of the
/// output, `row_scale` and `weight_scale` the real values of their steps, `output` and `bias` the computed output before
/// its clamp and the bias. The module's documentation derives it.
pub fn hybrid_bound(row: &[f32], weights: &[i8], row_scale: f32, weight_scale: f32, output: f32, bias: f32) -> f64 {
    let activations: f64 = row.iter().map(|x| f64::from(*x).abs()).sum();
    let stored: f64 = weights.iter().map(|v| f64::from(*v).abs()).sum();
    let (output, bias) = (f64::from(output), f64::from(bias));
    weight_error(f64::from(weight_scale), Rounding::Nearest) * activations
        + activation_error(f64::from(row_scale)) * f64::from(weight_scale) * stored
        + (output - bias).abs() / f64::from(1u32 << 22)
        + output.abs() / f64::from(1u32 << 24)
        + f64::from(f32::MIN_POSITIVE)
}
