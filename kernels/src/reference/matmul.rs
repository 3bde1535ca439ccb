//! The matrix product and the convolution, float and hybrid, as their definitions read.
//!
//! Float sums start from the bias and add the products in ascending order with one rounding each. Hybrid ones are exact in
//! integers, then scaled as [`gemm`](crate::gemm) says.

use crate::gemm::{Clamp, Conv2dShape, Matrix};
use crate::hybrid;

/// Bias of an output, or 0.
fn start(bias: Option<&[f32]>, output: usize) -> f32 {
    bias.map_or(0.0, |bias| bias[output])
}

/// `out[r, c] = clamp(bias[c] + Σ_k left[r, k] · weights[c, k])`.
pub fn multiply_float(left: Matrix<'_, f32>, weights: Matrix<'_, f32>, bias: Option<&[f32]>, clamp: Clamp) -> Vec<f32> {
    let mut out = Vec::with_capacity(left.rows() * weights.rows());
    for r in 0..left.rows() {
        for c in 0..weights.rows() {
            let mut sum = start(bias, c);
            for k in 0..weights.columns() {
                sum = left.at(r, k).mul_add(weights.at(c, k), sum);
            }
            out.push(clamp.apply(sum));
        }
    }
    out
}

/// `clamp(fma(f32(Σ_k (q[r, k] − zero_point[r]) · weights[c, k]) · scale[r], scales[c], bias[c]))`, the rows quantized as
/// XNNPACK does. `scales` is one, or one an output.
pub fn multiply_hybrid(left: Matrix<'_, f32>, weights: Matrix<'_, i8>, scales: &[f32], bias: Option<&[f32]>, clamp: Clamp) -> Vec<f32> {
    let mut out = Vec::with_capacity(left.rows() * weights.rows());
    let mut quantized = vec![0i8; left.columns()];
    for r in 0..left.rows() {
        let row: Vec<f32> = (0..left.columns()).map(|k| left.at(r, k)).collect();
        let how = hybrid::quantize_row_qd8(&row, &mut quantized);
        for c in 0..weights.rows() {
            let mut sum = 0i32;
            for k in 0..weights.columns() {
                sum = sum.wrapping_add((i32::from(quantized[k]) - how.zero_point) * i32::from(weights.at(c, k)));
            }
            let scale = scales[if scales.len() == 1 { 0 } else { c }];
            out.push(clamp.apply((sum as f32 * how.scale).mul_add(scale, start(bias, c))));
        }
    }
    out
}

/// Calls `tap` for each element of the patch of an output pixel that lies inside the image, in the order of the
/// filter's elements, with the index of the element in the image batch and in the filter.
fn patch(shape: &Conv2dShape, image: usize, pixel: [usize; 2], group: usize, mut tap: impl FnMut(usize, usize)) {
    let share = shape.channels / shape.groups;
    for ky in 0..shape.kernel[0] {
        for kx in 0..shape.kernel[1] {
            let y = (pixel[0] * shape.stride[0] + ky * shape.dilation[0]).checked_sub(shape.padding[0]);
            let x = (pixel[1] * shape.stride[1] + kx * shape.dilation[1]).checked_sub(shape.padding[1]);
            let (Some(y), Some(x)) = (y, x) else { continue };
            if y >= shape.input[0] || x >= shape.input[1] {
                continue;
            }
            for channel in 0..share {
                let input = ((image * shape.input[0] + y) * shape.input[1] + x) * shape.channels + group * share + channel;
                tap(input, (ky * shape.kernel[1] + kx) * share + channel);
            }
        }
    }
}

/// Calls `output` for each element of the result, in order, with its image, pixel and filter.
fn each_output(shape: &Conv2dShape, mut output: impl FnMut(usize, [usize; 2], usize)) {
    for image in 0..shape.batch {
        for y in 0..shape.output[0] {
            for x in 0..shape.output[1] {
                for filter in 0..shape.filters {
                    output(image, [y, x], filter);
                }
            }
        }
    }
}

/// Convolution of NHWC images with OHWI `weights`, one row a filter.
pub fn conv_2d_float(shape: &Conv2dShape, input: &[f32], weights: Matrix<'_, f32>, bias: Option<&[f32]>, clamp: Clamp) -> Vec<f32> {
    let mut out = Vec::new();
    each_output(shape, |image, pixel, filter| {
        let mut sum = start(bias, filter);
        patch(shape, image, pixel, filter / (shape.filters / shape.groups), |at, k| {
            sum = input[at].mul_add(weights.at(filter, k), sum)
        });
        out.push(clamp.apply(sum));
    });
    out
}

/// Hybrid convolution, each image quantized as a whole as XNNPACK does.
pub fn conv_2d_hybrid(
    shape: &Conv2dShape,
    input: &[f32],
    weights: Matrix<'_, i8>,
    scales: &[f32],
    bias: Option<&[f32]>,
    clamp: Clamp,
) -> Vec<f32> {
    let mut quantized = vec![0i8; input.len()];
    let size = input.len() / shape.batch.max(1);
    let images: Vec<_> = (0..shape.batch)
        .map(|image| hybrid::quantize_row_qd8(&input[image * size..][..size], &mut quantized[image * size..][..size]))
        .collect();
    let mut out = Vec::new();
    each_output(shape, |image, pixel, filter| {
        let how = images[image];
        let mut sum = 0i32;
        patch(shape, image, pixel, filter / (shape.filters / shape.groups), |at, k| {
            sum = sum.wrapping_add((i32::from(quantized[at]) - how.zero_point) * i32::from(weights.at(filter, k)));
        });
        let scale = scales[if scales.len() == 1 { 0 } else { filter }];
        out.push(clamp.apply((sum as f32 * how.scale).mul_add(scale, start(bias, filter))));
    });
    out
}
