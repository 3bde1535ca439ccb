//! Convolutions of each channel on its own, over volumes, and their transposes.

use planish_core::op::{Conv3d, Conv3dTranspose, DepthwiseConv2d, TransposeConv};
use planish_core::{DType, Tensor};

use super::activation::finish;
use super::args::{Args, elements, invalid};
use super::products::{stored_int8, weight_scales, windows};
use super::shape::Window;
use crate::error::Error;
use crate::hybrid::{quantize_row_asymmetric, quantize_row_qd8};

/// Float weights, or int8 ones with a scale for each output channel.
enum Filter<'a> {
    Float(std::borrow::Cow<'a, [f32]>),
    Hybrid(std::borrow::Cow<'a, [i8]>, Vec<f32>),
}

fn filter<'a>(args: &Args<'a>, operand: usize, axis: usize, outputs: usize) -> Result<Filter<'a>, Error> {
    let tensor = args.get(operand)?;
    if tensor.dtype() == DType::F32 {
        return Ok(Filter::Float(elements(tensor)));
    }
    let Some(stored) = stored_int8(tensor) else {
        return Err(args.element_type(tensor.dtype()));
    };
    let mut scales = weight_scales(args, operand, axis, outputs)?;
    if scales.len() == 1 {
        scales = vec![scales[0]; outputs];
    }
    Ok(Filter::Hybrid(stored, scales))
}

/// Adds a bias to each row of `outputs` elements.
fn add_bias(args: &Args<'_>, operand: usize, outputs: usize, out: &mut [f32]) -> Result<(), Error> {
    let Some(bias) = args.optional_elements::<f32>(operand)? else {
        return Ok(());
    };
    if bias.len() != outputs {
        return Err(args.bad(operand, format!("has {} elements, expected {outputs}", bias.len())));
    }
    out.chunks_mut(outputs.max(1))
        .for_each(|row| row.iter_mut().zip(bias.iter()).for_each(|(out, b)| *out += b));
    Ok(())
}

/// Calls `f` for each output pixel and each tap inside the image, with the offset of the pixel's first output, of the
/// input pixel's first channel, and of the tap's first weight.
fn for_each_tap(
    batch: usize,
    [height, width]: [usize; 2],
    [rows, columns]: [Window; 2],
    (inputs, outputs, weights): (usize, usize, usize),
    mut f: impl FnMut(usize, usize, usize),
) {
    for image in 0..batch {
        for y in 0..rows.positions {
            for x in 0..columns.positions {
                let out = ((image * rows.positions + y) * columns.positions + x) * outputs;
                for ky in rows.taps(y, height) {
                    let sy = y * rows.stride + ky * rows.dilation - rows.before;
                    for kx in columns.taps(x, width) {
                        let sx = x * columns.stride + kx * columns.dilation - columns.before;
                        f(
                            out,
                            ((image * height + sy) * width + sx) * inputs,
                            (ky * columns.extent + kx) * weights,
                        );
                    }
                }
            }
        }
    }
}

/// `depthwise_conv_2d`; with int8 weights as TFLite's builtin kernel: each image quantized as a whole.
pub(crate) fn depthwise_conv_2d(op: &DepthwiseConv2d, args: &Args<'_>) -> Result<Tensor, Error> {
    let [batch, height, width, channels] = args.dims::<4>(0)?;
    let [one, kh, kw, outputs] = args.dims::<4>(1)?;
    if one != 1 || channels == 0 || !outputs.is_multiple_of(channels) {
        return Err(args.bad(1, format!("is {}, which does not fit {channels} channels", args.get(1)?.ty())));
    }
    let multiplier = outputs / channels;
    let windows = windows([height, width], [kh, kw], op.stride, op.dilation, op.padding)?;
    let dims = [batch, windows[0].positions, windows[1].positions, outputs];
    let x = args.elements::<f32>(0)?;
    let mut out = args.alloc::<f32>(&dims, 0.0)?;
    let sizes = (channels, outputs, outputs);
    match filter(args, 1, 3, outputs)? {
        Filter::Float(w) => for_each_tap(batch, [height, width], windows, sizes, |o, i, k| {
            let (out, x, w) = (&mut out[o..o + outputs], &x[i..i + channels], &w[k..k + outputs]);
            if multiplier == 1 {
                out.iter_mut().zip(x).zip(w).for_each(|((out, x), w)| *out += x * w);
            } else {
                let w = w.chunks_exact(multiplier).zip(x);
                out.chunks_exact_mut(multiplier)
                    .zip(w)
                    .for_each(|(out, (w, x))| out.iter_mut().zip(w).for_each(|(out, w)| *out += x * w));
            }
        }),
        Filter::Hybrid(w, scales) => {
            let image = height * width * channels;
            let mut quantized = vec![0i8; x.len()];
            let mut sums = args.alloc::<i32>(&dims, 0)?;
            let how: Vec<_> = (0..batch)
                .map(|b| quantize_row_asymmetric(&x[b * image..(b + 1) * image], &mut quantized[b * image..(b + 1) * image]))
                .collect();
            for_each_tap(batch, [height, width], windows, sizes, |o, i, k| {
                let zero = how[i / image].zero_point;
                for (c, x) in quantized[i..i + channels].iter().enumerate() {
                    let x = i32::from(*x) - zero;
                    for m in c * multiplier..(c + 1) * multiplier {
                        sums[o + m] = sums[o + m].wrapping_add(x * i32::from(w[k + m]));
                    }
                }
            });
            let each = dims[1] * dims[2] * outputs;
            for (at, (out, sum)) in out.iter_mut().zip(sums).enumerate() {
                *out = sum as f32 * (scales[at % outputs] * how[at / each].scale);
            }
        }
    }
    add_bias(args, 2, outputs, &mut out)?;
    Ok(finish(op.activation, &dims, out))
}

/// The window whose positions are the input's elements, for a transposed convolution onto `output` elements.
fn scatter_window(
    input: usize,
    output: usize,
    extent: usize,
    stride: u32,
    dilation: u32,
    padding: planish_core::attr::Padding,
) -> Result<Window, Error> {
    let window = Window::new(output, extent, stride, dilation, padding)?;
    if window.positions != input {
        return invalid(format!(
            "a result of {output} elements has {} windows of {extent} by stride {stride}, the input has {input}",
            window.positions
        ));
    }
    Ok(window)
}

/// `transpose_conv`; with int8 weights each image is quantized as a whole, as XNNPACK does.
pub(crate) fn transpose_conv(op: &TransposeConv, args: &Args<'_>) -> Result<Tensor, Error> {
    let dims: [usize; 4] = match args.extents(0)?.try_into() {
        Ok(dims) => dims,
        Err(_) => return Err(args.bad(0, "is no shape of four dimensions")),
    };
    let [filters, kh, kw, channels] = args.dims::<4>(1)?;
    let [batch, height, width, depth] = args.dims::<4>(2)?;
    if dims[0] != batch || dims[3] != filters || depth != channels {
        return Err(args.bad(
            0,
            format!(
                "is {dims:?}, which does not fit {} and weights {}",
                args.get(2)?.ty(),
                args.get(1)?.ty()
            ),
        ));
    }
    let rows = scatter_window(height, dims[1], kh, op.stride[0], 1, op.padding)?;
    let columns = scatter_window(width, dims[2], kw, op.stride[1], 1, op.padding)?;
    let x = args.elements::<f32>(2)?;
    let mut out = args.alloc::<f32>(&dims, 0.0)?;
    let image = height * width * channels;
    let weights = filter(args, 1, 0, filters)?;
    // Roles are swapped: a position of the window is an input pixel, its source an output pixel.
    let walk =
        |f: &mut dyn FnMut(usize, usize, usize)| for_each_tap(batch, [dims[1], dims[2]], [rows, columns], (filters, channels, channels), f);
    match &weights {
        Filter::Float(w) => walk(&mut |i, o, k| {
            for f in 0..filters {
                let w = &w[f * kh * kw * channels + k..][..channels];
                out[o + f] += x[i..i + channels].iter().zip(w).map(|(x, w)| x * w).sum::<f32>();
            }
        }),
        Filter::Hybrid(w, scales) => {
            let mut quantized = vec![0i8; x.len()];
            let mut sums = args.alloc::<i32>(&dims, 0)?;
            let how: Vec<_> = (0..batch)
                .map(|b| quantize_row_qd8(&x[b * image..(b + 1) * image], &mut quantized[b * image..(b + 1) * image]))
                .collect();
            walk(&mut |i, o, k| {
                let zero = how[i / image].zero_point;
                for f in 0..filters {
                    let w = &w[f * kh * kw * channels + k..][..channels];
                    let products = quantized[i..i + channels]
                        .iter()
                        .zip(w)
                        .map(|(&x, &w)| (i32::from(x) - zero) * i32::from(w));
                    sums[o + f] = products.fold(sums[o + f], i32::wrapping_add);
                }
            });
            let each = dims[1] * dims[2] * filters;
            for (at, (out, sum)) in out.iter_mut().zip(sums).enumerate() {
                *out = sum as f32 * how[at / each].scale * scales[at % filters];
            }
        }
    }
    add_bias(args, 3, filters, &mut out)?;
    Ok(finish(op.activation, &dims, out))
}

/// Calls `f` for each window position and tap inside a volume, with the numbers of the position, of the tap's source and of the tap.
fn for_each_voxel(extents: [usize; 3], windows: [Window; 3], mut f: impl FnMut(usize, usize, usize)) {
    let [planes, rows, columns] = windows;
    for z in 0..planes.positions {
        for y in 0..rows.positions {
            for x in 0..columns.positions {
                let position = (z * rows.positions + y) * columns.positions + x;
                for kz in planes.taps(z, extents[0]) {
                    for ky in rows.taps(y, extents[1]) {
                        for kx in columns.taps(x, extents[2]) {
                            let [sz, sy, sx] = [(planes, z, kz), (rows, y, ky), (columns, x, kx)]
                                .map(|(w, p, k)| p * w.stride + k * w.dilation - w.before);
                            f(
                                position,
                                (sz * extents[1] + sy) * extents[2] + sx,
                                (kz * rows.extent + ky) * columns.extent + kx,
                            );
                        }
                    }
                }
            }
        }
    }
}

/// `conv_3d`.
pub(crate) fn conv_3d(op: &Conv3d, args: &Args<'_>) -> Result<Tensor, Error> {
    let [batch, d, h, w, channels] = args.dims::<5>(0)?;
    let [kd, kh, kw, inputs, filters] = args.dims::<5>(1)?;
    if inputs != channels {
        return Err(args.bad(1, format!("is {}, expected {channels} input channels", args.get(1)?.ty())));
    }
    let extents = [d, h, w];
    let mut windows = Vec::new();
    for (axis, kernel) in [kd, kh, kw].into_iter().enumerate() {
        windows.push(Window::new(extents[axis], kernel, op.stride[axis], op.dilation[axis], op.padding)?);
    }
    let windows: [Window; 3] = windows.try_into().expect("three of them");
    let dims = [batch, windows[0].positions, windows[1].positions, windows[2].positions, filters];
    let (x, weights) = (args.elements::<f32>(0)?, args.elements::<f32>(1)?);
    let mut out = args.alloc::<f32>(&dims, 0.0)?;
    let each = dims[1] * dims[2] * dims[3];
    for image in 0..batch {
        for_each_voxel(extents, windows, |position, source, tap| {
            let out = &mut out[(image * each + position) * filters..][..filters];
            for c in 0..channels {
                let x = x[(image * d * h * w + source) * channels + c];
                let weights = &weights[(tap * channels + c) * filters..][..filters];
                out.iter_mut().zip(weights).for_each(|(out, weight)| *out += x * weight);
            }
        });
    }
    add_bias(args, 2, filters, &mut out)?;
    Ok(finish(op.activation, &dims, out))
}

/// `conv_3d_transpose`.
pub(crate) fn conv_3d_transpose(op: &Conv3dTranspose, args: &Args<'_>) -> Result<Tensor, Error> {
    let dims: [usize; 5] = match args.extents(0)?.try_into() {
        Ok(dims) => dims,
        Err(_) => return Err(args.bad(0, "is no shape of five dimensions")),
    };
    let [kd, kh, kw, filters, inputs] = args.dims::<5>(1)?;
    let [batch, d, h, w, channels] = args.dims::<5>(2)?;
    if dims[0] != batch || dims[4] != filters || inputs != channels {
        return Err(args.bad(
            0,
            format!(
                "is {dims:?}, which does not fit {} and weights {}",
                args.get(2)?.ty(),
                args.get(1)?.ty()
            ),
        ));
    }
    let extents = [dims[1], dims[2], dims[3]];
    let mut windows = Vec::new();
    for (axis, (input, kernel)) in [(d, kd), (h, kh), (w, kw)].into_iter().enumerate() {
        windows.push(scatter_window(
            input,
            extents[axis],
            kernel,
            op.stride[axis],
            op.dilation[axis],
            op.padding,
        )?);
    }
    let windows: [Window; 3] = windows.try_into().expect("three of them");
    let (x, weights) = (args.elements::<f32>(2)?, args.elements::<f32>(1)?);
    let mut out = args.alloc::<f32>(&dims, 0.0)?;
    let each = dims[1] * dims[2] * dims[3];
    for image in 0..batch {
        for_each_voxel(extents, windows, |position, target, tap| {
            let x = &x[(image * d * h * w + position) * channels..][..channels];
            for f in 0..filters {
                let weights = &weights[(tap * filters + f) * channels..][..channels];
                out[(image * each + target) * filters + f] += x.iter().zip(weights).map(|(x, weight)| x * weight).sum::<f32>();
            }
        });
    }
    add_bias(args, 3, filters, &mut out)?;
    Ok(finish(op.activation, &dims, out))
}
