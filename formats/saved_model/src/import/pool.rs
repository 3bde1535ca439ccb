//! Pooling over windows.

use planish_core::attr::{Activation, Padding};
use planish_core::op::{AveragePool2d, MaxPool2d, Op, PadV2, Reshape};

use super::convolution::{Layout, floats_only, implicit_padding, padded};
use super::node::{Node, one};
use super::{Imported, Stop};

fn greatest(filter: [u32; 2], stride: [u32; 2], padding: Padding) -> Op {
    let op = MaxPool2d {
        filter,
        stride,
        padding,
        activation: Activation::None,
    };
    op.into()
}

fn mean(filter: [u32; 2], stride: [u32; 2], padding: Padding) -> Op {
    let op = AveragePool2d {
        filter,
        stride,
        padding,
        activation: Activation::None,
    };
    op.into()
}

pub(super) fn max_pool(node: &mut Node<'_>) -> Imported {
    pool(node, greatest)
}

pub(super) fn avg_pool(node: &mut Node<'_>) -> Imported {
    pool(node, mean)
}

fn pool(node: &mut Node<'_>, op: fn([u32; 2], [u32; 2], Padding) -> Op) -> Imported {
    let layout = Layout::of(node)?;
    let image = node.value(0)?;
    floats_only(node, image)?;
    let image = layout.enter(node, image)?;
    let filter = layout.spatial(node, "ksize")?;
    let stride = layout.spatial(node, "strides")?;
    // Only maxima can be padded explicitly, with what no element is below.
    let (image, padding) = padded(node, layout, image, |node, image, paddings| {
        let lowest = node.number(f64::from(f32::MIN), image)?;
        node.add(PadV2 {}, &[image, paddings, lowest])
    })?;
    let result = node.add(op(filter, stride, padding), &[image])?;
    one(layout.leave(node, result)?)
}

/// Window and stride are operands here.
pub(super) fn max_pool_v2(node: &mut Node<'_>) -> Imported {
    let Layout::ChannelsLast = Layout::of(node)? else {
        return Err(Stop::Foreign);
    };
    let image = node.value(0)?;
    let (filter, stride) = (node.ints(1)?, node.ints(2)?);
    let spatial = |numbers: &[i64]| match numbers {
        [1, h, w, 1] => Some([u32::try_from(*h).ok()?, u32::try_from(*w).ok()?]),
        _ => None,
    };
    let (Some(filter), Some(stride)) = (spatial(&filter), spatial(&stride)) else {
        return Err(Stop::Foreign);
    };
    let padding = implicit_padding(node)?;
    one(node.add(greatest(filter, stride, padding), &[image])?)
}

pub(super) fn max_pool_3d(node: &mut Node<'_>) -> Imported {
    volume_pool(node, greatest)
}

pub(super) fn avg_pool_3d(node: &mut Node<'_>) -> Imported {
    volume_pool(node, mean)
}

/// A window over a volume is one over height and width, then one over depth, with the other dimensions merged.
///
/// This holds for means at the border too: how many elements lie inside is a product over the dimensions.
fn volume_pool(node: &mut Node<'_>, op: fn([u32; 2], [u32; 2], Padding) -> Op) -> Imported {
    let layout = Layout::of(node)?;
    let volume = node.value(0)?;
    floats_only(node, volume)?;
    let volume = layout.enter(node, volume)?;
    let filter: [u32; 3] = layout.spatial(node, "ksize")?;
    let stride: [u32; 3] = layout.spatial(node, "strides")?;
    let padding = implicit_padding(node)?;
    let dims = node.shape(volume).clone();
    let known = |axis: usize| dims.dim(axis).known().and_then(|d| i32::try_from(d).ok()).ok_or(Stop::Foreign);
    let (depth, height, width, channels) = (known(1)?, known(2)?, known(3)?, known(4)?);

    let flat = node.add_ints(&[-1, height, width, channels]);
    let images = node.add(Reshape {}, &[volume, flat])?;
    let pooled = node.add(op([filter[1], filter[2]], [stride[1], stride[2]], padding), &[images])?;
    let after = node.shape(pooled).clone();
    let extent = |axis: usize| after.dim(axis).known().and_then(|d| i32::try_from(d).ok()).ok_or(Stop::Foreign);
    let (height, width) = (extent(1)?, extent(2)?);
    let area = height
        .checked_mul(width)
        .and_then(|a| a.checked_mul(channels))
        .ok_or(Stop::Foreign)?;
    let flat = node.add_ints(&[-1, depth, 1, area]);
    let columns = node.add(Reshape {}, &[pooled, flat])?;
    let pooled = node.add(op([filter[0], 1], [stride[0], 1], padding), &[columns])?;
    let depth = node
        .shape(pooled)
        .dim(1)
        .known()
        .and_then(|d| i32::try_from(d).ok())
        .ok_or(Stop::Foreign)?;
    let shape = node.add_ints(&[-1, depth, height, width, channels]);
    let result = node.add(Reshape {}, &[pooled, shape])?;
    one(layout.leave(node, result)?)
}
