//! Convolutions: weights are seen in the IR's order, explicit padding and channels-first images are made plain.

use planish_core::attr::{Activation, Padding};
use planish_core::graph::Value;
use planish_core::op::{Conv2d, Conv3d, Conv3dTranspose, DepthwiseConv2d, Pad, TransposeConv};
use planish_core::tensor::Tensor;
use planish_core::types::DType;

use super::movement::reversed;
use super::node::{Node, one};
use super::{Imported, Stop};

/// Where batch, height, width and channels stand in a list with one number for each dimension.
#[derive(Clone, Copy)]
pub(super) enum Layout {
    ChannelsLast,
    ChannelsFirst,
}

impl Layout {
    pub(super) fn of(node: &Node<'_>) -> Result<Self, Stop> {
        match node.attr_text("data_format", "NHWC") {
            "NHWC" | "NDHWC" => Ok(Self::ChannelsLast),
            "NCHW" | "NCDHW" => Ok(Self::ChannelsFirst),
            _ => Err(Stop::Foreign),
        }
    }

    /// The channels-last form of an image.
    pub(super) fn enter(self, node: &mut Node<'_>, image: Value) -> Result<Value, Stop> {
        match self {
            Self::ChannelsLast => Ok(image),
            Self::ChannelsFirst => {
                let rank = node.rank(image).unwrap_or(4);
                let mut permutation: Vec<usize> = (0..rank).collect();
                permutation[1..].rotate_left(1);
                node.transposed(image, &permutation)
            }
        }
    }

    /// The form that the graph's other nodes expect.
    pub(super) fn leave(self, node: &mut Node<'_>, image: Value) -> Result<Value, Stop> {
        match self {
            Self::ChannelsLast => Ok(image),
            Self::ChannelsFirst => {
                let rank = node.rank(image).unwrap_or(4);
                let mut permutation: Vec<usize> = (0..rank).collect();
                permutation[1..].rotate_right(1);
                node.transposed(image, &permutation)
            }
        }
    }

    /// The numbers of the spatial dimensions, of a list in this layout; 1 in all others is required.
    pub(super) fn spatial<const N: usize>(self, node: &Node<'_>, attr: &str) -> Result<[u32; N], Stop> {
        let numbers = node.attr_ints(attr);
        if numbers.is_empty() {
            return Ok([1; N]);
        }
        if numbers.len() != N + 2 {
            return Err(node.error(format!("{attr} has {} numbers instead of {}", numbers.len(), N + 2)));
        }
        let (start, channel) = match self {
            Self::ChannelsLast => (1, N + 1),
            Self::ChannelsFirst => (2, 1),
        };
        if numbers[0] != 1 || numbers[channel] != 1 {
            return Err(Stop::Foreign);
        }
        let mut spatial = [1; N];
        for (to, &from) in spatial.iter_mut().zip(&numbers[start..start + N]) {
            *to = u32::try_from(from)
                .ok()
                .filter(|&n| n > 0)
                .ok_or_else(|| node.error(format!("{attr} has {from}")))?;
        }
        Ok(spatial)
    }

    /// Before and after each spatial dimension, of the explicit paddings in this layout.
    fn paddings(self, node: &Node<'_>) -> Result<Vec<i32>, Stop> {
        let given = node.attr_ints("explicit_paddings");
        let [b0, b1, x0, x1, y0, y1, z0, z1] = given[..] else {
            return Err(node.error("its explicit paddings are not 8 numbers"));
        };
        let ordered = match self {
            Self::ChannelsLast => [b0, b1, x0, x1, y0, y1, z0, z1],
            Self::ChannelsFirst => [b0, b1, y0, y1, z0, z1, x0, x1],
        };
        ordered
            .iter()
            .map(|&p| {
                i32::try_from(p)
                    .ok()
                    .filter(|&p| p >= 0)
                    .ok_or_else(|| node.error(format!("it has padding {p}")))
            })
            .collect()
    }
}

/// The image with its border made explicit, and the padding that is left.
pub(super) fn padded(
    node: &mut Node<'_>,
    layout: Layout,
    image: Value,
    pad: impl FnOnce(&mut Node<'_>, Value, Value) -> Result<Value, Stop>,
) -> Result<(Value, Padding), Stop> {
    if let Some(padding) = node.attr_padding()? {
        return Ok((image, padding));
    }
    let paddings = layout.paddings(node)?;
    if paddings.iter().all(|&p| p == 0) {
        return Ok((image, Padding::Valid));
    }
    let paddings = node.add_const(Tensor::from_vec(&[4, 2], paddings));
    Ok((pad(node, image, paddings)?, Padding::Valid))
}

fn with_zeros(node: &mut Node<'_>, image: Value, paddings: Value) -> Result<Value, Stop> {
    node.add(Pad {}, &[image, paddings])
}

/// The padding where it has to follow from the extents.
pub(super) fn implicit_padding(node: &Node<'_>) -> Result<Padding, Stop> {
    node.attr_padding()?.ok_or(Stop::Foreign)
}

/// Half precision is computed in single; other types have no kernel.
pub(super) fn floats_only(node: &Node<'_>, value: Value) -> Result<(), Stop> {
    if node.dtype(value) == DType::F32 {
        Ok(())
    } else {
        Err(Stop::Foreign)
    }
}

pub(super) fn conv_2d(node: &mut Node<'_>) -> Imported {
    let layout = Layout::of(node)?;
    let (image, weights) = (node.value(0)?, node.value(1)?);
    floats_only(node, image)?;
    let image = layout.enter(node, image)?;
    let stride = layout.spatial(node, "strides")?;
    let dilation = layout.spatial(node, "dilations")?;
    let (image, padding) = padded(node, layout, image, with_zeros)?;
    let weights = node.transposed(weights, &[3, 0, 1, 2])?;
    let op = Conv2d {
        padding,
        stride,
        dilation,
        activation: Activation::None,
    };
    let result = node.add(op, &[image, weights])?;
    one(layout.leave(node, result)?)
}

pub(super) fn depthwise_conv_2d(node: &mut Node<'_>) -> Imported {
    let layout = Layout::of(node)?;
    let (image, weights) = (node.value(0)?, node.value(1)?);
    floats_only(node, image)?;
    let image = layout.enter(node, image)?;
    let stride = layout.spatial(node, "strides")?;
    let dilation = layout.spatial(node, "dilations")?;
    let (image, padding) = padded(node, layout, image, with_zeros)?;
    let dims = node.shape(weights).known().ok_or(Stop::Foreign)?;
    let [height, width, channels, multiplier] = dims[..] else {
        return Err(node.error("its weights are not of rank 4"));
    };
    let depth_multiplier = u32::try_from(multiplier).map_err(|_| node.error("its weights are too large"))?;
    let outputs = channels
        .checked_mul(multiplier)
        .ok_or_else(|| node.error("its weights are too large"))?;
    let weights = node.reshaped(weights, &[1, height, width, outputs])?;
    let op = DepthwiseConv2d {
        padding,
        stride,
        dilation,
        depth_multiplier,
        activation: Activation::None,
    };
    let result = node.add(op, &[image, weights])?;
    one(layout.leave(node, result)?)
}

/// The gradient of a convolution towards its input, which layers use as a transposed convolution.
pub(super) fn conv_2d_backprop_input(node: &mut Node<'_>) -> Imported {
    let layout = Layout::of(node)?;
    let (sizes, weights, image) = (node.index_input(0)?, node.value(1)?, node.value(2)?);
    floats_only(node, image)?;
    let image = layout.enter(node, image)?;
    let stride: [u32; 2] = layout.spatial(node, "strides")?;
    let padding = implicit_padding(node)?;
    let dilation = layout.spatial::<2>(node, "dilations")?;
    if dilation != [1, 1] {
        if stride != [1, 1] {
            return Err(Stop::Foreign);
        }
        let result = dilated_transpose_conv(node, image, weights, dilation, padding)?;
        return one(layout.leave(node, result)?);
    }
    let sizes = match layout {
        Layout::ChannelsLast => sizes,
        Layout::ChannelsFirst => {
            let order = node.add_ints(&[0, 2, 3, 1]);
            node.add(planish_core::op::Gather { axis: 0, batch_dims: 0 }, &[sizes, order])?
        }
    };
    let weights = node.transposed(weights, &[2, 0, 1, 3])?;
    let op = TransposeConv {
        padding,
        stride,
        activation: Activation::None,
    };
    let result = node.add(op, &[sizes, weights, image])?;
    one(layout.leave(node, result)?)
}

/// A transposed convolution without strides, which is a convolution with the filter turned around: the operator for
/// transposed ones has no dilation.
fn dilated_transpose_conv(node: &mut Node<'_>, image: Value, weights: Value, dilation: [u32; 2], padding: Padding) -> Result<Value, Stop> {
    let extents = [0, 1].map(|axis| node.shape(weights).dim(axis).known());
    let mut paddings = vec![0i32; 8];
    for axis in 0..2 {
        let reach = i64::from(dilation[axis]) * (extents[axis].ok_or(Stop::Foreign)? as i64 - 1);
        let reach = i32::try_from(reach).map_err(|_| node.error("its dilation is too large"))?;
        // What the convolution that this is the gradient of had put around the image is left out of the result.
        let (before, after) = match padding {
            Padding::Same => (reach - reach / 2, reach / 2),
            Padding::Valid => (reach, reach),
        };
        paddings[2 * axis + 2] = before;
        paddings[2 * axis + 3] = after;
    }
    let paddings = node.add_const(Tensor::from_vec(&[4, 2], paddings));
    let image = with_zeros(node, image, paddings)?;
    let weights = node.transposed(weights, &[2, 0, 1, 3])?;
    let weights = reversed(node, weights, [1, 2])?;
    let op = Conv2d {
        padding: Padding::Valid,
        stride: [1, 1],
        dilation,
        activation: Activation::None,
    };
    node.add(op, &[image, weights])
}

pub(super) fn conv_3d(node: &mut Node<'_>) -> Imported {
    let layout = Layout::of(node)?;
    let (volume, weights) = (node.value(0)?, node.value(1)?);
    floats_only(node, volume)?;
    let volume = layout.enter(node, volume)?;
    let inputs = |value: Value, axis: usize| node.shape(value).dim(axis).known();
    // The kernel knows no groups.
    if let (Some(channels), Some(filtered)) = (inputs(volume, 4), inputs(weights, 3))
        && channels != filtered
    {
        return Err(Stop::Foreign);
    }
    let stride = layout.spatial(node, "strides")?;
    let dilation = layout.spatial(node, "dilations")?;
    let padding = implicit_padding(node)?;
    let op = Conv3d {
        padding,
        stride,
        dilation,
        activation: Activation::None,
    };
    let result = node.add(op, &[volume, weights])?;
    one(layout.leave(node, result)?)
}

pub(super) fn conv_3d_backprop_input(node: &mut Node<'_>) -> Imported {
    let layout = Layout::of(node)?;
    let Layout::ChannelsLast = layout else { return Err(Stop::Foreign) };
    let (sizes, weights, volume) = (node.index_input(0)?, node.value(1)?, node.value(2)?);
    floats_only(node, volume)?;
    let stride = layout.spatial(node, "strides")?;
    let dilation = layout.spatial(node, "dilations")?;
    let padding = implicit_padding(node)?;
    let op = Conv3dTranspose {
        padding,
        stride,
        dilation,
        activation: Activation::None,
    };
    one(node.add(op, &[sizes, weights, volume])?)
}
