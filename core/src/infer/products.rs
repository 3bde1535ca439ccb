//! Convolutions and matrix products.

use crate::attr::WeightsFormat;
use crate::infer::dims::{broadcast, product, window};
use crate::infer::operands::Args;
use crate::infer::{InferError, Types};
use crate::op::{BatchMatmul, Conv2d, Conv3d, Conv3dTranspose, DepthwiseConv2d, FullyConnected, TransposeConv};
use crate::types::{Dim, Shape, Type};

/// A result of the input's element type; quantization is open.
fn result(args: &Args<'_, '_>, input: usize, dims: Vec<Dim>) -> Types {
    Ok(vec![Type::new(args.ty(input)?.dtype, Shape::new(dims))])
}

/// Checks that the input's channels fall into whole groups of the weights' input channels, and the output's into as many.
fn groups(args: &Args<'_, '_>, channels: Dim, per_group: Dim, out: Dim) -> Result<(), InferError> {
    let (Dim::Known(channels), Dim::Known(per_group)) = (channels, per_group) else {
        return Ok(());
    };
    let fits = per_group != 0 && channels.is_multiple_of(per_group) && channels > 0;
    if !fits {
        return Err(args.unfit(1, format!("input channels that divide {channels}")));
    }
    match out {
        Dim::Known(out) if !out.is_multiple_of(channels / per_group) => {
            Err(args.unfit(1, format!("output channels in {} groups", channels / per_group)))
        }
        _ => Ok(()),
    }
}

pub(super) fn conv_2d(args: &Args<'_, '_>, op: &Conv2d) -> Types {
    args.weights(0, 1)?;
    let (input, weights) = (args.of_rank(0, 4)?, args.of_rank(1, 4)?);
    groups(args, input[3], weights[3], weights[0])?;
    args.bias(2, weights[0])?;
    let along = |i: usize| window(input[i + 1], weights[i + 1], op.stride[i], op.dilation[i], op.padding);
    result(args, 0, vec![input[0], along(0)?, along(1)?, weights[0]])
}

pub(super) fn depthwise_conv_2d(args: &Args<'_, '_>, op: &DepthwiseConv2d) -> Types {
    args.weights(0, 1)?;
    let (input, weights) = (args.of_rank(0, 4)?, args.of_rank(1, 4)?);
    if !weights[0].compatible(Dim::Known(1)) {
        return Err(args.unfit(1, "a first dimension of 1"));
    }
    let out = crate::infer::dims::mul(input[3], Dim::Known(op.depth_multiplier as usize))?;
    if op.depth_multiplier == 0 || !out.compatible(weights[3]) {
        return Err(args.unfit(1, format!("{} × {} channels", input[3], op.depth_multiplier)));
    }
    let out = weights[3].meet(out);
    args.bias(2, out)?;
    let along = |i: usize| window(input[i + 1], weights[i + 1], op.stride[i], op.dilation[i], op.padding);
    result(args, 0, vec![input[0], along(0)?, along(1)?, out])
}

/// The shape that operand 0 says, as far as it is known, with batch and channels from elsewhere.
fn output_shape(args: &Args<'_, '_>, rank: usize, batch: Dim, channels: Dim) -> Result<Vec<Dim>, InferError> {
    let len = args.int_vector(0)?;
    if !len.compatible(Dim::Known(rank)) {
        return Err(args.unfit(0, format!("{rank} integers")));
    }
    let said = crate::infer::dims::shape_of(args.ints(0), Dim::Known(rank))?;
    let mut derived = vec![Dim::Unknown; rank];
    derived[0] = batch;
    derived[rank - 1] = channels;
    let derived = Shape::new(derived);
    let shape = said.meet(&derived);
    let dims = shape.as_ref().and_then(Shape::dims).map(<[Dim]>::to_vec);
    dims.ok_or_else(|| InferError::Attribute(format!("an output shape of {said} does not fit {derived}")))
}

pub(super) fn transpose_conv(args: &Args<'_, '_>, op: &TransposeConv) -> Types {
    args.weights(2, 1)?;
    let (weights, input) = (args.of_rank(1, 4)?, args.of_rank(2, 4)?);
    if op.stride.contains(&0) {
        return Err(InferError::Attribute("strides are at least 1".into()));
    }
    if !weights[3].compatible(input[3]) {
        return Err(args.unfit(1, format!("{} input channels", input[3])));
    }
    args.bias(3, weights[0])?;
    result(args, 2, output_shape(args, 4, input[0], weights[0])?)
}

pub(super) fn conv_3d(args: &Args<'_, '_>, op: &Conv3d) -> Types {
    args.weights(0, 1)?;
    let (input, weights) = (args.of_rank(0, 5)?, args.of_rank(1, 5)?);
    groups(args, input[4], weights[3], weights[4])?;
    args.bias(2, weights[4])?;
    let along = |i: usize| window(input[i + 1], weights[i], op.stride[i], op.dilation[i], op.padding);
    result(args, 0, vec![input[0], along(0)?, along(1)?, along(2)?, weights[4]])
}

pub(super) fn conv_3d_transpose(args: &Args<'_, '_>, op: &Conv3dTranspose) -> Types {
    args.weights(2, 1)?;
    let (weights, input) = (args.of_rank(1, 5)?, args.of_rank(2, 5)?);
    if op.stride.contains(&0) || op.dilation.contains(&0) {
        return Err(InferError::Attribute("strides and dilations are at least 1".into()));
    }
    if !weights[4].compatible(input[4]) {
        return Err(args.unfit(1, format!("{} input channels", input[4])));
    }
    args.bias(3, weights[3])?;
    result(args, 2, output_shape(args, 5, input[0], weights[3])?)
}

pub(super) fn fully_connected(args: &Args<'_, '_>, op: &FullyConnected) -> Types {
    args.weights(0, 1)?;
    if op.weights_format != WeightsFormat::Plain {
        return Err(args.declared());
    }
    let weights = args.of_rank(1, 2)?;
    let (out, depth) = (weights[0], weights[1]);
    args.bias(2, out)?;
    let input = args.ty(0)?;
    let Some(dims) = input.shape.dims() else {
        let shape = if op.keep_num_dims {
            Shape::unranked()
        } else {
            Shape::new([Dim::Unknown, out])
        };
        return Ok(vec![Type::new(input.dtype, shape)]);
    };
    if op.keep_num_dims {
        return match dims.split_last() {
            Some((last, leading)) if last.compatible(depth) => result(args, 0, leading.iter().copied().chain([out]).collect()),
            _ => Err(args.unfit(0, format!("a last dimension of {depth}"))),
        };
    }
    let rows = match (product(dims)?, depth) {
        (Dim::Known(all), Dim::Known(depth)) if depth == 0 || !all.is_multiple_of(depth) => {
            return Err(args.unfit(0, format!("rows of {depth} elements")));
        }
        (Dim::Known(all), Dim::Known(depth)) => Dim::Known(all / depth),
        _ => match dims.split_last() {
            Some((last, leading)) if *last == depth && last.known().is_some_and(|n| n > 0) => product(leading)?,
            _ => Dim::Unknown,
        },
    };
    result(args, 0, vec![rows, out])
}

pub(super) fn batch_matmul(args: &Args<'_, '_>, op: &BatchMatmul) -> Types {
    args.weights(0, 1)?;
    let (x, y) = (args.ty(0)?, args.ty(1)?);
    let unranked = || Ok(vec![Type::new(x.dtype, Shape::unranked())]);
    for (i, ty) in [x, y].into_iter().enumerate() {
        if ty.shape.rank().is_some_and(|r| r < 2) {
            return Err(args.unfit(i, "rank 2 or more"));
        }
    }
    let (Some(xd), Some(yd)) = (x.shape.dims(), y.shape.dims()) else {
        return unranked();
    };
    let split = |dims: &[Dim], transposed: bool| {
        let (batch, matrix) = dims.split_at(dims.len() - 2);
        let (rows, columns) = if transposed {
            (matrix[1], matrix[0])
        } else {
            (matrix[0], matrix[1])
        };
        (Shape::new(batch.iter().copied()), rows, columns)
    };
    let (x_batch, m, k) = split(xd, op.adj_x);
    let (y_batch, k_too, n) = split(yd, op.adj_y);
    if !k.compatible(k_too) {
        return Err(args.unfit(1, format!("{k} rows to multiply with")));
    }
    let batch = broadcast(&x_batch, &y_batch).ok_or_else(|| args.unfit(1, format!("leading dimensions that broadcast with {x_batch}")))?;
    let dims = batch.dims().unwrap_or(&[]).iter().copied().chain([m, n]).collect();
    result(args, 0, dims)
}
